"""Whom a data set holds, and their cases to test on; training makes its own slices of the same people."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from training.cases import Case, read_cases
from training.config import CaseData
from training.sources import require_known
from training.synthesis.people import Person, load_people
from training.synthesis.variation import Variation, load_variation
from training.synthesize import synthetic_cases
from training.tissue_config import SourceData

CasesT = TypeVar("CasesT", covariant=True)


class Domain(Protocol[CasesT]):
    """People of one place or one kind of scanner."""

    @property
    def subjects(self) -> Sequence[str]:
        """Names of everyone whom the configuration does not leave out."""
        ...

    def cases(self, subjects: Collection[str]) -> CasesT:
        """Their cases, always the same."""
        ...


@dataclass(frozen=True)
class AnnotatedPeople:
    """Cases from a folder."""

    read: Sequence[Case]

    @property
    def subjects(self) -> Sequence[str]:
        """As in ``Domain``."""
        return sorted({case.subject for case in self.read})

    def cases(self, subjects: Collection[str]) -> list[Case]:
        """As in ``Domain``."""
        return [case for case in self.read if case.subject in subjects]


@dataclass(frozen=True)
class SyntheticPeople:
    """Patients drawn from people's anatomy.

    Attributes:
        cases_per_person: how many patients are drawn from each.
    """

    people: Mapping[str, Person]
    variation: Variation
    seed: int
    cases_per_person: int

    @property
    def subjects(self) -> Sequence[str]:
        """As in ``Domain``."""
        return sorted(self.people)

    def cases(self, subjects: Collection[str]) -> list[Case]:
        """As in ``Domain``."""
        return [
            case
            for name in sorted(subjects)
            for case in synthetic_cases(self.people[name], self.variation, self.seed, self.cases_per_person)
        ]


def open_domain(data: SourceData, seed: int, cases_per_person: int) -> Domain[list[Case]]:
    """Read the cases or the anatomies of a training's data.

    Raises:
        TrainingError: someone named is not there.
        training.cases.CaseError: a case cannot be read.
    """
    if isinstance(data, CaseData):
        cases = read_cases(data.cases)
        subjects = sorted({case.subject for case in cases})
        require_known(data.leave_out, subjects, f"data.leave_out; {data.cases} has {', '.join(subjects)}")
        return AnnotatedPeople([case for case in cases if case.subject not in data.leave_out])
    everyone = {person.name: person for person in load_people(data.anatomy, data.cache)}
    known = f"{data.anatomy} has {', '.join(everyone)}"
    require_known(data.leave_out, everyone, f"data.leave_out; {known}")
    named = require_known(data.people or tuple(everyone), everyone, f"data.people; {known}")
    chosen = {name: everyone[name] for name in named if name not in data.leave_out}
    return SyntheticPeople(chosen, load_variation(data.variation or "default"), seed, cases_per_person)
