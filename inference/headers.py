"""Headers of DICOM files, read so that a damaged attribute is an absent attribute."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom import Dataset, dcmread
from pydicom.multival import MultiValue
from pydicom.uid import EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

from inference.errors import Refused

# Values are judged where they are used; pydicom's own warnings would quote them, and they may name a person.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

MULTI_FRAME_SOP_CLASSES = (EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)


def read_header(path: Path) -> Dataset:
    """Read a file up to its pixels.

    Attributes whose value is not of their value representation are left out. Identifiers that the data set
    leaves empty are taken from the file meta information, which carries the same ones (PS3.10 section 7.1).

    Raises:
        Refused: ``unreadable_file`` when it is not DICOM or too damaged to be read.
        OSError: the file cannot be opened.
    """
    try:
        dataset = dcmread(path, stop_before_pixels=True)
    except OSError:
        raise
    except Exception as error:  # a damaged file fails in the parser in many ways
        raise Refused("unreadable_file", "A file of the series is not DICOM or is damaged.") from error
    _drop_unreadable(dataset)
    _drop_unreadable(dataset.file_meta)
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if not text(dataset, keyword):
            setattr(dataset, keyword, text(dataset.file_meta, f"MediaStorage{keyword}"))
    return dataset


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """Values of an attribute as text; empty where it is not given."""
    return [str(value) for value in _values(dataset.get(keyword))]


def text(dataset: Dataset, keyword: str) -> str:
    """First value of an attribute as text; empty where it is not given."""
    return next(iter(texts(dataset, keyword)), "")


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Values of an attribute, None unless there are ``count`` of them and all are finite."""
    try:
        values = tuple(float(value) for value in texts(dataset, keyword))
    except ValueError:
        return None
    return values if len(values) == count and np.isfinite(values).all() else None


def number(dataset: Dataset, keyword: str) -> float | None:
    """The one value of an attribute, None where it is not given or no finite number."""
    values = numbers(dataset, keyword, 1)
    return values[0] if values else None


def items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """Items of a sequence; empty where it is not given."""
    value = dataset.get(keyword)
    return value if isinstance(value, pydicom.Sequence) else []


def is_multi_frame(dataset: Dataset) -> bool:
    """Whether this is a CT image with functional groups."""
    return text(dataset, "SOPClassUID") in MULTI_FRAME_SOP_CLASSES


def functional_group(dataset: Dataset, frame_number: int | None, sequence: str) -> Dataset:
    """The item with a macro's attributes for one frame: its own, else the shared one, else an empty one.

    A single-frame image (``frame_number`` None) carries the same attributes at its top level and is returned
    itself (PS3.3 section C.7.6.16).
    """
    if frame_number is None:
        return dataset
    per_frame = items(dataset, "PerFrameFunctionalGroupsSequence")[frame_number - 1 : frame_number]
    shared = items(dataset, "SharedFunctionalGroupsSequence")[:1]
    for groups in (*per_frame, *shared):
        if found := items(groups, sequence):
            return found[0]
    return Dataset()


def image_type(dataset: Dataset, frame_number: int | None = None) -> list[str]:
    """FrameType of one frame of a multi-frame image where it is given, else ImageType."""
    frame_type = functional_group(dataset, frame_number, "CTImageFrameTypeSequence")
    return texts(frame_type, "FrameType") or texts(dataset, "ImageType")


def _drop_unreadable(dataset: Dataset) -> None:
    for tag in [tag for tag in dataset.keys() if not tag.is_private]:  # noqa: SIM118 - it iterates elements
        try:
            element = dataset[tag]
        except Exception:  # noqa: BLE001 - each value representation fails in its own way
            del dataset[tag]
            continue
        if element.VR in ("DS", "IS") and any(isinstance(value, str) for value in _values(element.value)):
            del dataset[tag]
        for item in items(dataset, element.keyword):
            _drop_unreadable(item)


def _values(value: object) -> list[object]:
    """Values of an element, be it empty or of one value or several."""
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue) else [value]
