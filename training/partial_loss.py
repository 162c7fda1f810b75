"""Loss where the truth is not one class but a set of classes, one of which it is.

Of a set, the probabilities' sum counts: maps that do not tell two muscles apart teach where both are together
(the marginal loss of Shi 2021, Med Image Anal 70:101979).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

SMOOTH = 1.0
"""Voxels; keeps the Dice of what is hardly there from jumping."""


MOST_LABELLED, MOST_BACKGROUND = 80_000, 40_000
"""Voxels of a batch that are looked at, evenly spread, each for its neighbours too: of 800 000 voxels that
makes the loss several times quicker, and a step on a CPU twice as quick."""


class PartialLoss:
    """Cross entropy and soft Dice of sets of classes.

    Args:
        truths: the classes that each label stands for.
        classes: how many there are; 0 is background, which has no Dice of its own.
        device: where the loss is computed.
    """

    def __init__(
        self, truths: Sequence[frozenset[int]], classes: int, device: torch.device | str = "cpu"
    ) -> None:
        self._members = torch.zeros(len(truths), classes, device=device)
        for label, members in enumerate(truths):
            self._members[label, list(members)] = 1
        # What shares a class with a label, other than itself, is neither it nor not it.
        shared = (self._members @ self._members.T) > 0
        self._unclear = shared & ~torch.eye(len(truths), dtype=torch.bool, device=device)
        self._anything = self._members.all(dim=1)

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over the voxels, plus one minus the mean Dice of the sets that are there.

        Args:
            logits: (block, class, slice, row, column).
            labels: (block, slice, row, column), of ``truths``.
        """
        label = labels.flatten().long()
        chosen, weight = self._chosen(label)
        if not len(chosen):
            return logits.sum() * 0
        label = label[chosen]
        logs = logits.movedim(1, 0).flatten(1)[:, chosen].T.float().log_softmax(dim=1)
        # Of logarithms, not the logarithm of a sum: that has no gradient left where the sum is 0 in float32.
        own = logs.masked_fill(self._members[label] == 0, -torch.inf).logsumexp(dim=1)
        return self._dice(logs.exp() @ self._members.T, label, weight) - (weight * own).sum() / weight.sum()

    def _chosen(self, label: Tensor) -> tuple[Tensor, Tensor]:
        """Which voxels are looked at, and for how many each stands. What may be anything says nothing."""
        background, labelled = label == 0, (label != 0) & ~self._anything[label]
        parts = [
            (torch.nonzero(mask)[:, 0], most)
            for mask, most in ((labelled, MOST_LABELLED), (background, MOST_BACKGROUND))
        ]
        kept = [_spread(found, most) for found, most in parts]
        weights = [
            torch.full((len(few),), len(found) / max(1, len(few)), device=label.device)
            for few, (found, _) in zip(kept, parts, strict=True)
        ]
        return torch.cat(kept), torch.cat(weights)

    def _dice(self, of_sets: Tensor, label: Tensor, weight: Tensor) -> Tensor:
        """Loss by Dice, over all voxels of the batch."""
        counts = torch.bincount(label, weight, minlength=len(self._members))
        named = self._members[:, 0] == 0
        present = torch.nonzero((counts > 0) & named)[:, 0]
        if not len(present):
            return of_sets.sum() * 0
        target = label[:, None] == present
        chosen = of_sets[:, present].masked_fill(self._unclear[:, present][label], 0) * weight[:, None]
        overlap = (chosen * target).sum(dim=0)
        dice = (2 * overlap + SMOOTH) / (chosen.sum(dim=0) + counts[present] + SMOOTH)
        return 1 - dice.mean()


def _spread(found: Tensor, most: int) -> Tensor:
    if len(found) <= most:
        return found
    return found[torch.linspace(0, len(found) - 1, most, device=found.device).round().long()]
