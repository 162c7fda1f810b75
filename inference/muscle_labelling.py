"""Everything between HU and sideless labels of a series: metal, the network, borders."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.body import around_body
from inference.metal import Metal, find_metal, reduced
from inference.muscle_edges import edged
from inference.muscle_labels import MuscleLabeller, SoftLabels, Spacing


@dataclass(frozen=True)
class LabelledMuscles:
    """Labels, and what they were made from; all arrays (slice, row, column).

    Attributes:
        labels: uint8, values of ``ThighStructure``.
        soft: the network's probabilities, around the body.
        metal: implants.
        calm: HU with less of the artefacts of metal.
    """

    labels: NDArray[np.uint8]
    soft: SoftLabels
    metal: Metal
    calm: NDArray[np.int16]


def label_muscles(labeller: MuscleLabeller, hu: NDArray[np.int16], spacing_mm: Spacing) -> LabelledMuscles:
    """Label a series.

    Args:
        labeller: the network.
        hu: axes foot to head, front to back, right to left.
        spacing_mm: slice, row, column.
    """
    metal = find_metal(hu, spacing_mm)
    calm = reduced(hu, metal, spacing_mm)
    window = (slice(None), *around_body(calm, spacing_mm[1:]))
    soft = labeller.label(calm[window], spacing_mm)
    labels = np.zeros(hu.shape, np.uint8)
    labels[window] = edged(soft, calm[window], spacing_mm[1:])
    return LabelledMuscles(labels, soft, metal, calm)
