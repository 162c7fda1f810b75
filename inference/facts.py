"""What routing knows of a series: its header, its grid, and which anatomy its pixels show."""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.uid import SecondaryCaptureImageStorage
from pydicom.valuerep import DA

from inference.anatomy import find_anatomy
from inference.errors import Refused
from inference.geometry import grid_of, shear_degrees
from inference.headers import (
    functional_group,
    image_type,
    is_multi_frame,
    items,
    number,
    numbers,
    read_header,
    text,
    texts,
)
from inference.kernel import kernel_class
from inference.planes import not_a_ct_image, not_in_hu
from inference.result import SourceFrame
from inference.volume import SeriesLayout, ordered_planes

HeaderValue = str | int | float | list["HeaderValue"] | None
ComputedValue = str | int | float | bool | list[str] | None

COARSE_SPACING_MM = 4.0
"""Slices this far apart suffice to find the hips."""

AXIAL_WITHIN_DEGREES = 10.0
"""A plane turned further is oblique; at this angle a cross-section is 1.5 % larger than the axial one."""

YEARS_PER_AGE_UNIT = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}

WITHOUT_CONTRAST = {"0", "N", "NO", "NONE", "NEG", "NATIVE", "WITHOUT", "NO CONTRAST", "NON CONTRAST"}
"""What people write into ContrastBolusAgent when there was none."""

REFORMATTED = {"MPR", "CSA MPR", "CSA RESAMPLED", "REFORMATTED", "RESAMPLED"}
"""Values of ImageType of planes cut from a volume."""


@dataclass(frozen=True)
class SeriesFacts:
    """Facts on one series, all of them JSON values.

    Attributes:
        series_instance_uid: empty where no file could be read.
        header: value of each keyword asked for, None where it is absent. Several values are a list, sequences
            the list of their items' code meanings.
        computed: None where it is not known.

            - ``slice_count``, ``slice_spacing_mm``, ``coverage_mm`` (their product)
            - ``pixel_spacing_mm``, the larger of two
            - ``orientation``: axial, coronal, sagittal, oblique, none
            - ``image_kind``: original, derived, localizer, mpr, secondary
            - ``kernel``: soft, bone, unknown
            - ``contrast``, ``age_years``, ``gantry_tilt_degrees``
            - ``measurable``, and the ``refusal`` in words where it is not
            - ``anatomy``: regions that the pixels show, and ``anatomy_reason`` in words
    """

    series_instance_uid: str
    header: Mapping[str, HeaderValue]
    computed: Mapping[str, ComputedValue]


def examine(files: Sequence[Path], keywords: Collection[str]) -> SeriesFacts:
    """Collect the facts on one series. That it cannot be measured is a fact, not an error.

    Args:
        files: the instances of one series.
        keywords: DICOM keywords to report from its header.

    Raises:
        OSError: a file cannot be opened.
    """
    headers, unreadable = _read(files)
    frame = _typical_frame(dataset for _, dataset in headers)
    return SeriesFacts(
        series_instance_uid=text(frame.dataset, "SeriesInstanceUID"),
        header={keyword: _header_value(frame, keyword) for keyword in keywords},
        computed={**_header_facts(frame), **_volume_facts(headers, unreadable, _orientation(frame))},
    )


def _read(files: Sequence[Path]) -> tuple[list[tuple[Path, Dataset]], Refused | None]:
    """Headers of the files that can be read, and what is wrong with the others."""
    headers, unreadable = [], None
    for path in files:
        try:
            headers.append((path, read_header(path)))
        except Refused as error:
            unreadable = error
    return headers, unreadable


def _typical_frame(datasets: Iterable[Dataset]) -> SourceFrame:
    """The frame that speaks for the series: of a CT image if there is one, whatever the order of files."""
    dataset = min(
        datasets,
        key=lambda dataset: (not_a_ct_image(dataset) is not None, text(dataset, "SOPInstanceUID")),
        default=Dataset(),
    )
    return SourceFrame(dataset, 1 if is_multi_frame(dataset) else None)


def _header_facts(frame: SourceFrame) -> dict[str, ComputedValue]:
    measures = functional_group(frame.dataset, frame.frame_number, "PixelMeasuresSequence")
    reconstruction = functional_group(frame.dataset, frame.frame_number, "CTReconstructionSequence")
    return {
        "pixel_spacing_mm": max(numbers(measures, "PixelSpacing", 2) or (), default=None),
        "orientation": _orientation(frame),
        "image_kind": _image_kind(frame),
        "kernel": kernel_class(texts(reconstruction, "ConvolutionKernel")),
        "contrast": contrast(frame.dataset),
        "age_years": _age_years(frame.dataset),
        "gantry_tilt_degrees": number(frame.dataset, "GantryDetectorTilt"),
    }


