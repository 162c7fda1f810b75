"""Cases come back as they were written, whatever their orientation; faults are named with the case."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription
from pydicom import dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from inference.tissue_protocol import Tissue
from tests.series import Grid, write_series
from training.case_files import CaseError
from training.cases import Case, read_case, read_cases, write_case

SPACING_MM = (3.0, 0.75, 0.5)


def made(subject: str = "a", name: str = "1") -> Case:
    """Every voxel of the image differs, every tissue is there, so that no flip or swap goes unseen."""
    shape = (3, 8, 10)
    hu = np.arange(np.prod(shape), dtype=np.int16).reshape(shape) - 100
    labels = np.zeros(shape, np.uint8)
    labels[:, 1, 1:8] = list(Tissue)
    labels[0, 5, 2] = Tissue.MUSCLE
    return Case(subject, name, hu, labels, SPACING_MM)


def assert_same(found: Case, expected: Case) -> None:
    assert (found.subject, found.name) == (expected.subject, expected.name)
    assert found.spacing_mm == pytest.approx(expected.spacing_mm)
    assert (found.hu.dtype, found.labels.dtype) == (np.int16, np.uint8)
    np.testing.assert_array_equal(found.hu, expected.hu)
    np.testing.assert_array_equal(found.labels, expected.labels)


def edit(path: Path, change: object) -> None:
    """Rewrite a NIfTI file with ``change(array, affine)``."""
    image = nib.load(path)
    array, affine = change(np.asarray(image.dataobj), image.affine)
    nib.save(nib.Nifti1Image(array, affine), path)


def test_cases_are_read_as_written_in_order(tmp_path: Path) -> None:
    cases = [made("a", "1"), made("a", "2"), made("b", "1")]
    for case in reversed(cases):
        write_case(tmp_path, case)
    for found, case in zip(read_cases(tmp_path), cases, strict=True):
        assert_same(found, case)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "AIR", "SLP"])
def test_any_orientation_is_turned_upright(tmp_path: Path, orientation: str) -> None:
    case = made()
    write_case(tmp_path, case)
    target = nib.orientations.axcodes2ornt(orientation)
    for path in (tmp_path / "a" / "1").iterdir():
        image = nib.load(path)
        turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), target)
        nib.save(image.as_reoriented(turn), path)
    assert nib.aff2axcodes(nib.load(tmp_path / "a/1/image.nii.gz").affine) == tuple(orientation)
    assert_same(read_case(tmp_path / "a" / "1"), case)


def test_left_is_left_in_the_file(tmp_path: Path) -> None:
    write_case(tmp_path, made())
    affine = nib.load(tmp_path / "a/1/image.nii.gz").affine
    assert nib.aff2axcodes(affine) == ("L", "P", "S")


def test_slices_without_labels_are_left_out(tmp_path: Path) -> None:
    case = made()
    case.labels[1] = 0
    write_case(tmp_path, case)
    found = read_case(tmp_path / "a" / "1")
    np.testing.assert_array_equal(found.hu, case.hu[[0, 2]])


def test_image_in_floats_is_rounded_and_air_is_bounded(tmp_path: Path) -> None:
    write_case(tmp_path, made())
    edit(tmp_path / "a/1/image.nii.gz", lambda array, affine: (np.full(array.shape, -3024.0), affine))
    assert (read_case(tmp_path / "a" / "1").hu == -1024).all()
    edit(tmp_path / "a/1/image.nii.gz", lambda array, affine: (np.full(array.shape, 41.6), affine))
    assert (read_case(tmp_path / "a" / "1").hu == 42).all()


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("labels.nii.gz", lambda a, m: (a + np.uint8(1), m), r"unknown label value\(s\) 8; .*7 subcutaneous"),
        ("labels.nii.gz", lambda a, m: (a + 0.5, m), r"unknown label value\(s\) 0.5"),
        ("labels.nii.gz", lambda a, m: (a[:-1], m), r"\(3, 8, 10\) voxels .* have \(3, 8, 9\)"),
        ("labels.nii.gz", lambda a, m: (a, m @ np.diag([1, 1, 1.1, 1])), "0.6 mm apart"),
        ("labels.nii.gz", lambda a, m: (0 * a, m), "no slice has a label"),
        ("image.nii.gz", lambda a, m: (np.stack([a, a], axis=-1), m), "4 dimensions"),
        ("image.nii.gz", lambda a, m: (np.where(a < -98, np.nan, a), m), "no HU in 2 voxels"),
    ],
)
def test_faults_are_named_with_the_case(tmp_path: Path, file: str, change: object, words: str) -> None:
    write_case(tmp_path, made("anna", "left"))
    edit(tmp_path / "anna" / "left" / file, change)
    with pytest.raises(CaseError, match=f"^Case anna/left: .*{words}"):
        read_cases(tmp_path)


@pytest.mark.parametrize("file", ["image.nii.gz", "labels.nii.gz"])
def test_missing_and_broken_files_are_named(tmp_path: Path, file: str) -> None:
    write_case(tmp_path, made())
    (tmp_path / "a" / "1" / file).write_bytes(b"no gzip")
    with pytest.raises(CaseError, match=f"Case a/1: {file} cannot be read"):
        read_cases(tmp_path)
    (tmp_path / "a" / "1" / file).unlink()
    with pytest.raises(CaseError, match=f"Case a/1: {file} is missing"):
        read_cases(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="holds no cases"):
        read_cases(tmp_path)


def write_dicom_case(
    folder: Path,
    case: Case,
    names: dict[str, int],
    slices: slice = slice(None),
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    frame_of_reference: str = "1.2.3",
) -> None:
    """A CT series and a Segmentation of some of its slices."""
    target = folder / case.subject / case.name
    grid = Grid(spacing_mm=SPACING_MM, origin_mm=origin_mm)
    files = write_series(
        target / "dicom", case.hu, grid, attributes={"FrameOfReferenceUID": frame_of_reference}
    )
    sources = [dcmread(file) for file in files][slices]
    manual = SegmentAlgorithmTypeValues.MANUAL
    Segmentation(
        source_images=sources,
        pixel_array=np.stack([case.labels[slices] == value for value in names.values()], axis=-1),
        segmentation_type="BINARY",
        segment_descriptions=[
            SegmentDescription(number, name, codes.SCT.Tissue, codes.SCT.Muscle, manual)
            for number, name in enumerate(names, start=1)
        ],
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
    ).save_as(target / "labels.dcm")


NAMES = {
    "SAT": 7,
    "Muscle": 5,
    "Cortical bone": 1,
    "trabecular_bone": 2,
    "HBM": 3,
    "Marrow adipose tissue": 4,
    "IMAT": 6,
}


def test_dicom_segments_are_known_by_their_labels(tmp_path: Path) -> None:
    case = made()
    write_dicom_case(tmp_path, case, NAMES)
    assert_same(read_case(tmp_path / "a" / "1"), case)


def test_a_segmentation_of_some_slices_is_laid_over_the_series(tmp_path: Path) -> None:
    case = made()
    write_dicom_case(tmp_path, case, NAMES, slice(1, 3))
    found = read_case(tmp_path / "a" / "1")
    np.testing.assert_array_equal(found.hu, case.hu[1:3])
    np.testing.assert_array_equal(found.labels, case.labels[1:3])


def test_an_unknown_segment_is_named(tmp_path: Path) -> None:
    write_dicom_case(tmp_path, made(), {"Muscle": 5, "Liver": 1})
    with pytest.raises(
        CaseError, match=r"Case a/1: labels\.dcm has a segment 'Liver'; known are cortical_bone"
    ):
        read_case(tmp_path / "a" / "1")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"origin_mm": (0.2, 0.0, 0.0)}, "labels.dcm cannot be laid over the series"),
        ({"frame_of_reference": "1.2.4"}, "different scans"),
    ],
)
def test_a_segmentation_of_another_series_is_refused(
    tmp_path: Path, other: dict[str, object], words: str
) -> None:
    write_dicom_case(tmp_path, made("a"), NAMES)
    write_dicom_case(tmp_path, made("b"), NAMES, **other)
    (tmp_path / "b" / "1" / "labels.dcm").replace(tmp_path / "a" / "1" / "labels.dcm")
    with pytest.raises(CaseError, match=f"Case a/1: .*{words}"):
        read_case(tmp_path / "a" / "1")


def test_a_series_that_cannot_be_measured_is_named(tmp_path: Path) -> None:
    write_dicom_case(tmp_path, made(), NAMES)
    next((tmp_path / "a" / "1" / "dicom").iterdir()).write_bytes(b"")
    with pytest.raises(CaseError, match="Case a/1: dicom/: "):
        read_case(tmp_path / "a" / "1")
