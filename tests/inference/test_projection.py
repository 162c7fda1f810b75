"""Projection and filtered back-projection, against those of scikit-image."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from skimage.transform import iradon, radon
from torch import Tensor

from inference.projection import ParallelBeam

SIZE = 65
PIXEL_MM = 2.5
BEAM = ParallelBeam((SIZE, SIZE), PIXEL_MM, angles=90)


@pytest.fixture(scope="module")
def discs() -> Tensor:
    """A large one, and in it a small denser one off the middle; smooth edges."""
    rows, columns = torch.meshgrid(*(torch.arange(float(SIZE)) - SIZE // 2,) * 2, indexing="ij")
    large = (24.5 - torch.hypot(rows, columns)).clamp(0, 1)
    small = (6.5 - torch.hypot(rows + 8, columns - 10)).clamp(0, 1)
    return (0.02 * (large + 0.5 * small))[None]


def test_projects_like_scikit_image(discs: Tensor) -> None:
    theirs = radon(discs[0].numpy(), np.arange(90) * 2.0, circle=True).T * PIXEL_MM
    middle = BEAM.bins // 2
    # Theirs turns the other way.
    ours = BEAM.project(discs.flip(1))[0, :, middle - SIZE // 2 : middle + SIZE // 2 + 1].numpy()
    assert np.abs(ours - theirs).mean() < 0.015 * theirs.max()


def test_line_integral_through_a_disc_is_its_width(discs: Tensor) -> None:
    shadow = BEAM.project(discs)[0, :, BEAM.bins // 2]
    assert shadow.mean().item() == pytest.approx(48 * PIXEL_MM * 0.02, rel=0.05)


def test_reconstruction_returns_what_was_projected(discs: Tensor) -> None:
    error = BEAM.reconstruct(BEAM.project(discs)) - discs
    rows, columns = torch.meshgrid(*(torch.arange(float(SIZE)) - SIZE // 2,) * 2, indexing="ij")
    away = torch.hypot(rows, columns)
    off = torch.hypot(rows + 8, columns - 10)
    flat = (away < 21) & ((off < 3) | (off > 10))
    assert error[0, flat].abs().max().item() < 0.03 * 0.02
    assert error[0, away > 28].abs().max().item() < 0.03 * 0.02


def test_reconstructs_like_scikit_image(discs: Tensor) -> None:
    theirs = iradon(
        radon(discs[0].numpy(), np.arange(90) * 2.0, circle=True), np.arange(90) * 2.0, filter_name="hann"
    )
    ours = BEAM.reconstruct(BEAM.project(discs))[0].numpy()
    assert np.abs(ours - theirs).mean() < 0.02 * 0.02


def test_predicts_the_variance_of_reconstructed_noise() -> None:
    random = torch.Generator().manual_seed(0)
    rising = torch.linspace(0.5, 2, 90)[:, None].expand(90, BEAM.bins)
    noise = torch.randn(64, 90, BEAM.bins, generator=random) * rising
    seen = BEAM.reconstruct(noise)[:, 12:-12, 12:-12].var()
    foreseen = BEAM.reconstructed_variance(rising.square()[None])[:, 12:-12, 12:-12].mean()
    assert foreseen.item() == pytest.approx(seen.item(), rel=0.08)


@pytest.mark.parametrize("shape", [(20, 40), (33, 18)])
def test_pictures_need_not_be_square(shape: tuple[int, int]) -> None:
    picture = torch.zeros(1, *shape)
    picture[0, 6, 11] = 1
    beam = ParallelBeam(shape, 1.0)
    sinogram = beam.project(picture)
    assert sinogram.sum(dim=2) == pytest.approx(torch.ones(1, beam.angles).numpy(), abs=1e-4)
    assert divmod(int(beam.reconstruct(sinogram).argmax()), shape[1]) == (6, 11)


@pytest.mark.parametrize("operation", [ParallelBeam.project, ParallelBeam.reconstruct])
def test_slices_do_not_meet(operation: Callable[[ParallelBeam, Tensor], Tensor]) -> None:
    shape = (SIZE, SIZE) if operation is ParallelBeam.project else (90, BEAM.bins)
    several = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    alone = operation(BEAM, several[1:2])
    assert math.isclose((operation(BEAM, several)[1:2] - alone).abs().max().item(), 0, abs_tol=1e-4)
