"""The product's finder against a hip whose neck is known, and how its errors are told."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from rich.console import Console
from rich.table import Table

from deploy.demo.schematic_hip import make_schematic_hip
from inference.result import Side
from tests.training.tiny import tiny_config
from training import reference_slices
from training.errors import TrainingError
from training.reference_slices import Found, look
from training.synthesis.generator import SyntheticSeries
from training.synthesis.patient import Patient

NOBODY = cast(Patient, SimpleNamespace())


@pytest.fixture(scope="module")
def series() -> SyntheticSeries:
    hip = make_schematic_hip()
    spacing_mm = (3.0, 0.9, 0.9)
    true_mm = hip.neck_centres_mm[Side.LEFT][2] - hip.affine[2, 3]
    hu = torch.from_numpy(hip.hu)
    return SyntheticSeries(hu, torch.zeros(1), spacing_mm, "schematic", true_mm / spacing_mm[0], NOBODY)


@pytest.mark.slow
def test_a_known_neck_is_found(series: SyntheticSeries) -> None:
    found = look(series)
    assert found.refused is None
    assert abs(found.off_slices) <= 1.5
    assert found.off_mm == pytest.approx(3.0 * found.off_slices)
    shifted = look(replace(series, reference_index=series.reference_index - 4))
    assert shifted.off_slices == pytest.approx(found.off_slices + 4)


def test_a_series_without_hips_is_refused(series: SyntheticSeries) -> None:
    assert look(replace(series, hu=torch.full((9, 40, 50), -1000, dtype=torch.int16))).refused


def test_unknown_people_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_slices, "load_people", lambda folder, cache: [SimpleNamespace(name="a")])
    data = {"kind": "synthetic", "anatomy": tmp_path, "slices_per_epoch": 8, "people": ("d",)}
    config = tiny_config(tmp_path / "run", data=data, validation=None)
    with pytest.raises(TrainingError, match=r"no d to use as data\.people; .* has a"):
        reference_slices.judge_reference_slices(config, 1, None, Console(file=io.StringIO()))


def shown(table: Table) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    return cast(Any, console.file).getvalue()


def test_errors_are_told_as_a_distribution() -> None:
    found = [Found(0.2, 0.6), Found(-1.0, -3.0), Found(2.0, 6.0), Found(float("nan"), float("nan"), "why")]
    text = shown(reference_slices._table(found))
    assert "refused: why" in text
    assert "2 of 3" in text
    assert "3.00, 5.40, 6.00" in text
