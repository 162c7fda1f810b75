"""A person's structures at any point, interpolated."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inference.result import Side
from training.synthesis.person import Person


@dataclass(frozen=True)
class Structures:
    """What lies at some points; distances in mm, negative inside, each of the points' shape (...).

    Attributes:
        femur_mm: (2, ...), of the person's left and right femur.
        pelvis_mm: hip bones.
        axial_mm: sacrum, coccyx, spine.
        muscle_mm: to the nearest muscle's own boundary.
        muscle: number of the nearest muscle.
        body_mm: to the skin.
        fascia_mm: to the deep fascia.
        cavity_mm: to pelvic and abdominal cavity and perineum.
        organ: number of the organ, 0 where there is none or no map of organs.
    """

    femur_mm: Tensor
    pelvis_mm: Tensor
    axial_mm: Tensor
    muscle_mm: Tensor
    muscle: Tensor
    body_mm: Tensor
    fascia_mm: Tensor
    cavity_mm: Tensor
    organ: Tensor


class Anatomy:
    """A person's arrays on a device, ready for interpolation; each is there once."""

    def __init__(self, person: Person, device: torch.device) -> None:
        distances = (
            torch.minimum(person.pelvis_mm, person.axial_mm),
            person.femur_mm[Side.LEFT],
            person.femur_mm[Side.RIGHT],
            person.pelvis_mm,
            person.axial_mm,
            person.muscle_mm,
            person.body_mm,
            person.fascia_mm,
            person.cavity_mm,
        )
        stacked = torch.stack(distances)[None].to(device)
        self._distances = stacked[:, 1:]
        # The trunk and one femur each.
        self._near = {Side.LEFT: stacked[:, 0:2], Side.RIGHT: stacked[:, 0:3:2]}
        self._numbers = torch.stack((person.muscle_id, *person.organs)).to(device)
        left, right, pelvis, axial, muscle, body, fascia, cavity = self._distances[0]
        self.person = replace(
            person,
            femur_mm={Side.LEFT: left, Side.RIGHT: right},
            pelvis_mm=pelvis,
            axial_mm=axial,
            muscle_mm=muscle,
            muscle_id=self._numbers[0],
            body_mm=body,
            fascia_mm=fascia,
            cavity_mm=cavity,
            organs=tuple(self._numbers[1:]),
        )
        shape = torch.tensor(person.body_mm.shape, device=device)
        self._last_mm = (shape - 1) * person.spacing_mm

    @property
    def organ_maps(self) -> int:
        """How many alternative maps of organs there are."""
        return len(self.person.organs)

    def near(self, points: Tensor, side: Side) -> tuple[Tensor, Tensor]:
        """Distances to hip bones, sacrum or spine, and to one femur, mm."""
        trunk, femur = self._interpolated(self._near[side], points)
        return trunk, femur

    def at(self, points: Tensor, organ_map: int | None = None) -> Structures:
        """Interpolate all distances; numbers come from the nearest voxel.

        Args:
            points: (..., 3) in the person's coordinates, mm; beyond the arrays their border goes on.
            organ_map: which alternative.
        """
        found = self._interpolated(self._distances, points)
        index = (points / self.person.spacing_mm).round().long()
        index = index.clamp(min=0).minimum(torch.tensor(self._numbers.shape[1:], device=points.device) - 1)
        muscle = self._numbers[0][index.unbind(-1)]
        organ = (
            torch.zeros_like(muscle) if organ_map is None else self._numbers[1 + organ_map][index.unbind(-1)]
        )
        return Structures(
            found[:2], found[2], found[3], found[4], muscle, found[5], found[6], found[7], organ
        )

    def _interpolated(self, fields: Tensor, points: Tensor) -> Tensor:
        grid = (points / self._last_mm * 2 - 1).flip(-1).reshape(1, 1, 1, -1, 3)
        found = torch.nn.functional.grid_sample(fields, grid, padding_mode="border", align_corners=True)
        return found.reshape(fields.shape[1], *points.shape[:-1])
