"""The surface of a femoral neck, its narrowest section, and how wide that is at any height.

The axis and the surface are found in turn (after Bonneau et al. 2012, J Anat 221:465, who fit cross-sections
one by one instead of one cylinder). On planes across the axis the outer edge of the bone is the closed path
along which density falls most; marrow, thin cortex and trabeculae inside do not matter to it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.femoral_head import FemoralHead
from inference.sampling import OUTSIDE_HU, Floats, Image, Scan, unit

RAYS = 40
ANGLES = np.arange(RAYS) * 2 * np.pi / RAYS
STEP_MM = 0.5
RADII_MM = np.arange(0, 26.01, STEP_MM)
LEAST_RADIUS_MM = 6.0
BLUR = (1.0, 1.0, 1.2)
"""Of what is read: stations, rays, steps."""

STATION_MM = 1.5
STATIONS = (0.7, 1.55)
ISTHMUS = (0.8, 1.4)
"""Where planes are laid and where the narrowest may be, in radii of the head from its centre."""
ROUNDS = 4
NEAR_ISTHMUS_MM = 7.6
AVERAGED_MM = 3.1
HARMONICS = 4
"""A cross-section is an oval with a little freedom: noise on single rays does not reach the width."""
STARTS_DEGREES = ((0, 0), (-20, 0), (20, 0), (0, -18), (0, 18))
"""Turns of the first guess: about the body's long axis, as the leg rotates, and about the horizontal."""
REACH_RADII = 2.7
"""No plane reaches further from the head's centre."""
GOOD_QUALITY = 0.95
"""Needs no other guess."""
PATH_STEP = 2
CLIMB_COST = 0.02
"""Steps of radius that the path may climb from ray to ray, and what each of them costs."""


@dataclass(frozen=True)
class NeckSection:
    """The neck around its narrowest cross-section.

    Attributes:
        centre_mm: point of the scan on the neck's axis.
        direction: unit vector along the axis, away from the head.
        contours_mm: outlines of the sections within 3 mm, in points of the scan: (section, ray, 3).
        quality: 0 to 1, share of the outline where bone gives way to soft tissue as it should.
        covered: share of what was looked at that lies inside the volume.
    """

    centre_mm: Floats
    direction: Floats
    contours_mm: Floats
    quality: float
    covered: float

    def widths_mm(self, heights_mm: Floats) -> Floats:
        """Width across the axis, in the horizontal plane, where planes of these heights cut the section.

        Mean of the sections; 0 above and below them.
        """
        _, across = _upright(self.direction)
        return np.asarray(
            np.mean([_widths(outline, across, heights_mm) for outline in self.contours_mm], axis=0)
        )


@dataclass(frozen=True)
class _Tube:
    """Outlines on planes along an axis: radii in mm and their edges' strength 0 to 1, (station, ray)."""

    axis_mm: Floats
    direction: Floats
    along_mm: Floats
    radii_mm: Floats
    strength: Floats
    covered: Floats

    def points(self) -> Floats:
        """The outlines in points of the scan, (station, ray, 3)."""
        up, across = _upright(self.direction)
        rays = np.cos(ANGLES)[:, None] * up + np.sin(ANGLES)[:, None] * across
        stations = self.axis_mm + self.along_mm[:, None] * self.direction
        return np.asarray(stations[:, None] + self.radii_mm[..., None] * rays)

    def areas_mm2(self) -> Floats:
        """Area of each cross-section."""
        return np.asarray((self.radii_mm**2).sum(axis=1) * np.pi / RAYS)

    def centroids(self) -> Floats:
        """Centre of area of each cross-section, (station, 3)."""
        shift = self.radii_mm**3 / (1.5 * (self.radii_mm**2).sum(axis=1))[:, None]
        up, across = _upright(self.direction)
        stations = self.axis_mm + self.along_mm[:, None] * self.direction
        return np.asarray(
            stations + np.outer(shift @ np.cos(ANGLES), up) + np.outer(shift @ np.sin(ANGLES), across)
        )

    def isthmus(self, head_radius_mm: float) -> int:
        """Station of the smallest section; ill-defined sections count as larger than they are."""
        quality = ndimage.gaussian_filter1d(self.strength.mean(axis=1), 1.3)
        areas = ndimage.gaussian_filter1d(self.areas_mm2(), 1.3) * (2.5 - 1.5 * quality)
        low, high = np.multiply(ISTHMUS, head_radius_mm)
        allowed = np.flatnonzero((self.along_mm > low) & (self.along_mm < high))
        return int(allowed[areas[allowed].argmin()])


