"""The schematic hip is valid DICOM, and what it says of itself holds in its pixels."""

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from deploy.demo.schematic_hip import SchematicHip, make_schematic_hip, write_schematic_hip
from inference.result import Side


@pytest.fixture(scope="module")
def hip() -> SchematicHip:
    return make_schematic_hip(spacing_mm=(2.0, 1.5, 1.5), coverage_mm=(-120.0, 60.0), matrix=300)


def sample(hip: SchematicHip, points_mm: np.ndarray) -> np.ndarray:
    """HU at LPS points, (n, 3), linearly interpolated."""
    homogeneous = np.column_stack([points_mm, np.ones(len(points_mm))])
    return ndimage.map_coordinates(
        hip.hu.astype(float), (np.linalg.inv(hip.affine) @ homogeneous.T)[:3], order=1
    )


def across(axis: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Unit vectors perpendicular to an axis."""
    first = np.cross(axis, (0, 0, 1))
    first /= np.linalg.norm(first)
    return np.outer(np.cos(angles), first) + np.outer(np.sin(angles), np.cross(axis, first))


def outer_edge_mm(hip: SchematicHip, centre: np.ndarray, direction: np.ndarray) -> float:
    """Where bone ends on the way out of it: at half of the peak of its cortex."""
    radii = np.arange(8.0, 40.0, 0.25)
    hu = sample(hip, centre + radii[:, None] * direction)
    peak = int(np.argmax(hu[radii < 27]))
    below = np.flatnonzero(hu[peak:] < hu[peak] / 2)
    return float(radii[peak + below[0]])


@pytest.mark.parametrize("side", list(Side))
def test_neck_has_the_diameter_it_claims(hip: SchematicHip, side: Side) -> None:
    centre, axis = np.array(hip.neck_centres_mm[side]), np.array(hip.neck_axes[side])
    edges = [
        outer_edge_mm(hip, centre, direction) for direction in across(axis, np.linspace(0, 2 * np.pi, 24))
    ]
    assert 2 * np.median(edges) == pytest.approx(hip.neck_diameters_mm[side], abs=1.5)


@pytest.mark.parametrize("side", list(Side))
def test_head_is_a_sphere_of_its_radius_with_a_joint_space_around_it(hip: SchematicHip, side: Side) -> None:
    centre, up = np.array(hip.head_centres_mm[side]), np.array(hip.neck_axes[side])
    towards_socket = up + 0.4 * across(up, np.linspace(0, 2 * np.pi, 12))
    towards_socket /= np.linalg.norm(towards_socket, axis=1, keepdims=True)
    profiles = {
        radius: np.median(sample(hip, centre + radius * towards_socket)) for radius in (23.0, 25.7, 29.0)
    }
    assert profiles[23.0] > profiles[25.7] + 150
    assert profiles[29.0] > profiles[25.7] + 150


def test_left_lies_at_greater_x_and_differs_from_right(hip: SchematicHip) -> None:
    left, right = hip.head_centres_mm[Side.LEFT], hip.head_centres_mm[Side.RIGHT]
    assert left[0] > right[0] + 100
    assert left[2] > right[2] + 5
    assert hip.neck_diameters_mm[Side.LEFT] > hip.neck_diameters_mm[Side.RIGHT] + 3


def test_femur_has_all_four_bone_compartments(hip: SchematicHip) -> None:
    centre, axis = np.array(hip.head_centres_mm[Side.LEFT]), np.array(hip.neck_axes[Side.LEFT])
    along_neck = sample(hip, centre - np.arange(-22.0, 60.0, 0.5)[:, None] * axis)
    counts, _ = np.histogram(along_neck, bins=(-150, 50, 150, 300, 2000))
    assert (counts >= 3).all(), counts


def test_noise_has_the_deviation_asked_for() -> None:
    noisy, quiet = (
        make_schematic_hip(coverage_mm=(0.0, 5.0), matrix=128, noise_hu=noise).hu[0].astype(float)
        for noise in (20, 0)
    )
    uniform = ndimage.uniform_filter(quiet, 5) > -300
    assert np.std((noisy - quiet)[uniform]) == pytest.approx(20, rel=0.05)


def test_scale_makes_a_larger_patient_about_the_same_left_head() -> None:
    plain, large = (
        make_schematic_hip(coverage_mm=(0.0, 5.0), matrix=256, spacing_mm=(5.0, 2.0, 2.0), scale=scale)
        for scale in (1.0, 1.15)
    )
    assert large.head_centres_mm[Side.LEFT] == pytest.approx(plain.head_centres_mm[Side.LEFT])
    body = [
        np.count_nonzero(ndimage.binary_opening(hip.hu[0] > -300, iterations=4)) for hip in (plain, large)
    ]
    assert body[1] / body[0] == pytest.approx(1.15**2, rel=0.03)


def test_implant_is_metal_on_the_right_only() -> None:
    hip = make_schematic_hip(coverage_mm=(-40.0, 20.0), right_implant=True)
    _, _, columns = np.nonzero(hip.hu >= 2500)
    x_mm = hip.affine[0, 2] * columns + hip.affine[0, 3]
    assert len(x_mm) > 1000
    assert x_mm.max() < hip.head_centres_mm[Side.RIGHT][0] + 26


def test_files_are_valid_and_hold_the_same_volume(tmp_path: Path) -> None:
    options = {"spacing_mm": (4.0, 1.8, 1.8), "coverage_mm": (-12.0, 12.0), "matrix": 256}
    hip = make_schematic_hip(**options)
    files = write_schematic_hip(tmp_path / "series", **options)
    assert len(files) == 6
    for file in files:
        check = subprocess.run(["/usr/bin/dciodvfy", file], capture_output=True, text=True, check=False)
        assert check.stderr.split() == ["CTImage"]
    images = [pydicom.dcmread(file) for file in files]
    assert [image.InstanceNumber for image in images] == [1, 2, 3, 4, 5, 6]
    for k, image in zip(reversed(range(6)), images, strict=True):
        assert image.ImagePositionPatient == pytest.approx((hip.affine @ (k, 0, 0, 1))[:3], abs=1e-4)
        np.testing.assert_array_equal(image.pixel_array.astype(int) + int(image.RescaleIntercept), hip.hu[k])
    again = pydicom.dcmread(write_schematic_hip(tmp_path / "again", **options)[0], stop_before_pixels=True)
    assert again.StudyInstanceUID != images[0].StudyInstanceUID


def test_same_seed_gives_the_same_pixels() -> None:
    options = {"coverage_mm": (0.0, 5.0), "matrix": 64}
    np.testing.assert_array_equal(make_schematic_hip(**options).hu, make_schematic_hip(**options).hu)
    assert (make_schematic_hip(**options, seed=1).hu != make_schematic_hip(**options).hu).any()
