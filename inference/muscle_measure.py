"""Labels of the thigh muscles -> volumes, shares, HU, fat, areas (Kim 2024, Muscle volume; units: result.py).

Kim 2024 gives volume, volume / height2 and share of the total. The fat inside each muscle is new here: voxels
of its envelope below -30 HU, the limit between lean and fat of Imani 2025, section 2.3.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.femur_length import METAL_NEAR_MM, femur_length, is_operated
from inference.morphology import Mask
from inference.muscle_coverage import End, find_coverage
from inference.muscle_figures import Figure, MuscleFigures
from inference.muscle_voxels import count_voxels
from inference.muscles import MUSCLES, TOGETHER, TOTAL, ThighStructure
from inference.result import Measurement, Profile, QualityFlag, Segment, Side

SLAB_MM = 5.0
UPRIGHT = "HPL"
"""Axes foot to head, front to back, right to left."""


@dataclass(frozen=True)
class MuscleMeasurements:
    """What was measured of the labels.

    Attributes:
        measurements: of muscles, groups and all muscles, per side, and of both sides against each other.
        flags: what the series covers, and which muscles it cuts.
        profiles: of every muscle found on a side whose femoral head is known.
    """

    measurements: tuple[Measurement, ...]
    flags: tuple[QualityFlag, ...]
    profiles: tuple[Profile, ...]


def measure_muscles(
    image: hd.Volume,
    labels: hd.Volume,
    segments: Sequence[Segment],
    heads: Mapping[Side, Sequence[float]],
    unreliable: Mask | None,
    height_m: float | None,
) -> MuscleMeasurements:
    """All measurements of the thigh-muscle route within one series.

    Args:
        image: HU, all slices of the series; roughly axial, in any order.
        labels: segment numbers on the same grid.
        segments: the route's.
        heads: centres of the femoral heads, (slice, row, column) x spacing, mm, from the centre of the first
            voxel of the volume turned to axes foot to head, front to back, right to left.
        unreliable: on the grid of ``image``, voxels whose HU metal has changed; None where there is no metal.
        height_m: PatientSize; None where it is absent.
    """
    upright = labels.to_patient_orientation(UPRIGHT)
    hu = image.to_patient_orientation(UPRIGHT).array
    spacing_mm = upright.spacing
    doubtful = None
    if unreliable is not None:
        doubtful = labels.with_array(unreliable).to_patient_orientation(UPRIGHT).array
    table = count_voxels(hu, upright.array, doubtful)
    coverage = find_coverage(hu, upright.array, table.voxels, segments, spacing_mm)
    series = MuscleFigures(table, coverage, segments, spacing_mm, height_m)
    measurements: list[Measurement] = []
    for side in Side:
        measurements += _of_side(series, side)
        middle = _middle_slice(series, hu, upright.array, side)
        frame = _stored_index(middle, upright, labels) if isinstance(middle, int) else None
        measurements += _areas(series, side, middle, frame)
    measurements += _asymmetries(series)
    return MuscleMeasurements(tuple(measurements), coverage.flags, tuple(_profiles(series, heads)))


def _measurement(quantity: str, figure: Figure, unit: str, what: Measurement) -> Measurement:
    """One figure of ``what``, which says where it belongs."""
    value, reason = (None, figure) if isinstance(figure, str) else (figure, None)
    return replace(what, quantity=quantity, value=value, unit=unit, absent_reason=reason)


def _of_segment(number: int) -> Measurement:
    return Measurement("", None, "", segment_number=number)


def _of_structure(structure: str, side: Side | None) -> Measurement:
    return Measurement("", None, "", structure=structure, side=side)


def _percent(share: Figure) -> Figure:
    return share if isinstance(share, str) else 100 * share


def _of_side(series: MuscleFigures, side: Side) -> list[Measurement]:
    """Everything but areas."""
    total = series.volume_cm3(MUSCLES, side)
    found: list[Measurement] = []
    for muscle in MUSCLES:
        number = series.number(muscle, side)
        what = _of_segment(number)
        found += _basic(series, (muscle,), side, what)
        volume = series.volume_cm3((muscle,), side)
        share = volume if isinstance(volume, str) else total
        if not isinstance(volume, str) and not isinstance(total, str):
            share = 100 * volume / total
        found.append(_measurement("share_of_total", share, "%", what))
        if number in series.coverage.cut:
            covered_mm = series.coverage.covered_mm[number]
            found.append(_measurement("covered_length", covered_mm, "mm", what))
    for structure, muscles in TOGETHER.items():
        found += _basic(series, muscles, side, _of_structure(structure, side))
    return found


def _basic(
    series: MuscleFigures, muscles: Sequence[ThighStructure], side: Side, what: Measurement
) -> list[Measurement]:
    """What is measured of a muscle, and of several together, alike."""
    volume_cm3 = series.volume_cm3(muscles, side)
    return [
        _measurement("volume", volume_cm3, "cm3", what),
        _measurement("volume_per_height2", series.per_height2(volume_cm3), "cm3/m2", what),
        _measurement("mean_hu", series.mean_hu(muscles, side), "[hnsf'U]", what),
        _measurement("fat_fraction", _percent(series.fat_fraction(muscles, side)), "%", what),
        _measurement("lean_volume", series.lean_volume_cm3(muscles, side), "cm3", what),
    ]


def _asymmetries(series: MuscleFigures) -> list[Measurement]:
    """Left against right: 100 % x difference / mean."""
    single = {muscle.name.lower(): (muscle,) for muscle in MUSCLES}
    found: list[Measurement] = []
    for structure, muscles in {**single, **TOGETHER}.items():
        left, right = (series.volume_cm3(muscles, side) for side in (Side.LEFT, Side.RIGHT))
        index: Figure = "The volume is not known of both sides."
        if not isinstance(left, str) and not isinstance(right, str):
            index = 200 * (left - right) / (left + right)
        found.append(_measurement("asymmetry_index", index, "%", _of_structure(structure, None)))
    return found


def _middle_slice(
    series: MuscleFigures, hu: NDArray[np.int16], labels: NDArray[np.uint8], side: Side
) -> int | str:
    """Slice, from the foot, at half of the femur's length, or why it is not known."""
    ends = {"hip joint": series.coverage.hips, "knee": series.coverage.knees}
    missing = [end for end, sides in ends.items() if side not in sides]
    if missing:
        return f"The series does not show the femur as far as the {' and the '.join(missing)}."
    number = series.number(ThighStructure.FEMUR, side)
    around = _with_room(ndimage.find_objects(labels, number)[number - 1], series.spacing_mm)
    femur = labels[around] == number
    if is_operated(hu[around], femur, series.spacing_mm):
        return "There is an implant in the femur or next to it."
    return int(around[0].start) + femur_length(femur, series.spacing_mm).middle_slice


