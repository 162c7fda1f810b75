"""Movements are checked from the person to the patient: as a leg goes, not as points are looked up."""

from typing import Any

import pytest
import torch
from torch import Tensor

from inference.result import Side
from tests.training.analytic_person import HALF_DISTANCE_MM, HEAD_LEVEL_MM, phantom_person
from tests.training.synthesis.plain import draw_plain
from training.synthesis.posture import BACK, HEAD, LEFT, Pose

OUTWARDS = {Side.LEFT: 1.0, Side.RIGHT: -1.0}


def pose(seed: int = 1, **changes: dict[str, Any]) -> Pose:
    return draw_plain(seed, None, **changes).pose


def to_patient(pose: Pose, person_points: Tensor) -> Tensor:
    """Where points of the person have gone, found by trying."""
    linear = torch.linalg.inv(pose.linear)
    found: Tensor = (person_points - pose.centre_mm) @ linear.T
    for _ in range(100):
        found += (person_points - pose.to_person(found)) @ linear.T
    torch.testing.assert_close(pose.to_person(found), person_points, atol=0.05, rtol=0)
    return found


def shaft(side: Side, below_mm: float = 120.0) -> Tensor:
    """A point on the axis of the person's femoral shaft."""
    hip = phantom_person().landmarks[side]
    return torch.tensor((HEAD_LEVEL_MM - below_mm, *hip.shaft_point[1:]))


def femur_points(side: Side, highest_mm: float, count: int = 150) -> Tensor:
    person = phantom_person()
    inside = (person.femur_mm[side] < -2).nonzero() * person.spacing_mm
    inside = inside[inside[:, HEAD] < highest_mm]
    return inside[torch.randperm(len(inside), generator=torch.Generator().manual_seed(1))[:count]]


def test_a_plain_patient_is_the_person() -> None:
    points = torch.tensor([[0.0, 0.0, 0.0], [30.0, -20.0, 90.0]])
    torch.testing.assert_close(pose().to_person(points), points + pose().centre_mm)
    assert pose().scale == pytest.approx(1)
    heads = [torch.tensor(hip.head_centre) for hip in phantom_person().landmarks.values()]
    torch.testing.assert_close(pose().centre_mm, (heads[0] + heads[1]) / 2)


def test_size_makes_the_patient_larger() -> None:
    large = pose(shape={"size": (1.1, 1.1)})
    assert large.scale == pytest.approx(1 / 1.1)
    heads = to_patient(large, torch.tensor([hip.head_centre for hip in phantom_person().landmarks.values()]))
    assert float((heads[0] - heads[1]).norm()) == pytest.approx(1.1 * 2 * HALF_DISTANCE_MM, abs=0.1)


def test_stretch_is_along_the_body_and_depth_against_width() -> None:
    corner = pose().centre_mm + torch.tensor([100.0, 100.0, 100.0])
    stretched = to_patient(pose(shape={"stretch_along_body": (1.05, 1.05)}), corner)
    torch.testing.assert_close(stretched, torch.tensor([105.0, 100.0, 100.0]))
    deep = to_patient(pose(shape={"depth_to_width": (1.21, 1.21)}), corner)
    torch.testing.assert_close(deep, torch.tensor([100.0, 110.0, 100 / 1.1]))


def test_a_mirrored_patient_has_swapped_sides() -> None:
    mirrored = pose(shape={"mirrored": 1})
    left = to_patient(mirrored, shaft(Side.LEFT))
    right = to_patient(mirrored, shaft(Side.RIGHT))
    assert left[LEFT] < -HALF_DISTANCE_MM < HALF_DISTANCE_MM < right[LEFT]
    torch.testing.assert_close(left[:LEFT], to_patient(pose(), shaft(Side.LEFT))[:LEFT])


def test_tilt_turns_and_keeps_distances() -> None:
    tilted = pose(posture={"tilt_deg": (6, 6)})
    torch.testing.assert_close(tilted.linear @ tilted.linear.T, torch.eye(3), atol=1e-5, rtol=0)
    assert float(torch.linalg.det(tilted.linear)) == pytest.approx(1)
    assert not tilted.linear.isclose(torch.eye(3), atol=0.05).all()


