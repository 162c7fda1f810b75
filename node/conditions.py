"""One condition on one series: does it hold, and what is said of it.

What is said may be stored and shown, so values of attributes that identify a person are never quoted.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from node.routes import Condition, Subject, regular_expression

if TYPE_CHECKING:
    from inference.facts import SeriesFacts

HIDDEN = "<hidden>"
IDENTIFYING_GROUPS = (0x0010, 0x0032, 0x0038, 0x0040)  # patient, study request, visit, procedure
IDENTIFYING_VRS = ("PN", "DA", "DT", "TM")
IDENTIFYING_KEYWORDS = ("AccessionNumber", "StudyID", "DeviceSerialNumber", "ImageComments")
LONGEST_SHOWN = 80

REASON_OF_FACT = {"measurable": "refusal", "anatomy": "anatomy_reason"}
"""Facts that another fact explains in words."""


@dataclass(frozen=True)
class CheckedCondition:
    """A condition in words (what is, what must be), and whether it holds."""

    holds: bool
    words: str


def check(condition: Condition, series: "SeriesFacts") -> CheckedCondition:
    """Check a condition of a route on a series."""
    must_hold = True
    while condition.not_ is not None:
        condition, must_hold = condition.not_, not must_hold
    reason = series.computed.get(REASON_OF_FACT.get(condition.fact or "", ""))
    found = shown(condition, series) + (f" ({str(reason).rstrip('.')})" if reason else "")
    return CheckedCondition(
        holds=_passes(condition, values_of(condition, series)) is must_hold,
        words=f"{condition.name} is {found}, must {_demand(condition, must_hold)}",
    )


def values_of(subject: Subject, series: "SeriesFacts") -> list[Any]:
    """All values a series has for a subject; none where it is absent or empty."""
    found = series.header.get(subject.keyword) if subject.keyword else series.computed.get(subject.fact or "")
    values = found if isinstance(found, list | tuple) else [found]
    return [value for value in values if value is not None and str(value).strip()]


def shown(subject: Subject, series: "SeriesFacts") -> str:
    """The values in words; hidden where they identify a person."""
    values = values_of(subject, series)
    if not values:
        return "absent"
    return HIDDEN if identifies_person(subject) else listed(values)


def listed(values: list[Any] | tuple[Any, ...]) -> str:
    """Values one after the other, short enough for a line."""
    text = ", ".join(_written(value) for value in values)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def identifies_person(subject: Subject) -> bool:
    """Whether the values of an attribute point to a person: names, numbers, dates, all about the patient."""
    if subject.keyword is None:
        return False
    tag = tag_for_keyword(subject.keyword) or 0
    return (
        tag >> 16 in IDENTIFYING_GROUPS
        or dictionary_VR(tag) in IDENTIFYING_VRS
        or subject.keyword in IDENTIFYING_KEYWORDS
    )


def same(value: object, wanted: object) -> bool:
    """Equal as a rule means it: numbers by size, text without regard to case and to blanks around it."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, int | float) or isinstance(wanted, int | float):
        number = to_number(value)
        return number is not None and number == to_number(wanted)
    return str(value).strip().casefold() == str(wanted).strip().casefold()


def to_number(value: object) -> float | None:
    """A finite number, or None where the value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _passes(condition: Condition, values: list[Any]) -> bool:
    if condition.present is not None:
        return bool(values) is condition.present
    return any(_value_passes(condition, value) for value in values)


def _value_passes(condition: Condition, value: object) -> bool:
    if condition.matches is not None:
        return regular_expression(condition.matches).isinstance_python(str(value).strip())
    if condition.range is not None:
        low, high = condition.range
        number = to_number(value)
        return number is not None and (low is None or low <= number) and (high is None or number <= high)
    if condition.any_of is not None:
        return any(same(value, wanted) for wanted in condition.any_of)
    return same(value, condition.contains if condition.equals is None else condition.equals)


def _demand(condition: Condition, must_hold: bool) -> str:
    if condition.present is not None:
        return "be present" if condition.present is must_hold else "be absent"
    demand = "pass the test of the rule" if identifies_person(condition) else _test_in_words(condition)
    return demand if must_hold else f"not {demand}"


def _test_in_words(condition: Condition) -> str:
    if condition.equals is not None:
        return f"equal {_written(condition.equals)}"
    if condition.contains is not None:
        return f"contain {_written(condition.contains)}"
    if condition.any_of is not None:
        return f"be one of {listed(condition.any_of)}"
    if condition.matches is not None:
        return f"match /{condition.matches}/"
    low, high = condition.range or (None, None)
    if low is None:
        return f"be at most {high:g}"
    return f"be at least {low:g}" if high is None else f"lie between {low:g} and {high:g}"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return "".join(character if character.isprintable() else "?" for character in str(value).strip())
