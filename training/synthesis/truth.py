"""Ground truth as the paper's annotators made it: regions from anatomy, tissues in them by HU.

Imani 2025, section 2.3. The HU are those of a perfect detector: blurred by slice thickness and kernel,
without noise and artefacts, which no annotator would have followed either.
"""

from enum import IntEnum

import torch
from torch import Tensor

from inference.bone import BONE_HU, CORTICAL_HU
from inference.tissue_protocol import FAT_HU, MARROW_HU, MUSCLE_HU, Tissue


class Region(IntEnum):
    """What an annotator outlines."""

    NONE = 0
    BONE = 1
    LIMB = 2
    SUBCUTANEOUS = 3


def label(region: Tensor, hu: Tensor) -> Tensor:
    """Tissues of some pixels.

    Args:
        region: values of ``Region``.
        hu: without noise, at 120 kVp or whatever the scan was made with.

    Returns:
        uint8, values of ``Tissue``, 0 elsewhere.
    """
    labels = torch.zeros_like(region, dtype=torch.uint8)
    bone, limb = region == Region.BONE, region == Region.LIMB
    fat = (hu <= MUSCLE_HU) & (hu > FAT_HU)
    labels[limb & (hu > MUSCLE_HU)] = Tissue.MUSCLE
    labels[limb & fat] = Tissue.INTERMUSCULAR_ADIPOSE_TISSUE
    labels[(region == Region.SUBCUTANEOUS) & fat] = Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE
    labels[bone] = Tissue.MARROW_ADIPOSE_TISSUE
    labels[bone & (hu >= MARROW_HU)] = Tissue.HAEMATOPOIETIC_BONE_MARROW
    labels[bone & (hu >= BONE_HU)] = Tissue.TRABECULAR_BONE
    labels[bone & (hu > CORTICAL_HU)] = Tissue.CORTICAL_BONE
    return labels
