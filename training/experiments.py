"""Trains and tests, and does not repeat what is finished."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.console import Console

from inference.bundle import load_bundle
from training.cases import Case
from training.config import TrainingConfig
from training.errors import TrainingError
from training.evaluate import JudgedCase, LabelSlices, judge, labeller
from training.evaluation_files import SCORES, read_scores, write_evaluation
from training.summary import Summary, over_cases
from training.train import train

SETTINGS = "settings.json"


@dataclass(frozen=True)
class Laboratory:
    """What an experiment does its work with.

    Attributes:
        train: trains as configured, from where it was stopped, and gives the folder of the bundle.
        labeller: gives what labels slices with the network of a bundle.
    """

    train: Callable[[TrainingConfig, Console], Path]
    labeller: Callable[[Path], LabelSlices]


def real_laboratory() -> Laboratory:
    """Trains, and labels as the product does."""
    return Laboratory(train, lambda bundle: labeller(load_bundle(bundle)))


@dataclass(frozen=True)
class Trained:
    """A network that is trained when the first test needs it.

    Attributes:
        config: its ``output`` is the training's folder.
    """

    config: TrainingConfig
    laboratory: Laboratory
    console: Console

    def test(self, folder: Path, tested_on: object, cases: Callable[[], Sequence[Case]]) -> Summary:
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
            judged = read_scores(folder / SCORES)
        else:
            judged = self._judge(cases())
            folder.mkdir(parents=True, exist_ok=True)
            (folder / SETTINGS).write_text(settings, encoding="utf-8")
            bundle = self.config.bundle
            write_evaluation(folder, judged, {"name": bundle.name, "version": bundle.version})
        return over_cases([case.scores for case in judged])

    def _judge(self, cases: Sequence[Case]) -> list[JudgedCase]:
        return judge(self.laboratory.labeller(self._bundle), cases, self.console)

    @cached_property
    def _bundle(self) -> Path:
        return self.laboratory.train(self.config, self.console)
