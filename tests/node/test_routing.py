"""Routes as a specification: what each condition and preference means, and what is said of it."""

import string
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.console import Console

from inference.facts import SeriesFacts
from node.conditions import CheckedCondition, check
from node.explain import print_decisions
from node.routes import FACTS, Condition, Route
from node.routing import Decision, Outcome, decide, keywords_of


def series(uid: str = "1.2.3", header: dict[str, Any] | None = None, **computed: Any) -> SeriesFacts:
    return SeriesFacts(series_instance_uid=uid, header=header or {}, computed=computed)


def route(*when: dict[str, Any], prefer: tuple[dict[str, Any], ...] = (), name: str = "hip") -> Route:
    return Route.model_validate({"name": name, "pipeline": "hip-tissue", "when": when, "prefer": prefer})


def checked(condition: dict[str, Any], facts: SeriesFacts) -> CheckedCondition:
    return check(Condition.model_validate(condition), facts)


def printed(decisions: list[Decision]) -> str:
    console = Console(file=StringIO(), width=500)
    print_decisions(console, decisions)
    return console.file.getvalue()


CT = {
    "Modality": "CT",
    "ImageType": ["DERIVED", "SECONDARY", "MPR"],
    "SeriesDescription": "  Pelvis 5.0 B30f ",
    "SliceThickness": 5.0,
    "KVP": 120,
    "PixelSpacing": [0.9, 0.8],
    "BodyPartExamined": "",
    "ConvolutionKernel": None,
}
COMPUTED = {
    "slice_count": 58,
    "slice_spacing_mm": 3.0,
    "kernel": "soft",
    "contrast": None,
    "measurable": False,
    "refusal": "slices are missing between 3 and 4.",
    "anatomy": ["proximal_femur", "thigh"],
    "anatomy_reason": "two femoral heads were found",
}


