"""Bones: cortex, trabeculae and marrow made from the distance to their surface.

A proximal femur has a thick-walled shaft, thin walls at neck and head, dense trabeculae in the head and
along the compressive group down to the calcar, and few in Ward's triangle (Singh 1970, J Bone Joint Surg
Am 52:457).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.result import Side
from training.synthesis.person import Hip
from training.synthesis.structures import Structures
from training.synthesis.variation import Bone, draw, happens

SAMPLE_MM = 1.0
"""Edges are as if averaged over this length, so that walls thinner than a pixel keep their mass."""

HEAD_EDGE_MM = 4.0
SHAFT_BEGINS_RADII = 2.6
SHAFT_BLEND_MM = 20.0
COMPRESSIVE_WIDTH_MM = 8.0
WARD_RADII = 1.45
WARD_WIDTH_MM = 9.0
SUBCHONDRAL_MM = 9.0
FRACTURE_MM = 2.5


@dataclass(frozen=True)
class BoneDraw:
    """One patient's bones; HU are those at 120 kVp."""

    strength: float
    cortex_hu: float
    shaft_cortex_mm: float
    neck_cortex_mm: float
    head_cortex_mm: float
    pelvis_cortex_mm: float
    head_hu: float
    neck_hu: float
    marrow_hu: float
    pelvis_hu: float
    texture_hu: float
    joint_space_mm: float
    fracture_radii: Mapping[Side, float]


@dataclass(frozen=True)
class Bones:
    """Bones at some points.

    Attributes:
        mm: signed distance to the nearest bone's surface.
        hu: of the bone substance where there is bone.
        joint: joint space and cartilage.
        femur: the nearest bone is a femur.
        hip_bone: the nearest bone is a hip bone.
    """

    mm: Tensor
    hu: Tensor
    joint: Tensor
    femur: Tensor
    hip_bone: Tensor


def draw_bones(bone: Bone, random: torch.Generator) -> BoneDraw:
    """One patient's bones; wall thickness and density go with strength, and scatter on their own."""
    strength = draw(bone.strength, random)

    def with_strength(limits: tuple[float, float]) -> float:
        low, high = limits
        own = draw((0.0, 1.0), random)
        return low + (high - low) * (0.7 * strength + 0.3 * own)

    return BoneDraw(
        strength,
        with_strength(bone.cortex_hu),
        with_strength(bone.shaft_cortex_mm),
        with_strength(bone.neck_cortex_mm),
        with_strength(bone.head_cortex_mm),
        with_strength(bone.pelvis_cortex_mm),
        with_strength(bone.trabecular_head_hu),
        with_strength(bone.trabecular_neck_hu),
        draw(bone.yellow_marrow_hu, random),
        with_strength(bone.trabecular_pelvis_hu),
        draw(bone.texture_hu, random),
        draw(bone.joint_space_mm, random),
        {side: draw((1.0, 2.8), random) for side in Side if happens(bone.fracture, random)},
    )


def make_bones(
    at: Structures,
    points: Tensor,
    hips: Mapping[Side, Hip],
    drawn: BoneDraw,
    scale: float,
    fine: Tensor,
    coarse: Tensor,
) -> Bones:
    """Bones at points.

    Args:
        at: structures at the points.
        points: (..., 3), the person's coordinates, mm.
        hips: the person's landmarks.
        drawn: the patient's bones.
        scale: the person's mm per mm of the patient.
        fine: (2, ...) random fields, of trabecular size.
        coarse: (...) random field, of the size of a femoral head.
    """
    femora = [
        _femur(
            at.femur_mm[n] / scale,
            points,
            hips[side],
            drawn,
            scale,
            fine[0],
            coarse,
            drawn.fracture_radii.get(side),
        )
        for n, side in enumerate((Side.LEFT, Side.RIGHT))
    ]
    left_is_nearer = femora[0][0] < femora[1][0]
    femur_mm, femur_hu, head_mm = (
        torch.where(left_is_nearer, left, right) for left, right in zip(*femora, strict=True)
    )

    pelvis_mm = at.pelvis_mm / scale
    whole_pelvis_mm, pelvis_mm = pelvis_mm, torch.maximum(pelvis_mm, drawn.joint_space_mm - femur_mm)
    subchondral = (femur_mm < SUBCHONDRAL_MM).float() * (0.5 + drawn.strength)
    trabecular = drawn.pelvis_hu + drawn.texture_hu * fine[1] + 40 * coarse
    pelvis_hu = _walled(pelvis_mm, trabecular, drawn.pelvis_cortex_mm + subchondral, drawn.cortex_hu * 0.85)
    axial_mm = at.axial_mm / scale
    axial_hu = _walled(axial_mm, trabecular, 0.6 * drawn.pelvis_cortex_mm, drawn.cortex_hu * 0.7)

    trunk_mm = torch.minimum(pelvis_mm, axial_mm)
    trunk_hu = torch.where(pelvis_mm < axial_mm, pelvis_hu, axial_hu)
    between = (femur_mm + whole_pelvis_mm.clamp(min=0)) < 2 * drawn.joint_space_mm + 1
    femur = femur_mm < trunk_mm
    return Bones(
        torch.minimum(femur_mm, trunk_mm),
        torch.where(femur, femur_hu, trunk_hu),
        between & (head_mm < 8) & (femur_mm > 0) & (pelvis_mm > 0),
        femur,
        ~femur & (pelvis_mm < axial_mm),
    )


