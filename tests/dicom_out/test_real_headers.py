"""Headers as they come out of hospitals: valid objects are written all the same."""

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence

from dicom_out.objects import write_objects
from dicom_out.report import make_report
from dicom_out.segmentation import make_segmentation
from dicom_out.sources import discreet
from inference.errors import Refused
from inference.volume import read_layout
from tests.dicom_out.conftest import HU, MADE, complaints, result_on
from tests.series import write_series


def item(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def write(tmp_path: Path, attributes: dict[str, Any]) -> list[Dataset]:
    """Segmentation and report on a source with these attributes, read back from their files."""
    with discreet():
        files = write_series(tmp_path / "ct", HU, attributes=attributes)
        result = result_on(read_layout(files), slice(2, 5))
        result = dataclasses.replace(result, measurements=result.measurements[:2])
        segmentation = make_segmentation(result, "BINARY", MADE)
        report = make_report(result, segmentation, "BINARY", MADE, None)
        segmentation.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
        report.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
        return [dcmread(tmp_path / "seg.dcm"), dcmread(tmp_path / "sr.dcm")]


ODD_HEADERS: dict[str, dict[str, Any]] = {
    "no type 2 attributes": dict.fromkeys(
        (
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "PatientSex",
            "StudyDate",
            "StudyTime",
            "StudyID",
            "AccessionNumber",
            "ReferringPhysicianName",
            "Manufacturer",
            "PositionReferenceIndicator",
            "SliceThickness",
        )
    ),
    "empty values": {
        "StudyID": "",
        "PatientBirthDate": "",
        "PatientSex": "",
        "ProcedureCodeSequence": [],
        "ReferencedPatientSequence": [],
        "OtherPatientIDsSequence": [],
        "PatientSize": "",
    },
    "impossible dates": {"PatientBirthDate": "19500000", "StudyDate": "2024.13.77", "StudyTime": "25:61"},
    "several dates": {"StudyDate": ["20240101", "20240102"], "PatientSex": ["M", "F"]},
    "free text where codes belong": {"PatientSex": "female", "PatientAge": "74 years"},
    "name without components": {"PatientName": "Juno"},
    "name with many components": {"PatientName": "Adams^John Robert^Quincy^Rev.^B.A. M.Div.=a=b"},
    "too long texts": {"StudyDescription": "x" * 200, "InstitutionName": "y" * 100},
    "half a clinical trial": {"ClinicalTrialProtocolID": "T1"},
    "broken nested item": {
        "ReferencedStudySequence": Sequence(
            [item(ReferencedSOPClassUID="not a uid", ReferencedSOPInstanceUID="1.2")]
        )
    },
    "long names of equipment": {"ManufacturerModelName": "Ä" * 70, "Manufacturer": "M" * 70},
}


@pytest.mark.parametrize("attributes", ODD_HEADERS.values(), ids=ODD_HEADERS)
def test_odd_headers_give_valid_objects(attributes: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, attributes)
    for name in ("seg.dcm", "sr.dcm"):
        said = complaints(tmp_path / name)
        assert [
            line for line in said if "DICOMDIR" not in line and "Retired Person Name form" not in line
        ] == []


def test_numbers_that_are_none_are_left_out(tmp_path: Path) -> None:
    files = write_series(tmp_path / "ct", HU, attributes={"PatientSize": "1.72", "PatientWeight": "64"})
    for path in files:
        content = path.read_bytes().replace(b"1.72", b"1,72").replace(b"\x50\x00DS\x04\x005.0 ", NO_NUMBER)
        assert NO_NUMBER in content
        path.write_bytes(content)
    with discreet():
        segmentation = make_segmentation(result_on(read_layout(files)), "BINARY", MADE)
    assert "PatientSize" not in segmentation
    assert segmentation.PatientWeight == 64
    measures = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SliceThickness == 5


NO_NUMBER = b"\x50\x00DS\x04\x005mm "
"""SliceThickness as some converters write it, Explicit VR."""


def test_decimals_that_are_too_long_are_no_hindrance(tmp_path: Path) -> None:
    def lengthen(dataset: Dataset, index: int) -> None:
        one = "1.000000000000000000"
        dataset.PixelSpacing = ["0.90000000000000002220446"] * 2
        dataset.ImageOrientationPatient = [one, "0", "0", "0", one, "0"]
        dataset.ImagePositionPatient = ["-120.333333333333333333", "-110", f"{index * 10 / 3:.20f}"]

    with discreet():
        files = write_series(tmp_path / "ct", HU, edit=lengthen)
        segmentation = make_segmentation(result_on(read_layout(files)), "BINARY", MADE)
        segmentation.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    assert complaints(tmp_path / "seg.dcm") == []


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("ISO_IR 192", "Иванова^Ольга"),
        ("ISO 2022 IR 100", "Grün^Käthe"),
    ],
)
def test_names_in_any_script_survive(character_set: str | list[str], name: str, tmp_path: Path) -> None:
    attributes = {"SpecificCharacterSet": character_set, "PatientName": name}
    for written in write(tmp_path, attributes):
        assert written.PatientName == name
        assert written.SpecificCharacterSet == "ISO_IR 192"


def test_who_the_patient_is_and_which_study_is_never_changed(tmp_path: Path) -> None:
    attributes = {"PatientID": "x" * 70, "StudyID": "s" * 20, "AccessionNumber": "a" * 20}
    for written in write(tmp_path, attributes):
        assert {keyword: written[keyword].value for keyword in attributes} == attributes


def test_identifiers_that_break_the_rules_are_cited_as_they_are(tmp_path: Path) -> None:
    attributes = {"FrameOfReferenceUID": "1.2.03", "StudyInstanceUID": "1.2.04"}
    for written in write(tmp_path, attributes):
        assert written.StudyInstanceUID == "1.2.04"
    assert dcmread(tmp_path / "seg.dcm").FrameOfReferenceUID == "1.2.03"


def test_no_value_of_the_patient_reaches_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    with caplog.at_level(logging.INFO):
        write(tmp_path, {"PatientName": "Juno", "PatientBirthDate": "notadate", "PatientSex": "secret"})
    said = caplog.text + "".join(str(warning.message) for warning in recwarn)
    assert not [value for value in ("Juno", "notadate", "secret") if value in said]


def real_series(folder: Path) -> Iterator[list[Path]]:
    """Series below a folder, sorted by file name."""
    series: dict[tuple[Path, str], list[Path]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        header = dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"], force=True)
        series.setdefault((path.parent, str(header.get("SeriesInstanceUID"))), []).append(path)
    yield from series.values()


@pytest.mark.real_ct
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_objects_on_real_ct_are_valid(real_ct: Path, tmp_path: Path) -> None:
    written = 0
    for number, files in enumerate(real_series(real_ct)):
        try:
            layout = read_layout(files)
        except Refused:
            continue
        result = result_on(layout, slice(0, 5))
        folder = tmp_path / str(number)
        folder.mkdir()
        if not result.frames[0].dataset.StudyInstanceUID:
            with pytest.raises(Refused, match="StudyInstanceUID"):
                write_objects(result, folder)
            continue
        write_objects(result, folder)
        for name in ("seg.dcm", "sr.dcm"):
            assert [c for c in complaints(folder / name) if c.startswith("Error")] == []
        masks = dcmread(folder / "seg.dcm").pixel_array
        assert masks.sum() == np.count_nonzero(result.labels.array)
        written += 1
    assert written >= 4
