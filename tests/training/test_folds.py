"""Every subject is tested once, by a network that never saw it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.folds import split_by_subject


@given(subjects=st.integers(2, 30), folds=st.integers(2, 30), seed=st.integers())
def test_parts_are_disjoint_complete_and_even(subjects: int, folds: int, seed: int) -> None:
    names = [f"s{number}" for number in range(subjects)]
    if folds > subjects:
        with pytest.raises(ValueError, match="folds"):
            split_by_subject(names, folds, seed)
        return
    found = split_by_subject(names, folds, seed)
    assert len(found) == folds
    assert sorted(name for fold in found for name in fold.test) == sorted(names)
    sizes = [len(fold.test) for fold in found]
    assert max(sizes) - min(sizes) <= 1
    for fold in found:
        assert not set(fold.train) & set(fold.test)
        assert set(fold.train) | set(fold.test) == set(names)


def test_one_subject_at_a_time_is_left_out() -> None:
    found = split_by_subject("abcd", 4, seed=0)
    assert sorted(fold.test for fold in found) == [("a",), ("b",), ("c",), ("d",)]


def test_cases_of_one_subject_stay_together() -> None:
    assert split_by_subject(["a", "b", "a", "a"], 2, seed=0) == split_by_subject(["b", "a"], 2, seed=0)


def test_the_split_depends_on_the_seed_and_not_on_the_order() -> None:
    names = [f"s{number}" for number in range(12)]
    assert split_by_subject(names, 3, seed=1) == split_by_subject(reversed(names), 3, seed=1)
    assert split_by_subject(names, 3, seed=1) != split_by_subject(names, 3, seed=2)


@pytest.mark.parametrize("folds", [0, 1, 3])
def test_folds_that_cannot_be_are_refused(folds: int) -> None:
    with pytest.raises(ValueError, match="there must be 2 to 2 folds"):
        split_by_subject(["a", "b"], folds, seed=0)
