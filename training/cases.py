"""Annotated CT on disk: FOLDER/SUBJECT/CASE/, one folder per case, one per person above it.

A case is either NIfTI (``image.nii.gz`` in HU and ``labels.nii.gz``, on one grid) or DICOM (a CT series in
``dicom/`` and a Segmentation of it, ``labels.dcm``). Slices without any label count as not annotated: they
are neither trained on nor judged, so five slices of a long series can be outlined and the rest left alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.seg import segread
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

from inference.errors import Refused
from inference.tissue_protocol import Tissue
from inference.volume import read_layout
from training.errors import TrainingError

IMAGE, LABELS = "image.nii.gz", "labels.nii.gz"
DICOM_IMAGE, DICOM_LABELS = "dicom", "labels.dcm"

ORIENTATION = "HPL"
"""Axes foot to head, front to back, right to left."""

AIR_HU = -1024
SAME_GRID = 0.1
"""Of a voxel: how far the corners of image and labels may lie apart."""

TISSUE_OF_SEGMENT: Mapping[str, Tissue] = {tissue.name.lower(): tissue for tissue in Tissue} | {
    "hbm": Tissue.HAEMATOPOIETIC_BONE_MARROW,
    "hematopoietic_bone_marrow": Tissue.HAEMATOPOIETIC_BONE_MARROW,
    "mat": Tissue.MARROW_ADIPOSE_TISSUE,
    "imat": Tissue.INTERMUSCULAR_ADIPOSE_TISSUE,
    "sat": Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE,
}
"""By the segment's label in lower case, its words joined by underscores."""


class CaseError(TrainingError):
    """A case cannot be read; the message names it and says what is wrong."""


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
    folders = case_folders(folder)
    if not folders:
        raise CaseError(f"{folder} holds no cases; they are expected as SUBJECT/CASE/{IMAGE}.")
    return [read_case(path) for path in folders]


def case_folders(folder: Path) -> list[Path]:
    """The folder of each case, SUBJECT/CASE, sorted."""
    return sorted(path for path in folder.glob("*/*/") if not path.name.startswith("."))


def read_case(folder: Path) -> Case:
    """Read one case, FOLDER/SUBJECT/CASE.

    Raises:
        CaseError: a file is missing or unreadable, a voxel has no HU, a label is unknown, image and labels do
            not lie on one grid, or no slice is annotated.
    """
    try:
        image, labels = _read_volumes(folder)
        image, labels = (volume.to_patient_orientation(ORIENTATION) for volume in (image, labels))
        _require_same_grid(image, labels)
        _require_labels(np.unique(labels.array))
    except CaseError as error:
        raise CaseError(f"Case {folder.parent.name}/{folder.name}: {error}") from None
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
    slice_mm, row_mm, column_mm = case.spacing_mm
    # NIfTI's axes run to the right, the front and the head; ours to the left, the back and the head.
    affine = np.diag([-column_mm, -row_mm, slice_mm, 1.0])
    for name, array in ((IMAGE, case.hu), (LABELS, case.labels)):
        image = Nifti1Image(array.transpose(2, 1, 0), affine)  # type: ignore[no-untyped-call]
        image.to_filename(target / name)


def _read_volumes(folder: Path) -> tuple[hd.Volume, hd.Volume]:
    if (folder / DICOM_IMAGE).exists() or (folder / DICOM_LABELS).exists():
        image = _read_series(_required(folder / DICOM_IMAGE))
        return image, _read_segmentation(_required(folder / DICOM_LABELS), image)
    image = _read_nifti(_required(folder / IMAGE))
    if unknown := int(np.isnan(image.array).sum()):
        raise CaseError(f"{IMAGE} has no HU in {unknown} voxels (nan); where they are air, write {AIR_HU}.")
    hu = np.rint(image.array).clip(AIR_HU, np.iinfo(np.int16).max).astype(np.int16)
    return image.with_array(hu), _read_nifti(_required(folder / LABELS))


def _required(path: Path) -> Path:
    if not path.exists():
        raise CaseError(
            f"{path.name} is missing; a case is {IMAGE} with {LABELS}, or {DICOM_IMAGE}/ with {DICOM_LABELS}."
        )
    return path


def _read_nifti(path: Path) -> hd.Volume:
    try:
        image = Nifti1Image.from_filename(path)
        array = np.asanyarray(image.dataobj)
    except (ImageFileError, OSError, EOFError) as error:
        raise CaseError(f"{path.name} cannot be read as NIfTI ({error}).") from error
    if array.ndim != 3:
        raise CaseError(f"{path.name} has {array.ndim} dimensions, not 3.")
    try:
        return hd.Volume(array, image.affine, "PATIENT", from_reference_convention="RAS")
    except ValueError as error:
        raise CaseError(f"{path.name} does not lie on a rectangular grid ({error}).") from error


def _read_series(folder: Path) -> hd.Volume:
    try:
        return read_layout(sorted(path for path in folder.rglob("*") if path.is_file())).read_volume()
    except Refused as refusal:
        raise CaseError(f"{folder.name}/: {refusal}") from refusal


def _read_segmentation(path: Path, image: hd.Volume) -> hd.Volume:
    """Labels on the grid of the image, 0 where the Segmentation has no frame."""
    try:
        segmentation = segread(path)
        tissues = {number: _tissue(segmentation, number) for number in segmentation.segment_numbers}
        found = segmentation.get_volume(combine_segments=True, dtype=np.uint8)
        found = found.match_geometry(image, tol=SAME_GRID)
    except (InvalidDicomError, ValueError, RuntimeError) as error:
        raise CaseError(f"{path.name} cannot be laid over the series ({error}).") from error
    tissue_of_number = np.zeros(max(tissues) + 1, np.uint8)
    tissue_of_number[list(tissues)] = list(tissues.values())
    return found.with_array(tissue_of_number[found.array])


def _tissue(segmentation: hd.seg.Segmentation, number: int) -> Tissue:
    label = segmentation.get_segment_description(number).segment_label
    key = "_".join(label.lower().replace("-", " ").replace("_", " ").split())
    if key not in TISSUE_OF_SEGMENT:
        known = ", ".join(TISSUE_OF_SEGMENT)
        raise CaseError(f"{DICOM_LABELS} has a segment {label!r}; known are {known}.")
    return TISSUE_OF_SEGMENT[key]


def _require_same_grid(image: hd.Volume, labels: hd.Volume) -> None:
    if image.frame_of_reference_uid != labels.frame_of_reference_uid:
        raise CaseError("image and labels have different FrameOfReferenceUIDs: they are of different scans.")
    if image.spatial_shape != labels.spatial_shape:
        raise CaseError(
            f"the image has {image.spatial_shape} voxels (slice, row, column), "
            f"the labels have {labels.spatial_shape}."
        )
    corners = np.array([(0, 0, 0), np.array(image.spatial_shape) - 1])
    apart_mm = np.abs(
        image.map_indices_to_reference(corners) - labels.map_indices_to_reference(corners)
    ).max()
    if apart_mm > SAME_GRID * min(image.spacing):
        raise CaseError(f"image and labels lie up to {apart_mm:.1f} mm apart.")


def _require_labels(values: NDArray[np.generic]) -> None:
    unknown = sorted(set(values.tolist()) - {0, *Tissue})
    if unknown:
        meanings = ", ".join(f"{tissue.value} {tissue.name.lower()}" for tissue in Tissue)
        shown = ", ".join(f"{value:g}" for value in unknown[:5])
        raise CaseError(f"unknown label value(s) {shown}; known are 0 none, {meanings}.")
    if not values.any():
        raise CaseError("no slice has a label.")
