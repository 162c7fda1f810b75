"""Dense balls in a CT: candidates from a Hough transform, then fitted to their surface."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.sampling import Floats, Image, Scan, ramp, sphere_directions

RADII_MM = np.arange(19.0, 30.0, 2.0)
"""What is voted for; adult femoral heads have radii of 19 to 28 mm."""

SMOOTHING_MM = 2.0
STEEPEST_HU_PER_MM = 15.0
"""Steeper edges vote no more than this one, so that cortex and metal do not outvote the rest."""
FLATTEST_HU_PER_MM = 5.0
BONE_NEAR_HU = 100.0
"""A head of an osteoporotic patient, averaged over 4 mm, is no denser than this."""
VOTE_BLUR_MM = 4.0
APART_MM = 14.0
MOST_CANDIDATES = 12

DIRECTIONS = sphere_directions(300)
FIT_RADII_MM = np.arange(10.0, 38.1, 1.0)
FALLEN_BEFORE = 2
"""Steps of radius."""
FIT_STARTS_MM = (19.5, 23.0, 26.5)
FIT_WINDOWS_MM = (8.0, 6.0, 4.5, 3.0, 2.5, 2.0, 2.0)
"""How far from the present sphere its surface is looked for, step by step."""
FIT_REACH_MM = 20.0


@dataclass(frozen=True)
class Sphere:
    """A dense ball.

    Attributes:
        centre_mm: point of the scan.
        radius_mm: of the ball.
        surface: share of its surface, 0 to 1, where density falls outwards as it should.
    """

    centre_mm: Floats
    radius_mm: float
    surface: float

    def shell(self, radii: Floats) -> Floats:
        """Points in every one of ``DIRECTIONS`` at radii in mm: (direction, radius, 3)."""
        return self.centre_mm + DIRECTIONS[:, None, :] * radii[None, :, None]


def sphere_centres(coarse: Scan) -> list[Floats]:
    """Places where many surfaces say that they belong to one dense ball, the best first.

    Every edge votes for the points that lie 19 to 29 mm up its gradient: Hough transform for spheres. Votes
    are divided by the radius, a compromise between their number and the share of the surface they make up.

    Args:
        coarse: voxels of about 4 mm.
    """
    coarse = _around_bone(coarse)
    hu = np.clip(coarse.hu, -50, 400).astype(np.float32)
    smooth = ndimage.gaussian_filter(hu, SMOOTHING_MM / coarse.voxel_mm)
    gradient = np.asarray(np.gradient(smooth, *coarse.voxel_mm))
    steepness = np.sqrt((gradient**2).sum(axis=0))
    near = tuple(2 * np.rint(4 / coarse.voxel_mm).astype(int) + 1)
    edge = (steepness > FLATTEST_HU_PER_MM) & (smooth > 60)
    edge &= ndimage.maximum_filter(smooth, near) > BONE_NEAR_HU
    uphill = (gradient[:, edge] / steepness[edge]).T
    places = np.argwhere(edge) * coarse.voxel_mm
    weights = np.minimum(steepness[edge] / STEEPEST_HU_PER_MM, 1)

    votes = np.zeros(smooth.shape, np.float32)
    for radius in RADII_MM:
        np.maximum(votes, _votes(coarse, places + radius * uphill, weights) / radius, out=votes)
    apart = tuple(2 * np.rint(APART_MM / coarse.voxel_mm).astype(int) + 1)
    peaks = np.argwhere((votes == ndimage.maximum_filter(votes, apart)) & (votes > 0))
    order = np.argsort(-votes[tuple(peaks.T)])[:MOST_CANDIDATES]
    return [coarse.first_mm + peak * coarse.voxel_mm for peak in peaks[order]]


def _around_bone(scan: Scan) -> Scan:
    """The box that holds everything dense, table included; all of a scan without anything dense."""
    dense = scan.hu > BONE_NEAR_HU
    box = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        where = np.flatnonzero(dense.any(axis=others))
        box.append((where[0], where[-1]) if where.size else (0, dense.shape[axis] - 1))
    low, high = np.transpose(box) * scan.voxel_mm + scan.first_mm
    return scan.between(low - RADII_MM[-1], high + RADII_MM[-1])


def _votes(coarse: Scan, places: Floats, weights: NDArray[np.floating]) -> Image:
    """Weights collected at places relative to the first voxel, blurred."""
    shape = coarse.hu.shape
    index = np.rint(places / coarse.voxel_mm).astype(int)
    inside = ((index >= 0) & (index < shape)).all(axis=1)
    flat = np.ravel_multi_index(tuple(index[inside].T), shape)
    counts = np.bincount(flat, weights[inside], minlength=np.prod(shape)).reshape(shape).astype(np.float32)
    return np.asarray(ndimage.gaussian_filter(counts, VOTE_BLUR_MM / coarse.voxel_mm, truncate=2.5))


def fit_sphere(scan: Scan, centre_mm: Floats) -> Sphere:
    """The ball near a point on whose surface density falls most, among fits from several radii.

    Args:
        scan: voxels of about 2 mm.
        centre_mm: within about 15 mm of the true centre.
    """
    ball = scan.at(Sphere(centre_mm, 0, 0).shell(np.array([6.0, 12.0])))
    density = max(float(np.median(ball)), 90.0)
    fits = [_fit_from(scan, centre_mm, radius, density) for radius in FIT_STARTS_MM]
    return max(fits, key=lambda sphere: sphere.surface)


def _fit_from(scan: Scan, start_mm: Floats, radius: float, density: float) -> Sphere:
    """Alternates between looking for the surface near the sphere and moving the sphere there, robustly."""
    centre = start_mm
    system = np.column_stack([DIRECTIONS, np.ones(len(DIRECTIONS))])
    for window in FIT_WINDOWS_MM:
        edge = _edge(scan, centre, density) * np.exp(-0.5 * ((FIT_RADII_MM - radius) / window) ** 2)
        surface, strength = FIT_RADII_MM[edge.argmax(axis=1)], edge.max(axis=1)
        weights = strength
        for _ in range(2):
            root = np.sqrt(weights)
            *shift, radius = np.linalg.lstsq(system * root[:, None], surface * root, rcond=None)[0]
            residual = surface - system @ [*shift, radius]
            weights = strength / (1 + (residual / 1.5) ** 2)
        step = np.linalg.norm(shift)
        centre = centre + np.array(shift) * min(1, 4 / max(float(step), 1e-6))
        radius = float(np.clip(radius, 16, 32))
        if np.linalg.norm(centre - start_mm) > FIT_REACH_MM:
            break
    on_surface = np.abs(FIT_RADII_MM - radius) <= 1.5
    surface = _edge(scan, centre, density)[:, on_surface].max(axis=1)
    return Sphere(centre, radius, float(surface.mean()))


def _edge(scan: Scan, centre_mm: Floats, density: float) -> Floats:
    """0 to 1 per direction and radius: does density fall here, as at the surface of a ball of this density?

    Where it has fallen before, in the joint space, a fall further out belongs to the socket.
    """
    hu = scan.at(Sphere(centre_mm, 0, 0).shell(FIT_RADII_MM))
    hu = ndimage.gaussian_filter1d(np.clip(hu, -100, 700), 1.2, axis=1)
    fall = np.clip(-np.gradient(hu, FIT_RADII_MM, axis=1) * 5 / (density - 50), 0, 1)
    lowest = np.minimum.accumulate(hu, axis=1)
    before = np.pad(lowest, ((0, 0), (FALLEN_BEFORE, 0)), mode="edge")[:, :-FALLEN_BEFORE]
    return np.asarray(fall * ramp((before - 50) / (density - 50), 0, 0.5))
