"""Small pictures of the phantom person, coarse where that does not matter."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch

from inference.tissue_protocol import Tissue
from tests.training.analytic_person import HEAD_LEVEL_MM, SHAPE, SPACING_MM, phantom_person
from tests.training.synthesis.plain import plain_variation
from training.synthesis import generator
from training.synthesis.exposure import Slab
from training.synthesis.generator import EDGE_MM, Generator
from training.synthesis.neck import thickest_neck_level_mm
from training.synthesis.variation import load_variation

NARROW = {"field_mm": (240, 240)}
THICK_MM = 4.0
COVERED_MM = tuple(end * SPACING_MM - HEAD_LEVEL_MM for end in (2, SHAPE[0] - 3))
"""The phantom's trusted slices, from its femoral heads."""

HALF_BODY_MM = 180


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "CANVAS", (48, 64))
    monkeypatch.setattr(generator, "MATRIX", 48)


@pytest.fixture
def levels_mm(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Where slices are taken, in order."""
    seen: list[float] = []
    of = Slab.of

    def noted(patient: Any, level_mm: float, *others: Any) -> Slab:
        seen.append(level_mm)
        return of(patient, level_mm, *others)

    monkeypatch.setattr(Slab, "of", noted)
    return seen


def varied(seed: int = 1, **changes: dict[str, Any]) -> Generator:
    """Patients differ in their tissues and in noise."""
    usual: dict[str, dict[str, Any]] = {
        "levels": NARROW,
        "muscle": {"infiltration": (0.05, 0.25), "hu": (35, 65)},
        "bone": {"texture_hu": (20, 40)},
        "scanner": {"noise_hu": (5, 20), "thickness_mm": (THICK_MM, THICK_MM)},
    }
    merged = {name: usual.get(name, {}) | changes.get(name, {}) for name in usual | changes}
    return Generator([phantom_person()], plain_variation(**merged), seed)


def test_slices_are_as_the_network_takes_them() -> None:
    batch = varied().slices(3)
    assert batch.hu.shape == batch.labels.shape == (3, 48, 64)
    assert (batch.hu.dtype, batch.labels.dtype) == (torch.float32, torch.uint8)
    assert batch.pixel_mm == 1.0
    assert batch.people == ("phantom",) * 3
    assert batch.labels.max() <= max(Tissue)


def test_a_slice_through_the_neck_shows_all_tissues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "CANVAS", (180, 352))
    batch = varied(levels={"neck_mm": (-10, -10)}).slices(1)
    assert set(batch.labels.flatten().tolist()) == {0, *Tissue}


def test_everyone_takes_part() -> None:
    people = [phantom_person("one"), phantom_person("other")]
    batch = Generator(people, plain_variation(), 1).slices(12)
    assert set(batch.people) == {"one", "other"}


def test_the_seed_decides() -> None:
    one, same, other = (varied(seed).slices(2) for seed in (1, 1, 2))
    assert one.hu.equal(same.hu)
    assert one.labels.equal(same.labels)
    assert not one.hu.equal(other.hu)
    assert not one.hu[0].equal(one.hu[1]), "patients differ"


def test_after_reseeding_it_goes_on_as_if_new() -> None:
    used = varied(1)
    first = used.slices(1)
    assert not used.slices(1).hu.equal(first.hu)
    used.reseed(1)
    assert used.slices(1).hu.equal(first.hu)


def test_single_slices_lie_where_the_variation_says(levels_mm: list[float]) -> None:
    varied(levels={"at_neck": 1, "neck_mm": (-30, -10)}).slices(4)
    varied(levels={"at_neck": 0, "any_mm": (40, 60)}).slices(4)
    assert all(-30 <= level <= -10 for level in levels_mm[:4])
    assert all(40 <= level <= 60 for level in levels_mm[4:])


def test_single_slices_do_not_leave_what_is_known_of_the_person(levels_mm: list[float]) -> None:
    lowest, highest = COVERED_MM
    varied(levels={"at_neck": 0, "any_mm": (500, 500)}).slices(1)
    varied(levels={"at_neck": 0, "any_mm": (-500, -500)}, shape={"size": (1.1, 1.1)}).slices(1)
    assert levels_mm == pytest.approx([highest - EDGE_MM, 1.1 * lowest + EDGE_MM])


def test_a_tilted_slice_does_not_leave_what_is_known_of_the_person() -> None:
    variation = load_variation()
    steepest = math.radians(variation.posture.tilt_deg[1])
    assert HALF_BODY_MM * math.sin(steepest) <= EDGE_MM


def test_about_the_neck_the_reference_is_in_the_middle(levels_mm: list[float]) -> None:
    scan = varied(scanner={"thickness_mm": (2, 5)}).about_neck(2)
    between = scan.spacing_mm[0]
    assert scan.hu.shape == scan.labels.shape == (5, 48, 48)
    assert (scan.hu.dtype, scan.labels.dtype) == (torch.int16, torch.uint8)
    assert scan.spacing_mm[1:] == pytest.approx((240 / 48, 240 / 48))
    assert scan.person == "phantom"
    assert abs(scan.reference_index - 2) <= 0.5
    assert 2 <= between <= 5
    steps = [upper - lower for lower, upper in pairwise(levels_mm)]
    assert steps == pytest.approx([between] * 4)
    reference = levels_mm[0] + scan.reference_index * between
    assert reference == pytest.approx(thickest_neck_level_mm(scan.patient), abs=0.01)


def test_a_series_begins_and_ends_about_the_neck(levels_mm: list[float]) -> None:
    scan = varied(levels={"below_neck_mm": (20, 20), "above_neck_mm": (12, 12)}).series()
    reference = thickest_neck_level_mm(scan.patient)
    assert len(scan.hu) == len(scan.labels) == len(levels_mm) == 8
    assert levels_mm[0] == pytest.approx(reference - 20)
    assert reference + 12 - THICK_MM <= levels_mm[-1] <= reference + 12
    assert scan.reference_index == pytest.approx(5)


def test_a_series_that_ends_below_the_neck_says_where_the_neck_would_be() -> None:
    scan = varied(levels={"below_neck_mm": (28, 28), "above_neck_mm": (-20, -20)}).series()
    assert len(scan.hu) == 2
    assert scan.reference_index == pytest.approx(7)


def test_a_series_stays_within_what_is_known_of_the_person(levels_mm: list[float]) -> None:
    varied(
        levels={"below_neck_mm": (500, 500), "above_neck_mm": (500, 500)}, scanner={"thickness_mm": (60, 60)}
    ).series()
    lowest, highest = COVERED_MM
    assert levels_mm[0] == pytest.approx(lowest + EDGE_MM)
    assert levels_mm[-1] <= highest - EDGE_MM


def test_neighbouring_slices_of_a_patient_agree() -> None:
    """What is random in tissues belongs to the patient, not to the slice."""
    exact = {"thickness_mm": (1, 1), "noise_hu": (0.01, 0.01)}
    scan = varied(scanner=exact, muscle={"infiltration": (0, 0)}).about_neck(2)
    beside, farther = (float((scan.labels[0] == scan.labels[away]).float().mean()) for away in (1, 4))
    assert beside > 0.93
    assert beside > farther
    muscle = (scan.labels == Tissue.MUSCLE).all(0)
    texture = torch.corrcoef(scan.hu[:, muscle].float())
    assert texture[0, 1] > 0.75
    assert texture[0, 1] > texture[0, 4]
