"""Metal in the proximal femur: nails, plates, screws and prostheses, placed by a hip's landmarks.

Sizes are those of common products, as their makers' catalogues give them: a short trochanteric nail is 15.5
to 17 mm thick at its top, 9 to 12 mm in the shaft and 170 to 240 mm long, its lag screw 10.5 mm; a sliding
hip screw has a 12.5 mm thread and barrel, an 8 mm shank, a plate 19 mm wide and 5.8 mm thick with holes
every 16 mm for 4.5 mm screws; cannulated screws are 6.5 or 7.3 mm; prosthetic heads 28, 32 or 36 mm across.
Placement as surgeons aim for: tip of the lag screw in the head's middle, short of its surface (Baumgaertner
1995, J Bone Joint Surg Am 77:1058: tip-apex distance below 25 mm); stem down the canal; neck cut above the
trochanters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import torch
from torch import Tensor

from training.synthesis.implant_shapes import Ball, Bar, Cup, Rod, Shape
from training.synthesis.person import Hip
from training.synthesis.variation import draw

SHAFT_RADIUS_MM = (14.5, 17.0)
"""Half the femur's width below the trochanters: where screws and plates meet its side."""
CUT_BEYOND_HEAD_MM = (6.0, 16.0)
REMOVED_BESIDE_NECK_MM = 5.0
"""Beyond the head's radius: the neck's slopes and osteophytes go, the greater trochanter stays."""
DRIFT_MM = (-3.0, 3.0)
"""Chosen: of a screw's tip from the neck's axis."""


class ImplantKind(StrEnum):
    """What surgeons put into hips."""

    NAIL = "nail"
    SLIDING_HIP_SCREW = "sliding_hip_screw"
    CANNULATED_SCREWS = "cannulated_screws"
    TOTAL_HIP = "total_hip"
    HEMIARTHROPLASTY = "hemiarthroplasty"


@dataclass(frozen=True)
class Implant:
    """One implant in one hip.

    Attributes:
        kind: of implant.
        hip: whose landmarks placed it.
        parts: all of metal; they may overlap.
        cut_mm: from the head's centre along the neck to where the femur was cut; None where it was not.
    """

    kind: ImplantKind
    hip: Hip
    parts: tuple[Shape, ...]
    cut_mm: float | None

    def metal_mm(self, points: Tensor) -> Tensor:
        """Signed distance of metal, negative inside; ``points`` (..., 3) like the landmarks, to (...)."""
        nearest = self.parts[0].distance_mm(points)
        for part in self.parts[1:]:
            nearest = nearest.minimum(part.distance_mm(points))
        return nearest

    def removed_bone_mm(self, points: Tensor) -> Tensor:
        """Signed distance of the removed part of the femur, not of the pelvis; infinite where none was."""
        if self.cut_mm is None:
            return torch.full_like(points[..., 0], torch.inf)
        neck = torch.tensor(self.hip.neck_axis).to(points)
        away = points - torch.tensor(self.hip.head_centre).to(points)
        along = away @ neck
        across = (away - along.clamp_min(0)[..., None] * neck).norm(dim=-1)
        beyond: Tensor = across - self.hip.head_radius_mm - REMOVED_BESIDE_NECK_MM
        return beyond.maximum(along - self.cut_mm)


@dataclass(frozen=True)
class _Frame:
    """A hip's landmarks as tensors, (3,) each; ``joint`` is where the neck's axis meets the shaft's."""

    head: Tensor
    radius_mm: float
    neck: Tensor
    down: Tensor
    joint: Tensor
    outwards: Tensor

    @classmethod
    def of(cls, hip: Hip) -> "_Frame":
        head, neck, down, point = (
            torch.tensor(value) for value in (hip.head_centre, hip.neck_axis, hip.shaft_axis, hip.shaft_point)
        )
        across = neck - (neck @ down) * down
        outwards = across / across.norm()
        reach = (point - head) @ outwards / (neck @ outwards)
        joint = point + ((head + reach * neck - point) @ down) * down
        return cls(head, hip.head_radius_mm, neck, down, joint, outwards)

    def tip(self, short_mm: float, random: torch.Generator) -> Tensor:
        """Of a screw in the head, this much below its surface."""
        aside = torch.tensor([draw(DRIFT_MM, random) for _ in range(3)])
        aside = aside - (aside @ self.neck) * self.neck
        return self.head - (self.radius_mm - short_mm) * self.neck + aside

    def entry(self, beyond_mm: float) -> Tensor:
        """On the neck's axis, where it leaves a shaft of this radius."""
        return self.joint + self.neck * (beyond_mm / float(self.neck @ self.outwards))


def draw_implant(hip: Hip, kind: ImplantKind, random: torch.Generator) -> Implant:
    """One implant of this kind, of random size, in this hip."""
    frame = _Frame.of(hip)
    parts = _PARTS[kind](frame, random)
    replaced = kind in {ImplantKind.TOTAL_HIP, ImplantKind.HEMIARTHROPLASTY}
    cut_mm = hip.head_radius_mm + draw(CUT_BEYOND_HEAD_MM, random) if replaced else None
    return Implant(kind, hip, parts, cut_mm)


