"""The proximal femora are found where they are, on the side where they are, and nowhere else."""

from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.demo.schematic_hip import SchematicHip, make_schematic_hip
from inference.anatomy import Anatomy, find_anatomy
from inference.result import Side
from inference.volume import read_layout
from tests.series import rotation_about

pytestmark = pytest.mark.slow

# Directions of slices, rows and columns: head first supine; feet first; prone; slices downwards.
STORED_ORDERS = ("HPL", "FPR", "HAR", "FPL")


@pytest.fixture(scope="module")
def hip() -> SchematicHip:
    return make_schematic_hip(spacing_mm=(4.0, 1.2, 1.2), coverage_mm=(-130.0, 90.0), matrix=340)


def volume_of(hip: SchematicHip) -> hd.Volume:
    return hd.Volume(hip.hu, hip.affine, coordinate_system="PATIENT")


def moved(volume: hd.Volume, rotation: NDArray[np.float64]) -> hd.Volume:
    """The same patient, turned as a whole."""
    turn = np.eye(4)
    turn[:3, :3] = rotation
    return hd.Volume(volume.array, turn @ volume.affine, coordinate_system="PATIENT")


def assert_at(anatomy: Anatomy, centres: dict[Side, NDArray[np.float64]]) -> None:
    found = {femur.side: np.array(femur.head_centre_mm) for femur in anatomy.femora}
    assert set(found) == set(centres)
    for side, centre in centres.items():
        assert np.linalg.norm(found[side] - centre) < 5, side


def test_finds_both_heads(hip: SchematicHip) -> None:
    anatomy = find_anatomy(volume_of(hip))

    assert_at(anatomy, {side: np.array(centre) for side, centre in hip.head_centres_mm.items()})
    assert set(anatomy.regions) == {"proximal_femur", "thigh", "pelvis"}
    assert [femur.side for femur in anatomy.femora] == [Side.LEFT, Side.RIGHT]
    for femur in anatomy.femora:
        assert femur.head_radius_mm == pytest.approx(hip.head_radius_mm, abs=3)
        assert femur.confidence > 0.7


def test_shafts_lie_below_and_outside_the_heads(hip: SchematicHip) -> None:
    for femur in find_anatomy(volume_of(hip)).femora:
        sideways, _, up = np.subtract(femur.shaft_centre_mm, femur.head_centre_mm)
        assert -110 < up < -50
        assert 15 < (sideways if femur.side is Side.LEFT else -sideways) < 70


@pytest.mark.parametrize("order", STORED_ORDERS)
def test_storage_order_does_not_matter(hip: SchematicHip, order: str) -> None:
    anatomy = find_anatomy(volume_of(hip).to_patient_orientation(order))

    assert_at(anatomy, {side: np.array(centre) for side, centre in hip.head_centres_mm.items()})


@pytest.mark.parametrize(
    "rotation",
    [rotation_about("z", 12), rotation_about("x", -10), rotation_about("y", 8)],
    ids=["rolled", "pitched", "tilted sideways"],
)
def test_oblique_volumes(hip: SchematicHip, rotation: NDArray[np.float64]) -> None:
    anatomy = find_anatomy(moved(volume_of(hip), rotation))

    assert_at(anatomy, {side: rotation @ centre for side, centre in hip.head_centres_mm.items()})


def test_mirrored_patient_has_mirrored_sides(hip: SchematicHip) -> None:
    mirror = np.diag([-1.0, 1.0, 1.0])

    anatomy = find_anatomy(moved(volume_of(hip), mirror))

    assert_at(
        anatomy,
        {
            Side.LEFT: mirror @ hip.head_centres_mm[Side.RIGHT],
            Side.RIGHT: mirror @ hip.head_centres_mm[Side.LEFT],
        },
    )


def test_a_slice_every_4_mm_is_enough() -> None:
    thin = make_schematic_hip(spacing_mm=(2.0, 1.2, 1.2), coverage_mm=(-100.0, 60.0), matrix=340)

    anatomy = find_anatomy(volume_of(thin)[::2])

    assert_at(anatomy, {side: np.array(centre) for side, centre in thin.head_centres_mm.items()})


