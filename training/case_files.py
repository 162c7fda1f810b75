"""Annotated CT on disk: FOLDER/SUBJECT/CASE/, one folder per case, one per person above it.

A case is either NIfTI (``image.nii.gz`` in HU and ``labels.nii.gz``, on one grid) or DICOM (a CT series in
``dicom/`` and a Segmentation of it, ``labels.dcm``). Slices without any label count as not annotated: they
are neither trained on nor judged, so five slices of a long series can be outlined and the rest left alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import highdicom as hd
import numpy as np
from highdicom.seg import segread
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

from inference.errors import Refused
from inference.volume import read_layout
from training.errors import TrainingError

IMAGE, LABELS = "image.nii.gz", "labels.nii.gz"
DICOM_IMAGE, DICOM_LABELS = "dicom", "labels.dcm"

ORIENTATION = "HPL"
"""Axes foot to head, front to back, right to left."""

AIR_HU = -1024
SAME_GRID = 0.1
"""Of a voxel: how far the corners of image and labels may lie apart."""

ValueOf = Callable[[str], int]
"""From a segment's label; ``CaseError`` where it is not known."""


class CaseError(TrainingError):
    """A case cannot be read; the message names it and says what is wrong."""


def case_folders(folder: Path) -> list[Path]:
    """The folder of each case, SUBJECT/CASE, sorted."""
    return sorted(path for path in folder.glob("*/*/") if not path.name.startswith("."))


def required_folders(folder: Path) -> list[Path]:
    """The same, at least one.

    Raises:
        CaseError: there is none.
    """
    folders = case_folders(folder)
    if not folders:
        raise CaseError(f"{folder} holds no cases; they are expected as SUBJECT/CASE/{IMAGE}.")
    return folders


def plain_label(label: str) -> str:
    """In lower case, words joined by underscores."""
    return "_".join(label.lower().replace("-", " ").replace("_", " ").split())


@contextmanager
def naming(folder: Path) -> Iterator[None]:
    """``CaseError`` of the block gets the case's name."""
    try:
        yield
    except CaseError as error:
        raise CaseError(f"Case {folder.parent.name}/{folder.name}: {error}") from None


def read_volumes(folder: Path, value_of: ValueOf) -> tuple[hd.Volume, hd.Volume]:
    """Image, int16, HU, and labels of a case, axes as ``ORIENTATION``, on one grid.

    Args:
        folder: of the case.
        value_of: used where the labels are a DICOM Segmentation.

    Raises:
        CaseError: a file is missing or unreadable, a voxel has no HU, or image and labels do not lie on one
            grid.
    """
    image, labels = (volume.to_patient_orientation(ORIENTATION) for volume in _read(folder, value_of))
    _require_same_grid(image, labels)
    return image, labels


def write_volume(path: Path, array: NDArray[np.generic], spacing_mm: tuple[float, float, float]) -> None:
    """Write a volume as NIfTI; its first voxel becomes the origin of the affine.

    Args:
        path: of the file.
        array: axes as ``ORIENTATION``.
        spacing_mm: along them.
    """
    slice_mm, row_mm, column_mm = spacing_mm
    # NIfTI's axes run to the right, the front and the head; ours to the left, the back and the head.
    affine = np.diag([-column_mm, -row_mm, slice_mm, 1.0])
    Nifti1Image(array.transpose(2, 1, 0), affine).to_filename(path)  # type: ignore[no-untyped-call]


def _read(folder: Path, value_of: ValueOf) -> tuple[hd.Volume, hd.Volume]:
    if (folder / DICOM_IMAGE).exists() or (folder / DICOM_LABELS).exists():
        image = _read_series(_required(folder / DICOM_IMAGE))
        return image, _read_segmentation(_required(folder / DICOM_LABELS), image, value_of)
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


def _read_segmentation(path: Path, image: hd.Volume, value_of: ValueOf) -> hd.Volume:
    """Labels on the grid of the image, 0 where the Segmentation has no frame."""
    try:
        segmentation = segread(path)
        values = {number: value_of(_label(segmentation, number)) for number in segmentation.segment_numbers}
        found = segmentation.get_volume(combine_segments=True, dtype=np.uint8)
        found = found.match_geometry(image, tol=SAME_GRID)
    except (InvalidDicomError, ValueError, RuntimeError) as error:
        raise CaseError(f"{path.name} cannot be laid over the series ({error}).") from error
    value_of_number = np.zeros(max(values) + 1, np.uint8)
    value_of_number[list(values)] = list(values.values())
    return found.with_array(value_of_number[found.array])


def _label(segmentation: hd.seg.Segmentation, number: int) -> str:
    label: str = segmentation.get_segment_description(number).segment_label
    return label


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
