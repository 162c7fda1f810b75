"""What lies within the pelvic ring: viscera are left out, the muscle that lines the wall is kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from inference.bone import Part
from inference.morphology import Mask, Pixel, distance_mm, without_small_parts
from inference.pelvic_frame import PelvicFrame
from inference.result import Side

WALL_MUSCLE_MM = (4.0, 18.0)
"""Soft tissue nearer to the pelvic wall than the first is obturator internus, further away than the second it
is not; between them the darkest line decides. 95 % of the muscle's area lies within 18 mm (four adults)."""

BEHIND_PUBIS_MM = 28.0
"""The obturator internus begins this far behind the front of the pubis, bladder and prostate before it."""

BLADDER_MM = 8.0
"""How near to the wall it is taken to come there, at least."""

MIDLINE_MM = 25.0
"""Nearer to the midline the ring is closed by symphysis and coccyx, which carry no obturator internus."""

OBTURATOR_FORAMEN_MM = 25.0
NICHE_MM = 8.0
"""Where the wall seems to lie this much further out over a shorter way than the first, the femur shows
through the obturator foramen."""

SMALLEST_HIP_BONE_MM2 = 60.0

OPEN_RING_MM = 30.0
"""Where the pubic rami are further apart the abdominal wall lies before them, else the external genitals."""

GENITALS_MM = 20.0
CLEFT_MM = 20.0
"""Half widths."""

BEHIND_COCCYX_MM = 8.0


@dataclass(frozen=True)
class Canal:
    """The inside of the pelvic ring and what lies before and behind it; all (slice, row, column).

    Attributes:
        inside: between the inner faces of the hip bones, from the pubis to the coccyx.
        before: in front of ``inside`` where the ring is open: bladder, prevesical fat, abdominal wall.
        midline: before the symphysis and behind the coccyx: external genitals, skin of the gluteal cleft.
        behind_pubis_mm: distance of each row to the front of the pubis; one column.
    """

    inside: Mask
    before: Mask
    midline: Mask
    behind_pubis_mm: NDArray[np.float64]


def find_canal(bones: NDArray[np.uint8], body: Mask, pixel_mm: Pixel, frame: PelvicFrame) -> Canal:
    """The canal of every slice; empty where a hip bone is missing."""
    inside, before, midline = (np.zeros(bones.shape, bool) for _ in range(3))
    behind_pubis_mm = np.zeros((*bones.shape[:2], 1))
    medial = _medial_bone(bones, pixel_mm, frame)
    columns = np.arange(bones.shape[2])
    for index, plane in enumerate(bones):
        right = _inner_face(medial[index] & (plane == Part.RIGHT), pixel_mm, last=True)
        left = _inner_face(medial[index] & (plane == Part.LEFT), pixel_mm, last=False)
        if right is None or left is None:
            continue
        sacrum = plane == Part.SACRUM
        front = max(right[0].min(), left[0].min())
        back = _back_point(sacrum, body[index], right, left)
        rows = np.arange(front, back[0] + 1)
        from_column, to_column = _wall(right, back, rows), _wall(left, back, rows)
        inside[index, rows] = (columns > from_column[:, None]) & (columns < to_column[:, None])
        lateral_mm = abs(frame.lateral_mm[index])
        if (to_column[0] - from_column[0]) * pixel_mm[1] > OPEN_RING_MM:
            before[index, :front] = (columns > from_column[0]) & (columns < to_column[0])
        else:
            midline[index, :front] = lateral_mm[:front] < GENITALS_MM
        coccyx = np.flatnonzero(sacrum.any(axis=1)).max(initial=back[0])
        cleft = coccyx + round(BEHIND_COCCYX_MM / pixel_mm[0])
        midline[index, cleft:] = lateral_mm[cleft:] < CLEFT_MM
        behind_pubis_mm[index, :, 0] = (np.arange(plane.shape[0]) - front) * pixel_mm[0]
    outside_bone = bones == 0
    return Canal(inside & outside_bone, before & outside_bone, midline & outside_bone, behind_pubis_mm)


