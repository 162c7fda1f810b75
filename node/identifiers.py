"""The identifiers of an instance: read from the data set as it came, and trusted only when well formed.

What is read here names files and rows, so nothing that is not a UID gets past this module.
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

LONGEST_UID = 64
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")

_UID_KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_TAGS = {keyword: Tag(keyword) for keyword in (*_UID_KEYWORDS, "Modality")}
_LAST_TAG = max(_TAGS.values())

_SKIP_VALUES_ABOVE_BYTES = 4096
_DEFLATED_HEAD_BYTES = 4 * 1024 * 1024


class UnreadableDataSet(Exception):
    """A data set cannot be parsed, or does not say which instance it is; the text holds no patient data."""


@dataclass(frozen=True)
class Identifiers:
    """Which instance a data set is. All UIDs are well formed; ``modality`` is empty where there is none."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    modality: str


def is_uid(text: str) -> bool:
    """Numbers between single dots, at most 64 characters (PS3.5 section 9.1).

    Leading zeros are against the standard, but they exist and do no harm.
    """
    return len(text) <= LONGEST_UID and _UID.fullmatch(text) is not None


def read_identifiers(file: BinaryIO, transfer_syntax_uid: str) -> Identifiers:
    """Reads a data set from the file's position on: to its end, unless deflated; pixels are passed over.

    Raises:
        UnreadableDataSet: it cannot be parsed, an identifier is missing or malformed, or it ends too early.
    """
    syntax = UID(transfer_syntax_uid)
    if not syntax.is_transfer_syntax:
        raise UnreadableDataSet("The transfer syntax is not known here.")
    values = _read_deflated(file) if syntax.is_deflated else _read_whole(file, syntax)
    study, series, instance, sop_class = (_uid(keyword, values) for keyword in _UID_KEYWORDS)
    return Identifiers(study, series, instance, sop_class, _text(values.get(_TAGS["Modality"]))[:16])


def _read_whole(file: BinaryIO, syntax: UID) -> dict[int, object]:
    start = file.tell()
    size = file.seek(0, 2)
    file.seek(start)
    values = _parse(file, syntax)
    if file.tell() > size:
        raise UnreadableDataSet("The data set ends within an element.")
    return values


def _read_deflated(file: BinaryIO) -> dict[int, object]:
    # Only its beginning is inflated: a small message must not be able to fill the memory.
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        head = inflate.decompress(file.read(_DEFLATED_HEAD_BYTES), _DEFLATED_HEAD_BYTES)
    except zlib.error:
        raise UnreadableDataSet("The data set cannot be inflated.") from None
    return _parse(BytesIO(head), ExplicitVRLittleEndian, lambda tag, _vr, _length: tag > _LAST_TAG)


def _parse(
    file: BinaryIO, syntax: UID, stop_when: Callable[[BaseTag, str | None, int], bool] | None = None
) -> dict[int, object]:
    values: dict[int, object] = {}
    elements = data_element_generator(
        file,
        syntax.is_implicit_VR,
        syntax.is_little_endian,
        stop_when,
        defer_size=_SKIP_VALUES_ABOVE_BYTES,
        specific_tags=list(_TAGS.values()),
    )
    try:
        for element in elements:
            values[element.tag] = element.value
    except EOFError:
        raise UnreadableDataSet("The data set ends within an element.") from None
    except Exception as error:  # noqa: BLE001 - a parser may stumble over hostile bytes in any way
        # Oddities behind the identifiers are for the reader of the images to judge, not a reason to refuse.
        if not all(_TAGS[keyword] in values for keyword in _UID_KEYWORDS):
            raise UnreadableDataSet(f"The data set cannot be parsed ({type(error).__name__}).") from None
    return values


def _uid(keyword: str, values: dict[int, object]) -> str:
    text = _text(values.get(_TAGS[keyword]))
    if not text:
        raise UnreadableDataSet(f"{keyword} is missing.")
    if not is_uid(text):
        raise UnreadableDataSet(f"{keyword} is not a UID.")
    return text


def _text(value: object) -> str:
    return value.decode("ascii", errors="replace").rstrip("\0 ") if isinstance(value, bytes) else ""
