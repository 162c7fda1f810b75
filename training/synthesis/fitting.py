"""Fitting one shape to another by an affine map, both given as signed distances."""

from dataclasses import dataclass

import torch
from torch import Tensor

POINTS = 6_000
STAGES = ((30.0, 120), (12.0, 120), (5.0, 120))
"""Distance from the fixed surface within which shapes are compared, mm, and steps: from coarse to fine."""

STEP_MM = 0.4
ARM_MM = 60.0
"""A change of the map's matrix by one step moves a point this far from the centre by ``STEP_MM``."""


@dataclass(frozen=True)
class Affine:
    """From a fixed shape's coordinates to a moving one's, mm: ``matrix @ point + offset``."""

    matrix: Tensor
    offset: Tensor

    def points(self, points: Tensor) -> Tensor:
        """Map points (..., 3)."""
        return points @ self.matrix.T + self.offset

    def carry(
        self, fields: Tensor, shape: tuple[int, ...], spacing_mm: float, beyond: float | None = None
    ) -> Tensor:
        """Fields of the moving person on the fixed person's grid.

        Args:
            fields: (field, slice, row, column) on the moving person's grid.
            shape: of the fixed person's grid.
            spacing_mm: of both grids.
            beyond: value beyond the moving grid's slices; None: its outermost values go on.

        Returns:
            (field, slice, row, column).
        """
        found = torch.empty(len(fields), *shape)
        rows, columns = (torch.arange(count, dtype=torch.float32) * spacing_mm for count in shape[1:])
        for index in range(shape[0]):
            height = torch.tensor([index * spacing_mm])
            moved = self.points(torch.stack(torch.meshgrid(height, rows, columns, indexing="ij"), dim=-1)[0])
            values = sampled(fields, moved, spacing_mm)
            if beyond is not None:
                within = (moved[..., 0] >= 0) & (moved[..., 0] <= (fields.shape[1] - 1) * spacing_mm)
                values = torch.where(within, values, beyond)
            found[:, index] = values
        return found


def fit_affine(fixed_mm: Tensor, moving_mm: Tensor, spacing_mm: float, start: Affine) -> tuple[Affine, float]:
    """Find the affine map under which both shapes' signed distances agree best.

    Only places that both grids show are compared, so that a bone may be cut off.

    Args:
        fixed_mm: signed distance to the shape that stays, far enough around it.
        moving_mm: signed distance to the shape that is fitted to it.
        spacing_mm: of both grids.
        start: a map that brings the shapes roughly together.

    Returns:
        The map, and the mean distance between the surfaces under it, mm.
    """
    random = torch.Generator().manual_seed(0)
    centre = _near(fixed_mm, 0.0, spacing_mm).mean(dim=0)
    change = torch.zeros(3, 4, requires_grad=True)
    optimiser = torch.optim.Adam([change], lr=STEP_MM)

    def current() -> Affine:
        matrix = start.matrix + change[:, :3] / ARM_MM
        return Affine(matrix, start.points(centre) + change[:, 3] - matrix @ centre)

    for band_mm, steps in STAGES:
        near = _near(fixed_mm, band_mm, spacing_mm, both_sides=True)
        wanted_mm = sampled(fixed_mm[None], near, spacing_mm)[0]
        for _ in range(steps):
            chosen = torch.randint(len(near), (min(POINTS, len(near)),), generator=random)
            moved = current().points(near[chosen])
            found_mm = sampled(moving_mm[None], moved, spacing_mm)[0].clamp(-band_mm, band_mm)
            shown = _shown(moving_mm, moved, spacing_mm)
            loss = ((found_mm - wanted_mm[chosen]).abs() * shown).sum() / shown.sum().clamp(min=1)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    with torch.no_grad():
        fitted = current()
        surface = _near(fixed_mm, spacing_mm / 2, spacing_mm, both_sides=True)
        moved = fitted.points(surface)
        found_mm = sampled(moving_mm[None], moved, spacing_mm)[0]
        apart_mm = (found_mm - sampled(fixed_mm[None], surface, spacing_mm)[0]).abs()
        shown = _shown(moving_mm, moved, spacing_mm)
        return fitted, float((apart_mm * shown).sum() / shown.sum().clamp(min=1))


def moved_by(offset: Tensor) -> Affine:
    """The map that only moves points."""
    return Affine(torch.eye(3), offset)


def centroid(distance_mm: Tensor, spacing_mm: float) -> Tensor:
    """Of the inside of a shape, mm."""
    return _near(distance_mm, 0.0, spacing_mm).mean(dim=0)


def sampled(fields: Tensor, points: Tensor, spacing_mm: float) -> Tensor:
    """Linear interpolation; beyond the grid its outermost values go on.

    Args:
        fields: (field, slice, row, column).
        points: (..., 3), mm.
        spacing_mm: of the grid.

    Returns:
        (field, ...).
    """
    last_mm = (torch.tensor(fields.shape[1:]) - 1) * spacing_mm
    grid = (points / last_mm * 2 - 1).flip(-1).reshape(1, 1, 1, -1, 3)
    found = torch.nn.functional.grid_sample(fields[None], grid, padding_mode="border", align_corners=True)
    return found.reshape(len(fields), *points.shape[:-1])


def _near(distance_mm: Tensor, band_mm: float, spacing_mm: float, *, both_sides: bool = False) -> Tensor:
    inside = (distance_mm.abs() if both_sides else distance_mm) < band_mm
    return inside.nonzero().float() * spacing_mm


def _shown(field: Tensor, points: Tensor, spacing_mm: float) -> Tensor:
    last_mm = (torch.tensor(field.shape) - 1) * spacing_mm
    return ((points >= 0) & (points <= last_mm)).all(dim=-1).detach()
