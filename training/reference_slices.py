"""How well the reference slice is found in synthetic series, whose geometry is exactly known."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

from inference.anatomy import find_anatomy
from inference.errors import Refused
from inference.femoral_neck import find_reference_slice
from training.data import seed_of
from training.errors import ConfigurationError
from training.sources import require_known
from training.synthesis.generator import Generator, SyntheticSeries
from training.synthesis.people import load_people
from training.synthesis.variation import load_variation
from training.tables import RESEARCH_USE_ONLY
from training.tissue_config import SyntheticData, TissueTraining

SERIES = 2000
"""Stream of the seed, beyond those of training, validation and cases."""

FAR_MM = 5.0
PLOT = "reference_slices.png"


@dataclass(frozen=True)
class Found:
    """One series.

    Attributes:
        off_slices: found minus true, positive towards the head; nan where the series was refused.
        off_mm: the same.
        refused: why, or None.
    """

    off_slices: float
    off_mm: float
    refused: str | None = None


def judge_reference_slices(
    config: TissueTraining, count: int, out: Path | None, console: Console, varied: Path | None = None
) -> Table:
    """Draw series, look for their reference slice as the product does, and compare.

    Args:
        config: says where the anatomies are, what varies, and the seed.
        count: how many series.
        out: folder that gets a histogram, or None.
        console: for progress.
        varied: what varies, instead of what the configuration says.

    Raises:
        ConfigurationError: the configuration is not of synthetic data.
        TrainingError: someone named is not there.
    """
    if not isinstance(config.data, SyntheticData):
        raise ConfigurationError("data.kind must be synthetic: only there the geometry is known exactly.")
    everyone = {person.name: person for person in load_people(config.data.anatomy, config.data.cache)}
    known = f"{config.data.anatomy} has {', '.join(everyone)}"
    named = require_known(config.data.people or tuple(everyone), everyone, f"data.people; {known}")
    variation = load_variation(varied or config.data.variation or "default")
    generator = Generator([everyone[name] for name in named], variation, seed_of(config.seed, SERIES))
    series = (generator.series() for _ in range(count))
    found = [look(one) for one in track(series, "Looking for necks", total=count, console=console)]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        _plot(found).savefig(out / PLOT, dpi=150)
    return _table(found)


def look(series: SyntheticSeries) -> Found:
    """Look for the reference slice of one series."""
    affine = np.zeros((4, 4))
    for axis, (towards, spacing_mm) in enumerate(zip((2, 1, 0), series.spacing_mm, strict=True)):
        affine[towards, axis] = spacing_mm
    affine[3, 3] = 1
    volume = hd.Volume(series.hu.cpu().numpy(), affine, "PATIENT")
    try:
        index = find_reference_slice(volume, find_anatomy(volume)).index
    except Refused as refused:
        return Found(math.nan, math.nan, refused.code)
    off = index - series.reference_index
    return Found(off, off * series.spacing_mm[0])


def _table(found: Sequence[Found]) -> Table:
    off = [one for one in found if one.refused is None]
    table = Table("", "value", title=f"Reference slice in {len(found)} synthetic series. {RESEARCH_USE_ONLY}")
    table.add_row("found", str(len(off)))
    for reason, number in Counter(one.refused for one in found if one.refused).most_common():
        table.add_row(f"refused: {reason}", str(number))
    for name, values in (
        ("error in slices", [abs(one.off_slices) for one in off]),
        ("error in mm", [abs(one.off_mm) for one in off]),
    ):
        table.add_row(f"{name}: median, 90 %, most", _quantiles(values))
    near = sum(abs(one.off_mm) <= FAR_MM for one in off)
    table.add_row(f"within {FAR_MM:g} mm", f"{near} of {len(off)}")
    return table


def _quantiles(values: Iterable[float]) -> str:
    sorted_values = sorted(values)
    if not sorted_values:
        return "-"
    return ", ".join(f"{value:.2f}" for value in np.quantile(sorted_values, (0.5, 0.9, 1.0)))


def _plot(found: Sequence[Found]) -> Figure:
    figure = Figure(figsize=(9, 4), layout="constrained")
    in_slices, in_mm = figure.subplots(1, 2)
    in_slices.hist([one.off_slices for one in found if one.refused is None], bins=41)
    in_slices.set_xlabel("found minus true, slices")
    in_mm.hist([one.off_mm for one in found if one.refused is None], bins=41)
    in_mm.set_xlabel("found minus true, mm")
    for axes in (in_slices, in_mm):
        axes.set_ylabel("series")
        axes.grid(axis="y", alpha=0.3)
    figure.suptitle(f"Reference slice in {len(found)} synthetic series. {RESEARCH_USE_ONLY}", fontsize=10)
    return figure
