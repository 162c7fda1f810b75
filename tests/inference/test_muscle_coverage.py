"""What a series shows of muscles and bones, and what it cuts."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.muscle_coverage import Coverage, End, find_coverage
from inference.muscle_voxels import count_voxels
from inference.muscles import ThighStructure as Thigh
from inference.result import Severity, Side
from tests.inference.thigh_phantom import SEGMENTS

SHAPE = (60, 100, 160)
GRACILIS_LEFT = 2 * Thigh.GRACILIS - 1


def coverage(
    labels: NDArray[np.uint8],
    hu: NDArray[np.int16] | None = None,
    spacing_mm: tuple[float, ...] = (2.0, 2.0, 2.0),
) -> Coverage:
    slices, rows, columns = spacing_mm
    if hu is None:
        hu = np.full(labels.shape, -990, np.int16)
        hu[:, 3:-3, 3:-3] = 40
    voxels = count_voxels(hu, labels, None).voxels
    return find_coverage(hu, labels, voxels, SEGMENTS, (slices, rows, columns))


def muscle(box: tuple[slice, ...]) -> NDArray[np.uint8]:
    labels = np.zeros(SHAPE, np.uint8)
    labels[box] = GRACILIS_LEFT
    return labels


def test_a_muscle_inside_is_whole_and_has_a_length() -> None:
    found = coverage(muscle(np.s_[10:50, 40:50, 40:50]))
    assert not found.cut
    assert found.covered_mm == {GRACILIS_LEFT: 80.0}
    assert [flag.code for flag in found.flags] == ["coverage"]


@pytest.mark.parametrize(
    ("first", "last", "slice_mm", "ends"),
    [
        (0, 40, 2.0, (End.FOOT,)),
        (20, 60, 2.0, (End.HEAD,)),
        (0, 60, 2.0, (End.HEAD, End.FOOT)),
        (1, 40, 5.0, (End.FOOT,)),
        (2, 40, 5.0, ()),
        (3, 40, 1.0, (End.FOOT,)),
        (4, 40, 1.0, ()),
    ],
)
def test_a_muscle_at_or_near_an_end_of_the_series_is_cut(
    first: int, last: int, slice_mm: float, ends: tuple[End, ...]
) -> None:
    found = coverage(muscle(np.s_[first:last, 40:50, 40:50]), spacing_mm=(slice_mm, 2.0, 2.0))
    assert found.cut.get(GRACILIS_LEFT, ()) == ends
    assert found.covered_mm[GRACILIS_LEFT] == pytest.approx((last - first) * slice_mm)


def test_a_stray_voxel_at_an_end_cuts_nothing() -> None:
    labels = muscle(np.s_[10:50, 40:50, 40:50])
    labels[0, 45, 45] = GRACILIS_LEFT
    found = coverage(labels)
    assert not found.cut
    assert found.covered_mm[GRACILIS_LEFT] == 80.0


def body_in_a_circle(field_mm: float, air_hu: int = -990, padding_hu: int = -1024) -> NDArray[np.int16]:
    """A body wider than the reconstruction circle, in padding; with skin and air where it is narrower."""
    rows, columns = np.indices(SHAPE[1:]) * 2.0
    away_mm = np.hypot(rows - 100, columns - 160)
    plane = np.where(np.abs(rows - 100) < 60, 40, air_hu)
    plane[np.abs(np.abs(rows - 100) - 60) < 3] = -500
    plane[away_mm > field_mm] = padding_hu
    return np.broadcast_to(plane, SHAPE).astype(np.int16)


@pytest.mark.parametrize(
    ("field_mm", "air_hu", "padding_hu"),
    [
        (90, -990, -1024),
        (90, -1000, -1024),
        (90, -1000, -2000),
        (90, -1024, -3024),
        (100, -1000, -1000),
        (100, -1024, -1024),
    ],
)
def test_a_muscle_at_the_reconstruction_circle_is_cut(field_mm: int, air_hu: int, padding_hu: int) -> None:
    hu = body_in_a_circle(field_mm, air_hu, padding_hu)
    edge = (160 - field_mm) // 2
    assert coverage(muscle(np.s_[20:40, 45:55, edge : edge + 10]), hu).cut == {GRACILIS_LEFT: (End.EDGE,)}
    assert not coverage(muscle(np.s_[20:40, 45:55, edge + 5 : edge + 15]), hu).cut


def test_a_muscle_at_the_edge_of_the_matrix_is_cut() -> None:
    hu = np.full(SHAPE, 40, np.int16)
    assert coverage(muscle(np.s_[20:40, 45:55, 150:]), hu).cut == {GRACILIS_LEFT: (End.EDGE,)}


def test_a_muscle_below_the_skin_is_not_cut_by_air() -> None:
    hu = body_in_a_circle(90)
    assert not coverage(muscle(np.s_[20:40, 22:30, 75:85]), hu).cut


@pytest.mark.parametrize("noise_hu", [0, 15])
@pytest.mark.parametrize("air_hu", [-1024, -1000])
def test_a_thin_patient_well_inside_the_field_is_cut_by_nothing(air_hu: int, noise_hu: int) -> None:
    """Skin and fat of 3 mm around muscle, and air as even as padding or not."""
    rows, columns = np.indices((128, 128)) - 63.5
    body, flesh = (np.hypot(rows / (35 - thin), columns / (55 - thin)) < 1 for thin in (0, 1.5))
    hu = np.broadcast_to(np.where(flesh, 50, np.where(body, -100, air_hu)), (30, 128, 128))
    noise = noise_hu * np.random.default_rng(1).standard_normal(hu.shape)
    labels = np.zeros(hu.shape, np.uint8)
    labels[8:22, flesh] = GRACILIS_LEFT
    found = coverage(labels, (hu + noise).clip(-1024).astype(np.int16))
    assert not found.cut


def femora(first: int, last: int, *, condyles: bool) -> NDArray[np.uint8]:
    """Two of them, with hip bones above, at 5 mm and 2 mm."""
    labels = np.zeros((100, 100, 160), np.uint8)
    for side, column in ((1, 110), (0, 40)):
        number = 2 * Thigh.FEMUR - side
        labels[first:last, 44:56, column : column + 12] = number
        if condyles:
            labels[first : first + 7, 38:62, column - 8 : column + 20] = number
        labels[last - 4 : last + 12, 56:70, column : column + 12] = 2 * Thigh.HIP_BONE - side
    return labels


def test_landmarks_are_named_where_they_are_covered() -> None:
    found = coverage(femora(5, 80, condyles=True), spacing_mm=(5.0, 2.0, 2.0))
    assert found.hips == found.knees == set(Side)
    (flag,) = found.flags
    assert flag.severity is Severity.NOTE
    assert flag.text == (
        "The series covers 500 mm of the body, with both iliac crests, both hip joints, both knees."
    )


@pytest.mark.parametrize(("first", "condyles"), [(0, True), (5, False)])
def test_a_femur_cut_or_amputated_shows_no_knee(first: int, condyles: bool) -> None:
    found = coverage(femora(first, 80, condyles=condyles), spacing_mm=(5.0, 2.0, 2.0))
    assert found.hips == set(Side)
    assert not found.knees
    assert "not covered: both knees." in found.flags[0].text


def test_cut_muscles_are_named_and_bones_are_not() -> None:
    labels = femora(0, 80, condyles=True)
    labels[0:30, 5:15, 20:30] = 2 * Thigh.RECTUS_FEMORIS
    labels[0:30, 5:15, 130:140] = 2 * Thigh.RECTUS_FEMORIS - 1
    labels[0:30, 80:90, 130:140] = GRACILIS_LEFT
    _, flag = coverage(labels, spacing_mm=(5.0, 2.0, 2.0)).flags
    assert (flag.code, flag.severity) == ("cut_muscles", Severity.WARNING)
    assert "cuts 3 muscles" in flag.text
    assert flag.text.endswith("rectus femoris (left and right), gracilis (left).")
