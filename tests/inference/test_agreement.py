"""Network against protocol: DSC by hand on arrays of known overlap, and when it is flagged."""

import numpy as np
import pytest

from inference.agreement import GROUPS, LEAST_DSC, agreement, agreement_flags
from inference.tissue_protocol import Tissue


def stripe(tissue: int, start: int, stop: int) -> np.ndarray:
    labels = np.zeros((1, 4, 100), np.uint8)
    labels[..., start:stop] = tissue
    return labels


def test_dsc_is_twice_the_overlap_over_both_sizes() -> None:
    found = agreement(stripe(Tissue.MUSCLE, 0, 60), stripe(Tissue.MUSCLE, 30, 70))
    assert found["muscle"] == pytest.approx(2 * 30 / (60 + 40))


def test_what_neither_has_agrees_and_what_one_has_does_not() -> None:
    found = agreement(stripe(Tissue.MUSCLE, 0, 60), stripe(Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE, 0, 60))
    assert found == {"bone": 1, "muscle": 0, "intermuscular fat": 1, "subcutaneous fat": 0}


def test_bone_is_compared_as_a_whole() -> None:
    one, other = stripe(Tissue.CORTICAL_BONE, 0, 40), stripe(Tissue.MARROW_ADIPOSE_TISSUE, 0, 40)
    assert agreement(one, other)["bone"] == 1


def test_every_tissue_is_compared_once() -> None:
    assert sorted(tissue for group in GROUPS.values() for tissue in group) == sorted(Tissue)
    assert set(LEAST_DSC) == set(GROUPS)


@pytest.mark.parametrize("name", GROUPS)
def test_only_what_falls_below_its_limit_is_flagged(name: str) -> None:
    good = dict(LEAST_DSC)
    assert agreement_flags(good) == []
    (flag,) = agreement_flags(good | {name: LEAST_DSC[name] - 0.01})
    assert flag.code == "network_disagrees_with_protocol"
    assert name in flag.text
    assert f"{LEAST_DSC[name] - 0.01:.2f}" in flag.text
