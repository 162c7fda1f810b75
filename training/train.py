"""One training from its configuration to its bundle."""

import json
from pathlib import Path

from rich.console import Console

from training.errors import Stopped
from training.loop import BUNDLE, CHECKPOINT, fit
from training.progress import shown
from training.stopping import stop_asked
from training.tasks import AnyTraining, open_sources, people_seen

FINISHED = "finished.json"
"""In the output folder: the configuration and the people, once their training has come to its end."""


def train(config: AnyTraining, console: Console) -> Path:
    """Train to the end, from the checkpoint in the output folder where there is one.

    Nothing is done where a training with the same configuration on the same people has come to its end in
    that folder.

    Args:
        console: gets the progress.

    Returns:
        The folder of the bundle.

    Raises:
        Stopped: on SIGTERM or Ctrl-C, after the step under way; the checkpoint has all.
        TrainingError: training cannot begin or go on.
        training.case_files.CaseError: a case cannot be read.
    """
    finished = config.output / FINISHED
    people = people_seen(config)
    settings = json.dumps({"training": config.model_dump(mode="json"), "people": people}, indent=2) + "\n"
    bundle = config.output / BUNDLE
    if bundle.exists() and finished.exists() and finished.read_text(encoding="utf-8") == settings:
        return bundle
    console.print("Reading what to train on.")
    sources = open_sources(config)
    # Not before: until the first step there is nothing to keep, and nobody who asks whether to stop.
    with stop_asked() as stop, shown(console) as report:
        at_its_end = fit(config, people, sources.training, sources.validation, report, stop)
    if not at_its_end:
        raise Stopped(f"Stopped; {config.output / CHECKPOINT} has all. The same command goes on.")
    finished.write_text(settings, encoding="utf-8")
    return bundle
