"""Draws the log of a training: loss and learning rate above, DSC of each structure below."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.log import MEAN_DSC, dsc_name, read_log

COLOURS = 10
"""Of Matplotlib's own cycle; then they begin again, in another style."""

STYLES = ("-", "--", ":")


def draw_curves(log: Path, picture: Path) -> None:
    """Write a PNG.

    Args:
        log: as ``TrainingLog`` wrote it.
        picture: where to.
    """
    rows = read_log(log)
    figure = Figure(figsize=(9, 8), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    _line(above, rows, "loss", color="black")
    above.set(ylabel="loss", yscale="log")
    rate = above.twinx()
    _line(rate, rows, "learning_rate", color="tab:gray", linestyle=":")
    rate.set_ylabel("learning rate (dotted)")
    scored = {column: name for column in rows[0] if (name := dsc_name(column))}
    for number, (column, name) in enumerate(scored.items()):
        style = STYLES[number // COLOURS % len(STYLES)]
        _line(below, rows, column, label=name.replace("_", " "), linestyle=style)
    _line(below, rows, MEAN_DSC, label="mean", color="black", linewidth=2)
    below.set(xlabel="step", ylabel="DSC in validation", ylim=(0, 1))
    below.grid(alpha=0.3)
    below.legend(loc="lower right", fontsize="x-small", ncols=2)
    figure.savefig(picture, dpi=100)


def _line(axes: Axes, rows: list[dict[str, str]], column: str, **style: Any) -> None:
    points = [(int(row["step"]), float(row[column])) for row in rows if row[column]]
    axes.plot([step for step, _ in points], [value for _, value in points], **style)
