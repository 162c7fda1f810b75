"""Coxa's own results, read again so that a later scan can be compared with them.

What is read may come from anywhere, a PACS or a removable disk: nothing of it is trusted. Numbers are finite
and in the unit expected, names are of the code table, texts are short and plain; whatever is not ours or does
not hold together is refused.
"""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from highdicom import sr
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.valuerep import DA

from dicom_out.codes import LATERALITY, QUANTITIES, STRUCTURES
from dicom_out.equipment import MANUFACTURER
from dicom_out.identity import device_uid
from dicom_out.sources import discreet
from inference.errors import Refused
from inference.follow_up import Earlier, Place
from inference.result import ModelIdentity, Profile, Side

SUMMARY = "result.json"
LARGEST_BYTES = 50_000_000
"""A hundred times the largest result.json or report that Coxa writes."""

WHOLE = "all slices"
COMPARED = {"volume": "cm3", "lean_volume": "cm3", "fat_fraction": "%"}
"""What is read of a report, and in which unit."""

_WORDS = r"[A-Za-z0-9 ._+-]{1,64}"
_SOFTWARE = re.compile(rf"({_WORDS}) \(Coxa ({_WORDS})\)")
_SIDES = {LATERALITY[side]: side for side in Side}

Word = Annotated[str, Field(pattern=rf"^{_WORDS}$")]
Uid = Annotated[str, Field(pattern=r"^[0-9.]{1,64}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Volume = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Part(BaseModel):
    """Keys that are not asked for may be there: a newer version of Coxa may have written the file."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Measured(_Part):
    name: Word
    tissue: Word | None
    side: Side | None
    extent: Any
    value: Finite | None


class _Spread(_Part):
    tissue: Word
    side: Side | None
    segment_number: Annotated[int, Field(ge=1, le=255)]
    first_mm: Finite
    step_mm: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    volume_cm3: Annotated[tuple[Volume, ...], Field(min_length=1, max_length=10_000)]


class _Model(_Part):
    name: Word
    version: Word
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None


class _Provenance(_Part):
    model: _Model
    software_version: Word
    study_date: date
    acquisition: dict[Word, Word]


class _Report(_Part):
    series_instance_uid: Uid
    sop_class_uid: Uid
    sop_instance_uid: Uid


class _Objects(_Part):
    report: _Report


class _Summary(_Part):
    measurements: tuple[_Measured, ...]
    profiles: tuple[_Spread, ...]
    provenance: _Provenance
    objects: _Objects


def read_earlier(path: Path, known: ModelIdentity) -> Earlier:
    """An earlier result, from the folder it was written to, from a report, or from a folder with reports.

    Args:
        path: file or folder. A folder with a result.json is a result; in any other the newest report counts.
        known: as for ``read_report``.

    Raises:
        Refused: ``prior_unreadable``: there is none of Coxa's, or it is damaged.
    """
    if path.is_file():
        return read_report(path, known)
    if (path / SUMMARY).is_file():
        return read_summary(path / SUMMARY)
    reports = []
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        try:
            reports.append(read_report(file, known))
        except Refused:
            continue
    if not reports:
        raise _refusal("holds neither a result.json nor a report of Coxa")
    return max(reports, key=lambda report: report.study_date)


def read_summary(path: Path) -> Earlier:
    """An earlier result, from its result.json: with profiles, so also for comparisons of a part.

    Raises:
        Refused: ``prior_unreadable``.
    """
    try:
        summary = _Summary.model_validate_json(_bytes(path))
    except ValidationError:
        # Its text quotes what was read.
        raise _refusal("is no result.json with a study date that this version of Coxa understands") from None
    provenance, report = summary.provenance, summary.objects.report
    return Earlier(
        study_date=provenance.study_date,
        model=ModelIdentity(**provenance.model.model_dump()),
        software_version=provenance.software_version,
        values={
            (m.name, (m.tissue, m.side)): m.value
            for m in summary.measurements
            if m.extent == WHOLE and m.tissue is not None and m.tissue in STRUCTURES and m.side is not None
        },
        profiles={
            (p.tissue, p.side): Profile(p.segment_number, p.first_mm, p.step_mm, p.volume_cm3)
            for p in summary.profiles
            if p.tissue in STRUCTURES and p.side is not None
        },
        acquisition=provenance.acquisition,
        report_uids=(report.series_instance_uid, report.sop_class_uid, report.sop_instance_uid),
    )


def read_report(path: Path, known: ModelIdentity) -> Earlier:
    """An earlier result, from its TID 1500 report: values of whole structures, without profiles.

    Args:
        path: the SR file.
        known: a model that is recognised by the Device UID in the report, which follows from name, version
            and weights. Of any other model a report does not tell the weights.

    Raises:
        Refused: ``prior_unreadable``: no report of Coxa, or a damaged one.
    """
    content = _bytes(path)
    if content[128:132] != b"DICM":
        raise _refusal("is no DICOM file")
    try:
        with discreet():
            return _from_report(sr.srread(path), known)
    except Refused:
        raise
    except Exception:  # noqa: BLE001 - a foreign or damaged report fails in the libraries in many ways
        # Not chained: their errors quote what was read.
        raise _refusal("is no report of Coxa, or a damaged one") from None


def _from_report(report: Any, known: ModelIdentity) -> Earlier:
    content = report.content
    if report.Manufacturer != MANUFACTURER or not isinstance(content, sr.MeasurementReport):
        raise _refusal("is no report of Coxa")
    model, software_version = _made_by(report, known)
    studied = DA(report.StudyDate)
    if not studied:
        raise _refusal("bears no study date")
    uids = (str(report.SeriesInstanceUID), str(report.SOPClassUID), str(report.SOPInstanceUID))
    if not all(re.fullmatch(r"[0-9.]{1,64}", uid) for uid in uids):
        raise _refusal("bears no proper identifiers")
    groups = [
        *content.get_volumetric_roi_measurement_groups(),
        *content.get_image_measurement_groups(),
    ]
    return Earlier(
        study_date=date(studied.year, studied.month, studied.day),
        model=model,
        software_version=software_version,
        values={
            (quantity, place): value
            for group in groups
            if (place := _place(group)) is not None
            for quantity, value in _values(group)
        },
        profiles={},
        acquisition={},
        report_uids=uids,
    )


def _made_by(report: Dataset, known: ModelIdentity) -> tuple[ModelIdentity, str]:
    """Model and version of Coxa, as ``dicom_out.equipment`` writes them."""
    # highdicom adds itself to the equipment.
    devices = [str(item.get("DeviceUID")) for item in report.get("ContributingEquipmentSequence", [])]
    match = _SOFTWARE.fullmatch(str(report.SoftwareVersions))
    name = str(report.ManufacturerModelName)
    if match is None or not re.fullmatch(_WORDS, name):
        raise _refusal("does not say which model made it")
    if device_uid(known) in devices:
        return known, match[2]
    return ModelIdentity(name, match[1]), match[2]


def _place(group: Any) -> Place | None:
    """Structure and side, where both are of the code tables."""
    sites = group.finding_sites
    finding = group.finding_type
    if finding is None or len(sites) != 1 or sites[0].laterality is None:
        return None
    side = _SIDES.get(_code(sites[0].laterality))
    structure = _STRUCTURE_OF.get((_code(finding), _code(sites[0].value)))
    return None if side is None or structure is None else (structure, side)


def _values(group: Any) -> Iterator[tuple[str, float]]:
    """Quantities that can be compared. One that is there twice is not sure to be what it is taken for."""
    measurements = list(group.get_measurements())
    for quantity, unit in COMPARED.items():
        name = QUANTITIES[quantity].name
        found = [m for m in measurements if _code(m.name) == name and m.unit.value == unit]
        if len(found) == 1 and 0 <= float(found[0].value) < float("inf"):
            yield quantity, float(found[0].value)


def _code(concept: Any) -> Code:
    return Code(concept.value, concept.scheme_designator, concept.meaning)


_STRUCTURE_OF = {(s.property_type, s.region): name for name, s in STRUCTURES.items()}


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise _refusal("is too large to be a result of Coxa")
        return path.read_bytes()
    except OSError:
        raise _refusal("cannot be opened") from None


def _refusal(what: str) -> Refused:
    return Refused("prior_unreadable", f"The earlier result cannot be used: it {what}.")
