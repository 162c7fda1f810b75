"""Where a muscle ends: probabilities say which it is and about where, HU exactly where it meets fat or bone.

The network sees voxels of 2 x 2 x 4 mm. Between two muscles nothing better is to be had than where their
probabilities cross; towards fat and bone a CT shows the border to a fraction of that.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, pad

from inference.muscle_labels import Slab, SoftLabels
from inference.muscles import ThighStructure
from inference.tissue_protocol import MUSCLE_HU

FIRST_MUSCLE = ThighStructure.SARTORIUS

NEAR = 0.2
"""Probability from which what looks like muscle, or like bone, at the border belongs to it."""

SURE_OUTSIDE = 0.1
REACH_MM = 2.5
"""How far a border moves: about a voxel of the network."""

SMOOTH_MM = 0.8
BONE_HU = 220.0
SOFT_HU = 110.0
"""Above all muscle, below what cortex is after blurring."""


def edged(soft: SoftLabels, hu: NDArray[np.int16], pixel_mm: tuple[float, float]) -> NDArray[np.uint8]:
    """Labels of a series, their borders moved to where the HU change.

    Args:
        soft: probabilities of the series.
        hu: of the series, (slice, row, column).
        pixel_mm: row, column.

    Returns:
        uint8, values of ``ThighStructure``: muscles with the fat inside them, bones with their marrow.
    """
    labels = np.empty(soft.shape, np.uint8)
    steps = max(1, round(REACH_MM / min(pixel_mm)))
    for slab in soft.slabs():
        scanned = torch.from_numpy(hu[slab.slices].astype(np.float32))
        found = _edged(slab, scanned, _smoothed(scanned, pixel_mm), steps)
        labels[slab.slices] = found.to(torch.uint8).numpy()
    return labels


def _edged(slab: Slab, hu: Tensor, calm: Tensor, steps: int) -> Tensor:
    """Labels of some slices; HU as scanned, for bone, and smoothed, for fat, are (slice, row, column)."""
    background, of_femur, of_hip_bone, *muscles = slab.probabilities
    # On a CPU this is three times quicker than argmax.
    labels = slab.classes[slab.probabilities.max(dim=0).indices]
    of_bone = of_femur + of_hip_bone
    of_muscle = 1 - background - of_bone
    muscle = torch.zeros_like(labels)
    if muscles:
        muscle = slab.classes[FIRST_MUSCLE + slab.probabilities[FIRST_MUSCLE:].max(dim=0).indices]
    bone = torch.where(of_femur > of_hip_bone, int(ThighStructure.FEMUR), int(ThighStructure.HIP_BONE))
    fat, dense = calm < MUSCLE_HU, hu > BONE_HU
    firm = ~fat & ~dense

    is_muscle = labels >= FIRST_MUSCLE
    other_firm = _grown(firm & (of_muscle < SURE_OUTSIDE) & (of_bone < SURE_OUTSIDE), steps)
    taken = firm & (labels == 0) & (of_muscle > NEAR) & ~other_firm
    labels = torch.where(taken, muscle, labels)
    outside_fat = _grown(fat & (labels == 0), steps, within=fat)
    labels = torch.where(is_muscle & outside_fat, 0, labels)

    is_bone = (labels == ThighStructure.FEMUR) | (labels == ThighStructure.HIP_BONE)
    bony = dense & ((of_bone > NEAR) | _grown(is_bone, steps, within=is_bone | dense))
    labels = torch.where(bony & ~is_bone, bone, labels)
    is_bone = is_bone | bony
    soft = hu < SOFT_HU
    outside_soft = _grown(soft & ~is_bone, steps, within=soft)
    rest = torch.where(fat | (of_muscle < NEAR), 0, muscle)
    return torch.where(is_bone & outside_soft, rest, labels)


def _grown(mask: Tensor, steps: int, within: Tensor | None = None) -> Tensor:
    """By one pixel at a time within the slices, only over what ``within`` allows."""
    grown = mask.float()[:, None]
    allowed = None if within is None else within.float()[:, None]
    for _ in range(steps):
        grown = max_pool2d(grown, 3, stride=1, padding=1)
        if allowed is not None:
            grown = grown * allowed
    return grown[:, 0] > 0.5


def _smoothed(hu: Tensor, pixel_mm: tuple[float, float]) -> Tensor:
    """Within slices, against noise; ``hu`` is (slice, row, column)."""
    found = hu[:, None]
    for axis, mm in enumerate(pixel_mm):
        sigma = SMOOTH_MM / mm
        reach = max(1, math.ceil(2 * sigma))
        places = torch.arange(-reach, reach + 1, dtype=torch.float32)
        kernel = torch.exp(-(places**2) / (2 * sigma**2))
        kernel = (kernel / kernel.sum()).reshape((1, 1, -1, 1) if axis == 0 else (1, 1, 1, -1))
        sides = (0, 0, reach, reach) if axis == 0 else (reach, reach, 0, 0)
        found = conv2d(pad(found, sides, mode="replicate"), kernel)
    return found[:, 0]
