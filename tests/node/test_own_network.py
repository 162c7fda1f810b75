"""A route with a network of the hospital's own: measured by it, and checked before the first patient."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from deploy.demo.schematic_hip import make_schematic_hip
from node import work
from node.cli import FAILED, app
from tests.conftest import REPOSITORY
from tests.inference.bundles import write_bundle
from tests.series import Grid, write_series


def with_bundle(folder: Path, bundle: Path) -> Path:
    route, *_ = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))["routes"]
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({"routes": [route | {"bundle": str(bundle)}]}), encoding="utf-8")
    return config


def test_check_names_it(tmp_path: Path) -> None:
    config = with_bundle(tmp_path, write_bundle(tmp_path / "own"))
    checked = CliRunner().invoke(app, ["check", "--config", str(config)])
    assert checked.exit_code == 0
    assert "untrained 0.0.1" in checked.output


def test_check_refuses_one_that_is_not_there(tmp_path: Path) -> None:
    checked = CliRunner().invoke(app, ["check", "--config", str(with_bundle(tmp_path, tmp_path / "own"))])
    assert checked.exit_code == FAILED
    assert "cannot be read" in checked.output


@pytest.mark.slow
def test_results_are_its_own(tmp_path: Path) -> None:
    spacing_mm = (3.0, 1.8, 1.8)
    hip = make_schematic_hip(matrix=256, spacing_mm=spacing_mm)
    files = write_series(tmp_path / "ct", hip.hu, Grid(spacing_mm=spacing_mm, origin_mm=(0.0, 0.0, 0.0)))
    bundle = write_bundle(tmp_path / "own")
    request = work.MeasureRequest(files, "hip-tissue", "hip-tissue", bundle, "BINARY")
    (tmp_path / "result").mkdir()
    work.measure(request, tmp_path / "result")
    model = json.loads((tmp_path / "result" / "result.json").read_text())["provenance"]["model"]
    assert (model["name"], model["version"]) == ("untrained", "0.0.1")
