"""The reference slice shows the thickest left femoral neck, or is refused with the reason."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.demo.schematic_hip import SchematicHip, make_schematic_hip
from inference.anatomy import Anatomy, find_anatomy
from inference.errors import Refused
from inference.femoral_neck import ReferenceSlice, find_reference_slice
from inference.result import Side
from inference.volume import read_layout

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hip() -> SchematicHip:
    return make_schematic_hip(spacing_mm=(3.0, 1.2, 1.2), coverage_mm=(-100.0, 60.0), matrix=340)


@pytest.fixture(scope="module")
def volume(hip: SchematicHip) -> hd.Volume:
    return hd.Volume(hip.hu, hip.affine, coordinate_system="PATIENT")


@pytest.fixture(scope="module")
def anatomy(volume: hd.Volume) -> Anatomy:
    return find_anatomy(volume)


def height_mm(volume: hd.Volume, reference: ReferenceSlice) -> float:
    """Of the reference slice, LPS."""
    rows, columns = np.array(volume.shape[1:]) / 2
    return float((volume.affine @ [reference.index, rows, columns, 1])[2])


def distances_mm(hip: SchematicHip, side: Side) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of every voxel along a neck's axis from its centre, and from the axis."""
    indices = np.indices(hip.hu.shape).reshape(3, -1)
    points = (hip.affine[:3, :3] @ indices).T + hip.affine[:3, 3] - hip.neck_centres_mm[side]
    along = points @ np.array(hip.neck_axes[side])
    from_axis = np.linalg.norm(points - np.outer(along, hip.neck_axes[side]), axis=1)
    return along.reshape(hip.hu.shape), from_axis.reshape(hip.hu.shape)


def test_slice_through_the_middle_of_the_left_neck(
    hip: SchematicHip, volume: hd.Volume, anatomy: Anatomy
) -> None:
    reference = find_reference_slice(volume, anatomy)

    assert reference.side is Side.LEFT
    assert abs(height_mm(volume, reference) - hip.neck_centres_mm[Side.LEFT][2]) <= 3
    assert reference.thickness_mm == pytest.approx(hip.neck_diameters_mm[Side.LEFT], abs=2)
    assert reference.confidence > 0.7


def test_profile_rises_to_the_reference_slice_and_falls_again(volume: hd.Volume, anatomy: Anatomy) -> None:
    reference = find_reference_slice(volume, anatomy)

    indices = sorted(reference.profile)
    widths = [reference.profile[index] for index in indices]
    peak = indices.index(reference.index)
    assert indices == list(range(indices[0], indices[-1] + 1))
    assert widths[peak] == reference.thickness_mm
    assert np.all(np.diff(widths[: peak + 1]) > 0)
    assert np.all(np.diff(widths[peak:]) < 0)


@pytest.mark.parametrize("order", ["FPL", "HAR", "FAR", "HPR"])
def test_storage_order_does_not_matter(volume: hd.Volume, anatomy: Anatomy, order: str) -> None:
    expected = find_reference_slice(volume, anatomy)
    stored = volume.to_patient_orientation(order)

    reference = find_reference_slice(stored, find_anatomy(stored))

    assert height_mm(stored, reference) == pytest.approx(height_mm(volume, expected), abs=3.1)
    assert reference.thickness_mm == pytest.approx(expected.thickness_mm, abs=0.5)


@pytest.mark.parametrize("seed", [1, 2])
def test_noise_does_not_move_it(volume: hd.Volume, anatomy: Anatomy, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 40, volume.shape)

    reference = find_reference_slice(volume.with_array((volume.array + noise).astype(np.int16)), anatomy)

    assert abs(reference.index - find_reference_slice(volume, anatomy).index) <= 1


def test_thick_slices() -> None:
    thick = make_schematic_hip(spacing_mm=(5.0, 1.2, 1.2), coverage_mm=(-100.0, 60.0), matrix=340)
    volume = hd.Volume(thick.hu, thick.affine, coordinate_system="PATIENT")

    reference = find_reference_slice(volume, find_anatomy(volume))

    assert abs(height_mm(volume, reference) - thick.neck_centres_mm[Side.LEFT][2]) <= 5


def test_anatomy_of_a_coarser_volume_will_do(volume: hd.Volume, anatomy: Anatomy) -> None:
    coarse = replace(
        anatomy,
        femora=tuple(
            replace(femur, head_centre_mm=tuple(np.add(femur.head_centre_mm, 3))) for femur in anatomy.femora
        ),
    )

    assert find_reference_slice(volume, coarse).index == find_reference_slice(volume, anatomy).index


