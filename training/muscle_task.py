"""Thigh muscles for the loop: MONAI's networks, the loss on sets of classes, and validation."""

from collections.abc import Sequence
from math import isfinite, nan

import torch
from torch import Tensor, nn

from inference.networks.muscle_network import CLASSES, MuscleNetwork, preprocessed
from training.data import Batch
from training.forward import device_for
from training.judged_muscles import JUDGED, MEASURED, NAMES
from training.log import MEAN_DSC, dsc_column
from training.muscle_config import MuscleTraining
from training.muscle_validation import muscle_dsc
from training.partial_loss import PartialLoss
from training.synthesis.muscle_truth import TRUTHS


class MuscleTask:
    """A ``training.tasks.Task``.

    Args:
        config: of the training.
    """

    scores = (MEAN_DSC, *(dsc_column(NAMES[label]) for label in JUDGED))

    def __init__(self, config: MuscleTraining) -> None:
        self._device = device_for(config.device)
        self._bf16 = config.precision == "bf16"
        self.network: nn.Module = MuscleNetwork(config.network).to(self._device)
        self._loss = PartialLoss(TRUTHS, CLASSES, self._device)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """As in ``Task``."""
        hu, labels = batch
        return self._loss(self._logits(network, hu), labels.to(self._device))

    def validate(self, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
        """As in ``Task``: the mean is over muscles, and sets of them, that are there."""
        dsc = muscle_dsc(lambda hu: self._logits(network, hu), batches)
        there = [dsc[label] for label in MEASURED if isfinite(dsc[label])]
        mean = sum(there) / len(there) if there else nan
        return {MEAN_DSC: mean} | {dsc_column(NAMES[label]): value for label, value in dsc.items()}

    def _logits(self, network: nn.Module, hu: Tensor) -> Tensor:
        image = preprocessed(hu.to(self._device))[:, None]
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            logits: Tensor = network(image)
        return logits.float()
