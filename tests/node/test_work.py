"""What a worker makes of a prior and of the clinical table, on images whose volumes are known."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference import pipelines
from inference.result import Measurement, ModelIdentity, Provenance, Result, Segment, Side
from inference.volume import SeriesLayout
from node import work
from node.priors import make_secret
from tests.series import Grid, write_series

GRID = Grid(spacing_mm=(5.0, 2.0, 2.0))
VOXEL_CM3 = 0.02
OLD, NEW = ModelIdentity("threshold", "1"), ModelIdentity("threshold", "2")


@dataclass(frozen=True)
class Threshold:
    """A pipeline whose left sartorius is everything above a number of HU."""

    model: ModelIdentity
    above_hu: int
    name: str = "threshold"

    def __call__(self, layout: SeriesLayout, route: str) -> Result:
        image = layout.read_volume()
        labels = np.where(image.array > self.above_hu, 1, 0).astype(np.uint8)
        volume_cm3 = float((labels == 1).sum() * image.voxel_volume / 1000)
        return Result(
            frames=layout.frames,
            image=image,
            labels=image.with_array(labels),
            segments=(Segment(1, "sartorius", Side.LEFT),),
            measurements=(
                Measurement("volume", volume_cm3, "cm3", 1),
                Measurement("volume_per_height2", None, "cm3/m2", 1, absent_reason="No height."),
            ),
            quality=(),
            provenance=Provenance(
                route, self.model, "1.0", {}, tuple(str(f.dataset.SOPInstanceUID) for f in layout.frames)
            ),
            reference_frame=2,
        )


def scan(folder: Path, day: str, rows: int) -> list[Path]:
    """A box of 5 x ``rows`` x 10 voxels of 60 HU in one of 5 x 30 x 20 voxels of 20 HU, in air."""
    hu = np.full((5, 40, 40), -1000, np.int16)
    hu[:, 5:35, 10:30] = 20
    hu[:, 5 : 5 + rows, 10:20] = 60
    return write_series(folder, hu, GRID, attributes={"StudyDate": day, "PatientSize": None})


def measured(
    folder: Path,
    files: Sequence[Path],
    pipeline: Threshold,
    monkeypatch: pytest.MonkeyPatch,
    prior: work.Prior | None = None,
    clinical: Path | None = None,
) -> dict[str, Any]:
    """The result.json of a measurement."""
    monkeypatch.setattr(pipelines, "load_pipeline", lambda *_: pipeline)
    folder.mkdir()
    request = work.MeasureRequest(files, "thigh-muscle", "threshold", None, "BINARY", None, prior, clinical)
    work.measure(request, folder)
    summary: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return summary


def values(summary: dict[str, Any]) -> dict[str, float | None]:
    return {row["name"]: row["value"] for row in summary["measurements"]}


def flags(summary: dict[str, Any]) -> dict[str, str]:
    return {flag["code"]: flag["text"] for flag in summary["quality"]}


def test_a_prior_is_compared_and_measured_again_when_the_model_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scan(tmp_path / "ct1", "20240110", rows=20)
    after = scan(tmp_path / "ct2", "20240311", rows=15)
    by_old, by_new = Threshold(OLD, above_hu=0), Threshold(NEW, above_hu=40)
    measured(tmp_path / "r1", before, by_old, monkeypatch)

    again = measured(tmp_path / "r2", after, by_new, monkeypatch, work.Prior(tmp_path / "r1", before))
    assert values(again)["prior_volume"] == pytest.approx(5 * 20 * 10 * VOXEL_CM3)
    assert values(again)["volume_change"] == pytest.approx(-5 * 5 * 10 * VOXEL_CM3)
    assert values(again)["disparity_ratio"] == pytest.approx(25)
    assert (again["prior"]["remeasured"], again["prior"]["model"]["version"]) == (True, "2")
    first = json.loads((tmp_path / "r1" / "result.json").read_text(encoding="utf-8"))
    assert again["prior"]["report"] == first["objects"]["report"]
    assert not flags(again)

    for path in before:
        path.unlink()
    gone = measured(tmp_path / "r3", after, by_new, monkeypatch, work.Prior(tmp_path / "r1", before))
    assert values(gone)["prior_volume"] == pytest.approx(5 * 30 * 20 * VOXEL_CM3)
    assert "threshold 1, this one by threshold 2" in flags(gone)["prior_of_other_model"]
    assert gone["prior"]["remeasured"] is False

    report = tmp_path / "r2" / "sr.dcm"
    later = scan(tmp_path / "ct3", "20240601", rows=12)
    by_report = measured(tmp_path / "r4", later, by_new, monkeypatch, work.Prior(report))
    assert values(by_report)["volume_change"] == pytest.approx(-5 * 3 * 10 * VOXEL_CM3)
    assert not flags(by_report)

    lost = measured(tmp_path / "r5", after, by_new, monkeypatch, work.Prior(tmp_path / "nothing"))
    assert "cannot be used" in flags(lost)["prior_not_compared"]
    assert lost["prior"] is None


def test_the_clinical_table_gives_fracture_and_height(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = scan(tmp_path / "ct", "20240110", rows=20)
    table = tmp_path / "clinic.csv"
    table.write_text("patient_id,fracture_type,surgery_date,height_m\nSYNTHETIC-1,FNF,2024-01-08,2.0\n")
    pipeline = Threshold(NEW, above_hu=40)
    found = measured(tmp_path / "r1", files, pipeline, monkeypatch, clinical=table)
    assert values(found)["volume_per_height2"] == pytest.approx(5 * 20 * 10 * VOXEL_CM3 / 4)
    assert "this scan 2 days after it" in flags(found)["fracture"]

    table.write_text("patient_id,height_m\nSYNTHETIC-1,200\n")
    spoilt = measured(tmp_path / "r2", files, pipeline, monkeypatch, clinical=table)
    assert values(spoilt)["volume_per_height2"] is None
    told = flags(spoilt)["clinical_table_unusable"]
    assert "coxa check" in told
    assert str(table) not in told


def test_an_examination_tells_the_patient_by_a_key_only(tmp_path: Path) -> None:
    files = scan(tmp_path / "ct", "20240110", rows=20)
    secret = tmp_path / "secret"
    make_secret(secret)
    found = work.examine_study({"1.2": files}, ["Modality", "PatientID"], secret)
    (facts,) = found.facts
    assert facts.header == {"Modality": "CT", "PatientID": "SYNTHETIC-1"}
    assert found.patient is not None
    assert found.patient.studied_at == "20240110030405"
    assert "SYNTHETIC" not in found.patient.patient_key


def test_series_that_disagree_on_the_patient_are_nobodys(tmp_path: Path) -> None:
    first = scan(tmp_path / "a", "20240110", rows=20)
    second = write_series(tmp_path / "b", np.zeros((2, 8, 8), np.int16), attributes={"PatientID": "ANOTHER"})
    secret = tmp_path / "secret"
    make_secret(secret)
    examined = work.examine_study({"1.2": first, "1.3": second}, [], secret)
    assert examined.patient is None
    assert [facts.header for facts in examined.facts] == [{}, {}]
