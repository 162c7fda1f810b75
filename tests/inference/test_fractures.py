"""Fracture, operation and height in words that are right for both scans."""

from datetime import date

import pytest
from pydicom import Dataset

from inference.follow_up import as_earlier, compare
from inference.fractures import Fracture, coded_fractures, with_fractures, with_height
from inference.result import Measurement, Side
from tests.inference.follow_up_results import SARTORIUS, make_result, volumes


def coded(scheme: str, value: str, keyword: str = "AdmittingDiagnosesCodeSequence") -> Dataset:
    code = Dataset()
    code.CodingSchemeDesignator, code.CodeValue, code.CodeMeaning = scheme, value, "x"
    header = Dataset()
    setattr(header, keyword, [code])
    return header


@pytest.mark.parametrize(
    ("scheme", "value", "expected"),
    [
        ("SCT", "5913000", ("FNF", None)),
        ("I10", "S72.0", ("FNF", None)),
        ("I10", "S72.00", ("FNF", None)),
        ("I10", "S72.1", ("ITF", None)),
        ("I10", "S72.10", ("ITF", None)),
        ("I10C", "S72.141A", ("ITF", Side.RIGHT)),
        ("I10C", "S72.145D", ("ITF", Side.LEFT)),
        ("ICD10CM", "S72002A", ("FNF", Side.LEFT)),
        ("I10C", "S72.009A", ("FNF", None)),
        ("I10C", "S72.143", ("ITF", None)),
        # Single trochanters, the shaft, no femur, other schemes.
        ("I10C", "S72.111A", None),
        ("I10", "S72.11", None),
        ("I10", "S72.3", None),
        ("I10", "S32.0", None),
        ("I9C", "S72.0", None),
        ("SCT", "S72.0", None),
        ("I10P", "S72.0", None),
    ],
)
def test_codes(scheme: str, value: str, expected: tuple[str, Side | None] | None) -> None:
    found = [(fracture.type, fracture.side) for fracture in coded_fractures(coded(scheme, value))]
    assert found == ([expected] if expected else [])


def test_codes_are_found_in_requests_too_and_each_once() -> None:
    header = coded("I10", "S72.0")
    header.RequestAttributesSequence = [coded("I10", "S72.0", "ReasonForRequestedProcedureCodeSequence")]
    assert len(coded_fractures(header)) == 1


def test_no_codes() -> None:
    assert coded_fractures(Dataset()) == []


def fracture(surgery: date | None) -> Fracture:
    return Fracture("ITF", Side.RIGHT, surgery, "from the clinical table")


def test_before_or_after_the_operation_is_said_of_both_scans() -> None:
    prior = as_earlier(make_result(date(2025, 1, 2), *volumes({SARTORIUS: 100.0})))
    assert prior is not None
    result = compare(make_result(date(2025, 2, 2), *volumes({SARTORIUS: 90.0})), prior)
    (flag,) = with_fractures(result, [fracture(date(2025, 1, 3))]).quality
    assert flag.code == "fracture"
    assert flag.text == (
        "Intertrochanteric fracture, right; surgery 2025-01-03: this scan 30 days after it, "
        "the earlier scan 1 day before it (from the clinical table)."
    )


def test_what_is_not_known_is_not_said() -> None:
    result = make_result(None)
    (flag,) = with_fractures(result, [Fracture(None, Side.LEFT, None, "from the clinical table")]).quality
    assert flag.text == "Fracture of unknown type, left (from the clinical table)."


def test_height_fills_only_what_lacked_it() -> None:
    result = make_result(
        None,
        *volumes({SARTORIUS: 144.5, 6: 144.5, 7: None}),
        Measurement("volume_per_height2", None, "cm3/m2", SARTORIUS, absent_reason="No height."),
        Measurement("volume_per_height2", 40.0, "cm3/m2", 6),
        Measurement("volume_per_height2", None, "cm3/m2", 7, absent_reason="It is cut off."),
    )
    found = with_height(result, 1.7)
    values = {m.segment_number: m.value for m in found.measurements if m.quantity == "volume_per_height2"}
    assert values[SARTORIUS] == pytest.approx(50)
    assert values[6] == 40
    assert values[7] is None
    assert "1.70 m, is from the clinical table" in found.quality[0].text


def test_height_that_changes_nothing_is_not_mentioned() -> None:
    result = make_result(None, *volumes({SARTORIUS: 144.5}))
    assert with_height(result, 1.7) == result
