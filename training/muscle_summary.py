"""Scores of many cases -> one line per muscle."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.judged_muscles import JUDGED, MEASURED
from training.muscle_metrics import StructureScore
from training.summary import Spread

LEAST_CASES = 3
"""For a correlation."""


@dataclass(frozen=True)
class JudgedVolume:
    """One case and its score in every structure of its truth."""

    subject: str
    name: str
    scores: tuple[StructureScore, ...]


@dataclass(frozen=True)
class StructureSummary:
    """One structure over many cases.

    Attributes:
        dsc: 0 to 1.
        assd_mm: of the cases in which it was found.
        ravd: relative absolute volume difference; 0.05 is 5 %.
        correlation: Pearson's, of found and true volume over cases; nan with fewer than three.
    """

    dsc: Spread
    assd_mm: Spread
    ravd: Spread
    correlation: float

    def metric(self, name: str) -> Spread:
        """One of ``training.muscle_metrics.METRICS``."""
        spread: Spread = getattr(self, name)
        return spread


MuscleSummary = Mapping[int, StructureSummary]
"""By label of the truth, in the order of ``JUDGED``; what no case has is missing."""


def over_volumes(cases: Sequence[JudgedVolume]) -> MuscleSummary:
    """Mean and deviation over cases."""
    scores = [score for case in cases for score in case.scores]
    by_label = {label: [score for score in scores if score.label == label] for label in JUDGED}
    return {
        label: StructureSummary(
            Spread.of(score.dsc for score in found),
            Spread.of(score.assd_mm for score in found),
            Spread.of(score.ravd for score in found),
            _correlation(found),
        )
        for label, found in by_label.items()
        if found
    }


def over_muscles(summary: MuscleSummary, metric: str) -> Spread:
    """Mean and deviation of the muscles' means; each muscle, or set of them, weighs the same. No bones."""
    return Spread.of(found.metric(metric).mean for found in _muscles(summary))


def mean_correlation(summary: MuscleSummary) -> float:
    """Of the muscles' volume correlations."""
    return Spread.of(found.correlation for found in _muscles(summary)).mean


def _muscles(summary: MuscleSummary) -> Iterable[StructureSummary]:
    return (summary[label] for label in MEASURED if label in summary)


def _correlation(scores: Sequence[StructureScore]) -> float:
    found, true = ([getattr(score, name) for score in scores] for name in ("volume_cm3", "true_volume_cm3"))
    if len(scores) < LEAST_CASES or np.ptp(found) == 0 or np.ptp(true) == 0:
        return math.nan
    return float(np.corrcoef(found, true)[0, 1])
