"""The table of the muscle page: one row per muscle, group and total, right and left side by side."""

from collections.abc import Iterator
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from dicom_out.codes import STRUCTURES, UNIT_LABELS
from dicom_out.drawing import FAINT, INK, PANEL
from inference.muscles import GROUPS, TOTAL
from inference.result import Measurement, Result, Side

SIDES = (Side.RIGHT, Side.LEFT)
"""As in the picture beside it."""

SWATCH, NAMES = 0.03, 0.075
VOLUMES, FAT, ASYMMETRY, CHANGES = (0.415, 0.515), (0.595, 0.665), 0.765, (0.87, 0.97)
"""Columns; the panel is 1 wide and 1 high."""

ROW, TOP = 0.0305, 0.86


class MuscleTable:
    """Writes rows from the top of its axes downwards."""

    def __init__(self, axes: Axes, result: Result) -> None:
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        corners = "round,pad=0,rounding_size=0.015"
        axes.add_patch(FancyBboxPatch((0.005, 0.005), 0.99, 0.99, boxstyle=corners, fc=PANEL, ec="none"))
        self._axes = axes
        self._result = result
        self._measured = _by_subject(result)
        self._y = TOP

    def draw(self) -> None:
        """Headings, then each group with its muscles, then all muscles together."""
        self._draw_headings()
        for group, muscles in GROUPS.items():
            self._draw_row(group, is_group=True)
            for muscle in muscles:
                self._draw_row(muscle.name.lower(), is_group=False)
            self._y -= ROW / 4
        self._draw_row(TOTAL, is_group=True)

    def _draw_headings(self) -> None:
        y = TOP + 2.6 * ROW
        prior = self._result.prior
        headings = [
            (sum(VOLUMES) / 2, f"Volume, {UNIT_LABELS['cm3']}", VOLUMES),
            (sum(FAT) / 2, "Fat, %", FAT),
            (ASYMMETRY, "Asym-\nmetry, %", ()),
        ]
        if prior:
            days = f"Change in\n{prior.interval_days} days, {UNIT_LABELS['cm3']}"
            headings.append((sum(CHANGES) / 2, days, CHANGES))
        for x, text, columns in headings:
            self._write(x - (0 if columns else 0.03), y, text, FAINT, "center")
            for column, letter in zip(columns, "RL", strict=False):
                self._write(column, TOP + 1.15 * ROW, letter, FAINT)

    def _draw_row(self, name: str, *, is_group: bool) -> None:
        structure = STRUCTURES[name]
        colour = INK if is_group else "#c6ccd3"
        weight = "bold" if is_group else "normal"
        if not is_group:
            swatch = [component / 255 for component in structure.rgb]
            self._axes.add_patch(Rectangle((SWATCH, self._y - 0.003), 0.03, 0.019, color=swatch))
        self._write(SWATCH if is_group else NAMES, self._y, structure.label, colour, "left", weight)
        for x, quantity, side in self._columns():
            value = self._measured.get((name, side, quantity))
            if value is not None:
                self._write(x, self._y, value, colour, "right", weight)
        self._y -= ROW

    def _columns(self) -> Iterator[tuple[float, str, Side | None]]:
        for column, side in enumerate(SIDES):
            yield VOLUMES[column], "volume", side
            yield FAT[column], "fat_fraction", side
            if self._result.prior:
                yield CHANGES[column], "volume_change", side
        yield ASYMMETRY, "asymmetry_index", None

    def _write(
        self,
        x: float,
        y: float,
        text: str,
        colour: str,
        align: Literal["left", "center", "right"] = "right",
        weight: str = "normal",
    ) -> None:
        written = self._axes.text(x, y, text, color=colour, fontsize=8, weight=weight, linespacing=1.3)
        written.set(ha=align, va="baseline")


def _by_subject(result: Result) -> dict[tuple[str | None, Side | None, str], str]:
    """What was measured over all slices, as text, by (structure, side, quantity)."""
    segments = {segment.number: segment for segment in result.segments}
    texts = {}
    for measurement in result.measurements:
        if measurement.source_frame is not None:
            continue
        if measurement.segment_number is None:
            name, side = measurement.structure, measurement.side
        else:
            segment = segments[measurement.segment_number]
            name, side = segment.name, segment.side
        texts[name, side, measurement.quantity] = _text(measurement)
    return texts


def _text(measurement: Measurement) -> str:
    if measurement.value is None:
        return "-"
    signed = measurement.quantity in ("volume_change", "asymmetry_index")
    return f"{measurement.value:{'+' if signed else ''}.1f}".replace("-", "\N{MINUS SIGN}")
