"""Trains and tests, and does not repeat what is finished."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from rich.console import Console

from inference.bundle import load_bundle
from inference.muscle_bundle import load_muscle_bundle
from training.cases import Case
from training.errors import TrainingError
from training.evaluate import JudgedCase, LabelSlices, judge, labeller
from training.evaluation_files import SCORES, read_scores, write_evaluation
from training.muscle_cases import MuscleCases
from training.muscle_evaluation import (
    LabelVolume,
    judge_volumes,
    muscle_labeller,
    read_volume_scores,
    write_volume_scores,
)
from training.muscle_summary import JudgedVolume
from training.tasks import AnyTraining
from training.train import train

SETTINGS = "settings.json"

CasesT = TypeVar("CasesT")
JudgedT = TypeVar("JudgedT")

Train = Callable[[AnyTraining, Console], Path]
"""Trains as configured, from where it was stopped, and gives the folder of the bundle."""


@dataclass(frozen=True)
class Laboratory(Generic[CasesT, JudgedT]):
    """What an experiment does its work with.

    Attributes:
        train: makes a bundle.
        judge: labels and scores cases with the network of a bundle.
        write: keeps scores in a folder, ``SCORES`` last and whole; its last argument says what was judged.
        read: reads ``SCORES`` back.
    """

    train: Train
    judge: Callable[[Path, CasesT, Console], list[JudgedT]]
    write: Callable[[Path, Sequence[JudgedT], Mapping[str, object]], None]
    read: Callable[[Path], list[JudgedT]]


TissueLaboratory = Laboratory[Sequence[Case], JudgedCase]
MuscleLaboratory = Laboratory[MuscleCases, JudgedVolume]


def tissue_laboratory(train: Train, labeller: Callable[[Path], LabelSlices]) -> TissueLaboratory:
    """For hip tissue.

    Args:
        train: makes a bundle.
        labeller: gives what labels slices with the network of a bundle.
    """
    return Laboratory(
        train,
        lambda bundle, cases, console: judge(labeller(bundle), cases, console),
        write_evaluation,
        read_scores,
    )


def muscle_laboratory(train: Train, labeller: Callable[[Path], LabelVolume]) -> MuscleLaboratory:
    """For thigh muscles.

    Args:
        train: makes a bundle.
        labeller: gives what labels series with the network of a bundle.
    """
    return Laboratory(
        train,
        lambda bundle, cases, console: judge_volumes(labeller(bundle), cases, console),
        write_volume_scores,
        read_volume_scores,
    )


def real_laboratory() -> TissueLaboratory:
    """Trains, and labels tissue as the product does."""
    return tissue_laboratory(train, lambda bundle: labeller(load_bundle(bundle)))


def real_muscle_laboratory() -> MuscleLaboratory:
    """Trains, and labels muscles as the product does."""
    return muscle_laboratory(train, lambda bundle: muscle_labeller(load_muscle_bundle(bundle)))


@dataclass(frozen=True)
class Trained(Generic[CasesT, JudgedT]):
    """A network that is trained when the first test needs it.

    Attributes:
        config: its ``output`` is the training's folder.
    """

    config: AnyTraining
    laboratory: Laboratory[CasesT, JudgedT]
    console: Console

    def test(self, folder: Path, tested_on: object, cases: Callable[[], CasesT]) -> list[JudgedT]:
        """Judge the network on cases, once; a test that is in the folder already is read back.

        Args:
            folder: for the scores; one for each test.
            tested_on: what decides which cases these are, as JSON takes it.
            cases: reads or makes them; called only where there is something to do.

        Raises:
            TrainingError: the folder holds a test of other settings, or training fails or is stopped.
        """
        training = self.config.model_dump(mode="json", exclude={"output"})
        settings = json.dumps({"training": training, "tested_on": tested_on}, indent=2) + "\n"
        if (folder / SCORES).is_file():
            if (folder / SETTINGS).read_text(encoding="utf-8") != settings:
                raise TrainingError(
                    f"{folder} holds a test of other settings. Give another output, or remove the folder."
                )
            self.console.print(f"{folder} is finished already.", soft_wrap=True)
            return self.laboratory.read(folder / SCORES)
        judged = self.laboratory.judge(self._bundle, cases(), self.console)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SETTINGS).write_text(settings, encoding="utf-8")
        bundle = self.config.bundle
        self.laboratory.write(folder, judged, {"name": bundle.name, "version": bundle.version})
        return judged

    @cached_property
    def _bundle(self) -> Path:
        return self.laboratory.train(self.config, self.console)
