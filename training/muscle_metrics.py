"""How well labels of thigh muscles match the truth: DSC, ASSD, volumes (the figures of Kim 2024).

One case gives one figure per structure, both sides together, as the labels have no side. Surfaces are those
of the volume, in mm. Voxels of which the truth does not say whether they are the structure are in neither.
"""

from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import torch
from monai.metrics.utils import get_mask_edges, get_surface_distance
from numpy.typing import NDArray

from training.judged_muscles import JUDGED, MEMBERS, UNCLEAR

METRICS = ("dsc", "assd_mm", "ravd")
"""Of ``StructureScore``, in the order of the table."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class StructureScore:
    """One structure, or a set of them that the truth does not tell apart, in one case.

    Attributes:
        label: of the truth, one of ``JUDGED``.
        dsc: 0 to 1.
        assd_mm: average symmetric surface distance; nan where nothing was found.
        volume_cm3: found.
        true_volume_cm3: more than 0.
    """

    label: int
    dsc: float
    assd_mm: float
    volume_cm3: float
    true_volume_cm3: float

    @property
    def ravd(self) -> float:
        """Relative absolute volume difference, of the true volume; 0.05 is 5 %."""
        return abs(self.volume_cm3 - self.true_volume_cm3) / self.true_volume_cm3


def score_volume(
    predicted: NDArray[Any], truth: NDArray[Any], spacing_mm: tuple[float, float, float]
) -> list[StructureScore]:
    """Judge the labels of one case, structure by structure; those that are not in the truth are left out.

    Args:
        predicted: values of ``ThighStructure``, (slice, row, column).
        truth: index into ``TRUTHS``, the same shape.
        spacing_mm: (slice, row, column).

    Raises:
        ValueError: the arrays differ in shape.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"Predicted labels are {predicted.shape}, true ones {truth.shape}.")
    there = np.bincount(truth.ravel(), minlength=len(MEMBERS)) > 0
    return [_score(label, predicted, truth, spacing_mm) for label in JUDGED if there[label]]


def _score(
    label: int, predicted: NDArray[Any], truth: NDArray[Any], spacing_mm: tuple[float, float, float]
) -> StructureScore:
    found = MEMBERS[label][predicted] & ~UNCLEAR[label][truth]
    true = truth == label
    overlap, found_voxels, true_voxels = (int(mask.sum()) for mask in (found & true, found, true))
    voxel_cm3 = float(np.prod(spacing_mm)) / 1000
    return StructureScore(
        label,
        dsc=2 * overlap / (found_voxels + true_voxels),
        assd_mm=_assd_mm(found, true, spacing_mm) if found_voxels else nan,
        volume_cm3=found_voxels * voxel_cm3,
        true_volume_cm3=true_voxels * voxel_cm3,
    )


def _assd_mm(found: Mask, true: Mask, spacing_mm: tuple[float, float, float]) -> float:
    """Every voxel of either surface to the nearest of the other; both are not empty."""
    edges = get_mask_edges(torch.from_numpy(found), torch.from_numpy(true))
    distances_mm = [
        torch.as_tensor(get_surface_distance(one, other, spacing=spacing_mm))
        for one, other in (edges, edges[::-1])
    ]
    return float(torch.cat(distances_mm).mean())
