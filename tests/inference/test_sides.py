"""Left is left and right is right, however the patient lies and whatever is missing."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.muscles import ThighStructure as Thigh
from inference.result import Severity, Side
from inference.sides import split_sides
from tests.inference.thigh_phantom import Pose, mirrored, phantom, with_only

SPACING_MM = (6.0, 4.0, 4.0)
TURNS = (-40, -20, 0, 20, 40)


def assert_told(
    structures: NDArray[np.uint8],
    numbers: NDArray[np.uint8],
    spacing_mm: tuple[float, float, float] = SPACING_MM,
) -> None:
    found = split_sides(structures, spacing_mm)
    assert not found.flags
    np.testing.assert_array_equal(found.labels, numbers)


@pytest.mark.parametrize("degrees", TURNS)
def test_a_turned_patient(degrees: float) -> None:
    assert_told(*phantom(Pose(turned_degrees=degrees)))


@pytest.mark.parametrize("leaning", [-0.3, 0.3])
def test_a_patient_who_lies_askew(leaning: float) -> None:
    assert_told(*phantom(Pose(leaning=leaning)))


def test_a_mirrored_patient_has_the_other_sides() -> None:
    structures, numbers = phantom(Pose(turned_degrees=10))
    assert_told(structures[:, :, ::-1], mirrored(numbers))


@pytest.mark.parametrize(("degrees", "side"), list(product(TURNS, Side)))
def test_a_leg_alone_tells_its_side(degrees: float, side: Side) -> None:
    assert_told(*phantom(with_only(Pose(turned_degrees=degrees), side)))


@pytest.mark.parametrize("side", list(Side))
def test_a_mirrored_leg_alone_is_the_other_one(side: Side) -> None:
    structures, numbers = phantom(with_only(Pose(), side))
    assert_told(structures[:, :, ::-1], mirrored(numbers))


@pytest.mark.parametrize(
    ("heights_mm", "side"), list(product([(0, 160), (150, 250), (90, 130), (336, 450)], (*Side, None)))
)
def test_a_part_of_the_body(heights_mm: tuple[float, float], side: Side | None) -> None:
    pose = with_only(Pose(), side) if side else Pose()
    assert_told(*phantom(pose, heights_mm=heights_mm))


@pytest.mark.parametrize("stump_mm", [120, 200, 290, 345])
@pytest.mark.parametrize("side", list(Side))
def test_an_amputated_leg(stump_mm: float, side: Side) -> None:
    pose = Pose(left_from_mm=stump_mm) if side is Side.LEFT else Pose(right_from_mm=stump_mm)
    assert_told(*phantom(pose))


def test_a_stump_far_above_a_single_leg_is_on_its_own_side() -> None:
    assert_told(*phantom(Pose(left_from_mm=290), heights_mm=(0, 280)))


@pytest.mark.parametrize("heights_mm", [(0, 450), (0, 300)])
@pytest.mark.parametrize("side", list(Side))
def test_a_femur_that_was_not_found(side: Side, heights_mm: tuple[float, float]) -> None:
    assert_told(*phantom(Pose(without=[(Thigh.FEMUR, side)]), heights_mm=heights_mm))


@pytest.mark.parametrize("heights_mm", [(0, 450), (60, 330)])
def test_crossed_legs(heights_mm: tuple[float, float]) -> None:
    structures, numbers = phantom(Pose(crossing_mm=260), heights_mm=heights_mm)
    low = numbers[len(numbers) // 8]
    places = [np.nonzero(low == 2 * Thigh.FEMUR - left)[1].mean() for left in (1, 0)]
    assert places[0] < places[1], "the left knee lies to the right of the right one"
    assert_told(structures, numbers)


def test_legs_that_touch_are_parted_where_they_touch() -> None:
    structures, numbers = phantom(Pose(half_mm=74))
    found = split_sides(structures, SPACING_MM).labels
    wrong = found != numbers
    assert wrong.mean(where=numbers > 0) < 0.005
    assert set(np.unique(structures[wrong])) <= {Thigh.GRACILIS, Thigh.SARTORIUS}


@pytest.mark.parametrize("columns", [(0, 62), (20, 130), (40, 130), (0, 85), (68, 130)])
def test_a_truncated_or_off_centre_field_of_view(columns: tuple[int, int]) -> None:
    structures, numbers = phantom(Pose(turned_degrees=15))
    wanted = slice(*columns)
    assert_told(structures[:, :, wanted], numbers[:, :, wanted])


def test_islands_of_wrong_muscles_change_no_side() -> None:
    structures, numbers = phantom(Pose())
    random = np.random.default_rng(3)
    places = np.argwhere(numbers > 0)
    for k, i, j in random.permutation(places)[:150]:
        island = np.s_[k : k + 2, i : i + 2, j : j + 2]
        wrong = random.integers(Thigh.SARTORIUS, Thigh.OBTURATOR_EXTERNUS + 1)
        structures[island] = np.where(numbers[island] > 0, wrong, structures[island])
    sided = np.where(numbers > 0, 2 * structures.astype(int) - numbers % 2, 0)
    assert_told(structures, sided.astype(np.uint8))


def test_sides_are_told_on_the_grid_of_the_images() -> None:
    spacing_mm = (2.5, 1.0, 1.3)
    assert_told(*phantom(Pose(turned_degrees=25), spacing_mm, (150, 165)), spacing_mm)


def test_a_patient_whose_header_calls_prone_supine_gets_no_sides() -> None:
    structures, _ = phantom(Pose())
    found = split_sides(structures[:, ::-1, ::-1], SPACING_MM)
    assert not found.labels.any()
    (flag,) = found.flags
    assert (flag.code, flag.severity) == ("sides_unknown", Severity.WARNING)
    assert "contradict" in flag.text


def test_one_leg_behind_the_other_is_no_order() -> None:
    found = split_sides(phantom(Pose(turned_degrees=80))[0], SPACING_MM)
    assert not found.labels.any()
    assert found.flags


@pytest.mark.parametrize("kept", [(Thigh.FEMUR,), (Thigh.GRACILIS, Thigh.SARTORIUS)])
def test_too_little_to_tell_is_not_guessed(kept: tuple[Thigh, ...]) -> None:
    structures, _ = phantom(with_only(Pose(), Side.LEFT))
    found = split_sides(np.where(np.isin(structures, kept), structures, 0).astype(np.uint8), SPACING_MM)
    assert not found.labels.any()
    assert [flag.code for flag in found.flags] == ["sides_unknown"]


def test_nothing_has_no_side() -> None:
    found = split_sides(np.zeros((10, 20, 20), np.uint8), SPACING_MM)
    assert not found.labels.any()
    assert not found.flags
