"""Scores of many cases -> one line per tissue, in the form of the paper's tables."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inference.tissue_protocol import Tissue
from training.metrics import METRICS, TissueScore


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of what is a number; nan where there are too few.

    Attributes:
        count: of the values that are numbers.
    """

    mean: float
    sd: float = math.nan
    count: int = 1

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of any values, nan among them."""
        numbers = [value for value in values if not math.isnan(value)]
        mean = float(np.mean(numbers)) if numbers else math.nan
        sd = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else math.nan
        return cls(mean, sd, len(numbers))

    def as_json(self) -> dict[str, float | int | None]:
        """For files."""
        return {"mean": json_number(self.mean), "sd": json_number(self.sd), "cases": self.count}


def json_number(value: float) -> float | None:
    """JSON has no nan."""
    return None if math.isnan(value) else value


@dataclass(frozen=True)
class TissueSummary:
    """One tissue over many cases, or over many folds.

    Attributes:
        dsc: 0 to 1.
        assd_mm: of the slices that have the tissue in truth and prediction.
        sensitivity: 0 to 1.
        specificity: 0 to 1.
        missed_slices: over all cases; see ``TissueScore``.
    """

    dsc: Spread
    assd_mm: Spread
    sensitivity: Spread
    specificity: Spread
    missed_slices: int = 0

    def metric(self, name: str) -> Spread:
        """One of ``METRICS``."""
        spread: Spread = getattr(self, name)
        return spread


Summary = Mapping[Tissue, TissueSummary]


def over_cases(cases: Sequence[Sequence[TissueScore]]) -> Summary:
    """Mean and deviation over cases."""
    by_tissue = {
        tissue: [score for case in cases for score in case if score.tissue == tissue] for tissue in Tissue
    }
    return {
        tissue: TissueSummary(
            **{name: Spread.of(getattr(score, name) for score in scores) for name in METRICS},
            missed_slices=sum(score.missed_slices for score in scores),
        )
        for tissue, scores in by_tissue.items()
    }


def over_folds(folds: Sequence[Summary]) -> Summary:
    """Mean and deviation of the folds' means, as the paper's Table 1."""
    return {
        tissue: TissueSummary(
            **{name: Spread.of(fold[tissue].metric(name).mean for fold in folds) for name in METRICS},
            missed_slices=sum(fold[tissue].missed_slices for fold in folds),
        )
        for tissue in Tissue
    }


def over_tissues(summary: Summary, metric: str) -> float:
    """Mean of the tissues' means; nan where there is none. Each tissue weighs the same."""
    return Spread.of(tissue.metric(metric).mean for tissue in summary.values()).mean
