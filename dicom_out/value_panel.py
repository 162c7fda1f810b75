"""The right-hand side of the overlay picture: legend, values, remarks."""

from textwrap import wrap
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from dicom_out.codes import STRUCTURES, UNIT_LABELS
from dicom_out.drawing import FAINT, INK, PANEL
from dicom_out.remarks import remarks, subject
from inference.result import Measurement, Result, Segment

LEFT, LABELS, AREAS, VOLUMES = 0.05, 0.12, 0.76, 0.95
"""Columns; the panel is 1 wide and 1 high."""

LINE_CHARACTERS = 64
LOWEST_REMARK = 0.15


class ValuePanel:
    """Writes lines from the top of its axes downwards."""

    def __init__(self, axes: Axes) -> None:
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        corners = "round,pad=0,rounding_size=0.02"
        axes.add_patch(FancyBboxPatch((0.01, 0.01), 0.98, 0.98, boxstyle=corners, fc=PANEL, ec="none"))
        self._axes = axes
        self._y = 0.935

    def draw(self, result: Result) -> None:
        """A row per tissue, then what was measured besides, then what a reader must mind."""
        self._write(AREAS, "Area\ncm²", FAINT, 8.5, "right")
        self._write(VOLUMES, f"{len(result.frames)} slices\ncm³", FAINT, 8.5, "right")
        self._y -= 0.01
        for segment in result.segments:
            self._y -= 0.055
            self._draw_tissue(segment, result)
        self._y -= 0.045
        for measurement in result.measurements:
            if measurement.quantity not in ("area", "volume"):
                self._y -= 0.045
                self._write(LEFT, subject(measurement, result), INK, 9.5)
                self._write(VOLUMES, _with_unit(measurement), INK, 9.5, "right")
        self._y -= 0.03
        for text, colour in remarks(result):
            if self._y < LOWEST_REMARK:
                self._write_lines("More in the report.", FAINT)
                break
            self._write_lines(text, colour)

    def _draw_tissue(self, segment: Segment, result: Result) -> None:
        structure = STRUCTURES[segment.name]
        colour = [component / 255 for component in structure.rgb]
        self._axes.add_patch(Rectangle((LEFT, self._y - 0.008), 0.045, 0.028, color=colour))
        self._write(LABELS, " ".join(filter(None, [structure.label, segment.side])), INK, 10)
        for measurement in result.measurements:
            if measurement.segment_number != segment.number:
                continue
            if measurement.quantity == "area" and measurement.source_frame == result.reference_frame:
                self._write(AREAS, _number(measurement), INK, 10, "right")
            if measurement.quantity == "volume" and measurement.source_frame is None:
                self._write(VOLUMES, _number(measurement), INK, 10, "right")

    def _write_lines(self, text: str, colour: str) -> None:
        self._y -= 0.012
        for line in wrap(text, LINE_CHARACTERS):
            self._y -= 0.033
            self._write(LEFT, line, colour, 8.5)

    def _write(
        self, x: float, text: str, colour: str, size: float, align: Literal["left", "right"] = "left"
    ) -> None:
        written = self._axes.text(x, self._y, text, color=colour, fontsize=size, linespacing=1.4)
        written.set(ha=align, va="baseline")


def _number(measurement: Measurement) -> str:
    if measurement.value is None:
        return "-"
    return f"{measurement.value:.{2 if measurement.unit == '1' else 1}f}"


def _with_unit(measurement: Measurement) -> str:
    if measurement.value is None:
        return "not measured"
    return f"{_number(measurement)} {UNIT_LABELS[measurement.unit]}".strip()
