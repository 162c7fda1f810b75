"""What lies within the pelvic ring: viscera are left out, the muscle that lines the wall is kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from inference.bone import Part
from inference.morphology import Mask, Pixel, distance_mm, without_small_parts
from inference.pelvic_frame import PelvicFrame

WALL_MUSCLE_MM = (4.0, 18.0)
"""Soft tissue nearer to the pelvic wall than the first is obturator internus, further than the second it is not;
between the two the darkest line decides."""

BEHIND_PUBIS_MM = 28.0
"""The obturator internus begins this far behind the front of the pubis; before it lie bladder and prostate."""

MIDLINE_MM = 25.0
"""Nearer to the midline than this the ring is closed by symphysis and coccyx, which carry no obturator internus."""


SMALLEST_HEAD_MM = 19.0
"""Radius."""

SMALLEST_HIP_BONE_MM2 = 60.0


@dataclass(frozen=True)
class Canal:
    """The inside of the pelvic ring.

    Attributes:
        inside: between the inner faces of the hip bones, from the pubis to the coccyx, (slice, row, column).
        before: between the pubic rami, in front of ``inside``: abdominal wall, prevesical fat, or external
            genitals.
        behind_pubis_mm: distance of each row to the front of the pubis, (slice, row).
    """

    inside: Mask
    before: Mask
    behind_pubis_mm: NDArray[np.float64]


def find_canal(bones: NDArray[np.uint8], body: Mask, pixel_mm: Pixel, frame: PelvicFrame) -> Canal:
    """The canal of every slice; empty where a hip bone is missing."""
    inside, before = np.zeros(bones.shape, bool), np.zeros(bones.shape, bool)
    behind_pubis_mm = np.zeros(bones.shape[:2])
    hip_bone = _hip_bone(bones, pixel_mm, frame)
    columns = np.arange(bones.shape[2])
    for index, plane in enumerate(bones):
        right = _inner_face(plane * hip_bone[index] == Part.RIGHT, last=True)
        left = _inner_face(plane * hip_bone[index] == Part.LEFT, last=False)
        if right is None or left is None:
            continue
        front = max(right[0].min(), left[0].min())
        back = _back_point(plane == Part.SACRUM, body[index], right, left)
        rows = np.arange(front, back[0] + 1)
        from_column = _wall(right, back, rows)
        to_column = _wall(left, back, rows)
        inside[index, rows] = (columns > from_column[:, None]) & (columns < to_column[:, None])
        before[index, :front] = (columns > from_column[0]) & (columns < to_column[0])
        behind_pubis_mm[index] = (np.arange(plane.shape[0]) - front) * pixel_mm[0]
    return Canal(inside & (bones == 0), before & (bones == 0), behind_pubis_mm)


def viscera(
    smooth: NDArray[np.float32], soft: Mask, canal: Canal, pixel_mm: Pixel, frame: PelvicFrame
) -> Mask:
    """Soft tissue of the canal that is no muscle of its wall."""
    wall_mm = distance_mm(~canal.inside & (abs(frame.lateral_mm) > MIDLINE_MM), pixel_mm)
    behind_pubis = canal.behind_pubis_mm[:, :, None] > BEHIND_PUBIS_MM
    markers = np.zeros(soft.shape, np.int32)
    markers[(wall_mm < WALL_MUSCLE_MM[0]) & behind_pubis] = 1
    markers[(wall_mm > WALL_MUSCLE_MM[1]) | ((wall_mm > 2) & ~behind_pubis)] = 2
    found = np.zeros(soft.shape, bool)
    for index, plane in enumerate(smooth):
        mask = soft[index] & canal.inside[index]
        relief = -ndimage.gaussian_filter(plane.clip(-100, 80), np.divide(1.5, pixel_mm))
        found[index] = watershed(relief, markers[index] * mask, mask=mask) == 2
    return found


def _hip_bone(bones: NDArray[np.uint8], pixel_mm: Pixel, frame: PelvicFrame) -> Mask:
    """Bone medial to the hip joint."""
    medial = (bones > 0) & (bones != Part.SACRUM)
    for side, distance in frame.head_distance_mm.items():
        medial &= distance > frame.heads[side].radius_mm - 2
    medial &= abs(frame.lateral_mm) < frame.half_width_mm - SMALLEST_HEAD_MM / 2
    return without_small_parts(medial, SMALLEST_HIP_BONE_MM2, pixel_mm)


Face = tuple[NDArray[np.intp], NDArray[np.intp]]


def _inner_face(bone: Mask, *, last: bool) -> Face | None:
    """Rows of a bone and in each its last (or first) column."""
    rows = np.flatnonzero(bone.any(axis=1))
    if not rows.size:
        return None
    columns = bone.shape[1] - 1 - bone[rows, ::-1].argmax(axis=1) if last else bone[rows].argmax(axis=1)
    return rows, columns


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
