"""Figures of muscles against boxes and distances worked by hand."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inference.muscles import MUSCLES, ThighStructure
from training.judged_muscles import JUDGED, MEASURED, NAMES, UNCLEAR
from training.muscle_metrics import StructureScore, score_volume
from training.muscle_validation import muscle_dsc
from training.synthesis.muscle_truth import ANYTHING, TRUTHS

SPACING_MM = (4.0, 2.0, 1.0)
MAGNUS, LONGUS = ThighStructure.ADDUCTOR_MAGNUS, ThighStructure.ADDUCTOR_LONGUS
ADDUCTORS = TRUTHS.index(frozenset({MAGNUS, LONGUS, ThighStructure.ADDUCTOR_BREVIS}))


def empty() -> NDArray[np.uint8]:
    return np.zeros((8, 12, 20), np.uint8)


def only(scores: list[StructureScore]) -> StructureScore:
    (score,) = scores
    return score


def test_what_is_judged_is_what_is_measured_and_sets_of_it() -> None:
    assert {label for label in MEASURED if label in [*MUSCLES]} == set(MUSCLES)
    assert [NAMES[label] for label in JUDGED if label not in [*ThighStructure]] == [
        "adductor_brevis+adductor_longus+adductor_magnus",
        "vastus_intermedius+vastus_lateralis",
    ]
    assert set(JUDGED) - set(MEASURED) == {ThighStructure.FEMUR, ThighStructure.HIP_BONE}
    assert UNCLEAR[ADDUCTORS][MAGNUS]
    assert not UNCLEAR[ADDUCTORS][ADDUCTORS]


def test_a_box_shifted_by_a_voxel_as_calculated_by_hand() -> None:
    truth, predicted = empty(), empty()
    truth[2:6, 2:8, 4:14] = ThighStructure.SARTORIUS
    predicted[2:6, 2:8, 5:15] = ThighStructure.SARTORIUS
    score = only(score_volume(predicted, truth, SPACING_MM))
    assert score.dsc == pytest.approx(0.9)
    assert score.true_volume_cm3 == pytest.approx(4 * 6 * 10 * 8 / 1000)
    assert score.ravd == pytest.approx(0)
    # Surfaces are all but the inner 2 x 4 x 8 voxels. 1 mm from the other box's are the whole end face that
    # lies outside it, and of the end face inside it what is not on the sides too.
    surface, outside, inside = 240 - 2 * 4 * 8, 4 * 6, 2 * 4
    assert score.assd_mm == pytest.approx((outside + inside) / surface)


def test_too_much_is_as_wrong_as_too_little() -> None:
    truth, more, less = empty(), empty(), empty()
    truth[2:6, 2:8, 4:14] = 3
    more[2:6, 2:8, 4:15] = 3
    less[2:6, 2:8, 4:13] = 3
    for predicted in (more, less):
        assert only(score_volume(predicted, truth, SPACING_MM)).ravd == pytest.approx(0.1)


def test_a_set_is_found_where_any_of_its_classes_is() -> None:
    truth, predicted = empty(), empty()
    truth[2:6, 2:8, 4:14] = ADDUCTORS
    predicted[2:6, 2:8, 4:9] = MAGNUS
    predicted[2:6, 2:8, 9:14] = LONGUS
    score = only(score_volume(predicted, truth, SPACING_MM))
    assert (score.label, score.dsc, score.assd_mm) == (ADDUCTORS, 1.0, 0.0)


def test_what_may_be_anything_is_held_against_nobody() -> None:
    truth, predicted = empty(), empty()
    truth[:, :, 10:] = ANYTHING
    truth[2:6, 2:8, 4:10] = ThighStructure.GRACILIS
    predicted[2:6, 2:8, 4:14] = ThighStructure.GRACILIS
    score = only(score_volume(predicted, truth, SPACING_MM))
    assert (score.dsc, score.ravd, score.assd_mm) == (1.0, 0.0, 0.0)


def test_what_is_not_found_is_missed() -> None:
    truth = empty()
    truth[2:6, 2:8, 4:14] = ThighStructure.GRACILIS
    score = only(score_volume(empty(), truth, SPACING_MM))
    assert (score.dsc, score.ravd) == (0.0, 1.0)
    assert math.isnan(score.assd_mm)


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"true ones \(1, 1, 2\)"):
        score_volume(np.zeros((1, 1, 1), np.uint8), np.zeros((1, 1, 2), np.uint8), SPACING_MM)


def test_validation_gives_the_same_dsc_voxels_of_all_blocks_pooled() -> None:
    random = np.random.default_rng(0)
    truths = random.choice([0, 3, MAGNUS, LONGUS, ADDUCTORS, ANYTHING], (2, 4, 6, 8)).astype(np.uint8)
    predicted = random.choice([0, 3, MAGNUS, LONGUS], truths.shape)

    def predict(number: torch.Tensor) -> torch.Tensor:
        wanted = torch.from_numpy(predicted[int(number)])[None]
        return torch.nn.functional.one_hot(wanted, len(ThighStructure)).movedim(-1, 1).float()

    blocks = [(torch.tensor(n), torch.from_numpy(truths[n])[None]) for n in range(2)]
    found = muscle_dsc(predict, blocks)
    expected = score_volume(np.concatenate(predicted), np.concatenate(truths), SPACING_MM)
    assert len(expected) == 4
    for score in expected:
        assert found[score.label] == pytest.approx(score.dsc)
    assert math.isnan(found[ThighStructure.FEMUR])
