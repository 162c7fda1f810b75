"""Hip tissue for the loop: the Dense U-Net (Imani 2025, section 2.4), its loss and its validation."""

from collections.abc import Callable, Sequence
from math import isfinite
from statistics import fmean
from typing import Any

import torch
from monai.losses.dice import DiceCELoss
from torch import Tensor, nn

from inference.networks.dense_unet import DenseUNet
from inference.tissue_protocol import Tissue
from training.data import Batch
from training.forward import Forward, device_for
from training.log import MEAN_DSC, dsc_column
from training.tissue_config import TissueTraining
from training.validation import CLASSES, tissue_dsc

Loss = Callable[[Tensor, Tensor], Tensor]
"""Of logits, (slice, class, row, column), and labels, (slice, row, column)."""


class TissueTask:
    """A ``training.tasks.Task``.

    Args:
        config: of the training.
    """

    scores = (MEAN_DSC, *(dsc_column(tissue.name) for tissue in Tissue))

    def __init__(self, config: TissueTraining) -> None:
        device = device_for(config.device)
        network = DenseUNet(**network_arguments(config)).to(device)
        if config.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network: nn.Module = network
        self._forward = Forward(
            device, config.windows_hu, network.multiple, config.precision, config.channels_last
        )
        self._loss = _loss(config)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """As in ``Task``."""
        hu, labels = batch
        return self._loss(self._forward(network, hu), labels.long().to(self._forward.device))

    def validate(self, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
        """As in ``Task``: over the tissues that are there or were found."""
        dsc = tissue_dsc(lambda hu: self._forward(network, hu), batches)
        mean = fmean(value for value in dsc.values() if isfinite(value))
        return {MEAN_DSC: mean} | {dsc_column(tissue.name): value for tissue, value in dsc.items()}


def network_arguments(config: TissueTraining) -> dict[str, Any]:
    """For ``DenseUNet``."""
    return {"in_channels": len(config.windows_hu), "classes": CLASSES} | config.network.model_dump(
        mode="json"
    )


def _loss(config: TissueTraining) -> Loss:
    if config.loss == "cross_entropy":
        return nn.CrossEntropyLoss()
    # Over the whole batch: not every slice has every tissue.
    both = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
    return lambda logits, labels: both(logits, labels[:, None])
