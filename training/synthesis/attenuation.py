"""How attenuation and contrast change with the tube's voltage."""

from types import MappingProxyType

import torch
from torch import Tensor

REFERENCE_KVP = 120.0

ENERGIES_KEV = (40.0, 50.0, 60.0, 80.0, 100.0)
WATER_CM2_PER_G = (0.2683, 0.2269, 0.2059, 0.1837, 0.1707)
"""Mass attenuation coefficients: Hubbell and Seltzer, NIST Standard Reference Database 126, tables 3 and 4
(water; cortical bone and adipose tissue of ICRU report 44; iodine)."""
MATERIALS = MappingProxyType(
    {
        # g/cm3 and cm2/g. Iodine is dissolved: its volume and its density do not matter to a ratio.
        "bone": (1.92, (0.6655, 0.4242, 0.3148, 0.2229, 0.1855)),
        # Nearer to pure fat than ICRU's 0.95 g/cm3, which would be -78 HU at 120 kVp, not -105 as in CT.
        "fat": (0.92, (0.2396, 0.2123, 0.1974, 0.1800, 0.1688)),
        "iodine": (1.0, (22.10, 12.32, 7.579, 3.510, 1.942)),
    }
)

KVP = (80.0, 100.0, 120.0, 140.0)
EFFECTIVE_KEV = (56.0, 63.5, 70.0, 76.0)
"""Chosen: the energies at which 1 mg/ml of iodine adds about 43, 32, 26 and 22 HU, as beams hardened by a
body of average size show it; an unhardened beam's mean energy is lower."""


def contrast_scale(material: str, kvp: Tensor) -> Tensor:
    """By what to multiply a material's contrast to water at 120 kVp to have that at another voltage.

    Args:
        material: "bone" (also calcification: the same mineral), "fat" or "iodine".
        kvp: of any shape, within 80 and 140; beyond, the nearest of them counts.
    """
    return _contrast(material, kvp) / _contrast(material, torch.full_like(kvp, REFERENCE_KVP))


def water_per_mm(kvp: Tensor) -> Tensor:
    """Linear attenuation coefficient of water in 1/mm."""
    return _at(WATER_CM2_PER_G, kvp) / 10


def _contrast(material: str, kvp: Tensor) -> Tensor:
    density, coefficients = MATERIALS[material]
    ratio = density * _at(coefficients, kvp) / _at(WATER_CM2_PER_G, kvp)
    return ratio if material == "iodine" else ratio - 1


def _at(coefficients: tuple[float, ...], kvp: Tensor) -> Tensor:
    """Between tabulated energies, logarithms are interpolated, as is usual."""
    energy = _interpolated(kvp, torch.tensor(KVP), torch.tensor(EFFECTIVE_KEV))
    return _interpolated(
        energy.log(), torch.tensor(ENERGIES_KEV).log(), torch.tensor(coefficients).log()
    ).exp()


def _interpolated(at: Tensor, positions: Tensor, values: Tensor) -> Tensor:
    positions, values = positions.to(at), values.to(at)
    above = torch.searchsorted(positions, at.contiguous()).clamp(1, len(positions) - 1)
    left, right = positions[above - 1], positions[above]
    return torch.lerp(values[above - 1], values[above], ((at - left) / (right - left)).clamp(0, 1))
