"""``coxa train``: its exit codes and what it says."""

from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from training import train as training_train
from training.cli import STOPPED, WRONG_CALL, add_commands
from training.errors import Stopped
from training.progress import shown

CONFIG = Path(__file__).resolve().parents[2] / "training" / "configs" / "hip_tissue.yaml"

app = typer.Typer()
add_commands(app)


def test_a_wrong_configuration_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("sed: 1", encoding="utf-8")
    assert CliRunner().invoke(app, ["train", str(tmp_path / "config.yaml")]).exit_code == WRONG_CALL


def test_a_stopped_training_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(*_: object) -> Path:
        raise Stopped("The same command goes on.")

    monkeypatch.setattr(training_train, "train", stops)
    result = CliRunner().invoke(app, ["train", str(CONFIG)])
    assert result.exit_code == STOPPED
    assert "The same command goes on." in result.stdout


def test_a_finished_training_names_its_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_train, "train", lambda *_: Path("runs/bundle"))
    result = CliRunner().invoke(app, ["train", str(CONFIG)])
    assert result.exit_code == 0
    assert "runs/bundle" in result.stdout


def test_a_file_gets_lines_with_the_remaining_time() -> None:
    written = StringIO()
    with shown(Console(file=written)) as report:
        report(0.1, 60.0, "step 1", worth_a_line=False)
        report(0.25, 60.0, "step 2", worth_a_line=True)
    assert written.getvalue() == " 25.0%  step 2  remaining 0:03:00\n"


def test_a_terminal_gets_a_bar() -> None:
    written = StringIO()
    with shown(Console(file=written, force_terminal=True, width=100)) as report:
        report(0.25, 60.0, "step 2", worth_a_line=False)
    assert "step 2" in written.getvalue()
    assert "25%" in written.getvalue()
