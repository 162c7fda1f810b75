"""What the thigh-muscle route of the packaged configuration measures, and what it leaves."""

from typing import Any

import pytest

from node.config import Settings
from node.routes import Route
from node.routing import decide
from tests.node.test_default_route import series


@pytest.fixture(scope="module")
def thigh_muscle() -> Route:
    return Settings().route("thigh-muscle")


@pytest.mark.parametrize(
    "facts",
    [
        series("1"),
        series("1", anatomy=["thigh"]),
        series("1", anatomy=["proximal_femur"], coverage_mm=90.0),
        series("1", coverage_mm=700.0, slice_spacing_mm=1.0),
    ],
)
def test_measured(thigh_muscle: Route, facts: Any) -> None:
    (decision,) = decide([thigh_muscle], [facts])
    assert decision.chosen, decision.words


@pytest.mark.parametrize(
    ("facts", "fails"),
    [
        (series("1", {"Modality": "MR"}), "Modality"),
        (series("1", anatomy=[]), "anatomy"),
        (series("1", coverage_mm=40.0), "coverage_mm"),
        (series("1", slice_spacing_mm=8.0), "slice_spacing_mm"),
        (series("1", age_years=17), "age_years"),
    ],
)
def test_left_for_one_reason(thigh_muscle: Route, facts: Any, fails: str) -> None:
    (decision,) = decide([thigh_muscle], [facts])
    assert not decision.chosen
    assert [words.split()[0] for words in decision.words] == [fails]


def test_the_longer_one_is_better_even_with_a_bone_kernel(thigh_muscle: Route) -> None:
    decisions = decide(
        [thigh_muscle], [series("1.1", coverage_mm=250.0), series("1.2", coverage_mm=450.0, kernel="bone")]
    )
    assert [decision.series_instance_uid for decision in decisions if decision.chosen] == ["1.2"]
