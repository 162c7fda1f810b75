"""How good a thigh-muscle network is while it trains: the DSC of each muscle over all voxels validated on."""

from collections.abc import Callable, Sequence
from math import nan

import torch
from torch import Tensor

from training.data import Batch
from training.judged_muscles import JUDGED, MEMBERS, UNCLEAR


@torch.inference_mode()
def muscle_dsc(predict: Callable[[Tensor], Tensor], blocks: Sequence[Batch]) -> dict[int, float]:
    """DSC of each truth of ``JUDGED``, voxels of all blocks pooled.

    Args:
        predict: HU, (block, slice, row, column), to logits, (block, class, slice, row, column).
        blocks: HU and labels.

    Returns:
        By label, 0 to 1; nan for what is nowhere true.
    """
    truths, classes = MEMBERS.shape
    counts = torch.zeros((truths, classes), dtype=torch.float64)
    for hu, labels in blocks:
        predicted = predict(hu).argmax(dim=1).cpu()
        pairs = labels.long().cpu() * classes + predicted
        counts += torch.bincount(pairs.flatten(), minlength=truths * classes).reshape(truths, classes)
    # Voxels of one truth, row, in which classes of another, column, were found.
    found = counts @ torch.from_numpy(MEMBERS).double().T
    clear = found.masked_fill(torch.from_numpy(UNCLEAR).T, 0)
    true, agreed = counts.sum(dim=1), found.diag()
    return {
        label: (2 * agreed[label] / (true[label] + clear[:, label].sum())).item() if true[label] else nan
        for label in JUDGED
    }
