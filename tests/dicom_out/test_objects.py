import json
from pathlib import Path

import matplotlib.image
import pytest
from pydicom import dcmread

from dicom_out.objects import WrittenObjects, write_objects
from inference.result import Result
from tests.dicom_out.conftest import Case


def identifiers(path: Path) -> list[str]:
    """Every UID in an object, in order, but for those of its encoding."""
    return [str(element.value) for element in dcmread(path).iterall() if element.VR == "UI"]


@pytest.fixture(scope="module")
def written(case: Case, tmp_path_factory: pytest.TempPathFactory) -> WrittenObjects:
    """Objects of the plain case."""
    return write_objects(case.result, tmp_path_factory.mktemp("written"))


def test_four_files_and_how_to_refer_to_them(written: WrittenObjects) -> None:
    files = sorted(path.name for path in written.summary_path.parent.iterdir())
    assert files == ["overlay.png", "result.json", "seg.dcm", "sr.dcm"]
    for path, reference in (
        (written.segmentation_path, written.segmentation),
        (written.report_path, written.report),
    ):
        dataset = dcmread(path)
        assert dataset.SOPClassUID == dataset.file_meta.MediaStorageSOPClassUID == reference.sop_class_uid
        assert dataset.SOPInstanceUID == reference.sop_instance_uid
        assert dataset.SeriesInstanceUID == reference.series_instance_uid
    assert matplotlib.image.imread(written.overlay_path).shape[2] == 4


def test_a_label_map_may_be_asked_for(written: WrittenObjects, result: Result, tmp_path: Path) -> None:
    other = write_objects(result, tmp_path, form="LABELMAP")
    assert dcmread(other.segmentation_path).SegmentationType == "LABELMAP"
    assert other.segmentation.sop_instance_uid != written.segmentation.sop_instance_uid
    assert other.report.sop_instance_uid != written.report.sop_instance_uid


def test_the_same_work_gives_the_same_identifiers(
    written: WrittenObjects, result: Result, tmp_path: Path
) -> None:
    again = write_objects(result, tmp_path)
    assert (again.segmentation, again.report) == (written.segmentation, written.report)
    for name in ("seg.dcm", "sr.dcm"):
        assert identifiers(tmp_path / name) == identifiers(written.summary_path.parent / name)
    assert again.summary_path.read_bytes() == written.summary_path.read_bytes()
    assert again.overlay_path.read_bytes() == written.overlay_path.read_bytes()


def test_the_summary_says_what_was_measured_how_sure_and_from_what(
    written: WrittenObjects, result: Result
) -> None:
    text = written.summary_path.read_text()
    summary = json.loads(text)
    assert summary["notice"] == "Research use only - not for diagnosis"
    area = next(m for m in summary["measurements"] if m["name"] == "area")
    assert (area["tissue"], area["value"], area["unit"]) == ("cortical_bone", 11.5, "cm2")
    absent = next(m for m in summary["measurements"] if m["name"] == "mean_hu_per_height2")
    assert (absent["value"], absent["absent_reason"]) == (None, "PatientSize is not given.")
    assert [flag["code"] for flag in summary["quality"]] == ["thick_slices", "truncated_field_of_view"]
    provenance = summary["provenance"]
    assert provenance["model"]["version"] == "1.0"
    assert provenance["source_instance_uids"] == list(result.provenance.source_instance_uids)
    assert provenance["reference_slice"]["sop_instance_uid"] == result.frames[2].dataset.SOPInstanceUID
    assert summary["objects"]["report"]["sop_instance_uid"] == written.report.sop_instance_uid
    header = result.frames[0].dataset
    for keyword in ("PatientName", "PatientID", "PatientBirthDate"):
        assert str(header[keyword].value) not in text
