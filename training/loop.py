"""The training loop: steps, validation, checkpoints, log and the bundle at the end."""

import time
from collections.abc import Callable, Sequence
from math import isfinite
from statistics import fmean
from typing import Any

import torch
from monai.losses.dice import DiceCELoss
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from inference.networks.dense_unet import DenseUNet
from training import checkpoint
from training.checkpoint import State
from training.config import TrainingConfig
from training.curves import draw_curves
from training.data import Slices, Source
from training.errors import TrainingError
from training.export import export, network_arguments
from training.forward import Forward, device_for
from training.log import MEAN_DSC, VALIDATED, TrainingLog
from training.progress import Report
from training.schedule import learning_rate
from training.validation import tissue_dsc

CHECKPOINT, LOG, CURVES, BUNDLE = "checkpoint.pt", "log.csv", "curves.png", "bundle"
"""In the output folder."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits, (slice, class, row, column), and labels, (slice, row, column)."""

MAY_CHANGE: Any = {
    **dict.fromkeys(("length", "output", "device", "threads", "bundle"), True),
    **dict.fromkeys(("checkpoint_every_steps", "log_every_steps"), True),
    "validation": {"every_steps"},
    "data": {"workers": True, "cache": True, "parts": {"__all__": {"workers", "cache"}}},
}
"""Settings with which a checkpoint goes on all the same."""


def fit(
    config: TrainingConfig,
    people: Sequence[str],
    source: Source,
    validation: Sequence[Slices],
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
        config: TrainingConfig,
        people: Sequence[str],
        source: Source,
        validation: Sequence[Slices],
        report: Report,
    ) -> None:
        self.config, self.source, self.validation, self.report = config, source, validation, report
        config.output.mkdir(parents=True, exist_ok=True)
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        device = device_for(config.device)
        network = DenseUNet(**network_arguments(config)).to(device)
        if config.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.forward = Forward(
            device, config.windows_hu, network.multiple, config.precision, config.channels_last
        )
        self.loss = _loss(config)
        self.state = State(network, torch.optim.Adam(network.parameters(), lr=config.optimiser.learning_rate))
        if config.ema_decay is not None:
            self.state.averaged = _averaged(network, config.ema_decay)
        self.path = config.output / CHECKPOINT
        self.settings = config.model_dump(mode="json", exclude=MAY_CHANGE) | {"people": list(people)}
        if self.path.exists():
            checkpoint.load(self.state, self.settings, self.path)
        self.log = TrainingLog(config.output / LOG, self.state.step)
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

    def _step(self, slices: Slices, rate: float) -> None:
        hu, labels = slices
        state = self.state
        state.network.train()
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        loss = self.loss(self.forward(state.network, hu), labels.long().to(self.forward.device))
        state.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
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
        dsc = tissue_dsc(lambda hu: self.forward(network, hu), self.validation)
        # A tissue that is nowhere and found nowhere is not held against the network.
        mean = fmean(value for value in dsc.values() if isfinite(value))
        if mean > self.state.best_dsc:
            self.state.best_dsc = mean
            self.state.best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            self._export()
        return {MEAN_DSC: mean} | {VALIDATED[tissue]: value for tissue, value in dsc.items()}

    def _save(self) -> None:
        checkpoint.save(self.state, self.settings, self.path)

    def _export(self) -> None:
        state, folder = self.state, self.config.output / BUNDLE
        if state.best is None:
            export(self.config, folder, state.judged().state_dict(), {})
        else:
            export(self.config, folder, state.best, {"val_mean_dice": state.best_dsc})


def _loss(config: TrainingConfig) -> Loss:
    if config.loss == "cross_entropy":
        return nn.CrossEntropyLoss()
    # Over the whole batch: not every slice has every tissue.
    both = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
    return lambda logits, labels: both(logits, labels[:, None])


def _averaged(network: nn.Module, decay: float) -> AveragedModel:
    def average(averaged: Any, current: Any, count: Any) -> None:
        # Shorter at first: else the weights training began with would stay in it for long.
        shorter = (1 + int(count)) / (10 + int(count))
        get_ema_multi_avg_fn(min(decay, shorter))(averaged, current, count)  # type: ignore[no-untyped-call]

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
