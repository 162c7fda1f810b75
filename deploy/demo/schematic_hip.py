"""A schematic hip CT, made of ellipses and cylinders: for the demonstration and for tests.

``python -m deploy.demo.schematic_hip FOLDER`` writes one. It has what a hip-tissue measurement looks for (two
femora in their sockets, muscles parted by fat, bone from cortex to yellow marrow, a table) and is nobody's
anatomy: nothing about people can be learned from its measurements.
"""

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy import ndimage

from deploy.demo import schematic_anatomy as anatomy
from deploy.demo.schematic_picture import paint_plane
from deploy.demo.schematic_shapes import Array, Point
from inference.result import Side

# Where the left femoral head lies in the scanner's coordinates (LPS, mm): no coordinate is zero by chance.
LEFT_HEAD_MM = (94.0, -152.0, -838.0)
POINT_SPREAD_SIGMA_MM = 0.75
TEXTURE_SIGMA_MM = 2.2
STORED_ZERO_HU = -1024


@dataclass(frozen=True)
class SchematicHip:
    """A schematic hip CT and what is true of it; coordinates LPS, mm; left and right differ.

    Attributes:
        hu: int16, (slice, row, column): from foot to head, front to back, right to left.
        affine: 4 x 4, from (slice, row, column) indices to LPS.
        head_centres_mm: of the femoral heads.
        head_radius_mm: of both.
        neck_centres_mm: on each neck's axis, half way between the head's centre and the shaft's axis.
        neck_axes: unit vectors from shaft to head.
        neck_diameters_mm: at ``neck_centres_mm``, across the axis.
    """

    hu: NDArray[np.int16]
    affine: NDArray[np.float64]
    head_centres_mm: dict[Side, Point]
    head_radius_mm: float
    neck_centres_mm: dict[Side, Point]
    neck_axes: dict[Side, Point]
    neck_diameters_mm: dict[Side, float]


def make_schematic_hip(
    *,
    spacing_mm: Point = (3.0, 0.9, 0.9),
    coverage_mm: tuple[float, float] = (-150.0, 150.0),
    matrix: int = 512,
    scale: float = 1.0,
    noise_hu: float = 12.0,
    seed: int = 0,
    right_implant: bool = False,
) -> SchematicHip:
    """Make one in memory.

    Args:
        spacing_mm: between slices, rows and columns.
        coverage_mm: height of the first slice, and the height that the last stays below, above the left head.
        matrix: rows and columns; what lies outside is cut off.
        scale: size of the patient; from 1.2 the default field of view cuts the body.
        noise_hu: standard deviation in a uniform region.
        seed: of noise and texture.
        right_implant: the right hip has a metal head and stem (without streaks).
    """
    slice_mm, row_mm, column_mm = spacing_mm
    middle = (matrix - 1) / 2
    x = (np.arange(matrix, dtype=np.float32) - middle) * np.float32(column_mm)
    y = (np.arange(matrix, dtype=np.float32) - middle) * np.float32(row_mm) + 20
    z = np.arange(coverage_mm[0], coverage_mm[1], slice_mm)

    random = np.random.default_rng(seed)
    blur_pixels = (POINT_SPREAD_SIGMA_MM / row_mm, POINT_SPREAD_SIGMA_MM / column_mm)
    white_noise_hu = np.float32(noise_hu / _noise_left_by(blur_pixels))
    hu = np.empty((len(z), matrix, matrix), dtype=np.int16)
    for plane, height in zip(hu, z, strict=True):
        texture = _smooth_noise(random, matrix, TEXTURE_SIGMA_MM / row_mm)
        coordinates = x[None, :] / np.float32(scale), y[:, None] / np.float32(scale), float(height) / scale
        sharp = paint_plane(*coordinates, texture, right_implant=right_implant)
        sharp += white_noise_hu * random.standard_normal(sharp.shape, dtype=np.float32)
        plane[:] = np.clip(np.rint(ndimage.gaussian_filter(sharp, blur_pixels)), STORED_ZERO_HU, 3071)

    def to_lps(point: Point) -> Point:
        px, py, pz = np.array(point) * scale + origin_mm
        return float(px), float(py), float(pz)

    origin_mm = np.array(LEFT_HEAD_MM) - np.array(anatomy.HEAD_CENTRE) * scale
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = spacing_mm
    affine[:, 3] = *(np.array((x[0], y[0], z[0])) + origin_mm), 1
    return SchematicHip(
        hu=hu,
        affine=affine,
        head_centres_mm={side: to_lps(anatomy.placed(anatomy.HEAD_CENTRE, side)) for side in Side},
        head_radius_mm=anatomy.HEAD_RADIUS_MM * scale,
        neck_centres_mm={
            side: to_lps(anatomy.placed(femur.on_neck_axis(anatomy.NECK_LENGTH_MM / 2), side))
            for side, femur in anatomy.FEMORA.items()
        },
        neck_axes={
            side: anatomy.mirrored(femur.neck_direction, side) for side, femur in anatomy.FEMORA.items()
        },
        neck_diameters_mm={side: femur.neck_diameter_mm * scale for side, femur in anatomy.FEMORA.items()},
    )


