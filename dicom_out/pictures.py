"""One picture of a result, for eyes without a viewer at hand; each kind of result has its page."""

from pathlib import Path

from matplotlib.figure import Figure

from dicom_out.drawing import (
    FAINT,
    GROUND,
    View,
    axial,
    draw_heading,
    draw_letters,
    draw_plane,
    draw_scale_bar,
    view_of,
)
from dicom_out.muscle_page import draw_muscle_page
from dicom_out.value_panel import ValuePanel
from inference.result import Result, Segment

SIZE_INCHES = (12.8, 7.6)
DOTS_PER_INCH = 150

NEIGHBOURS = (2, 1, -1, -2)
"""Slices beside the reference slice, from the head downwards."""

DIRECTIONS = {"R": (0.015, 0.5), "L": (0.985, 0.5), "A": (0.5, 0.97), "P": (0.5, 0.03)}


def draw_overlay(result: Result, path: Path) -> None:
    """Write a PNG of a result; no patient data.

    Structures of one side, as the muscles of the thigh, are compared side by side; tissues without sides are
    shown slice by slice.
    """
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, facecolor=GROUND)
    if any(segment.side for segment in result.segments):
        draw_muscle_page(figure, result)
    else:
        _draw_tissue_page(figure, result)
    figure.savefig(path, format="png", facecolor=GROUND)


def _draw_tissue_page(figure: Figure, result: Result) -> None:
    """The reference slice with its tissues, areas and neighbouring slices."""
    view = view_of(result)
    draw_heading(figure, result, f"reference slice and {len(result.frames) - 1} neighbours")
    main = figure.add_axes((0.025, 0.29, 0.60, 0.585))
    draw_plane(main, axial(view, view.reference), result.segments)
    draw_letters(main, DIRECTIONS)
    draw_scale_bar(main)
    _draw_neighbours(figure, view, result.segments)
    ValuePanel(figure.add_axes((0.655, 0.03, 0.325, 0.86))).draw(result)
    figure.text(0.025, 0.022, "Seen from below: the patient's left is on the right.", color=FAINT, fontsize=8)


def _draw_neighbours(figure: Figure, view: View, segments: tuple[Segment, ...]) -> None:
    for place, step in enumerate(NEIGHBOURS):
        index = view.reference + step
        if not 0 <= index < len(view.hu):
            continue
        axes = figure.add_axes((0.025 + place * 0.1525, 0.055, 0.1425, 0.2))
        draw_plane(axes, axial(view, index), segments)
        distance_mm = abs(step) * view.spacing_mm[0]
        axes.set_title(
            f"{distance_mm:g} mm {'above' if step > 0 else 'below'}", color=FAINT, fontsize=8, pad=3
        )
