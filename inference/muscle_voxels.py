"""Voxels of every segment, counted slice by slice: what all measurements of muscles are made from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.morphology import Mask
from inference.tissue_protocol import MUSCLE_HU

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class VoxelTable:
    """Counts, (slice, segment number).

    Attributes:
        voxels: all.
        reliable: those whose HU can be trusted.
        fat: of the reliable ones those below ``MUSCLE_HU``.
        hu_sum: sum of HU of the reliable ones.
    """

    voxels: Counts
    reliable: Counts
    fat: Counts
    hu_sum: Counts


def count_voxels(hu: NDArray[np.int16], labels: NDArray[np.uint8], unreliable: Mask | None) -> VoxelTable:
    """Count every segment.

    Args:
        hu: (slice, row, column).
        labels: segment numbers on the same grid.
        unreliable: voxels whose HU are not those of tissue, for example around metal.
    """
    columns = 256
    table = VoxelTable(*(np.zeros((len(labels), columns), np.int64) for _ in range(4)))
    for index, plane in enumerate(labels):
        inside = plane > 0
        numbers = plane[inside]
        if not len(numbers):
            continue
        table.voxels[index] = np.bincount(numbers, minlength=columns)
        values = hu[index][inside]
        if unreliable is not None and unreliable[index].any():
            trusted = ~unreliable[index][inside]
            numbers, values = numbers[trusted], values[trusted]
        table.reliable[index] = np.bincount(numbers, minlength=columns)
        table.fat[index] = np.bincount(numbers[values < MUSCLE_HU], minlength=columns)
        table.hu_sum[index] = np.rint(np.bincount(numbers, values, minlength=columns))
    return table
