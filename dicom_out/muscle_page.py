"""The page of a result with two sides: where its muscles are, and what they measure side by side."""

from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from numpy.typing import NDArray

from dicom_out.drawing import (
    FAINT,
    INK,
    PANEL,
    View,
    axial,
    coronal,
    draw_heading,
    draw_letters,
    draw_plane,
    draw_scale_bar,
    view_of,
)
from dicom_out.muscle_table import MuscleTable
from dicom_out.remarks import remarks
from inference.result import Result

AXIAL = (0.02, 0.5, 0.50, 0.36)
CORONAL = (0.02, 0.06, 0.22, 0.42)
REMARKS = (0.255, 0.06, 0.265, 0.42)
TABLE = (0.535, 0.03, 0.45, 0.86)
"""Left, bottom, width and height of each part, 0 to 1."""

LINE_CHARACTERS = 56
LINES = 15


def draw_muscle_page(figure: Figure, result: Result) -> None:
    """Reference slice, coronal plane along the femora, remarks, and a table of both sides."""
    view = view_of(result)
    draw_heading(figure, result, f"{len(result.frames)} slices")
    main = figure.add_axes(AXIAL)
    draw_plane(main, axial(view, view.reference), result.segments, outlined=True)
    draw_letters(main, {"R": (0.015, 0.5), "L": (0.985, 0.5), "A": (0.5, 0.985), "P": (0.5, 0.015)})
    draw_scale_bar(main)
    _draw_coronal(figure.add_axes(CORONAL), view, result)
    _draw_remarks(figure.add_axes(REMARKS), result)
    MuscleTable(figure.add_axes(TABLE), result).draw()
    seen = "Seen from below and from the front: the patient's left is on the right."
    figure.text(0.025, 0.022, seen, color=FAINT, fontsize=8)


def _draw_coronal(axes: Axes, view: View, result: Result) -> None:
    """The plane from left to right along the femora, with the height of the axial slice."""
    draw_plane(axes, coronal(view, _rows_along_femora(view, result)), result.segments, outlined=True)
    draw_letters(axes, {"R": (-0.07, 0.5), "L": (1.07, 0.5), "H": (0.5, 0.985), "F": (0.5, 0.015)})
    draw_scale_bar(axes)
    height_mm = (len(view.hu) - view.reference - 0.5) * view.spacing_mm[0]
    axes.axhline(height_mm, color=INK, linewidth=0.7, linestyle=(0, (4, 4)))


def _rows_along_femora(view: View, result: Result) -> NDArray[np.intp]:
    """Of each slice the row on a straight line along the femora; along all labels where there is no femur."""
    is_femur = np.zeros(256, bool)
    is_femur[[segment.number for segment in result.segments if segment.name == "femur"]] = True
    slices, rows = np.arange(view.labels.shape[0]), np.arange(view.labels.shape[1])
    for shown in (is_femur[view.labels], view.labels > 0):
        counts = shown.sum(axis=2)
        per_slice = counts.sum(axis=1)
        if np.count_nonzero(per_slice) > 1:
            middles = counts @ rows / per_slice.clip(1)
            slope, start = np.polyfit(slices, middles, 1, w=np.sqrt(per_slice))
            along: NDArray[np.intp] = np.rint(start + slope * slices).clip(0, len(rows) - 1).astype(np.intp)
            return along
    return np.full(len(slices), len(rows) // 2)


def _draw_remarks(axes: Axes, result: Result) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    corners = "round,pad=0,rounding_size=0.02"
    axes.add_patch(FancyBboxPatch((0.01, 0.01), 0.98, 0.98, boxstyle=corners, fc=PANEL, ec="none"))
    lines = [(line, colour) for text, colour in remarks(result) for line in wrap(text, LINE_CHARACTERS)]
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], ("More in the report.", FAINT)]
    for number, (line, colour) in enumerate(lines):
        axes.text(0.05, 0.92 - 0.062 * number, line, color=colour, fontsize=8)
