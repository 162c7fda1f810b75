"""A Result as plain values, for result.json: what was measured, how sure, and how to make it again."""

from typing import Any

from dicom_out.codes import QUANTITIES, RESEARCH_USE_ONLY, STRUCTURES
from inference.follow_up import acquisition, study_date
from inference.result import Measurement, ModelIdentity, Prior, Profile, Provenance, Result, SourceFrame

PROFILE_DECIMALS = 4
"""A tenth of a cubic millimetre."""


def summarise(result: Result) -> dict[str, Any]:
    """Measurements, quality and provenance as JSON values; identifies images by UID, names no patient."""
    return {
        "notice": RESEARCH_USE_ONLY,
        "measurements": [_measurement(m, result) for m in result.measurements],
        "profiles": [_profile(p, result) for p in result.profiles],
        "prior": _prior(result.prior) if result.prior else None,
        "quality": [{"code": f.code, "severity": f.severity, "text": f.text} for f in result.quality],
        "provenance": _provenance(result.provenance) | _source(result),
    }


def _measurement(measurement: Measurement, result: Result) -> dict[str, Any]:
    segment = next((s for s in result.segments if s.number == measurement.segment_number), None)
    structure = segment.name if segment else measurement.structure
    frame = measurement.source_frame
    return {
        "name": measurement.quantity,
        "label": QUANTITIES[measurement.quantity].label,
        "tissue": structure,
        "tissue_label": STRUCTURES[structure].label if structure else None,
        "side": segment.side if segment else measurement.side,
        "extent": "all slices" if frame is None else _frame(result.frames[frame]),
        "value": measurement.value,
        "unit": measurement.unit,
        "absent_reason": measurement.absent_reason,
    }


def _profile(profile: Profile, result: Result) -> dict[str, Any]:
    segment = next(s for s in result.segments if s.number == profile.segment_number)
    return {
        "tissue": segment.name,
        "side": segment.side,
        "segment_number": segment.number,
        "first_mm": profile.first_mm,
        "step_mm": profile.step_mm,
        "volume_cm3": [round(volume, PROFILE_DECIMALS) for volume in profile.volume_cm3],
    }


def _prior(prior: Prior) -> dict[str, Any]:
    keys = ("series_instance_uid", "sop_class_uid", "sop_instance_uid")
    return {
        "study_date": prior.study_date.isoformat(),
        "interval_days": prior.interval_days,
        "model": _model(prior.model),
        "remeasured": prior.remeasured,
        "report": dict(zip(keys, prior.report_uids, strict=True)) if prior.report_uids else None,
    }


def _model(model: ModelIdentity) -> dict[str, Any]:
    return {"name": model.name, "version": model.version, "weights_sha256": model.weights_sha256}


def _provenance(provenance: Provenance) -> dict[str, Any]:
    return {
        "route": provenance.route,
        "model": _model(provenance.model),
        "software_version": provenance.software_version,
        "settings": dict(provenance.settings),
    }


def _source(result: Result) -> dict[str, Any]:
    first = result.frames[0].dataset
    studied = study_date(result)
    return {
        "study_date": studied.isoformat() if studied else None,
        "acquisition": acquisition(result),
        "study_instance_uid": str(first.StudyInstanceUID),
        "series_instance_uid": str(first.SeriesInstanceUID),
        "source_instance_uids": list(result.provenance.source_instance_uids),
        "frames": [_frame(frame) for frame in result.frames],
        "reference_slice": _frame(result.frames[result.reference_frame]),
    }


def _frame(frame: SourceFrame) -> dict[str, Any]:
    return {"sop_instance_uid": str(frame.dataset.SOPInstanceUID), "frame_number": frame.frame_number}