def _nail(frame: _Frame, random: torch.Generator) -> tuple[Shape, ...]:
    top = frame.joint - frame.down * float((frame.joint - frame.head) @ frame.down + draw((-5, 8), random))
    thick_end = top + frame.down * draw((65, 80), random)
    end = top + frame.down * draw((170, 240), random)
    thin = draw((4.5, 6), random)
    screw = draw((5, 5.5), random)
    locking = end - frame.down * draw((25, 40), random)
    return (
        Rod(top, thick_end, draw((7.75, 8.5), random), thin),
        Rod(thick_end, end, thin, thin),
        Rod(frame.entry(draw((18, 24), random)), frame.tip(draw((5, 12), random), random), screw, screw),
        Rod(locking - frame.outwards * 14, locking + frame.outwards * 18, 2.5, 2.5),
    )


def _sliding_hip_screw(frame: _Frame, random: torch.Generator) -> tuple[Shape, ...]:
    side_mm = draw(SHAFT_RADIUS_MM, random)
    holes = int(draw((2, 5.999), random))
    entry, tip = frame.entry(side_mm), frame.tip(draw((6, 14), random), random)
    inwards = (tip - entry) / (tip - entry).norm()
    length = 16.0 * holes + 16
    beside = torch.linalg.cross(frame.down, frame.outwards)
    axes = torch.stack((frame.down, beside, frame.outwards))
    plate_top = entry - 8 * frame.down + 2.9 * frame.outwards
    first = entry + 20 * frame.down
    screws = [first + 16.0 * hole * frame.down for hole in range(holes)]
    return (
        Rod(entry, entry + 38 * inwards, 6.3, 6.3),
        Rod(entry, tip, 4.0, 4.0),
        Rod(tip - 22 * inwards, tip, 6.25, 6.25),
        Bar(plate_top + frame.down * (length + 8) / 2, axes, torch.tensor([(length + 8) / 2, 9.5, 2.9])),
        *(Rod(at, at - frame.outwards * (side_mm * 2 + 2), 2.25, 2.25) for at in screws),
    )


def _cannulated_screws(frame: _Frame, random: torch.Generator) -> tuple[Shape, ...]:
    # One below, two above: an inverted triangle.
    up = -(frame.down - (frame.down @ frame.neck) * frame.neck)
    up = up / up.norm()
    beside = torch.linalg.cross(frame.neck, up)
    radius, spread = draw((3.25, 3.65), random), draw((6, 9), random)
    corners = ((-1.0, 0.0), (0.6, 0.9), (0.6, -0.9))
    screws = []
    for high, wide in corners:
        off = spread * (high * up + wide * beside)
        entry = frame.entry(draw(SHAFT_RADIUS_MM, random)) + off
        tip = frame.tip(draw((6, 12), random), random) + off
        screws.append(Rod(entry, tip, radius, radius))
    return tuple(screws)


def _stem(frame: _Frame, random: torch.Generator) -> tuple[Shape, ...]:
    tip = frame.joint + frame.down * draw((85, 135), random)
    shoulder = draw((8, 10.5), random)
    return (
        Rod(frame.head, frame.joint, draw((5.5, 7), random), shoulder),
        Rod(frame.joint - 6 * frame.down, tip, shoulder, draw((3.5, 5.5), random)),
    )


def _total_hip(frame: _Frame, random: torch.Generator) -> tuple[Shape, ...]:
    radius = frame.radius_mm * draw((1.02, 1.15), random)
    wall = draw((3, 5), random)
    # Heads of 28, 32 or 36 mm, with at least 4 mm of liner around.
    most = min(18.0, radius - wall - 4)
    opening = frame.neck + 0.12 * torch.randn(3, generator=random)
    cup = Cup(frame.head, opening / opening.norm(), radius, wall, draw((0, 3), random))
    return (cup, Ball(frame.head, draw((min(14.0, most), most), random)), *_stem(frame, random))


def _hemiarthroplasty(frame: _Frame, random: torch.Generator) -> tuple[Shape, ...]:
    radius = frame.radius_mm * draw((0.97, 1.03), random)
    # Bipolar heads are shells around a liner and a small head, unipolar ones thick shells.
    shell = Cup(frame.head, frame.neck, radius, draw((2.5, 6), random), draw((6, 10), random))
    return (shell, Ball(frame.head, draw((11, 14), random)), *_stem(frame, random))


_PARTS: Mapping[ImplantKind, Callable[[_Frame, torch.Generator], tuple[Shape, ...]]] = MappingProxyType(
    {
        ImplantKind.NAIL: _nail,
        ImplantKind.SLIDING_HIP_SCREW: _sliding_hip_screw,
        ImplantKind.CANNULATED_SCREWS: _cannulated_screws,
        ImplantKind.TOTAL_HIP: _total_hip,
        ImplantKind.HEMIARTHROPLASTY: _hemiarthroplasty,
    }
)
