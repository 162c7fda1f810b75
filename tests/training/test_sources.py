"""What a configuration names is what is trained and validated on."""

import signal
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.training.tiny import tiny_config
from training import sources
from training.cases import Case, write_case
from training.config import Length
from training.data import Kept, Made, Opened
from training.errors import TrainingError
from training.sources import resampled
from training.tasks import open_sources, people_seen
from training.tissue_config import TissueTraining
from training.train import train


def case(subject: str, hu: int, shape: tuple[int, int] = (8, 8), pixel_mm: float = 1.0) -> Case:
    labels = np.ones((3, *shape), np.uint8)
    return Case(subject, "one", np.full((3, *shape), hu, np.int16), labels, (3.0, pixel_mm, pixel_mm))


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    for subject, hu in (("a", 10), ("b", 20), ("c", 30)):
        write_case(tmp_path / "cases", case(subject, hu))
    return tmp_path / "cases"


def of_cases(tmp_path: Path, cases: Path, leave_out: tuple[str, ...], validate_on: str) -> Any:
    data = {"kind": "cases", "cases": cases, "leave_out": leave_out}
    validation = {"people": (validate_on,), "every_steps": 20}
    return tiny_config(tmp_path / "run", data=data, validation=validation)


def test_cases_left_out_are_not_trained_on(tmp_path: Path, cases: Path) -> None:
    opened = open_sources(of_cases(tmp_path, cases, ("b", "c"), "b"))
    assert isinstance(opened.training, Kept)
    assert {value for hu, _ in opened.training.slices for value in hu.flatten().tolist()} == {10.0}
    assert [hu.shape[0] for hu, _ in opened.validation] == [2, 1]
    assert {value for hu, _ in opened.validation for value in hu.flatten().tolist()} == {20.0}


def test_unknown_subjects_are_named(tmp_path: Path, cases: Path) -> None:
    with pytest.raises(TrainingError, match=r"no d to use as data\.leave_out; .* has a, b, c"):
        open_sources(of_cases(tmp_path, cases, ("b", "d"), "b"))


def test_somebody_must_be_left(tmp_path: Path, cases: Path) -> None:
    with pytest.raises(TrainingError, match="nobody"):
        open_sources(of_cases(tmp_path, cases, ("a", "b", "c"), "b"))


def test_slices_are_brought_to_the_networks_pixels() -> None:
    hu = torch.zeros((1, 8, 12), dtype=torch.int16)
    hu[:, :, 6:] = 100
    labels = (hu > 50).to(torch.uint8) * 5
    finer, truth = resampled(hu, labels, (2.0, 1.0), to_pixel_mm=0.5)
    assert [finer.shape, truth.shape] == [torch.Size((1, 32, 24))] * 2
    assert truth[0, 0].tolist() == [0] * 12 + [5] * 12
    assert finer[0, 0, [0, -1]].tolist() == [0, 100]
    assert [finer.min().item(), finer.max().item()] == [0, 100]


@dataclass
class Constant:
    """Stands in for the generator: every pixel says who it is of and with which seed it was made."""

    people: Any
    variation: Any
    seed: int
    device: torch.device

    def reseed(self, seed: int) -> None:
        self.seed = seed

    def slices(self, count: int) -> Any:
        hu = torch.full((count, 4, 4), float(self.seed % 1_000_003)) + torch.arange(count)[:, None, None]
        labels = torch.full((count, 4, 4), len(self.people), dtype=torch.uint8)
        return SimpleNamespace(hu=hu, labels=labels, pixel_mm=1.0)

    def about_neck(self, beside: int) -> Any:
        made = self.slices(2 * beside + 1)
        return SimpleNamespace(hu=made.hu, labels=made.labels, spacing_mm=(3.0, 1.0, 1.0))