def trace_neck(scan: Scan, head: FemoralHead) -> NeckSection:
    """Trace the neck of a head from several first guesses and keep the best defined.

    Args:
        scan: full resolution, or reduced to 2 mm where a rough answer will do.
    """
    reach = REACH_RADII * head.sphere.radius_mm
    scan = scan.between(head.sphere.centre_mm - reach, head.sphere.centre_mm + reach)
    sections = []
    for degrees in STARTS_DEGREES:
        sections.append(_trace(scan, head, _turned(head.neck_direction, *degrees)))
        if sections[-1].quality > GOOD_QUALITY:
            break
    return max(sections, key=lambda section: section.quality)


def _trace(scan: Scan, head: FemoralHead, direction: Floats) -> NeckSection:
    centre, radius = head.sphere.centre_mm, head.sphere.radius_mm
    along = np.arange(STATIONS[0] * radius, STATIONS[1] * radius, STATION_MM)
    axis = centre
    for _ in range(ROUNDS):
        tube = _outline(scan, axis, direction, along, head.density)
        axis, direction = _axis_of(tube, centre, radius)
    tube = _outline(scan, axis, direction, along, head.density)
    narrowest = tube.isthmus(radius)
    near = np.abs(along - along[narrowest]) <= AVERAGED_MM
    return NeckSection(
        centre_mm=axis + along[narrowest] * direction,
        direction=direction,
        contours_mm=tube.points()[near],
        quality=float(tube.strength[near].mean()),
        covered=float(tube.covered[near].mean()),
    )


def _axis_of(tube: _Tube, head_centre_mm: Floats, head_radius_mm: float) -> tuple[Floats, Floats]:
    """A better axis: half way between the line through the sections and the line from the head's centre."""
    narrowest = tube.isthmus(head_radius_mm)
    near = np.abs(tube.along_mm - tube.along_mm[narrowest]) < NEAR_ISTHMUS_MM
    weights = tube.strength[near].mean(axis=1) ** 2 + 1e-6
    centroids = tube.centroids()[near]
    middle = np.average(centroids, axis=0, weights=weights)
    line = np.linalg.svd((centroids - middle) * np.sqrt(weights)[:, None])[2][0]
    line *= np.sign(line @ tube.direction)
    target = unit(line + unit(middle - head_centre_mm))
    direction = unit(0.3 * tube.direction + 0.7 * target)
    return middle - ((middle - head_centre_mm) @ direction) * direction, direction


def _outline(scan: Scan, axis_mm: Floats, direction: Floats, along_mm: Floats, density: float) -> _Tube:
    """Outer edge of the bone on planes across an axis."""
    up, across = _upright(direction)
    rays = np.cos(ANGLES)[:, None] * up + np.sin(ANGLES)[:, None] * across
    stations = axis_mm + along_mm[:, None] * direction
    hu = scan.at(stations[:, None, None] + rays[None, :, None] * RADII_MM[:, None])
    outside = hu == OUTSIDE_HU
    hu = np.where(outside, 50, np.clip(hu, -120, 800))
    hu = ndimage.gaussian_filter(hu, BLUR, mode=("nearest", "wrap", "nearest"))

    steepest = max((density - 50) / 4, 12.0)
    strength = np.clip(-np.gradient(hu, STEP_MM, axis=2), 0, steepest) / steepest
    beyond = int(3 / STEP_MM)
    further_out = np.pad(hu, ((0, 0), (0, 0), (0, beyond)), mode="edge")[..., beyond:]
    strength *= np.clip((150 - further_out) / 60, 0, 1)
    strength[..., RADII_MM < LEAST_RADIUS_MM] = 0
    strength[outside] = 0

    path = _closed_path(strength)
    radii = _half_height(hu, path)
    spectrum = np.fft.rfft(radii, axis=1)
    spectrum[:, HARMONICS + 1 :] = 0
    return _Tube(
        axis_mm=axis_mm,
        direction=direction,
        along_mm=along_mm,
        radii_mm=np.fft.irfft(spectrum, RAYS, axis=1),
        strength=np.take_along_axis(strength, path[..., None], axis=2)[..., 0],
        covered=1 - outside[..., RADII_MM < 15].mean(axis=2),
    )


