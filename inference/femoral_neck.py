"""The reference slice of Imani 2025, section 2.3: the axial slice with the thickest left femoral neck.

The neck's narrowest cross-section lies across an axis that runs downwards and outwards. Each axial slice cuts
that section once; how wide the bone is there, across the neck's axis in the plane of the slice, is the neck's
thickness in this slice. It grows and shrinks again from the neck's upper to its lower border; the slice where
it is greatest shows the neck in full. Bone is the outer surface of the cortex with all that it encloses.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import highdicom as hd
import numpy as np

from inference.anatomy import Anatomy, ProximalFemur
from inference.errors import Refused
from inference.femoral_head import FemoralHead, judge
from inference.neck_surface import NeckSection, trace_neck
from inference.result import Side
from inference.sampling import Scan, ramp
from inference.spheres import fit_sphere

SLICES_BESIDE = 2
"""Imani 2025, section 2.3: two slices above and two below the reference slice are measured with it."""

LEAST_CONFIDENCE = 0.6
FINE_MM = 2.0
REACH_MM = 80.0

METAL_HU = 2500
"""Cortex does not reach it, not even with a sharp kernel at a low tube voltage; steel and titanium do."""
MOST_METAL_MM3 = 30.0
METAL_WITHIN_MM = 22.0
"""Of the axis of head and neck: their bone, not the pelvis's."""
METAL_TO_RADII = 2.2

THICKNESS_MM = (18.0, 48.0)
"""Of adult necks: 23.9 +- 1.4 mm in 125 dry femora (doi 10.5281/zenodo.17642179), more in large men
and, by the blur of thin cortex, about 2 mm more in CT."""
QUALITY = (0.7, 0.93)
"""Of the section's outline: useless and faultless."""
LEAST_COVERED = 0.9
UNEQUAL = (0.3, 0.15)
"""Difference of both necks' thickness, relative to their mean: refused and normal."""
LOPSIDED_MM = (30.0, 15.0)
"""Difference of both necks' heights below their heads, as when only one leg is flexed: refused and normal."""
ONE_SIDED = 0.9
"""Confidence where the right side cannot be compared."""


@dataclass(frozen=True)
class ReferenceSlice:
    """Where the left femoral neck is thickest.

    Attributes:
        index: of the slice in the given volume.
        thickness_mm: of the neck in that slice.
        confidence: 0 to 1.
        profile: thickness in mm of each slice that cuts the neck's narrowest section, by index.
    """

    index: int
    side: Side
    thickness_mm: float
    confidence: float
    profile: Mapping[int, float]


@dataclass(frozen=True)
class _Neck:
    """A neck that was measured; height of its thickest slice below the head's centre."""

    section: NeckSection
    profile: Mapping[int, float]
    below_head_mm: float

    @property
    def index(self) -> int:
        return max(self.profile, key=lambda index: self.profile[index])

    @property
    def thickness_mm(self) -> float:
        return self.profile[self.index]


def find_reference_slice(volume: hd.Volume, anatomy: Anatomy) -> ReferenceSlice:
    """Find the slice with the thickest left femoral neck, left in the patient.

    The right side is measured too, where it can be, and must agree.

    Args:
        volume: HU, first axis across axial slices, in whatever order.
        anatomy: of this volume, or of a coarser one of the same patient position.

    Raises:
        Refused: ``not_axial``; ``femoral_neck_not_found``; ``metal_in_femoral_neck``;
            ``femoral_neck_not_covered`` (also where fewer than two slices lie above or below);
            ``implausible_femoral_neck``; ``sides_disagree``; ``low_confidence``.
    """
    femora = {femur.side: femur for femur in anatomy.femora}
    if Side.LEFT not in femora:
        raise Refused("femoral_neck_not_found", f"The left femoral neck was not found. {anatomy.reason}")
    left = _measured(volume, femora[Side.LEFT])
    if not SLICES_BESIDE <= left.index < volume.shape[0] - SLICES_BESIDE:
        raise Refused(
            "femoral_neck_not_covered",
            f"Fewer than {SLICES_BESIDE} slices lie above or below the thickest left femoral neck.",
        )
    confidence = femora[Side.LEFT].confidence * float(ramp(left.section.quality, *QUALITY))
    confidence *= _agreement(left, _right(volume, femora))
    if confidence < LEAST_CONFIDENCE:
        raise Refused(
            "low_confidence",
            f"The left femoral neck was found with a confidence of {confidence:.2f}; at least "
            f"{LEAST_CONFIDENCE} is needed.",
        )
    return ReferenceSlice(left.index, Side.LEFT, left.thickness_mm, confidence, left.profile)


