"""A network's labels on whatever pixels the images have, and how sure it is of them.

The network outlines regions: bone, the inside of the fascia around muscles, subcutaneous fat. In bone and in
the fascia HU decide, pixel by pixel, as for the paper's annotators (Imani 2025, section 2.3). On synthetic CT
of 60 patients that raised the mean DSC from 0.905 to 0.920 over the network's own choice of tissue. Averaging
with the mirrored slice's probabilities would double the time and gained less than 0.001.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from inference.body import around_body
from inference.bundle import Bundle
from inference.denoise import CalmHU, calmed
from inference.engines import Engine
from inference.morphology import Pixel
from inference.networks.windows import to_channels
from inference.result import ModelIdentity
from inference.tissue_protocol import BONE, FAT_HU, MUSCLE_END_HU, MUSCLE_HU, Tissue, label_bone

AIR_HU = -1000.0
REGIONS = {
    "bone": BONE,
    "fascia": (Tissue.MUSCLE, Tissue.INTERMUSCULAR_ADIPOSE_TISSUE),
    "subcutaneous fat": (Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE,),
}


@dataclass(frozen=True)
class NetworkLabels:
    """What the network found.

    Attributes:
        labels: uint8, values of ``Tissue``, 0 elsewhere; (slice, row, column).
        expected_dsc: of each of ``REGIONS`` that was found, over all slices, by the network's own
            probabilities: the soft Dice confidence (Borges 2024, arXiv 2402.10665).
    """

    labels: NDArray[np.uint8]
    expected_dsc: Mapping[str, float]

    @property
    def mean_expected_dsc(self) -> float:
        """Over the regions that were found; 0 where none was."""
        return sum(self.expected_dsc.values()) / max(1, len(self.expected_dsc))


class TissueNetwork:
    """A bundle's network, ready to be run.

    Args:
        bundle: the model.
        engine: what computes it.

    Attributes:
        identity: of the model.
        engine: what computes it.
    """

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        network = bundle.network()
        self.identity = ModelIdentity(bundle.name, bundle.version, bundle.weights_sha256)
        self.engine = engine
        self._bundle = bundle
        self._multiple = network.multiple
        self._network = engine.prepared(network)

    def label(self, hu: NDArray[np.int16], pixel_mm: Pixel) -> NetworkLabels:
        """Label slices, one after the other: on a CPU several at once are no quicker and take more memory.

        Args:
            hu: axes foot to head, front to back, right to left.
            pixel_mm: (row, column).
        """
        window = (slice(None), *around_body(hu, pixel_mm))
        shown = hu[window]
        regions = np.empty(shown.shape, np.uint8)
        sure = _Sureness()
        for index, plane in enumerate(shown):
            probabilities = _of_regions(self._probabilities(plane, pixel_mm))
            best, found = probabilities.max(dim=0)
            sure.add(probabilities, best, found)
            regions[index] = found.to("cpu", torch.uint8).numpy()
        labels = np.zeros(hu.shape, np.uint8)
        labels[window] = _tissues(regions, calmed(shown))
        return NetworkLabels(labels, sure.expected_dsc())

    def _probabilities(self, plane: NDArray[np.int16], pixel_mm: Pixel) -> Tensor:
        """Of each class, (class, row, column), on the pixels of the plane.

        Logits are brought to these pixels, not labels: borders stay smooth.
        """
        rows, columns = (
            max(1, round(length * side / self._bundle.pixel_mm))
            for length, side in zip(plane.shape, pixel_mm, strict=True)
        )
        hu = torch.from_numpy(plane.astype(np.float32)).to(self.engine.device)
        hu = _resized(hu[None, None], (rows, columns))[0]
        below, beside = (-length % self._multiple for length in (rows, columns))
        channels = to_channels(pad(hu, (0, beside, 0, below), value=AIR_HU), self._bundle.windows_hu)
        logits = self.engine.logits(self._network, channels)[..., :rows, :columns]
        return _resized(logits, (plane.shape[0], plane.shape[1])).softmax(dim=1)[0]


def _of_regions(probabilities: Tensor) -> Tensor:
    """Of each of ``REGIONS``, and of none of them: (region, row, column)."""
    regions = [probabilities[list(members)].sum(dim=0) for members in REGIONS.values()]
    return torch.stack((*regions, probabilities[0]))


def _tissues(regions: NDArray[np.uint8], calm: CalmHU) -> NDArray[np.uint8]:
    bone, fascia, subcutaneous = (regions == number for number in range(len(REGIONS)))
    hu = calm.edges
    labels = np.zeros(regions.shape, np.uint8)
    labels[subcutaneous] = Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE
    labels[fascia & (hu > FAT_HU)] = Tissue.INTERMUSCULAR_ADIPOSE_TISSUE
    labels[fascia & (hu > MUSCLE_HU)] = Tissue.MUSCLE
    labels[fascia & (hu > MUSCLE_END_HU)] = 0
    label_bone(labels, bone, calm)
    return labels


class _Sureness:
    """Sums over slices."""

    def __init__(self) -> None:
        self._all, self._own, self._pixels = torch.zeros(3, len(REGIONS) + 1, dtype=torch.float64)

    def add(self, probabilities: Tensor, best: Tensor, found: Tensor) -> None:
        """Adds a slice: probabilities of all regions, the greatest of them, and whose it is."""
        regions = len(probabilities)
        found, best = found.flatten(), best.flatten()
        self._all += probabilities.sum(dim=(1, 2)).cpu()
        self._own += torch.bincount(found, best, minlength=regions).cpu()
        self._pixels += torch.bincount(found, minlength=regions).cpu()

    def expected_dsc(self) -> dict[str, float]:
        expected = 2 * self._own / (self._pixels + self._all)
        return {name: float(expected[n]) for n, name in enumerate(REGIONS) if self._pixels[n]}


def _resized(image: Tensor, shape: tuple[int, int]) -> Tensor:
    """The same area on other pixels; where they are larger, what they would alias is averaged away."""
    return interpolate(image, shape, mode="bilinear", antialias=True)