def _with_room(box: Sequence[slice], spacing_mm: tuple[float, float, float]) -> tuple[slice, slice, slice]:
    """A box and what lies next to it, as far as metal is looked for."""
    margins = (int(np.ceil(METAL_NEAR_MM / mm)) for mm in spacing_mm)
    slices, rows, columns = (
        slice(max(0, part.start - margin), part.stop + margin)
        for part, margin in zip(box, margins, strict=True)
    )
    return slices, rows, columns


def _stored_index(index: int, upright: hd.Volume, stored: hd.Volume) -> int:
    """Index, along the first axis of ``stored``, of a slice of the same volume turned upright."""
    point = upright.map_indices_to_reference(np.array([[index, 0, 0]]))
    return round(float(stored.map_reference_to_indices(point)[0, 0]))


def _areas(series: MuscleFigures, side: Side, middle: int | str, frame: int | None) -> list[Measurement]:
    """On the axial slice at half of the femur; not corrected where the thigh is oblique to it.

    Muscles that the slice does not meet have no area.
    """
    total = replace(_of_structure(TOTAL, side), source_frame=frame)
    if isinstance(middle, str):
        return [_measurement("cross_sectional_area", middle, "cm2", total)]
    pixel_cm2 = series.spacing_mm[1] * series.spacing_mm[2] / 100
    pixels = series.table.voxels[middle]
    numbers = [number for number in (series.number(muscle, side) for muscle in MUSCLES) if pixels[number]]
    cut = [number for number in numbers if End.EDGE in series.coverage.cut.get(number, ())]
    reason = "The field of view cuts it at its edge."
    found = [
        _measurement(
            "cross_sectional_area",
            reason if number in cut else float(pixels[number] * pixel_cm2),
            "cm2",
            replace(_of_segment(number), source_frame=frame),
        )
        for number in numbers
    ]
    area: Figure = reason if cut else float(pixels[numbers].sum() * pixel_cm2)
    return [*found, _measurement("cross_sectional_area", area, "cm2", total)]


def _profiles(series: MuscleFigures, heads: Mapping[Side, Sequence[float]]) -> Iterable[Profile]:
    """Slabs begin at multiples of their thickness from the head, so that two scans' slabs are the same."""
    slice_mm = series.spacing_mm[0]
    borders_mm = (np.arange(len(series.table.voxels) + 1) - 0.5) * slice_mm
    for side, head_mm in heads.items():
        from_head_mm = borders_mm - head_mm[0]
        first, last = int(np.floor(from_head_mm[0] / SLAB_MM)), int(np.ceil(from_head_mm[-1] / SLAB_MM))
        slabs_mm = np.arange(first, last + 1) * SLAB_MM
        for number in (series.number(muscle, side) for muscle in MUSCLES):
            if not series.voxels(number):
                continue
            cm3 = series.table.voxels[:, number] * np.prod(series.spacing_mm) / 1000
            # A slice between two slabs gives each its share.
            below = np.interp(slabs_mm, from_head_mm, np.concatenate([[0.0], np.cumsum(cm3)]))
            middle_mm = float((first + 0.5) * SLAB_MM)
            yield Profile(number, middle_mm, SLAB_MM, tuple(np.diff(below).tolist()))
