"""Smooth random fields fixed to the anatomy, so that neighbouring slices of one patient agree."""

import torch
from torch import Tensor

TILE = 24
"""Random values along each axis before the field repeats. A fine field comes again after centimetres, too far
away to be noticed in streaks of millimetres."""


class ValueNoise:
    """Independent random fields: random values on a lattice, interpolated between.

    Args:
        fields: how many.
        random: where the values come from; on the CPU, so that every device sees the same patient.
    """

    def __init__(self, fields: int, random: torch.Generator) -> None:
        values = torch.randn(1, fields, TILE, TILE, TILE, generator=random)
        for axis in (2, 3, 4):
            values = torch.cat((values, values.narrow(axis, 0, 1)), dim=axis)
        self._values = values

    def at(self, points_mm: Tensor, cell_mm: float) -> Tensor:
        """The fields' values, each with mean 0 and variance 1.

        Args:
            points_mm: (..., 3), patient's own axes.
            cell_mm: distance between lattice points: how coarse the field is.

        Returns:
            (fields, ...).
        """
        phase = (points_mm / cell_mm) % TILE
        grid = (phase * (2 / TILE) - 1).flip(-1).reshape(1, 1, 1, -1, 3)
        sampled = torch.nn.functional.grid_sample(self._values.to(grid), grid, align_corners=True)
        # Between lattice points linear interpolation averages; on average 8/27 of the variance is left.
        field: Tensor = sampled.reshape(-1, *points_mm.shape[:-1]) / (8 / 27) ** 0.5
        return field
