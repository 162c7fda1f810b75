"""How good the network is while it trains: the DSC of each tissue over all pixels it is validated on."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inference.tissue_protocol import Tissue
from training.data import Batch

CLASSES = len(Tissue) + 1
"""The tissues and what is none of them."""


@torch.inference_mode()
def tissue_dsc(predict: Callable[[Tensor], Tensor], slices: Sequence[Batch]) -> dict[Tissue, float]:
    """DSC of each tissue, pixels of all slices pooled.

    Args:
        predict: HU, (slice, row, column), to logits, (slice, class, row, column).
        slices: HU and labels.

    Returns:
        0 to 1; nan for a tissue that is neither in the truth nor predicted.
    """
    confusion = torch.zeros((CLASSES, CLASSES), dtype=torch.int64)
    for hu, labels in slices:
        predicted = predict(hu).argmax(dim=1).cpu()
        pairs = labels.long().cpu() * CLASSES + predicted
        confusion += torch.bincount(pairs.flatten(), minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    dsc = 2 * confusion.diag() / (confusion.sum(dim=0) + confusion.sum(dim=1))
    return {tissue: dsc[tissue].item() for tissue in Tissue}
