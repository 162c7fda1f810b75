"""What the scanner does to a schematic pelvis: an ellipse of muscle with a femoral head on either side."""

import dataclasses
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from training.synthesis.scanner import HU_LIMITS, acquire, blurred
from training.synthesis.scanner_settings import ScannerSettings, ScannerVariation, sample_settings

SHAPE = (96, 160)
PIXEL_MM = 2.0
MIDDLE = (slice(43, 53), slice(60, 100))
"""Between the heads, and as much above them."""
ABOVE = (slice(17, 27), slice(60, 100))
EDGE = (slice(43, 53), slice(6, 14))


def settings(count: int = 1, **changed: float) -> ScannerSettings:
    values = {
        "kvp": 120.0,
        "thickness_mm": 3.0,
        "noise_hu": 0.001,
        "kernel_fwhm_mm": 4.0,
        "edge_enhancement": 0.0,
        "beam_hardening": 0.0,
        "starvation": 0.5,
        "metal_hu": 8000.0,
        "fov_radius_mm": torch.inf,
        "fov_rim_hu": 0.0,
    }
    values.update(changed)
    return ScannerSettings(**{name: torch.full((count,), value) for name, value in values.items()})


def disc(row: float, column: float, radius: float) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(SHAPE[0]), torch.arange(SHAPE[1]), indexing="ij")
    return torch.hypot(rows - row, columns - column) < radius


@pytest.fixture(scope="module")
def pelvis() -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(SHAPE[0]), torch.arange(SHAPE[1]), indexing="ij")
    hu = torch.full(SHAPE, -1000.0)
    hu[((rows - 47.5) / 44) ** 2 + ((columns - 79.5) / 76) ** 2 < 1] = 50.0
    hu[disc(47.5, 36, 12) | disc(47.5, 123, 12)] = 600.0
    return hu[None]


