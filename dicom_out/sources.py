"""Source frames as objects can be derived from them: one plain single-frame header each.

Real headers break writers: attributes that must be there are not, values do not fit their VR, a multi-frame
image keeps its geometry frame by frame. Here, once, every frame becomes a header of the same plain kind; the
rest of the room does not know what the source looked like.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from warnings import catch_warnings, simplefilter

import highdicom as hd
import numpy as np
from pydicom import DataElement, Dataset, config
from pydicom.valuerep import validate_value

from inference.errors import Refused
from inference.result import Result, SourceFrame

MUST_BE_THERE = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Type 2 attributes of the Patient and Study modules (PS3.3 C.7.1.1, C.7.2.1): empty where unknown."""

REQUIRED_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")

WHO_AND_WHICH = ("PatientName", "PatientID", "StudyID", "AccessionNumber")
"""Kept as they are, like UIDs, even where they are invalid: a result under another identity is worse."""

LEFT_OUT = ("SharedFunctionalGroups", "PerFrameFunctionalGroups", "ClinicalTrial")

MACROS = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")

SAME_PLACE_MM = 0.5
"""How far the label grid may lie from its source frames; reading a volume is stricter."""


@contextmanager
def discreet() -> Iterator[None]:
    """Silences warnings of pydicom and highdicom, which quote the patient's name and other values.

    Holds for the whole process: not for two threads at a time.
    """
    with catch_warnings(), config.disable_value_validation():
        simplefilter("ignore")
        yield


def plain_headers(result: Result) -> list[Dataset]:
    """One header per source frame, its geometry at its top level, in the order of the label array.

    Raises:
        Refused: a frame lacks an identifier or a frame of reference.
        ValueError: a frame lies elsewhere than its labels.
    """
    headers = [_plain(frame, result.labels.spacing[0]) for frame in result.frames]
    for header in headers:
        header.ImageOrientationPatient = headers[0].ImageOrientationPatient
        header.PixelSpacing = headers[0].PixelSpacing
    _require_same_place(headers, result.labels)
    return headers


def cited(frame: SourceFrame) -> tuple[str, str, list[int] | None]:
    """SOP Class UID, SOP Instance UID and frame numbers by which an object refers to a source frame."""
    numbers = None if frame.frame_number is None else [frame.frame_number]
    return str(frame.dataset.SOPClassUID), str(frame.dataset.SOPInstanceUID), numbers


def cited_together(frames: Iterable[SourceFrame]) -> list[tuple[str, str, list[int] | None]]:
    """As ``cited``, with the frames of one image in one reference."""
    numbers_of: dict[tuple[str, str], list[int]] = {}
    for frame in frames:
        sop_class, uid, numbers = cited(frame)
        numbers_of.setdefault((sop_class, uid), []).extend(numbers or [])
    return [(*image, numbers or None) for image, numbers in numbers_of.items()]


def _plain(frame: SourceFrame, spacing_mm: float) -> Dataset:
    for keyword in REQUIRED_UIDS:
        if not frame.dataset.get(keyword):
            raise Refused(
                "no_identifiers", f"A source image has no {keyword}: no object can be derived from it."
            )
    plane = _plane(frame)
    header = _valid_part(frame.dataset)
    header.update(_valid_part(plane))
    for keyword in MUST_BE_THERE:
        several_values = keyword in header and header[keyword].VM > 1
        if keyword not in header or (several_values and keyword not in WHO_AND_WHICH):
            setattr(header, keyword, None)
    if header.PatientSex not in ("M", "F", "O"):
        header.PatientSex = None
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        setattr(header, keyword, plane[keyword].value)
    header.SpacingBetweenSlices = spacing_mm
    header.SliceThickness = header.get("SliceThickness") or spacing_mm
    return header


def _valid_part(dataset: Dataset) -> Dataset:
    """Top-level attributes that have a valid value.

    Functional groups are left out because ``_plane`` brings what is needed of them; clinical trial
    attributes because they are valid only together and de-identified images carry some without the others.
    """
    header = Dataset()
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
            if element.VR != "UI" and element.keyword not in WHO_AND_WHICH:
                _require_valid(element)
        except Exception:  # noqa: BLE001, S112 - each VR is converted by code that fails in its own way
            continue
        if not (tag.is_private or element.is_empty or element.keyword.startswith(LEFT_OUT)):
            header.add(copy(element))
    return header


def _require_valid(element: DataElement) -> None:
    """Raises ValueError for a value that its VR does not allow, at any depth (PS3.5 section 6.2)."""
    if element.VR == "SQ":
        for nested in (nested for item in element.value for nested in item):
            _require_valid(nested)
        return
    for value in element.value if element.VM > 1 else [element.value]:
        as_written = str(value) if element.VR in ("DS", "IS", "PN") else value
        validate_value(element.VR, as_written, config.RAISE)


def _plane(frame: SourceFrame) -> Dataset:
    """Holder of the attributes of the frame's plane: a multi-frame image keeps them in functional groups."""
    if frame.frame_number is None:
        return frame.dataset
    plane = Dataset()
    shared = frame.dataset.SharedFunctionalGroupsSequence[0]
    own = frame.dataset.PerFrameFunctionalGroupsSequence[frame.frame_number - 1]
    for groups in (shared, own):
        for macro in MACROS:
            for item in groups.get(macro, []):
                plane.update(item)
    return plane


def _require_same_place(headers: list[Dataset], labels: hd.Volume) -> None:
    """Labels must lie on the grid of their frames, or a flip between the two would mirror the result."""
    rows, columns = labels.spatial_shape[1:]
    last = labels.map_indices_to_reference(
        np.array([[i, rows - 1, columns - 1] for i in range(len(headers))])
    )
    first = labels.map_indices_to_reference(np.array([[i, 0, 0] for i in range(len(headers))]))
    for header, first_mm, last_mm in zip(headers, first, last, strict=True):
        position = np.array(header.ImagePositionPatient)
        along_row, along_column = np.array(header.ImageOrientationPatient).reshape(2, 3)
        row_mm, column_mm = header.PixelSpacing
        corner = position + (columns - 1) * column_mm * along_row + (rows - 1) * row_mm * along_column
        if max(np.linalg.norm(position - first_mm), np.linalg.norm(corner - last_mm)) > SAME_PLACE_MM:
            raise ValueError("The labels do not lie on the grid of their source frames.")
