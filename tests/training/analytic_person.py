"""A person made of spheres and tubes, whose every distance is known."""

from functools import lru_cache

import torch
from torch import Tensor

from inference.result import Side
from training.synthesis.person import DEEPEST_MM, REACH_MM, Hip, Person, Point

SPACING_MM = 4.0
SHAPE = (70, 90, 130)
"""280 x 360 x 520 mm."""

HEAD_RADIUS_MM = 24.0
NECK_MM = 55.0
WAIST_MM = 30.0
"""From the head's centre to where the neck is narrowest."""

WAIST_RADIUS_MM = 13.0
FLARE_MM = 100.0
"""The neck's radius grows by the square of the way from the waist, over this."""

SHAFT_RADIUS_MM = 16.0
LIMB_RADIUS_MM = 70.0
"""Of the muscles about each hip, down to the knee."""

FAT_MM = 45.0
"""Between muscles and skin."""

CAVITY_RADIUS_MM = 22.0
HEAD_LEVEL_MM = 160.0
HEAD_ROW_MM = 170.0
MIDDLE_MM = 260.0
HALF_DISTANCE_MM = 90.0
SLOPE = 0.7
"""Downwards part of the neck's direction; it points straight outwards besides."""


@lru_cache(maxsize=4)
def phantom_person(name: str = "phantom") -> Person:
    """Two hips, a muscle around each femur, a buttock, fat and skin around."""
    axes = [SPACING_MM * torch.arange(size, dtype=torch.float32) for size in SHAPE]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    hips = {side: hip(side) for side in Side}
    femur = {side: _femur(points, hips[side]).clamp(-REACH_MM, REACH_MM) for side in Side}
    cups = torch.stack([_cup(points, one) for one in hips.values()]).amin(0)
    axial = _capsule(
        points, (HEAD_LEVEL_MM + 40, 260.0, MIDDLE_MM), (HEAD_LEVEL_MM + 200, 260.0, MIDDLE_MM), 20.0
    )
    limbs = [_cylinder(points, HEAD_ROW_MM, _column(side), LIMB_RADIUS_MM) for side in Side]
    limb = torch.minimum(*limbs)
    bone = torch.stack([*femur.values(), cups, axial]).amin(0)
    body = _skin(points)
    cavity = torch.maximum(
        _cylinder(points, HEAD_ROW_MM, MIDDLE_MM, CAVITY_RADIUS_MM), HEAD_LEVEL_MM - 60 - points[..., 0]
    )
    side_of = (points[..., 2] > MIDDLE_MM).to(torch.uint8) + 1
    reach = (-REACH_MM, REACH_MM)
    return Person(
        name=name,
        spacing_mm=SPACING_MM,
        femur_mm=femur,
        pelvis_mm=cups.clamp(*reach),
        axial_mm=axial.clamp(*reach),
        muscle_mm=torch.maximum(limb, -bone).clamp(*reach),
        muscle_id=side_of,
        muscle_names={1: "right", 2: "left"},
        body_mm=body.clamp(-DEEPEST_MM, REACH_MM),
        fascia_mm=torch.minimum(limb, torch.minimum(bone, cavity)).clamp(*reach),
        cavity_mm=cavity.clamp(*reach),
        organs=(),
        trusted=slice(2, SHAPE[0] - 2),
        landmarks=hips,
    )


def hip(side: Side) -> Hip:
    """Where a femur lies."""
    outwards = 1.0 if side is Side.LEFT else -1.0
    length = (1 + SLOPE**2) ** 0.5
    return Hip(
        head_centre=(HEAD_LEVEL_MM, HEAD_ROW_MM, _column(side)),
        head_radius_mm=HEAD_RADIUS_MM,
        neck_axis=(-SLOPE / length, 0.0, outwards / length),
        shaft_axis=(-1.0, 0.0, 0.0),
        shaft_point=(HEAD_LEVEL_MM - 80, HEAD_ROW_MM, _column(side) + outwards * NECK_MM / length),
    )


def _column(side: Side) -> float:
    return MIDDLE_MM + (HALF_DISTANCE_MM if side is Side.LEFT else -HALF_DISTANCE_MM)


def _femur(points: Tensor, hip: Hip) -> Tensor:
    centre, axis = torch.tensor(hip.head_centre), torch.tensor(hip.neck_axis)
    off = points - centre
    along = (off @ axis).clamp(0, NECK_MM)
    radius = WAIST_RADIUS_MM + (along - WAIST_MM).square() / FLARE_MM
    head = _length(off) - HEAD_RADIUS_MM
    neck = _length(off - along[..., None] * axis) - radius.clamp(max=SHAFT_RADIUS_MM)
    level, row, column = (centre + NECK_MM * axis).tolist()
    shaft = _capsule(points, (level, row, column), (-50.0, row, column), SHAFT_RADIUS_MM)
    return torch.stack((head, neck, shaft)).amin(0)


def _cup(points: Tensor, hip: Hip) -> Tensor:
    distance = _length(points - torch.tensor(hip.head_centre))
    shell = torch.maximum(distance - HEAD_RADIUS_MM - 12, HEAD_RADIUS_MM + 3 - distance)
    return torch.maximum(shell, hip.head_centre[0] - points[..., 0])


def _capsule(points: Tensor, one: Point, other: Point, radius: float) -> Tensor:
    start = torch.tensor(one)
    along = torch.tensor(other) - start
    off = points - start
    share = ((off @ along) / (along @ along)).clamp(0, 1)
    return _length(off - share[..., None] * along) - radius


def _cylinder(points: Tensor, row: float, column: float, radius: float) -> Tensor:
    return torch.hypot(points[..., 1] - row, points[..., 2] - column) - radius


def _skin(points: Tensor) -> Tensor:
    """Round beside the hips, flat between them."""
    beside = ((points[..., 2] - MIDDLE_MM).abs() - HALF_DISTANCE_MM).clamp(min=0)
    return torch.hypot(points[..., 1] - HEAD_ROW_MM, beside) - LIMB_RADIUS_MM - FAT_MM


def _length(vectors: Tensor) -> Tensor:
    x, y, z = vectors.unbind(-1)
    return (x * x + y * y + z * z).sqrt()
