"""What training needs to go on exactly where it stopped, in one file."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel

from training.errors import TrainingError


@dataclass
class State:
    """All that changes from step to step.

    Attributes:
        averaged: moving average of the network's weights, where one is kept.
        step: steps done.
        seconds: spent on them, validation included, over all runs.
        best_dsc: mean over what is validated, of ``best``.
        best: weights that validated best, or none yet.
    """

    network: nn.Module
    optimiser: AdamW
    averaged: AveragedModel | None = None
    step: int = 0
    seconds: float = 0.0
    best_dsc: float = -1.0
    best: dict[str, Tensor] | None = None

    def judged(self) -> nn.Module:
        """The network that is validated and written."""
        return self.network if self.averaged is None else self.averaged.module


def save(state: State, settings: dict[str, Any], path: Path) -> None:
    """Write a checkpoint; whoever stops this midway leaves the old one whole.

    Args:
        settings: plain values that must be the same when training goes on.
    """
    document = {
        "settings": settings,
        "network": state.network.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "averaged": None if state.averaged is None else state.averaged.state_dict(),
        "step": state.step,
        "seconds": state.seconds,
        "best_dsc": state.best_dsc,
        "best": state.best,
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("wb") as file:
        torch.save(document, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def load(state: State, settings: dict[str, Any], path: Path) -> None:
    """Put a checkpoint into a state made for the same settings.

    Raises:
        TrainingError: the file cannot be read, or is of other settings.
    """
    try:
        document = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the damage leads to
        raise TrainingError(f"{path} cannot be read ({error}). Remove it to begin anew.") from error
    kept = document["settings"]  # older checkpoints say less
    changed = [key for key, value in settings.items() if key in kept and kept[key] != value]
    if changed:
        raise TrainingError(
            f"{path} is of a training with other {', '.join(changed)}. Put that back as it was to go on, "
            "or give another output to begin anew."
        )
    state.network.load_state_dict(document["network"])
    state.optimiser.load_state_dict(document["optimiser"])
    if state.averaged is not None:
        state.averaged.load_state_dict(document["averaged"])
    state.step, state.seconds = document["step"], document["seconds"]
    state.best_dsc, state.best = document["best_dsc"], document["best"]
    torch.set_rng_state(document["random"])
    if torch.cuda.is_available() and document["random_cuda"]:
        torch.cuda.set_rng_state_all(document["random_cuda"])
