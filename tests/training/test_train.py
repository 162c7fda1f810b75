"""The loop: it learns, stops and goes on, and writes what it promises."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from inference.tissue_protocol import Tissue
from tests.training.tiny import Discs, tiny_config
from training.data import Kept, Made
from training.errors import ConfigurationError, TrainingError
from training.forward import device_for
from training.log import read_log
from training.loop import fit
from training.stopping import stop_asked
from training.tissue_config import TissueTraining

SOURCE = Made(Discs(), batches_per_epoch=10)
VALIDATION = Made(Discs(seed=1), batches_per_epoch=2).some(2)


def quiet(done: float, seconds: float, news: str, *, worth_a_line: bool) -> None:
    """Report nothing."""


def never() -> bool:
    return False


def after(steps: int) -> Callable[[], bool]:
    """Ask to stop once so many steps are done."""
    left = iter(range(steps))
    return lambda: next(left, None) is None


PEOPLE = ("a/1", "b/1")


def run(config: TissueTraining, stop: Callable[[], bool] = never, people: Sequence[str] = PEOPLE) -> bool:
    return fit(config, people, SOURCE, VALIDATION if config.validation else [], quiet, stop)


def test_learns_discs_from_their_hu(tmp_path: Path) -> None:
    assert run(tiny_config(tmp_path / "run", length={"steps": 80}))

    rows = read_log(tmp_path / "run" / "log.csv")
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    assert float(rows[-1]["mean_dsc"]) > 0.8
    assert [row["step"] for row in rows if row["dsc_muscle"]] == ["20", "40", "60", "80"]
    assert (tmp_path / "run" / "curves.png").stat().st_size > 10_000


def test_goes_on_to_the_very_same_weights(tmp_path: Path) -> None:
    run(tiny_config(tmp_path / "whole"))
    assert not run(tiny_config(tmp_path / "parts"), after(13))
    assert not run(tiny_config(tmp_path / "parts"), after(14))
    assert run(tiny_config(tmp_path / "parts"))

    whole, parts = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "parts")
    )
    for key in ("network", "averaged", "best"):
        for name, tensor in whole[key].items():
            assert torch.equal(tensor, parts[key][name]), f"{key} {name}"
    assert whole["best_dsc"] == parts["best_dsc"]
    logs = [read_log(tmp_path / name / "log.csv") for name in ("whole", "parts")]
    assert [row["step"] for row in logs[0]] == [row["step"] for row in logs[1]]
    assert [row["mean_dsc"] for row in logs[0]] == [row["mean_dsc"] for row in logs[1]]


def test_workers_change_nothing() -> None:
    alone = SOURCE.batches(3)
    helped = Made(Discs(), batches_per_epoch=10, workers=2).batches(3)
    for _ in range(3):
        for one, other in zip(next(alone), next(helped), strict=True):
            assert torch.equal(one, other)


def test_bundle_has_the_best_weights_not_the_last(tmp_path: Path) -> None:
    run(tiny_config(tmp_path / "run"))
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    written = safetensors.torch.load_file(tmp_path / "run" / "bundle" / "models" / "model.safetensors")
    assert all(torch.equal(tensor, written[name]) for name, tensor in state["best"].items())


@pytest.mark.parametrize("kind", ["cases", "synthetic", "mixed"])
def test_a_bundle_names_no_subject_and_no_folder(tmp_path: Path, kind: str) -> None:
    held_back = {"leave_out": ["Doe"]}
    synthetic = {"kind": "synthetic", "anatomy": str(tmp_path), "slices_per_epoch": 8, "people": ["Doe 2"]}
    validation = {"people": ("Doe",), "every_steps": 20}
    if kind == "cases":
        data: dict[str, Any] = {"kind": "cases", "cases": "cases"} | held_back
    elif kind == "synthetic":
        data = synthetic | held_back
        validation["slices"] = 2
    else:
        data = {"kind": "mixed", "parts": [synthetic | held_back, synthetic]}
        validation = {"slices": 2, "every_steps": 20}
    run(tiny_config(tmp_path / "run", data=data, validation=validation, length={"steps": 2}))
    for path in (tmp_path / "run" / "bundle" / "configs").iterdir():
        assert "Doe" not in path.read_text()
        assert str(tmp_path) not in path.read_text()


def test_without_validation_the_last_weights_are_written(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "run", validation=None, ema_decay=None, length={"epochs": 1})
    assert run(config)
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    written = safetensors.torch.load_file(tmp_path / "run" / "bundle" / "models" / "model.safetensors")
    assert state["step"] == SOURCE.batches_per_epoch
    assert all(torch.equal(tensor, written[name]) for name, tensor in state["network"].items())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_a_step_with_a_checkpoint(tmp_path: Path, number: signal.Signals) -> None:
    @dataclass(frozen=True)
    class Killing(Discs):
        def make(self, number_of_batch: int) -> tuple[torch.Tensor, torch.Tensor]:
            if number_of_batch == 4:
                os.kill(os.getpid(), number)
            return super().make(number_of_batch)

    with stop_asked() as stop:
        finished = fit(
            tiny_config(tmp_path / "run"),
            PEOPLE,
            Made(Killing(), batches_per_epoch=10),
            VALIDATION,
            quiet,
            stop,
        )
    assert not finished
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 5


@pytest.mark.parametrize(
    "change",
    [
        {"network": {"growth": (4, 8), "layers": (2, 2)}},
        {"data": {"kind": "cases", "cases": "cases", "leave_out": ["b", "c"]}},
        {"data": {"kind": "cases", "cases": "others", "leave_out": ["b"]}},
        {"validation": None},
        {"optimiser": {"learning_rate": 0.02, "schedule": "constant"}},
        {"batch": 3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    run(tiny_config(tmp_path / "run"), after(2))
    with pytest.raises(TrainingError, match=f"other {next(iter(change))}"):
        run(tiny_config(tmp_path / "run", **change))


def test_a_checkpoint_of_other_people_is_refused(tmp_path: Path) -> None:
    run(tiny_config(tmp_path / "run"), after(2))
    with pytest.raises(TrainingError, match="other people"):
        run(tiny_config(tmp_path / "run"), people=(*PEOPLE, "c/1"))


def test_what_leaves_the_weights_alone_and_the_length_may_change(tmp_path: Path) -> None:
    part = {"kind": "synthetic", "anatomy": "people", "slices_per_epoch": 8}
    validation = {"slices": 2, "every_steps": 1}

    def config(workers: int, **changes: Any) -> TissueTraining:
        mixed = {"kind": "mixed", "parts": (part | {"workers": workers, "cache": f"{workers}"}, part)}
        return tiny_config(tmp_path / "run", data=mixed, **{"validation": validation} | changes)

    run(config(0, length={"steps": 2}))
    changes = {"length": {"steps": 3}, "validation": validation | {"every_steps": 9}}
    assert run(config(1, checkpoint_every_steps=1, log_every_steps=1, threads=2, device="cpu", **changes))
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 3


def test_an_older_checkpoint_is_held_to_what_it_says(tmp_path: Path) -> None:
    run(tiny_config(tmp_path / "run"), after(2))
    path = tmp_path / "run" / "checkpoint.pt"
    document = torch.load(path, weights_only=True)
    document["settings"] = {key: document["settings"][key] for key in ("network", "seed")}
    torch.save(document, path)
    with pytest.raises(TrainingError, match="other seed"):
        run(tiny_config(tmp_path / "run", seed=2))
    run(tiny_config(tmp_path / "run"), after(1))
    assert torch.load(path, weights_only=True)["settings"]["people"] == list(PEOPLE)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "run")
    config.output.mkdir()
    (config.output / "checkpoint.pt").write_bytes(b"half a file")
    with pytest.raises(TrainingError, match="cannot be read"):
        run(config)


def test_a_crash_while_saving_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(tmp_path / "run")
    run(config, after(2))

    def fails(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(OSError, match="no space left"):
        run(config, after(3))
    assert torch.load(config.output / "checkpoint.pt", weights_only=True)["step"] == 2


def test_stops_when_the_loss_is_no_number(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "run")
    bad = Kept([(torch.full((16, 16), float("nan")), torch.zeros((16, 16), dtype=torch.uint8))], 1, seed=0)
    with pytest.raises(TrainingError, match="loss is nan after 1 steps"):
        fit(config, PEOPLE, bad, [], quiet, never)


def test_a_time_budget_counts_what_was_spent_and_anneals(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "run", length={"max_minutes": 0.02}, log_every_steps=1, validation=None)
    run(config, after(2))
    spent = torch.load(config.output / "checkpoint.pt", weights_only=True)["seconds"]
    assert run(config)
    rows = read_log(config.output / "log.csv")
    assert 0 < spent < float(rows[2]["seconds"]) < float(rows[-1]["seconds"]) < 5
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates[-1] < 0.1 * max(rates)


def test_bf16_and_channels_last_train_too(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "run", precision="bf16", channels_last=True, length={"steps": 4})
    assert run(config)
    written = safetensors.torch.load_file(tmp_path / "run" / "bundle" / "models" / "model.safetensors")
    assert {tensor.dtype for tensor in written.values()} == {torch.float32, torch.int64}


def test_kept_slices_all_come_once_an_epoch_in_another_order_each() -> None:
    slices = [
        (torch.full((4, 4 + n), float(n)), torch.zeros((4, 4 + n), dtype=torch.uint8)) for n in range(5)
    ]
    batches = Kept(slices, batch=2, seed=3).batches(0)
    epochs = [[n for _ in range(3) for n in next(batches)[0][:, 0, 0].tolist()] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == [0, 1, 2, 3, 4]
    assert epochs[0] != epochs[1]


def test_mean_dsc_is_of_the_seven_tissues(tmp_path: Path) -> None:
    run(tiny_config(tmp_path / "run"))
    row = read_log(tmp_path / "run" / "log.csv")[-1]
    tissues = [float(row[f"dsc_{tissue.name.lower()}"]) for tissue in Tissue]
    assert float(row["mean_dsc"]) == pytest.approx(sum(tissues) / 7, abs=1e-5)


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"device: '{name}' cannot be used"):
        device_for(name)
