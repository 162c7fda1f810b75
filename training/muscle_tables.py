"""Scores of thigh muscles as a table for people, beside the paper's."""

import math

from rich.table import Table

from training.judged_muscles import JUDGED, NAMES
from training.muscle_metrics import METRICS
from training.muscle_summary import MuscleSummary, mean_correlation, over_muscles
from training.summary import Spread
from training.tables import RESEARCH_USE_ONLY

SOURCE = "Kim 2024, Sci Rep 14:3301, doi 10.1038/s41598-024-53707-8"

PUBLISHED = {"dsc": Spread(0.84), "assd_mm": Spread(1.42), "ravd": Spread(0.019, 0.017)}
"""Of the paper's network on hip-fracture patients' CT with hand-made outlines, which are not public: other
cases, other truth, for orientation only. RAVD is printed as 0.019 in the one, as 0.019 % in the other of the
two papers; it is read as a fraction."""

HEADINGS = {"dsc": "DSC", "assd_mm": "ASSD (mm)", "ravd": "RAVD"}
DECIMALS = {"dsc": 3, "assd_mm": 2, "ravd": 3}

MEAN = "Mean of muscles"
PAPER = "Paper, all muscles"


def muscle_table(summary: MuscleSummary, title: str) -> Table:
    """One line per structure: mean +- SD over cases; then the mean of the muscles, without bones."""
    caption = (
        "Both sides together. a+b: the truth does not tell these apart. Volume r: Pearson's, of found and "
        f"true volume over cases. Paper: {SOURCE}, other cases, for orientation. {RESEARCH_USE_ONLY}."
    )
    table = Table(title=title, caption=caption, caption_justify="left")
    table.add_column("Structure", min_width=len(PAPER))
    for heading in (*HEADINGS.values(), "Volume r", "Cases"):
        table.add_column(heading, justify="right")
    for label in JUDGED:
        if label in summary:
            found = summary[label]
            cells = (cell(metric, found.metric(metric)) for metric in METRICS)
            name = NAMES[label].replace("_", " ")
            table.add_row(name, *cells, _correlation(found.correlation), str(found.dsc.count))
    table.add_section()
    means = (cell(metric, over_muscles(summary, metric)) for metric in METRICS)
    table.add_row(MEAN, *means, _correlation(mean_correlation(summary)), "")
    published = (cell(metric, PUBLISHED[metric]) for metric in METRICS)
    table.add_row(PAPER, *published, "-", "", style="dim")
    return table


def cell(metric: str, spread: Spread) -> str:
    """Mean, and deviation where there is one; a dash where there is no figure."""
    if math.isnan(spread.mean):
        return "-"
    decimals = DECIMALS[metric]
    mean = f"{spread.mean:.{decimals}f}"
    return mean if math.isnan(spread.sd) else f"{mean} ± {spread.sd:.{decimals}f}"


def _correlation(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
