"""Labels -> areas, volumes, mean HU and indices (Imani 2025, sections 2.3 and 3.2.2; units in result.py).

Everything is computed from the geometry of the images. The paper's Table 4 gives volumes as areas times a
fixed factor; that is not copied here.
"""

from dataclasses import dataclass

import highdicom as hd
import numpy as np

from inference.result import Measurement, Segment

HEIGHT_M = (1.2, 2.3)
"""Heights of adults; what lies outside was not entered in metres, or not for this patient."""


@dataclass(frozen=True)
class HipSegments:
    """Numbers of the segments that indices are made from."""

    muscle: int
    haematopoietic: int
    adipose: int


def measure_tissues(
    image: hd.Volume,
    labels: hd.Volume,
    segments: tuple[Segment, ...],
    reference_frame: int,
    numbers: HipSegments,
    height_m: float | None,
) -> tuple[Measurement, ...]:
    """All measurements of the hip-tissue route.

    Args:
        image: HU, (slice, row, column).
        labels: segment numbers on the same grid.
        segments: what is measured, also where it has no voxel.
        reference_frame: index of the slice on which areas and attenuation are measured.
        numbers: which segments are muscle and marrow.
        height_m: PatientSize; None where it is absent.
    """
    voxels = np.bincount(labels.array.ravel(), minlength=256)
    pixels = np.bincount(labels.array[reference_frame].ravel(), minlength=256)
    pixel_cm2 = labels.pixel_spacing[0] * labels.pixel_spacing[1] / 100
    voxel_cm3 = labels.voxel_volume / 1000
    measurements: list[Measurement] = []
    for segment in segments:
        area_cm2 = float(pixels[segment.number] * pixel_cm2)
        volume_cm3 = float(voxels[segment.number] * voxel_cm3)
        measurements += [
            Measurement("area", area_cm2, "cm2", segment.number, reference_frame),
            Measurement("volume", volume_cm3, "cm3", segment.number),
        ]
    muscle_hu = image.array[reference_frame][labels.array[reference_frame] == numbers.muscle]
    measurements += _attenuation(muscle_hu, numbers.muscle, reference_frame, height_m)
    measurements += _marrow(
        float(pixels[numbers.haematopoietic]), float(pixels[numbers.adipose]), reference_frame
    )
    return tuple(measurements)


def per_height2(value: float, height_m: float | None) -> float | str:
    """``value / height_m**2``, or the reason why it is not known."""
    if height_m is None:
        return "PatientSize is absent: the patient's height is not known."
    if not HEIGHT_M[0] <= height_m <= HEIGHT_M[1]:
        return f"PatientSize is not an adult's height in metres ({HEIGHT_M[0]:g} to {HEIGHT_M[1]:g} m)."
    return value / height_m**2


def _attenuation(
    hu: np.ndarray, muscle: int, reference_frame: int, height_m: float | None
) -> list[Measurement]:
    def present(quantity: str, value: float, unit: str) -> Measurement:
        return Measurement(quantity, value, unit, muscle, reference_frame)

    def absent(quantity: str, unit: str, reason: str) -> Measurement:
        return Measurement(quantity, None, unit, muscle, reference_frame, reason)

    unit, index_unit = "[hnsf'U]", "[hnsf'U]/m2"
    if not hu.size:
        reason = "The reference slice shows no muscle."
        return [absent("mean_hu", unit, reason), absent("mean_hu_per_height2", index_unit, reason)]
    mean_hu = float(hu.mean())
    first = present("mean_hu", mean_hu, unit)
    index = per_height2(mean_hu, height_m)
    if isinstance(index, str):
        return [first, absent("mean_hu_per_height2", index_unit, index)]
    return [first, present("mean_hu_per_height2", index, index_unit)]


def _marrow(haematopoietic: float, adipose: float, reference_frame: int) -> list[Measurement]:
    """Shares of total bone marrow, TBM = HBM + MAT."""
    total = haematopoietic + adipose
    shares = {"hbm_to_tbm": haematopoietic, "mat_to_tbm": adipose}
    if not total:
        reason = "The reference slice shows no bone marrow."
        return [Measurement(name, None, "1", None, reference_frame, reason) for name in shares]
    return [Measurement(name, part / total, "1", None, reference_frame) for name, part in shares.items()]
