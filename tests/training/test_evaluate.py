"""A network is judged on every case, and what is written says the same as what is shown."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from inference.bundle import load_bundle
from inference.engines import REFERENCE
from inference.tissue_network import NetworkLabels, TissueNetwork
from inference.tissue_protocol import Tissue
from tests.inference.bundles import write_bundle
from training import evaluation_files
from training.cases import Case, write_case
from training.cli import add_commands
from training.evaluate import JudgedCase, judge
from training.evaluation_files import read_scores, write_evaluation

QUIET = Console(file=io.StringIO())

app = typer.Typer()
add_commands(app)


def case(subject: str, name: str, *tissues: Tissue) -> Case:
    """Stripes of tissue, and in the image their values, so that a network can read them off."""
    labels = np.zeros((2, 16, 12), np.uint8)
    for tissue in tissues:
        labels[:, 2 * tissue - 2 : 2 * tissue, 2:10] = tissue
    return Case(subject, name, labels.astype(np.int16), labels, (3.0, 0.5, 0.8))


def knows_all(hu: NDArray[np.int16], pixel_mm: tuple[float, float]) -> NetworkLabels:
    assert pixel_mm == (0.5, 0.8)
    return NetworkLabels(hu.astype(np.uint8), dict.fromkeys(Tissue, 0.875))


def knows_no_muscle(hu: NDArray[np.int16], pixel_mm: tuple[float, float]) -> NetworkLabels:
    return NetworkLabels(np.where(hu == Tissue.MUSCLE, 0, hu).astype(np.uint8), {Tissue.CORTICAL_BONE: 0.6})


def by_tissue(judged: JudgedCase) -> dict[Tissue, float]:
    return {score.tissue: score.dsc for score in judged.scores}


def test_every_case_is_judged_in_every_tissue() -> None:
    cases = [case("a", "1", *Tissue), case("a", "2", *Tissue), case("b", "1", *Tissue)]
    found = judge(knows_no_muscle, cases, QUIET)
    assert [(each.subject, each.name) for each in found] == [("a", "1"), ("a", "2"), ("b", "1")]
    for each in found:
        assert by_tissue(each) == {tissue: float(tissue != Tissue.MUSCLE) for tissue in Tissue}


def judged_cases() -> list[JudgedCase]:
    without_marrow = [tissue for tissue in Tissue if tissue != Tissue.MARROW_ADIPOSE_TISSUE]
    cases = [case("a", "1", *Tissue), case("b", "1", *without_marrow)]
    return [*judge(knows_all, cases[:1], QUIET), *judge(knows_no_muscle, cases[1:], QUIET)]


def test_scores_have_a_row_per_case_and_tissue_and_come_back(tmp_path: Path) -> None:
    judged = judged_cases()
    write_evaluation(tmp_path, judged, {})
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(Tissue)
    nowhere = next(row for row in rows if (row["subject"], row["tissue"]) == ("b", "marrow_adipose_tissue"))
    assert (nowhere["dsc"], nowhere["assd_mm"], nowhere["specificity"]) == ("", "", "1")
    missed = next(row for row in rows if (row["subject"], row["tissue"]) == ("b", "muscle"))
    assert (missed["dsc"], missed["assd_mm"], missed["missed_slices"]) == ("0", "", "2")
    # nan is not equal to itself
    assert str(read_scores(tmp_path / "metrics.csv")) == str(judged)


def test_scores_are_written_last_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("no space left")

    for place in ("judge_gate", "_rows"):
        with monkeypatch.context() as patched:
            patched.setattr(evaluation_files, place, fails)
            with pytest.raises(OSError, match="no space left"):
                write_evaluation(tmp_path, judged_cases(), {})
        assert not (tmp_path / "metrics.csv").exists()


def test_the_summary_is_of_what_could_be_measured(tmp_path: Path) -> None:
    write_evaluation(tmp_path, judged_cases(), {"name": "n", "version": "1"})
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["about"] == {
        "name": "n",
        "version": "1",
        "cases": 2,
        "use": "Research use only - not for diagnosis",
    }
    muscle, marrow = summary["tissues"]["muscle"], summary["tissues"]["marrow_adipose_tissue"]
    assert muscle["dsc"] == {"mean": 0.5, "sd": pytest.approx(math.sqrt(0.5)), "cases": 2}
    assert muscle["assd_mm"] == {"mean": 0.0, "sd": None, "cases": 1}
    assert (muscle["missed_slices"], marrow["missed_slices"]) == (2, 0)
    assert marrow["dsc"] == {"mean": 1.0, "sd": None, "cases": 1}
    assert summary["mean_over_tissues"]["dsc"] == pytest.approx((6 + 0.5) / 7)


def test_there_is_a_picture_also_of_tissues_without_a_value(tmp_path: Path) -> None:
    write_evaluation(tmp_path, judge(knows_all, [case("a", "1", Tissue.MUSCLE)], QUIET), {})
    with Image.open(tmp_path / "dsc.png") as picture:
        assert min(picture.size) > 500
        assert len(picture.convert("L").getcolors() or []) > 1


def test_the_command_judges_a_bundle_as_the_product_labels(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    one = case("a", "1", *Tissue)
    write_case(tmp_path / "cases", one)
    done = CliRunner().invoke(
        app, ["evaluate", str(bundle), "--cases", str(tmp_path / "cases"), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 0, done.output
    assert "Mean of tissues" in done.output
    found = TissueNetwork(load_bundle(bundle), REFERENCE).label(one.hu, one.pixel_mm)
    (expected,) = judge(lambda hu, pixel_mm: found, [one], QUIET)
    (written,) = read_scores(tmp_path / "out" / "metrics.csv")
    assert by_tissue(written) == pytest.approx(by_tissue(expected), abs=0.02)  # bfloat16 may be at work
    about = json.loads((tmp_path / "out" / "summary.json").read_text())["about"]
    assert about["weights_sha256"] == load_bundle(bundle).weights_sha256


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--cases", str(tmp_path)])
    assert done.exit_code == 1
    assert "metadata.json cannot be read" in done.stderr.replace("\n", "")
    assert "Traceback" not in done.output
    done = CliRunner().invoke(
        app, ["evaluate", str(write_bundle(tmp_path / "bundle")), "--cases", str(tmp_path / "none")]
    )
    assert done.exit_code == 1
    assert "holds no cases" in done.stderr.replace("\n", "")