def _measured(volume: hd.Volume, femur: ProximalFemur) -> _Neck:
    """Thickness of one neck in every slice."""
    axis = volume.get_closest_patient_orientation()[0]
    if axis.value not in "HF":
        raise Refused("not_axial", "The slices are not axial; the femoral neck is measured in axial slices.")
    scan = Scan.of(volume)
    centre = scan.point(femur.head_centre_mm)
    hip = scan.between(centre - REACH_MM, centre + REACH_MM)
    fine = hip.reduced(FINE_MM)
    head = max(
        (judge(fine, ball, femur.side) for ball in fit_sphere(fine, centre)), key=lambda head: head.likelihood
    )
    _refuse_metal(hip, head)
    section = trace_neck(hip, head)
    if section.covered < LEAST_COVERED:
        raise Refused("femoral_neck_not_covered", f"The volume cuts off the {femur.side} femoral neck.")

    heights = scan.first_mm[0] + scan.voxel_mm[0] * np.arange(scan.hu.shape[0])
    widths = section.widths_mm(heights)
    indices = range(len(heights)) if axis.value == "H" else reversed(range(len(heights)))
    profile = {index: float(width) for index, width in zip(indices, widths, strict=True) if width > 0}
    if not profile or not THICKNESS_MM[0] <= max(profile.values()) <= THICKNESS_MM[1]:
        raise Refused(
            "implausible_femoral_neck",
            f"What was taken for the {femur.side} femoral neck is {max(profile.values(), default=0):.0f} mm "
            f"thick; adults' are {THICKNESS_MM[0]:.0f} to {THICKNESS_MM[1]:.0f} mm.",
        )
    return _Neck(section, profile, float(head.sphere.centre_mm[0] - heights[widths.argmax()]))


def _refuse_metal(hip: Scan, head: FemoralHead) -> None:
    """Raises where there is metal in head or neck: a prosthesis, a nail, screws."""
    metal = hip.first_mm + np.argwhere(hip.hu > METAL_HU) * hip.voxel_mm
    from_centre = metal - head.sphere.centre_mm
    along = (from_centre @ head.neck_direction).clip(0, METAL_TO_RADII * head.sphere.radius_mm)
    from_axis = np.linalg.norm(from_centre - along[:, None] * head.neck_direction, axis=1)
    volume_mm3 = float((from_axis < METAL_WITHIN_MM).sum() * hip.voxel_mm.prod())
    if volume_mm3 > MOST_METAL_MM3:
        raise Refused(
            "metal_in_femoral_neck",
            f"There is metal in the {head.side} femoral head or neck ({volume_mm3 / 1000:.2f} cm3).",
        )


def _right(volume: hd.Volume, femora: Mapping[Side, ProximalFemur]) -> _Neck | None:
    """The right neck, or None where it cannot be measured."""
    try:
        neck = _measured(volume, femora[Side.RIGHT])
    except (KeyError, Refused):
        return None
    return neck if neck.section.quality > QUALITY[0] else None


def _agreement(left: _Neck, right: _Neck | None) -> float:
    """Factor for the confidence; raises where the sides contradict each other."""
    if right is None:
        return ONE_SIDED
    mean_mm = (left.thickness_mm + right.thickness_mm) / 2
    unequal = abs(left.thickness_mm - right.thickness_mm) / mean_mm
    lopsided_mm = abs(left.below_head_mm - right.below_head_mm)
    if unequal > UNEQUAL[0] or lopsided_mm > LOPSIDED_MM[0]:
        raise Refused(
            "sides_disagree",
            f"The femoral necks differ too much: {left.thickness_mm:.0f} mm thick on the left, "
            f"{right.thickness_mm:.0f} mm on the right, {lopsided_mm:.0f} mm apart in height.",
        )
    return float(ramp(unequal, *UNEQUAL) * ramp(lopsided_mm, *LOPSIDED_MM))
