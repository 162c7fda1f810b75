"""A Result as plain values, for result.json: what was measured, how sure, and how to make it again."""

from typing import Any

from dicom_out.codes import QUANTITIES, RESEARCH_USE_ONLY, STRUCTURES
from inference.result import Measurement, Provenance, Result, SourceFrame


def summarise(result: Result) -> dict[str, Any]:
    """Measurements, quality and provenance as JSON values; identifies images by UID, names no patient."""
    return {
        "notice": RESEARCH_USE_ONLY,
        "measurements": [_measurement(m, result) for m in result.measurements],
        "quality": [{"code": f.code, "severity": f.severity, "text": f.text} for f in result.quality],
        "provenance": _provenance(result.provenance) | _source(result),
    }


def _measurement(measurement: Measurement, result: Result) -> dict[str, Any]:
    segment = next((s for s in result.segments if s.number == measurement.segment_number), None)
    frame = measurement.source_frame
    return {
        "name": measurement.quantity,
        "label": QUANTITIES[measurement.quantity].label,
        "tissue": segment.name if segment else None,
        "tissue_label": STRUCTURES[segment.name].label if segment else None,
        "side": segment.side if segment else None,
        "extent": "all slices" if frame is None else _frame(result.frames[frame]),
        "value": measurement.value,
        "unit": measurement.unit,
        "absent_reason": measurement.absent_reason,
    }


def _provenance(provenance: Provenance) -> dict[str, Any]:
    model = provenance.model
    return {
        "route": provenance.route,
        "model": {"name": model.name, "version": model.version, "weights_sha256": model.weights_sha256},
        "software_version": provenance.software_version,
        "settings": dict(provenance.settings),
    }


def _source(result: Result) -> dict[str, Any]:
    first = result.frames[0].dataset
    return {
        "study_instance_uid": str(first.StudyInstanceUID),
        "series_instance_uid": str(first.SeriesInstanceUID),
        "source_instance_uids": list(result.provenance.source_instance_uids),
        "frames": [_frame(frame) for frame in result.frames],
        "reference_slice": _frame(result.frames[result.reference_frame]),
    }


def _frame(frame: SourceFrame) -> dict[str, Any]:
    return {"sop_instance_uid": str(frame.dataset.SOPInstanceUID), "frame_number": frame.frame_number}