def test_left_side_missing(volume: hd.Volume, anatomy: Anatomy) -> None:
    right_only = replace(anatomy, femora=anatomy.femora[1:], reason="Only the right one.")

    with pytest.raises(Refused, match=r"Only the right one\. \[femoral_neck_not_found\]"):
        find_reference_slice(volume, right_only)


def test_right_side_missing_lowers_the_confidence(volume: hd.Volume, anatomy: Anatomy) -> None:
    both = find_reference_slice(volume, anatomy)
    one = find_reference_slice(volume, replace(anatomy, femora=anatomy.femora[:1]))

    assert one.index == both.index
    assert one.confidence < both.confidence


def test_unsure_head(volume: hd.Volume, anatomy: Anatomy) -> None:
    unsure = replace(anatomy, femora=tuple(replace(femur, confidence=0.3) for femur in anatomy.femora))

    with pytest.raises(Refused, match="low_confidence"):
        find_reference_slice(volume, unsure)


def test_metal_in_the_left_neck(hip: SchematicHip, volume: hd.Volume, anatomy: Anatomy) -> None:
    along, from_axis = distances_mm(hip, Side.LEFT)
    screw = (np.abs(along) < 30) & (from_axis < 4)

    with pytest.raises(Refused, match="metal_in_femoral_neck"):
        find_reference_slice(volume.with_array(np.where(screw, 3000, hip.hu).astype(np.int16)), anatomy)


def test_metal_in_the_right_neck_is_no_hindrance(
    hip: SchematicHip, volume: hd.Volume, anatomy: Anatomy
) -> None:
    along, from_axis = distances_mm(hip, Side.RIGHT)
    screw = (np.abs(along) < 30) & (from_axis < 4)

    reference = find_reference_slice(
        volume.with_array(np.where(screw, 3000, hip.hu).astype(np.int16)), anatomy
    )

    assert reference.index == find_reference_slice(volume, anatomy).index


def test_sides_that_differ_too_much(hip: SchematicHip, volume: hd.Volume, anatomy: Anatomy) -> None:
    """The right neck is made 22 mm thin; the left one is 34 mm thick."""
    along, from_axis = distances_mm(hip, Side.RIGHT)
    hu = np.where((np.abs(along) < 18) & (from_axis > 11) & (from_axis < 22), 50, hip.hu)
    hu = np.where((np.abs(along) < 18) & (from_axis > 9) & (from_axis <= 11), 900, hu)

    with pytest.raises(Refused, match="sides_disagree"):
        find_reference_slice(volume.with_array(hu.astype(np.int16)), anatomy)


def above(volume: hd.Volume, index: int) -> hd.Volume:
    return volume[index:]


def below(volume: hd.Volume, index: int) -> hd.Volume:
    return volume[: index + 1]


@pytest.mark.parametrize("kept", [above, below])
def test_neck_at_the_edge_of_the_volume(
    volume: hd.Volume, anatomy: Anatomy, kept: Callable[[hd.Volume, int], hd.Volume]
) -> None:
    index = find_reference_slice(volume, anatomy).index

    with pytest.raises(Refused, match="femoral_neck_not_covered"):
        find_reference_slice(kept(volume, index), anatomy)


def test_coronal_slices(volume: hd.Volume, anatomy: Anatomy) -> None:
    with pytest.raises(Refused, match="not_axial"):
        find_reference_slice(volume.to_patient_orientation("PHL"), anatomy)


@pytest.mark.real_ct
def test_same_slice_in_the_hip_series_and_in_the_whole_body(real_ct: Path) -> None:
    found = []
    for folder in ("hip_siemens_l4_to_midthigh", "wholebody_siemens"):
        volume = read_layout(sorted((real_ct / folder).iterdir())).read_volume()
        anatomy = find_anatomy(volume)
        reference = find_reference_slice(volume, anatomy)
        left = next(femur for femur in anatomy.femora if femur.side is Side.LEFT)
        below_head = left.head_centre_mm[2] - height_mm(volume, reference)
        assert 8 < below_head < 30
        assert 24 < reference.thickness_mm < 38
        found.append(height_mm(volume, reference))

    assert found[0] == pytest.approx(found[1])
