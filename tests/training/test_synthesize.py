"""Cases of the phantom person, in small pictures."""

from functools import lru_cache
from io import StringIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from inference.femoral_neck import SLICES_BESIDE
from tests.training.analytic_person import phantom_person
from tests.training.synthesis.plain import plain_variation
from tests.training.tiny import tiny_config
from training import synthesize
from training.cases import Case, read_cases
from training.errors import ConfigurationError, TrainingError
from training.synthesis import generator
from training.tissue_config import TissueTraining

VARIATION = plain_variation(
    levels={"field_mm": (240, 240)},
    muscle={"hu": (40, 60)},
    scanner={"thickness_mm": (3, 3), "noise_hu": (5, 20)},
)


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "MATRIX", 24)


def cases(name: str, count: int = 1, seed: int = 1) -> list[Case]:
    return list(synthesize.synthetic_cases(phantom_person(name), VARIATION, seed, count))


@lru_cache
def first_case(name: str, seed: int = 1) -> Case:
    """Made once for all tests."""
    return cases(name, 1, seed)[0]


def test_a_case_is_the_slices_about_the_neck() -> None:
    first, second = cases("p", 2)
    assert (str(first), str(second)) == ("p/synthetic-001", "p/synthetic-002")
    assert first.hu.shape == first.labels.shape == (2 * SLICES_BESIDE + 1, 24, 24)
    assert first.hu.dtype == np.int16
    assert first.labels.dtype == np.uint8
    assert first.spacing_mm == (3.0, 10.0, 10.0)
    assert first.labels.any(axis=(1, 2)).all()
    assert not np.array_equal(first.hu, second.hu)


def test_each_person_and_seed_has_patients_of_its_own() -> None:
    different = first_case("p"), first_case("q"), first_case("p", seed=2)
    assert not any(np.array_equal(one.hu, other.hu) for one, other in combinations(different, 2))


def test_the_same_seed_gives_the_same_case() -> None:
    one, (same,) = first_case("p"), cases("p")
    assert np.array_equal(one.hu, same.hu)
    assert np.array_equal(one.labels, same.labels)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TissueTraining:
    """Of two people, p and q."""
    people = [phantom_person("p"), phantom_person("q")]
    monkeypatch.setattr(synthesize, "load_people", lambda folder, cache: people)
    monkeypatch.setattr(synthesize, "load_variation", lambda path: VARIATION)
    data = {"kind": "synthetic", "anatomy": tmp_path, "slices_per_epoch": 8, "leave_out": ("q",)}
    validation = {"people": ("q",), "every_steps": 20, "slices": 2}
    return tiny_config(tmp_path / "run", data=data, validation=validation)


def write(folder: Path, config: TissueTraining, *names: str) -> int:
    return synthesize.write_synthetic_cases(folder, config, names, 1, Console(file=StringIO()))


def test_cases_are_written_as_they_are_read(tmp_path: Path, config: TissueTraining) -> None:
    assert write(tmp_path / "cases", config, "q") == 1
    (read,) = read_cases(tmp_path / "cases")
    made = first_case("q")
    assert str(read) == "q/synthetic-001"
    assert np.array_equal(read.hu, made.hu)
    assert np.array_equal(read.labels, made.labels)
    assert read.spacing_mm == pytest.approx(made.spacing_mm)


def test_where_nobody_is_named_everyone_is_taken(tmp_path: Path, config: TissueTraining) -> None:
    assert write(tmp_path / "cases", config) == 2
    assert {case.subject for case in read_cases(tmp_path / "cases")} == {"p", "q"}


def test_unknown_people_are_named(tmp_path: Path, config: TissueTraining) -> None:
    with pytest.raises(TrainingError, match="There is no nobody; there are p, q"):
        write(tmp_path / "cases", config, "p", "nobody")
    assert not (tmp_path / "cases").exists()


def test_without_synthetic_data_there_is_nothing_to_make(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must be synthetic"):
        write(tmp_path / "cases", tiny_config(tmp_path / "run"))