def _femur(
    surface_mm: Tensor,
    points: Tensor,
    hip: Hip,
    drawn: BoneDraw,
    scale: float,
    fine: Tensor,
    coarse: Tensor,
    fracture_radii: float | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Signed distance to the surface, HU of the substance, distance to the sphere of the head; mm."""
    centre, neck, shaft = (
        torch.as_tensor(vector, dtype=points.dtype, device=points.device)
        for vector in (hip.head_centre, hip.neck_axis, hip.shaft_axis)
    )
    radius = hip.head_radius_mm
    off = points - centre
    from_centre = _length(off)
    in_head = ((1.05 * radius - from_centre) / HEAD_EDGE_MM + 0.5).clamp(0, 1)
    in_shaft = ((from_centre - SHAFT_BEGINS_RADII * radius) / SHAFT_BLEND_MM).clamp(0, 1)

    def by_part(head: float, neck_value: float, shaft_value: float) -> Tensor:
        return in_head * head + (1 - in_head) * (neck_value * (1 - in_shaft) + shaft_value * in_shaft)

    towards = shaft + 0.35 * neck
    towards = towards / towards.norm()
    along = off @ towards
    beside = (from_centre**2 - along**2).clamp(min=0).sqrt()
    compressive = torch.exp(-((beside / COMPRESSIVE_WIDTH_MM) ** 2)) * (along.abs() < 1.8 * radius)
    ward = torch.exp(-((_length(off - WARD_RADII * radius * neck) / WARD_WIDTH_MM) ** 2))
    trabecular = by_part(drawn.head_hu, drawn.neck_hu, drawn.marrow_hu)
    trabecular = trabecular + (0.5 * drawn.head_hu * compressive - 70 * ward) * (1 - in_shaft)
    trabecular = trabecular + (drawn.texture_hu * fine + 30 * coarse) * (1 - 0.8 * in_shaft)

    wall_mm = by_part(drawn.head_cortex_mm, drawn.neck_cortex_mm, drawn.shaft_cortex_mm)
    wall_mm = wall_mm * (1 + 0.15 * coarse).clamp(min=0.4)
    if fracture_radii is not None:
        gap = (off @ neck - fracture_radii * radius) / scale + 2 * fine
        surface_mm = torch.maximum(surface_mm, FRACTURE_MM - gap.abs())
    cortex_hu = by_part(0.75, 0.85, 1.1) * drawn.cortex_hu
    return surface_mm, _walled(surface_mm, trabecular, wall_mm, cortex_hu), (from_centre - radius) / scale


def _length(vectors: Tensor) -> Tensor:
    x, y, z = vectors.unbind(-1)  # far quicker than a norm over an axis of three
    return (x * x + y * y + z * z).sqrt()


def _walled(
    surface_mm: Tensor, inside_hu: Tensor, wall_mm: Tensor | float, wall_hu: Tensor | float
) -> Tensor:
    depth = -surface_mm / SAMPLE_MM
    bone = (depth + 0.5).clamp(0, 1)
    inside = (depth - wall_mm / SAMPLE_MM + 0.5).clamp(0, 1).minimum(bone)
    share = inside / bone.clamp(min=1e-3)
    return share * inside_hu + (1 - share) * wall_hu
