"""A thigh-muscle network is judged on whole series, and by folds; what is written says what is shown."""

import csv
import json
import math
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from inference.muscles import ThighStructure
from tests.training.synthesis.plain import plain_variation
from tests.training.tiny_muscles import boxes, muscular_person, tiny_muscles
from training import muscle_domains
from training.cli import add_commands
from training.cross_validate import cross_validate_muscles
from training.experiments import muscle_laboratory
from training.muscle_cases import MuscleCases, Spacing, write_muscle_case
from training.muscle_config import MuscleTraining
from training.muscle_domains import SyntheticVolumes
from training.muscle_evaluation import judge_volumes, read_volume_scores, write_volume_scores
from training.muscle_summary import JudgedVolume, mean_correlation, over_muscles, over_volumes
from training.synthesis import muscle_series
from training.tasks import AnyTraining
from training.train import train

QUIET = Console(quiet=True)
ABOUT = {"name": "n", "version": "1"}

app = typer.Typer()
add_commands(app)


def knows_all(hu: NDArray[np.int16], spacing_mm: Spacing) -> NDArray[np.uint8]:
    """Labels boxes by their HU."""
    labels = np.zeros(hu.shape, np.uint8)
    for value, structure in (
        (20, ThighStructure.SARTORIUS),
        (700, ThighStructure.FEMUR),
        (120, ThighStructure.GRACILIS),
    ):
        labels[hu == value] = structure
    return labels


def misses_a_row(hu: NDArray[np.int16], spacing_mm: Spacing) -> NDArray[np.uint8]:
    """The last of the sartorius' eight rows, and all of the gracilis."""
    labels = knows_all(hu, spacing_mm)
    labels[labels == ThighStructure.GRACILIS] = 0
    labels[:, np.flatnonzero((labels == ThighStructure.SARTORIUS).any(axis=(0, 2)))[-1]] = 0
    return labels


def judged() -> list[JudgedVolume]:
    return [
        *judge_volumes(knows_all, MuscleCases([partial(boxes, "a")]), QUIET),
        *judge_volumes(misses_a_row, MuscleCases([partial(boxes, "b", "1", 2)]), QUIET),
    ]


def test_every_case_is_judged_and_scores_come_back(tmp_path: Path) -> None:
    found = judged()
    write_volume_scores(tmp_path, found, ABOUT)
    for read, written in zip(read_volume_scores(tmp_path / "metrics.csv"), found, strict=True):
        assert (read.subject, read.name) == (written.subject, written.name)
        for one, other in zip(read.scores, written.scores, strict=True):
            assert asdict(one) == pytest.approx(asdict(other), rel=1e-5, nan_ok=True)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = {(row["subject"], row["structure"]): row for row in csv.DictReader(file)}
    assert rows["a", "sartorius"]["dsc"] == "1"
    assert float(rows["b", "sartorius"]["dsc"]) == pytest.approx(2 * 7 / 15, abs=1e-6)
    assert rows["b", "sartorius"]["ravd"] == "0.125"
    assert rows["b", "sartorius"]["true_volume_cm3"] == "8.192"
    assert (rows["b", "gracilis"]["dsc"], rows["b", "gracilis"]["assd_mm"]) == ("0", "")
    with Image.open(tmp_path / "muscles.png") as picture:
        assert min(picture.size) > 500


def test_means_are_of_muscles_without_bones(tmp_path: Path) -> None:
    write_volume_scores(tmp_path, judged(), ABOUT)
    summary = json.loads((tmp_path / "summary.json").read_text())
    sartorius = (1 + 2 * 7 / 15) / 2
    assert summary["structures"]["sartorius"]["dsc"]["mean"] == pytest.approx(sartorius)
    assert summary["mean_over_muscles"]["dsc"] == pytest.approx((sartorius + 0.5) / 2)
    assert summary["mean_over_muscles"]["ravd"] == pytest.approx((0.125 / 2 + 0.5) / 2)
    assert summary["about"]["use"] == "Research use only - not for diagnosis"


