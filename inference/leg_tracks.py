"""Where each leg runs through a volume of muscle labels: its femur, above it its hip bone, slice by slice."""

from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from skimage import measure

from inference.muscles import ThighStructure
from inference.sampling import Floats

CORE = (ThighStructure.FEMUR, ThighStructure.VASTUS_INTERMEDIUS)
"""What a leg is known by: the femur, and the muscle around it, which holds its pieces together and stands in
for it where it was not found."""

LEAST_MM3 = 8000.0
"""What is smaller is no leg and no pelvis; a femoral head alone has 50 000 mm3."""

LEAST_SHARE = 0.02
"""Of the larger leg's core that the smaller one's has at least: a high stump."""

APART_MM = 60.0
"""Femora are further apart than this in every slice, also with crossed legs; fragments of one are not."""

HIPS_APART_MM = 110.0
"""Centres of the two hip bones are further apart than this; front and back half of one are not."""

JOINED_MM = 90.0
"""A femur and the hip bone of its side are nearer to each other than this."""

Track = Floats
"""(slice, 2): row and column in mm, NaN where the leg shows nothing to follow."""


def leg_tracks(labels: NDArray[np.uint8], voxel_mm: tuple[float, float, float]) -> list[Track]:
    """The legs that are there, one or two, in no order; none where there is neither femur nor pelvis.

    Args:
        labels: values of ``ThighStructure``, (slice, row, column).
        voxel_mm: spacing along each axis; 3 mm are fine enough.
    """
    cores = _cores(np.isin(labels, CORE), voxel_mm)
    hips = _hips(labels == ThighStructure.HIP_BONE, voxel_mm)
    if not cores or not hips:
        return cores or hips
    gaps = np.array([[_gap_mm(core, hip) for hip in hips] for core in cores])
    matched = zip(*(found.tolist() for found in linear_sum_assignment(gaps)), strict=True)
    pairs = {core: hip for core, hip in matched if gaps[core, hip] < JOINED_MM}
    nothing = np.full_like(cores[0], np.nan)
    legs = [(core, hips[pairs[n]] if n in pairs else nothing) for n, core in enumerate(cores)]
    alone = [hip for n, hip in enumerate(hips) if n not in pairs.values()]
    legs += [(nothing, hip) for hip in alone[: 2 - len(cores)]]
    return _like_with_like(legs)


def extended(track: Track) -> Track:
    """The track in every slice: straight between slices, and as in the nearest slice beyond its ends."""
    slices = np.arange(len(track))
    known = np.flatnonzero(~np.isnan(track[:, 0]))
    return np.stack([np.interp(slices, known, track[known, axis]) for axis in (0, 1)], axis=1)


def _like_with_like(legs: list[tuple[Track, Track]]) -> list[Track]:
    """Of core and hip bone of each leg the one that all legs show in a slice: their middle is the body's."""
    cores, hips = (np.array(part) for part in zip(*legs, strict=True))
    has_hips = ~np.isnan(hips[..., :1])
    all_hips = has_hips.all(axis=0) & np.isnan(cores[..., :1]).any(axis=0)
    return list(np.where(all_hips | np.isnan(cores), hips, cores))


def _cores(mask: NDArray[np.bool_], voxel_mm: tuple[float, float, float]) -> list[Track]:
    """One or two legs from the connected pieces of femora: a piece far from the largest is the other's."""
    parts = measure.label(mask, connectivity=3)
    sizes = np.bincount(parts.ravel()) * np.prod(voxel_mm)
    sizes[0] = 0
    large = [int(part) for part in np.argsort(-sizes) if sizes[part] > LEAST_MM3]
    if not large:
        return []
    tracks = {part: _track(np.argwhere(parts == part), len(mask), voxel_mm) for part in large}
    first = large[0]
    others = (
        part
        for part in large[1:]
        if sizes[part] > LEAST_SHARE * sizes[first] and _gap_mm(tracks[part], tracks[first]) > APART_MM
    )
    seeds = [first, *islice(others, 1)]
    nearest = {part: min(seeds, key=lambda seed: _gap_mm(tracks[part], tracks[seed])) for part in large}
    members = [[part for part in large if nearest[part] == seed] for seed in seeds]
    return [_track(np.argwhere(np.isin(parts, leg)), len(mask), voxel_mm) for leg in members]


def _hips(mask: NDArray[np.bool_], voxel_mm: tuple[float, float, float]) -> list[Track]:
    """Hip bones, which the labels of both sides may join at the symphysis."""
    points = np.argwhere(mask)
    if len(points) * np.prod(voxel_mm) < LEAST_MM3:
        return []
    places = points[:, 1:] * np.array(voxel_mm[1:])
    centres = _two_centres(places)
    if np.linalg.norm(centres[0] - centres[1]) < HIPS_APART_MM:
        return [_track(points, len(mask), voxel_mm)]
    by_slice = np.split(places, np.searchsorted(points[:, 0], np.arange(1, len(mask))))
    start = int(np.argmax([len(found) for found in by_slice]))
    tracks = np.full((2, len(mask), 2), np.nan)
    for way in (range(start, len(mask)), range(start, -1, -1)):
        last = centres.copy()
        for index in way:
            own = _nearest(by_slice[index], last)
            for hip in (0, 1):
                if (own == hip).any():
                    last[hip] = tracks[hip, index] = by_slice[index][own == hip].mean(axis=0)
    return list(tracks)


def _two_centres(places: Floats) -> Floats:
    """Two means, from the outermost columns."""
    centres = np.stack([places[np.argmin(places[:, 1])], places[np.argmax(places[:, 1])]])
    for _ in range(10):
        own = _nearest(places, centres)
        if len(set(own.tolist())) < 2:
            break
        centres = np.stack([places[own == n].mean(axis=0) for n in (0, 1)])
    return centres


def _nearest(places: Floats, centres: Floats) -> NDArray[np.intp]:
    return np.asarray(np.linalg.norm(places[:, None] - centres, axis=2).argmin(axis=1))


def _track(points: NDArray[np.intp], slices: int, voxel_mm: tuple[float, float, float]) -> Track:
    """Mean row and column of points (n, 3) in each slice."""
    count = np.bincount(points[:, 0], minlength=slices)
    with np.errstate(invalid="ignore"):
        return np.stack(
            [
                np.bincount(points[:, 0], points[:, axis] * voxel_mm[axis], minlength=slices) / count
                for axis in (1, 2)
            ],
            axis=1,
        )


def _gap_mm(one: Track, other: Track) -> float:
    """Mean distance in the slices that show both, or from where one ends to where the other begins."""
    apart = np.linalg.norm(one - other, axis=1)
    if not np.isnan(apart).all():
        return float(np.nanmean(apart))
    ends = [np.flatnonzero(~np.isnan(track[:, 0])) for track in (one, other)]
    low, high = (one, other) if ends[0][-1] < ends[1][0] else (other, one)
    last, first = np.flatnonzero(~np.isnan(low[:, 0]))[-1], np.flatnonzero(~np.isnan(high[:, 0]))[0]
    return float(np.linalg.norm(low[last] - high[first]))
