"""Solids that implants are built from, as signed distances in mm, negative inside."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Shape(Protocol):
    """A solid."""

    def distance_mm(self, points: Tensor) -> Tensor:
        """Signed distance of points, (..., 3) to (...); right in sign, exact only near the surface."""
        ...


@dataclass(frozen=True)
class Rod:
    """A round bar with rounded ends, that may taper.

    Attributes:
        start: centre of its first end, (3,).
        end: centre of its last end, (3,).
        start_radius_mm: at ``start``.
        end_radius_mm: at ``end``.
    """

    start: Tensor
    end: Tensor
    start_radius_mm: float
    end_radius_mm: float

    def distance_mm(self, points: Tensor) -> Tensor:
        """As every ``Shape``."""
        start = self.start.to(points)
        axis = self.end.to(points) - start
        along = ((points - start) @ axis / axis.square().sum()).clamp(0, 1)
        away = (points - start - along[..., None] * axis).norm(dim=-1)
        distance: Tensor = away - (self.start_radius_mm + (self.end_radius_mm - self.start_radius_mm) * along)
        return distance


@dataclass(frozen=True)
class Ball:
    """A sphere."""

    centre: Tensor
    radius_mm: float

    def distance_mm(self, points: Tensor) -> Tensor:
        """As every ``Shape``."""
        distance: Tensor = (points - self.centre.to(points)).norm(dim=-1) - self.radius_mm
        return distance


@dataclass(frozen=True)
class Cup:
    """Half a hollow ball or somewhat more.

    Attributes:
        centre: of the ball.
        opening: unit vector out of the cup.
        radius_mm: outer.
        wall_mm: thickness.
        beyond_mm: how far the rim lies beyond the centre.
    """

    centre: Tensor
    opening: Tensor
    radius_mm: float
    wall_mm: float
    beyond_mm: float

    def distance_mm(self, points: Tensor) -> Tensor:
        """As every ``Shape``."""
        away = points - self.centre.to(points)
        middle = self.radius_mm - self.wall_mm / 2
        wall = (away.norm(dim=-1) - middle).abs() - self.wall_mm / 2
        distance: Tensor = wall.maximum(away @ self.opening.to(points) - self.beyond_mm)
        return distance


@dataclass(frozen=True)
class Bar:
    """A rectangular bar.

    Attributes:
        centre: (3,).
        axes: three orthogonal unit vectors, (3, 3).
        half_mm: half the size along each of them, (3,).
    """

    centre: Tensor
    axes: Tensor
    half_mm: Tensor

    def distance_mm(self, points: Tensor) -> Tensor:
        """As every ``Shape``."""
        beyond = ((points - self.centre.to(points)) @ self.axes.to(points).T).abs() - self.half_mm.to(points)
        distance: Tensor = beyond.clamp_min(0).norm(dim=-1) + beyond.amax(dim=-1).clamp_max(0)
        return distance