def test_missing_leg_leaves_the_other(hip: SchematicHip) -> None:
    hu = hip.hu.copy()
    right = hu[:, :, : hu.shape[2] // 2]
    right[right > 100] = 50

    anatomy = find_anatomy(volume_of(hip).with_array(hu))

    assert_at(anatomy, {Side.LEFT: np.array(hip.head_centres_mm[Side.LEFT])})
    assert "the other side was not found" in anatomy.reason


def test_prosthesis_is_not_a_femur() -> None:
    hip = make_schematic_hip(
        spacing_mm=(4.0, 1.2, 1.2), coverage_mm=(-130.0, 60.0), matrix=340, right_implant=True
    )

    anatomy = find_anatomy(volume_of(hip))

    assert_at(anatomy, {Side.LEFT: np.array(hip.head_centres_mm[Side.LEFT])})
    assert "metal" in anatomy.reason


@pytest.mark.parametrize(
    ("above_head_mm", "regions"), [(30, ()), (-110, ("thigh",))], ids=["above the heads", "thighs only"]
)
def test_no_head_in_the_volume(hip: SchematicHip, above_head_mm: float, regions: tuple[str, ...]) -> None:
    volume = volume_of(hip)
    level = volume.map_reference_to_indices(np.array([hip.head_centres_mm[Side.LEFT]]))[0, 0]
    cut = int(level + above_head_mm / volume.spacing[0])

    anatomy = find_anatomy(volume[cut:] if above_head_mm > 0 else volume[: cut + 20])

    assert anatomy.femora == ()
    assert anatomy.regions == regions


def test_head_without_neck_is_told(hip: SchematicHip) -> None:
    volume = volume_of(hip)
    level = volume.map_reference_to_indices(np.array([hip.head_centres_mm[Side.LEFT]]))[0, 0]

    anatomy = find_anatomy(volume[int(level - 20 / volume.spacing[0]) :])

    assert anatomy.regions == ()
    assert "ends above its neck" in anatomy.reason


def test_balls_of_contrast_are_no_heads() -> None:
    """Two balls as far apart as hips, as dense as heads, in soft tissue."""
    back, left = (np.arange(200) * 1.8 - 180 for _ in range(2))
    up = np.arange(50) * 4.0 - 100
    body = np.where(np.hypot(back[:, None] / 0.7, left[None]) < 175, 40.0, -1000.0)
    hu = np.broadcast_to(body, (50, 200, 200)).copy()
    for centre in (-85, 85):
        away = np.sqrt(up[:, None, None] ** 2 + back[:, None] ** 2 + (left - centre) ** 2)
        hu[away < 24] = 250
    affine = np.array([[0, 0, 1.8, -180], [0, 1.8, 0, -180], [4.0, 0, 0, -100], [0, 0, 0, 1]])

    anatomy = find_anatomy(hd.Volume(hu.astype(np.int16), affine, coordinate_system="PATIENT"))

    assert anatomy.femora == ()


def test_empty_and_thin_volumes_are_no_error(hip: SchematicHip) -> None:
    volume = volume_of(hip)

    assert find_anatomy(volume.with_array(np.full(volume.shape, -1000, np.int16))).femora == ()
    assert "covers only" in find_anatomy(volume[:4]).reason


@pytest.mark.real_ct
@pytest.mark.parametrize("folder", ["hip_siemens_l4_to_midthigh", "wholebody_siemens"])
def test_real_hips_are_found(real_ct: Path, folder: str) -> None:
    volume = read_layout(sorted((real_ct / folder).iterdir())).read_volume()

    anatomy = find_anatomy(volume)

    left, right = anatomy.femora
    assert (left.side, right.side) == (Side.LEFT, Side.RIGHT)
    assert left.head_centre_mm[0] > right.head_centre_mm[0] + 130
    assert set(anatomy.regions) == {"proximal_femur", "thigh", "pelvis"}
    assert min(left.confidence, right.confidence) > 0.8


@pytest.mark.real_ct
def test_whole_body_has_the_hips_of_the_hip_series(real_ct: Path) -> None:
    hip, whole = (
        find_anatomy(read_layout(sorted((real_ct / folder).iterdir())).read_volume())
        for folder in ("hip_siemens_l4_to_midthigh", "wholebody_siemens")
    )

    for one, other in zip(hip.femora, whole.femora, strict=True):
        assert np.allclose(one.head_centre_mm, other.head_centre_mm, atol=3)


@pytest.mark.real_ct
@pytest.mark.parametrize(
    "folder", ["negative_chest_toshiba", "negative_chestabdomen_ge", "negative_abdomen_siemens_j2k"]
)
def test_chest_and_abdomen_have_no_hips(real_ct: Path, folder: str) -> None:
    volume = read_layout(sorted((real_ct / folder).iterdir())).read_volume()

    assert find_anatomy(volume).femora == ()
    assert find_anatomy(volume.flip_spatial(0).with_array(volume.array)).femora == ()
