"""k-fold split by subject: whoever is tested was never trained on."""

import random
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fold:
    """Names of the subjects of one fold."""

    number: int
    train: tuple[str, ...]
    test: tuple[str, ...]


def split_by_subject(subjects: Iterable[str], folds: int, seed: int) -> list[Fold]:
    """Split subjects into folds of nearly the same size; each subject is tested in exactly one.

    With as many folds as subjects one subject at a time is left out. The split depends on the names, the
    number of folds and the seed alone, not on the order the names come in.

    Args:
        subjects: names; repeated ones, as of a subject with several cases, count once.
        folds: at least 2, at most as many as there are subjects.
        seed: of the shuffle.

    Raises:
        ValueError: fewer than two folds, or more than subjects.
    """
    names = sorted(set(subjects))
    if not 2 <= folds <= len(names):
        raise ValueError(f"{folds} folds of {len(names)} subject(s): there must be 2 to {len(names)} folds.")
    shuffled = random.Random(seed).sample(names, len(names))  # noqa: S311 (no secret depends on it)
    parts = [sorted(shuffled[number::folds]) for number in range(folds)]
    return [
        Fold(number, tuple(name for name in names if name not in part), tuple(part))
        for number, part in enumerate(parts, start=1)
    ]
