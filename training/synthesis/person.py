"""A person's anatomy as distance fields: what synthetic CT is made from."""

from dataclasses import dataclass
from enum import IntEnum

from torch import Tensor

from inference.result import Side

SPACING_MM = 2.0
REACH_MM = 60.0
DEEPEST_MM = 100.0
"""Distances are cut off there; the body's depth matters further in than others."""

Point = tuple[float, float, float]
"""Head, back, left: index times spacing, mm."""


class Organ(IntEnum):
    """Values of a map of organs; 0 is none."""

    BLADDER = 1
    BOWEL = 2
    PROSTATE_OR_UTERUS = 3
    ARTERY = 4
    VEIN = 5


@dataclass(frozen=True)
class Hip:
    """Where a femur is and how it lies.

    Attributes:
        head_centre: of the sphere that fits the femoral head.
        neck_axis: unit vector from the head's centre along the neck to the trochanters.
        shaft_axis: unit vector, down the shaft.
        shaft_point: a point on the shaft's axis.
    """

    head_centre: Point
    head_radius_mm: float
    neck_axis: Point
    shaft_axis: Point
    shaft_point: Point


@dataclass(frozen=True)
class Person:
    """Signed distances in mm, negative inside, on one isotropic grid; axes foot-head, front-back, right-left.

    All distances are float32 and cut off at ``REACH_MM``.

    Attributes:
        femur_mm: each femur.
        pelvis_mm: both hip bones.
        axial_mm: spine, sacrum and coccyx; patella, tibia and fibula.
        muscle_mm: inside a muscle to its own boundary, even towards the next; outside to the nearest.
        muscle_id: number of the nearest muscle, everywhere, uint8.
        body_mm: the skin's surface; cut off at -``DEEPEST_MM``.
        fascia_mm: the deep fascia: muscles, bones, what lies between them, and the cavity.
        cavity_mm: abdomen, pelvis and perineum, where no tissue of the protocol is labelled, and genitals.
        organs: alternative contents of the cavity, with pelvic and femoral vessels; uint8, ``Organ``.
        trusted: slices in which muscles, bones and body are complete.
    """

    name: str
    spacing_mm: float
    femur_mm: dict[Side, Tensor]
    pelvis_mm: Tensor
    axial_mm: Tensor
    muscle_mm: Tensor
    muscle_id: Tensor
    muscle_names: dict[int, str]
    body_mm: Tensor
    fascia_mm: Tensor
    cavity_mm: Tensor
    organs: tuple[Tensor, ...]
    trusted: slice
    landmarks: dict[Side, Hip]
