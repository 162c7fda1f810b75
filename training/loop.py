"""The training loop: steps, validation, checkpoints, log and the bundle at the end."""

import time
from collections.abc import Callable, Sequence
from math import isfinite
from statistics import fmean
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training import checkpoint
from training.checkpoint import State
from training.curves import draw_curves
from training.data import Batch, Source
from training.errors import TrainingError
from training.export import export
from training.log import MEAN_DSC, TrainingLog
from training.progress import Report
from training.schedule import learning_rate
from training.tasks import AnyTraining, task_of

CHECKPOINT, LOG, CURVES, BUNDLE = "checkpoint.pt", "log.csv", "curves.png", "bundle"
"""In the output folder."""

MAY_CHANGE: Any = {
    **dict.fromkeys(("length", "output", "device", "threads", "bundle"), True),
    **dict.fromkeys(("checkpoint_every_steps", "log_every_steps"), True),
    "validation": {"every_steps"},
    "data": {"workers": True, "cache": True, "parts": {"__all__": {"workers", "cache"}}},
}
"""Settings with which a checkpoint goes on all the same."""


def fit(
    config: AnyTraining,
    people: Sequence[str],
    source: Source,
    validation: Sequence[Batch],
    report: Report,
    stop: Callable[[], bool],
) -> bool:
    """Train from the checkpoint in the output folder, or from nothing, and write the bundle there.

    Args:
        people: who is in the data; a checkpoint made on others is refused.
        source: of what is trained on.
        validation: chooses the weights that are written; without it the last are.
        stop: asked after each step; on True training ends with a checkpoint.

    Returns:
        Whether training came to its end.

    Raises:
        TrainingError: the checkpoint is of another training, or the loss is no number any more.
    """
    training = _Training(config, people, source, validation, report)
    training.run(stop)
    return training.done >= 1


class _Training:
    def __init__(
        self,
        config: AnyTraining,
        people: Sequence[str],
        source: Source,
        validation: Sequence[Batch],
        report: Report,
    ) -> None:
        self.config, self.source, self.validation, self.report = config, source, validation, report
        config.output.mkdir(parents=True, exist_ok=True)
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.task = task_of(config)
        network, optimiser = self.task.network, config.optimiser
        self.state = State(
            network,
            torch.optim.AdamW(
                network.parameters(), lr=optimiser.learning_rate, weight_decay=optimiser.weight_decay
            ),
        )
        if config.ema_decay is not None:
            self.state.averaged = _averaged(network, config.ema_decay)
        self.path = config.output / CHECKPOINT
        self.settings = config.model_dump(mode="json", exclude=MAY_CHANGE) | {"people": list(people)}
        if self.path.exists():
            checkpoint.load(self.state, self.settings, self.path)
        self.log = TrainingLog(config.output / LOG, self.state.step, self.task.scores)
        self.losses: list[float] = []

    @property
    def done(self) -> float:
        """Share of the training, 0 to 1."""
        length = self.config.length
        if length.max_minutes is not None:
            return min(1.0, self.state.seconds / 60 / length.max_minutes)
        steps = length.steps or (length.epochs or 0) * self.source.batches_per_epoch
        return min(1.0, self.state.step / steps)

    def run(self, stop: Callable[[], bool]) -> None:
        """Take the steps that are left."""
        config, state = self.config, self.state
        batches = self.source.batches(state.step)
        began = time.monotonic() - state.seconds
        while self.done < 1 and not stop():
            rate = learning_rate(config.optimiser, state.step, self.done)
            self._step(next(batches), rate)
            state.seconds = time.monotonic() - began
            self._after_step(rate)
            if state.step % config.checkpoint_every_steps == 0:
                self._save()
        self._save()
        if self.done >= 1:
            self._export()

    def _step(self, batch: Batch, rate: float) -> None:
        state, clip_norm = self.state, self.config.optimiser.clip_norm
        state.network.train()
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        loss = self.task.loss(state.network, batch)
        state.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(state.network.parameters(), clip_norm)
        state.optimiser.step()
        if state.averaged is not None:
            state.averaged.update_parameters(state.network)
        state.step += 1
        self.losses.append(loss.item())
        if not isfinite(self.losses[-1]):
            raise TrainingError(
                f"The loss is {self.losses[-1]} after {state.step} steps. A lower optimiser.learning_rate or "
                f"the precision fp32 may help; {self.path} is from before."
            )

    def _after_step(self, rate: float) -> None:
        config, state = self.config, self.state
        validating = bool(self.validation) and (
            self.done >= 1
            or (config.validation is not None and state.step % config.validation.every_steps == 0)
        )
        writing = validating or self.done >= 1 or state.step % config.log_every_steps == 0
        news = f"step {state.step}  loss {fmean(self.losses):.4f}"
        if writing:
            row = {
                "step": state.step,
                "seconds": state.seconds,
                "loss": fmean(self.losses),
                "learning_rate": rate,
            }
            if validating:
                row |= self._validate()
                news += f"  DSC {row[MEAN_DSC]:.4f}"
            self.log.add(row)
            self.losses.clear()
        if validating or self.done >= 1:
            draw_curves(config.output / LOG, config.output / CURVES)
        self.report(self.done, state.seconds, news, worth_a_line=writing)

    def _validate(self) -> dict[str, float]:
        network = self.state.judged().eval()
        scores = self.task.validate(network, self.validation)
        if scores[MEAN_DSC] > self.state.best_dsc:
            self.state.best_dsc = scores[MEAN_DSC]
            self.state.best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            self._export()
        return scores

    def _save(self) -> None:
        checkpoint.save(self.state, self.settings, self.path)

    def _export(self) -> None:
        state, folder = self.state, self.config.output / BUNDLE
        if state.best is None:
            export(self.config, folder, state.judged().state_dict(), {})
        else:
            export(self.config, folder, state.best, {"val_mean_dice": state.best_dsc})


def _averaged(network: nn.Module, decay: float) -> AveragedModel:
    def average(averaged: Any, current: Any, count: Any) -> None:
        # Shorter at first: else the weights training began with would stay in it for long.
        shorter = (1 + int(count)) / (10 + int(count))
        get_ema_multi_avg_fn(min(decay, shorter))(averaged, current, count)  # type: ignore[no-untyped-call]

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
