"""Which slices of a series the thigh-muscle route looks at: from the fourth lumbar vertebra to the knee."""

from collections.abc import Mapping

import highdicom as hd
import numpy as np

from inference.anatomy import Anatomy
from inference.result import Side
from inference.volume import SeriesLayout

ABOVE_HEADS_MM = 200.0
"""The upper end of the fourth lumbar vertebra lies 150 to 190 mm above the femoral heads of tall people."""

BELOW_HEADS_MM = 560.0
"""The longest femora measure 540 mm."""

Point = tuple[float, float, float]


def region_of(layout: SeriesLayout, anatomy: Anatomy) -> slice:
    """Slices from the fourth lumbar vertebra to below the knee; all of them where no head was found.

    Args:
        layout: the series.
        anatomy: of the same series.
    """
    if not anatomy.femora:
        return slice(0, len(layout.frames))
    ends = [
        np.add(femur.head_centre_mm, (0, 0, way))
        for femur in anatomy.femora
        for way in (ABOVE_HEADS_MM, -BELOW_HEADS_MM)
    ]
    indices = layout.geometry.map_reference_to_indices(np.array(ends))[:, 0]
    start, stop = int(np.floor(indices.min())), int(np.ceil(indices.max())) + 1
    return slice(max(0, start), min(len(layout.frames), stop))


def heads_mm(volume: hd.Volume, anatomy: Anatomy) -> Mapping[Side, Point]:
    """Centres of the femoral heads along the axes of a volume, mm from its first voxel."""
    found = {}
    for femur in anatomy.femora:
        index = volume.map_reference_to_indices(np.array([femur.head_centre_mm]))[0]
        slice_mm, row_mm, column_mm = (float(i * mm) for i, mm in zip(index, volume.spacing, strict=True))
        found[femur.side] = (slice_mm, row_mm, column_mm)
    return found
