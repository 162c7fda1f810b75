"""Pixels in, labels on the same pixels out, checked with a network whose every answer is known."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.bundle import Bundle, load_bundle
from inference.engines import REFERENCE, Engine, best_engine
from inference.tissue_network import NetworkLabels, TissueNetwork
from inference.tissue_protocol import Tissue
from tests.inference.bundles import write_bundle

MUSCLE_HU, FAT_HU = 60, -100


class Thresholds(nn.Module):
    """Muscle where the first window, -200 to 200 HU, is above 0 HU; subcutaneous fat below; else nothing."""

    multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(tuple(image.shape))
        assert image.shape[2] % self.multiple == image.shape[3] % self.multiple == 0
        hu = image[:, 0] * 200
        logits = torch.full((image.shape[0], len(Tissue) + 1, *hu.shape[1:]), -20.0)
        logits[:, 0] = torch.where(hu <= -190, 10.0, -10.0)
        logits[:, Tissue.MUSCLE] = hu / 5
        logits[:, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE] = -hu / 5
        logits[:, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE][hu <= -190] = -20.0
        return logits


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(write_bundle(tmp_path_factory.mktemp("bundle") / "bundle"))


@pytest.fixture
def known(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> tuple[TissueNetwork, Thresholds]:
    network = Thresholds()
    monkeypatch.setattr(Bundle, "network", lambda self: network)
    return TissueNetwork(bundle, REFERENCE), network


def disc(
    pixel_mm: tuple[float, float], shape: tuple[int, int]
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """A round limb off the middle, muscle of 60 mm radius in fat of 80 mm, and its labels."""
    y, x = (
        (np.arange(n) - n * place) * side
        for n, place, side in zip(shape, (0.45, 0.55), pixel_mm, strict=True)
    )
    radius = np.hypot(y[:, None], x)
    hu = np.select([radius < 60, radius < 80], [MUSCLE_HU, FAT_HU], -1000).astype(np.int16)
    truth = np.select([radius < 60, radius < 80], [Tissue.MUSCLE, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE], 0)
    return np.stack([hu, np.roll(hu, 3, axis=1)]), np.stack([truth, np.roll(truth, 3, axis=1)]).astype(
        np.uint8
    )


@pytest.mark.parametrize(
    ("pixel_mm", "shape"),
    [((1.0, 1.0), (250, 250)), ((0.7, 0.7), (333, 351)), ((1.4, 0.9), (170, 262)), ((2.1, 2.1), (120, 111))],
)
def test_labels_lie_where_the_image_shows_them(
    known: tuple[TissueNetwork, Thresholds], pixel_mm: tuple[float, float], shape: tuple[int, int]
) -> None:
    """A shift by half a pixel or a turned axis would cost more than is allowed here."""
    hu, truth = disc(pixel_mm, shape)
    found = known[0].label(hu, pixel_mm).labels
    assert found.shape == hu.shape
    assert found.dtype == np.uint8
    for tissue in (Tissue.MUSCLE, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE):
        one, other = found == tissue, truth == tissue
        assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.97
        for axis in (1, 2):
            middles = [
                np.average(np.arange(mask.shape[axis]), weights=mask.sum(axis=(0, 3 - axis)))
                for mask in (one, other)
            ]
            assert middles[0] == pytest.approx(middles[1], abs=0.15)


def test_only_the_body_is_computed_and_slice_by_slice(known: tuple[TissueNetwork, Thresholds]) -> None:
    hu, _ = disc((1.0, 1.0), (500, 500))
    known[0].label(hu, (1.0, 1.0))
    assert len(known[1].seen) == 2
    for slices, channels, rows, columns in known[1].seen:
        assert (slices, channels) == (1, 3)
        assert max(rows, columns) < 230


def test_air_has_no_labels(known: tuple[TissueNetwork, Thresholds]) -> None:
    found = known[0].label(np.full((1, 64, 50), -1000, np.int16), (1.0, 1.0))
    assert not found.labels.any()
    assert found.expected_dsc == {}
    assert found.mean_expected_dsc == 0


def sureness(known: tuple[TissueNetwork, Thresholds], muscle_hu: int) -> NetworkLabels:
    hu, _ = disc((1.0, 1.0), (250, 250))
    hu[hu == MUSCLE_HU] = muscle_hu
    return known[0].label(hu, (1.0, 1.0))


def test_a_network_that_is_sure_expects_more(
    known: tuple[TissueNetwork, Thresholds],
) -> None:
    sure, unsure = sureness(known, 100), sureness(known, 1)
    assert sure.expected_dsc["fascia"] > 0.97
    assert unsure.expected_dsc["fascia"] < 0.8
    assert sure.mean_expected_dsc > unsure.mean_expected_dsc


def test_the_engine_of_this_machine_labels_as_the_reference_does(bundle: Bundle) -> None:
    hu, _ = disc((1.0, 1.0), (250, 250))
    reference, quick = (
        TissueNetwork(bundle, engine).label(hu, (1.0, 1.0)) for engine in (REFERENCE, best_engine())
    )
    assert (reference.labels == quick.labels).mean() > 0.98


def test_the_same_image_has_the_same_labels(bundle: Bundle) -> None:
    hu, _ = disc((0.8, 0.8), (280, 280))
    network = TissueNetwork(bundle, best_engine())
    assert np.array_equal(network.label(hu, (0.8, 0.8)).labels, network.label(hu, (0.8, 0.8)).labels)


def test_an_engine_says_what_it_is() -> None:
    assert str(Engine("cpu", torch.bfloat16)) == f"PyTorch {torch.__version__}, cpu, bfloat16"


def test_metal_among_muscle_is_none(known: tuple[TissueNetwork, Thresholds]) -> None:
    hu, _ = disc((1.0, 1.0), (250, 250))
    levels = {20: Tissue.MUSCLE, 500: Tissue.MUSCLE, 501: 0, 3000: 0}
    for column, level in enumerate(levels):
        hu[:, 100:110, 130 + column] = level
    found = known[0].label(hu, (1.0, 1.0)).labels[0, 105, 130 : 130 + len(levels)]
    assert found.tolist() == list(levels.values())
