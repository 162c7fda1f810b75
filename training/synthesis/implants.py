"""Metal at the hip: nails, plates, screws and prostheses, as signed distances.

Sizes are those in which such implants are sold; where one lies follows from the femur's axes.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from training.synthesis.person import Hip
from training.synthesis.variation import draw

FAR_MM = 1000.0
NAIL_MM = (180.0, 340.0)
PLATE_THICKNESS_MM = 5.0
SCREW_PITCH_MM = 16.0
CUP_WALL_MM = 4.0


class ImplantKind(StrEnum):
    """What surgeons put into a hip."""

    INTRAMEDULLARY_NAIL = "intramedullary nail"
    DYNAMIC_HIP_SCREW = "dynamic hip screw"
    CANNULATED_SCREWS = "cannulated screws"
    TOTAL_HIP_PROSTHESIS = "total hip prosthesis"
    HEMIARTHROPLASTY = "hemiarthroplasty"


PROSTHESES = (ImplantKind.TOTAL_HIP_PROSTHESIS, ImplantKind.HEMIARTHROPLASTY)


@dataclass(frozen=True)
class Implant:
    """One implant; mm.

    Attributes:
        screw_radius_mm: of the screws along the neck.
        stem_radius_mm: of nail or stem, in the shaft.
        stem_mm: how far it reaches down.
        head_radius_mm: of a prosthetic head; a hemiarthroplasty's is as large as the bone's.
        cup_radius_mm: outer radius of an artificial socket.
        screws: in the plate.
    """

    kind: ImplantKind
    screw_radius_mm: float
    stem_radius_mm: float
    stem_mm: float
    head_radius_mm: float
    cup_radius_mm: float
    screws: int


def draw_implant(random: torch.Generator) -> Implant:
    """Draw the kind and sizes of an implant."""
    kinds = list(ImplantKind)
    kind = kinds[int(torch.randint(len(kinds), (), generator=random))]
    thin = kind is ImplantKind.CANNULATED_SCREWS
    return Implant(
        kind,
        screw_radius_mm=draw((3.2, 3.7) if thin else (5.0, 6.3), random),
        stem_radius_mm=draw((4.5, 6.5), random),
        stem_mm=draw(NAIL_MM if kind is ImplantKind.INTRAMEDULLARY_NAIL else (110.0, 160.0), random),
        head_radius_mm=draw((11.0, 18.0), random),
        cup_radius_mm=draw((22.0, 29.0), random),
        screws=2 + int(torch.randint(4, (), generator=random)),
    )


def metal_mm(points: Tensor, hip: Hip, implant: Implant) -> Tensor:
    """Signed distance to the metal, negative inside.

    Args:
        points: (..., 3) in the person's coordinates, mm.
        hip: where it is.
        implant: what.
    """
    frame = _Frame.of(hip, points)
    if implant.kind is ImplantKind.CANNULATED_SCREWS:
        return _cannulated(points, frame, implant)
    if implant.kind is ImplantKind.INTRAMEDULLARY_NAIL:
        top = frame.crossing - 25.0 * frame.shaft
        nail = _capsule(points, top, top + implant.stem_mm * frame.shaft, implant.stem_radius_mm)
        return torch.minimum(nail, _lag_screw(points, frame, implant))
    if implant.kind is ImplantKind.DYNAMIC_HIP_SCREW:
        return torch.minimum(_plate(points, frame, implant), _lag_screw(points, frame, implant))
    return _prosthesis(points, frame, implant, hip.head_radius_mm)


def removed_mm(points: Tensor, hip: Hip, implant: Implant) -> Tensor:
    """Signed distance to the bone the surgeon took away, negative inside: head and neck, for a prosthesis."""
    if implant.kind not in PROSTHESES:
        return torch.full_like(points[..., 0], FAR_MM)
    frame = _Frame.of(hip, points)
    along = (points - frame.head) @ frame.neck
    near = (points - frame.head).square().sum(-1).sqrt() - 2.2 * hip.head_radius_mm
    return torch.maximum(along - 1.2 * hip.head_radius_mm, near)


@dataclass(frozen=True)
class _Frame:
    """The femur's axes; each (3,). Neck and shaft cross, as nearly as they do, at ``crossing``."""

    head: Tensor
    neck: Tensor
    shaft: Tensor
    crossing: Tensor
    across: Tensor

    @classmethod
    def of(cls, hip: Hip, points: Tensor) -> "_Frame":
        head, neck, shaft, through = (
            torch.tensor(vector, dtype=points.dtype, device=points.device)
            for vector in (hip.head_centre, hip.neck_axis, hip.shaft_axis, hip.shaft_point)
        )
        across = torch.linalg.cross(neck, shaft)
        across = across / across.norm().clamp(min=1e-6)
        # The point of the shaft's axis nearest to the neck's.
        plane = torch.linalg.cross(neck, across)
        crossing = through + ((head - through) @ plane) / (shaft @ plane) * shaft
        return cls(head, neck, shaft, crossing, across)


