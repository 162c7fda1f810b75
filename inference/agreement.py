"""Does the network agree with the protocol's thresholds? Where it does not, one of them is wrong."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from inference.result import QualityFlag, Severity
from inference.tissue_protocol import BONE, Tissue

GROUPS: Mapping[str, Sequence[Tissue]] = {
    "bone": BONE,
    "muscle": (Tissue.MUSCLE,),
    "intermuscular fat": (Tissue.INTERMUSCULAR_ADIPOSE_TISSUE,),
    "subcutaneous fat": (Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE,),
}
"""Bone as a whole: noise moves its parts, which HU decides, from one into the other."""

LEAST_DSC = {"bone": 0.85, "muscle": 0.80, "intermuscular fat": 0.40, "subcutaneous fat": 0.85}
"""Two readers of one image differ by less. Intermuscular fat is thin streaks: one pixel's shift halves its
DSC."""


def agreement(network: NDArray[np.uint8], protocol: NDArray[np.uint8]) -> dict[str, float]:
    """DSC between two label arrays of one shape, for each group of tissues; 1 where neither has any of it."""
    return {name: _dsc(np.isin(network, group), np.isin(protocol, group)) for name, group in GROUPS.items()}


def agreement_flags(dsc: Mapping[str, float]) -> list[QualityFlag]:
    """A flag for each group of tissues on which network and protocol differ too much."""
    return [
        QualityFlag(
            "network_disagrees_with_protocol",
            Severity.WARNING,
            f"Network and threshold protocol disagree on {name}: DSC {dsc[name]:.2f}; {least:.2f} is the "
            "least expected.",
        )
        for name, least in LEAST_DSC.items()
        if dsc[name] < least
    ]


def _dsc(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    both = one.sum() + other.sum()
    return float(2 * (one & other).sum() / both) if both else 1.0
