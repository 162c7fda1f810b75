"""Annotated slices of hip tissue, from the files that ``training.case_files`` describes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.tissue_protocol import Tissue
from training.case_files import (
    DICOM_LABELS,
    IMAGE,
    LABELS,
    CaseError,
    naming,
    plain_label,
    read_volumes,
    required_folders,
    write_volume,
)

TISSUE_OF_SEGMENT: Mapping[str, Tissue] = {tissue.name.lower(): tissue for tissue in Tissue} | {
    "hbm": Tissue.HAEMATOPOIETIC_BONE_MARROW,
    "hematopoietic_bone_marrow": Tissue.HAEMATOPOIETIC_BONE_MARROW,
    "mat": Tissue.MARROW_ADIPOSE_TISSUE,
    "imat": Tissue.INTERMUSCULAR_ADIPOSE_TISSUE,
    "sat": Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE,
}
"""By the segment's label in lower case, its words joined by underscores."""


@dataclass(frozen=True)
class Case:
    """The annotated slices of one CT series.

    Attributes:
        subject: the person; cases of one person are never split between training and test.
        name: of the case, unique within the subject.
        hu: int16, axes foot to head, front to back, right to left.
        labels: uint8, values of ``Tissue``, 0 elsewhere; same shape.
        spacing_mm: (slice, row, column).
    """

    subject: str
    name: str
    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """(row, column)."""
        return self.spacing_mm[1:]

    def __str__(self) -> str:
        return f"{self.subject}/{self.name}"


def read_cases(folder: Path) -> list[Case]:
    """Read all cases below a folder, sorted by subject and name.

    Raises:
        CaseError: there is none, or one cannot be read; training or judging on the rest would go unnoticed.
    """
    return [read_case(path) for path in required_folders(folder)]


def read_case(folder: Path) -> Case:
    """Read one case, FOLDER/SUBJECT/CASE.

    Raises:
        CaseError: as ``read_volumes``, or a label is unknown, or no slice is annotated.
    """
    with naming(folder):
        image, labels = read_volumes(folder, _tissue)
        _require_labels(np.unique(labels.array))
    annotated = labels.array.any(axis=(1, 2))
    slice_mm, row_mm, column_mm = image.spacing
    return Case(
        folder.parent.name,
        folder.name,
        image.array[annotated],
        labels.array[annotated].astype(np.uint8),
        (slice_mm, row_mm, column_mm),
    )


def write_case(folder: Path, case: Case) -> None:
    """Write a case as NIfTI into FOLDER/SUBJECT/CASE; the first voxel becomes the origin of the affine."""
    target = folder / case.subject / case.name
    target.mkdir(parents=True, exist_ok=True)
    for name, array in ((IMAGE, case.hu), (LABELS, case.labels)):
        write_volume(target / name, array, case.spacing_mm)


def _tissue(label: str) -> Tissue:
    key = plain_label(label)
    if key not in TISSUE_OF_SEGMENT:
        known = ", ".join(TISSUE_OF_SEGMENT)
        raise CaseError(f"{DICOM_LABELS} has a segment {label!r}; known are {known}.")
    return TISSUE_OF_SEGMENT[key]


def _require_labels(values: NDArray[np.generic]) -> None:
    unknown = sorted(set(values.tolist()) - {0, *Tissue})
    if unknown:
        meanings = ", ".join(f"{tissue.value} {tissue.name.lower()}" for tissue in Tissue)
        shown = ", ".join(f"{value:g}" for value in unknown[:5])
        raise CaseError(f"unknown label value(s) {shown}; known are 0 none, {meanings}.")
    if not values.any():
        raise CaseError("no slice has a label.")
