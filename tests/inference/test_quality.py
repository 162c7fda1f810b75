"""Every flag is raised by what it warns of, with its figure, and by nothing else."""

from collections.abc import Mapping

import highdicom as hd
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from inference.femoral_neck import ReferenceSlice
from inference.quality import LEAST_EXPECTED_DSC, image_flags, network_flags, result_flags
from inference.result import QualityFlag, Severity, Side, SourceFrame

MATRIX = 200
PIXEL_MM = 2.0
BODY_RADIUS_MM = 120.0

ROWS, COLUMNS = np.indices((MATRIX, MATRIX)) * PIXEL_MM
FROM_CENTRE_MM = np.hypot(ROWS - MATRIX * PIXEL_MM / 2, COLUMNS - MATRIX * PIXEL_MM / 2)
BODY = FROM_CENTRE_MM < BODY_RADIUS_MM


def cross_section(noise_hu: float = 5.0) -> NDArray[np.int16]:
    """Five slices of a round body of muscle in air."""
    random = np.random.default_rng(1)
    hu = np.where(BODY, 50, -990) + random.normal(0, noise_hu, (5, MATRIX, MATRIX))
    return hu.clip(-1023).astype(np.int16)


def flags(
    hu: NDArray[np.int16], *, spacing_mm: float = 3.0, muscle: bool = True, agent: str = ""
) -> Mapping[str, QualityFlag]:
    volume = hd.Volume(hu, np.diag([spacing_mm, PIXEL_MM, PIXEL_MM, 1.0]), "PATIENT")
    header = Dataset()
    header.ContrastBolusAgent = agent
    body = np.broadcast_to(BODY, hu.shape) & (hu > -300)
    labels = np.where(muscle & body & (hu < 150), 5, 0).astype(np.uint8)
    found = image_flags(volume, body, labels, [SourceFrame(header, None)] * 5)
    return {flag.code: flag for flag in found}


def disc(radius_mm: float, row_mm: float = 200.0) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.hypot(ROWS - row_mm, COLUMNS - 200.0) < radius_mm
    return inside


def test_a_good_series_raises_none() -> None:
    assert not flags(cross_section())


def test_a_body_beyond_the_reconstruction_circle_is_cut_off() -> None:
    hu = cross_section()
    hu[:, np.hypot(ROWS - 160, COLUMNS - 200) > 130] = -1024
    assert flags(hu)["truncated_field_of_view"].severity is Severity.WARNING


def test_a_body_beyond_the_matrix_is_cut_off_along_that_length() -> None:
    narrow = cross_section()[:, :, 60:]
    volume = hd.Volume(narrow, np.diag([3.0, PIXEL_MM, PIXEL_MM, 1.0]), "PATIENT")
    body = np.broadcast_to(BODY[:, 60:], narrow.shape)
    frames = [SourceFrame(Dataset(), None)] * 5
    (flag,) = image_flags(volume, body, np.full(narrow.shape, 5, np.uint8), frames)
    chord_mm = 2 * np.sqrt(BODY_RADIUS_MM**2 - 80**2)
    assert flag.code == "truncated_field_of_view"
    assert int(flag.text.split("along ")[1].split()[0]) == pytest.approx(chord_mm, abs=2 * PIXEL_MM)


def test_a_reconstruction_circle_around_the_body_cuts_nothing() -> None:
    hu = cross_section()
    hu[:, FROM_CENTRE_MM > 190] = -1024
    assert not flags(hu)


def test_air_stored_as_padding_is_no_field_of_view() -> None:
    hu = cross_section()
    hu[:, ~BODY] = -1024
    assert not flags(hu)


def test_metal_is_flagged_with_its_area() -> None:
    hu = cross_section()
    hu[2, disc(8)] = 3000
    assert f"{disc(8).sum() * PIXEL_MM**2:.0f} mm2" in flags(hu)["metal"].text


@pytest.mark.parametrize(
    ("spacing_mm", "severity"),
    [(3.0, None), (1.0, Severity.NOTE), (5.0, Severity.NOTE), (6.0, Severity.WARNING)],
)
def test_slices_unlike_the_protocols_are_told(spacing_mm: float, severity: Severity | None) -> None:
    flag = flags(cross_section(), spacing_mm=spacing_mm).get("slice_spacing")
    assert (flag.severity if flag else None) == severity


def test_noise_is_flagged_with_its_standard_deviation() -> None:
    words = flags(cross_section(noise_hu=45))["noise"].text
    assert float(words.split(" HU")[0].split()[-1]) == pytest.approx(45, rel=0.1)
    assert "noise" not in flags(cross_section(noise_hu=20))


def test_contrast_is_known_from_the_header() -> None:
    assert "header" in flags(cross_section(), agent="Iohexol")["contrast"].text


def test_contrast_is_seen_in_a_vessel_but_not_in_a_calcified_wall() -> None:
    vessel, wall = cross_section(), cross_section()
    vessel[:, disc(8)] = 280
    wall[:, disc(8) & ~disc(5)] = 280
    assert "contrast" in flags(vessel)
    assert "contrast" not in flags(wall)


def reference(confidence: float) -> ReferenceSlice:
    return ReferenceSlice(7, Side.LEFT, 31.4, confidence, {7: 31.4})


@pytest.mark.parametrize(("confidence", "severity"), [(0.79, Severity.WARNING), (0.8, Severity.NOTE)])
def test_an_unsure_reference_slice_is_a_warning(confidence: float, severity: Severity) -> None:
    (flag,) = result_flags(reference(confidence), {})
    assert (flag.code, flag.severity) == ("reference_slice", severity)
    assert "31.4 mm" in flag.text
    assert f"{confidence:.2f} of 1" in flag.text


def test_areas_that_people_do_not_have_are_told_with_their_limits() -> None:
    usual = {"bone": 106.0, "muscle": 196.0, "subcutaneous fat": 144.0}
    assert len(result_flags(reference(1.0), usual)) == 1
    _, flag = result_flags(reference(1.0), {**usual, "muscle": 20.0})
    assert flag.code == "implausible_area"
    assert "muscle is 20 cm2; 60 to 450" in flag.text


def test_a_network_that_expects_little_of_itself_is_flagged() -> None:
    good, poor = LEAST_EXPECTED_DSC + 0.1, LEAST_EXPECTED_DSC - 0.2
    assert network_flags(good) == []
    (flag,) = network_flags(poor)
    assert (flag.code, flag.severity) == ("network_unsure", Severity.WARNING)
    assert f"{poor:.2f}" in flag.text


def test_the_least_expected_is_enough() -> None:
    assert network_flags(LEAST_EXPECTED_DSC) == []
