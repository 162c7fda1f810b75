"""From the header of an image to the planes it holds, or to the reason why they cannot be measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, CTImageStorage

from inference.errors import Refused
from inference.headers import (
    MULTI_FRAME_SOP_CLASSES,
    functional_group,
    image_type,
    is_multi_frame,
    number,
    numbers,
    text,
)
from inference.result import SourceFrame

IMAGE_TYPES_WITHOUT_HU = {
    "LOCALIZER": "localizer",
    "TOMO": "tomosynthesis",
    "TOMOSYNTHESIS": "tomosynthesis",
    "PERFUSION": "perfusion map",
    "MIP": "maximum intensity projection",
    "CSA MIP": "maximum intensity projection",
    "MAXIMUM": "maximum intensity projection",
    "MINIP": "minimum intensity projection",
    "MIN IP": "minimum intensity projection",
    "CSA MINIP": "minimum intensity projection",
    "MINIMUM": "minimum intensity projection",
    "SUBTRACTION": "subtraction image",
    "STD_DEVIATION": "map of standard deviations",
    "MAT_SPECIFIC": "material map",
    "MAT_REMOVED": "material map",
    "MAT_FRACTIONAL": "material map",
    "MAT_MODIFIED": "material map",
    "MAT_VALUE_BASED": "material map",
    "EFF_ATOMIC_NUM": "map of atomic numbers",
    "ELECTRON_DENSITY": "map of electron densities",
    "3D": "rendering",
    "VRT": "rendering",
    "SCREEN SAVE": "screen save",
    "DOSE_INFO": "dose screen",
    "DOSEINFO": "dose screen",
}
"""Values from the third of ImageType on whose pixels are not the HU of a plane: the standard's own (PS3.3
sections C.8.2.1.1.1 and C.8.16.1.3, Supplement 188) and those that scanners write besides."""

TISSUE_HU = (-900, 3000)
"""Padding that stands for a value between these cannot be told from tissue."""


@dataclass(frozen=True)
class Plane:
    """One plane as its header describes it; LPS, mm.

    Attributes:
        frame: the image, or the frame of it, that the plane comes from.
        path: the file with its pixels.
        position: ImagePositionPatient, the centre of the first pixel.
        orientation: ImageOrientationPatient, the direction of rows, then of columns.
        pixel_spacing_mm: between rows, between columns.
        shape: rows, columns.
        slope: HU per stored value.
        intercept: HU of stored value 0.
        padding: lowest and highest stored value that stands for no measurement.
        thickness_mm: SliceThickness, None where it is not given.
    """

    frame: SourceFrame
    path: Path
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    pixel_spacing_mm: tuple[float, float]
    shape: tuple[int, int]
    slope: float
    intercept: float
    padding: tuple[int, int] | None
    thickness_mm: float | None


def not_a_ct_image(dataset: Dataset) -> tuple[str, str] | None:
    """Refusal code and name of what the instance is instead of an image in HU; None if it is one."""
    sop_class = UID(text(dataset, "SOPClassUID"))
    modality = text(dataset, "Modality") or "not given"
    if sop_class not in (CTImageStorage, *MULTI_FRAME_SOP_CLASSES) or modality not in ("CT", "not given"):
        return "not_ct", f"{sop_class.name or 'object of unknown class'} (modality {modality})"
    return not_in_hu(image_type(dataset))


def not_in_hu(values: Sequence[str]) -> tuple[str, str] | None:
    """Refusal code and name of what an image of this ImageType is; None if it can be HU of a plane."""
    for value in values[2:]:
        if what := IMAGE_TYPES_WITHOUT_HU.get(value.upper()):
            return ("localizer" if what == "localizer" else "not_hounsfield"), what
    return None


def planes_of(path: Path, dataset: Dataset) -> list[Plane]:
    """Planes of a CT image.

    Raises:
        Refused: the header lacks what a measurement in HU and mm needs, or contradicts it.
    """
    _require_grayscale(dataset)
    _require_decoder(dataset)
    if not is_multi_frame(dataset):
        return [_plane(path, SourceFrame(dataset, None))]
    if text(dataset, "ConcatenationUID"):
        raise Refused("concatenation", "A multi-frame image is split over several instances.")
    count = int(number(dataset, "NumberOfFrames") or 0)
    return [_plane(path, SourceFrame(dataset, frame_number)) for frame_number in range(1, count + 1)]


def _require_grayscale(dataset: Dataset) -> None:
    photometric, samples = text(dataset, "PhotometricInterpretation"), text(dataset, "SamplesPerPixel")
    if photometric != "MONOCHROME2" or samples != "1":
        raise Refused(
            "not_grayscale",
            f"Pixels are {photometric or 'of unknown kind'} with {samples or 'unknown'} samples; "
            "HU are MONOCHROME2 with 1.",
        )


def _require_decoder(dataset: Dataset) -> None:
    transfer_syntax = UID(text(dataset.file_meta, "TransferSyntaxUID"))
    try:
        available = get_decoder(transfer_syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise Refused(
            "unreadable_compression",
            f"Pixels are stored as {transfer_syntax.name or 'an unnamed transfer syntax'}, which cannot be "
            "decoded here. Send the series uncompressed.",
        )


def _plane(path: Path, frame: SourceFrame) -> Plane:
    dataset, frame_number = frame.dataset, frame.frame_number
    if found := not_in_hu(image_type(dataset, frame_number)):
        raise Refused(found[0], f"A frame of the image is a {found[1]}.")
    placed = functional_group(dataset, frame_number, "PlanePositionSequence")
    oriented = functional_group(dataset, frame_number, "PlaneOrientationSequence")
    measures = functional_group(dataset, frame_number, "PixelMeasuresSequence")
    rescale = functional_group(dataset, frame_number, "PixelValueTransformationSequence")
    position = numbers(placed, "ImagePositionPatient", 3)
    orientation = numbers(oriented, "ImageOrientationPatient", 6)
    spacing = numbers(measures, "PixelSpacing", 2)
    rows, columns = number(dataset, "Rows"), number(dataset, "Columns")
    if not rows or not columns:
        raise Refused("no_pixel_data", "An instance has no image: Rows or Columns is missing.")
    if position is None or orientation is None or spacing is None or min(spacing) <= 0:
        raise Refused(
            "no_geometry",
            "An image does not say where it lies: ImagePositionPatient, ImageOrientationPatient or "
            "PixelSpacing is missing or no number.",
        )
    slope, intercept = number(rescale, "RescaleSlope"), number(rescale, "RescaleIntercept")
    if not slope or intercept is None:
        raise Refused("no_rescale", "An image has no RescaleSlope and RescaleIntercept: its HU are unknown.")
    unit = text(rescale, "RescaleType") or "HU"
    if unit != "HU":
        raise Refused("not_hounsfield", f"Pixel values are not in HU: RescaleType is {unit}.")
    return Plane(
        frame=frame,
        path=path,
        position=np.array(position),
        orientation=np.array(orientation),
        pixel_spacing_mm=(spacing[0], spacing[1]),
        shape=(int(rows), int(columns)),
        slope=slope,
        intercept=intercept,
        padding=_padding(dataset, slope, intercept),
        thickness_mm=number(measures, "SliceThickness"),
    )


def _padding(dataset: Dataset, slope: float, intercept: float) -> tuple[int, int] | None:
    """Range of stored values from PixelPaddingValue to PixelPaddingRangeLimit (PS3.3 section C.7.5.1.1.2)."""
    value = number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = number(dataset, "PixelPaddingRangeLimit")
    ends = [_as_stored(int(end), dataset) for end in (value, value if limit is None else limit)]
    low, high = min(ends), max(ends)
    low_hu, high_hu = sorted((low * slope + intercept, high * slope + intercept))
    if low_hu < TISSUE_HU[1] and high_hu > TISSUE_HU[0]:
        raise Refused(
            "padding_in_tissue_range",
            f"PixelPaddingValue stands for {low_hu:g} HU, which tissue can have too; the two cannot be told "
            "apart.",
        )
    return low, high


def _as_stored(value: int, dataset: Dataset) -> int:
    """The value as the pixels hold it: some scanners write a negative padding value as its unsigned twin."""
    span = 1 << int(number(dataset, "BitsAllocated") or 16)
    lowest = -span // 2 if number(dataset, "PixelRepresentation") == 1 else 0
    return (value - lowest) % span + lowest