@pytest.mark.parametrize(
    ("condition", "holds", "words"),
    [
        # equals: text without regard to case and blanks, numbers by size
        ({"keyword": "Modality", "equals": "CT"}, True, "Modality is CT, must equal CT"),
        ({"keyword": "Modality", "equals": " ct "}, True, "Modality is CT, must equal ct"),
        ({"keyword": "Modality", "equals": "MR"}, False, "Modality is CT, must equal MR"),
        ({"keyword": "KVP", "equals": 120.0}, True, "KVP is 120, must equal 120"),
        ({"keyword": "KVP", "equals": "120"}, True, "KVP is 120, must equal 120"),
        ({"keyword": "SliceThickness", "equals": 5}, True, "SliceThickness is 5, must equal 5"),
        (
            {"fact": "measurable", "equals": True},
            False,
            "measurable is false (slices are missing between 3 and 4), must equal true",
        ),
        # of several values one is enough
        (
            {"keyword": "ImageType", "equals": "MPR"},
            True,
            "ImageType is DERIVED, SECONDARY, MPR, must equal MPR",
        ),
        (
            {"not": {"keyword": "ImageType", "equals": "MPR"}},
            False,
            "ImageType is DERIVED, SECONDARY, MPR, must not equal MPR",
        ),
        (
            {"keyword": "PixelSpacing", "range": [None, 0.85]},
            True,
            "PixelSpacing is 0.9, 0.8, must be at most 0.85",
        ),
        # any_of
        ({"keyword": "Modality", "any_of": ["PT", "ct"]}, True, "Modality is CT, must be one of PT, ct"),
        ({"keyword": "Modality", "any_of": ["PT", "MR"]}, False, "Modality is CT, must be one of PT, MR"),
        # matches: anywhere in the text
        (
            {"keyword": "SeriesDescription", "matches": "HIP|pelvis"},
            True,
            "SeriesDescription is Pelvis 5.0 B30f, must match /HIP|pelvis/",
        ),
        (
            {"keyword": "SeriesDescription", "matches": "^5"},
            False,
            "SeriesDescription is Pelvis 5.0 B30f, must match /^5/",
        ),
        (
            {"keyword": "SeriesDescription", "matches": r"b\d{2}f$"},
            True,
            r"SeriesDescription is Pelvis 5.0 B30f, must match /b\d{2}f$/",
        ),
        # range: the limits belong to it
        (
            {"fact": "slice_spacing_mm", "range": [3, 5]},
            True,
            "slice_spacing_mm is 3, must lie between 3 and 5",
        ),
        (
            {"fact": "slice_spacing_mm", "range": [3.1, 5]},
            False,
            "slice_spacing_mm is 3, must lie between 3.1 and 5",
        ),
        ({"fact": "slice_count", "range": [58, None]}, True, "slice_count is 58, must be at least 58"),
        ({"fact": "slice_count", "range": [None, 58]}, True, "slice_count is 58, must be at most 58"),
        ({"fact": "slice_count", "range": [None, 57]}, False, "slice_count is 58, must be at most 57"),
        # contains
        (
            {"fact": "anatomy", "contains": "Proximal_Femur"},
            True,
            "anatomy is proximal_femur, thigh (two femoral heads were found), must contain Proximal_Femur",
        ),
        (
            {"fact": "anatomy", "contains": "knee"},
            False,
            "anatomy is proximal_femur, thigh (two femoral heads were found), must contain knee",
        ),
        # present
        ({"keyword": "Modality", "present": True}, True, "Modality is CT, must be present"),
        ({"keyword": "Modality", "present": False}, False, "Modality is CT, must be absent"),
        # absent: not there, None, empty text
        ({"keyword": "PatientSize", "present": True}, False, "PatientSize is absent, must be present"),
        (
            {"keyword": "ConvolutionKernel", "present": False},
            True,
            "ConvolutionKernel is absent, must be absent",
        ),
        (
            {"keyword": "BodyPartExamined", "present": False},
            True,
            "BodyPartExamined is absent, must be absent",
        ),
        (
            {"keyword": "BodyPartExamined", "equals": "PELVIS"},
            False,
            "BodyPartExamined is absent, must equal PELVIS",
        ),
        ({"fact": "age_years", "range": [18, None]}, False, "age_years is absent, must be at least 18"),
        ({"fact": "contrast", "equals": False}, False, "contrast is absent, must equal false"),
        ({"keyword": "BodyPartExamined", "matches": ""}, False, "BodyPartExamined is absent, must match //"),
        # not: turns everything round, also where the value is absent; twice is once
        ({"not": {"keyword": "Modality", "equals": "MR"}}, True, "Modality is CT, must not equal MR"),
        (
            {"not": {"fact": "age_years", "range": [None, 17]}},
            True,
            "age_years is absent, must not be at most 17",
        ),
        ({"not": {"keyword": "Modality", "present": True}}, False, "Modality is CT, must be absent"),
        ({"not": {"not": {"keyword": "Modality", "equals": "CT"}}}, True, "Modality is CT, must equal CT"),
    ],
)
def test_a_condition_holds_and_says_why(condition: dict[str, Any], holds: bool, words: str) -> None:
    assert checked(condition, series(header=CT, **COMPUTED)) == CheckedCondition(holds, words)


def test_an_empty_list_is_absent_and_says_what_was_looked_for() -> None:
    facts = series(anatomy=[], anatomy_reason="no pair of femoral heads was found")
    assert checked({"fact": "anatomy", "contains": "proximal_femur"}, facts) == CheckedCondition(
        False, "anatomy is absent (no pair of femoral heads was found), must contain proximal_femur"
    )


@pytest.mark.parametrize("value", ["", "  ", "abc", "1e999", [], ["x", None], True])
def test_what_is_no_number_lies_in_no_range(value: object) -> None:
    assert not checked({"keyword": "KVP", "range": [0, None]}, series(header={"KVP": value})).holds


@pytest.mark.parametrize(("value", "wanted"), [(1, True), (0, False), (float("nan"), "abc"), ("1.5.0", 1.5)])
def test_values_of_different_kinds_are_not_equal(value: object, wanted: object) -> None:
    assert not checked({"keyword": "KVP", "equals": wanted}, series(header={"KVP": value})).holds


