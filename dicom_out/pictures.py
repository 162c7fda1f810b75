"""One picture of a result: the reference slice with its tissues and areas, for eyes without a viewer at hand.

Drawn with matplotlib's objects alone, without pyplot and its global state: worker processes make pictures.
"""

from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dicom_out.codes import RESEARCH_USE_ONLY, STRUCTURES
from dicom_out.value_panel import CAUTION, FAINT, INK, ValuePanel
from inference.result import Result, Segment

SIZE_INCHES = (12.8, 7.6)
DOTS_PER_INCH = 150

GROUND = "#000000"

SOFT_TISSUE_HU = (-160.0, 240.0)
OPACITY = 0.47
MARGIN_MM = 10.0
SCALE_BAR_MM = 50.0
NEIGHBOURS = (2, 1, -1, -2)
"""Slices beside the reference slice, from the head downwards."""


@dataclass(frozen=True)
class _View:
    """Slices as people look at axial images: from below, front at the top, the patient's left on the right.

    Attributes:
        hu: (slice from foot to head, row from front to back, column from right to left).
        labels: same axes.
        spacing_mm: of those axes.
        reference: index of the reference slice.
    """

    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    reference: int


def draw_overlay(result: Result, path: Path) -> None:
    """Write a PNG of the reference slice with its tissues, areas and neighbouring slices; no patient data."""
    view = _view(result)
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, facecolor=GROUND)
    _draw_heading(figure, result)
    main = figure.add_axes((0.025, 0.29, 0.60, 0.585))
    _draw_slice(main, view, view.reference, result.segments)
    _draw_directions(main)
    _draw_scale_bar(main)
    _draw_neighbours(figure, view, result.segments)
    ValuePanel(figure.add_axes((0.655, 0.03, 0.325, 0.86))).draw(result)
    figure.savefig(path, format="png", facecolor=GROUND)


def _view(result: Result) -> _View:
    image = result.image.to_patient_orientation("HPL")
    labels = result.labels.to_patient_orientation("HPL")
    reference_mm = result.image.map_indices_to_reference(np.array([[result.reference_frame, 0, 0]]))
    reference = round(float(image.map_reference_to_indices(reference_mm)[0, 0]))
    rows, columns = _crop(labels)
    return _View(
        hu=image.array[:, rows, columns],
        labels=labels.array[:, rows, columns],
        spacing_mm=(image.spacing[0], image.spacing[1], image.spacing[2]),
        reference=reference,
    )


def _crop(labels: hd.Volume) -> tuple[slice, slice]:
    """Rows and columns that hold labels on any slice, with a margin; everything where there are none."""
    crop = []
    for axis in (1, 2):
        used = np.flatnonzero(labels.array.any(axis=(0, 3 - axis)))
        margin = round(MARGIN_MM / labels.spacing[axis])
        crop.append(slice(max(used[0] - margin, 0), used[-1] + margin + 1) if used.size else slice(None))
    return crop[0], crop[1]


def _draw_slice(axes: Axes, view: _View, index: int, segments: tuple[Segment, ...]) -> None:
    """One slice in true proportions; the axes' units become mm."""
    _, row_mm, column_mm = view.spacing_mm
    rows, columns = view.hu.shape[1:]
    extent = (0.0, columns * column_mm, rows * row_mm, 0.0)
    low, high = SOFT_TISSUE_HU
    axes.imshow(
        view.hu[index],
        cmap="gray",
        vmin=low,
        vmax=high,
        extent=extent,
        aspect="equal",
        interpolation="bicubic",
    )
    colours = np.zeros((int(view.labels.max()) + 1, 4))
    for segment in segments:
        if segment.number < len(colours):
            colours[segment.number] = [c / 255 for c in STRUCTURES[segment.name].rgb] + [OPACITY]
    axes.imshow(colours[view.labels[index]], extent=extent, aspect="equal", interpolation="nearest")
    axes.set_axis_off()


def _draw_directions(axes: Axes) -> None:
    for letter, x, y in (("R", 0.015, 0.5), ("L", 0.985, 0.5), ("A", 0.5, 0.97), ("P", 0.5, 0.03)):
        axes.text(
            x,
            y,
            letter,
            transform=axes.transAxes,
            color=INK,
            fontsize=13,
            weight="bold",
            ha="center",
            va="center",
        )


def _draw_scale_bar(axes: Axes) -> None:
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    x, y = left + 0.03 * (right - left), bottom + 0.05 * (top - bottom)
    axes.plot([x, x + SCALE_BAR_MM], [y, y], color=INK, linewidth=2.5, solid_capstyle="butt")
    axes.text(x + SCALE_BAR_MM / 2, y - 3, "5 cm", color=INK, fontsize=9, ha="center", va="bottom")


def _draw_neighbours(figure: Figure, view: _View, segments: tuple[Segment, ...]) -> None:
    for place, step in enumerate(NEIGHBOURS):
        index = view.reference + step
        if not 0 <= index < len(view.hu):
            continue
        axes = figure.add_axes((0.025 + place * 0.1525, 0.055, 0.1425, 0.2))
        _draw_slice(axes, view, index, segments)
        distance_mm = abs(step) * view.spacing_mm[0]
        axes.set_title(
            f"{distance_mm:g} mm {'above' if step > 0 else 'below'}", color=FAINT, fontsize=8, pad=3
        )


def _draw_heading(figure: Figure, result: Result) -> None:
    provenance = result.provenance
    title = provenance.route.replace("-", " ").capitalize()
    made_by = (
        f"Coxa {provenance.software_version}  ·  {provenance.model.name} {provenance.model.version}  ·  "
        f"reference slice and {len(result.frames) - 1} neighbours"
    )
    figure.text(0.025, 0.945, title, color=INK, fontsize=19, weight="bold", va="center")
    figure.text(0.025, 0.9, made_by, color=FAINT, fontsize=9, va="center")
    figure.text(
        0.975, 0.945, RESEARCH_USE_ONLY, color=CAUTION, fontsize=11, weight="bold", ha="right", va="center"
    )
    figure.text(0.025, 0.022, "Seen from below: the patient's left is on the right.", color=FAINT, fontsize=8)
