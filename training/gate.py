"""Does the product know how good its results are? What the network expects of itself against what is true."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.quality import LEAST_EXPECTED_DSC
from training.evaluate import JudgedCase

POOR_DSC = 0.7
"""A result that agrees less than this with the truth must not pass without a flag."""


@dataclass(frozen=True)
class Gate:
    """How the flag ``network_unsure`` does on judged cases.

    Attributes:
        correlation: Pearson's, of expected and true DSC; nan with fewer than three cases, or all alike.
        poor: cases whose DSC is below ``POOR_DSC``.
        poor_passed: those of them that get no flag.
        good: all other cases.
        good_flagged: those of them that get one.
    """

    correlation: float
    poor: int
    poor_passed: int
    good: int
    good_flagged: int

    def __str__(self) -> str:
        return (
            f"Expected against true DSC: r = {self.correlation:.2f}. A flag below {LEAST_EXPECTED_DSC:.2f} "
            f"expected lets {self.poor_passed} of {self.poor} results with DSC < {POOR_DSC} pass and stops "
            f"{self.good_flagged} of {self.good} others."
        )


def judge_gate(cases: Sequence[JudgedCase]) -> Gate:
    """Count over cases; those in which nothing is labelled and nothing was found are left out."""
    pairs = [(case.expected_dsc, case.dsc) for case in cases if not math.isnan(case.dsc)]
    expected, true = (np.array(values) for values in zip(*pairs, strict=True)) if pairs else ((), ())
    flagged, poor = np.less(expected, LEAST_EXPECTED_DSC), np.less(true, POOR_DSC)
    differ = len(pairs) > 2 and np.ptp(expected) > 0 and np.ptp(true) > 0
    correlation = float(np.corrcoef(expected, true)[0, 1]) if differ else math.nan
    return Gate(
        correlation,
        poor=int(poor.sum()),
        poor_passed=int((poor & ~flagged).sum()),
        good=int((~poor).sum()),
        good_flagged=int((~poor & flagged).sum()),
    )