def test_no_pattern_can_be_stalled_by_a_value() -> None:
    evil = {"keyword": "SeriesDescription", "matches": "(a+)+$"}
    assert not checked(evil, series(header={"SeriesDescription": "a" * 100_000 + "b"})).holds


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientName", "Secret^Anna"),
        ("PatientID", "Secret"),
        ("PatientBirthDate", "Secret"),
        ("PatientComments", "Secret"),
        ("StudyDate", "Secret"),
        ("ReferringPhysicianName", "Secret"),
        ("AccessionNumber", "Secret"),
        ("AdmissionID", "Secret"),
    ],
)
def test_values_that_identify_a_person_are_never_said(keyword: str, value: str) -> None:
    rules = route({"keyword": keyword, "equals": value}, prefer=({"keyword": keyword, "order": [value]},))
    decisions = decide([rules], [series("1", {keyword: value}), series("2", {keyword: "other"})])
    decisions += decide(
        [route({"keyword": keyword, "present": True}, prefer=({"keyword": keyword, "order": [value]},))],
        [series("1", {keyword: value}), series("2", {keyword: "Secret too"})],
    )
    said = printed(decisions) + "".join(word for decision in decisions for word in decision.words)
    assert "<hidden>" in said
    assert "Secret" not in said


def test_sizes_in_the_patient_module_are_not_said_either() -> None:
    said = checked(
        {"not": {"keyword": "PatientWeight", "range": [None, 61]}}, series(header={"PatientWeight": 61.5})
    )
    assert said == CheckedCondition(True, "PatientWeight is <hidden>, must not pass the test of the rule")


def test_what_is_said_is_one_short_line_whatever_the_header_holds() -> None:
    said = checked(
        {"keyword": "SeriesDescription", "equals": "x"},
        series(header={"SeriesDescription": "a\nb\x1b[31m" + "c" * 500}),
    )
    assert said.words.isprintable()
    assert len(said.words) < 150


HIP = route(
    {"keyword": "Modality", "equals": "CT"},
    {"fact": "anatomy", "contains": "proximal_femur"},
    prefer=(
        {"fact": "kernel", "order": ["soft", "unknown", "bone"]},
        {"fact": "slice_spacing_mm", "nearest": 3.0},
        {"keyword": "ReconstructionDiameter", "largest": True},
        {"fact": "gantry_tilt_degrees", "smallest": True},
    ),
)


def reconstruction(
    uid: str, kernel: str | None, spacing_mm: float | None, diameter_mm: float | None
) -> SeriesFacts:
    header = {"Modality": "CT", "ReconstructionDiameter": diameter_mm}
    return series(uid, header, kernel=kernel, slice_spacing_mm=spacing_mm, anatomy=["proximal_femur"])


def test_six_reconstructions_give_one_result_and_each_other_one_says_why_not() -> None:
    study = [
        reconstruction("1.1", "bone", 3.0, 500),
        reconstruction("1.2", "soft", 1.0, 500),
        reconstruction("1.3", "unknown", 3.0, 500),
        reconstruction("1.4", "soft", 3.0, 360),
        reconstruction("1.5", "soft", 3.0, 500),
        reconstruction("1.6", "soft", 3.0000001, 500),
    ]
    decisions = {decision.series_instance_uid: decision for decision in decide([HIP], study)}
    assert {uid: decision.outcome for uid, decision in decisions.items() if decision.chosen} == {
        "1.5": Outcome.CHOSEN
    }
    preferred = "series 1.5 is preferred"
    assert {uid: decision.words for uid, decision in decisions.items()} == {
        "1.5": ("the best of 6 eligible series",),
        "1.6": (f"{preferred}: equal in every preference, its Series Instance UID comes first",),
        "1.4": (f"{preferred}: ReconstructionDiameter is 500 there, 360 here; the largest is preferred",),
        "1.2": (f"{preferred}: slice_spacing_mm is 3 there, 1 here; the nearest to 3 is preferred",),
        "1.3": (
            f"{preferred}: kernel is soft there, unknown here; preferred in the order soft, unknown, bone",
        ),
        "1.1": (f"{preferred}: kernel is soft there, bone here; preferred in the order soft, unknown, bone",),
    }
    assert list(decisions) == ["1.5", "1.6", "1.4", "1.2", "1.3", "1.1"]


