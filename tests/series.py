"""Writes any array of HU as a CT series on disk, in any geometry a scanner or a converter can produce."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openjpeg.utils import encode_array
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    generate_uid,
)
from pydicom.valuerep import format_number_as_ds

Stored = NDArray[np.integer[Any]]


def rotation_about(axis: str, degrees: float) -> NDArray[np.float64]:
    """3x3 rotation in LPS about ``x``, ``y`` or ``z``."""
    angle = np.radians(degrees)
    matrix = np.eye(3)
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


PRONE = rotation_about("z", 180)
FEET_FIRST = rotation_about("y", 180)
CORONAL = rotation_about("x", 90)
SAGITTAL = rotation_about("z", 90) @ rotation_about("x", 90)


@dataclass(frozen=True)
class Grid:
    """Where the array lies in the patient, LPS, mm.

    Without rotation columns run to the left, rows to the back, slices to the head.

    Attributes:
        spacing_mm: (slice, row, column).
        origin_mm: centre of voxel (0, 0, 0).
        rotation: 3x3, turns the directions above.
        offsets_mm: place of each slice along the normal instead of multiples of the spacing.
        tilt_degrees: the planes are turned about their rows by this angle, the table still moves along the
            normal of the untilted planes.
    """

    spacing_mm: tuple[float, float, float] = (5.0, 0.9, 0.9)
    origin_mm: tuple[float, float, float] = (-120.0, -110.0, -700.0)
    rotation: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    offsets_mm: Sequence[float] | None = None
    tilt_degrees: float = 0.0

    def orientation(self) -> list[float]:
        """ImageOrientationPatient."""
        row_direction, column_direction, _ = (self.rotation @ rotation_about("x", self.tilt_degrees)).T
        return [*row_direction, *column_direction]

    def position(self, index: int) -> list[float]:
        """ImagePositionPatient of a slice."""
        offset = index * self.spacing_mm[0] if self.offsets_mm is None else self.offsets_mm[index]
        return list(np.asarray(self.origin_mm) + offset * self.rotation[:, 2])


@dataclass(frozen=True)
class Pixels:
    """How HU become stored values: slope, intercept, signedness, padding, transfer syntax."""

    slope: float = 1.0
    intercept: float = -1024.0
    signed: bool = False
    padding_value: int | None = None
    padding_range_limit: int | None = None
    transfer_syntax: UID = ExplicitVRLittleEndian

    def stored(self, hu: NDArray[np.int16]) -> Stored:
        """Values as written into Pixel Data."""
        values = np.rint((hu.astype(np.float64) - self.intercept) / self.slope)
        limits = np.iinfo(np.int16 if self.signed else np.uint16)
        if values.min() < limits.min or values.max() > limits.max:
            raise ValueError(f"HU {hu.min()} to {hu.max()} do not fit {self}")
        return values.astype(limits.dtype)


def write_series(
    folder: Path,
    hu: NDArray[np.int16],
    grid: Grid | None = None,
    pixels: Pixels | None = None,
    *,
    instance_numbers: Sequence[int] | None = None,
    attributes: dict[str, object] | None = None,
    edit: Callable[[Dataset, int], None] | None = None,
) -> list[Path]:
    """Write a CT Image per slice.

    Args:
        folder: made if it is not there.
        hu: (slice, row, column).
        grid: where the array lies.
        pixels: how it is stored.
        instance_numbers: InstanceNumber of each slice, 1..n by default; files are named and returned in the
            order of these numbers, so a shuffle or a reversal decides the storage order.
        attributes: keyword -> value set on every instance; None removes the attribute.
        edit: called with each finished data set and its slice index before it is written.

    Returns:
        The files, by InstanceNumber.
    """
    grid, pixels = grid or Grid(), pixels or Pixels()
    folder.mkdir(parents=True, exist_ok=True)
    common = _patient_and_study(CTImageStorage)
    _set(common, attributes or {})
    numbers = list(instance_numbers or range(1, len(hu) + 1))
    files = []
    for index, plane in enumerate(hu):
        dataset = _copy(common)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.InstanceNumber = numbers[index]
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[common.SeriesInstanceUID, str(index)])
        dataset.ImagePositionPatient = _ds(*grid.position(index))
        dataset.ImageOrientationPatient = _ds(*grid.orientation())
        dataset.PixelSpacing = _ds(*grid.spacing_mm[1:])
        dataset.SliceThickness = _ds(grid.spacing_mm[0])
        dataset.RescaleSlope = _ds(pixels.slope)
        dataset.RescaleIntercept = _ds(pixels.intercept)
        dataset.RescaleType = "HU"
        dataset.KVP, dataset.AcquisitionNumber, dataset.ConvolutionKernel = "120", 1, "B30f"
        _set_pixels(dataset, pixels.stored(plane)[np.newaxis], pixels)
        _set(dataset, attributes or {})
        if edit:
            edit(dataset, index)
        files.append(folder / f"{numbers[index]:05d}_{index:05d}.dcm")
        _save(dataset, files[-1], pixels.transfer_syntax)
    return sorted(files)


def write_enhanced(
    folder: Path,
    hu: NDArray[np.int16],
    grid: Grid | None = None,
    pixels: Pixels | None = None,
    *,
    frame_order: Sequence[int] | None = None,
    shared_geometry: bool = True,
    attributes: dict[str, object] | None = None,
    edit: Callable[[Dataset], None] | None = None,
) -> Path:
    """Write one Enhanced CT Image.

    Args:
        folder, hu, grid, pixels, attributes, edit: as for ``write_series``.
        frame_order: slice index held by each frame.
        shared_geometry: orientation, pixel measures and rescale in the shared functional groups; else
            repeated in every frame.
    """
    grid, pixels = grid or Grid(), pixels or Pixels()
    folder.mkdir(parents=True, exist_ok=True)
    order = list(frame_order or range(len(hu)))
    dataset = _patient_and_study(EnhancedCTImageStorage)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.InstanceNumber = 1
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[dataset.SeriesInstanceUID, "enhanced"])
    dataset.ContentDate, dataset.ContentTime = "20240102", "030405"
    dataset.AcquisitionDateTime = "20240102030405"
    dataset.PixelPresentation, dataset.VolumetricProperties = "MONOCHROME", "VOLUME"
    dataset.VolumeBasedCalculationTechnique = "NONE"
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    dataset.PresentationLUTShape = "IDENTITY"
    common_groups = {
        "PlaneOrientationSequence": _item(ImageOrientationPatient=_ds(*grid.orientation())),
        "PixelMeasuresSequence": _item(
            PixelSpacing=_ds(*grid.spacing_mm[1:]), SliceThickness=_ds(grid.spacing_mm[0])
        ),
        "PixelValueTransformationSequence": _item(
            RescaleSlope=_ds(pixels.slope), RescaleIntercept=_ds(pixels.intercept), RescaleType="HU"
        ),
    }
    frame_type = _item(
        FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
    )
    kernel = _item(ConvolutionKernel="B30f")
    shared = _item(CTImageFrameTypeSequence=[frame_type], CTReconstructionSequence=[kernel])
    frames = []
    for index in order:
        place = _item(ImagePositionPatient=_ds(*grid.position(index)))
        content = _item(FrameReferenceDateTime="20240102030405", FrameAcquisitionNumber=1)
        frames.append(_item(PlanePositionSequence=[place], FrameContentSequence=[content]))
    for holder in [shared] if shared_geometry else frames:
        for keyword, item in common_groups.items():
            setattr(holder, keyword, [_copy(item)])
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.NumberOfFrames = len(order)
    _set_pixels(dataset, pixels.stored(hu[order]), pixels)
    _set(dataset, attributes or {})
    if edit:
        edit(dataset)
    path = folder / "enhanced.dcm"
    _save(dataset, path, pixels.transfer_syntax)
    return path


def copy_of(file: Path, **attributes: object) -> Path:
    """Write another file beside ``file`` with these attributes changed."""
    dataset = dcmread(file)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(copy := file.with_name(f"copy_{file.name}"))
    return copy


def _patient_and_study(sop_class: str) -> Dataset:
    """Attributes every instance of the series shares."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.Modality = sop_class, "CT"
    dataset.PatientName, dataset.PatientID = "Synthetic^Hip", "SYNTHETIC-1"
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "19500102", "F", "074Y"
    dataset.PatientSize, dataset.PatientWeight = "1.65", "68"
    dataset.StudyDate, dataset.StudyTime = "20240102", "030405"
    dataset.SeriesDate, dataset.SeriesTime = "20240102", "030405"
    dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = "1", "A1", ""
    dataset.Manufacturer, dataset.ManufacturerModelName = "SIEMENS", "Synthetic"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "1", "1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = generate_uid(), ""
    dataset.SeriesNumber, dataset.SeriesDescription, dataset.ProtocolName = 2, "Hip 5.0 B30f", "Hip"
    dataset.BodyPartExamined, dataset.PatientPosition = "PELVIS", "HFS"
    return dataset


