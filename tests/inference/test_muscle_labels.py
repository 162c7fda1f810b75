"""From the series to the network's grid and back: nothing moves, nothing grows."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.muscle_edges import edged
from inference.muscle_labels import SoftLabels, resampled
from inference.muscles import ThighStructure

GRID_MM = (4.0, 2.0, 2.0)
MUSCLE = int(ThighStructure.GRACILIS)
RADIUS_MM = 20.0


def ball(shape: tuple[int, ...], extent_mm: NDArray[np.float64], centre_mm: NDArray[np.float64]) -> Tensor:
    """Distance inside a ball's surface, mm; the grid's first and last voxels lie at 0 and ``extent_mm``."""
    axes = [torch.linspace(0, float(end), count) for end, count in zip(extent_mm, shape, strict=True)]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    return RADIUS_MM - (grid - torch.from_numpy(centre_mm)).norm(dim=-1)


def most_likely(soft: SoftLabels) -> NDArray[np.uint8]:
    labels = np.empty(soft.shape, np.uint8)
    for slab in soft.slabs():
        labels[slab.slices] = slab.classes[slab.probabilities.argmax(dim=0)].to(torch.uint8).numpy()
    return labels


def soft_ball(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> SoftLabels:
    extent_mm = (np.array(shape) - 1) * spacing_mm
    counts = tuple(round(end / mm) + 1 for end, mm in zip(extent_mm, GRID_MM, strict=True))
    inside = ball(counts, extent_mm, extent_mm * 0.45)
    probabilities = torch.zeros(len(ThighStructure), *counts)
    probabilities[MUSCLE] = (inside / 4 + 0.5).clamp(0, 1)
    probabilities[0] = 1 - probabilities[MUSCLE]
    steps = tuple((new - 1) / (old - 1) for new, old in zip(counts, shape, strict=True))
    return SoftLabels(probabilities, GRID_MM, shape, (steps[0], steps[1], steps[2]))


@pytest.mark.parametrize("spacing_mm", [(1.0, 0.7, 0.7), (5.0, 0.98, 0.98), (3.0, 1.5, 0.8)])
def test_a_ball_comes_back_where_it_was_as_large_as_it_was(spacing_mm: tuple[float, float, float]) -> None:
    shape = tuple(round(90 / mm) for mm in spacing_mm)
    soft = soft_ball((shape[0], shape[1], shape[2]), spacing_mm)
    found = most_likely(soft) == MUSCLE
    volume_mm3 = found.sum() * np.prod(spacing_mm)
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3, rel=0.03)
    centre_mm = np.argwhere(found).mean(axis=0) * spacing_mm
    assert centre_mm == pytest.approx((np.array(shape) - 1) * spacing_mm * 0.45, abs=0.3)


@pytest.mark.parametrize("counts", [(12, 30, 30), (30, 45, 60)])
def test_a_ramp_of_hu_stays_a_ramp(counts: tuple[int, int, int]) -> None:
    shape = (20, 60, 80)
    ramps = np.meshgrid(*(np.linspace(0, 1000, count) for count in shape), indexing="ij")
    for axis, ramp in enumerate(ramps):
        found = resampled(ramp.astype(np.int16), counts)
        expected = torch.linspace(0, 1000, counts[axis])
        inner = slice(2, -2)
        line = found.movedim(axis, 0).flatten(1)[inner]
        # A tenth of a voxel.
        assert (line - expected[inner, None]).abs().max() < 0.1 * (expected[1] - expected[0])


def test_coarser_voxels_are_averages() -> None:
    noise = np.random.default_rng(0).normal(0, 100, (10, 200, 200)).astype(np.int16)
    assert float(resampled(noise, (10, 50, 50)).std()) < 40


def thigh(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], hu_of: Callable[[Tensor], Tensor]
) -> NDArray[np.int16]:
    extent_mm = (np.array(shape) - 1) * spacing_mm
    hu: NDArray[np.int16] = hu_of(ball(shape, extent_mm, extent_mm * 0.45)).numpy().astype(np.int16)
    return hu


SHAPE, SPACING_MM = (18, 90, 90), (5.0, 1.0, 1.0)


@pytest.mark.parametrize("off_mm", [-1.5, 0.0, 1.5])
def test_the_border_towards_fat_is_where_hu_change(off_mm: float) -> None:
    """The network's ball is too small or too large by less than its voxel."""
    hu = thigh(SHAPE, SPACING_MM, lambda inside: torch.where(inside + off_mm > 0, 55.0, -100.0))
    found = edged(soft_ball(SHAPE, SPACING_MM), hu, SPACING_MM[1:]) == MUSCLE
    truth = hu > 0
    overlap = 2 * (found & truth).sum() / (found.sum() + truth.sum())
    assert overlap > 0.975


def test_fat_inside_a_muscle_belongs_to_it() -> None:
    hu = thigh(SHAPE, SPACING_MM, lambda inside: torch.where((inside > 0) & (inside < 14), 55.0, -100.0))
    found = edged(soft_ball(SHAPE, SPACING_MM), hu, SPACING_MM[1:]) == MUSCLE
    assert found[8, 40, 40]
    assert hu[8, 40, 40] == -100


def test_a_muscle_does_not_grow_into_what_looks_alike() -> None:
    """Beside the gracilis lies another muscle, or an organ, which the network calls background."""
    hu = thigh(SHAPE, SPACING_MM, lambda inside: torch.full_like(inside, 55.0))
    soft = soft_ball(SHAPE, SPACING_MM)
    assert (edged(soft, hu, SPACING_MM[1:]) == most_likely(soft)).mean() > 0.995


def test_a_shaft_is_cortex_and_marrow() -> None:
    femur = int(ThighStructure.FEMUR)
    soft = soft_ball(SHAPE, SPACING_MM)
    probabilities = soft.probabilities.clone()
    probabilities[femur], probabilities[MUSCLE] = probabilities[MUSCLE], 0
    soft = SoftLabels(probabilities, GRID_MM, SHAPE, soft.steps)

    def bone(inside: Tensor) -> Tensor:
        hu = torch.where(inside > -1.2, 900.0, 55.0)
        return torch.where(inside > 5, -60.0, hu)

    hu = thigh(SHAPE, SPACING_MM, bone)
    found = edged(soft, hu, SPACING_MM[1:]) == femur
    truth = thigh(SHAPE, SPACING_MM, lambda inside: torch.where(inside > -1.2, 1.0, 0.0)) > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.98