def _closed_path(strength: Image) -> NDArray[np.intp]:
    """Per station the path around the axis with the greatest sum of strength; dynamic programming.

    It runs once and a half around, so that where it starts does not matter. Index of radius, (station, ray).
    """
    half = RAYS // 2
    around = np.concatenate([strength[:, -half:], strength, strength[:, :half]], axis=1)
    stations, rays, radii = around.shape
    climbs = np.arange(-PATH_STEP, PATH_STEP + 1)
    cost = CLIMB_COST * np.abs(climbs)[:, None, None]
    padded = np.full((stations, radii + 2 * PATH_STEP), -np.inf)
    reached = np.lib.stride_tricks.sliding_window_view(padded, radii, axis=1).transpose(1, 0, 2)
    best = padded[:, PATH_STEP:-PATH_STEP]
    best[:] = around[:, 0]
    origin = np.zeros(around.shape, np.intp)
    for ray in range(1, rays):
        options = reached - cost
        choice = options.argmax(axis=0)
        origin[:, ray] = np.arange(radii) + climbs[choice]
        best[:] = np.take_along_axis(options, choice[None], axis=0)[0] + around[:, ray]
    path = np.zeros((stations, rays), np.intp)
    path[:, -1] = best.argmax(axis=1)
    for ray in range(rays - 1, 0, -1):
        path[:, ray - 1] = origin[np.arange(stations), ray, path[:, ray]]
    return path[:, half : half + RAYS]


def _half_height(hu: Image, path: NDArray[np.intp]) -> Floats:
    """Radius in mm at which density has fallen half way from the cortex to the tissue outside."""
    window = np.clip(path[..., None] + np.arange(-8, 7), 0, len(RADII_MM) - 1)
    near = np.take_along_axis(hu, window, axis=2)
    peak = near[..., :9].argmax(axis=2)
    level = (near[..., :9].max(axis=2) + near[..., 8:].min(axis=2)) / 2
    below = (near < level[..., None]) & (np.arange(15) > peak[..., None])
    after = np.where(below.any(axis=2), below.argmax(axis=2), 8)[..., None]
    first = np.take_along_axis(near, after - 1, axis=2)[..., 0]
    second = np.take_along_axis(near, after, axis=2)[..., 0]
    part = np.clip((first - level) / np.maximum(first - second, 1e-3), 0, 1)
    return np.asarray((np.take_along_axis(window, after - 1, axis=2)[..., 0] + part) * STEP_MM)


def _widths(outline: Floats, across: Floats, heights_mm: Floats) -> Floats:
    """Horizontal extent of a closed outline (ray, 3) at heights."""
    height, offset = outline[:, 0], outline @ across
    next_height, next_offset = np.roll(height, -1), np.roll(offset, -1)
    wanted = heights_mm[:, None]
    crossed = (wanted >= np.minimum(height, next_height)) & (wanted < np.maximum(height, next_height))
    rise = np.where(next_height == height, 1, next_height - height)
    place = offset + (wanted - height) / rise * (next_offset - offset)
    right = np.where(crossed, place, np.inf).min(axis=1)
    left = np.where(crossed, place, -np.inf).max(axis=1)
    return np.where(crossed.any(axis=1), left - right, 0.0)


def _upright(direction: Floats) -> tuple[Floats, Floats]:
    """Unit vectors across a direction: one as upright as can be, one horizontal."""
    across = unit((0.0, -direction[2], direction[1]))
    up = np.cross(direction, across)
    return (up if up[0] > 0 else -up), across


def _turned(direction: Floats, about_body: float, about_across: float) -> Floats:
    """Turned about the body's long axis, then about the horizontal across it; degrees."""
    head, back, left = direction
    cos, sin = np.cos(np.radians(about_body)), np.sin(np.radians(about_body))
    turned = np.array([head, cos * back - sin * left, sin * back + cos * left])
    up, _ = _upright(turned)
    return np.asarray(np.cos(np.radians(about_across)) * turned + np.sin(np.radians(about_across)) * up)
