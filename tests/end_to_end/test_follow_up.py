"""One patient, sent twice: the second report says what changed since the first."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from tests.end_to_end.conftest import NodeFactory
from tests.end_to_end.running import RunningNode, default_routes, storescu, until
from tests.orthanc import Orthanc

pytestmark = [pytest.mark.slow, pytest.mark.real_ct]

BEFORE, AFTER, DAYS = "20250103", "20250307", 63


def dated(folder: Path, date: str, to: Path) -> list[Path]:
    """The images of a real hip as if they had been made on this day."""
    to.mkdir()
    uids: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        dataset = dcmread(path)
        dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSize = "TWICE", "19500101", "1.75"
        dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = date
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            element = dataset[keyword]
            element.value = uids.setdefault(element.value, generate_uid(entropy_srcs=[element.value, date]))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(to / path.name)
    return sorted(to.iterdir())


def reports(pacs: Orthanc) -> dict[str, Dataset]:
    return {str(report.StudyDate): report for report in pacs.instances("SR")}


def results(node: RunningNode) -> list[dict[str, Any]]:
    """All result.json, the one with a prior last."""
    found = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in node.settings.results_folder.glob("*/result.json")
    ]
    return sorted(found, key=lambda result: result["prior"] is not None)


def values(result: dict[str, Any], quantity: str) -> dict[tuple[str, str], float]:
    return {
        (row["tissue"], row["side"]): row["value"]
        for row in result["measurements"]
        if row["name"] == quantity and row["value"] is not None and row["extent"] == "all slices"
    }


def test_the_second_report_says_what_has_changed(
    make_node: NodeFactory, pacs: Orthanc, real_ct: Path, tmp_path: Path
) -> None:
    """The same images again: every muscle that is compared has what it had."""
    hip = real_ct / "hip_siemens_l4_to_midthigh"
    node = make_node(pacs, routes=default_routes("thigh-muscle"))
    node.start()
    storescu(node, *dated(hip, BEFORE, tmp_path / "before"))
    until(lambda: BEFORE in reports(pacs), f"the first report; {node.studies()}", 200)
    storescu(node, *dated(hip, AFTER, tmp_path / "after"))
    until(lambda: AFTER in reports(pacs), f"the second report; {node.studies()}", 200)
    first, second = results(node)
    assert first["prior"] is None
    assert second["prior"]["study_date"] == "2025-01-03"
    assert second["prior"]["interval_days"] == DAYS
    assert second["prior"]["report"]["sop_instance_uid"] == reports(pacs)[BEFORE].SOPInstanceUID
    changes = values(second, "volume_change")
    assert ("gluteus_maximus", "left") in changes
    # Profiles are kept to a tenth of a cubic millimetre.
    assert max(map(abs, changes.values())) < 0.01
    assert not values(first, "volume_change")
    assert values(first, "volume") == values(second, "volume")
    assert "Comparison with Prior Study Done" in str(reports(pacs)[AFTER])
