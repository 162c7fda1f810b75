"""Thigh muscles in the same loop: they are learnt, gone on with exactly, and end in a bundle that loads."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from inference.muscle_bundle import load_muscle_bundle
from inference.networks.muscle_network import MuscleNetwork
from tests.training.synthesis.plain import plain_variation
from tests.training.tiny_muscles import (
    DYNUNET,
    SEGRESNET,
    UNETR,
    boxes,
    muscular_person,
    tiny_muscles,
)
from training import block_sources
from training.errors import ConfigurationError, TrainingError
from training.export import export
from training.log import read_log
from training.loop import fit
from training.muscle_cases import write_muscle_case
from training.muscle_config import MuscleTraining
from training.synthesis.muscle_truth import ANYTHING
from training.tasks import load_training, open_sources, people_seen
from training.tissue_config import TissueTraining
from training.train import train

CONFIGS = Path(__file__).resolve().parents[2] / "training" / "configs"
QUIET = Console(quiet=True)


@pytest.fixture(autouse=True)
def cases(tmp_path: Path) -> Path:
    for subject in ("a", "b"):
        write_muscle_case(tmp_path / "cases", boxes(subject))
    return tmp_path / "cases"


def run(config: MuscleTraining, steps: int = 1_000_000, people: Sequence[str] | None = None) -> bool:
    """Train from the checkpoint, so many steps at most."""
    opened = open_sources(config)
    left = itertools.count(steps, -1)
    return fit(
        config,
        people or people_seen(config),
        opened.training,
        opened.validation,
        lambda *_, **__: None,
        lambda: next(left) <= 0,
    )


@pytest.mark.parametrize("network", [UNETR, DYNUNET, SEGRESNET], ids=lambda network: str(network["kind"]))
def test_a_training_from_its_data_to_a_bundle_that_loads(tmp_path: Path, network: dict[str, Any]) -> None:
    config = tiny_muscles(tmp_path / "run", network=network)
    bundle = load_muscle_bundle(train(config, QUIET))
    assert (bundle.name, bundle.block, bundle.spacing_mm) == ("tiny", (16, 16, 16), (4.0, 2.0, 2.0))
    assert {weight.dtype for weight in bundle.weights.values()} == {torch.float16}
    best = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["best"]
    for name, weight in bundle.network().state_dict().items():
        assert torch.equal(weight, best[name].half().float()), name
    rows = read_log(tmp_path / "run" / "log.csv")
    assert [row["step"] for row in rows if row["dsc_gracilis"]] == ["2", "4"]
    assert (tmp_path / "run" / "curves.png").is_file()


def test_muscles_are_learnt_from_their_hu(tmp_path: Path) -> None:
    config = tiny_muscles(
        tmp_path / "run",
        network={"kind": "dynunet", "filters": (8, 16, 16)},
        length={"steps": 120},
        validation={"people": ("b",), "blocks": 1, "every_steps": 120},
        checkpoint_every_steps=120,
    )
    assert run(config)
    first, *_, last = read_log(tmp_path / "run" / "log.csv")
    assert float(last["loss"]) < 0.5 * float(first["loss"])
    assert float(last["mean_dsc"]) > 0.5


def test_goes_on_to_the_very_same_weights(tmp_path: Path) -> None:
    assert run(tiny_muscles(tmp_path / "whole"))
    assert not run(tiny_muscles(tmp_path / "parts"), steps=1)
    assert not run(tiny_muscles(tmp_path / "parts"), steps=2)
    assert run(tiny_muscles(tmp_path / "parts"))
    whole, parts = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "parts")
    )
    for key in ("network", "averaged", "best"):
        for name, tensor in whole[key].items():
            assert torch.equal(tensor, parts[key][name]), f"{key} {name}"


def test_a_checkpoint_of_other_people_is_refused(tmp_path: Path, cases: Path) -> None:
    run(tiny_muscles(tmp_path / "run"), steps=1)
    write_muscle_case(cases, boxes("c"))
    with pytest.raises(TrainingError, match="other people"):
        run(tiny_muscles(tmp_path / "run"))


def test_weights_from_elsewhere_are_exported_as_a_bundle(tmp_path: Path) -> None:
    config = tiny_muscles(tmp_path / "run", network=DYNUNET)
    weights = MuscleNetwork(config.network).state_dict()
    export(config, tmp_path / "bundle", weights, {"val_mean_dice": 0.5})
    for name, weight in load_muscle_bundle(tmp_path / "bundle").weights.items():
        assert torch.equal(weight, weights[name].half()), name


def test_a_bundle_names_no_subject_and_no_folder(tmp_path: Path) -> None:
    run(tiny_muscles(tmp_path / "run", length={"steps": 1}))
    train_json = (tmp_path / "run" / "bundle" / "configs" / "train.json").read_text()
    assert "dynunet" in train_json
    assert "people" not in train_json
    assert str(tmp_path) not in train_json


@pytest.fixture
def _analytic(monkeypatch: pytest.MonkeyPatch) -> None:
    people = [muscular_person("p"), muscular_person("q")]
    monkeypatch.setattr(block_sources, "load_people", lambda folder, cache: people)
    monkeypatch.setattr(block_sources, "load_variation", lambda path: plain_variation())


def synthetic(tmp_path: Path, **changes: Any) -> MuscleTraining:
    data = {"kind": "synthetic_blocks", "anatomy": "people", "blocks_per_epoch": 2, "weights": {"p": 2.0}}
    validation = {"blocks": 2, "every_steps": 2}
    defaults = {"data": data | changes, "validation": validation, "length": {"steps": 2}}
    return tiny_muscles(tmp_path / "run", **defaults)


@pytest.mark.usefixtures("_analytic")
def test_made_blocks_never_come_twice_and_none_is_validated_on(tmp_path: Path) -> None:
    opened = open_sources(synthetic(tmp_path))
    batches = opened.training.batches(0)
    seen = [next(batches) for _ in range(3)] + list(opened.validation)
    assert all(hu.shape == labels.shape == (1, 16, 16, 16) for hu, labels in seen)
    assert len({float(hu.double().sum()) for hu, _ in seen}) == 5
    again = next(opened.training.batches(2))
    assert all(torch.equal(one, other) for one, other in zip(again, seen[2], strict=True))


@pytest.mark.usefixtures("_analytic")
def test_a_network_trains_on_made_blocks(tmp_path: Path) -> None:
    assert run(synthetic(tmp_path), people=("p", "q"))
    assert load_muscle_bundle(tmp_path / "run" / "bundle").version == "0.0.1"


@pytest.mark.usefixtures("_analytic")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"leave_out": ("p", "q")}, "nobody to train on"),
        ({"leave_out": ("r",)}, r"no r to use as data\.leave_out; people has p, q"),
        ({"people": ("r",)}, r"no r to use as data\.people"),
        ({"weights": {"r": 2.0}}, r"no r to use as data\.weights"),
    ],
)
def test_who_is_named_must_be_there(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        open_sources(synthetic(tmp_path, **changes))


def test_blocks_of_cases_are_about_what_is_labelled(tmp_path: Path) -> None:
    opened = open_sources(tiny_muscles(tmp_path / "run"))
    hu, labels = next(opened.training.batches(0))
    assert hu.shape == labels.shape == (1, 16, 16, 16)
    assert labels[0, 8, 8, 8] not in (0, ANYTHING)
    # Where the scan has ended there is air, and it may be anything.
    assert (labels[hu == -1000] == ANYTHING).all()
    assert (hu[labels == 0] == -100).all()


@pytest.mark.parametrize(
    "name", ["thigh_muscle", "thigh_muscle_dynunet", "thigh_muscle_segresnet", "thigh_muscle_kim2024"]
)
def test_shipped_configurations_are_whole(name: str) -> None:
    config = load_training(CONFIGS / f"{name}.yaml")
    assert isinstance(config, MuscleTraining)
    with torch.device("meta"):
        network = MuscleNetwork(config.network)
        assert network(torch.empty(1, 1, *config.block)).shape == (1, 30, *config.block)


def test_the_published_network_is_as_published() -> None:
    config = load_training(CONFIGS / "thigh_muscle_kim2024.yaml")
    assert isinstance(config, MuscleTraining)
    assert config.network.kind == "unetr"
    assert config.network.hidden_size == 768


def test_a_file_without_a_task_is_of_hip_tissue(tmp_path: Path) -> None:
    assert isinstance(load_training(CONFIGS / "hip_tissue.yaml"), TissueTraining)
    (tmp_path / "config.yaml").write_text("task: knees", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="task is 'knees'; known are hip-tissue, thigh-muscle"):
        load_training(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": UNETR, "block": (16, 16, 32)}, "the UNETR is made for"),
        ({"network": DYNUNET, "block": (16, 16, 18)}, r"needs multiples of \(4, 4, 4\)"),
        ({"network": UNETR | {"block": (16, 16, 24)}, "block": (16, 16, 24)}, "multiples of"),
        ({"network": DYNUNET | {"stem": 2}, "block": (16, 20, 16)}, r"needs multiples of \(4, 8, 8\)"),
        ({"network": {"kind": "dynunet", "filters": (4, 8)}}, "at least 3 levels"),
        ({"network": UNETR | {"heads": 5}}, "multiple of the 5 heads"),
        ({"network": SEGRESNET | {"up": (1, 1)}}, "one level less up than down"),
        ({"network": {"kind": "vnet"}}, "vnet"),
        ({"validation": {"people": ("a",), "blocks": 1, "every_steps": 1}}, r"a must be in data\.leave_out"),
        ({"pixel_mm": 1.0}, "pixel_mm"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tiny_muscles(tmp_path / "run", **changes)