def _lag_screw(points: Tensor, frame: _Frame, implant: Implant) -> Tensor:
    tip = frame.head - 8.0 * frame.neck
    lateral = frame.head + ((frame.crossing - frame.head) @ frame.neck + 22.0) * frame.neck
    return _capsule(points, tip, lateral, implant.screw_radius_mm)


def _cannulated(points: Tensor, frame: _Frame, implant: Implant) -> Tensor:
    up = torch.linalg.cross(frame.across, frame.neck)
    length = (frame.crossing - frame.head) @ frame.neck + 20.0
    screws = []
    for off in (8.0 * up, -5.0 * up + 7.0 * frame.across, -5.0 * up - 7.0 * frame.across):
        tip = frame.head - 5.0 * frame.neck + off
        screws.append(_capsule(points, tip, tip + length * frame.neck, implant.screw_radius_mm))
    return torch.stack(screws).amin(0)


def _plate(points: Tensor, frame: _Frame, implant: Implant) -> Tensor:
    outwards = torch.linalg.cross(frame.shaft, frame.across)
    outwards = outwards * torch.sign(outwards @ frame.neck)
    top = frame.crossing + 20.0 * outwards
    length = (implant.screws + 1) * SCREW_PITCH_MM
    off = points - top
    along, beside = off @ frame.shaft, off @ frame.across
    depth = (off @ outwards).abs() - PLATE_THICKNESS_MM / 2
    box = torch.stack((depth, beside.abs() - 9.0, (along - length / 2).abs() - length / 2)).amax(0)
    metal = [box]
    for number in range(implant.screws):
        place = top + (number + 1) * SCREW_PITCH_MM * frame.shaft
        metal.append(_capsule(points, place, place - 38.0 * outwards, 2.3))
    return torch.stack(metal).amin(0)


def _prosthesis(points: Tensor, frame: _Frame, implant: Implant, bone_radius_mm: float) -> Tensor:
    total = implant.kind is ImplantKind.TOTAL_HIP_PROSTHESIS
    radius = implant.head_radius_mm if total else bone_radius_mm
    from_head = (points - frame.head).square().sum(-1).sqrt()
    stem_from = frame.crossing - 10.0 * frame.shaft
    stem = _capsule(points, stem_from, stem_from + implant.stem_mm * frame.shaft, implant.stem_radius_mm)
    neck = _capsule(points, frame.head, frame.crossing, 6.5)
    metal = [from_head - radius, neck, stem]
    if total:
        shell = torch.maximum(
            from_head - implant.cup_radius_mm, implant.cup_radius_mm - CUP_WALL_MM - from_head
        )
        # The socket opens towards the neck.
        metal.append(torch.maximum(shell, (points - frame.head) @ frame.neck))
    return torch.stack(metal).amin(0)


def _capsule(points: Tensor, start: Tensor, end: Tensor, radius_mm: float) -> Tensor:
    along = end - start
    share = (((points - start) @ along) / (along @ along)).clamp(0, 1)
    return (points - start - share[..., None] * along).square().sum(-1).sqrt() - radius_mm
