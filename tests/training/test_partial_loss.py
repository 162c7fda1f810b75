"""The loss of sets of classes, against cases worked by hand."""

import math

import pytest
import torch
from torch import Tensor

from training import partial_loss
from training.partial_loss import SMOOTH, PartialLoss

NONE, FIRST, SECOND, EITHER, ANYTHING = range(5)
TRUTHS = [frozenset({0}), frozenset({1}), frozenset({2}), frozenset({1, 2}), frozenset({0, 1, 2})]
LOSS = PartialLoss(TRUTHS, 3)


def logits(*probabilities: tuple[float, float, float]) -> Tensor:
    """Of a row of voxels."""
    return torch.tensor(probabilities).log().T[None, :, None, None].clone().requires_grad_()


def labels(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.uint8)[None, None, None]


def dice_loss(*overlap_found_true: tuple[float, float, float]) -> float:
    dice = [(2 * both + SMOOTH) / (found + true + SMOOTH) for both, found, true in overlap_found_true]
    return 1 - sum(dice) / len(dice)


def test_single_classes_as_worked_by_hand() -> None:
    found = LOSS(logits((0.2, 0.7, 0.1), (0.5, 0.3, 0.2)), labels(FIRST, NONE))
    entropy = -(math.log(0.7) + math.log(0.5)) / 2
    assert found.item() == pytest.approx(entropy + dice_loss((0.7, 0.7 + 0.3, 1)), abs=1e-6)


def test_a_set_counts_the_sum_of_its_classes() -> None:
    found = LOSS(logits((0.2, 0.7, 0.1), (0.5, 0.3, 0.2)), labels(EITHER, NONE))
    entropy = -(math.log(0.8) + math.log(0.5)) / 2
    assert found.item() == pytest.approx(entropy + dice_loss((0.8, 0.8 + 0.5, 1)), abs=1e-6)


def test_where_a_set_is_true_its_classes_are_neither_right_nor_wrong() -> None:
    found = LOSS(logits((0.2, 0.7, 0.1), (0.1, 0.6, 0.3)), labels(FIRST, EITHER))
    entropy = -(math.log(0.7) + math.log(0.9)) / 2
    # Of the first class the second voxel does not count, of the set the first does not.
    both = dice_loss((0.7, 0.7, 1), (0.9, 0.9, 1))
    assert found.item() == pytest.approx(entropy + both, abs=1e-6)


def test_how_a_set_is_shared_out_has_no_gradient() -> None:
    given = logits((0.2, 0.7, 0.1))
    LOSS(given, labels(EITHER)).backward()
    gradient = given.grad[0, :, 0, 0, 0]
    # Towards both classes in proportion to what they have, which leaves their proportion as it is.
    assert gradient[1] / gradient[2] == pytest.approx(7, rel=1e-4)
    assert gradient[0] > 0 > gradient[1]


def test_what_may_be_anything_has_no_gradient_at_all() -> None:
    given = logits((0.2, 0.7, 0.1), (0.3, 0.3, 0.4))
    found = LOSS(given, labels(ANYTHING, ANYTHING))
    found.backward()
    assert found.item() == pytest.approx(0, abs=1e-6)
    assert given.grad.abs().max() < 1e-7


def test_an_ignored_voxel_changes_no_other() -> None:
    alone = logits((0.2, 0.7, 0.1))
    LOSS(alone, labels(FIRST)).backward()
    beside = logits((0.2, 0.7, 0.1), (0.1, 0.8, 0.1))
    LOSS(beside, labels(FIRST, ANYTHING)).backward()
    assert beside.grad[..., 1].abs().max() < 1e-7
    torch.testing.assert_close(beside.grad[0, :, 0, 0, 0], alone.grad[0, :, 0, 0, 0])


def test_a_part_of_the_voxels_stands_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    random = torch.Generator().manual_seed(1)
    given = torch.randn((1, 3, 20, 40, 40), generator=random)
    truth = torch.randint(0, 5, (1, 20, 40, 40), generator=random, dtype=torch.uint8)
    truth[:, :, :30] = NONE
    of_all = LOSS(given, truth).item()
    monkeypatch.setattr(partial_loss, "MOST_LABELLED", 2000)
    monkeypatch.setattr(partial_loss, "MOST_BACKGROUND", 2000)
    of_some = LOSS(given, truth).item()
    assert of_some != of_all
    assert of_some == pytest.approx(of_all, rel=0.02)


def test_a_network_that_is_sure_and_wrong_still_learns() -> None:
    given = torch.tensor([200.0, 0.0, 0.0])[None, :, None, None, None].requires_grad_()
    found = LOSS(given, labels(EITHER))
    found.backward()
    assert found.item() == pytest.approx(200 - math.log(2) + dice_loss((0, 0, 1)), rel=1e-5)
    assert given.grad[0, 0].item() == pytest.approx(1, rel=1e-4)


def test_background_alone_has_no_dice() -> None:
    assert LOSS(logits((0.5, 0.3, 0.2)), labels(NONE)).item() == pytest.approx(-math.log(0.5))
