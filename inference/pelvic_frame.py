"""Directions of one patient's pelvis, from the two femoral heads."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.result import Side

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Head:
    """A femoral head in an array whose axes run foot to head, front to back, right to left.

    Attributes:
        index: of its centre, (slice, row, column).
        radius_mm: of the sphere.
    """

    index: Point
    radius_mm: float


@dataclass(frozen=True)
class PelvicFrame:
    """Where things lie relative to the femoral heads, for every voxel of an array.

    Attributes:
        lateral_mm: (slice, row, column); along the line through both centres; 0 midway, positive to the left.
        posterior_mm: (row, column); 0 midway between the heads, positive to the back.
        head_distance_mm: distance of each voxel to the centre of the head of each side.
        half_width_mm: half the distance between the heads.
        heads: where the heads are.
    """

    lateral_mm: NDArray[np.float32]
    posterior_mm: NDArray[np.float32]
    head_distance_mm: Mapping[Side, NDArray[np.float32]]
    half_width_mm: float
    heads: Mapping[Side, Head]

    def of_slices(self, wanted: slice) -> "PelvicFrame":
        """The frame of some slices of the array; ``heads`` stay indices into the whole."""
        distance = {side: part[wanted] for side, part in self.head_distance_mm.items()}
        return replace(self, lateral_mm=self.lateral_mm[wanted], head_distance_mm=distance)

    @classmethod
    def of(cls, shape: tuple[int, ...], voxel_mm: Point, heads: Mapping[Side, Head]) -> "PelvicFrame":
        """The frame of an array of ``shape`` with voxels of ``voxel_mm``, (slice, row, column)."""
        grid = [
            (np.arange(n, dtype=np.float32) * mm).reshape([-1 if i == axis else 1 for i in range(3)])
            for axis, (n, mm) in enumerate(zip(shape, voxel_mm, strict=True))
        ]
        centres = {side: np.multiply(head.index, voxel_mm) for side, head in heads.items()}
        middle = (centres[Side.LEFT] + centres[Side.RIGHT]) / 2
        to_left = centres[Side.LEFT] - middle
        half_width_mm = float(np.linalg.norm(to_left))
        to_left = to_left / half_width_mm
        along = [axis - origin for axis, origin in zip(grid, middle, strict=True)]
        in_plane = np.hypot(to_left[1], to_left[2])
        back = (to_left[2] / in_plane, -to_left[1] / in_plane)
        return cls(
            lateral_mm=along[0] * to_left[0] + along[1] * to_left[1] + along[2] * to_left[2],
            posterior_mm=(along[1] * back[0] + along[2] * back[1])[0],
            head_distance_mm={
                side: np.sqrt(sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True)))
                for side, centre in centres.items()
            },
            half_width_mm=half_width_mm,
            heads=heads,
        )
