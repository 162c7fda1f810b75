"""What a CT scanner makes of a patient: blur, noise, streaks, dark bands, metal, a truncated field of view.

Streaks and bands are worked out where they arise, in the line integrals: the integrals' errors are
reconstructed on a coarse grid and added to the picture (Barrett and Keat 2004, RadioGraphics 24:1679, shows
each artefact).
"""

import math

import torch
from torch import Tensor

from inference.projection import ParallelBeam
from training.synthesis.attenuation import water_per_mm
from training.synthesis.scanner_settings import ScannerSettings

COARSE_MM = 2.5
HU_LIMITS = (-1024.0, 3071.0)
"""Twelve bits, as most scanners store."""

BONE_HU = 150.0
BODY_HU = -500.0
MIDDLE_MM = 30.0
"""Noise is set for the middle of the body: its centre and this much around."""

STREAK_SHARE = 0.4
"""Of the noise variance in the middle. Chosen: little of a soft kernel's noise is as coarse as the coarse
grid, but only there can it form streaks."""

EDGE_PER_MM = 0.3
"""Chosen: spatial frequency from which sharp kernels raise detail."""

METAL_SATURATION = 5.0
"""Chosen: line integrals through metal beyond this are mostly lost to beam hardening and scatter."""
MOST_STARVED = 3.5
"""Chosen: natural logarithm of the most that metal multiplies noise variance by; scanners filter the rest."""

RIM_MM = 6.0
RIM_LOOK_MM = 4.0


def blurred(hu: Tensor, settings: ScannerSettings, pixel_mm: float) -> Tensor:
    """The picture that the kernel would give without noise, (slice, row, column); borders wrap around."""
    transfer = _transfer(settings, pixel_mm, hu)
    shape = (hu.shape[-2], hu.shape[-1])
    image: Tensor = torch.fft.irfft2(torch.fft.rfft2(hu) * transfer, shape)
    return image


def acquire(
    hu: Tensor, pixel_mm: float, metal: Tensor, settings: ScannerSettings, random: torch.Generator
) -> Tensor:
    """Scan slices.

    Args:
        hu: (slice, row, column), without noise, at the settings' kVp, as ``blurred`` gives it.
        pixel_mm: side of a pixel.
        metal: (slice, row, column), share of metal, not blurred.
        settings: one per slice.
        random: on the CPU, so that every device sees the same noise.

    Returns:
        float32 HU within ``HU_LIMITS``, the lower one outside the field of view.
    """
    with_metal = hu
    if metal.any():
        share = blurred(metal, settings, pixel_mm).clamp(0, 1)
        with_metal = torch.lerp(hu, _each(settings.metal_hu, hu), share)
    errors, noise_hu = _scan_errors(hu, metal, pixel_mm, settings, random)
    scanned = with_metal + errors + noise_hu * _fine_noise(hu, settings, pixel_mm, random)
    return _within_field(scanned, hu, settings, pixel_mm).clamp(*HU_LIMITS)


def _each(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like)[:, None, None]


def _transfer(settings: ScannerSettings, pixel_mm: float, like: Tensor) -> Tensor:
    """Modulation transfer function of each slice's kernel at the frequencies of ``torch.fft.rfft2``."""
    frequency = _frequency_per_mm(pixel_mm, like)
    width = _each(settings.kernel_fwhm_mm, like)
    soft = torch.exp(-((math.pi * frequency * width) ** 2) / (4 * math.log(2)))
    raised = 1 - torch.exp(-((frequency / EDGE_PER_MM) ** 2))
    return soft * (1 + _each(settings.edge_enhancement, like) * raised)


def _frequency_per_mm(pixel_mm: float, like: Tensor) -> Tensor:
    down = torch.fft.fftfreq(like.shape[-2], pixel_mm, device=like.device)
    across = torch.fft.rfftfreq(like.shape[-1], pixel_mm, device=like.device)
    return torch.hypot(down[:, None], across)


def _fine_noise(hu: Tensor, settings: ScannerSettings, pixel_mm: float, random: torch.Generator) -> Tensor:
    """Noise of unit variance; its power rises like the ramp filter and falls like the kernel squared.

    Riederer, Pelc and Chesler 1978, Phys Med Biol 23:446.
    """
    shape = (hu.shape[-2], hu.shape[-1])
    white = torch.randn(hu.shape, generator=random).to(hu)
    amplitude = _frequency_per_mm(pixel_mm, hu).sqrt() * _transfer(settings, pixel_mm, hu)
    coloured: Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * amplitude, shape)
    return coloured / coloured.std(dim=(1, 2), keepdim=True)


