"""Judges a network on annotated cases, labelled as the product labels them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from inference.bundle import Bundle
from inference.engines import best_engine
from inference.tissue_network import NetworkLabels, TissueNetwork
from training.cases import Case
from training.metrics import TissueScore, score_case
from training.summary import Spread

LabelSlices = Callable[[NDArray[np.int16], tuple[float, float]], NetworkLabels]
"""(HU, pixel in mm) -> labels; arrays as in ``Case``, pixel (row, column)."""


@dataclass(frozen=True)
class JudgedCase:
    """One case and its score in every tissue.

    Attributes:
        expected_dsc: what the network itself expects, mean over the regions it found.
    """

    subject: str
    name: str
    scores: tuple[TissueScore, ...]
    expected_dsc: float

    @property
    def dsc(self) -> float:
        """Mean over the tissues that are there, or were found; nan where nothing was."""
        return Spread.of(score.dsc for score in self.scores).mean


def labeller(bundle: Bundle) -> LabelSlices:
    """The network of a bundle with all that the product does around it."""
    network = TissueNetwork(bundle, best_engine())
    return network.label


def judge(label_slices: LabelSlices, cases: Sequence[Case], console: Console) -> list[JudgedCase]:
    """Label every case and score it, with progress and remaining time."""
    return [_judged(label_slices, case) for case in track(cases, "Judging cases", console=console)]


def _judged(label_slices: LabelSlices, case: Case) -> JudgedCase:
    found = label_slices(case.hu, case.pixel_mm)
    scores = tuple(score_case(found.labels, case.labels, case.pixel_mm))
    return JudgedCase(case.subject, case.name, scores, found.mean_expected_dsc)
