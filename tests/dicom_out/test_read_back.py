"""What Coxa wrote, read again: the same numbers at the same places, and nothing else is believed."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from dicom_out.objects import WrittenObjects, write_objects
from dicom_out.read_back import read_earlier, read_report, read_summary
from inference.errors import Refused
from inference.follow_up import as_earlier
from inference.result import (
    Measurement,
    ModelIdentity,
    Profile,
    Result,
    Segment,
    Side,
)
from tests.dicom_out.conftest import Case

MODEL = ModelIdentity("thigh-muscle", "1.0", "ab" * 32)
LEFT, RIGHT = ("sartorius", Side.LEFT), ("sartorius", Side.RIGHT)
GROUP = ("anterior_thigh_muscles", Side.LEFT)
STUDIED = date(2024, 1, 2)


@pytest.fixture(scope="module")
def thigh(case: Case) -> Result:
    """A muscle of both sides, one cut off, and a group."""
    labels = np.zeros(case.result.labels.shape, np.uint8)
    labels[:, 5:15, 5:20], labels[:, 5:15, 40:55] = 2, 1
    structure, side = GROUP
    return replace(
        case.result,
        labels=case.result.labels.with_array(labels),
        segments=(Segment(1, *LEFT), Segment(2, *RIGHT)),
        measurements=(
            Measurement("volume", 123.25, "cm3", 1),
            Measurement("fat_fraction", 7.5, "%", 1),
            Measurement("lean_volume", 114.0, "cm3", 1),
            Measurement("prior_volume", 150.0, "cm3", 1),
            Measurement("volume", None, "cm3", 2, absent_reason="It is cut off."),
            Measurement("volume", 1000.5, "cm3", structure=structure, side=side),
            Measurement("asymmetry_index", 3.0, "%", structure="sartorius"),
        ),
        quality=(),
        provenance=replace(case.result.provenance, route="thigh-muscle", model=MODEL),
        profiles=(Profile(1, -102.5, 5.0, (1.5, 2.25, 0.0)), Profile(2, -97.5, 5.0, (1.0, 2.0))),
    )


@pytest.fixture(scope="module")
def written(thigh: Result, tmp_path_factory: pytest.TempPathFactory) -> WrittenObjects:
    return write_objects(thigh, tmp_path_factory.mktemp("thigh"))


class TestSummary:
    def test_gives_back_what_a_comparison_needs(self, thigh: Result, written: WrittenObjects) -> None:
        expected = as_earlier(thigh)
        assert expected is not None
        report = written.report
        uids = (report.series_instance_uid, report.sop_class_uid, report.sop_instance_uid)
        assert read_summary(written.summary_path) == replace(expected, report_uids=uids)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("provenance", "study_date"), None),
            (("provenance", "study_date"), "yesterday"),
            (("provenance", "model", "name"), "[bold]x[/bold]\n" * 9),
            (("provenance", "model", "weights_sha256"), 7),
            (("provenance", "acquisition"), {"kernel": "<script>"}),
            (("profiles", 0, "step_mm"), 0),
            (("profiles", 0, "volume_cm3"), []),
            (("profiles", 0, "volume_cm3", 0), -1),
            (("measurements", 0, "value"), "many"),
            (("measurements",), None),
            (("objects", "report", "sop_instance_uid"), "../../etc"),
        ],
    )
    def test_that_does_not_hold_together_is_refused(
        self, written: WrittenObjects, tmp_path: Path, path: tuple[str | int, ...], value: object
    ) -> None:
        document = holder = json.loads(written.summary_path.read_text())
        for part in path[:-1]:
            holder = holder[part]
        holder[path[-1]] = value
        (tmp_path / "result.json").write_text(json.dumps(document))
        with pytest.raises(Refused, match="prior_unreadable") as caught:
            read_summary(tmp_path / "result.json")
        assert "script" not in str(caught.value)

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
    def test_with_numbers_that_are_none_is_refused(
        self, written: WrittenObjects, tmp_path: Path, number: str
    ) -> None:
        text = written.summary_path.read_text()
        assert "123.25" in text
        (tmp_path / "result.json").write_text(text.replace("123.25", number))
        with pytest.raises(Refused):
            read_summary(tmp_path / "result.json")

    def test_of_unknown_structures_gives_only_the_known(
        self, written: WrittenObjects, tmp_path: Path
    ) -> None:
        text = written.summary_path.read_text().replace('"anterior_thigh_muscles"', '"third leg"')
        (tmp_path / "result.json").write_text(text)
        values = read_summary(tmp_path / "result.json").values
        assert values["volume", LEFT] == 123.25
        assert ("volume", GROUP) not in values


class TestReport:
    def test_gives_back_values_of_whole_structures(self, written: WrittenObjects) -> None:
        found = read_report(written.report_path, MODEL)
        assert found.values == {
            ("volume", LEFT): 123.25,
            ("fat_fraction", LEFT): 7.5,
            ("lean_volume", LEFT): 114.0,
            ("volume", GROUP): 1000.5,
        }
        assert found.study_date == STUDIED
        assert found.software_version == "0.1.0"
        report = written.report
        assert found.report_uids == (
            report.series_instance_uid, report.sop_class_uid, report.sop_instance_uid
        )  # fmt: skip

    def test_names_the_model_and_knows_ours_again(self, written: WrittenObjects) -> None:
        assert read_report(written.report_path, MODEL).model == MODEL
        other = replace(MODEL, weights_sha256="cd" * 32)
        assert read_report(written.report_path, other).model == ModelIdentity("thigh-muscle", "1.0")

    def test_of_hip_tissue_has_no_sides_to_compare(self, case: Case) -> None:
        assert read_report(case.folder / "sr.dcm", MODEL).values == {}

    @pytest.mark.parametrize(
        "change",
        [
            {"Manufacturer": "Another"},
            {"StudyDate": ""},
            {"StudyDate": "2024-13-77"},
            {"SoftwareVersions": "1.0"},
            {"ManufacturerModelName": "[bold]" * 20},
            {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"},
            {"ContentTemplateSequence": []},
        ],
    )
    @pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning")
    def test_that_is_not_ours_or_broken_is_refused(
        self, written: WrittenObjects, tmp_path: Path, change: dict[str, Any]
    ) -> None:
        dataset = dcmread(written.report_path)
        for keyword, value in change.items():
            setattr(dataset, keyword, value)
        dataset.save_as(tmp_path / "sr.dcm")
        with pytest.raises(Refused, match="prior_unreadable"):
            read_report(tmp_path / "sr.dcm", MODEL)

    def test_never_takes_a_volume_in_another_unit(self, written: WrittenObjects, tmp_path: Path) -> None:
        content = written.report_path.read_bytes()
        assert b"cm3 " in content
        (tmp_path / "sr.dcm").write_bytes(content.replace(b"cm3 ", b"mm3 "))
        assert ("volume", LEFT) not in read_report(tmp_path / "sr.dcm", MODEL).values

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(damage=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8))
    def test_damaged_anywhere_is_read_or_refused(
        self, written: WrittenObjects, tmp_path: Path, damage: list[tuple[int, int]]
    ) -> None:
        content = bytearray(written.report_path.read_bytes())
        for place, value in damage:
            content[132 + place % (len(content) - 132)] = value
        (tmp_path / "sr.dcm").write_bytes(content)
        try:
            found = read_report(tmp_path / "sr.dcm", MODEL)
        except Refused:
            return
        assert all(value is not None and value >= 0 for value in found.values.values())

    @pytest.mark.parametrize("content", [b"", b"not DICOM", bytes(128) + b"DICM" + bytes(50)])
    def test_that_is_no_dicom_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "sr.dcm").write_bytes(content)
        with pytest.raises(Refused):
            read_report(tmp_path / "sr.dcm", MODEL)


class TestFolder:
    def test_of_a_result_is_read_from_its_summary(self, written: WrittenObjects) -> None:
        assert read_earlier(written.summary_path.parent, MODEL).profiles

    def test_of_reports_gives_the_newest(self, written: WrittenObjects, tmp_path: Path) -> None:
        for name, day in (("a", "20230105"), ("b", "20231224")):
            dataset = dcmread(written.report_path)
            dataset.StudyDate = day
            dataset.save_as(tmp_path / name)
        (tmp_path / "notes.txt").write_text("none")
        assert read_earlier(tmp_path, MODEL).study_date == date(2023, 12, 24)
        assert read_earlier(tmp_path / "a", MODEL).study_date == date(2023, 1, 5)

    def test_without_anything_of_ours_is_refused(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "gone"):
            with pytest.raises(Refused, match="earlier result cannot be used"):
                read_earlier(path, MODEL)
