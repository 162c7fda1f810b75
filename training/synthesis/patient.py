"""One synthetic patient: a person's anatomy, posed, with tissues of its own, rendered slice by slice."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inference.result import Side
from training.synthesis.bones import BoneDraw, draw_bones, make_bones
from training.synthesis.flesh import Flesh, FleshDraw, draw_flesh, make_flesh
from training.synthesis.implants import Implant, ImplantKind, draw_implant
from training.synthesis.noise import ValueNoise
from training.synthesis.person import Hip
from training.synthesis.posture import Pose, draw_pose
from training.synthesis.structures import Anatomy, Structures
from training.synthesis.surroundings import Things, add_things, draw_things
from training.synthesis.truth import Region
from training.synthesis.variation import Variation, draw, happens

POSE_STEP_MM = 5.0
"""The pose is worked out on a grid this coarse and interpolated: it is smooth."""

JOINT_HU = 60.0
"""Cartilage and synovial fluid together, without contrast."""


@dataclass(frozen=True)
class Rendered:
    """One infinitely thin slice; each (row, column).

    Attributes:
        hu: at 120 kVp.
        region: values of ``Region``.
        bone: share of bone substance.
        metal: share of metal.
        muscle: number of the person's muscle, with the fat in it; 0 where there is none.
        femur: where a femur is.
        hip_bone: where a hip bone is.
    """

    hu: Tensor
    region: Tensor
    bone: Tensor
    metal: Tensor
    muscle: Tensor
    femur: Tensor
    hip_bone: Tensor


@dataclass(frozen=True)
class Patient:
    """Everything drawn for one patient.

    Coordinates are (slice, row, column) in mm from the point between the femoral heads: towards the head, the
    back and the left.
    """

    anatomy: Anatomy
    pose: Pose
    bones: BoneDraw
    flesh: FleshDraw
    things: Things
    implants: Mapping[Side, Implant]
    organ_map: int | None
    noise: ValueNoise
    medium_cell_mm: float
    coarse_cell_mm: float

    def render(self, level_mm: float, rows_mm: Tensor, columns_mm: Tensor) -> Rendered:
        """One slice.

        Args:
            level_mm: how far above the femoral heads.
            rows_mm: (row,), evenly spaced.
            columns_mm: (column,), evenly spaced.
        """
        points = self._posed(level_mm, rows_mm, columns_mm)
        metal, removed, at = self._operated(points, self.anatomy.at(points, self.organ_map))
        scale, hips = self.pose.scale, self.anatomy.person.landmarks
        fine = self.noise.at(points, self.flesh.streak_cell_mm)
        medium = self.noise.at(points, self.medium_cell_mm)
        coarse = self.noise.at(points, self.coarse_cell_mm)

        flesh = make_flesh(
            at, points - self.pose.centre_mm.to(points), self.flesh, scale, fine[:2], medium[:3], coarse[:2]
        )
        bones = make_bones(at, points, hips, self.bones, scale, fine[2:], coarse[2])
        bone = (0.5 - bones.mm).clamp(0, 1)
        nothing = bones.joint | (removed < 0)
        hu = torch.where(nothing, JOINT_HU, flesh.hu)
        hu = hu + (bones.hu - hu) * bone
        rows, columns = torch.meshgrid(rows_mm, columns_mm, indexing="ij")
        hu = add_things(hu, flesh.depth_mm, rows, columns, self.things, coarse[3])
        solid, metallic = bones.mm < 0, metal < 0
        return Rendered(
            hu,
            _regions(flesh, solid, nothing, metallic),
            bone,
            (0.5 - metal).clamp(0, 1),
            flesh.muscle * ~(solid | nothing | metallic),
            solid & bones.femur & ~metallic,
            solid & bones.hip_bone & ~metallic,
        )

    def _operated(self, points: Tensor, at: Structures) -> tuple[Tensor, Tensor, Structures]:
        """Distance to metal and to bone that was taken away, in the patient's mm, and what is left."""
        metal = removed = torch.full_like(at.body_mm, torch.inf)
        femora = list(at.femur_mm)
        for number, side in enumerate((Side.LEFT, Side.RIGHT)):
            if side in self.implants:
                implant = self.implants[side]
                gone = torch.maximum(implant.removed_bone_mm(points), femora[number])
                femora[number] = torch.maximum(femora[number], -gone)
                removed = torch.minimum(removed, gone)
                metal = torch.minimum(metal, implant.metal_mm(points))
        scale = self.pose.scale
        return metal / scale, removed / scale, replace(at, femur_mm=torch.stack(femora))

    def _posed(self, level_mm: float, rows_mm: Tensor, columns_mm: Tensor) -> Tensor:
        counts = [max(2, round(float(axis[-1] - axis[0]) / POSE_STEP_MM)) for axis in (rows_mm, columns_mm)]
        rows, columns = (
            torch.linspace(float(axis[0]), float(axis[-1]), count, device=axis.device)
            for axis, count in zip((rows_mm, columns_mm), counts, strict=True)
        )
        grid = torch.meshgrid(torch.tensor([level_mm], device=rows.device), rows, columns, indexing="ij")
        posed = self.pose.to_person(torch.stack(grid, dim=-1)[0])
        size = (len(rows_mm), len(columns_mm))
        spread = torch.nn.functional.interpolate(
            posed.movedim(-1, 0)[None], size=size, mode="bilinear", align_corners=True
        )
        return spread[0].movedim(0, -1)


def draw_patient(anatomy: Anatomy, variation: Variation, random: torch.Generator) -> Patient:
    """Draw one patient of a person's anatomy."""
    flesh = draw_flesh(variation, random)
    return Patient(
        anatomy,
        draw_pose(anatomy, variation.shape, variation.posture, random),
        draw_bones(variation.bone, random),
        flesh,
        draw_things(variation.surroundings, random),
        _draw_implants(anatomy.person.landmarks, variation.surroundings.implant, random),
        int(torch.randint(anatomy.organ_maps, (), generator=random)) if anatomy.organ_maps else None,
        ValueNoise(4, random),
        draw((8.0, 15.0), random),
        draw((30.0, 60.0), random),
    )


def _draw_implants(hips: Mapping[Side, Hip], chance: float, random: torch.Generator) -> dict[Side, Implant]:
    kinds = list(ImplantKind)
    return {
        side: draw_implant(hip, kinds[int(torch.randint(len(kinds), (), generator=random))], random)
        for side, hip in hips.items()
        if happens(chance, random)
    }


def _regions(flesh: Flesh, bone: Tensor, nothing: Tensor, metal: Tensor) -> Tensor:
    region = torch.full_like(flesh.limb, Region.NONE, dtype=torch.uint8)
    region[flesh.limb] = Region.LIMB
    region[flesh.subcutaneous] = Region.SUBCUTANEOUS
    region[nothing] = Region.NONE
    region[bone] = Region.BONE
    region[metal] = Region.NONE
    return region
