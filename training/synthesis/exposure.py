"""From thin slices without fault to what a scanner gives, and to the labels an annotator would draw on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.synthesis.attenuation import contrast_scale
from training.synthesis.patient import Patient, Rendered
from training.synthesis.scanner import HU_LIMITS, acquire, blurred
from training.synthesis.scanner_settings import ScannerSettings
from training.synthesis.truth import label

FAT_HU = (-200.0, -20.0)
IODINE_HU = 100.0
"""Soft tissue brighter than this holds contrast medium or calcium."""

MINERAL_HU = (50.0, 250.0)
THIN_MM = 2.5


@dataclass(frozen=True)
class Slab:
    """Slices of a thickness, before they meet a scanner; each (slice, row, column).

    Attributes:
        hu: at 120 kVp.
        bone: share of bone substance.
        metal: share of metal.
        region: values of ``Region``, in the middle of the slice.
    """

    hu: Tensor
    bone: Tensor
    metal: Tensor
    region: Tensor

    @classmethod
    def of(
        cls, patient: Patient, level_mm: float, thickness_mm: float, rows: Tensor, columns: Tensor
    ) -> "Slab":
        """One slice of a patient, the average of thin ones."""
        thin = [patient.render(level_mm + off, rows, columns) for off in _offsets(thickness_mm)]
        middle = thin[len(thin) // 2]
        hu, bone, metal = (_mean(thin, name)[None] for name in ("hu", "bone", "metal"))
        return cls(hu, bone, metal, middle.region[None])

    @classmethod
    def together(cls, slabs: Sequence["Slab"]) -> "Slab":
        """Slices one behind the other."""
        return cls(
            *(
                torch.cat([getattr(slab, name) for slab in slabs])
                for name in ("hu", "bone", "metal", "region")
            )
        )


def expose(
    slab: Slab, pixel_mm: float, settings: ScannerSettings, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Scan slices.

    Returns:
        HU as a scanner gives them, float32, and labels, values of ``Tissue``, uint8.
    """
    hu = blurred(_at_kvp(slab, settings), settings, pixel_mm)
    scanned = acquire(hu, pixel_mm, slab.metal, settings, random)
    labels = label(slab.region, hu)
    labels[scanned <= HU_LIMITS[0]] = 0  # outside the field of view
    return scanned, labels


def _at_kvp(slab: Slab, settings: ScannerSettings) -> Tensor:
    def scale(material: str) -> Tensor:
        return contrast_scale(material, settings.kvp).to(slab.hu)[:, None, None]

    low, high = FAT_HU
    fat = (slab.hu > low) & (slab.hu < high)
    iodine = (slab.hu > IODINE_HU) & (slab.bone == 0)
    hu = torch.where(fat, slab.hu * scale("fat"), slab.hu)
    hu = torch.where(iodine, IODINE_HU + (slab.hu - IODINE_HU) * scale("iodine"), hu)
    # What lies above marrow is mineral; the thinner it is spread, the less there is to change.
    low, high = MINERAL_HU
    mineral = slab.bone * ((slab.hu - low) / (high - low)).clamp(0, 1)
    return hu * (1 + mineral * (scale("bone") - 1))


def _offsets(thickness_mm: float) -> list[float]:
    # An odd number: one of them is the middle.
    count = 1 if thickness_mm < THIN_MM else 3
    return [thickness_mm * ((part + 0.5) / count - 0.5) for part in range(count)]


def _mean(thin: Sequence[Rendered], name: str) -> Tensor:
    return torch.stack([getattr(one, name) for one in thin]).mean(0)
