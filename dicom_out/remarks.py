"""What a reader of a picture must mind, in words."""

from dicom_out.codes import QUANTITIES, STRUCTURES
from dicom_out.drawing import CAUTION, FAINT
from inference.result import Measurement, Result, Severity


def remarks(result: Result) -> list[tuple[str, str]]:
    """Warnings, then notes, then why something was not measured; each with its colour."""
    warnings = [(flag.text, CAUTION) for flag in result.quality if flag.severity is Severity.WARNING]
    notes = [(flag.text, FAINT) for flag in result.quality if flag.severity is Severity.NOTE]
    absent = [m for m in result.measurements if m.value is None]
    reasons = [(f"{subject(m, result)}: {m.absent_reason}", FAINT) for m in absent]
    return warnings + notes + reasons


def subject(measurement: Measurement, result: Result) -> str:
    """What was measured on what, e.g. ``Muscle: mean attenuation``."""
    label = QUANTITIES[measurement.quantity].label
    segment = next((s for s in result.segments if s.number == measurement.segment_number), None)
    name, side = (segment.name, segment.side) if segment else (measurement.structure, measurement.side)
    if name:
        what = " ".join(filter(None, [STRUCTURES[name].label, side]))
        label = f"{what}: {label[0].lower()}{label[1:]}"
    return label if measurement.source_frame is not None else f"{label}, {len(result.frames)} slices"
