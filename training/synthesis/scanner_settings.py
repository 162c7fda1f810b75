"""How scanners differ: the ranges of ``variation.yaml`` and one draw of them."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from training.config import Section
from training.synthesis.attenuation import KVP


def _ordered(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the lower limit, {limits[0]}, is above the upper, {limits[1]}")
    return limits


def _above_zero(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] <= 0:
        raise ValueError("must be above 0")
    return limits


def _offered(kvp: tuple[float, float]) -> tuple[float, float]:
    if kvp[0] < KVP[0] or kvp[1] > KVP[-1]:
        raise ValueError(f"CT scanners work at {KVP[0]:g} to {KVP[-1]:g} kV")
    return kvp


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""Lower and upper limit of a value drawn evenly between them."""

PositiveRange = Annotated[Range, AfterValidator(_above_zero)]
"""Of a value that others are divided by."""

Chance = Annotated[float, Field(ge=0, le=1)]
"""Share of the scans in which something occurs."""


class ScannerVariation(Section):
    """Ranges of a scan's settings; what each means is said at ``ScannerSettings``."""

    kvp: Annotated[Range, AfterValidator(_offered)]
    thickness_mm: PositiveRange
    noise_hu: PositiveRange
    kernel_fwhm_mm: PositiveRange
    sharp_kernel: Chance
    edge_enhancement: Range
    beam_hardening: Range
    starvation: Range
    metal_hu: Range
    truncated: Chance
    fov_radius_mm: PositiveRange
    fov_rim_hu: Range


@dataclass(frozen=True)
class ScannerSettings:
    """Settings of some slices' scans; each (slice,), float32.

    Attributes:
        kvp: tube voltage in kV.
        thickness_mm: of the slice.
        noise_hu: standard deviation in the middle of the body, away from metal.
        kernel_fwhm_mm: width of the reconstruction's point spread in the plane.
        edge_enhancement: by how much fine detail is raised above what the width alone would leave; 0 with a
            soft kernel.
        beam_hardening: by how much a line integral falls short, per square of what bone adds to it.
        starvation: 0 where the tube's current follows the patient's thickness around (equal noise in each
            view's thickest part), 1 where it is constant, so that wide views are starved.
        metal_hu: attenuation of implants before the scale is cut off.
        fov_radius_mm: of the circle that is shown, infinite where the whole picture is.
        fov_rim_hu: excess at the circle's edge where the body goes on outside it.
    """

    kvp: Tensor
    thickness_mm: Tensor
    noise_hu: Tensor
    kernel_fwhm_mm: Tensor
    edge_enhancement: Tensor
    beam_hardening: Tensor
    starvation: Tensor
    metal_hu: Tensor
    fov_radius_mm: Tensor
    fov_rim_hu: Tensor


def sample_settings(variation: ScannerVariation, count: int, random: torch.Generator) -> ScannerSettings:
    """Draw the settings of ``count`` slices, each scanned on its own.

    Noise is drawn on a logarithmic scale, most often in the middle of its range.
    """

    def even(limits: Range) -> Tensor:
        low, high = limits
        return low + (high - low) * torch.rand(count, generator=random)

    def happens(chance: Chance) -> Tensor:
        return torch.rand(count, generator=random) < chance

    low, high = (torch.tensor(limit) for limit in variation.noise_hu)
    peaked = torch.rand(2, count, generator=random).mean(0)
    return ScannerSettings(
        kvp=even(variation.kvp),
        thickness_mm=even(variation.thickness_mm),
        noise_hu=low * (high / low) ** peaked,
        kernel_fwhm_mm=even(variation.kernel_fwhm_mm),
        edge_enhancement=even(variation.edge_enhancement) * happens(variation.sharp_kernel),
        beam_hardening=even(variation.beam_hardening),
        starvation=even(variation.starvation),
        metal_hu=even(variation.metal_hu),
        fov_radius_mm=even(variation.fov_radius_mm).where(happens(variation.truncated), torch.inf),
        fov_rim_hu=even(variation.fov_rim_hu),
    )
