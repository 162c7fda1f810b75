"""What a clinic knows of the patient, into the result: fracture, operation, height.

Kim 2024 compares the loss of muscle by type of fracture: femoral neck, intertrochanteric.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from pydicom import Dataset

from inference.follow_up import study_date
from inference.headers import items, text
from inference.result import Measurement, QualityFlag, Result, Severity, Side

FRACTURES = {
    "FNF": "Fracture of the femoral neck",
    "ITF": "Intertrochanteric fracture",
    "other": "Other fracture",
}
"""By the types of the paper."""

REASONS = (
    "AdmittingDiagnosesCodeSequence",
    "ReasonForRequestedProcedureCodeSequence",
    "ReasonForPerformedProcedureCodeSequence",
)
"""Where a diagnosis may stand (PS3.3 C.7.2.3 and C.7.3.1, the second also in each request)."""

SNOMED_FNF = "5913000"
"""Fracture of neck of femur. Not confirmed: pydicom's dictionary does not have it.

Intertrochanteric fractures have several concepts in SNOMED CT, of which none is read; ICD-10 has one code.
"""

# WHO ICD-10 chapter XIX: S72.0 fracture of neck of femur, S72.1 pertrochanteric. ICD-10-CM divides the latter
# into S72.10 trochanteric, unspecified; S72.14 intertrochanteric; S72.11 to S72.13 single trochanters. Its
# sixth character is the side.
_ICD10 = re.compile(r"S72\.?(?P<part>0\d|1[04])(?P<side>\d)[A-Z]?|S72\.?(?P<alone>0\d?|1[04]?)")
_ICD10_SIDES = {"1": Side.RIGHT, "2": Side.LEFT, "4": Side.RIGHT, "5": Side.LEFT}

HEIGHT_NORMALISED = {
    "volume_per_height2": ("volume", "cm3/m2"),
    "mean_hu_per_height2": ("mean_hu", "[hnsf'U]/m2"),
}


@dataclass(frozen=True)
class Fracture:
    """One fracture of a hip, as far as it is known.

    Attributes:
        type: key of ``FRACTURES``; None where only the operation or the side is known.
        side: of the patient.
        surgery_date: when it was operated on.
        source: where it stands, in words.
    """

    type: str | None
    side: Side | None
    surgery_date: date | None
    source: str


def coded_fractures(dataset: Dataset) -> list[Fracture]:
    """Hip fractures among the coded diagnoses and reasons of an image's header, each once."""
    holders = [dataset, *items(dataset, "RequestAttributesSequence")]
    codes = [item for holder in holders for keyword in REASONS for item in items(holder, keyword)]
    found = (
        fracture
        for item in codes
        if (fracture := _fracture(text(item, "CodingSchemeDesignator"), text(item, "CodeValue")))
    )
    return list(dict.fromkeys(found))


def with_fractures(result: Result, fractures: Iterable[Fracture]) -> Result:
    """The result with a note for each fracture; call it after the comparison with the prior."""
    notes = tuple(QualityFlag("fracture", Severity.NOTE, _words(one, result)) for one in fractures)
    return replace(result, quality=(*result.quality, *notes))


def with_height(result: Result, height_m: float) -> Result:
    """The result with what is normalised by height, where only the height was missing in the images.

    Args:
        result: as measured with the images' own PatientSize.
        height_m: from elsewhere, an adult's.
    """
    value_of = {_where(m): m.value for m in result.measurements}
    measurements = tuple(_with_height(m, value_of, height_m) for m in result.measurements)
    if measurements == result.measurements:
        return result
    words = f"The height, {height_m:.2f} m, is from the clinical table: the images do not give it."
    note = QualityFlag("height_from_table", Severity.NOTE, words)
    return replace(result, measurements=measurements, quality=(*result.quality, note))


def _with_height(
    measurement: Measurement, value_of: dict[tuple[object, ...], float | None], height_m: float
) -> Measurement:
    if measurement.value is not None or measurement.quantity not in HEIGHT_NORMALISED:
        return measurement
    quantity, unit = HEIGHT_NORMALISED[measurement.quantity]
    value = value_of.get(_where(replace(measurement, quantity=quantity)))
    if value is None or measurement.unit != unit:
        return measurement
    return replace(measurement, value=value / height_m**2, absent_reason=None)


def _where(measurement: Measurement) -> tuple[object, ...]:
    m = measurement
    return m.quantity, m.segment_number, m.source_frame, m.structure, m.side


def _fracture(scheme: str, value: str) -> Fracture | None:
    if (scheme, value) == ("SCT", SNOMED_FNF):
        return Fracture("FNF", None, None, "from the codes in the images")
    if not re.fullmatch(r"I10C?|ICD-?10(-?CM)?", scheme.upper()):
        return None
    match = _ICD10.fullmatch(value.strip().upper())
    if match is None:
        return None
    kind = "FNF" if (match["part"] or match["alone"]).startswith("0") else "ITF"
    return Fracture(kind, _ICD10_SIDES.get(match["side"] or ""), None, "from the codes in the images")


def _words(fracture: Fracture, result: Result) -> str:
    """E.g. ``Intertrochanteric fracture, right; surgery 2025-01-03: this scan 90 days after it, ...``."""
    words = FRACTURES.get(fracture.type or "", "Fracture of unknown type")
    if fracture.side:
        words += f", {fracture.side}"
    if fracture.surgery_date:
        words += f"; surgery {fracture.surgery_date.isoformat()}"
        scans = {
            "this scan": study_date(result),
            "the earlier scan": result.prior.study_date if result.prior else None,
        }
        placed = [f"{scan} {_placed(day, fracture.surgery_date)}" for scan, day in scans.items() if day]
        words += f": {', '.join(placed)}" if placed else ""
    return f"{words} ({fracture.source})."


def _placed(day: date, surgery: date) -> str:
    days = (day - surgery).days
    if days == 0:
        return "on the same day"
    return f"{abs(days)} {'day' if abs(days) == 1 else 'days'} {'after' if days > 0 else 'before'} it"