def viscera(
    smooth: NDArray[np.float32], soft: Mask, canal: Canal, pixel_mm: Pixel, frame: PelvicFrame
) -> Mask:
    """Soft tissue of the canal that is no muscle of its wall."""
    wall_mm = distance_mm(~canal.inside & (abs(frame.lateral_mm) > MIDLINE_MM), pixel_mm)
    behind_pubis = canal.behind_pubis_mm > BEHIND_PUBIS_MM
    markers = np.zeros(soft.shape, np.int32)
    markers[(wall_mm < WALL_MUSCLE_MM[0]) & behind_pubis] = 1
    markers[(wall_mm > WALL_MUSCLE_MM[1]) | ((wall_mm > BLADDER_MM) & ~behind_pubis)] = 2
    found = np.zeros(soft.shape, bool)
    for index, plane in enumerate(smooth):
        mask = soft[index] & canal.inside[index]
        relief = -ndimage.gaussian_filter(plane.clip(-100, 80), np.divide(1.5, pixel_mm))
        found[index] = watershed(relief, markers[index] * mask, mask=mask) == 2
        # A full bladder reaches forward between the pubic rami.
        parts, _ = ndimage.label(found[index] | (soft[index] & canal.before[index]))
        found[index] = np.isin(parts, np.unique(parts[found[index]])) & (parts > 0)
    return found


def _medial_bone(bones: NDArray[np.uint8], pixel_mm: Pixel, frame: PelvicFrame) -> Mask:
    """The hip bones, as far as they can bound the canal: medial to the femoral heads."""
    medial = (bones > 0) & (bones != Part.SACRUM)
    for side, distance in frame.head_distance_mm.items():
        radius_mm = frame.heads[side].radius_mm
        beside = frame.lateral_mm if side is Side.LEFT else -frame.lateral_mm
        medial &= (distance > radius_mm + 1) & (beside < frame.half_width_mm - 0.75 * radius_mm)
    return without_small_parts(medial, SMALLEST_HIP_BONE_MM2, pixel_mm)


Face = tuple[NDArray[np.intp], NDArray[np.intp]]


def _inner_face(bone: Mask, pixel_mm: Pixel, *, last: bool) -> Face | None:
    """Rows of a bone and in each its last (or first) column; rows that show only the femur are left out."""
    rows = np.flatnonzero(bone.any(axis=1))
    if not rows.size:
        return None
    columns = bone.shape[1] - 1 - bone[rows, ::-1].argmax(axis=1) if last else bone[rows].argmax(axis=1)
    outward_mm = (-columns if last else columns) * pixel_mm[1]
    smooth_mm = ndimage.grey_opening(outward_mm, (round(OBTURATOR_FORAMEN_MM / pixel_mm[0]),))
    wall = outward_mm - smooth_mm < NICHE_MM
    return rows[wall], columns[wall]


def _back_point(sacrum: Mask, body: Mask, right: Face, left: Face) -> tuple[int, int]:
    """Row and column where the canal ends at the back: the coccyx, or halfway from the ischia to the skin."""
    if sacrum.any():
        rows, columns = np.nonzero(sacrum)
        return int(rows.min()), round(columns.mean())
    column = round((right[1][-1] + left[1][-1]) / 2)
    ischium = max(right[0].max(), left[0].max())
    skin = np.flatnonzero(body[:, column]).max(initial=ischium)
    return int((ischium + skin) // 2), column


def _wall(face: Face, back: tuple[int, int], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Column of the wall in each row: bone where there is bone, else a straight line to the next bone."""
    known_rows, known_columns = face
    if back[0] > known_rows[-1]:
        known_rows, known_columns = np.append(known_rows, back[0]), np.append(known_columns, back[1])
    return np.interp(rows, known_rows, known_columns)
