"""Implants are found, and only implants; streaks are lessened and marked; muscles near metal are named."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.transform import iradon, radon

from inference.metal import affected_muscles, find_metal, metal_flags, reduced, streaks
from inference.muscles import ThighStructure
from inference.result import Segment, Severity, Side

HU = NDArray[np.int16]
Spacing = tuple[float, float, float]

SPACING_MM = (3.0, 1.5, 1.5)
SHAPE = (8, 112, 112)
THIGH_MM, SHAFT_MM, CANAL_MM, ROD_MM = 75.0, 15.0, 8.0, 6.0
TITANIUM_HU, MUSCLE_HU, CORTEX_HU = 7000.0, 55.0, 1500.0


def from_middle_mm(shape: tuple[int, int, int], spacing_mm: Spacing) -> NDArray[np.float64]:
    rows, columns = (
        (np.arange(size) - (size - 1) / 2) * side
        for size, side in zip(shape[1:], spacing_mm[1:], strict=True)
    )
    return np.asarray(np.hypot(rows[:, None], columns))


def thigh(shape: tuple[int, int, int] = SHAPE, spacing_mm: Spacing = SPACING_MM) -> NDArray[np.float64]:
    """A round thigh of muscle with a femur, without metal."""
    away = from_middle_mm(shape, spacing_mm)
    plane = np.full(shape[1:], -1000.0)
    plane[away < THIGH_MM] = MUSCLE_HU
    plane[away < SHAFT_MM] = CORTEX_HU
    plane[away < CANAL_MM] = -60
    return np.broadcast_to(plane, shape).copy()


def scanned(hu: NDArray[np.float64], limit: float = 3071) -> HU:
    blurred = gaussian_filter(hu, (0, 0.5, 0.5))
    noisy = blurred + np.random.default_rng(0).normal(0, 15, hu.shape)
    return noisy.clip(-1024, limit).round().astype(np.int16)


def with_rod(spacing_mm: Spacing = SPACING_MM, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.float64]:
    """A nail in the canal of all slices but the first and the last two."""
    hu = thigh(shape, spacing_mm)
    hu[1:-2, from_middle_mm(shape, spacing_mm) < ROD_MM] = TITANIUM_HU
    return hu


@pytest.mark.parametrize("limit", [3071, 30000])
@pytest.mark.parametrize(
    ("spacing_mm", "shape"),
    [(SPACING_MM, SHAPE), ((5.0, 0.8, 0.8), (6, 210, 210)), ((1.3, 1.2, 0.7), (9, 140, 240))],
)
def test_a_rod_is_found_with_its_size(spacing_mm: Spacing, shape: tuple[int, int, int], limit: float) -> None:
    metal = find_metal(scanned(with_rod(spacing_mm, shape), limit), spacing_mm)
    length_mm = (shape[0] - 3) * spacing_mm[0]
    assert metal.length_mm == pytest.approx(length_mm)
    assert metal.slices.tolist() == list(range(1, shape[0] - 2))
    # Half a pixel of blur at the rim, at most.
    rim_mm = max(spacing_mm[1:]) / 2 + 0.2
    low, high = (np.pi * (ROD_MM + off) ** 2 * length_mm / 1000 for off in (-rim_mm, rim_mm))
    assert low < metal.volume_cm3 < high
    assert metal.mask.sum() * np.prod(spacing_mm) / 1000 == pytest.approx(metal.volume_cm3)


def test_the_densest_cortex_is_no_metal() -> None:
    hu = thigh()
    hu[hu == CORTEX_HU] = 2750
    assert find_metal(scanned(hu), SPACING_MM).volume_cm3 == 0
    hu[3:5, 30, 30] = 3500  # far too small: noise, or a clip
    assert find_metal(hu.astype(np.int16), SPACING_MM).volume_cm3 == 0


def test_dense_cortex_around_a_rod_is_not_eaten() -> None:
    away = from_middle_mm(SHAPE, SPACING_MM)
    hu = with_rod()
    hu[:, (away < SHAFT_MM) & (away > CANAL_MM)] = 2600
    assert not find_metal(scanned(hu), SPACING_MM).mask[:, away > ROD_MM + 5].any()


def test_what_lies_on_the_skin_or_beside_the_body_is_no_implant() -> None:
    hu = thigh()
    middle = SHAPE[1] // 2
    skin = round(middle - THIGH_MM / SPACING_MM[1])
    zipper, coin = np.s_[:, skin - 2 : skin + 2, middle - 2 : middle + 2], np.s_[2:5, 3:5, 5:20]
    hu[zipper] = hu[coin] = 8000
    assert find_metal(scanned(hu), SPACING_MM).volume_cm3 == 0
    rod = from_middle_mm(SHAPE, SPACING_MM) < ROD_MM
    hu[:, rod] = TITANIUM_HU
    metal = find_metal(scanned(hu), SPACING_MM)
    assert metal.mask[:, rod].mean() > 0.9
    assert not metal.mask[zipper].any()
    assert not metal.mask[coin].any()


def two_rods() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """One slice without metal and where two rods shall be."""
    hu = thigh()[:1]
    rods = np.zeros(SHAPE[1:], bool)
    rows, columns = np.ogrid[: SHAPE[1], : SHAPE[2]]
    for column in (40, 72):
        rods |= np.hypot(rows - 56, columns - column) * SPACING_MM[1] < ROD_MM
    return hu, rods


@pytest.fixture(scope="module")
def beam_hardened() -> tuple[HU, HU]:
    """A slice with and without two rods; rays through them saturate exponentially, not by a square."""
    hu, rods = two_rods()
    angles = np.linspace(0, 180, 180, endpoint=False)
    path = radon(np.pad(rods, 24).astype(float), angles, circle=True) * SPACING_MM[1]
    short = path - 20 * (1 - np.exp(-path / 20))
    short -= path * (short * path).sum() / (path**2).sum()
    errors = -iradon(short, angles, circle=True)[24:-24, 24:-24] / SPACING_MM[1] * 8000
    without = scanned(hu)
    bad = np.where(rods, 3071, without + errors).clip(-1024, 3071)
    return bad.round().astype(np.int16), without


def test_reduction_takes_most_of_the_error_away(beam_hardened: tuple[HU, HU]) -> None:
    hu, without = beam_hardened
    before = hu.copy()
    metal = find_metal(hu, SPACING_MM)
    calmer = reduced(hu, metal, SPACING_MM)
    assert (hu == before).all()
    assert (calmer[metal.mask] == hu[metal.mask]).all()
    away = from_middle_mm(SHAPE, SPACING_MM)
    muscle = (away > SHAFT_MM + 3) & (away < THIGH_MM - 5)
    muscle &= ~streaks(hu, hu, metal, SPACING_MM)[0]
    error, left = (np.abs(image[0] - without[0].astype(float))[muscle] for image in (hu, calmer))
    assert error.mean() > 10
    assert left.mean() < 0.6 * error.mean()


def test_what_is_marked_holds_the_worst(beam_hardened: tuple[HU, HU]) -> None:
    hu, without = beam_hardened
    metal = find_metal(hu, SPACING_MM)
    calmer = reduced(hu, metal, SPACING_MM)
    unreliable = streaks(hu, calmer, metal, SPACING_MM)
    away = from_middle_mm(SHAPE, SPACING_MM)
    muscle = ((away > SHAFT_MM + 3) & (away < THIGH_MM - 5))[None] & ~metal.mask
    error = np.abs(calmer - without.astype(float))
    assert unreliable[metal.mask].all()
    assert 0.05 < unreliable[muscle].mean() < 0.6
    assert error[muscle & unreliable].mean() > 2 * error[muscle & ~unreliable].mean()


def test_without_metal_nothing_happens() -> None:
    hu = scanned(thigh())
    metal = find_metal(hu, SPACING_MM)
    assert metal.slices.size == 0
    assert reduced(hu, metal, SPACING_MM) is hu
    assert not streaks(hu, hu, metal, SPACING_MM).any()
    assert metal_flags(metal, np.zeros(hu.shape, np.uint8), np.zeros(hu.shape, bool), (), SPACING_MM) == []


def test_a_rod_that_hardens_nothing_changes_little() -> None:
    hu = scanned(with_rod())
    calmer = reduced(hu, find_metal(hu, SPACING_MM), SPACING_MM)
    far = from_middle_mm(SHAPE, SPACING_MM) > ROD_MM + 10
    assert np.abs(calmer - hu)[:, far].mean() < 1.5
    assert (calmer[[0, -2, -1]] == hu[[0, -2, -1]]).all()


def test_muscles_with_a_tenth_lost_are_named_and_counted() -> None:
    number = 2 * ThighStructure.VASTUS_LATERALIS - 1
    segments = (
        Segment(1, "femur", Side.LEFT),
        Segment(number, "vastus_lateralis", Side.LEFT),
        Segment(number + 1, "vastus_lateralis", Side.RIGHT),
    )
    hu = scanned(with_rod())
    metal = find_metal(hu, SPACING_MM)
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0:10, 0:10], labels[0, 20:30, 0:10], labels[0, 40:50, 0:10] = 1, number, number + 1
    unreliable = np.zeros(SHAPE, bool)
    unreliable[0, 0:10, 0:10] = True
    unreliable[0, 20:22, 0:10] = True
    unreliable[0, 40, 0:10] = True
    assert affected_muscles(labels, unreliable, segments) == (segments[1],)
    (flag,) = metal_flags(metal, labels, unreliable, segments, SPACING_MM)
    assert (flag.code, flag.severity) == ("implant", Severity.WARNING)
    assert f"{metal.volume_cm3:.1f} cm3" in flag.text
    assert "along 15 mm" in flag.text
    assert f"{30 * np.prod(SPACING_MM) / 1000:.1f} cm3 of muscle" in flag.text
    assert flag.text.endswith("more than 10% of left vastus lateralis.")
