"""Muscles of known volume, attenuation and fat are measured as what they are."""

from collections.abc import Sequence
from functools import cache

import highdicom as hd
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.femur_length import femur_length
from inference.muscle_measure import MuscleMeasurements, measure_muscles
from inference.muscles import GROUPS, MUSCLES, ThighStructure
from inference.result import Measurement, Side
from tests.inference.thigh_phantom import SEGMENTS
from tests.series import rotation_about

Thigh = ThighStructure
SPACING_MM = (5.0, 2.0, 1.5)
SHAPE = (40, 60, 110)
GRACILIS = {Side.LEFT: 2 * Thigh.GRACILIS - 1, Side.RIGHT: 2 * Thigh.GRACILIS}
HEADS = dict.fromkeys(Side, (112.0, 50.0, 60.0))
Key = tuple[str, int | str | None, Side | None]


@cache
def _blocks() -> NDArray[np.uint8]:
    """All 42 muscles as blocks of 5 x 6 pixels, the n-th n + 3 slices long, the left ones twice as wide."""
    labels = np.zeros(SHAPE, np.uint8)
    for n, muscle in enumerate(MUSCLES):
        row, column = 4 + 7 * (n % 7), 4 + 34 * (n // 7)
        labels[3 : n + 6, row : row + 5, column : column + 6] = 2 * muscle
        labels[3 : n + 6, row : row + 5, column + 10 : column + 22] = 2 * muscle - 1
    return labels


def blocks() -> NDArray[np.uint8]:
    return _blocks().copy()


def soft(labels: NDArray[np.uint8], hu: int = 50) -> NDArray[np.int16]:
    return np.where(labels > 0, hu, -100).astype(np.int16)


def measured(
    labels: NDArray[np.uint8],
    hu: NDArray[np.int16] | None = None,
    *,
    affine: NDArray[np.float64] | None = None,
    orientation: str | None = None,
    unreliable: NDArray[np.bool_] | None = None,
    height_m: float | None = 1.7,
) -> MuscleMeasurements:
    if affine is None:
        affine = upright_affine(SPACING_MM)
    volume = hd.Volume(labels, affine, "PATIENT")
    image = volume.with_array(soft(labels) if hu is None else hu)
    if orientation:
        volume, image = (one.to_patient_orientation(orientation) for one in (volume, image))
    return measure_muscles(image, volume, SEGMENTS, HEADS, unreliable, height_m)


def upright_affine(spacing_mm: Sequence[float]) -> NDArray[np.float64]:
    """Axes foot to head, front to back, right to left."""
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = spacing_mm
    affine[3, 3] = 1
    return affine


def by_key(found: MuscleMeasurements) -> dict[Key, Measurement]:
    keyed = {(m.quantity, m.segment_number or m.structure, m.side): m for m in found.measurements}
    assert len(keyed) == len(found.measurements)
    return keyed


def value(found: dict[Key, Measurement], quantity: str, what: int | str, side: Side | None = None) -> float:
    number = found[quantity, what, side].value
    assert number is not None, found[quantity, what, side].absent_reason
    return number


def test_volumes_are_voxels_times_their_volume_and_parts_add_up() -> None:
    found = by_key(measured(blocks()))
    voxel_cm3 = np.prod(SPACING_MM) / 1000
    for side, width in ((Side.LEFT, 12), (Side.RIGHT, 6)):
        parts = {}
        for n, muscle in enumerate(MUSCLES):
            parts[muscle] = value(found, "volume", 2 * muscle - (side is Side.LEFT))
            assert parts[muscle] == pytest.approx((n + 3) * 5 * width * voxel_cm3, rel=1e-12)
        for group, members in GROUPS.items():
            whole = value(found, "volume", group, side)
            assert whole == pytest.approx(sum(parts[muscle] for muscle in members), rel=1e-12)
        total = value(found, "volume", "thigh_muscles", side)
        assert total == pytest.approx(sum(parts.values()), rel=1e-12)
        shares = [value(found, "share_of_total", 2 * m - (side is Side.LEFT)) for m in MUSCLES]
        assert sum(shares) == pytest.approx(100)
        assert shares[0] == pytest.approx(100 * parts[MUSCLES[0]] / total)


@pytest.mark.parametrize("spacing_mm", [(5.0, 0.98, 0.98), (1.25, 0.8, 0.8), (3.0, 2.0, 1.5)])
@pytest.mark.parametrize("orientation", [None, "FPR", "HAR", "PLF"])
def test_a_known_volume_is_measured_within_a_percent(
    spacing_mm: tuple[float, float, float], orientation: str | None
) -> None:
    """A cylinder of 60 mm diameter and 90 mm length in a volume that is oblique to the patient."""
    shape = [round(mm / step) for mm, step in zip((130, 90, 100), spacing_mm, strict=True)]
    up, back, left = np.meshgrid(
        *(np.arange(size) * step for size, step in zip(shape, spacing_mm, strict=True)),
        indexing="ij",
        sparse=True,
    )
    inside = (np.hypot(back - 45, left - 50) < 30) & (abs(up - 67.4) < 45)
    labels = np.where(inside, GRACILIS[Side.RIGHT], 0).astype(np.uint8)
    turn = np.eye(4)
    turn[:3, :3] = rotation_about("x", 12) @ rotation_about("z", 9)
    affine = turn @ upright_affine(spacing_mm)
    found = by_key(measured(labels, affine=affine, orientation=orientation))
    volume_cm3 = np.pi * 30**2 * 90 / 1000
    assert value(found, "volume", GRACILIS[Side.RIGHT]) == pytest.approx(volume_cm3, rel=0.01)


def test_fat_and_hu_of_an_envelope() -> None:
    labels = blocks()
    hu = soft(labels, 60)
    places = np.argwhere(labels == GRACILIS[Side.LEFT])
    quarter = tuple(places[: len(places) // 4].T)
    hu[quarter] = -31
    hu[tuple(places[-1])] = -30
    found = by_key(measured(labels, hu))
    share = len(quarter[0]) / len(places)
    number = GRACILIS[Side.LEFT]
    assert value(found, "fat_fraction", number) == pytest.approx(100 * share)
    assert value(found, "mean_hu", number) == pytest.approx(hu[labels == number].mean())
    whole = value(found, "volume", number)
    assert value(found, "lean_volume", number) == pytest.approx(whole * (1 - share))
    medial = "medial_thigh_muscles"
    lean = [value(found, "lean_volume", 2 * muscle - 1) for muscle in GROUPS["medial_thigh_muscles"]]
    assert value(found, "lean_volume", medial, Side.LEFT) == pytest.approx(sum(lean))
    fat = value(found, "volume", medial, Side.LEFT) - sum(lean)
    assert value(found, "fat_fraction", medial, Side.LEFT) == pytest.approx(
        100 * fat / value(found, "volume", medial, Side.LEFT)
    )


@pytest.mark.parametrize("orientation", [None, "FPR"])
def test_hu_near_metal_are_left_out(orientation: str | None) -> None:
    labels = blocks()
    number = GRACILIS[Side.LEFT]
    places = np.argwhere(labels == number)
    hu, streaks = soft(labels, 60), np.zeros(labels.shape, bool)
    third = tuple(places[: len(places) // 3].T)
    hu[third], streaks[third] = -900, True
    if orientation:
        streaks = streaks[::-1, :, ::-1]
    found = by_key(measured(labels, hu, unreliable=streaks, orientation=orientation))
    assert value(found, "mean_hu", number) == 60
    assert value(found, "fat_fraction", number) == 0
    assert value(found, "lean_volume", number) == value(found, "volume", number)


def test_a_muscle_mostly_in_streaks_has_a_volume_only() -> None:
    labels = blocks()
    number = GRACILIS[Side.LEFT]
    found = by_key(measured(labels, unreliable=labels == number))
    assert value(found, "volume", number) > 0
    for quantity in ("mean_hu", "fat_fraction", "lean_volume"):
        assert "Metal" in (found[quantity, number, None].absent_reason or "")
    group = found["lean_volume", "medial_thigh_muscles", Side.LEFT]
    assert "gracilis" in (group.absent_reason or "")


def test_asymmetry_is_the_difference_by_the_mean() -> None:
    found = by_key(measured(blocks()))
    # Left blocks are twice the right ones: (2 - 1) / 1.5.
    for what in ("gracilis", "gluteal_muscles", "thigh_muscles"):
        assert value(found, "asymmetry_index", what) == pytest.approx(200 / 3)


def test_a_cut_muscle_has_a_length_and_no_volume_and_neither_has_its_group() -> None:
    labels = blocks()
    labels[labels == GRACILIS[Side.LEFT]] = 0
    labels[30:, 53:56, 90:100] = GRACILIS[Side.LEFT]
    result = measured(labels)
    found = by_key(result)
    number = GRACILIS[Side.LEFT]
    for quantity in ("volume", "volume_per_height2", "lean_volume", "share_of_total"):
        assert found[quantity, number, None].value is None
        assert "cut above: 50 mm" in (found[quantity, number, None].absent_reason or "")
    assert value(found, "covered_length", number) == 50
    assert value(found, "mean_hu", number) == 50
    for structure in ("medial_thigh_muscles", "thigh_muscles"):
        assert "gracilis" in (found["volume", structure, Side.LEFT].absent_reason or "")
        assert found["mean_hu", structure, Side.LEFT].value is None
        assert found["asymmetry_index", structure, None].value is None
    assert value(found, "volume", "anterior_thigh_muscles", Side.LEFT) > 0
    assert value(found, "volume", "thigh_muscles", Side.RIGHT) > 0
    assert found["share_of_total", 2 * Thigh.SARTORIUS - 1, None].value is None
    assert "cut_muscles" in [flag.code for flag in result.flags]


def test_a_muscle_without_a_voxel_was_not_found() -> None:
    labels = blocks()
    labels[labels == GRACILIS[Side.RIGHT]] = 0
    found = by_key(measured(labels))
    for quantity in ("volume", "mean_hu", "fat_fraction", "lean_volume"):
        assert found[quantity, GRACILIS[Side.RIGHT], None].absent_reason == "The muscle was not found."
    assert found["asymmetry_index", "gracilis", None].value is None


def test_a_height_that_is_not_known_is_not_guessed() -> None:
    number = GRACILIS[Side.LEFT]
    found = by_key(measured(blocks(), height_m=1.6))
    assert value(found, "volume_per_height2", number) == pytest.approx(
        value(found, "volume", number) / 1.6**2
    )
    for height_m, words in ((None, "absent"), (160.0, "not an adult's height")):
        index = by_key(measured(blocks(), height_m=height_m))["volume_per_height2", number, None]
        assert words in (index.absent_reason or "")


def test_profiles_are_in_slabs_from_the_head_and_add_up() -> None:
    result = measured(blocks())
    found = by_key(result)
    assert len(result.profiles) == 2 * len(MUSCLES)
    for profile in result.profiles:
        whole = value(found, "volume", profile.segment_number)
        assert sum(profile.volume_cm3) == pytest.approx(whole)
    profile = next(p for p in result.profiles if p.segment_number == 2 * MUSCLES[0])
    # The block fills slices 3, 4 and 5, from 12.5 to 27.5 mm; the head's centre lies at 112 mm.
    volume_cm3 = np.array(profile.volume_cm3)
    middles_mm = profile.first_mm + profile.step_mm * np.arange(len(volume_cm3))
    assert (middles_mm[volume_cm3 > 0] - 2.5).min() == -100
    assert (middles_mm[volume_cm3 > 0] + 2.5).max() == -80
    slab_cm3 = 5 * 6 * np.prod(SPACING_MM) / 1000
    assert volume_cm3[volume_cm3 > 0] == pytest.approx(slab_cm3 * np.array([0.9, 1, 1, 0.1]))


def legs(*, metal: bool = False, stump: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Femora of 350 mm, the left one from slice 10 to slice 79; a vastus as long as they are."""
    labels = np.zeros((100, 60, 110), np.uint8)
    for side, column in ((1, 65), (0, 15)):
        labels[10:80, 22:32, column : column + 14] = 2 * Thigh.FEMUR - side
        if not stump:
            labels[10:17, 18:46, column : column + 28] = 2 * Thigh.FEMUR - side
        labels[12:80, 8:18, column : column + 10] = 2 * Thigh.VASTUS_LATERALIS - side
        labels[74:92, 33:46, column : column + 14] = 2 * Thigh.HIP_BONE - side
    hu = soft(labels)
    if metal:
        hu[30:60, 26:30, 70:74] = 3000
    return labels, hu


@pytest.mark.parametrize(("orientation", "frame"), [(None, 44), ("FPL", 55)])
def test_areas_are_of_the_slice_at_half_of_the_femur(orientation: str | None, frame: int) -> None:
    labels, hu = legs()
    found = by_key(measured(labels, hu, orientation=orientation))
    for number in (2 * Thigh.VASTUS_LATERALIS - 1, 2 * Thigh.VASTUS_LATERALIS):
        assert value(found, "cross_sectional_area", number) == pytest.approx(100 * 2.0 * 1.5 / 100)
        place = found["cross_sectional_area", number, None].source_frame
        assert place is not None
        assert abs(place - frame) <= 1
    for side in Side:
        assert value(found, "cross_sectional_area", "thigh_muscles", side) == pytest.approx(3.0)
    assert ("cross_sectional_area", GRACILIS[Side.LEFT], None) not in found


def test_no_area_where_half_of_the_femur_is_not_known() -> None:
    labels, hu = legs(metal=True)
    found = by_key(measured(labels, hu))
    assert "implant" in (found["cross_sectional_area", "thigh_muscles", Side.LEFT].absent_reason or "")
    assert value(found, "cross_sectional_area", "thigh_muscles", Side.RIGHT) > 0
    labels, hu = legs(stump=True)
    area = by_key(measured(labels, hu))["cross_sectional_area", "thigh_muscles", Side.LEFT]
    assert area.absent_reason == "The series does not show the femur as far as the knee."
    labels, hu = legs()
    labels, hu = labels[15:70], hu[15:70]
    area = by_key(measured(labels, hu))["cross_sectional_area", "thigh_muscles", Side.LEFT]
    assert "hip joint and the knee" in (area.absent_reason or "")


def test_a_femur_is_measured_along_its_own_axis() -> None:
    """A rod of 400 mm, leaning by 20 degrees, and a piece that is not of it."""
    spacing_mm = (2.0, 2.0, 2.0)
    up, back, left = (np.indices((230, 40, 120)).T * spacing_mm).T
    lean = np.radians(20)
    along = (up - 220) * np.cos(lean) + (left - 110) * np.sin(lean)
    across = np.hypot((left - 110) * np.cos(lean) - (up - 220) * np.sin(lean), back - 40)
    femur = (across < 14) & (abs(along) < 200)
    femur[:5, :5, :5] = True
    found = femur_length(femur, spacing_mm)
    assert found.length_mm == pytest.approx(400, abs=3)
    assert found.middle_slice == pytest.approx(110, abs=1)