def test_the_table_stands_beside_the_papers_figures(tmp_path: Path) -> None:
    write_volume_scores(tmp_path, judged(), ABOUT)
    lines = (tmp_path / "muscles.md").read_text().splitlines()
    assert "| Structure | DSC | ASSD (mm) | RAVD | Volume r | Cases |" in lines
    assert "| gracilis | 0.500 ± 0.707 | 0.00 | 0.500 ± 0.707 | - | 2 |" in lines
    assert "| Paper, all muscles | 0.840 | 1.42 | 0.019 ± 0.017 | - |  |" in lines


def test_volumes_correlate_over_cases() -> None:
    cases = []
    for number, (volume, found) in enumerate([(1, 2.0), (2, 4.0), (3, 7.0)]):
        case = judged()[0]
        scores = [
            type(score)(score.label, score.dsc, score.assd_mm, found, float(volume)) for score in case.scores
        ]
        cases.append(JudgedVolume("a", str(number), tuple(scores)))
    summary = over_volumes(cases)
    expected = np.corrcoef([1, 2, 3], [2, 4, 7])[0, 1]
    assert summary[ThighStructure.GRACILIS].correlation == pytest.approx(expected)
    assert mean_correlation(summary) == pytest.approx(expected)
    assert over_muscles(summary, "ravd").mean == pytest.approx((1 + 1 + 4 / 3) / 3)
    assert math.isnan(mean_correlation(over_volumes(cases[:2])))


def fold_config(tmp_path: Path) -> MuscleTraining:
    for subject in ("a", "b", "c"):
        write_muscle_case(tmp_path / "cases", boxes(subject))
    data = {"kind": "cases", "cases": tmp_path / "cases", "blocks_per_epoch": 1}
    return tiny_muscles(tmp_path / "out", data=data, validation=None, length={"steps": 1})


def test_every_person_is_tested_by_a_network_that_does_not_know_them(tmp_path: Path) -> None:
    config = fold_config(tmp_path)
    trained: list[AnyTraining] = []

    def fake_train(of_fold: AnyTraining, console: Console) -> Path:
        trained.append(of_fold)
        return of_fold.output / "bundle"

    laboratory = muscle_laboratory(fake_train, lambda bundle: misses_a_row)
    cross_validate_muscles(config, 3, 1, laboratory, QUIET)
    assert sorted(fold.data.leave_out for fold in trained) == [("a",), ("b",), ("c",)]
    for fold in trained:
        scores = read_volume_scores(fold.output.parent / "test" / "metrics.csv")
        assert tuple(case.subject for case in scores) == fold.data.leave_out
    assert "| gracilis | 0.000 ± 0.000 |" in (tmp_path / "out" / "muscles.md").read_text()

    cross_validate_muscles(config, 3, 1, laboratory, QUIET)
    assert len(trained) == 3


def test_the_command_judges_a_bundle_as_the_product_labels(tmp_path: Path) -> None:
    bundle = train(fold_config(tmp_path), QUIET)
    done = CliRunner().invoke(
        app, ["evaluate", str(bundle), "--cases", str(tmp_path / "cases"), "--out", str(tmp_path / "judged")]
    )
    assert done.exit_code == 0, done.output
    assert "Mean of muscles" in done.output
    found = read_volume_scores(tmp_path / "judged" / "metrics.csv")
    assert [case.subject for case in found] == ["a", "b", "c"]
    assert len(found[0].scores) == 3


def test_the_command_asks_for_cases(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path)])
    assert done.exit_code == 2
    assert "either --cases or --synthetic" in done.stderr


def test_synthetic_people_are_scanned_whole_and_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(muscle_series.draw_series, matrix=16)
    monkeypatch.setattr(muscle_domains, "draw_series", small)
    variation = plain_variation(scanner={"thickness_mm": (80, 80)})
    domain = SyntheticVolumes({"p": muscular_person("p")}, variation, seed=1, cases_per_person=2)
    cases = domain.cases(["p"])
    assert len(cases) == 2
    first, second = cases
    assert (first.subject, first.name, second.name) == ("p", "synthetic-001", "synthetic-002")
    assert first.hu.shape == first.labels.shape
    assert first.hu.dtype == np.int16
    assert ThighStructure.SARTORIUS in first.labels
    assert not np.array_equal(first.hu, second.hu)
    np.testing.assert_array_equal(next(iter(cases)).hu, first.hu)
