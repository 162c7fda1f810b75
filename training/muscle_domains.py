"""Whom a data set of thigh muscles holds, and whole series of theirs to test on."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from training.case_files import required_folders
from training.data import seed_of
from training.domains import Domain
from training.muscle_cases import MuscleCase, MuscleCases, read_muscle_case
from training.muscle_config import BlockData, CaseBlocks
from training.sources import require_known
from training.synthesis.muscle_series import draw_series
from training.synthesis.people import Person, load_people
from training.synthesis.variation import Variation, load_variation
from training.synthesize import CASES


@dataclass(frozen=True)
class AnnotatedVolumes:
    """Cases from a folder.

    Attributes:
        folders: of the cases, SUBJECT/CASE.
    """

    folders: Sequence[Path]

    @property
    def subjects(self) -> Sequence[str]:
        """As in ``Domain``."""
        return sorted({folder.parent.name for folder in self.folders})

    def cases(self, subjects: Collection[str]) -> MuscleCases:
        """As in ``Domain``."""
        return MuscleCases(
            [partial(read_muscle_case, folder) for folder in self.folders if folder.parent.name in subjects]
        )


@dataclass(frozen=True)
class SyntheticVolumes:
    """Patients drawn from people's anatomy, scanned over all that is trusted of it.

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

    def cases(self, subjects: Collection[str]) -> MuscleCases:
        """As in ``Domain``; the same whoever else there is."""
        return MuscleCases(
            [
                partial(self._case, self.people[name], number)
                for name in sorted(subjects)
                for number in range(1, self.cases_per_person + 1)
            ]
        )

    def _case(self, person: Person, number: int) -> MuscleCase:
        seed = seed_of(self.seed, CASES, zlib.crc32(person.name.encode()), number)
        drawn = draw_series([person], self.variation, seed)
        return MuscleCase(
            person.name, f"synthetic-{number:03d}", drawn.hu.numpy(), drawn.labels.numpy(), drawn.spacing_mm
        )


def open_muscle_domain(data: BlockData, seed: int, cases_per_person: int) -> Domain[MuscleCases]:
    """Find the cases or read the anatomies of a training's data.

    Raises:
        TrainingError: someone named is not there.
        training.case_files.CaseError: there are no cases.
    """
    if isinstance(data, CaseBlocks):
        folders = required_folders(data.cases)
        subjects = sorted({folder.parent.name for folder in folders})
        require_known(data.leave_out, subjects, f"data.leave_out; {data.cases} has {', '.join(subjects)}")
        return AnnotatedVolumes([folder for folder in folders if folder.parent.name not in data.leave_out])
    everyone = {person.name: person for person in load_people(data.anatomy, data.cache)}
    known = f"{data.anatomy} has {', '.join(everyone)}"
    require_known(data.leave_out, everyone, f"data.leave_out; {known}")
    named = require_known(data.people or tuple(everyone), everyone, f"data.people; {known}")
    chosen = {name: everyone[name] for name in named if name not in data.leave_out}
    return SyntheticVolumes(chosen, load_variation(data.variation or "default"), seed, cases_per_person)