def _volume_facts(
    headers: Sequence[tuple[Path, Dataset]], unreadable: Refused | None, orientation: str
) -> dict[str, ComputedValue]:
    """Facts on grid and pixels, as far as they can be had."""
    facts: dict[str, ComputedValue] = {
        "slice_count": None,
        "coverage_mm": None,
        "slice_spacing_mm": None,
        "measurable": False,
        "refusal": None,
        "anatomy": [],
        "anatomy_reason": "Not looked for: the series cannot be measured.",
    }
    try:
        if unreadable:
            raise unreadable
        planes, notes = ordered_planes(headers)
        facts["slice_count"] = len(planes)
        if len(planes) > 1:
            facts["gantry_tilt_degrees"] = round(shear_degrees(planes), 2)
        layout = SeriesLayout(tuple(planes), grid_of(planes), tuple(notes))
        spacing_mm = layout.geometry.spacing_between_slices
        facts |= {"slice_spacing_mm": spacing_mm, "coverage_mm": len(planes) * spacing_mm}
        facts |= _anatomy_facts(layout, orientation)
        facts["measurable"] = True
    except Refused as error:
        facts["refusal"] = error.reason
    return facts


def _anatomy_facts(layout: SeriesLayout, orientation: str) -> dict[str, ComputedValue]:
    if orientation != "axial":
        return {"anatomy_reason": f"Not looked for: the planes are {orientation}, not axial."}
    step = max(1, int(COARSE_SPACING_MM / layout.geometry.spacing_between_slices))
    anatomy = find_anatomy(layout.read_volume(step=step))
    return {"anatomy": list(anatomy.regions), "anatomy_reason": anatomy.reason}


def _orientation(frame: SourceFrame) -> str:
    """Name of the plane, by the patient axis its normal lies along."""
    oriented = functional_group(frame.dataset, frame.frame_number, "PlaneOrientationSequence")
    directions = numbers(oriented, "ImageOrientationPatient", 6)
    if directions is None:
        return "none"
    along = abs(np.cross(directions[:3], directions[3:]))
    if along.max() < math.cos(math.radians(AXIAL_WITHIN_DEGREES)):
        return "oblique"
    return ("sagittal", "coronal", "axial")[along.argmax()]


def _image_kind(frame: SourceFrame) -> str | None:
    values = image_type(frame.dataset, frame.frame_number)
    code, _ = not_in_hu(values) or ("", "")
    if code == "localizer":
        return "localizer"
    if code or text(frame.dataset, "SOPClassUID").startswith(SecondaryCaptureImageStorage):
        return "secondary"
    if not REFORMATTED.isdisjoint(value.upper() for value in values):
        return "mpr"
    if values[:2] == ["ORIGINAL", "PRIMARY"]:
        return "original"
    return "derived" if values else None


def contrast(dataset: Dataset) -> bool | None:
    """Whether contrast agent was given (PS3.3 section C.7.6.4); None where the header does not say."""
    agent = text(dataset, "ContrastBolusAgent").strip().upper()
    if agent in WITHOUT_CONTRAST:
        return False
    named = agent or items(dataset, "ContrastBolusAgentSequence")
    return True if named or number(dataset, "ContrastBolusVolume") else None


def _age_years(dataset: Dataset) -> int | None:
    """PatientAge, else the time from birth to the study, in completed years: more would tell the birthday."""
    if match := re.fullmatch(r"(\d{1,3})([DWMY])", text(dataset, "PatientAge").strip().upper()):
        return int(int(match[1]) * YEARS_PER_AGE_UNIT[match[2]])
    try:
        born, studied = (DA(text(dataset, keyword)) for keyword in ("PatientBirthDate", "StudyDate"))
    except ValueError:
        return None
    if not born or not studied:
        return None
    return int(studied.year - born.year - ((studied.month, studied.day) < (born.month, born.day)))


def _header_value(frame: SourceFrame, keyword: str) -> HeaderValue:
    """Value of an attribute of the image, or of a functional group of the frame."""
    tag = tag_for_keyword(keyword)
    for dataset in (frame.dataset, *_functional_groups(frame)):
        if tag is not None and (element := dataset.get(tag)) is not None:
            return _json_value(element.value)
    return None


def _functional_groups(frame: SourceFrame) -> list[Dataset]:
    """All macro items of the frame, its own before the shared ones; none for a single-frame image."""
    if frame.frame_number is None:
        return []
    per_frame = items(frame.dataset, "PerFrameFunctionalGroupsSequence")[frame.frame_number - 1 :][:1]
    shared = items(frame.dataset, "SharedFunctionalGroupsSequence")[:1]
    groups = (element.value for holder in (*per_frame, *shared) for element in holder if element.VR == "SQ")
    return [item for sequence in groups for item in sequence]


def _json_value(value: object) -> HeaderValue:
    if isinstance(value, pydicom.Sequence):
        return [text(item, "CodeMeaning") or None for item in value]
    if isinstance(value, MultiValue | list):
        return [_json_value(one) for one in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int):
        return int(value)
    return None if isinstance(value, bytes) else str(value or "") or None
