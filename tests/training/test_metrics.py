"""MONAI's figures against SimpleITK's and against distances measured here pixel by pixel."""

import math

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from inference.tissue_protocol import Tissue
from training.metrics import TissueScore, score_case

PIXEL_MM = (0.5, 0.8)


def blobs(seed: int, shape: tuple[int, int, int] = (3, 24, 30)) -> np.ndarray:
    """Labels in patches, as tissues lie."""
    noise = np.random.default_rng(seed).normal(size=(8, *shape))
    return ndimage.gaussian_filter(noise, (0, 0, 2, 2)).argmax(axis=0).astype(np.uint8)


def edge(mask: np.ndarray) -> np.ndarray:
    """Pixels of a mask of whose four neighbours one is not in it, or outside the image."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def assd_mm(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Every edge pixel against every other, slices with both pooled."""
    distances: list[float] = []
    for one, other in zip(predicted, truth, strict=True):
        if one.any() and other.any():
            apart = cdist(*(np.argwhere(edge(mask)) * PIXEL_MM for mask in (one, other)))
            distances += [*apart.min(axis=0), *apart.min(axis=1)]
    return float(np.mean(distances)) if distances else math.nan


def overlap(predicted: np.ndarray, truth: np.ndarray) -> SimpleITK.LabelOverlapMeasuresImageFilter:
    images = [SimpleITK.GetImageFromArray(mask.astype(np.uint8)) for mask in (predicted, truth)]
    measures = SimpleITK.LabelOverlapMeasuresImageFilter()
    measures.Execute(*images)  # source and target
    return measures


def score(predicted: np.ndarray, truth: np.ndarray, tissue: Tissue = Tissue.CORTICAL_BONE) -> TissueScore:
    found = score_case(predicted.astype(np.uint8), truth.astype(np.uint8), PIXEL_MM)
    assert [each.tissue for each in found] == list(Tissue)
    return found[tissue - 1]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), other=st.integers(0, 10_000))
def test_figures_agree_with_simpleitk_and_with_distances_of_all_pairs(seed: int, other: int) -> None:
    predicted, truth = blobs(seed), blobs(seed)
    predicted[1:] = blobs(other)[1:]
    for found in score_case(predicted, truth, PIXEL_MM):
        one, two = predicted == found.tissue, truth == found.tissue
        if not one.any() or not two.any():
            continue
        expected = overlap(one, two)
        assert found.dsc == pytest.approx(expected.GetDiceCoefficient(1))
        assert found.sensitivity == pytest.approx(1 - expected.GetFalseNegativeError(1))
        # ITK's false positive error is of the predicted pixels, which specificity is not: counted here.
        assert found.specificity == pytest.approx((~one & ~two).sum() / (~two).sum())
        assert found.assd_mm == pytest.approx(assd_mm(one, two), rel=1e-5, nan_ok=True)
        assert found.missed_slices == (one.any(axis=(1, 2)) != two.any(axis=(1, 2))).sum()


def test_two_squares_as_calculated_by_hand() -> None:
    truth, predicted = np.zeros((1, 10, 10)), np.zeros((1, 10, 10))
    truth[0, 4, 2:6] = 1  # a line of four pixels; the predicted one lies two rows, 1 mm, below
    predicted[0, 6, 2:6] = 1
    predicted[0, 4, 2] = 1
    found = score(predicted, truth)
    assert found.dsc == pytest.approx(2 * 1 / (4 + 5))
    assert found.sensitivity == pytest.approx(1 / 4)
    assert found.specificity == pytest.approx(92 / 96)
    # Of the truth: 0, then 0.8, then 1 and 1. Of the prediction: 0, and four of 1.
    assert found.assd_mm == pytest.approx((0 + 0.8 + 1 + 1 + 0 + 4 * 1) / 9)


def test_surfaces_are_those_of_the_slice_not_of_the_volume() -> None:
    truth = np.zeros((2, 9, 20))
    truth[0, 4, 2], truth[1, 4, 12] = 1, 1
    found = score(truth[::-1].copy(), truth)
    assert found.assd_mm == pytest.approx(10 * PIXEL_MM[1])


def test_pixels_are_pooled_over_slices() -> None:
    truth, predicted = np.zeros((2, 20, 20)), np.zeros((2, 20, 20))
    truth[0, :10], predicted[0, :10] = 1, 1
    truth[1, 0, 0] = 1
    assert score(predicted, truth).dsc == pytest.approx(2 * 200 / (200 + 201))


def test_what_is_nowhere_is_not_counted() -> None:
    nothing = np.zeros((2, 6, 6))
    found = score(nothing, nothing)
    assert math.isnan(found.dsc)
    assert math.isnan(found.assd_mm)
    assert math.isnan(found.sensitivity)
    assert found.specificity == 1
    assert found.missed_slices == 0


@pytest.mark.parametrize("swapped", [False, True])
def test_what_is_only_in_one_is_missed(swapped: bool) -> None:
    some, nothing = np.zeros((3, 6, 6)), np.zeros((3, 6, 6))
    some[:2, 2:4, 2:4] = 1
    predicted, truth = (some, nothing) if swapped else (nothing, some)
    found = score(predicted, truth)
    assert found.dsc == 0
    assert math.isnan(found.assd_mm)
    assert found.missed_slices == 2
    assert found.specificity == pytest.approx(1 - 8 / 108 if swapped else 1)
    assert math.isnan(found.sensitivity) if swapped else found.sensitivity == 0


def test_a_slice_with_only_one_does_not_spoil_the_distance_of_the_others() -> None:
    truth = np.zeros((2, 6, 6))
    truth[:, 2:4, 2:4] = 1
    predicted = truth.copy()
    predicted[1] = 0
    found = score(predicted, truth)
    assert (found.assd_mm, found.missed_slices) == (0, 1)


def test_a_tissue_that_fills_the_image_ends_at_its_border() -> None:
    full = np.ones((1, 6, 6))
    found = score(full, full)
    assert (found.dsc, found.assd_mm) == (1, 0)
    assert math.isnan(found.specificity)


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 6, 6\), true ones \(1, 6, 7\)"):
        score_case(np.zeros((1, 6, 6), np.uint8), np.zeros((1, 6, 7), np.uint8), PIXEL_MM)
