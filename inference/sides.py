"""Left or right: the thigh-muscle network labels both legs alike, and geometry tells them apart.

Each leg is followed along its femur and hip bone. Between both runs a line through every slice, where there
is least muscle; a connected piece of one muscle belongs to one side unless it reaches far across. Which leg
is the left one follows from their order and must agree with the muscles of each leg; a leg alone is told by
its muscles.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from inference.laterality import laterality
from inference.leg_tracks import Track, extended, leg_tracks
from inference.morphology import Mask
from inference.muscles import MUSCLES
from inference.result import QualityFlag, Severity
from inference.sampling import Floats

LAST = int(max(MUSCLES))
"""Structures after it are not told apart: they are not measured, and some cross the midline."""

COARSE_MM = 3.0
SURE = 0.2
"""Of ``Laterality.left``: enough for one leg without the other, and to contradict the order of two, which
happens when the header calls a prone patient supine."""
MOST_TURNED = np.radians(75)
"""Of a leg about its own axis, turned body and turned foot together; more is a wrong header, too."""

STEEPEST = np.tan(np.radians(55))
"""Of the line from leg to leg: one lying behind the other is no order."""

LEG_TO_LEG_MM = 190.0
"""Usual distance of the femora; where the other leg would be if there is only one."""
REACH_MM = 130.0
"""From the femur to what may be of the same leg."""

MIDDLE = np.linspace(0.3, 0.7, 41)
"""Where the border may be, from the right leg's track (0) to the left one's (1)."""
THICK_MM = 50.0
OFF_MIDDLE = 7.5
"""Cost of the border: 1 for ``THICK_MM`` of muscle across it, and this times the squared way off 0.5."""
SMOOTH_MM = 15.0

REACHES_MM = 12.0
"""A piece that reaches less than this across the border is not cut."""
FRINGE_MM, FRINGE = 25.0, 0.1
"""Nor one that reaches less than this with less than this share of it."""


@dataclass(frozen=True)
class SidedLabels:
    """Labels with their sides.

    Attributes:
        labels: uint8, segment numbers, (slice, row, column): 2s - 1 for the left and 2s for the right one of
            structure s; all 0 where the sides could not be told.
        flags: why they could not.
    """

    labels: NDArray[np.uint8]
    flags: tuple[QualityFlag, ...]


def split_sides(labels: NDArray[np.uint8], spacing_mm: tuple[float, float, float]) -> SidedLabels:
    """Tell left from right.

    Args:
        labels: values of ``ThighStructure``; axes foot to head, front to back, right to left.
        spacing_mm: along each axis.
    """
    numbers = np.zeros_like(labels)
    if not labels.any():
        return SidedLabels(numbers, ())
    box = _box(labels)
    inside = labels[box]
    steps = [max(1, round(COARSE_MM / mm)) for mm in spacing_mm]
    starts = [step // 2 if size > step // 2 else 0 for step, size in zip(steps, inside.shape, strict=True)]
    coarse = inside[tuple(slice(start, None, step) for start, step in zip(starts, steps, strict=True))].copy()
    voxel_mm = (steps[0] * spacing_mm[0], steps[1] * spacing_mm[1], steps[2] * spacing_mm[2])
    found = _sides(coarse, voxel_mm)
    if isinstance(found, str):
        words = f"Left and right could not be told apart, so nothing is measured: {found}"
        return SidedLabels(numbers, (QualityFlag("sides_unknown", Severity.WARNING, words),))
    places = [
        ((np.arange(size) - start) / step).clip(0, count - 1)
        for size, start, step, count in zip(inside.shape, starts, steps, coarse.shape, strict=True)
    ]
    numbers[box] = _numbered(inside, found, places)
    return SidedLabels(numbers, ())


def _box(labels: NDArray[np.uint8]) -> tuple[slice, slice, slice]:
    """Around all labels."""
    seen: Mask = np.asarray(labels.any(axis=0))
    there = [np.flatnonzero(found) for found in (labels.any(axis=(1, 2)), seen.any(axis=1), seen.any(axis=0))]
    slices, rows, columns = (slice(int(found[0]), int(found[-1]) + 1) for found in there)
    return slices, rows, columns


def _sides(labels: NDArray[np.uint8], voxel_mm: tuple[float, float, float]) -> NDArray[np.float32] | str:
    """1 for left and -1 for right, in every voxel; or why they cannot be told."""
    points = np.argwhere((labels > 0) & (labels <= LAST))
    tracks = [extended(track) for track in _in_order(leg_tracks(labels, voxel_mm))]
    if not tracks:
        return "neither a femur nor a hip bone was found, or one leg lies behind the other."
    around = np.argwhere(labels > 0)
    kinds = labels[tuple(around.T)]
    if len(tracks) == 1:
        track = tracks[0]
        away_mm = np.linalg.norm(around[:, 1:] * voxel_mm[1:] - track[around[:, 0]], axis=1)
        near = away_mm < REACH_MM
        alone = laterality(kinds[near], around[near], voxel_mm)
        if abs(alone.left) < SURE or abs(alone.turned) > MOST_TURNED:
            return "one leg was found, and its muscles do not say which it is."
        tracks = _with_partner(track, alone.left > 0, alone.turned)
    border_mm = _beyond_border_mm(points, tracks, voxel_mm)
    left = _by_piece(labels, points, border_mm)
    if _disagreement(labels, points, left, voxel_mm) < -SURE:
        return "the order of the legs and the order of muscles around each of them contradict each other."
    sides = np.zeros(labels.shape, np.float32)
    sides[tuple(points.T)] = np.where(left, 1, -1)
    nearest = ndimage.distance_transform_edt(
        sides == 0, voxel_mm, return_distances=False, return_indices=True
    )
    spread: NDArray[np.float32] = sides[tuple(nearest)]
    return spread


def _in_order(tracks: list[Track]) -> list[Track]:
    """The right leg's first, judged where both begin; none where that is no order."""
    if len(tracks) < 2:
        return tracks
    both = np.flatnonzero(~np.isnan(tracks[0][:, 0]) & ~np.isnan(tracks[1][:, 0]))
    tops = [np.flatnonzero(~np.isnan(track[:, 0]))[-1:] for track in tracks]
    if len(both):
        tops = [both[-max(1, len(both) // 4) :]] * 2
    back, left = (tracks[1][tops[1]] - tracks[0][tops[0]]).mean(axis=0)
    if abs(back) > STEEPEST * abs(left):
        return []
    return tracks if left > 0 else tracks[::-1]


def _with_partner(track: Track, is_left: bool, turned: float) -> list[Track]:
    """The track of a leg alone, and where the other leg would be."""
    medial = (
        np.array([np.sin(turned), -np.cos(turned)])
        if is_left
        else np.array([-np.sin(turned), np.cos(turned)])
    )
    other: Track = track + LEG_TO_LEG_MM * medial
    return [other, track] if is_left else [track, other]


def _beyond_border_mm(
    points: NDArray[np.intp], tracks: list[Track], voxel_mm: tuple[float, float, float]
) -> Floats:
    """How far each point lies from the border between the legs, to the left."""
    right, left = tracks
    apart_mm = np.linalg.norm(left - right, axis=1)
    towards = (left - right) / apart_mm[:, None] ** 2
    slices = points[:, 0]
    place = ((points[:, 1:] * voxel_mm[1:] - right[slices]) * towards[slices]).sum(axis=1)
    border = _border(slices, place, apart_mm, voxel_mm)
    return np.asarray((place - border[slices]) * apart_mm[slices])


def _border(
    slices: NDArray[np.intp], place: Floats, apart_mm: Floats, voxel_mm: tuple[float, float, float]
) -> Floats:
    """Where between the legs there is least muscle in each slice, 0 to 1."""
    width = MIDDLE[1] - MIDDLE[0]
    edges = np.append(MIDDLE - width / 2, MIDDLE[-1] + width / 2)
    count, _, _ = np.histogram2d(slices, place, bins=(np.arange(len(apart_mm) + 1) - 0.5, edges))
    thickness_mm = count * voxel_mm[1] * voxel_mm[2] / (width * apart_mm[:, None])
    sigmas = (SMOOTH_MM / voxel_mm[0], 1.5)
    cost = ndimage.gaussian_filter(thickness_mm / THICK_MM, sigmas, mode="nearest")
    cost += OFF_MIDDLE * (MIDDLE - 0.5) ** 2
    lowest = MIDDLE[np.argmin(cost, axis=1)]
    return np.asarray(ndimage.gaussian_filter1d(lowest, sigmas[0], mode="nearest"))


def _by_piece(labels: NDArray[np.uint8], points: NDArray[np.intp], beyond_mm: Floats) -> NDArray[np.bool_]:
    """Which points are of the left side; pieces of one structure stay whole unless both sides have a part."""
    pieces = measure.label(np.where(labels <= LAST, labels, 0), connectivity=1)[tuple(points.T)]
    count = np.bincount(pieces).clip(1)
    left_share = np.bincount(pieces, beyond_mm > 0) / count
    furthest = np.zeros((2, len(count)))
    for way, reached in zip((1, -1), furthest, strict=True):
        np.maximum.at(reached, pieces, way * beyond_mm)
    mostly_left = np.bincount(pieces, beyond_mm) > 0
    reach_mm = np.where(mostly_left, furthest[1], furthest[0])
    share = np.where(mostly_left, 1 - left_share, left_share)
    whole = (reach_mm < REACHES_MM) | ((reach_mm < FRINGE_MM) & (share < FRINGE))
    return np.asarray(np.where(whole[pieces], mostly_left[pieces], beyond_mm > 0))


def _disagreement(
    labels: NDArray[np.uint8],
    points: NDArray[np.intp],
    left: NDArray[np.bool_],
    voxel_mm: tuple[float, float, float],
) -> float:
    """Negative as far as the muscles of the legs speak against their sides, on average."""
    kinds = labels[tuple(points.T)]
    speaking = [
        sign * laterality(kinds[own], points[own], voxel_mm).left for own, sign in ((left, 1), (~left, -1))
    ]
    said = [one for one in speaking if one]
    return float(np.mean(said)) if said else 0.0


def _numbered(
    labels: NDArray[np.uint8], sides: NDArray[np.float32], places: list[Floats]
) -> NDArray[np.uint8]:
    """Segment numbers; between coarse voxels sides are interpolated, so that their border is smooth."""
    right_numbers = np.zeros(256, np.uint8)
    right_numbers[1 : LAST + 1] = 2 * np.arange(1, LAST + 1)
    numbers = right_numbers[labels]
    for index, right in enumerate(numbers):
        if right.any():
            between = _between(sides, places[0][index : index + 1], 0)[0]
            left = _between(_between(between, places[1], 0), places[2], 1) > 0
            numbers[index] = right - (left & (right > 0))
    return numbers


def _between(values: NDArray[np.float32], places: Floats, axis: int) -> NDArray[np.float32]:
    """Linear interpolation at places along an axis, all of them inside."""
    low = places.astype(int)
    high = np.minimum(low + 1, values.shape[axis] - 1)
    weight = (places - low).astype(np.float32).reshape([-1 if n == axis else 1 for n in range(values.ndim)])
    found: NDArray[np.float32] = values.take(low, axis) * (1 - weight) + values.take(high, axis) * weight
    return found
