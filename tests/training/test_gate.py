"""How well a network knows its own errors, counted."""

import math

import numpy as np
import pytest

from inference.quality import LEAST_EXPECTED_DSC
from inference.tissue_protocol import Tissue
from training.evaluate import JudgedCase
from training.gate import judge_gate
from training.metrics import TissueScore


def case(dsc: float, expected: float) -> JudgedCase:
    score = TissueScore(Tissue.MUSCLE, dsc, math.nan, math.nan, math.nan, 0)
    return JudgedCase("p", "c", (score,), expected)


SURE, UNSURE = LEAST_EXPECTED_DSC + 0.05, LEAST_EXPECTED_DSC - 0.05


def test_poor_and_good_results_are_counted_by_whether_they_are_flagged() -> None:
    cases = [case(0.5, SURE), case(0.6, UNSURE), case(0.9, SURE), case(0.8, UNSURE), case(0.95, SURE)]
    gate = judge_gate(cases)
    assert (gate.poor, gate.poor_passed, gate.good, gate.good_flagged) == (2, 1, 3, 1)


def test_the_correlation_is_pearsons() -> None:
    true, expected = [0.5, 0.7, 0.9, 0.8], [0.6, 0.75, 0.85, 0.95]
    gate = judge_gate([case(*pair) for pair in zip(true, expected, strict=True)])
    assert gate.correlation == pytest.approx(np.corrcoef(true, expected)[0, 1])


def test_cases_without_anything_do_not_count() -> None:
    assert judge_gate([case(math.nan, 0.0)]).good == 0
    assert judge_gate([]).poor == 0
