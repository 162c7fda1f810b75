"""Noise is measured and lowered; edges, and images without noise, stay what they are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.denoise import HU_RANGE, calmed, noise_hu

NOISE_HU = 20.0


@pytest.fixture
def clean() -> NDArray[np.int16]:
    """Muscle with a plane of fat two pixels wide, and marrow of two kinds beside each other, in cortex."""
    hu = np.full((3, 80, 120), 60, np.int16)
    hu[:, :, 40:42] = -100
    hu[:, 20:60, 60:110] = 800
    hu[:, 24:56, 64:85] = 20
    hu[:, 24:56, 85:106] = 80
    return hu


@pytest.fixture
def noisy(clean: NDArray[np.int16]) -> NDArray[np.int16]:
    return (clean + np.random.default_rng(0).normal(0, NOISE_HU, clean.shape)).astype(np.int16)


def test_noise_is_measured_beside_edges(clean: NDArray[np.int16], noisy: NDArray[np.int16]) -> None:
    assert noise_hu(clean) == 0
    assert noise_hu(noisy) == pytest.approx(NOISE_HU, rel=0.15)


def test_without_noise_nothing_changes(clean: NDArray[np.int16]) -> None:
    calm = calmed(clean)
    assert (calm.edges == clean.clip(*HU_RANGE)).all()
    assert (calm.marrow == clean.clip(*HU_RANGE)).all()


def test_both_kinds_of_marrow_come_apart(noisy: NDArray[np.int16]) -> None:
    adipose, haematopoietic = np.s_[:, 26:54, 66:83], np.s_[:, 26:54, 87:104]
    assert (noisy[adipose] > 50).mean() > 0.04
    marrow = calmed(noisy).marrow
    assert (marrow[adipose] > 50).mean() < 0.001
    assert (marrow[haematopoietic] < 50).mean() < 0.001


def test_thin_fat_and_cortex_stay(noisy: NDArray[np.int16]) -> None:
    edges = calmed(noisy).edges
    assert (edges[:, 5:, 40:42] < -30).mean() > 0.99
    assert (edges[:, 5:, [38, 43]] > -30).mean() > 0.99
    assert (edges[:, 20:24, 60:110] > 300).all()


def test_each_slice_is_calmed_alone() -> None:
    hu = np.random.default_rng(1).normal(0, NOISE_HU, (2, 40, 40)).astype(np.int16)
    hu[1] += 100
    steps = calmed(hu).edges[1].mean() - calmed(hu).edges[0].mean()
    assert steps == pytest.approx(100, abs=2)
