"""How well predicted labels match the truth: DSC, ASSD, sensitivity, specificity (Imani 2025, section 2.4.3).

One case, which in the paper's protocol is five slices of one person, gives one figure per tissue. Pixels are
pooled over the slices of the case, so a slice with three pixels of marrow does not weigh as much as one with
three hundred. The labels are two-dimensional: each pixel of a tissue's edge is compared with the nearest edge
pixel of its own slice, and the distances of all slices are averaged together.
"""

from dataclasses import dataclass
from typing import Any

import torch
from monai.metrics.confusion_matrix import compute_confusion_matrix_metric, get_confusion_matrix
from monai.metrics.utils import get_mask_edges, get_surface_distance
from numpy.typing import NDArray
from torch import Tensor

from inference.tissue_protocol import Tissue

METRICS = ("dsc", "assd_mm", "sensitivity", "specificity")
"""Of ``TissueScore``, in the order of the paper's tables."""


@dataclass(frozen=True)
class TissueScore:
    """One tissue in one case.

    Attributes:
        dsc: 0 to 1; nan where the tissue is neither in the truth nor in the prediction.
        assd_mm: over the slices that have the tissue in both; nan where no slice has.
        sensitivity: 0 to 1; nan where the tissue is not in the truth.
        specificity: 0 to 1, over all other pixels of the slices, those outside the body included.
        missed_slices: slices with the tissue in the truth or in the prediction but not in both. Their
            distance is infinite and not in ``assd_mm``: a good ASSD counts only beside a small number here.
    """

    tissue: Tissue
    dsc: float
    assd_mm: float
    sensitivity: float
    specificity: float
    missed_slices: int


def score_case(
    predicted: NDArray[Any], truth: NDArray[Any], pixel_mm: tuple[float, float]
) -> list[TissueScore]:
    """Judge the labels of one case, tissue by tissue.

    Args:
        predicted: values of ``Tissue``, (slice, row, column).
        truth: the same.
        pixel_mm: (row, column).

    Raises:
        ValueError: the arrays differ in shape.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"Predicted labels are {predicted.shape}, true ones {truth.shape}.")
    return [
        _score_tissue(
            tissue, torch.from_numpy(predicted == tissue), torch.from_numpy(truth == tissue), pixel_mm
        )
        for tissue in Tissue
    ]


def _score_tissue(
    tissue: Tissue, predicted: Tensor, truth: Tensor, pixel_mm: tuple[float, float]
) -> TissueScore:
    """The truth and the prediction of one tissue: bool, (slice, row, column)."""
    # MONAI counts in float32: exact for one slice, not for the sum over a long series.
    per_slice = get_confusion_matrix(predicted[:, None].float(), truth[:, None].float())
    pixels = per_slice.double().sum(dim=0)
    assd_mm, missed_slices = _assd(predicted, truth, pixel_mm)
    return TissueScore(
        tissue,
        dsc=_of_pixels("f1 score", pixels),  # the DSC of two masks is the F1 score of their pixels
        assd_mm=assd_mm,
        sensitivity=_of_pixels("sensitivity", pixels),
        specificity=_of_pixels("specificity", pixels),
        missed_slices=missed_slices,
    )


def _of_pixels(metric: str, pixels: Tensor) -> float:
    return float(compute_confusion_matrix_metric(metric, pixels))


def _assd(predicted: Tensor, truth: Tensor, pixel_mm: tuple[float, float]) -> tuple[float, int]:
    """Average symmetric surface distance over the slices that have both, and how many have only one."""
    in_predicted, in_truth = predicted.any(dim=(1, 2)), truth.any(dim=(1, 2))
    distances_mm = []
    for index in torch.nonzero(in_predicted & in_truth)[:, 0].tolist():
        edges = get_mask_edges(predicted[index], truth[index])
        for one, other in (edges, edges[::-1]):
            distances_mm.append(torch.as_tensor(get_surface_distance(one, other, spacing=pixel_mm)))
    missed = int((in_predicted ^ in_truth).sum())
    return float(torch.cat(distances_mm).mean()) if distances_mm else float("nan"), missed
