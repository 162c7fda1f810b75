"""From a point of the synthetic patient back to the person the anatomy comes from.

Coordinates are (slice, row, column) in mm: towards the head, the back and the left.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.result import Side
from training.synthesis.noise import ValueNoise
from training.synthesis.person import REACH_MM, Hip
from training.synthesis.structures import Anatomy
from training.synthesis.variation import Posture, Shape, draw, happens

HEAD, BACK, LEFT = 0, 1, 2

BLEND_ABOVE_MM = (25.0, 85.0)
"""A leg's movement fades out this far above its hip joint: not within the femur, which is stiff."""

BLEND_MIDLINE_MM = 45.0
FIXED_POINT_STEPS = 3


@dataclass(frozen=True)
class Leg:
    """How one leg moves about its hip joint."""

    hip: Hip
    rotation: Tensor

    def displacement(self, anatomy: Anatomy, side: Side, points: Tensor, middle: float) -> Tensor:
        """Where points of the moved leg were before it moved, as a difference.

        The movement is whole at the femur and none at the pelvis, and shared out in the flesh between.
        """
        centre = torch.as_tensor(self.hip.head_centre, dtype=points.dtype, device=points.device)
        back = self.rotation.to(points).T
        moved = torch.zeros_like(points)
        for _ in range(FIXED_POINT_STEPS):
            at = points + moved
            share = _share(anatomy, side, at, centre, middle)
            moved = share[..., None] * ((points - centre) @ back.T + centre - points)
        return moved


@dataclass(frozen=True)
class Pose:
    """One draw of shape and posture.

    Attributes:
        linear: (3, 3) from the synthetic patient's axes to the person's: size, proportions, tilt, mirroring.
        centre_mm: the point between the femoral heads, in the person's coordinates.
        legs: movements; a leg that is missing lies as the person's.
        deformation: three fields, displacements in mm.
        deformation_mm: their standard deviation.
        deformation_cell_mm: their coarseness.
    """

    anatomy: Anatomy
    linear: Tensor
    centre_mm: Tensor
    legs: Mapping[Side, Leg]
    deformation: ValueNoise
    deformation_mm: float
    deformation_cell_mm: float

    @property
    def scale(self) -> float:
        """Person's mm per mm of the synthetic patient, on average over the directions."""
        return float(torch.linalg.det(self.linear).abs() ** (1 / 3))

    def to_person(self, points: Tensor) -> Tensor:
        """Points of the synthetic patient, mm from between its femoral heads, in the person's coordinates.

        Args:
            points: (..., 3).
        """
        found = points @ self.linear.to(points).T + self.centre_mm.to(points)
        smooth = self.deformation.at(found, self.deformation_cell_mm)
        found = found + self.deformation_mm * smooth.movedim(0, -1)
        middle = float(self.centre_mm[LEFT])
        for side, leg in self.legs.items():
            found = found + leg.displacement(self.anatomy, side, found, middle)
        return found


def draw_pose(anatomy: Anatomy, shape: Shape, posture: Posture, random: torch.Generator) -> Pose:
    """Draw size, proportions, deformation and the position of each leg."""
    size = draw(shape.size, random)
    depth = draw(shape.depth_to_width, random) ** 0.5
    stretch = draw(shape.stretch_along_body, random)
    mirror = -1.0 if happens(shape.mirrored, random) else 1.0
    scale = torch.tensor([1 / (size * stretch), 1 / (size * depth), mirror * depth / size])
    tilt = torch.eye(3)
    for axis in (HEAD, BACK, LEFT):
        tilt = tilt @ _rotation(axis, draw(posture.tilt_deg, random))
    centres = torch.tensor([anatomy.person.landmarks[side].head_centre for side in Side], dtype=torch.float32)
    return Pose(
        anatomy,
        torch.diag(scale) @ tilt,
        centres.mean(0),
        {
            side: Leg(hip, _leg_rotation(side, posture, random))
            for side, hip in anatomy.person.landmarks.items()
        },
        ValueNoise(3, random),
        draw(shape.deformation_mm, random),
        draw(shape.deformation_cell_mm, random),
    )


def _leg_rotation(side: Side, posture: Posture, random: torch.Generator) -> Tensor:
    outwards = 1.0 if side is Side.LEFT else -1.0
    external = _rotation(HEAD, -outwards * draw(posture.external_rotation_deg, random))
    flexed = _rotation(LEFT, draw(posture.flexion_deg, random))
    abducted = _rotation(BACK, -outwards * draw(posture.abduction_deg, random))
    return flexed @ abducted @ external


def _share(anatomy: Anatomy, side: Side, points: Tensor, centre: Tensor, middle: float) -> Tensor:
    to_trunk, to_femur = anatomy.near(points, side)
    to_trunk, to_femur = to_trunk.clamp(min=0.0), to_femur.clamp(min=0.0)
    alone = 1 - to_trunk / REACH_MM
    share = to_trunk / (to_trunk + to_femur * alone).clamp(min=1e-3)
    begins, ends = BLEND_ABOVE_MM
    above = (ends - (points[..., HEAD] - centre[HEAD])) / (ends - begins)
    outwards = 1.0 if side is Side.LEFT else -1.0
    own_side = 0.5 + outwards * (points[..., LEFT] - middle) / (2 * BLEND_MIDLINE_MM)
    return share * above.clamp(0, 1) * own_side.clamp(0, 1)


def _rotation(axis: int, degrees: float) -> Tensor:
    angle = torch.deg2rad(torch.tensor(degrees))
    one, other = (i for i in (HEAD, BACK, LEFT) if i != axis)
    matrix = torch.eye(3)
    matrix[one, one] = matrix[other, other] = torch.cos(angle)
    matrix[one, other], matrix[other, one] = -torch.sin(angle), torch.sin(angle)
    return matrix
