"""Folds and domains: who is trained on, who is tested, and that nothing is done twice. Nothing is trained."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from inference.tissue_network import NetworkLabels
from inference.tissue_protocol import Tissue
from tests.training.tiny import Discs, tiny_config
from training import domains
from training.cases import Case, write_case
from training.config import CaseData
from training.cross_validate import cross_validate
from training.domains import open_domain
from training.errors import ConfigurationError, TrainingError
from training.evaluate import LabelSlices
from training.experiments import real_laboratory, tissue_laboratory
from training.robustness import DomainSettings, RobustnessConfig, robustness
from training.tissue_config import MixedData, SyntheticData, TissueTraining, load_config

QUIET = Console(file=io.StringIO())


def write_people(folder: Path, *subjects: str) -> None:
    """Two cases each; a pixel of every image says whose it is."""
    for number, subject in enumerate(subjects, start=1):
        labels = np.zeros((1, 16, 12), np.uint8)
        labels[0, 1:8, 2:10] = np.array(Tissue)[:, None]
        hu = labels.astype(np.int16)
        hu[0, 0, 0] = 100 * number
        for name in ("1", "2"):
            write_case(folder, Case(subject, name, hu, labels, (3.0, 1.0, 1.0)))


def write_config(folder: Path, **changed: Any) -> Path:
    """A training's file on the cases in ``folder / "cases"``; JSON is YAML."""
    data = {"kind": "cases", "cases": folder / "cases"}
    config = tiny_config(folder / "out", **{"data": data, "validation": None, "threads": 1} | changed)
    file = folder / "training.yaml"
    file.write_text(config.model_dump_json())
    return file


class Fake:
    """Trains nothing and labels what it sees, without muscle in those whose number is given."""

    def __init__(self, weak_on: int = 0) -> None:
        self.weak_on = weak_on
        self.trained: list[TissueTraining] = []
        self.seen: dict[str, set[int]] = {}
        self.laboratory = tissue_laboratory(self.train, self.labeller)

    def train(self, config: TissueTraining, console: Console) -> Path:
        self.trained.append(config)
        return config.output / "bundle"

    def labeller(self, bundle: Path) -> LabelSlices:
        seen = self.seen.setdefault(bundle.parent.parent.name, set())

        def label(hu: NDArray[np.int16], pixel_mm: tuple[float, float]) -> NetworkLabels:
            number = int(hu[0, 0, 0]) // 100
            seen.add(number)
            wrong = (hu == Tissue.MUSCLE) & (number == self.weak_on)
            return NetworkLabels(np.where((hu > 7) | wrong, 0, hu).astype(np.uint8), {})

        return label


@pytest.fixture
def config(tmp_path: Path) -> TissueTraining:
    write_people(tmp_path / "cases", "p1", "p2", "p3", "p4")
    return load_config(write_config(tmp_path))


def cross_validated(config: TissueTraining, fake: Fake, folds: int = 4) -> object:
    return cross_validate(config, folds, 1, fake.laboratory, QUIET)


def test_every_fold_is_tested_on_those_it_left_out(config: TissueTraining) -> None:
    fake = Fake()
    cross_validated(config, fake)
    left_out = [fold.data.leave_out for fold in fake.trained]
    assert sorted(left_out) == [("p1",), ("p2",), ("p3",), ("p4",)]
    for (name,), seen in zip(left_out, fake.seen.values(), strict=True):
        assert seen == {int(name[1])}


def test_table_1_is_of_folds(config: TissueTraining) -> None:
    cross_validated(config, Fake(weak_on=2))
    text = (config.output / "table1.md").read_text()
    assert "Trained on n = 3, tested on n = 1" in text
    # One fold of four without any muscle.
    assert "| Muscle | Coxa | 75.00 ± 50.00 |" in text
    assert "|  | paper, PA | 96.02 ± 0.72 |" in text


def test_finished_folds_are_not_repeated(config: TissueTraining) -> None:
    cross_validated(config, Fake(weak_on=2))
    table = (config.output / "table1.md").read_text()
    (config.output / "fold-02-of-04" / "test" / "metrics.csv").unlink()
    again = Fake(weak_on=2)
    cross_validated(config, again)
    assert [fold.output.parent.name for fold in again.trained] == ["fold-02-of-04"]
    assert (config.output / "table1.md").read_text() == table


def test_folds_of_other_settings_are_not_taken_for_these(config: TissueTraining) -> None:
    cross_validated(config, Fake())
    with pytest.raises(TrainingError, match="holds a test of other settings"):
        cross_validated(config.model_copy(update={"batch": 4}), Fake())
    with pytest.raises(TrainingError, match="holds a test of other settings"):
        cross_validate(config, 4, 2, Fake().laboratory, QUIET)