def _set_pixels(dataset: Dataset, stored: Stored, pixels: Pixels) -> None:
    dataset.Rows, dataset.Columns = stored.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = int(pixels.signed)
    _set(dataset, {"PixelPaddingValue": pixels.padding_value})
    _set(dataset, {"PixelPaddingRangeLimit": pixels.padding_range_limit})
    if pixels.transfer_syntax == ExplicitVRBigEndian:
        stored = stored.byteswap()
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"


def _save(dataset: Dataset, path: Path, transfer_syntax: UID) -> None:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = transfer_syntax
    if transfer_syntax == JPEG2000Lossless:
        # pydicom encodes JPEG 2000 only with a package that nothing else here needs.
        values = np.frombuffer(dataset.PixelData, np.int16 if dataset.PixelRepresentation else np.uint16)
        frames = values.reshape(-1, dataset.Rows, dataset.Columns)
        dataset.PixelData = encapsulate([encode_array(frame) for frame in frames])
    elif transfer_syntax.is_compressed:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(transfer_syntax, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)


def _set(dataset: Dataset, attributes: dict[str, object]) -> None:
    for keyword, value in attributes.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)


def _item(**attributes: object) -> Dataset:
    item = Dataset()
    _set(item, attributes)
    return item


def _copy(dataset: Dataset) -> Dataset:
    copy = Dataset()
    copy.update(dataset)
    return copy


def _ds(*values: float) -> list[str]:
    """Decimal strings of at most 16 characters, the most DICOM allows."""
    return [format_number_as_ds(float(value)) for value in values]