@pytest.fixture
def _synthesis(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [SimpleNamespace(name=name) for name in ("a", "b", "c")]
    monkeypatch.setattr(sources, "Generator", Constant)
    monkeypatch.setattr(sources, "load_people", lambda folder, cache: people)
    monkeypatch.setattr(sources, "load_variation", lambda path: None)


def synthetic(tmp_path: Path, validate_on: tuple[str, ...] = (), **data: Any) -> Any:
    validation = {"people": validate_on, "slices": 5, "every_steps": 20}
    everything = {"kind": "synthetic", "anatomy": "people", **data}
    return tiny_config(tmp_path / "run", data=everything, validation=validation)


@pytest.mark.usefixtures("_synthesis")
def test_made_slices_never_come_twice_and_none_is_validated_on(tmp_path: Path) -> None:
    opened = open_sources(synthetic(tmp_path, slices_per_epoch=7, leave_out=("b",)))
    assert isinstance(opened.training, Made)
    assert opened.training.batches_per_epoch == 4
    batches = opened.training.batches(0)
    trained = [next(batches) for _ in range(4)]
    seen = [hu[0, 0, 0].item() for hu, _ in [*trained, *opened.validation]]
    assert len(set(seen)) == len(seen) == 4 + 3
    assert {labels.max().item() for _, labels in trained} == {2}


@pytest.mark.usefixtures("_synthesis")
def test_a_stream_entered_later_is_the_same_stream(tmp_path: Path) -> None:
    source = open_sources(synthetic(tmp_path, slices_per_epoch=7)).training
    whole, later = source.batches(0), source.batches(2)
    for _ in range(2):
        next(whole)
    assert torch.equal(next(whole)[0], next(later)[0])


@pytest.mark.usefixtures("_synthesis")
def test_validation_may_be_on_people_left_out(tmp_path: Path) -> None:
    opened = open_sources(synthetic(tmp_path, ("b",), slices_per_epoch=7, leave_out=("b",)))
    assert {labels.max().item() for _, labels in opened.validation} == {1}


@pytest.mark.usefixtures("_synthesis")
def test_fixed_subjects_are_made_once(tmp_path: Path) -> None:
    source = open_sources(synthetic(tmp_path, subjects=3)).training
    assert isinstance(source, Kept)
    assert len(source.slices) == 15
    assert source.batches_per_epoch == 8


@pytest.mark.usefixtures("_synthesis")
def test_made_slices_are_brought_to_the_networks_pixels(tmp_path: Path) -> None:
    config = synthetic(tmp_path, slices_per_epoch=7).model_copy(update={"pixel_mm": 0.5})
    opened = open_sources(config)
    for hu, labels in (next(opened.training.batches(0)), *opened.validation):
        assert hu.shape == labels.shape == (2, 8, 8)


@pytest.mark.usefixtures("_synthesis")
def test_mixed_data_take_turns_and_go_on_where_they_were(tmp_path: Path) -> None:
    one = {"kind": "synthetic", "anatomy": "people", "slices_per_epoch": 6, "people": ("a",)}
    parts = (one, one | {"slices_per_epoch": 10, "people": ("b", "c")})
    mixed = {"kind": "mixed", "parts": parts}
    opened = open_sources(
        tiny_config(tmp_path / "run", data=mixed, validation={"slices": 2, "every_steps": 9})
    )
    assert opened.training.batches_per_epoch == 3 + 5
    whole = opened.training.batches(0)
    seen = [next(whole) for _ in range(6)]
    assert [labels.max().item() for _, labels in seen] == [1, 2] * 3
    for first in (1, 2, 3):
        assert torch.equal(next(opened.training.batches(first))[0], seen[first][0])
    everything = [hu[0, 0, 0].item() for hu, _ in [*seen, *opened.validation]]
    assert len(set(everything)) == 6 + 2


@pytest.mark.usefixtures("_synthesis")
def test_unknown_people_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no d to use as data\.people; .* has a, b, c"):
        open_sources(synthetic(tmp_path, slices_per_epoch=7, people=("a", "d")))
    with pytest.raises(TrainingError, match=r"no e to use as validation\.people"):
        open_sources(synthetic(tmp_path, ("e",), slices_per_epoch=7))


def test_a_training_from_its_file_to_its_bundle_and_not_again(tmp_path: Path, cases: Path) -> None:
    config = of_cases(tmp_path, cases, ("b",), "b").model_copy(update={"length": Length(epochs=2)})
    written = StringIO()
    bundle = train(config, Console(file=written))
    assert (bundle / "models" / "model.safetensors").is_file()
    assert "100.0%  step 6  loss" in written.getvalue()

    made = bundle.stat().st_mtime_ns
    assert train(config, Console(file=written)) == bundle
    assert bundle.stat().st_mtime_ns == made
    longer = config.model_copy(update={"length": Length(epochs=3)})
    train(longer, Console(file=written))
    assert "step 9" in written.getvalue()


def test_a_training_is_not_finished_for_other_people(tmp_path: Path, cases: Path) -> None:
    config = of_cases(tmp_path, cases, ("b",), "b").model_copy(update={"length": Length(steps=1)})
    train(config, Console(file=StringIO()))
    write_case(cases, case("d", 40))
    with pytest.raises(TrainingError, match="other people"):
        train(config, Console(file=StringIO()))


def test_people_seen_are_those_trained_and_validated_on(tmp_path: Path, cases: Path) -> None:
    assert people_seen(of_cases(tmp_path, cases, ("b", "c"), "b")) == ["a/one", "b/one"]
    for name in ("p", "q"):
        (tmp_path / f"{name}.dcm").touch()
    anatomy = {"anatomy": tmp_path, "slices_per_epoch": 8}
    assert people_seen(synthetic(tmp_path, **anatomy)) == ["p", "q"]
    assert people_seen(synthetic(tmp_path, people=("q",), **anatomy)) == ["q"]
    assert people_seen(synthetic(tmp_path, leave_out=("q",), **anatomy)) == ["p"]


def test_a_request_to_stop_ends_the_reading_at_once(
    tmp_path: Path, cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(config: TissueTraining) -> Opened:
        signal.raise_signal(signal.SIGINT)
        return open_sources(config)

    monkeypatch.setattr("training.train.open_sources", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(of_cases(tmp_path, cases, ("b",), "b"), Console(file=StringIO()))
