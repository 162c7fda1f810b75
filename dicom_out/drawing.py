"""What every picture is drawn with: planes of a result as people look at them, and their marks.

Drawn with matplotlib's objects alone, without pyplot and its global state: worker processes make pictures.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dicom_out.codes import RESEARCH_USE_ONLY, STRUCTURES
from inference.result import Result, Segment

GROUND, PANEL, INK, FAINT, CAUTION = "#000000", "#14181e", "#eef1f4", "#8f98a3", "#f2b134"

SOFT_TISSUE_HU = (-160.0, 240.0)
OPACITY = 0.47
OUTLINE_OPACITY = 0.95
MARGIN_MM = 10.0
SCALE_BAR_MM = 50.0


@dataclass(frozen=True)
class View:
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


@dataclass(frozen=True)
class Plane:
    """One plane of a view, first row at the top.

    Attributes:
        hu: (row, column).
        labels: same axes.
        spacing_mm: of those axes.
    """

    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float]


def view_of(result: Result) -> View:
    """All slices of a result, cropped to its labels with a margin."""
    image = result.image.to_patient_orientation("HPL")
    labels = result.labels.to_patient_orientation("HPL")
    reference_mm = result.image.map_indices_to_reference(np.array([[result.reference_frame, 0, 0]]))
    reference = round(float(image.map_reference_to_indices(reference_mm)[0, 0]))
    rows, columns = _crop(labels)
    return View(
        hu=image.array[:, rows, columns],
        labels=labels.array[:, rows, columns],
        spacing_mm=(image.spacing[0], image.spacing[1], image.spacing[2]),
        reference=reference,
    )


def axial(view: View, index: int) -> Plane:
    """The slice of that index, seen from below."""
    return Plane(view.hu[index], view.labels[index], view.spacing_mm[1:])


def coronal(view: View, rows: NDArray[np.intp]) -> Plane:
    """The plane through one row of each slice, seen from the front: head at the top."""
    slice_mm, _, column_mm = view.spacing_mm
    slices = np.arange(len(rows))
    return Plane(view.hu[slices, rows][::-1], view.labels[slices, rows][::-1], (slice_mm, column_mm))


def draw_plane(axes: Axes, plane: Plane, segments: Iterable[Segment], *, outlined: bool = False) -> None:
    """One plane in true proportions, its segments in their colours; the axes' units become mm."""
    row_mm, column_mm = plane.spacing_mm
    rows, columns = plane.hu.shape
    extent = (0.0, columns * column_mm, rows * row_mm, 0.0)
    low, high = SOFT_TISSUE_HU
    axes.imshow(
        plane.hu, cmap="gray", vmin=low, vmax=high, extent=extent, aspect="equal", interpolation="bicubic"
    )
    colours = np.zeros((256, 4))
    for segment in segments:
        colours[segment.number] = [c / 255 for c in STRUCTURES[segment.name].rgb] + [OPACITY]
    overlay = colours[plane.labels]
    if outlined:
        overlay[_outlines(plane.labels) & (overlay[..., 3] > 0), 3] = OUTLINE_OPACITY
    axes.imshow(overlay, extent=extent, aspect="equal", interpolation="nearest")
    axes.set_axis_off()


def draw_letters(axes: Axes, letters: Mapping[str, tuple[float, float]]) -> None:
    """Directions, each at its place in the axes, 0 to 1."""
    for letter, (x, y) in letters.items():
        written = axes.text(x, y, letter, transform=axes.transAxes, color=INK, fontsize=13, weight="bold")
        written.set(ha="center", va="center")


def draw_scale_bar(axes: Axes) -> None:
    """Five centimetres, at the lower left."""
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    x, y = left + 0.03 * (right - left), bottom + 0.05 * (top - bottom)
    axes.plot([x, x + SCALE_BAR_MM], [y, y], color=INK, linewidth=2.5, solid_capstyle="butt")
    axes.text(x + SCALE_BAR_MM / 2, y - 3, "5 cm", color=INK, fontsize=9, ha="center", va="bottom")


def draw_heading(figure: Figure, result: Result, shown: str) -> None:
    """What was done, by what, what the picture shows, and what it is not for."""
    provenance = result.provenance
    title = provenance.route.replace("-", " ").capitalize()
    model = f"{provenance.model.name} {provenance.model.version}"
    made_by = f"Coxa {provenance.software_version}  ·  {model}  ·  {shown}"
    figure.text(0.025, 0.945, title, color=INK, fontsize=19, weight="bold", va="center")
    figure.text(0.025, 0.9, made_by, color=FAINT, fontsize=9, va="center")
    figure.text(
        0.975, 0.945, RESEARCH_USE_ONLY, color=CAUTION, fontsize=11, weight="bold", ha="right", va="center"
    )


def _outlines(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels with another label below or to the right of them, and those across from them."""
    outline = np.zeros(labels.shape, bool)
    for here, there in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        differs = labels[here] != labels[there]
        outline[here] |= differs
        outline[there] |= differs
    return outline


def _crop(labels: hd.Volume) -> tuple[slice, slice]:
    """Rows and columns that hold labels on any slice, with a margin; everything where there are none."""
    shown = labels.array.max(axis=0)
    crop = []
    for axis, largest in ((1, shown.max(axis=1)), (2, shown.max(axis=0))):
        used = np.flatnonzero(largest)
        margin = round(MARGIN_MM / labels.spacing[axis])
        crop.append(slice(max(used[0] - margin, 0), used[-1] + margin + 1) if used.size else slice(None))
    return crop[0], crop[1]
