"""Routes as config.yaml writes them: which series a pipeline is for, which is the best, where results go.

Every mistake that can be seen without a series is an error here, when the file is read.
"""

import difflib
import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import SchemaError, SchemaValidator, core_schema
from pydicom.datadict import dictionary_VR, keyword_dict

NUMBER_VRS = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


class FactKind(StrEnum):
    """What a computed fact holds."""

    NUMBER = "a number"
    TEXT = "text"
    TRUTH = "true or false"
    LIST = "a list"


@dataclass(frozen=True)
class Fact:
    """A fact that is computed from a series; ``values`` are all it can be, where that is known."""

    kind: FactKind
    values: tuple[str, ...] = ()


FACTS = {
    "slice_count": Fact(FactKind.NUMBER),
    "coverage_mm": Fact(FactKind.NUMBER),
    "slice_spacing_mm": Fact(FactKind.NUMBER),
    "pixel_spacing_mm": Fact(FactKind.NUMBER),
    "orientation": Fact(FactKind.TEXT, ("axial", "coronal", "sagittal", "oblique", "none")),
    "image_kind": Fact(FactKind.TEXT, ("original", "derived", "localizer", "mpr", "secondary")),
    "kernel": Fact(FactKind.TEXT, ("soft", "bone", "unknown")),
    "contrast": Fact(FactKind.TRUTH),
    "age_years": Fact(FactKind.NUMBER),
    "gantry_tilt_degrees": Fact(FactKind.NUMBER),
    "measurable": Fact(FactKind.TRUTH),
    "refusal": Fact(FactKind.TEXT),
    "anatomy": Fact(FactKind.LIST),
    "anatomy_reason": Fact(FactKind.TEXT),
}


def _plain(value: object) -> object:
    if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("must be text, a finite number, or true or false")
    return value


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError("must not be empty")
    return values


Scalar = Annotated[str | int | float | bool, BeforeValidator(_plain)]
Limit = Annotated[float, Field(allow_inf_nan=False)]


class Subject(BaseModel):
    """What is looked at: an attribute of the header by its DICOM keyword, or a computed fact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keyword: str | None = None
    fact: str | None = None

    @property
    def name(self) -> str:
        """The keyword, or the fact."""
        return self.keyword or self.fact or ""

    @field_validator("keyword")
    @classmethod
    def _is_a_dicom_keyword(cls, value: str | None) -> str | None:
        if value is not None and value not in keyword_dict:
            raise ValueError(f"is no DICOM keyword{_nearest(value, keyword_dict)}")
        return value

    @field_validator("fact")
    @classmethod
    def _is_a_fact(cls, value: str | None) -> str | None:
        if value is not None and value not in FACTS:
            raise ValueError(f"is no fact{_nearest(value, FACTS)}; the facts are {', '.join(FACTS)}")
        return value

    def _require_one_subject(self) -> None:
        given = [name for name in ("keyword", "fact") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs one of keyword, fact; has {' and '.join(given) or 'none'}")

    def _require_number(self, test: str) -> None:
        if self.keyword and not _vrs(self.keyword) & NUMBER_VRS:
            raise ValueError(f"{test}: {self.keyword} is not a number (VR {dictionary_VR(self.keyword)})")
        if self.fact and FACTS[self.fact].kind is not FactKind.NUMBER:
            raise ValueError(f"{test}: {self.fact} is {FACTS[self.fact].kind}, not a number")

    def _require_possible(self, test: str, value: str | int | float | bool) -> None:
        """The value could be the fact's; attributes of a header can be anything."""
        if not self.fact:
            return
        fact = FACTS[self.fact]
        kind = _kind_of(value)
        if kind is not (FactKind.TEXT if fact.kind is FactKind.LIST else fact.kind):
            raise ValueError(f"{test}: {self.fact} is {fact.kind}, but {value!r} is {kind}")
        if fact.values and str(value).strip().casefold() not in fact.values:
            raise ValueError(f"{test}: {self.fact} is never {value!r}; it is one of {', '.join(fact.values)}")


