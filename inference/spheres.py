"""Dense balls in a CT: candidates from a Hough transform, then fitted to their surface."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.sampling import Floats, Image, Scan, ramp, sphere_directions

RADII_MM = np.arange(19.0, 30.0, 2.0)
"""What is voted for. 125 dry adult femora had heads of 40.4 +- 4.1 mm (doi 10.5281/zenodo.17642179);
cartilage and blur make them wider in CT, and there are larger people."""

SMOOTHING_MM = 2.0
STEEPEST_HU_PER_MM = 15.0
"""Steeper edges vote no more than this one, so that cortex and metal do not outvote the rest."""
FLATTEST_HU_PER_MM = 5.0
BONE_NEAR_HU = 100.0
"""A head of an osteoporotic patient, averaged over 4 mm, is no denser than this."""
VOTE_BLUR_MM = 4.0
APART_MM = 14.0
MOST_CANDIDATES = 12

DIRECTIONS = sphere_directions(240)
FIT_RADII_MM = np.arange(10.0, 38.1, 1.0)
FIT_REACH_MM = 20.0
LARGEST_STEP_MM = 4.0

STEEPEST_STARTS_MM = (19.5, 23.0, 26.5)
STEEPEST_WINDOWS_MM = (8.0, 6.0, 4.5, 3.0, 2.5, 2.0, 2.0)
"""How far from the present sphere its surface is looked for, step by step."""
FALLEN_BEFORE = 2
"""Steps of radius."""

FIRST_FALL_LEVEL = 0.4
FIRST_FALL_WINDOWS_MM = (6.0, 4.5, 3.5, 2.5, 2.0, 2.0)
WELL_FITTED = 0.34
"""Share of directions in which density must first fall at the surface for a fit to be believed."""
ON_SURFACE_MM = 1.5
WIDEST_MM = 30.5
"""What is wider is the outside of the socket."""


@dataclass(frozen=True)
class Sphere:
    """A dense ball.

    Attributes:
        centre_mm: point of the scan.
        radius_mm: of the ball.
        surface: 0 to 1, how much of its surface density falls at as it should.
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


def fit_sphere(scan: Scan, centre_mm: Floats) -> tuple[Sphere, ...]:
    """The ball near a point, in two fits, the better one first.

    Two descriptions of its surface are tried. Where density first falls well below the ball's own is exact,
    but needs a joint space that can be seen in many directions. Where density falls most always exists, but
    the socket pulls it outwards and upwards.

    Args:
        scan: voxels of about 2 mm.
        centre_mm: within about 15 mm of the true centre.
    """
    density = max(float(np.median(scan.at(Sphere(centre_mm, 0, 0).shell(np.array([6.0, 12.0]))))), 90.0)
    falls = [
        _fit(scan, Sphere(centre_mm, radius, 0), density, _steepest_falls, STEEPEST_WINDOWS_MM)
        for radius in STEEPEST_STARTS_MM
    ]
    steepest = max(falls, key=lambda sphere: sphere.surface)
    starts = (
        Sphere(centre_mm, 21.0, 0),
        Sphere(centre_mm - [7.0, 0.0, 0.0], 22.0, 0),
        Sphere(steepest.centre_mm - [6.0, 0.0, 0.0], max(steepest.radius_mm - 3, 19.0), 0),
    )
    first = [_fit(scan, start, density, _first_falls, FIRST_FALL_WINDOWS_MM) for start in starts]
    best = max(first, key=lambda sphere: sphere.surface)
    good = best.surface >= WELL_FITTED and best.radius_mm < WIDEST_MM
    return (best, steepest) if good else (steepest, best)


Finder = Callable[[Image, float], Floats]
"""From HU along rays from the centre (direction, radius) and the ball's density to 0..1: is there an edge?"""


def _fit(scan: Scan, start: Sphere, density: float, find: Finder, windows_mm: Sequence[float]) -> Sphere:
    """Alternates between looking for the surface near the sphere and moving the sphere there, robustly."""
    centre, radius = start.centre_mm, start.radius_mm
    system = np.column_stack([DIRECTIONS, np.ones(len(DIRECTIONS))])
    for window in windows_mm:
        edge = find(_along_rays(scan, centre), density)
        edge = edge * np.exp(-0.5 * ((FIT_RADII_MM - radius) / window) ** 2)
        surface, strength = FIT_RADII_MM[edge.argmax(axis=1)], edge.max(axis=1)
        weights = strength
        for _ in range(2):
            root = np.sqrt(weights)
            *shift, radius = np.linalg.lstsq(system * root[:, None], surface * root, rcond=None)[0]
            residual = surface - system @ [*shift, radius]
            weights = strength / (1 + (residual / 1.5) ** 2)
        step = float(np.linalg.norm(shift))
        centre = centre + np.array(shift) * min(1, LARGEST_STEP_MM / max(step, 1e-6))
        radius = float(np.clip(radius, 16, 32))
        if np.linalg.norm(centre - start.centre_mm) > FIT_REACH_MM:
            break
    near = np.abs(FIT_RADII_MM - radius) <= ON_SURFACE_MM
    on_surface = find(_along_rays(scan, centre), density)[:, near].max(axis=1)
    return Sphere(centre, radius, float(on_surface.mean()))


def _along_rays(scan: Scan, centre_mm: Floats) -> Image:
    hu = np.clip(scan.at(Sphere(centre_mm, 0, 0).shell(FIT_RADII_MM)), -100, 700)
    return np.asarray(ndimage.gaussian_filter1d(hu, 1.0, axis=1))


def _steepest_falls(hu: Image, density: float) -> Floats:
    """How fast density falls. A fall further out than one in the joint space belongs to the socket."""
    fall = np.clip(-np.gradient(hu, FIT_RADII_MM, axis=1) * 5 / (density - 50), 0, 1)
    lowest = np.minimum.accumulate(hu, axis=1)
    before = np.pad(lowest, ((0, 0), (FALLEN_BEFORE, 0)), mode="edge")[:, :-FALLEN_BEFORE]
    return np.asarray(fall * ramp((before - 50) / (density - 50), 0.35, 0.7))


def _first_falls(hu: Image, density: float) -> Floats:
    """1 at the radius where density first falls below 40 % of the ball's, counted from soft tissue."""
    below = (hu - 50) / (density - 50) < FIRST_FALL_LEVEL
    below[:, 0] = False
    edge = np.zeros(hu.shape)
    edge[np.arange(len(hu)), below.argmax(axis=1)] = 1
    edge[:, 0] = 0
    return edge