def _scan_errors(
    hu: Tensor, metal: Tensor, pixel_mm: float, settings: ScannerSettings, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """What goes wrong in the line integrals, and the standard deviation of the fine noise; both in HU."""
    rows, columns = (max(1, round(size * pixel_mm / COARSE_MM)) for size in hu.shape[1:])
    shape = (rows, columns)
    beam = ParallelBeam(shape, COARSE_MM, device=hu.device)
    water = _each(water_per_mm(settings.kvp), hu)

    coarse = torch.nn.functional.adaptive_avg_pool2d(hu, shape)
    integrals = beam.project((1 + coarse / 1000).clamp_min(0) * water)
    bone = beam.project((coarse - BONE_HU).clamp_min(0) / 1000 * water)
    lost = _each(settings.beam_hardening, hu) * bone.square()

    thickest = integrals.amax(dim=2, keepdim=True)
    log_variance = integrals - thickest * (1 - _each(settings.starvation, hu))
    variance = torch.exp(log_variance - log_variance.amax(dim=(1, 2), keepdim=True))
    # What the middle of the body would have without metal is what the settings ask for.
    pixels = beam.reconstructed_variance(variance)
    scale = _each(settings.noise_hu, hu).square() / _in_the_middle(pixels, coarse)
    if metal.any():
        amount = torch.nn.functional.adaptive_avg_pool2d(metal.to(hu), shape)
        through = beam.project(amount * _each(settings.metal_hu, hu) / 1000 * water)
        lost = lost + _lost_in_metal(through)
        variance = variance * through.clamp_max(MOST_STARVED).exp()
        pixels = beam.reconstructed_variance(variance)

    white = torch.randn(variance.shape, generator=random).to(hu)
    streaks = (variance * scale * STREAK_SHARE).sqrt() * white
    errors = beam.reconstruct(streaks - lost * 1000 / water)
    fine = (pixels * scale * (1 - STREAK_SHARE)).sqrt()
    both = torch.nn.functional.interpolate(
        torch.stack((errors, fine), dim=1), size=hu.shape[1:], mode="bilinear", align_corners=False
    )
    return both[:, 0], both[:, 1]


def _lost_in_metal(through: Tensor) -> Tensor:
    """By how much line integrals through metal fall short, less what only makes the metal itself darker."""
    lost = through - METAL_SATURATION * torch.log1p(through / METAL_SATURATION)
    proportional = (lost * through).sum(dim=(1, 2)) / through.square().sum(dim=(1, 2)).clamp_min(1e-6)
    return lost - proportional[:, None, None] * through


def _in_the_middle(values: Tensor, coarse_hu: Tensor) -> Tensor:
    """Mean of the values around the body's centre, (slice, 1, 1); of all where there is no body."""
    body = (coarse_hu > BODY_HU).to(values)
    rows, columns = (
        COARSE_MM * torch.arange(size, device=values.device).to(values) for size in values.shape[1:]
    )
    area = body.sum(dim=(1, 2), keepdim=True).clamp_min(1)
    row = (body * rows[:, None]).sum(dim=(1, 2), keepdim=True) / area
    column = (body * columns).sum(dim=(1, 2), keepdim=True) / area
    away = (rows[:, None] - row).square() + (columns - column).square()
    weight = body * torch.exp(-away / (2 * MIDDLE_MM**2)) + 1e-6
    return (values * weight).sum(dim=(1, 2), keepdim=True) / weight.sum(dim=(1, 2), keepdim=True)


def _within_field(scanned: Tensor, hu: Tensor, settings: ScannerSettings, pixel_mm: float) -> Tensor:
    """Cut off at the circle, with a bright rim where the body goes on (Ohnesorge 2000, Med Phys 27:39)."""
    radius = _each(settings.fov_radius_mm, hu)
    if not torch.isfinite(radius).any():
        return scanned
    rows, columns = (
        pixel_mm * (torch.arange(size, device=hu.device).to(hu) - (size - 1) / 2) for size in hu.shape[1:]
    )
    away = torch.hypot(rows[:, None], columns).clamp_min(pixel_mm)
    # Where the ray from the centre through each pixel leaves the circle, in units of half the picture.
    outwards = ((radius + RIM_LOOK_MM) / away).nan_to_num(posinf=1.0)
    half_rows, half_columns = (pixel_mm * size / 2 for size in hu.shape[1:])
    leaving = torch.stack((columns * outwards / half_columns, rows[:, None] * outwards / half_rows), dim=-1)
    body = (hu > BODY_HU).to(hu)[:, None]
    goes_on = torch.nn.functional.grid_sample(body, leaving, padding_mode="border", align_corners=False)[:, 0]
    inwards = (radius - away).clamp_min(0) / RIM_MM
    rim = _each(settings.fov_rim_hu, hu) * torch.exp(-inwards) * goes_on * (hu > BODY_HU)
    return torch.where(away < radius, scanned + rim, HU_LIMITS[0])
