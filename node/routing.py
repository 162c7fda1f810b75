"""Which series of a study each route measures, and why: rules in, decisions with their reasons out.

That a series is not eligible is a decision, never an error.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from node.conditions import (
    CheckedCondition,
    check,
    identifies_person,
    listed,
    same,
    shown,
    to_number,
    values_of,
)
from node.routes import Condition, Preference, Route

if TYPE_CHECKING:
    from inference.facts import SeriesFacts

TITLE_KEYWORDS = ("SeriesNumber", "SeriesDescription")
DECIMALS_RANKED = 3
"""Lengths that were computed differ behind these decimals for no reason."""


class Outcome(StrEnum):
    """What a route does with a series."""

    CHOSEN = "chosen"
    OUTRANKED = "outranked"
    NOT_ELIGIBLE = "not_eligible"


@dataclass(frozen=True)
class Decision:
    """What one route does with one series, and why.

    Attributes:
        route: its name.
        series_instance_uid: the series.
        series_title: number and description, for the person at the console; not to be stored.
        outcome: chosen, outranked by another eligible series, or not eligible.
        words: why; where the series is not eligible, one line for each condition that does not hold.
        conditions: every condition of the route, checked on this series.
    """

    route: str
    series_instance_uid: str
    series_title: str
    outcome: Outcome
    words: tuple[str, ...]
    conditions: tuple[CheckedCondition, ...]

    @property
    def chosen(self) -> bool:
        """Whether this series is to be measured."""
        return self.outcome is Outcome.CHOSEN


def keywords_of(routes: Iterable[Route]) -> frozenset[str]:
    """Every keyword whose value a decision needs."""
    subjects = [subject for route in routes for subject in (*map(_innermost, route.when), *route.prefer)]
    return frozenset(TITLE_KEYWORDS) | {subject.keyword for subject in subjects if subject.keyword}


def decide(routes: Iterable[Route], study: Sequence["SeriesFacts"]) -> list[Decision]:
    """Decide for every route and every series of one study; each route chooses at most one series.

    Returns:
        Decisions route by route: the chosen series, the outranked from better to worse, then those not
        eligible. The order of ``study`` changes nothing.
    """
    in_order = sorted(study, key=lambda series: series.series_instance_uid)
    return [decision for route in routes for decision in _decide_route(route, in_order)]


def _decide_route(route: Route, study: Sequence["SeriesFacts"]) -> list[Decision]:
    def is_eligible(series: "SeriesFacts") -> bool:
        return all(check(condition, series).holds for condition in route.when)

    # Sorting is stable: what is equal in every preference stays in the order of Series Instance UIDs.
    eligible = sorted(
        filter(is_eligible, study), key=lambda series: [_position(step, series) for step in route.prefer]
    )
    others = [series for series in study if not is_eligible(series)]
    return [_decision(route, series, eligible) for series in [*eligible, *others]]


def _decision(route: Route, series: "SeriesFacts", eligible: Sequence["SeriesFacts"]) -> Decision:
    conditions = tuple(check(condition, series) for condition in route.when)
    outcome, words = _judge(route, series, conditions, eligible)
    return Decision(route.name, series.series_instance_uid, _title(series), outcome, words, conditions)


def _judge(
    route: Route,
    series: "SeriesFacts",
    conditions: Iterable[CheckedCondition],
    eligible: Sequence["SeriesFacts"],
) -> tuple[Outcome, tuple[str, ...]]:
    failed = tuple(condition.words for condition in conditions if not condition.holds)
    if failed:
        return Outcome.NOT_ELIGIBLE, failed
    if series is not eligible[0]:
        return Outcome.OUTRANKED, (_why_outranked(route, eligible[0], series),)
    if len(eligible) == 1:
        return Outcome.CHOSEN, ("the only eligible series",)
    return Outcome.CHOSEN, (f"the best of {len(eligible)} eligible series",)


def _position(step: Preference, series: "SeriesFacts") -> float:
    """Place of a series under one step of a ranking; the lower is the better."""
    values = values_of(step, series)
    if step.order is not None:
        places = [
            place for place, wanted in enumerate(step.order) if any(same(value, wanted) for value in values)
        ]
        return min(places, default=len(step.order) if values else math.inf)
    numbers = [number for number in map(to_number, values) if number is not None]
    if step.nearest is not None:
        numbers = [abs(number - step.nearest) for number in numbers]
    elif step.largest:
        numbers = [-number for number in numbers]
    return round(min(numbers, default=math.inf), DECIMALS_RANKED)


def _why_outranked(route: Route, best: "SeriesFacts", series: "SeriesFacts") -> str:
    better = f"series {best.series_instance_uid} is preferred"
    for step in route.prefer:
        if _position(step, best) != _position(step, series):
            there, here = shown(step, best), shown(step, series)
            return f"{better}: {step.name} is {there} there, {here} here; {_wish(step)}"
    return f"{better}: equal in every preference, its Series Instance UID comes first"


def _wish(step: Preference) -> str:
    if identifies_person(step):
        return "the rule prefers the former"
    if step.order is not None:
        return f"preferred in the order {listed(step.order)}"
    if step.nearest is not None:
        return f"the nearest to {step.nearest:g} is preferred"
    return f"the {'largest' if step.largest else 'smallest'} is preferred"


def _title(series: "SeriesFacts") -> str:
    return " ".join(
        listed([value]) for value in (series.header.get(k) for k in TITLE_KEYWORDS) if value is not None
    )


def _innermost(condition: Condition) -> Condition:
    while condition.not_ is not None:
        condition = condition.not_
    return condition