@pytest.mark.parametrize("mirrored", [0, 1])
@pytest.mark.parametrize("side", Side)
def test_external_rotation_turns_the_front_of_the_foot_outwards(side: Side, mirrored: int) -> None:
    turned = pose(posture={"external_rotation_deg": (20, 20)}, shape={"mirrored": mirrored})
    axis = shaft(side)
    front = axis - 10 * torch.nn.functional.one_hot(torch.tensor(BACK), 3)
    towards = to_patient(turned, front) - to_patient(turned, axis)
    outwards = -OUTWARDS[side] if mirrored else OUTWARDS[side]
    sine, cosine = 0.342, 0.940
    torch.testing.assert_close(
        towards, torch.tensor([0, -10 * cosine, outwards * 10 * sine]), atol=0.1, rtol=0
    )


@pytest.mark.parametrize("side", Side)
def test_flexion_brings_the_leg_forwards(side: Side) -> None:
    before, after = shaft(side), to_patient(pose(posture={"flexion_deg": (15, 15)}), shaft(side))
    gone = after - (before - pose().centre_mm)
    assert float(gone[BACK]) == pytest.approx(-120 * 0.259, abs=0.5)
    assert float(gone[HEAD]) == pytest.approx(120 * (1 - 0.966), abs=0.5)
    assert float(gone[LEFT]) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("side", Side)
def test_abduction_brings_the_leg_outwards(side: Side) -> None:
    before, after = shaft(side), to_patient(pose(posture={"abduction_deg": (12, 12)}), shaft(side))
    gone = after - (before - pose().centre_mm)
    # The shaft lies beside the joint: it moves a little to the middle again as it rises.
    beside = float((before - pose().centre_mm)[LEFT].abs()) - HALF_DISTANCE_MM
    assert OUTWARDS[side] * float(gone[LEFT]) == pytest.approx(120 * 0.208 - beside * (1 - 0.978), abs=0.5)
    assert float(gone[BACK]) == pytest.approx(0, abs=0.5)


MOVED = {"external_rotation_deg": (30, 30), "flexion_deg": (15, 15), "abduction_deg": (12, 12)}


def test_the_hip_bones_do_not_move_with_the_legs() -> None:
    person = phantom_person()
    bone = (person.pelvis_mm < 0).nonzero() * person.spacing_mm
    moved = pose(posture=MOVED)
    torch.testing.assert_close(moved.to_person(bone - moved.centre_mm), bone, atol=1e-3, rtol=0)


@pytest.mark.parametrize("side", Side)
def test_the_femur_moves_as_a_whole(side: Side) -> None:
    bone = femur_points(side, HEAD_LEVEL_MM)
    moved = to_patient(pose(posture=MOVED), bone)
    torch.testing.assert_close(torch.cdist(moved, moved), torch.cdist(bone, bone), atol=1.0, rtol=0)
    assert (moved + pose().centre_mm - bone).norm(dim=1).max() > 30


@pytest.mark.parametrize("side", Side)
def test_the_head_stays_in_its_socket(side: Side) -> None:
    centre = torch.tensor(phantom_person().landmarks[side].head_centre)
    moved = pose(posture=MOVED)
    torch.testing.assert_close(to_patient(moved, centre) + moved.centre_mm, centre, atol=0.1, rtol=0)


def test_legs_lie_differently() -> None:
    drawn = pose(posture={"external_rotation_deg": (-20, 30)})
    left, right = (drawn.legs[side].rotation for side in (Side.LEFT, Side.RIGHT))
    assert not left.isclose(right.T, atol=0.05).all()


def test_deformation_is_as_strong_as_drawn_and_smooth() -> None:
    bent = pose(shape={"deformation_mm": (3, 3)})
    random = torch.Generator().manual_seed(1)
    points = 1500 * torch.rand((4000, 3), generator=random)
    off = bent.to_person(points) - points - bent.centre_mm
    assert float(off.std()) == pytest.approx(3, abs=0.3)
    near = bent.to_person(points + torch.tensor([1.0, 0.0, 0.0])) - bent.to_person(points)
    assert (near - torch.tensor([1.0, 0.0, 0.0])).norm(dim=1).max() < 0.6
