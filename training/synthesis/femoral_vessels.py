"""Femoral artery and vein, from the groin down the thigh, where the muscles leave room for them.

They enter the thigh in front of the femoral head and medial to its centre and run down between sartorius,
iliopsoas, pectineus and the adductors (Gray's Anatomy: femoral triangle, adductor canal).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.morphology import Mask, closed, distance_mm
from inference.result import Side
from training.synthesis.person import Hip, Organ

ABOVE_HEAD_MM = 6.0
BEFORE_HEAD_MM = 22.0
MEDIAL_MM = 8.0
"""Where the artery crosses the level of the head's centre, relative to its surface and its centre."""

ARTERY_MM, VEIN_MM = 4.0, 5.0
"""Radii (Spector 2001: common femoral artery 8 to 10 mm wide in adults)."""

BETWEEN_MM = 9.5
"""From artery to vein, which lies medially and behind."""

BRIDGED_MM = 25.0
ROOM_MM = 8.0
STRAY = 0.35
"""How many mm of room one mm of detour is worth."""

SMOOTH_MM = 12.0


def femoral_vessels(
    solid: Mask, body: Mask, hips: Mapping[Side, Hip], spacing_mm: float
) -> NDArray[np.uint8]:
    """Artery and vein of both thighs as a map of ``Organ``, muscle and bone left out.

    Args:
        solid: muscles and bones, (slice, row, column).
        body: of the same person.
        hips: of the same person.
    """
    vessels = np.zeros(solid.shape, np.uint8)
    rows, columns = np.indices(solid.shape[1:]) * spacing_mm
    for side, hip in hips.items():
        inwards = -1.0 if side is Side.LEFT else 1.0
        heights, course = _course(solid, body, hip, inwards, spacing_mm)
        for index, (row, column) in zip(heights, course, strict=True):
            vein = np.hypot(rows - row - 3.0, columns - column - inwards * BETWEEN_MM) < VEIN_MM
            artery = np.hypot(rows - row, columns - column) < ARTERY_MM
            vessels[index][vein], vessels[index][artery] = Organ.VEIN, Organ.ARTERY
    vessels[solid | ~body] = 0
    return vessels


def _course(
    solid: Mask, body: Mask, hip: Hip, inwards: float, spacing_mm: float
) -> tuple[range, NDArray[np.float64]]:
    """Slices from top to bottom, and the artery's row and column in each, mm."""
    level, row, column = hip.head_centre
    top = min(len(solid) - 1, round((level + ABOVE_HEAD_MM) / spacing_mm))
    heights = range(top, -1, -1)
    place = np.array([row - hip.head_radius_mm - BEFORE_HEAD_MM, column + inwards * MEDIAL_MM])
    pixel_mm = (spacing_mm, spacing_mm)
    course = []
    for index in heights:
        plane = slice(index, index + 1)
        room = closed(solid[plane], BRIDGED_MM / 2, pixel_mm) & ~solid[plane] & body[plane]
        room_mm = distance_mm(~room, pixel_mm)[0].clip(0, ROOM_MM)
        rows, columns = np.indices(room_mm.shape) * spacing_mm
        away_mm = np.hypot(rows - place[0], columns - place[1])
        best = np.unravel_index((room_mm - STRAY * away_mm).argmax(), room_mm.shape)
        found = np.array(best) * spacing_mm
        place = place + np.clip(found - place, -spacing_mm, spacing_mm)
        course.append(place)
    smooth: NDArray[np.float64] = ndimage.gaussian_filter1d(np.array(course), SMOOTH_MM / spacing_mm, axis=0)
    return heights, smooth
