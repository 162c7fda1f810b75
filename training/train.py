"""One training from its configuration to its bundle."""

from pathlib import Path

from rich.console import Console

from training.config import TrainingConfig
from training.errors import Stopped
from training.loop import BUNDLE, CHECKPOINT, fit
from training.progress import shown
from training.sources import open_sources
from training.stopping import stop_asked

FINISHED = "finished.json"
"""In the output folder: the configuration, once its training has come to its end."""


def train(config: TrainingConfig, console: Console) -> Path:
    """Train to the end, from the checkpoint in the output folder where there is one.

    Nothing is done where a training with the same configuration has come to its end in that folder.

    Args:
        console: gets the progress.

    Returns:
        The folder of the bundle.

    Raises:
        Stopped: on SIGTERM or Ctrl-C, after the step under way; the checkpoint has all.
        TrainingError: training cannot begin or go on.
        training.cases.CaseError: a case cannot be read.
    """
    finished = config.output / FINISHED
    settings = config.model_dump_json(indent=2)
    bundle = config.output / BUNDLE
    if bundle.exists() and finished.exists() and finished.read_text(encoding="utf-8") == settings:
        return bundle
    with stop_asked() as stop:
        console.print("Reading what to train on.")
        sources = open_sources(config)
        with shown(console) as report:
            at_its_end = fit(config, sources.training, sources.validation, report, stop)
    if not at_its_end:
        raise Stopped(f"Stopped; {config.output / CHECKPOINT} has all. The same command goes on.")
    finished.write_text(settings, encoding="utf-8")
    return bundle
