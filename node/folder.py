"""A folder of DICOM files, as somebody has it on a disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from node.identifiers import is_uid

Series = Mapping[str, list[Path]]


@dataclass(frozen=True)
class Folder:
    """What lies in a folder.

    Attributes:
        studies: files by Study Instance UID and Series Instance UID.
        others: files that are no DICOM instances of a study and a series.
    """

    studies: Mapping[str, Series]
    others: list[Path]


def read_folder(folder: Path) -> Folder:
    """Sorts all files under a folder by study and series, from their headers.

    Raises:
        NotADirectoryError: there is no such folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"There is no folder {folder}.")
    studies: dict[str, dict[str, list[Path]]] = {}
    others: list[Path] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            header = dcmread(
                path, stop_before_pixels=True, specific_tags=["StudyInstanceUID", "SeriesInstanceUID"]
            )
            study, series = str(header.StudyInstanceUID), str(header.SeriesInstanceUID)
        except (InvalidDicomError, AttributeError, EOFError, ValueError):
            others.append(path)
            continue
        # They name folders of results: what is no UID (PS3.5 9.1) is not taken for one.
        if not all(is_uid(uid) for uid in (study, series)):
            others.append(path)
            continue
        studies.setdefault(study, {}).setdefault(series, []).append(path)
    return Folder(studies, others)