def test_a_fold_begun_on_others_is_not_gone_on_with(tmp_path: Path) -> None:
    write_people(tmp_path / "cases", "p1", "p2", "p3")
    config = load_config(write_config(tmp_path, length={"steps": 1}))
    cross_validate(config, 2, 1, real_laboratory(), QUIET)
    for fold in ("fold-01-of-02", "fold-02-of-02"):
        shutil.rmtree(config.output / fold / "test")
    # Trained already, but on somebody who may now be tested.
    write_people(tmp_path / "cases", "p1", "p2", "p3", "p4")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt is of a training with other .*people"):
        cross_validate(config, 2, 1, real_laboratory(), QUIET)


def test_folds_are_checked_like_files(config: TissueTraining) -> None:
    with pytest.raises(ConfigurationError, match="batch is 0"):
        cross_validated(config.model_copy(update={"batch": 0}), Fake())


def test_who_is_named_must_be_there(config: TissueTraining) -> None:
    data = config.data.model_copy(update={"leave_out": ("p9",)})
    with pytest.raises(TrainingError, match=r"no p9 to use as data\.leave_out; .* has p1, p2, p3, p4"):
        cross_validated(config.model_copy(update={"data": data}), Fake())


def test_people_of_a_synthetic_domain_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "load_people", lambda folder, cache: [SimpleNamespace(name="p1")])
    data = SyntheticData(kind="synthetic", anatomy=tmp_path, slices_per_epoch=8, people=("p1", "p9"))
    with pytest.raises(TrainingError, match=r"no p9 to use as data\.people; .* has p1"):
        open_domain(data, 1, 1)


def test_who_chooses_the_weights_is_never_tested(config: TissueTraining, tmp_path: Path) -> None:
    changed = {
        "data": {"kind": "cases", "cases": tmp_path / "cases", "leave_out": ["p3"]},
        "validation": {"people": ["p3"], "every_steps": 1},
    }
    fake = Fake()
    cross_validated(load_config(write_config(tmp_path, **changed)), fake, folds=3)
    assert sorted(fold.data.leave_out for fold in fake.trained) == [("p3", "p1"), ("p3", "p2"), ("p3", "p4")]
    assert set.union(*fake.seen.values()) == {1, 2, 4}


def test_more_folds_than_people_are_refused(config: TissueTraining) -> None:
    with pytest.raises(ConfigurationError, match=r"there must be 2 to 4 folds\. Subjects: p1, p2, p3, p4"):
        cross_validated(config, Fake(), folds=5)


def test_with_the_real_laboratory_each_fold_has_a_network_that_is_judged(tmp_path: Path) -> None:
    for number, subject in enumerate("abcd"):
        # On finer pixels than the network's: noise is told from discs where they are some pixels wide.
        hu, labels = (np.kron(array.numpy(), np.ones((1, 4, 4))) for array in Discs(seed=number).make(0))
        spacing_mm = (3.0, 0.25, 0.25)
        case = Case(subject, "1", hu.astype(np.int16), labels.astype(np.uint8), spacing_mm)
        write_case(tmp_path / "cases", case)
    config = load_config(write_config(tmp_path, length={"steps": 60}))
    cross_validate(config, 2, 1, real_laboratory(), QUIET)
    for fold in ("fold-01-of-02", "fold-02-of-02"):
        assert (config.output / fold / "training" / "bundle" / "models" / "model.safetensors").is_file()
        summary = json.loads((config.output / fold / "test" / "summary.json").read_text())
        assert summary["mean_over_tissues"]["dsc"] > 0.5


Robust = Callable[..., RobustnessConfig]


@pytest.fixture
def robust(tmp_path: Path) -> Robust:
    write_people(tmp_path / "a", "p1", "p2", "p3")
    write_people(tmp_path / "b", "p1", "p2")
    # In the images of B another number says whose they are.
    for path in (tmp_path / "b").iterdir():
        path.rename(path.with_name(f"q{path.name[1:]}"))

    def make(held_out: int = 2, **changed: Any) -> RobustnessConfig:
        return RobustnessConfig.model_validate_json(
            json.dumps(
                {
                    "training": str(write_config(tmp_path, **changed)),
                    "a": {"name": "A", "data": {"kind": "cases", "cases": str(tmp_path / "a")}},
                    "b": {"name": "B", "data": {"kind": "cases", "cases": str(tmp_path / "b")}},
                    "held_out": held_out,
                    "output": str(tmp_path / "out"),
                }
            )
        )

    return make


def scores_of(config: RobustnessConfig, test: str) -> set[str]:
    """Subjects in the scores of a test."""
    lines = (config.output / test / "metrics.csv").read_text().splitlines()[1:]
    return {line.split(",")[0] for line in lines}


