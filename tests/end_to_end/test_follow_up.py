"""One synthetic patient, scanned twice: the second report says what changed, and it is what did change.

Anatomy comes from the label maps that lie beside the repository.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
import torch
from pydicom import Dataset

from inference.muscles import ThighStructure
from inference.result import Side
from tests.conftest import REPOSITORY
from tests.end_to_end.conftest import NodeFactory
from tests.end_to_end.running import RunningNode, default_routes, storescu, until
from tests.orthanc import Orthanc
from tests.series import Grid, write_series
from tests.training.synthesis.plain import plain_variation
from training.synthesis.muscle_series import MuscleSeries, scan
from training.synthesis.muscle_truth import TRUTHS
from training.synthesis.patient import draw_patient
from training.synthesis.people import load_people
from training.synthesis.structures import Anatomy

pytestmark = [pytest.mark.slow, pytest.mark.real_ct]

PERSON = "pelvic_reference_004"
WASTED_MM = 1.5
"""At each surface of each muscle, between the two scans."""

WHOLE = (ThighStructure.GLUTEUS_MAXIMUS, ThighStructure.GLUTEUS_MEDIUS)
"""Large, and well inside what the person's map covers."""

MATRIX = 320
BEFORE, AFTER, DAYS = "20250103", "20250307", 63


@dataclass(frozen=True)
class Scans:
    """The same patient twice."""

    before: list[Path]
    after: list[Path]
    truth_cm3: dict[str, dict[tuple[str, Side], float]]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Scans:
    maps = REPOSITORY.parent / "shared" / "data" / "anatomy"
    if not maps.is_dir():
        pytest.skip("no label maps beside the repository")
    folder = tmp_path_factory.mktemp("scans")
    alone = folder / "anatomy"
    alone.mkdir()
    for path in (*maps.glob(f"{PERSON}*"), maps / "pelvic_reference.json"):
        (alone / path.name).symlink_to(path)
    (person,) = load_people(alone, None)
    variation = plain_variation(
        muscle={"hu": (52, 52), "infiltration": (0.05, 0.05)},
        scanner={"noise_hu": (8, 8), "thickness_mm": (4, 4), "kernel_fwhm_mm": (1.2, 1.2)},
    )
    random = torch.Generator().manual_seed(4)
    patient = draw_patient(Anatomy(person, torch.device("cpu")), variation, random)
    wasted = replace(patient, flesh=replace(patient.flesh, growth_mm=patient.flesh.growth_mm - WASTED_MM))
    series = [scan(one, variation, random, MATRIX) for one in (patient, wasted)]
    files = [
        write_series(folder / date, one.hu.numpy(), Grid(spacing_mm=one.spacing_mm), attributes=header(date))
        for one, date in zip(series, (BEFORE, AFTER), strict=True)
    ]
    truth = {date: volumes_cm3(one) for one, date in zip(series, (BEFORE, AFTER), strict=True)}
    return Scans(files[0], files[1], truth)


def header(date: str) -> dict[str, object]:
    return {
        "PatientID": "TWICE",
        "PatientBirthDate": "19500101",
        "PatientAge": "075Y",
        "PatientSize": "1.75",
        "StudyDate": date,
        "StudyTime": "101500",
        "FrameOfReferenceUID": hd.UID(),
    }


def volumes_cm3(series: MuscleSeries) -> dict[tuple[str, Side], float]:
    """Of the truth; columns run from right to left."""
    voxel_cm3 = float(np.prod(series.spacing_mm)) / 1000
    middle = series.labels.shape[2] // 2
    halves = {Side.RIGHT: series.labels[:, :, :middle], Side.LEFT: series.labels[:, :, middle:]}
    return {
        (muscle.name.lower(), side): float((half == TRUTHS.index(frozenset({muscle}))).sum()) * voxel_cm3
        for muscle in WHOLE
        for side, half in halves.items()
    }


@pytest.fixture
def node(make_node: NodeFactory, pacs: Orthanc) -> RunningNode:
    running = make_node(pacs, routes=default_routes("thigh-muscle"))
    running.start()
    return running


def reports(pacs: Orthanc) -> dict[str, Dataset]:
    return {str(report.StudyDate): report for report in pacs.instances("SR")}


def figures(report: Dataset) -> dict[tuple[str, str, str], float]:
    """By finding, side and concept name, as any reader of TID 1500 finds them."""
    content = hd.sr.Comprehensive3DSR.from_dataset(report).content
    found: dict[tuple[str, str, str], float] = {}
    for group in content.get_volumetric_roi_measurement_groups():
        (site,) = group.finding_sites
        laterality = site.laterality.meaning.lower() if site.laterality else ""
        for measurement in group.get_measurements():
            name = str(measurement.name.meaning)
            found[group.finding_type.meaning.lower(), laterality, name] = measurement.value
    return found


def test_the_second_report_says_what_has_changed(scans: Scans, node: RunningNode, pacs: Orthanc) -> None:
    storescu(node, *scans.before)
    until(lambda: BEFORE in reports(pacs), f"the first report; {node.studies()}", 240)
    storescu(node, *scans.after)
    until(lambda: AFTER in reports(pacs), f"the second report; {node.studies()}", 240)
    result = second_result(node)
    assert result["prior"]["study_date"] == "2025-01-03"
    assert result["prior"]["interval_days"] == DAYS
    rows = {(row["tissue"], row["side"], row["name"]): row["value"] for row in result["measurements"]}
    for (muscle, side), before_cm3 in scans.truth_cm3[BEFORE].items():
        change_cm3 = scans.truth_cm3[AFTER][muscle, side] - before_cm3
        assert change_cm3 < -0.03 * before_cm3
        assert rows[muscle, side, "volume_change"] == pytest.approx(change_cm3, abs=0.03 * before_cm3)
        assert rows[muscle, side, "disparity_ratio"] == pytest.approx(-100 * change_cm3 / before_cm3, abs=3)
    assert figures(reports(pacs)[AFTER])


def second_result(node: RunningNode) -> dict[str, Any]:
    for path in (node.settings.results_folder).glob("*/result.json"):
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if result["prior"]:
            return result
    raise AssertionError("No result has a prior.")
