"""Thighs in scans that show no femoral head, or a metal one: one round bone in the middle of much muscle."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from inference.sampling import Scan

VOXEL_MM = 2.0
STEP_MM = 8.0
LEAST_LENGTH_MM = 64.0
"""Of a thigh: less does not tell it from another limb."""

SEEN = 0.7
"""Share of the slices over that length that look like a thigh."""

BODY_HU = -300
BONE_HU = 180.0
MUSCLE_HU = (-30.0, 160.0)
GAS_HU = -400.0

LEG_CM2 = (75.0, 550.0)
"""One leg; upper arms and lower legs are thinner, and two legs that touch are cut apart first."""

SHAFT_MM2 = (250.0, 2200.0)
ANOTHER_BONE_MM2 = 45.0
"""A fibula, a rib or an ulna beside it is no smaller."""

MOST_SLENDER = 1.7
LEAST_MUSCLE = 0.25
LEAST_DEPTH_MM = 22.0
"""From the bone's middle to the skin. An ulna or a tibia lies nearer."""

MOST_GAS_MM2 = 60.0


def covers_thigh(scan: Scan) -> bool:
    """Whether at least ``LEAST_LENGTH_MM`` of a thigh can be seen."""
    coarse = scan.reduced(VOXEL_MM)
    step = max(1, round(STEP_MM / coarse.voxel_mm[0]))
    pixel_mm = (float(coarse.voxel_mm[1]), float(coarse.voxel_mm[2]))
    seen = np.array([any(_legs(plane, pixel_mm)) for plane in coarse.hu[::step]], bool)
    length = int(np.ceil(LEAST_LENGTH_MM / (step * coarse.voxel_mm[0])))
    if len(seen) < length:
        return False
    shares = np.convolve(seen, np.ones(length) / length, mode="valid")
    return bool(shares.max() >= SEEN)


def _legs(plane: NDArray[np.float32], pixel_mm: tuple[float, float]) -> Iterator[bool]:
    """For each large part of a slice, or half of it, whether it looks like a thigh."""
    body = ndimage.binary_opening(plane > BODY_HU, iterations=3)
    parts, _ = ndimage.label(body)
    for part in measure.regionprops(parts):
        whole = parts == part.label
        yield _is_thigh(plane, whole, pixel_mm)
        middle = round(part.centroid[1])
        for half in (np.s_[:, :middle], np.s_[:, middle:]):
            yield _is_thigh(plane[half], whole[half], pixel_mm)


def _is_thigh(plane: NDArray[np.float32], part: NDArray[np.bool_], pixel_mm: tuple[float, float]) -> bool:
    pixel_mm2 = pixel_mm[0] * pixel_mm[1]
    area_cm2 = part.sum() * pixel_mm2 / 100
    if not LEG_CM2[0] < area_cm2 < LEG_CM2[1]:
        return False
    inside = ndimage.binary_fill_holes(part)
    if (inside & (plane < GAS_HU)).sum() * pixel_mm2 > MOST_GAS_MM2:
        return False
    low, high = MUSCLE_HU
    if (part & (plane > low) & (plane < high)).sum() < LEAST_MUSCLE * part.sum():
        return False
    bones, _ = ndimage.label(ndimage.binary_fill_holes(part & (plane > BONE_HU)))
    found = [bone for bone in measure.regionprops(bones) if bone.area * pixel_mm2 > ANOTHER_BONE_MM2]
    if len(found) != 1 or not SHAFT_MM2[0] < found[0].area * pixel_mm2 < SHAFT_MM2[1]:
        return False
    slender = found[0].axis_major_length / max(found[0].axis_minor_length, 1e-6)
    depth_mm = ndimage.distance_transform_edt(np.pad(inside, 1), sampling=pixel_mm)[1:-1, 1:-1]
    row, column = (round(place) for place in found[0].centroid)
    return bool(slender < MOST_SLENDER and depth_mm[row, column] > LEAST_DEPTH_MM)
