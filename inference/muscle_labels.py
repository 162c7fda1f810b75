"""A network's labels of a whole series: brought to the network's grid, labelled in blocks, brought back.

Probabilities are brought back, not labels: borders stay smooth on the finer grid of the series. Where they
run within a voxel of the network then follows the HU (``muscle_edges``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from inference.engines import Engine
from inference.muscle_bundle import MuscleBundle
from inference.muscle_islands import without_islands
from inference.networks.muscle_network import preprocessed

OVERLAP = 0.4
"""Of neighbouring blocks, along each axis."""

SLAB = 8
"""Slices of the series that are brought back at once: memory, not speed."""

Spacing = tuple[float, float, float]
"""Slice, row, column, mm."""


POSSIBLE = 0.02
"""Of a probability anywhere in some slices: classes below it are left out there, which are half of them."""

ALWAYS = 3
"""Background and bones are never left out."""


@dataclass(frozen=True)
class Slab:
    """Some neighbouring slices of a series.

    Attributes:
        slices: which.
        classes: values of ``ThighStructure``, ascending; background and both bones first.
        probabilities: float32, (class, slice, row, column), of ``classes``.
    """

    slices: slice
    classes: Tensor
    probabilities: Tensor


@dataclass(frozen=True)
class SoftLabels:
    """Probabilities on the network's grid, read slice by slice on the grid of the series.

    Attributes:
        probabilities: float32, (class, slice, row, column).
        spacing_mm: of the network's grid.
        shape: of the series.
        steps: slice, row, column of the network's grid from one of the series' to the next.
    """

    probabilities: Tensor
    spacing_mm: Spacing
    shape: tuple[int, int, int]
    steps: tuple[float, float, float]

    def slabs(self) -> Iterator[Slab]:
        """All slices, a few at a time."""
        for first in range(0, self.shape[0], SLAB):
            yield self._slab(slice(first, min(first + SLAB, self.shape[0])))

    def _slab(self, chosen: slice) -> Slab:
        slices = torch.stack(
            [self._slice(index * self.steps[0]) for index in range(chosen.start, chosen.stop)]
        )
        possible = slices.amax(dim=(0, 2, 3)) > POSSIBLE
        possible[:ALWAYS] = True
        classes = torch.nonzero(possible)[:, 0]
        found = interpolate(slices[:, classes], size=self.shape[1:], mode="bilinear", align_corners=True)
        return Slab(chosen, classes, found.movedim(0, 1))

    def _slice(self, place: float) -> Tensor:
        last = self.probabilities.shape[1] - 1
        low = min(int(place), last)
        high = min(low + 1, last)
        return torch.lerp(self.probabilities[:, low], self.probabilities[:, high], min(place - low, 1.0))


class MuscleLabeller:
    """A network, ready to be run.

    Args:
        bundle: the model.
        engine: what computes it.
    """

    def __init__(self, bundle: MuscleBundle, engine: Engine) -> None:
        self._network = bundle.network().to(engine.device)
        self._block = bundle.block
        self._spacing_mm = bundle.spacing_mm
        self.engine = engine

    def label(self, hu: NDArray[np.int16], spacing_mm: Spacing) -> SoftLabels:
        """Label a series.

        Args:
            hu: axes foot to head, front to back, right to left.
            spacing_mm: slice, row, column.
        """
        counts = tuple(
            max(2, round((count - 1) * mm / to_mm) + 1)
            for count, mm, to_mm in zip(hu.shape, spacing_mm, self._spacing_mm, strict=True)
        )
        image = preprocessed(resampled(hu, counts))
        with torch.inference_mode():
            logits = sliding_window_inference(
                image[None, None],
                self._block,
                sw_batch_size=1,
                predictor=self._logits,
                overlap=OVERLAP,
                mode="gaussian",
                device="cpu",
            )
            probabilities = without_islands(logits[0].softmax(dim=0))
        steps = tuple((new - 1) / max(1, old - 1) for new, old in zip(counts, hu.shape, strict=True))
        return SoftLabels(probabilities, self._spacing_mm, hu.shape, steps)

    def _logits(self, blocks: Tensor) -> Tensor:
        device, dtype = self.engine.device, self.engine.dtype
        with torch.autocast(device, dtype, enabled=dtype is not torch.float32):
            logits: Tensor = self._network(blocks.to(device))
        return logits.float()


def resampled(hu: NDArray[np.int16], counts: tuple[int, ...]) -> Tensor:
    """HU on a grid of other spacing with the same first and last voxels, averaged where it is coarser.

    Args:
        hu: (slice, row, column).
        counts: voxels along each axis.

    Returns:
        float32.
    """
    across = [_weights(count, new) for count, new in zip(hu.shape, counts, strict=True)]
    along, rows, columns = across
    planes = torch.empty(hu.shape[0], counts[1], counts[2])
    for index, plane in enumerate(hu):
        planes[index] = rows @ torch.from_numpy(plane.astype(np.float32)) @ columns.T
    found: Tensor = (along @ planes.flatten(1)).reshape(counts)
    return found


def _weights(count: int, new: int) -> Tensor:
    """Of each old voxel in each new one, (new, old): a triangle as wide as the coarser of both grids."""
    width = max(1.0, (count - 1) / (new - 1))
    places = torch.linspace(0, count - 1, new, dtype=torch.float64)
    away = (torch.arange(count)[None] - places[:, None]).abs() / width
    weights = (1 - away).clamp_min(0)
    return (weights / weights.sum(dim=1, keepdim=True)).float()
