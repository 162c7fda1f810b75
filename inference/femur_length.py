"""How long a femur is, and where half of it lies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from inference.morphology import Mask
from inference.quality import METAL_HU

END_MM = 40.0
SHAFT_MM = 160.0
"""Condyles lie within the first of the lower end, shaft between the two."""
CONDYLES_MM2 = 1200.0
WIDER_THAN_SHAFT = 1.6
"""Condyles have 2000 to 3500 mm2 in an axial slice, a shaft 400 to 800; a trochanter is as wide as condyles,
but so is what lies above it."""

METAL_NEAR_MM = 10.0
MOST_METAL_MM3 = 1000.0
"""More metal than this in a femur or next to it is an implant; noise and a clip are not."""


@dataclass(frozen=True)
class FemurLength:
    """The longest measure of a femur (Martin's maximum length), from its head's top to its condyles' end.

    Attributes:
        length_mm: between planes across the bone's own axis, which is its longest principal axis.
        middle_slice: where half of that length lies on the axis, index.
    """

    length_mm: float
    middle_slice: int


def femur_length(femur: Mask, spacing_mm: tuple[float, float, float]) -> FemurLength:
    """Measure a whole femur; pieces that do not hang together with it are left out.

    Args:
        femur: (slice, row, column), with at least one voxel.
        spacing_mm: along each axis.
    """
    parts = measure.label(femur, connectivity=3)
    largest = int(np.argmax(np.bincount(parts[femur])))
    points = np.argwhere(parts == largest) * np.array(spacing_mm)
    centre = points.mean(axis=0)
    _, _, axes = np.linalg.svd(np.cov((points - centre).T))
    axis = axes[0]
    along = (points - centre) @ axis
    middle = centre + (along.min() + along.max()) / 2 * axis
    voxel_mm = float(np.abs(axis) @ spacing_mm)
    return FemurLength(float(np.ptp(along)) + voxel_mm, round(middle[0] / spacing_mm[0]))


def ends_in_condyles(area_mm2: NDArray[np.float64], slice_mm: float) -> bool:
    """Whether the lower end of a femur is a knee's, and not where it was amputated or broken.

    Args:
        area_mm2: of the femur in each slice, from foot to head.
        slice_mm: between slices.
    """
    there = np.flatnonzero(area_mm2)
    if not len(there):
        return False
    first, end, above = there[0], round(END_MM / slice_mm), round(SHAFT_MM / slice_mm)
    shaft = area_mm2[first + end : min(first + above, there[-1] + 1)]
    if not len(shaft):
        return False
    widest = area_mm2[first : first + end].max()
    return bool(widest > max(CONDYLES_MM2, WIDER_THAN_SHAFT * np.median(shaft)))


def is_operated(hu: NDArray[np.int16], femur: Mask, spacing_mm: tuple[float, float, float]) -> bool:
    """Whether there is an implant in a femur or next to it.

    Args:
        hu: (slice, row, column); what lies around the femur, as far as ``METAL_NEAR_MM``, has to be in it.
        femur: on the same grid.
        spacing_mm: along each axis.
    """
    metal = hu > METAL_HU
    least = MOST_METAL_MM3 / float(np.prod(spacing_mm))
    if metal.sum() <= least:
        return False
    away_mm = ndimage.distance_transform_edt(~femur, sampling=spacing_mm)
    return bool((metal & (away_mm < METAL_NEAR_MM)).sum() > least)