@pytest.mark.parametrize(
    ("preference", "best_to_worst"),
    [
        ({"fact": "kernel", "order": ["soft", "bone"]}, ["soft", "bone", "unknown", None]),
        ({"keyword": "KVP", "smallest": True}, [80, 120, "none", None]),
        ({"keyword": "KVP", "largest": True}, [140.5, 120, None]),
        ({"keyword": "KVP", "nearest": 120}, [119, 122, 80, None]),
        ({"keyword": "PixelSpacing", "nearest": 0.9}, [[0.5, 0.9], [0.7, 0.8], []]),
        ({"fact": "contrast", "order": [False]}, [False, True, None]),
        (
            {"keyword": "ImageType", "order": ["ORIGINAL", "MPR"]},
            [["original", "MPR"], ["DERIVED", "MPR"], ["X"], None],
        ),
    ],
)
def test_a_preference_ranks(preference: dict[str, Any], best_to_worst: list[Any]) -> None:
    subject = preference.get("keyword") or preference["fact"]
    worst_has_lowest_uid = [
        series(str(9 - place), {subject: value}, **{subject: value})
        for place, value in enumerate(best_to_worst)
    ]
    if None in best_to_worst and "none" in best_to_worst:
        worst_has_lowest_uid.pop()  # no number and no value are equally far behind
    decisions = decide(
        [route({"keyword": "Modality", "present": False}, prefer=(preference,))], worst_has_lowest_uid
    )
    assert [d.series_instance_uid for d in decisions] == [s.series_instance_uid for s in worst_has_lowest_uid]


def test_not_eligible_says_every_condition_that_fails_and_keeps_those_that_hold() -> None:
    (decision,) = decide([HIP], [series("1", {"Modality": "MR"}, anatomy=["proximal_femur"])])
    assert decision.outcome is Outcome.NOT_ELIGIBLE
    assert decision.words == ("Modality is MR, must equal CT",)
    assert [condition.holds for condition in decision.conditions] == [False, True]


def test_each_route_decides_for_itself() -> None:
    by_spacing = [
        route({"keyword": "Modality", "equals": "CT"}, prefer=(p,), name=n)
        for n, p in (
            ("thin", {"fact": "slice_spacing_mm", "smallest": True}),
            ("thick", {"fact": "slice_spacing_mm", "largest": True}),
        )
    ]
    study = [
        series("1", {"Modality": "CT"}, slice_spacing_mm=1),
        series("2", {"Modality": "CT"}, slice_spacing_mm=5),
    ]
    chosen = {d.route: d.series_instance_uid for d in decide(by_spacing, study) if d.chosen}
    assert chosen == {"thin": "1", "thick": "2"}


def test_nothing_is_decided_about_nothing() -> None:
    assert decide([HIP], []) == []
    assert decide([], [series()]) == []


def test_keywords_are_collected_from_everywhere() -> None:
    rules = route(
        {"not": {"not": {"keyword": "BodyPartExamined", "equals": "HEAD"}}},
        {"fact": "slice_count", "range": [5, None]},
        prefer=({"keyword": "KVP", "nearest": 120},),
    )
    assert keywords_of([rules]) == {"BodyPartExamined", "KVP", "SeriesNumber", "SeriesDescription"}


