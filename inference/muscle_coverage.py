"""What of the muscles and bones a series shows: whole, or cut by where it ends and by the field of view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.femur_length import ends_in_condyles
from inference.morphology import Mask
from inference.muscle_voxels import Counts
from inference.muscles import BONES, ThighStructure
from inference.quality import TISSUE_HU
from inference.result import QualityFlag, Segment, Severity, Side

NEAR_MM = 4.0
NEAR_SLICES = 1.5
"""Labels that stop this near to an end of the series or an edge of the field are taken to go on beyond."""

LEAST_MM2 = 15.0
"""Of a segment near an end or edge: a wrong voxel is less, and the tip of a muscle so thin adds nothing."""

PADDING_HU = -1000
"""What is this or less in every slice is outside the reconstructed field, or air where no tissue ever is."""

FILLED = 0.95
"""Of a circle about the centre of the matrix, to be the field's: noisy air fills it, a body does not."""

CIRCLE_PIXELS = 3.0
"""By how much the field's edge may deviate from such a circle."""


class End(StrEnum):
    """Where a segment is cut."""

    HEAD = "above"
    FOOT = "below"
    EDGE = "at the edge of the field of view"


@dataclass(frozen=True)
class Coverage:
    """What the series shows.

    Attributes:
        cut: where each segment is cut, by number; whole segments and those not found are not in it.
        covered_mm: length along the body of each segment that was found, by number.
        knees: sides whose femur is there down to its condyles.
        hips: sides whose femur is there up to its head, with the hip bone.
        flags: ``coverage``, and ``cut_muscles`` where there are any.
    """

    cut: Mapping[int, tuple[End, ...]]
    covered_mm: Mapping[int, float]
    knees: frozenset[Side]
    hips: frozenset[Side]
    flags: tuple[QualityFlag, ...]


def find_coverage(
    hu: NDArray[np.int16],
    labels: NDArray[np.uint8],
    voxels: Counts,
    segments: Sequence[Segment],
    spacing_mm: tuple[float, float, float],
) -> Coverage:
    """Judge every segment.

    Args:
        hu: all slices of the series; axes foot to head, front to back, right to left.
        labels: segment numbers on the same grid.
        voxels: of ``labels``, (slice, segment number).
        segments: those of the thigh-muscle route.
        spacing_mm: along each axis.
    """
    slice_mm = spacing_mm[0]
    area_mm2 = np.asarray(voxels * (spacing_mm[1] * spacing_mm[2]), float)
    ends = _ends(area_mm2, slice_mm)
    for number in _at_edge(hu, labels, spacing_mm):
        ends[number] = (*ends.get(number, ()), End.EDGE)
    cut = {segment.number: ends[segment.number] for segment in segments if segment.number in ends}
    covered_mm = {
        segment.number: _length_mm(area_mm2[:, segment.number], slice_mm)
        for segment in segments
        if voxels[:, segment.number].any()
    }
    femora, hip_bones = (
        {segment.side: segment.number for segment in segments if segment.name == bone.name.lower()}
        for bone in (ThighStructure.FEMUR, ThighStructure.HIP_BONE)
    )
    knees = frozenset(
        side
        for side in Side
        if End.FOOT not in cut.get(femora[side], ()) and ends_in_condyles(area_mm2[:, femora[side]], slice_mm)
    )
    hips = frozenset(
        side
        for side in Side
        if End.HEAD not in cut.get(femora[side], ())
        and (voxels[:, femora[side]] * voxels[:, hip_bones[side]]).any()
    )
    crests = frozenset(
        side
        for side in Side
        if hip_bones[side] in covered_mm and End.HEAD not in cut.get(hip_bones[side], ())
    )
    landmarks = {"iliac crest": crests, "hip joint": hips, "knee": knees}
    flags = [_coverage_flag(len(labels) * slice_mm, landmarks)]
    muscles = [segment for segment in segments if segment.number in cut and not _is_bone(segment)]
    if muscles:
        flags.append(_cut_flag(muscles))
    return Coverage(cut, covered_mm, knees, hips, tuple(flags))


def _ends(area_mm2: NDArray[np.float64], slice_mm: float) -> dict[int, tuple[End, ...]]:
    """Segments that come near an end of the series."""
    near = int(np.ceil(max(NEAR_SLICES, NEAR_MM / slice_mm)))
    first, last = ((part >= LEAST_MM2).any(axis=0) for part in (area_mm2[:near], area_mm2[-near:]))
    touched: dict[int, tuple[End, ...]] = {}
    for end, numbers in ((End.HEAD, last), (End.FOOT, first)):
        for number in np.flatnonzero(numbers).tolist():
            touched[number] = (*touched.get(number, ()), end)
    return touched


