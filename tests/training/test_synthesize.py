"""Which slices of a synthetic scan become a case. The scans are stand-ins: their slices are numbered."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from training import synthesize
from training.cases import Case
from training.errors import TrainingError

SLICES = 9


class Scans:
    """Stands in for ``Generator``; ``reference_slices`` are those of its scans, one after the other."""

    reference_slices: tuple[int | None, ...] = (4,)
    made: list["Scans"]

    def __init__(self, people: list[Any], variation: object, seed: int) -> None:
        self.person, self.seed = people[0].name, seed
        self.left = iter(self.reference_slices)
        self.made.append(self)

    def volume(self) -> SimpleNamespace:
        hu = torch.arange(SLICES, dtype=torch.int16)[:, None, None].expand(SLICES, 4, 5)
        return SimpleNamespace(
            hu=hu,
            labels=hu.to(torch.uint8) % 8,
            spacing_mm=torch.tensor([3.0, 0.5, 0.75]),
            person=self.person,
            reference_slice=next(self.left, None),
        )


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Scans]]:
    class Fresh(Scans):
        made: list[Scans] = []  # noqa: RUF012 (one list a test)

    monkeypatch.setattr(synthesize, "Generator", Fresh)
    return Fresh


def cases(name: str, count: int, seed: int = 1) -> list[Case]:
    return list(synthesize.synthetic_cases(SimpleNamespace(name=name), object(), seed, count))


def test_the_reference_slice_and_two_on_either_side_are_kept(scans: type[Scans]) -> None:
    scans.reference_slices = (4, 2)
    first, second = cases("p", 2)
    assert (str(first), str(second)) == ("p/synthetic-001", "p/synthetic-002")
    assert first.hu[:, 0, 0].tolist() == [2, 3, 4, 5, 6]
    assert first.labels[:, 0, 0].tolist() == [2, 3, 4, 5, 6]
    assert second.hu[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert first.spacing_mm == (3.0, 0.5, 0.75)
    assert (first.hu.dtype, first.labels.dtype) == ("int16", "uint8")


def test_scans_without_the_neck_or_its_neighbours_are_drawn_anew(scans: type[Scans]) -> None:
    scans.reference_slices = (None, 1, 7, 6)
    (case,) = cases("p", 1)
    assert case.hu[:, 0, 0].tolist() == [4, 5, 6, 7, 8]


def test_a_variation_that_never_covers_the_neck_is_reported(scans: type[Scans]) -> None:
    scans.reference_slices = ()
    with pytest.raises(TrainingError, match="20 scans of p in a row lack the femoral neck"):
        cases("p", 1)


def test_each_person_and_seed_has_patients_of_its_own(scans: type[Scans]) -> None:
    cases("p", 1)
    cases("q", 1)
    cases("p", 1, seed=2)
    cases("p", 1)
    seeds = [generator.seed for generator in scans.made]
    assert len(set(seeds[:3])) == 3
    assert seeds[3] == seeds[0]