@pytest.mark.parametrize(
    ("condition", "key", "message"),
    [
        (
            {"keyword": "SliceThicknes", "equals": 1},
            "keyword",
            "is no DICOM keyword; did you mean SliceThickness?",
        ),
        ({"fact": "kernal", "equals": "soft"}, "fact", "is no fact; did you mean kernel?"),
        (
            {"fact": "kernel", "equals": "sharp"},
            "",
            "equals: kernel is never 'sharp'; it is one of soft, bone, unknown",
        ),
        ({"fact": "orientation", "any_of": ["axial", "flat"]}, "", "any_of: orientation is never 'flat'"),
        ({"fact": "slice_count", "equals": "5"}, "", "equals: slice_count is a number, but '5' is text"),
        ({"fact": "contrast", "equals": "yes"}, "", "equals: contrast is true or false, but 'yes' is text"),
        ({"keyword": "Modality"}, "", "Modality needs one test of equals, any_of, .*; has none"),
        ({"keyword": "Modality", "equals": "CT", "present": True}, "", "has equals and present"),
        (
            {"keyword": "Modality", "fact": "kernel", "equals": 1},
            "",
            "needs one of keyword, fact; has keyword and fact",
        ),
        ({"equals": 1}, "", "needs one of keyword, fact; has none"),
        ({"keyword": "Modality", "equal": "CT"}, "equal", "Extra inputs are not permitted"),
        (
            {"keyword": "SeriesDescription", "matches": "("},
            "matches",
            "is no regular expression .*: unclosed group",
        ),
        (
            {"keyword": "SeriesDescription", "matches": "(?=a)"},
            "matches",
            "look-around, .*, is not supported",
        ),
        ({"fact": "kernel", "range": [1, 5]}, "", "range: kernel is text, not a number"),
        ({"keyword": "PatientAge", "range": [1, 5]}, "", r"range: PatientAge is not a number \(VR AS\)"),
        ({"fact": "age_years", "range": [5, 1]}, "range", "has its lower limit, 5, above its upper limit, 1"),
        (
            {"fact": "age_years", "range": [None, None]},
            "range",
            "needs a lower or an upper limit; both are null",
        ),
        ({"fact": "age_years", "range": [float("nan"), 1]}, "range.0", "finite number"),
        ({"fact": "slice_count", "matches": "5"}, "", "matches: slice_count is a number, not text"),
        (
            {"keyword": "SeriesDescription", "contains": "x"},
            "",
            "contains: SeriesDescription is no list; use equals",
        ),
        ({"keyword": "PixelData", "equals": "x"}, "", "only present can be asked of it"),
        (
            {"keyword": "Modality", "equals": ["CT"]},
            "equals",
            "must be text, a finite number, or true or false",
        ),
        ({"keyword": "Modality", "any_of": []}, "any_of", "must not be empty"),
        ({"not": {"keyword": "Modality"}}, "not", "Modality needs one test"),
        (
            {"not": {"keyword": "Modality", "equals": "CT"}, "fact": "kernel"},
            "",
            "nothing may stand beside it",
        ),
    ],
)
def test_a_mistake_in_a_condition_names_its_place_and_the_rule(
    condition: dict[str, Any], key: str, message: str
) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        route(condition)
    (problem,) = caught.value.errors()
    assert ".".join(map(str, problem["loc"])) == f"when.0.{key}".rstrip(".")