class Condition(Subject):
    """One subject and one test of it; or ``not`` and the condition that must not hold.

    Text is compared without regard to case and to blanks around it. Of several values (ImageType, anatomy,
    the code meanings in a sequence) one that passes is enough. An absent value passes no test but
    ``present: false``; so ``not`` of a test holds where no value passes, and where there is none.
    """

    not_: "Condition | None" = Field(default=None, alias="not")
    equals: Scalar | None = None
    any_of: Annotated[tuple[Scalar, ...], AfterValidator(_not_empty)] | None = None
    matches: str | None = None
    range: tuple[Limit | None, Limit | None] | None = None
    present: bool | None = None
    contains: str | None = None

    @field_validator("matches")
    @classmethod
    def _is_a_regular_expression(cls, value: str | None) -> str | None:
        if value is not None:
            regular_expression(value)
        return value

    @field_validator("range")
    @classmethod
    def _is_ordered(cls, value: tuple[float | None, float | None] | None) -> Any:
        if value is not None:
            low, high = value
            if low is None and high is None:
                raise ValueError("needs a lower or an upper limit; both are null")
            if low is not None and high is not None and low > high:
                raise ValueError(f"has its lower limit, {low:g}, above its upper limit, {high:g}")
        return value

    @model_validator(mode="after")
    def _is_one_test_of_one_subject(self) -> Self:
        tests = [name for name in TESTS if getattr(self, name) is not None]
        if self.not_ is not None:
            if tests or self.name:
                raise ValueError("not: takes a whole condition; nothing may stand beside it")
            return self
        self._require_one_subject()
        if len(tests) != 1:
            raise ValueError(
                f"{self.name} needs one test of {', '.join(TESTS)}; has {' and '.join(tests) or 'none'}"
            )
        self._require_fitting_test(tests[0])
        return self

    def _require_fitting_test(self, test: str) -> None:
        if self.keyword and test != "present" and _vrs(self.keyword) & BINARY_VRS:
            raise ValueError(f"{test}: {self.keyword} holds binary data; only present can be asked of it")
        if self.range is not None:
            self._require_number(test)
        if (
            self.matches is not None
            and self.fact
            and FACTS[self.fact].kind in (FactKind.NUMBER, FactKind.TRUTH)
        ):
            raise ValueError(f"{test}: {self.fact} is {FACTS[self.fact].kind}, not text")
        if self.contains is not None and not (self.fact and FACTS[self.fact].kind is FactKind.LIST):
            raise ValueError(
                f"{test}: {self.name} is no list; use equals for one of several values, matches for text"
            )
        for value in (self.equals, self.contains, *(self.any_of or ())):
            if value is not None:
                self._require_possible(test, value)


TESTS = ("equals", "any_of", "matches", "range", "present", "contains")


class Preference(Subject):
    """One step of a ranking: by the listed order of values, by size, or by nearness to a number.

    A value that is not in ``order`` comes after those that are; an absent value comes last.
    """

    order: Annotated[tuple[Scalar, ...], AfterValidator(_not_empty)] | None = None
    smallest: Literal[True] | None = None
    largest: Literal[True] | None = None
    nearest: Limit | None = None

    @model_validator(mode="after")
    def _is_one_ranking_of_one_subject(self) -> Self:
        self._require_one_subject()
        given = [name for name in RANKINGS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"{self.name} needs one ranking of {', '.join(RANKINGS)}; has {' and '.join(given) or 'none'}"
            )
        if self.order is None:
            self._require_number(given[0])
        for value in self.order or ():
            self._require_possible("order", value)
        return self


RANKINGS = ("order", "smallest", "largest", "nearest")


class Route(BaseModel):
    """Series for which all of ``when`` holds go to ``pipeline``: of one study only the first by ``prefer``.

    Attributes:
        name: stands in reports and in folder names.
        pipeline: name of the pipeline that measures.
        bundle: folder of the network it uses; None for the one that Coxa comes with.
        when: conditions; all must hold.
        prefer: ranking; each step decides only what the steps before it left equal.
        destinations: names of the peers that get the result; None for those of config.yaml's top level.
        priority: of two jobs that wait, the higher one is done first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    pipeline: str = Field(min_length=1)
    bundle: Path | None = None
    when: Annotated[tuple[Condition, ...], AfterValidator(_not_empty)]
    prefer: tuple[Preference, ...] = ()
    destinations: tuple[str, ...] | None = None
    priority: int = 0

    @field_validator("destinations")
    @classmethod
    def _names_each_once(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError("names a destination twice")
        return value


@cache
def regular_expression(pattern: str) -> SchemaValidator:
    """A search for the pattern anywhere in a text, without regard to case.

    The engine works in linear time, so no value from outside can stall it; in return it knows neither
    look-around nor back-references.

    Raises:
        ValueError: the pattern is not a regular expression, in the words of the engine.
    """
    try:
        return SchemaValidator(core_schema.str_schema(pattern=f"(?i){pattern}"))
    except SchemaError as error:
        said = str(error).strip().splitlines()[-1].removeprefix("error: ")
        raise ValueError(f"is no regular expression that can be used here: {said}") from None


def _vrs(keyword: str) -> set[str]:
    """Value representations; the dictionary says ``US or SS`` where the pixels decide."""
    return set(dictionary_VR(keyword).split(" or "))


def _kind_of(value: str | int | float | bool) -> FactKind:
    if isinstance(value, bool):
        return FactKind.TRUTH
    return FactKind.TEXT if isinstance(value, str) else FactKind.NUMBER


def _nearest(name: str, known: dict[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
