"""What the hip-tissue route of the packaged configuration measures, and what it leaves."""

from pathlib import Path
from typing import Any

import pytest

from deploy.demo.schematic_hip import write_schematic_hip
from inference.facts import SeriesFacts, examine
from node.config import Settings
from node.routes import FACTS, FactKind, Route
from node.routing import decide

AXIAL_HIP = {
    "slice_count": 60,
    "coverage_mm": 300.0,
    "slice_spacing_mm": 5.0,
    "pixel_spacing_mm": 0.9,
    "orientation": "axial",
    "image_kind": "original",
    "kernel": "soft",
    "contrast": False,
    "age_years": 67.0,
    "gantry_tilt_degrees": 0.0,
    "measurable": True,
    "refusal": None,
    "anatomy": ["proximal_femur", "thigh"],
    "anatomy_reason": "both femoral heads were found",
}
HEADER = {"Modality": "CT", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "ReconstructionDiameter": 500.0}


@pytest.fixture(scope="module")
def hip_tissue() -> Route:
    return Settings().route("hip-tissue")


def series(uid: str, header: dict[str, Any] | None = None, **computed: Any) -> SeriesFacts:
    return SeriesFacts(uid, HEADER | (header or {}), AXIAL_HIP | computed)


@pytest.mark.parametrize(
    "facts",
    [
        series("1"),
        series("1", {"BodyPartExamined": "ABDOMEN", "ProtocolName": "PET/CT whole body"}, coverage_mm=870.0),
        series("1", {"ReconstructionDiameter": None}),
        series("1", {"ImageType": None}),
        series("1", {"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "CT_SOM5 MPR"]}, image_kind="mpr"),
        series("1", image_kind="derived"),
        series("1", kernel="bone"),
        series("1", contrast=None),
        series("1", age_years=None),
        series("1", age_years=18.0),
        series("1", slice_count=5, coverage_mm=25.0),
    ],
)
def test_measured(hip_tissue: Route, facts: SeriesFacts) -> None:
    (decision,) = decide([hip_tissue], [facts])
    assert decision.chosen, decision.words


@pytest.mark.parametrize(
    ("facts", "fails"),
    [
        (series("1", {"Modality": "MR"}), "Modality"),
        (series("1", {"Modality": None}), "Modality"),
        (series("1", measurable=False, refusal="slices are missing"), "measurable"),
        (series("1", measurable=None), "measurable"),
        (series("1", orientation="coronal"), "orientation"),
        (series("1", image_kind="localizer"), "image_kind"),
        (series("1", image_kind="secondary"), "image_kind"),
        (series("1", {"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "VMI"]}), "ImageType"),
        (series("1", {"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "MAT_REMOVED"]}), "ImageType"),
        (series("1", slice_count=4), "slice_count"),
        (series("1", slice_spacing_mm=8.0), "slice_spacing_mm"),
        (series("1", anatomy=[], anatomy_reason="no femoral head was found"), "anatomy"),
        (series("1", anatomy=["thigh"]), "anatomy"),
        (series("1", age_years=17), "age_years"),
    ],
)
def test_left_for_one_reason(hip_tissue: Route, facts: SeriesFacts, fails: str) -> None:
    (decision,) = decide([hip_tissue], [facts])
    assert not decision.chosen
    assert [words.split()[0] for words in decision.words] == [fails]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"kernel": "soft", "image_kind": "mpr"}, {"kernel": "bone"}),
        ({"kernel": "unknown"}, {"kernel": "bone"}),
        ({"image_kind": "original", "slice_spacing_mm": 5.0}, {"image_kind": "mpr", "slice_spacing_mm": 3.0}),
        ({"image_kind": "mpr"}, {"image_kind": "derived"}),
        ({"contrast": False, "slice_spacing_mm": 5.0}, {"contrast": True, "slice_spacing_mm": 3.0}),
        ({"slice_spacing_mm": 3.0}, {"slice_spacing_mm": 0.75}),
        ({"slice_spacing_mm": 2.0}, {"slice_spacing_mm": 5.0}),
        ({"coverage_mm": 300.0}, {"coverage_mm": 120.0}),
    ],
)
def test_the_better_of_two(hip_tissue: Route, better: dict[str, Any], worse: dict[str, Any]) -> None:
    decisions = decide([hip_tissue], [series("1.1", **worse), series("1.2", **better)])
    assert [d.series_instance_uid for d in decisions if d.chosen] == ["1.2"]


def test_the_wider_field_of_view_is_better(hip_tissue: Route) -> None:
    narrow = series("1.1", {"ReconstructionDiameter": 360.0}, coverage_mm=305.0)
    decisions = decide([hip_tissue], [narrow, series("1.2")])
    assert [d.series_instance_uid for d in decisions if d.chosen] == ["1.2"]


PYTHON_TYPES = {FactKind.NUMBER: int | float, FactKind.TEXT: str, FactKind.TRUTH: bool, FactKind.LIST: list}


def test_rules_may_name_exactly_the_facts_that_are_computed(tmp_path: Path) -> None:
    files = write_schematic_hip(tmp_path, spacing_mm=(5.0, 1.8, 1.8), matrix=256)
    computed = examine(files, []).computed
    assert computed.keys() == FACTS.keys()
    for name, value in computed.items():
        fact = FACTS[name]
        assert value is None or isinstance(value, PYTHON_TYPES[fact.kind]), name
        assert not fact.values or value in fact.values, name
