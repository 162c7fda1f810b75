"""Blocks and series of the phantom person: muscles where they are, of the class their name says."""

from dataclasses import replace

import pytest
import torch

from inference.muscles import ThighStructure as Thigh
from inference.result import Side
from tests.training.analytic_person import (
    HALF_DISTANCE_MM,
    HEAD_LEVEL_MM,
    LIMB_RADIUS_MM,
    SHAFT_RADIUS_MM,
    phantom_person,
)
from tests.training.synthesis.plain import plain_variation
from training.synthesis import muscle_blocks
from training.synthesis.muscle_blocks import SPACING_MM, MuscleBlocks
from training.synthesis.muscle_series import draw_series
from training.synthesis.muscle_truth import (
    ANYTHING,
    ILIOPSOAS_ABOVE_MM,
    ILIOPSOAS_BELOW_MM,
    TRUTHS,
    MuscleTruth,
)

BLOCK = (24, 32, 32)
NAMES = {1: "gracilis_muscle", 2: "adductor_muscles"}
ADDUCTORS = TRUTHS.index(frozenset({Thigh.ADDUCTOR_MAGNUS, Thigh.ADDUCTOR_BREVIS, Thigh.ADDUCTOR_LONGUS}))
PERSON = replace(phantom_person(), muscle_names=NAMES)


def blocks(**changes: dict[str, object]) -> MuscleBlocks:
    return MuscleBlocks([PERSON], [1.0], plain_variation(**changes), BLOCK)


def truth_of(names: dict[int, str], muscle: list[int], level_mm: float = -100.0) -> list[int]:
    nothing = torch.zeros(len(muscle), dtype=torch.bool)
    found = MuscleTruth(names)(torch.tensor(muscle, dtype=torch.uint8), nothing, nothing, level_mm)
    return [int(label) for label in found]


def test_the_first_truths_are_the_classes() -> None:
    assert [TRUTHS[int(one)] for one in Thigh] == [frozenset({one}) for one in Thigh]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sartorius_muscle", {Thigh.SARTORIUS}),
        ("biceps_femoris_short", {Thigh.BICEPS_FEMORIS}),
        ("adductor_muscles", {Thigh.ADDUCTOR_MAGNUS, Thigh.ADDUCTOR_BREVIS, Thigh.ADDUCTOR_LONGUS}),
        (
            "vastus_lateralis_muscle_and_vastus_intermedius_muscle",
            {Thigh.VASTUS_LATERALIS, Thigh.VASTUS_INTERMEDIUS},
        ),
        ("erector_spinae_muscle", {Thigh.MULTIFIDUS}),
        ("quadratus_lumborum_muscle", {Thigh.BACKGROUND}),
        ("other_deep_muscle", set(Thigh)),
    ],
)
def test_names_of_maps_become_classes(name: str, expected: set[Thigh]) -> None:
    (label,) = truth_of({7: name}, [7])
    assert TRUTHS[label] == expected


def test_an_unknown_muscle_is_refused() -> None:
    with pytest.raises(ValueError, match="flexor_of_nothing"):
        MuscleTruth({1: "flexor_of_nothing"})


def test_iliacus_and_psoas_join() -> None:
    names = {1: "iliacus_muscle", 2: "psoas_major"}
    assert truth_of(names, [1, 2], ILIOPSOAS_ABOVE_MM + 1) == [Thigh.ILIACUS, Thigh.PSOAS]
    assert truth_of(names, [1, 2], ILIOPSOAS_BELOW_MM - 1) == [Thigh.ILIOPSOAS] * 2
    between = [TRUTHS[label] for label in truth_of(names, [1, 2], 0.0)]
    assert between == [{Thigh.ILIACUS, Thigh.ILIOPSOAS}, {Thigh.PSOAS, Thigh.ILIOPSOAS}]


def test_the_same_seed_gives_the_same_block() -> None:
    made = blocks()
    first, again, other = made.draw(3), made.draw(3), made.draw(4)
    assert torch.equal(first.hu, again.hu)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.hu, other.hu)


def test_what_is_muscle_looks_like_it_and_where_nothing_was_drawn_nothing_is_claimed() -> None:
    made = blocks()
    for seed in range(6):
        block = made.draw(seed)
        assert block.hu.shape == block.labels.shape == BLOCK
        muscle = (block.labels == Thigh.GRACILIS) | (block.labels == ADDUCTORS)
        if muscle.any():
            assert 20 < float(block.hu[muscle].median()) < 80
        assert (block.hu[block.labels == ANYTHING] < -900).all()


def test_a_scan_that_ends_has_no_labels_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muscle_blocks, "ENDED", 1.0)
    made = blocks()
    beyond = [bool((made.draw(seed).labels == ANYTHING).any()) for seed in range(4)]
    assert all(beyond)


def test_a_series_shows_both_limbs_where_they_are() -> None:
    series = draw_series([PERSON], plain_variation(scanner={"thickness_mm": (5.0, 5.0)}), seed=2, matrix=64)
    levels_mm = series.first_mm + series.spacing_mm[0] * torch.arange(len(series.hu))
    index = int((levels_mm + 80).abs().argmin())
    labels = series.labels[index]
    pixel_mm2 = series.spacing_mm[1] * series.spacing_mm[2]
    limb_mm2 = torch.pi * (LIMB_RADIUS_MM**2 - SHAFT_RADIUS_MM**2)
    places = {}
    for side, label in ((Side.RIGHT, Thigh.GRACILIS), (Side.LEFT, ADDUCTORS)):
        limb = labels == label
        assert float(limb.sum()) * pixel_mm2 == pytest.approx(limb_mm2, rel=0.1)
        places[side] = float(limb.nonzero()[:, 1].float().mean()) * series.spacing_mm[1]
    # A mirrored patient has them the other way round: here nobody is.
    assert places[Side.LEFT] - places[Side.RIGHT] == pytest.approx(2 * HALF_DISTANCE_MM, rel=0.1)
    shafts_mm2 = float((labels == Thigh.FEMUR).sum()) * pixel_mm2
    assert shafts_mm2 == pytest.approx(2 * torch.pi * SHAFT_RADIUS_MM**2, rel=0.2)


def test_levels_are_above_the_heads() -> None:
    series = draw_series([PERSON], plain_variation(scanner={"thickness_mm": (5.0, 5.0)}), seed=2, matrix=48)
    bone = (series.labels == Thigh.HIP_BONE).any(dim=2).any(dim=1)
    levels_mm = series.first_mm + series.spacing_mm[0] * torch.arange(len(series.hu))
    # The phantom's cups lie over the upper half of its heads only.
    assert levels_mm[bone].min() == pytest.approx(0.0, abs=2 * series.spacing_mm[0])
    assert HEAD_LEVEL_MM + series.first_mm == pytest.approx(2 * 4.0, abs=0.1)
    assert SPACING_MM[0] > SPACING_MM[1] == SPACING_MM[2]
