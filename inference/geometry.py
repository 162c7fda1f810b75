"""From planes to the regular grid they form, or to the reason why they form none."""

from collections.abc import Sequence

import highdicom as hd
import numpy as np
from numpy.typing import NDArray

from inference.errors import Refused
from inference.headers import text
from inference.planes import Plane

OFF_GRID_MM = 0.1
"""How far a plane may lie from its place in an even stack. Positions written with one decimal are off by up
to half of this; an area or a volume does not change by it."""

DIRECTION_TOLERANCE = 1e-3
"""Of direction cosines: they err by a quarter of a millimetre at the rim of a 500 mm field of view."""

MOST_SPACING_PER_THICKNESS = 1.9
"""Slices further apart leave about half of the body out; so does a stack that lost every second slice."""


def require_same_frame(planes: Sequence[Plane]) -> None:
    """Refuse planes that are not parallel or differ in matrix, pixel spacing or frame of reference."""
    first = planes[0]
    _directions(first)
    for plane in planes:
        if not np.allclose(plane.orientation, first.orientation, rtol=0, atol=DIRECTION_TOLERANCE):
            raise Refused("mixed_orientations", "The series mixes planes of different orientation.")
        if plane.shape != first.shape:
            one, other = (f"{rows} x {columns}" for rows, columns in (first.shape, plane.shape))
            raise Refused("mixed_matrix", f"The series mixes images of {one} and {other} pixels.")
        if not np.allclose(plane.pixel_spacing_mm, first.pixel_spacing_mm, rtol=DIRECTION_TOLERANCE):
            raise Refused("mixed_pixel_spacing", "The series mixes images of different pixel spacing.")
        if _frame_of_reference(plane) != _frame_of_reference(first):
            raise Refused("mixed_frames_of_reference", "The series mixes several frames of reference.")


def offsets_mm(planes: Sequence[Plane]) -> NDArray[np.float64]:
    """Place of each plane along the slice normal, cross(row direction, column direction)."""
    return np.array([plane.position for plane in planes]) @ normal(planes[0])


def normal(plane: Plane) -> NDArray[np.float64]:
    """Unit vector cross(row direction, column direction), LPS."""
    return np.cross(*_directions(plane))


def shear_degrees(planes: Sequence[Plane]) -> float:
    """Angle between the line on which the planes follow each other and their normal: the gantry tilt."""
    along, sideways = _steps(planes)
    extent = along @ along
    return float(np.degrees(np.arctan2(np.linalg.norm(along @ sideways), extent))) if extent else 0.0


def grid_of(planes: Sequence[Plane]) -> hd.VolumeGeometry:
    """Regular grid of planes of the same frame, sorted by offset, one per position.

    Returns:
        Axes (slice, row, column), affine to LPS, mm.

    Raises:
        Refused: fewer than two planes, a shear (gantry tilt), a gap, uneven spacing, no frame of reference.
    """
    first = planes[0]
    if len(planes) < 2:
        raise Refused("single_slice", "All images show one slice position; a volume has at least two.")
    _require_straight(planes)
    spacing_mm = _even_spacing_mm(offsets_mm(planes))
    if first.thickness_mm and spacing_mm > MOST_SPACING_PER_THICKNESS * first.thickness_mm:
        raise Refused(
            "gaps_between_slices",
            f"Slices are {first.thickness_mm:g} mm thick but lie {spacing_mm:g} mm apart: what lies between "
            "was not imaged or did not arrive.",
        )
    if not _frame_of_reference(first):
        raise Refused(
            "no_frame_of_reference", "The images have no FrameOfReferenceUID: no result can be placed."
        )
    row_direction, column_direction = _directions(first)
    return hd.VolumeGeometry.from_components(
        (len(planes), *first.shape),
        spacing=(spacing_mm, *first.pixel_spacing_mm),
        position=first.position.tolist(),
        direction=np.column_stack([normal(first), column_direction, row_direction]).ravel().tolist(),
        coordinate_system="PATIENT",
        frame_of_reference_uid=_frame_of_reference(first),
    )


def _frame_of_reference(plane: Plane) -> str:
    return text(plane.frame.dataset, "FrameOfReferenceUID")


def _directions(plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Row and column direction, made exactly orthonormal."""
    row, column = plane.orientation[:3], plane.orientation[3:]
    lengths = np.linalg.norm([row, column], axis=1)
    if not np.allclose([*lengths, 1 + row @ column], 1, rtol=0, atol=DIRECTION_TOLERANCE):
        raise Refused("no_geometry", "ImageOrientationPatient is not two orthogonal unit vectors.")
    row = row / lengths[0]
    column = column - (row @ column) * row
    return row, column / np.linalg.norm(column)


def _steps(planes: Sequence[Plane]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps from the first plane: along the normal, and the rest of them in the plane, as vectors."""
    steps = np.array([plane.position - planes[0].position for plane in planes])
    along = steps @ normal(planes[0])
    return along, steps - np.outer(along, normal(planes[0]))


def _require_straight(planes: Sequence[Plane]) -> None:
    """Each plane must lie above the first within half a pixel."""
    along, sideways = _steps(planes)
    tolerance_mm = 0.5 * min(planes[0].pixel_spacing_mm)
    astray_mm = np.linalg.norm(sideways, axis=1).max()
    if astray_mm <= tolerance_mm:
        return
    sheared = np.outer(along, along @ sideways / (along @ along))
    if np.linalg.norm(sideways - sheared, axis=1).max() <= tolerance_mm:
        raise Refused(
            "gantry_tilt",
            f"The gantry was tilted: slices are sheared by {shear_degrees(planes):.1f} degrees. Send a "
            "reconstruction without tilt.",
        )
    raise Refused(
        "not_a_stack", f"Slices do not lie above each other; they stray by up to {astray_mm:.1f} mm."
    )


def _even_spacing_mm(offsets: NDArray[np.float64]) -> float:
    """Distance between neighbours; ``offsets`` ascend."""
    gaps = np.diff(offsets)
    # The lower of two middle gaps: the upper one may already span a missing slice.
    nominal = np.sort(gaps)[(len(gaps) - 1) // 2]
    places = np.concatenate([[0], np.cumsum(np.maximum(1, np.rint(gaps / nominal)))])
    spacing = float((offsets[-1] - offsets[0]) / places[-1])
    if abs(offsets - offsets[0] - places * spacing).max() > OFF_GRID_MM:
        raise Refused(
            "irregular_spacing",
            f"Slices lie {gaps.min():.2f} to {gaps.max():.2f} mm apart, not evenly: some are more than "
            f"{OFF_GRID_MM} mm off their place.",
        )
    missing = int(places[-1]) - len(gaps)
    if missing:
        raise Refused(
            "missing_slices",
            f"{missing} of {missing + len(offsets)} slices are missing: the spacing is {spacing:.2f} mm, the "
            f"widest gap {gaps.max():.2f} mm. Send the whole series again.",
        )
    return spacing