def scan(hu: Tensor, chosen: ScannerSettings, metal: Tensor | None = None, seed: int = 0) -> Tensor:
    metal = torch.zeros_like(hu) if metal is None else metal
    return acquire(hu, PIXEL_MM, metal, chosen, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("noise_hu", [5.0, 40.0])
@pytest.mark.parametrize("sharp", [0.0, 1.0])
def test_noise_is_as_asked_for_in_the_middle_and_less_at_the_edge(
    pelvis: Tensor, noise_hu: float, sharp: float
) -> None:
    hu = pelvis.expand(16, -1, -1)
    chosen = settings(16, noise_hu=noise_hu, edge_enhancement=sharp)
    noise = scan(hu, chosen) - hu
    assert noise[:, *MIDDLE].std().item() == pytest.approx(noise_hu, rel=0.1)
    assert noise[:, *EDGE].std().item() < 0.85 * noise_hu
    assert noise[:, *MIDDLE].mean().item() == pytest.approx(0, abs=0.3 * noise_hu)


def test_a_constant_current_starves_the_rays_through_both_hips(pelvis: Tensor) -> None:
    hu = pelvis.expand(16, -1, -1)
    share = []
    for starvation in (0.0, 1.0):
        noise = scan(hu, settings(16, noise_hu=20.0, starvation=starvation)) - hu
        across = noise[:, *MIDDLE].mean(dim=2).std()
        along = noise[:, *MIDDLE].mean(dim=1).std()
        share.append((across / along).item())
    # Streaks run from hip to hip: averaging along them leaves more of the noise.
    assert share[1] > 1.15 * share[0]


def test_beam_hardening_makes_a_dark_band_between_the_hips(pelvis: Tensor) -> None:
    error = scan(pelvis, settings(beam_hardening=0.2))[0] - pelvis[0]
    assert error[MIDDLE].mean().item() < -3
    assert error[ABOVE].mean().item() > 0


def test_metal_casts_streaks_and_is_brightest(pelvis: Tensor) -> None:
    metal = (disc(47.5, 36, 6) | disc(47.5, 123, 6)).float()[None]
    scanned = scan(pelvis, settings(), metal)[0]
    assert scanned[47, 36].item() == HU_LIMITS[1]
    error = scanned - pelvis[0]
    assert error[MIDDLE].mean().item() < -30
    assert error[MIDDLE].mean().item() < error[ABOVE].mean().item() - 30


def test_one_small_rod_leaves_no_dark_halo(pelvis: Tensor) -> None:
    metal = disc(47.5, 36, 4).float()[None]
    halo = disc(47.5, 36, 11) & ~disc(47.5, 36, 8)
    error = scan(pelvis, settings(), metal)[0] - pelvis[0]
    assert abs(error[halo].mean().item()) < 120


def test_outside_the_field_of_view_there_is_padding_and_a_rim_where_the_body_goes_on(pelvis: Tensor) -> None:
    scanned = scan(pelvis, settings(fov_radius_mm=120.0, fov_rim_hu=200.0))[0]
    assert (scanned[:, :18] == HU_LIMITS[0]).all()
    assert scanned[47, 22].item() > 50 + 60
    assert scanned[8, 79].item() == pytest.approx(50, abs=3)
    assert scanned[MIDDLE].mean().item() == pytest.approx(50, abs=3)


def test_values_are_cut_off_at_twelve_bits(pelvis: Tensor) -> None:
    scanned = scan(pelvis * 10, settings(noise_hu=50.0))
    assert (scanned.min().item(), scanned.max().item()) == HU_LIMITS


def test_a_kernel_has_the_width_it_says() -> None:
    point = torch.zeros(1, *SHAPE)
    point[0, 48, 80] = 1
    soft = blurred(point, settings(kernel_fwhm_mm=8.0), PIXEL_MM)[0]
    assert soft.sum().item() == pytest.approx(1, abs=1e-4)
    assert soft[48, 82].item() / soft[48, 80].item() == pytest.approx(0.5, abs=0.01)


def test_a_sharp_kernel_overshoots_and_keeps_even_areas(pelvis: Tensor) -> None:
    sharp = blurred(pelvis, settings(kernel_fwhm_mm=2.0, edge_enhancement=1.0), PIXEL_MM)[0]
    assert sharp.max().item() > 610
    assert sharp[MIDDLE].mean().item() == pytest.approx(50, abs=1)


def test_each_slice_has_its_own_settings(pelvis: Tensor) -> None:
    both = settings(2, noise_hu=4.0)
    both = dataclasses.replace(both, noise_hu=torch.tensor([4.0, 40.0]))
    noise = scan(pelvis.expand(2, -1, -1), both) - pelvis
    assert noise[1, *MIDDLE].std().item() > 5 * noise[0, *MIDDLE].std().item()


def test_a_picture_of_air_alone_is_scanned() -> None:
    scanned = scan(torch.full((1, *SHAPE), -1000.0), settings(noise_hu=10.0))
    assert torch.isfinite(scanned).all()


def test_the_same_seed_gives_the_same_scan(pelvis: Tensor) -> None:
    chosen = settings(noise_hu=20.0)
    assert torch.equal(scan(pelvis, chosen, seed=3), scan(pelvis, chosen, seed=3))
    assert not torch.equal(scan(pelvis, chosen, seed=3), scan(pelvis, chosen, seed=4))


RANGES: dict[str, Any] = {
    "kvp": (80, 140),
    "thickness_mm": (0.6, 5.0),
    "noise_hu": (3, 45),
    "kernel_fwhm_mm": (0.8, 2.0),
    "sharp_kernel": 0.25,
    "edge_enhancement": (0.1, 0.8),
    "beam_hardening": (0.0, 0.3),
    "starvation": (0.0, 1.0),
    "metal_hu": (4000, 12000),
    "truncated": 0.1,
    "fov_radius_mm": (130, 210),
    "fov_rim_hu": (0, 250),
}


def test_settings_are_drawn_within_their_ranges() -> None:
    drawn = sample_settings(ScannerVariation.model_validate(RANGES), 2000, torch.Generator().manual_seed(0))
    for name in ("kvp", "thickness_mm", "noise_hu", "kernel_fwhm_mm", "beam_hardening", "metal_hu"):
        values, (low, high) = getattr(drawn, name), RANGES[name]
        assert low <= values.min().item() <= values.max().item() <= high
    assert torch.isfinite(drawn.fov_radius_mm).float().mean().item() == pytest.approx(0.1, abs=0.03)
    assert (drawn.edge_enhancement > 0).float().mean().item() == pytest.approx(0.25, abs=0.04)
    assert 8 < drawn.noise_hu.median().item() < 15


@pytest.mark.parametrize("wrong", [{"kvp": (20, 140)}, {"noise_hu": (0, 10)}, {"thickness_mm": (5, 1)}])
def test_impossible_ranges_are_refused(wrong: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(ValidationError):
        ScannerVariation.model_validate(RANGES | wrong)


def test_even_water_keeps_its_mean() -> None:
    water = torch.where(disc(47.5, 79.5, 40), 0.0, -1000.0)[None]
    error = scan(water, settings(noise_hu=10.0)) - water
    assert error[0, disc(47.5, 79.5, 36)].mean().item() == pytest.approx(0, abs=1)


def test_a_wider_kernel_leaves_less_fine_noise(pelvis: Tensor) -> None:
    fine = []
    for fwhm_mm in (3.0, 5.0):
        noise = scan(pelvis, settings(noise_hu=20.0, kernel_fwhm_mm=fwhm_mm)) - pelvis
        fine.append(noise[0].diff(dim=1)[MIDDLE].std().item())
    assert fine[1] < 0.8 * fine[0]


def test_without_metal_there_are_no_streaks(pelvis: Tensor) -> None:
    assert (scan(pelvis, settings()) - pelvis).abs().max().item() < 0.1


def test_metal_starves_the_rays_through_it(pelvis: Tensor) -> None:
    hu, chosen = pelvis.expand(16, -1, -1), settings(16, noise_hu=20.0)
    metal = (disc(47.5, 36, 6) | disc(47.5, 123, 6)).float().expand_as(hu)
    noise = [scan(hu, chosen, there)[:, *MIDDLE].std(dim=0).mean() for there in (metal, metal * 0)]
    assert noise[0] > 1.5 * noise[1]