def test_two_networks_are_tested_three_times(robust: Robust) -> None:
    fake, config = Fake(), robust()
    robustness(config, fake.laboratory, QUIET)
    on_a, on_both = (trained.data for trained in fake.trained)
    assert isinstance(on_both, MixedData)
    part_a, part_b = on_both.parts
    assert on_a == part_a
    assert (part_a.cases.name, part_b.cases.name) == ("a", "b")
    held_a, held_b = set(part_a.leave_out), set(part_b.leave_out)
    assert held_a < {"p1", "p2", "p3"}
    assert held_b < {"q1", "q2"}
    assert scores_of(config, "a-tested-on-a") == held_a
    assert scores_of(config, "a-tested-on-b") == {"q1", "q2"}
    assert scores_of(config, "a-and-b-tested-on-a-and-b") == held_a | held_b


def test_table_2_has_the_papers_three_blocks(robust: Robust, tmp_path: Path) -> None:
    config = robust(held_out=3)
    write_people(tmp_path / "b", "p1", "p2", "p3")
    for path in (tmp_path / "b").glob("q*"):
        shutil.rmtree(path)
    robustness(config, Fake(weak_on=2).laboratory, QUIET)
    lines = (config.output / "table2.md").read_text().splitlines()
    assert [line for line in lines if line.startswith("Trained on")] == [
        "Trained on A (n = 2), tested on A (n = 1)",
        "Trained on A (n = 2), tested on B (n = 3)",
        "Trained on A + B (n = 4), tested on A + B (n = 2)",
    ]
    muscle = [number for number, line in enumerate(lines) if line.startswith("| Muscle |")]
    assert lines[muscle[1]].startswith("| Muscle | Coxa | 66.67 ± 51.64 |")
    assert [lines[number + 1].split("|")[2:4] for number in muscle] == [
        [" paper, PA on PA ", " 96.93 "],
        [" paper, PA on HK ", " 92.69 "],
        [" paper, PA + HK ", " 96.45 "],
    ]


def test_nobody_is_tested_who_was_trained_on_in_the_other_domain(robust: Robust, tmp_path: Path) -> None:
    write_people(tmp_path / "a", "p1", "p2", "p3", "p4", "p5")
    shared = {"kind": "cases", "cases": tmp_path / "a"}
    # The same people under both scanners, and domains that share some.
    for number, leave_out in enumerate([(), ("p1", "p2")]):
        config = robust(held_out=3)
        b = DomainSettings(name="B", data=CaseData(**shared, leave_out=leave_out))
        config = config.model_copy(update={"b": b, "output": tmp_path / f"out{number}"})
        fake = Fake()
        robustness(config, fake.laboratory, QUIET)
        on_a, on_both = (trained.data for trained in fake.trained)
        everyone = {"p1", "p2", "p3", "p4", "p5"}
        seen = set.union(*(everyone - set(part.leave_out) for part in on_both.parts))
        assert seen
        assert not seen & scores_of(config, "a-and-b-tested-on-a-and-b")
        assert scores_of(config, "a-tested-on-b") == set(on_a.leave_out) - set(leave_out)


def test_the_training_must_fit_the_domains(robust: Robust, tmp_path: Path) -> None:
    synthetic = {"kind": "synthetic", "anatomy": tmp_path, "slices_per_epoch": 8}
    config = robust(data=synthetic, validation={"slices": 2, "every_steps": 1})
    with pytest.raises(ConfigurationError, match=r"validation\.people: say which subjects"):
        robustness(config, Fake().laboratory, QUIET)


def test_finished_tests_are_not_repeated(robust: Robust) -> None:
    config = robust()
    robustness(config, Fake().laboratory, QUIET)
    again = Fake()
    robustness(config, again.laboratory, QUIET)
    assert not again.trained
    (config.output / "a-tested-on-b" / "metrics.csv").unlink()
    robustness(config, again.laboratory, QUIET)
    assert [trained.output.name for trained in again.trained] == ["trained-on-a"]


def test_tests_on_other_people_are_not_taken_for_these(robust: Robust, tmp_path: Path) -> None:
    config = robust()
    write_people(tmp_path / "b", "q3")
    robustness(config, Fake().laboratory, QUIET)
    changed = config.b.data.model_copy(update={"leave_out": ("q3",)})
    with pytest.raises(TrainingError, match="a-tested-on-b holds a test of other settings"):
        robustness(
            config.model_copy(update={"b": config.b.model_copy(update={"data": changed})}),
            Fake().laboratory,
            QUIET,
        )


def test_too_few_people_to_hold_out_are_refused(robust: Robust) -> None:
    with pytest.raises(ConfigurationError, match="held_out in domain B: 3 folds of 2 subject"):
        robustness(robust(held_out=3), Fake().laboratory, QUIET)


def test_people_of_no_domain_cannot_choose_the_weights(robust: Robust, tmp_path: Path) -> None:
    changed = {
        "data": {"kind": "cases", "cases": tmp_path / "cases", "leave_out": ["p3"]},
        "validation": {"people": ["p3"], "every_steps": 1},
    }
    with pytest.raises(ConfigurationError, match=r"validation\.people must be empty"):
        robustness(robust(**changed), Fake().laboratory, QUIET)