def _length_mm(area_mm2: NDArray[np.float64], slice_mm: float) -> float:
    """From the first to the last slice with more than a stray voxel, or with any."""
    there = np.flatnonzero(area_mm2 >= min(LEAST_MM2, float(area_mm2.max())))
    return float((there[-1] - there[0] + 1) * slice_mm)


def _is_bone(segment: Segment) -> bool:
    return segment.name in {bone.name.lower() for bone in BONES}


def _at_edge(
    hu: NDArray[np.int16], labels: NDArray[np.uint8], spacing_mm: tuple[float, float, float]
) -> set[int]:
    """Segments that lie where tissue ends at the edge of the field, without skin or air."""
    pixel_mm = spacing_mm[1:]
    edge = _edge_of_field(hu, pixel_mm)
    away_mm, nearest = ndimage.distance_transform_edt(~edge, sampling=pixel_mm, return_indices=True)
    near = away_mm <= NEAR_MM
    labels_near = labels[:, near]
    slices, places = np.nonzero(labels_near)
    rows, columns = (index[near][places] for index in nearest)
    ending = hu[slices, rows, columns] > TISSUE_HU
    cut = slices[ending] * 256 + labels_near[slices, places][ending]
    count = np.bincount(cut, minlength=256 * len(labels)).reshape(-1, 256)
    enough = count * (pixel_mm[0] * pixel_mm[1]) >= LEAST_MM2
    return set(np.flatnonzero(enough.any(axis=0)).tolist())


def _edge_of_field(hu: NDArray[np.int16], pixel_mm: tuple[float, float]) -> Mask:
    """Pixels along the border of the matrix, and along the reconstruction circle if there is one in it.

    What the corners hold in all slices is padding, or air without noise. The circle shows where the two
    differ. Where they do not, only a body reaching as far as the usual circle, which touches the sides of the
    matrix, is taken to be cut by it: one well inside ends in air however thin its skin is.
    """
    brightest = hu.max(axis=0)
    edge = np.ones(brightest.shape, bool)
    edge[1:-1, 1:-1] = False
    nothing_hu = int(brightest[[0, 0, -1, -1], [0, -1, 0, -1]].max())
    field = brightest > nothing_hu
    if nothing_hu > PADDING_HU or not field.any():
        return edge
    rows_mm, columns_mm = (
        (np.arange(size) - (size - 1) / 2) * mm for size, mm in zip(field.shape, pixel_mm, strict=True)
    )
    away_mm = np.hypot(rows_mm[:, None], columns_mm)
    radius_mm = float(away_mm[field].max())
    usual_mm = min(size * mm / 2 for size, mm in zip(field.shape, pixel_mm, strict=True))
    is_disc = field[away_mm <= radius_mm].mean() > FILLED
    if not is_disc and abs(radius_mm - usual_mm) > CIRCLE_PIXELS * max(pixel_mm):
        return edge
    last = field & ndimage.binary_dilation(~field, np.ones((3, 3), bool))
    edge |= last & (away_mm > radius_mm - CIRCLE_PIXELS * max(pixel_mm))
    return edge


def _coverage_flag(length_mm: float, landmarks: Mapping[str, frozenset[Side]]) -> QualityFlag:
    """One sentence on what is covered, and what is not."""
    covered = [_of_sides(name, sides) for name, sides in landmarks.items() if sides]
    missing = [
        _of_sides(name, frozenset(Side) - sides)
        for name, sides in landmarks.items()
        if len(sides) < len(Side)
    ]
    words = f"The series covers {length_mm:.0f} mm of the body, with {', '.join(covered) or 'no landmark'}"
    words += f"; not covered: {', '.join(missing)}." if missing else "."
    return QualityFlag("coverage", Severity.NOTE, words)


def _of_sides(name: str, sides: frozenset[Side]) -> str:
    if len(sides) == len(Side):
        return f"both {name}s"
    return f"the {next(iter(sides))} {name}"


def _cut_flag(muscles: Sequence[Segment]) -> QualityFlag:
    """Names them, both sides of one together."""
    sides: dict[str, list[str]] = {}
    for muscle in muscles:
        sides.setdefault(muscle.name.replace("_", " "), []).append(str(muscle.side))
    names = ", ".join(f"{name} ({' and '.join(found)})" for name, found in sides.items())
    words = (
        f"The field of view cuts {len(muscles)} muscles, which have no volume, and HU and fat of the covered "
        f"part only: {names}."
    )
    return QualityFlag("cut_muscles", Severity.WARNING, words)
