"""The phantom's neck is narrowest ``WAIST_MM`` from the head's centre; that section is widest on its axis."""

from typing import Any

import pytest
import torch
from torch import Tensor

from inference.result import Side
from tests.training.analytic_person import HALF_DISTANCE_MM, SLOPE, WAIST_MM, phantom_person
from tests.training.synthesis.plain import draw_plain
from training.synthesis.neck import head_centre_mm, left_femur, thickest_neck_level_mm
from training.synthesis.patient import Patient
from training.synthesis.posture import HEAD, LEFT

WAIST_LEVEL_MM = -WAIST_MM * SLOPE / (1 + SLOPE**2) ** 0.5
WITHIN_MM = 1.5


def waist_mm(patient: Patient, side: Side) -> Tensor:
    """Where the person's narrowest place is in the patient, for one whose legs lie as the person's."""
    hip = phantom_person().landmarks[side]
    waist = torch.tensor(hip.head_centre) + WAIST_MM * torch.tensor(hip.neck_axis)
    found: Tensor = torch.linalg.solve(patient.pose.linear, waist - patient.pose.centre_mm)
    return found


def test_in_the_person_it_is_on_the_axis_at_the_narrowest_place() -> None:
    assert thickest_neck_level_mm(draw_plain()) == pytest.approx(WAIST_LEVEL_MM, abs=WITHIN_MM)


@pytest.mark.parametrize("size", [0.85, 1.15])
def test_it_grows_with_the_patient(size: float) -> None:
    patient = draw_plain(shape={"size": (size, size)})
    assert thickest_neck_level_mm(patient) == pytest.approx(size * WAIST_LEVEL_MM, abs=WITHIN_MM)


@pytest.mark.parametrize("degrees", [-6, 6])
@pytest.mark.parametrize("mirrored", [0, 1])
def test_it_tilts_with_the_patient(degrees: float, mirrored: int) -> None:
    patient = draw_plain(posture={"tilt_deg": (degrees, degrees)}, shape={"mirrored": mirrored})
    side = Side.RIGHT if mirrored else Side.LEFT
    expected = float(waist_mm(patient, side)[HEAD])
    assert abs(expected - WAIST_LEVEL_MM) > 5, "tilting moves it"
    assert thickest_neck_level_mm(patient) == pytest.approx(expected, abs=WITHIN_MM)


def test_it_is_the_persons_right_neck_in_a_mirrored_patient() -> None:
    patient = draw_plain(shape={"mirrored": 1})
    assert left_femur(patient) is Side.RIGHT
    assert left_femur(draw_plain()) is Side.LEFT
    assert thickest_neck_level_mm(patient) == pytest.approx(WAIST_LEVEL_MM, abs=WITHIN_MM)


def test_external_rotation_leaves_its_height() -> None:
    """The legs turn about an axis along the body."""
    patient = draw_plain(posture={"external_rotation_deg": (25, 25)})
    assert thickest_neck_level_mm(patient) == pytest.approx(WAIST_LEVEL_MM, abs=WITHIN_MM)


def test_abduction_raises_it() -> None:
    patient = draw_plain(posture={"abduction_deg": (10, 10)})
    sine, cosine = 0.174, 0.985
    outwards = WAIST_MM / (1 + SLOPE**2) ** 0.5
    expected = WAIST_LEVEL_MM * cosine + outwards * sine
    assert thickest_neck_level_mm(patient) == pytest.approx(expected, abs=WITHIN_MM)


@pytest.mark.parametrize("changes", [{}, {"shape": {"deformation_mm": (3, 3), "mirrored": 1}}])
def test_head_centres_are_found_in_the_patient(changes: dict[str, Any]) -> None:
    patient = draw_plain(**changes)
    for side in Side:
        centre = head_centre_mm(patient, side)
        assert abs(float(centre[LEFT])) == pytest.approx(HALF_DISTANCE_MM, abs=12 if changes else 0.1)
        expected = torch.tensor(phantom_person().landmarks[side].head_centre)
        torch.testing.assert_close(patient.pose.to_person(centre), expected, atol=0.1, rtol=0)