@pytest.mark.parametrize(
    ("preference", "message"),
    [
        ({"fact": "kernel"}, "kernel needs one ranking of order, smallest, largest, nearest; has none"),
        ({"fact": "coverage_mm", "largest": True, "nearest": 3}, "has largest and nearest"),
        ({"fact": "kernel", "largest": True}, "largest: kernel is text, not a number"),
        ({"fact": "kernel", "order": ["soft", "sharp"]}, "order: kernel is never 'sharp'"),
        ({"fact": "kernel", "order": []}, "must not be empty"),
        ({"fact": "coverage_mm", "smallest": False}, "Input should be True"),
    ],
)
def test_a_mistake_in_a_preference_is_an_error(preference: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        route({"keyword": "Modality", "equals": "CT"}, prefer=(preference,))


@pytest.mark.parametrize("name", ["", "Hip", "hip tissue", "../hip", "-hip", "h" * 65])
def test_a_route_name_can_name_a_folder(name: str) -> None:
    with pytest.raises(ValidationError):
        route({"keyword": "Modality", "equals": "CT"}, name=name)


def test_a_route_without_conditions_is_an_error() -> None:
    with pytest.raises(ValidationError, match="must not be empty"):
        route()


def test_the_printed_decisions_show_every_condition_as_it_is_written() -> None:
    study = [
        series(
            "1.1",
            {"Modality": "CT", "SeriesNumber": 4, "SeriesDescription": "Hip [bold]5.0"},
            anatomy=["proximal_femur"],
        ),
        series("1.2", {"Modality": "[red]MR"}, anatomy=[]),
    ]
    lines = [line.strip(" │├└─") for line in printed(decide([HIP], study)).splitlines()]
    assert lines == [
        "Route hip",
        "series 4 Hip [bold]5.0 1.1 - measured: the only eligible series",
        "holds Modality is CT, must equal CT",
        "holds anatomy is proximal_femur, must contain proximal_femur",
        "series 1.2 - not eligible",
        "fails Modality is [red]MR, must equal CT",
        "fails anatomy is absent, must contain proximal_femur",
    ]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["soft", "CT", "12"]),
)
KEYWORDS = (
    "Modality",
    "SeriesDescription",
    "KVP",
    "PatientID",
    "ReconstructionDiameter",
    *string.ascii_lowercase[:2],
)
STUDIES = st.lists(
    st.builds(
        SeriesFacts,
        series_instance_uid=st.from_regex(r"1\.[1-9][0-9]{0,3}", fullmatch=True),
        header=st.dictionaries(st.sampled_from(KEYWORDS), VALUES | st.lists(VALUES, max_size=3)),
        computed=st.dictionaries(st.sampled_from(list(FACTS)), VALUES | st.lists(VALUES, max_size=3)),
    ),
    max_size=6,
    unique_by=lambda facts: facts.series_instance_uid,
)
SUBJECTS = [
    {"keyword": "Modality"},
    {"keyword": "SeriesDescription"},
    {"fact": "anatomy_reason"},
    {"keyword": "PatientID"},
]
NUMBERS = [{"keyword": "KVP"}, {"fact": "slice_spacing_mm"}, {"keyword": "ReconstructionDiameter"}]
PLAIN = st.text(max_size=4) | st.integers(-5, 200) | st.booleans()
TESTS = st.one_of(
    st.tuples(
        st.sampled_from([{"keyword": k["keyword"]} for k in SUBJECTS if "keyword" in k]),
        st.fixed_dictionaries({"equals": PLAIN}),
    ),
    st.tuples(
        st.sampled_from(SUBJECTS),
        st.sampled_from([{"matches": "C|s"}, {"present": True}, {"present": False}]),
    ),
    st.tuples(
        st.sampled_from(NUMBERS),
        st.sampled_from([{"range": [None, 3]}, {"range": [0, 130]}, {"range": [2.5, None]}]),
    ),
).map(lambda pair: pair[0] | pair[1])
PREFERENCES = st.one_of(
    st.tuples(st.sampled_from(SUBJECTS), st.just({"order": ["CT", "soft"]})),
    st.tuples(
        st.sampled_from(NUMBERS), st.sampled_from([{"smallest": True}, {"largest": True}, {"nearest": 3}])
    ),
).map(lambda pair: pair[0] | pair[1])
ROUTES = st.builds(
    lambda when, prefer: route(*when, prefer=tuple(prefer)),
    st.lists(TESTS | TESTS.map(lambda test: {"not": test}), min_size=1, max_size=3),
    st.lists(PREFERENCES, max_size=4),
)


@settings(max_examples=60, deadline=None)
@given(ROUTES, STUDIES, st.randoms(use_true_random=False))
def test_every_study_is_decided_wholly_and_in_whatever_order_it_comes(
    rules: Route, study: list[SeriesFacts], random: Any
) -> None:
    decisions = decide([rules], study)
    assert sorted(d.series_instance_uid for d in decisions) == sorted(s.series_instance_uid for s in study)
    eligible = [d for d in decisions if all(c.holds for c in d.conditions)]
    assert [d.outcome for d in decisions] == (
        [Outcome.CHOSEN] * bool(eligible)
        + [Outcome.OUTRANKED] * (len(eligible) - 1)
        + [Outcome.NOT_ELIGIBLE] * (len(decisions) - len(eligible))
    )
    assert all(
        decision.words and all(words.isprintable() for words in decision.words) for decision in decisions
    )
    random.shuffle(study)
    assert decide([rules], study) == decisions


@settings(max_examples=60, deadline=None)
@given(ROUTES, STUDIES)
def test_not_turns_every_condition_round(rules: Route, study: list[SeriesFacts]) -> None:
    for condition in rules.when:
        turned = Condition.model_validate({"not": condition})
        for facts in study:
            assert check(turned, facts).holds is not check(condition, facts).holds