def _noise_left_by(blur_pixels: tuple[float, float]) -> float:
    """Standard deviation that white noise of 1 has after the blur."""
    impulse = np.zeros((33, 33))
    impulse[16, 16] = 1
    return float(np.sqrt((ndimage.gaussian_filter(impulse, blur_pixels) ** 2).sum()))


def _smooth_noise(random: np.random.Generator, matrix: int, sigma_pixels: float) -> Array:
    field = ndimage.gaussian_filter(random.standard_normal((matrix, matrix), dtype=np.float32), sigma_pixels)
    return np.asarray(field / field.std(), dtype=np.float32)


def write_schematic_hip(
    folder: Path,
    *,
    spacing_mm: Point = (3.0, 0.9, 0.9),
    coverage_mm: tuple[float, float] = (-150.0, 150.0),
    matrix: int = 512,
    scale: float = 1.0,
    noise_hu: float = 12.0,
    seed: int = 0,
    right_implant: bool = False,
    study_instance_uid: str | None = None,
    series_instance_uid: str | None = None,
) -> list[Path]:
    """Write one as CT Image instances (PS3.3 A.3), numbered from head to foot; arguments as for making one.

    Returns:
        The files in the order of InstanceNumber. Every call makes new UIDs where none are given.
    """
    hip = make_schematic_hip(
        spacing_mm=spacing_mm,
        coverage_mm=coverage_mm,
        matrix=matrix,
        scale=scale,
        noise_hu=noise_hu,
        seed=seed,
        right_implant=right_implant,
    )
    series = _series_header(
        spacing_mm, study_instance_uid or generate_uid(), series_instance_uid or generate_uid()
    )
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, k in enumerate(reversed(range(len(hip.hu))), start=1):
        instance = _instance(series, number, hip.hu[k], hip.affine @ (k, 0, 0, 1))
        files.append(folder / f"ct{number:04d}.dcm")
        instance.save_as(files[-1], enforce_file_format=True)
    return files


def _series_header(spacing_mm: Point, study_instance_uid: str, series_instance_uid: str) -> Dataset:
    """What all instances of the series share."""
    now = datetime.now()  # noqa: DTZ005 - DICOM dates and times are local
    today, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.SOPClassUID = CTImageStorage
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = today
    header.StudyTime = header.SeriesTime = header.AcquisitionTime = header.ContentTime = time
    header.AccessionNumber = "SCHEMATIC1"
    header.Modality = "CT"
    header.Manufacturer = "Coxa"
    header.ManufacturerModelName = "Schematic hip"
    header.ReferringPhysicianName = ""
    header.StudyDescription = "CT pelvis, synthetic. Research use only"
    header.SeriesDescription = f"Pelvis {spacing_mm[0]:.1f} soft, schematic"
    header.PatientName = "Schematic^Hip"
    header.PatientID = "COXA-DEMO"
    header.PatientBirthDate = ""
    header.PatientSex = "O"
    header.PatientAge = "067Y"
    header.PatientSize = "1.72"
    header.PatientWeight = "74"
    header.BodyPartExamined = "PELVIS"
    header.SliceThickness = _decimal(spacing_mm[0])
    header.KVP = "120"
    header.ExposureTime = "500"
    header.XRayTubeCurrent = "180"
    header.GantryDetectorTilt = "0"
    header.ConvolutionKernel = "B30f"
    header.PatientPosition = "HFS"
    header.ProtocolName = "Pelvis schematic"
    header.StudyInstanceUID = study_instance_uid
    header.SeriesInstanceUID = series_instance_uid
    header.StudyID = "1"
    header.SeriesNumber = 2
    header.AcquisitionNumber = 1
    header.FrameOfReferenceUID = generate_uid(entropy_srcs=[study_instance_uid])
    header.PositionReferenceIndicator = ""
    header.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    header.PixelSpacing = [_decimal(spacing_mm[1]), _decimal(spacing_mm[2])]
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.BitsAllocated = 16
    header.BitsStored = 12
    header.HighBit = 11
    header.PixelRepresentation = 0
    header.RescaleIntercept = str(STORED_ZERO_HU)
    header.RescaleSlope = "1"
    header.RescaleType = "HU"
    header.WindowCenter = "40"
    header.WindowWidth = "400"
    return header


def _instance(
    series: Dataset, number: int, hu: NDArray[np.int16], position_mm: NDArray[np.float64]
) -> Dataset:
    instance = Dataset()
    instance.update(series)
    instance.SOPInstanceUID = generate_uid(entropy_srcs=[series.SeriesInstanceUID, str(number)])
    instance.InstanceNumber = number
    instance.ImagePositionPatient = [_decimal(value) for value in position_mm[:3]]
    instance.SliceLocation = _decimal(position_mm[2])
    instance.Rows, instance.Columns = hu.shape
    instance.PixelData = (hu - STORED_ZERO_HU).astype("<u2").tobytes()
    instance.file_meta = FileMetaDataset()
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return instance


def _decimal(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m deploy.demo.schematic_hip FOLDER")
    write_schematic_hip(Path(sys.argv[1]))
