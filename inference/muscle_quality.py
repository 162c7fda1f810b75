"""Flags on a thigh-muscle result: what in images or in the network's probabilities speaks against it."""

import highdicom as hd
import numpy as np

from inference.muscle_labels import SoftLabels
from inference.muscles import MUSCLES, ThighStructure, in_words
from inference.quality import named_contrast_flag, noise_flag
from inference.result import QualityFlag, Severity, SourceFrame

NOISE_SLICES = 12
"""Noise is measured on so many, spread over the series."""

LEAST_EXPECTED_DSC = 0.8
LEAST_CM3 = 5.0
"""Of a muscle in the scan, for its probabilities to say anything."""

THICKEST_MM = 5.0


def muscle_flags(image: hd.Volume, soft: SoftLabels, frame: SourceFrame) -> list[QualityFlag]:
    """Flags on images and labels.

    Args:
        image: HU, axes foot to head, front to back, right to left.
        soft: what the network said.
        frame: source of one slice.
    """
    found = [
        _thick_slices(image.spacing_between_slices),
        noise_flag(image.array[:: max(1, len(image.array) // NOISE_SLICES)]),
        named_contrast_flag(frame),
        _unsure(soft),
    ]
    return [flag for flag in found if flag is not None]


def expected_dsc(soft: SoftLabels) -> dict[ThighStructure, float]:
    """Of each muscle that is there, by the network's own probabilities.

    The soft Dice confidence (Borges 2024, arXiv 2402.10665).
    """
    probabilities = soft.probabilities
    best = probabilities.max(dim=0).indices
    voxel_cm3 = float(np.prod(soft.spacing_mm)) / 1000
    found = {}
    for muscle in MUSCLES:
        own = best == muscle
        count = int(own.sum())
        if count * voxel_cm3 >= LEAST_CM3:
            within, everywhere = probabilities[muscle][own].sum(), probabilities[muscle].sum()
            found[muscle] = float(2 * within / (count + everywhere))
    return found


def _unsure(soft: SoftLabels) -> QualityFlag | None:
    doubtful = {muscle: dsc for muscle, dsc in expected_dsc(soft).items() if dsc < LEAST_EXPECTED_DSC}
    if not doubtful:
        return None
    named = ", ".join(f"{in_words(muscle)} {dsc:.2f}" for muscle, dsc in doubtful.items())
    words = f"By its own probabilities the network expects a DSC below {LEAST_EXPECTED_DSC:g} of: {named}."
    return QualityFlag("network_unsure", Severity.WARNING, words)


def _thick_slices(spacing_mm: float) -> QualityFlag | None:
    if spacing_mm <= THICKEST_MM:
        return None
    words = f"Slices lie {spacing_mm:.1f} mm apart: volumes of short muscles are uncertain."
    return QualityFlag("slice_spacing", Severity.NOTE, words)
