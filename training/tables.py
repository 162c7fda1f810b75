"""Summaries as tables for people: one for ``coxa evaluate``, and the forms of the paper's Tables 1 and 2."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table

from inference.tissue_protocol import Tissue
from training.metrics import METRICS
from training.published import SOURCE
from training.summary import Spread, Summary, TissueSummary, over_tissues

NAMES: Mapping[Tissue, str] = {
    Tissue.CORTICAL_BONE: "Cortical bone",
    Tissue.TRABECULAR_BONE: "Trabecular bone",
    Tissue.HAEMATOPOIETIC_BONE_MARROW: "HBM",
    Tissue.MARROW_ADIPOSE_TISSUE: "MAT",
    Tissue.MUSCLE: "Muscle",
    Tissue.INTERMUSCULAR_ADIPOSE_TISSUE: "IMAT",
    Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE: "SAT",
}
HEADINGS = {
    "dsc": "DSC (%)",
    "assd_mm": "ASSD (mm)",
    "sensitivity": "Sensitivity (%)",
    "specificity": "Specificity (%)",
}
RESEARCH_USE_ONLY = "Research use only - not for diagnosis"
MEAN = "Mean of tissues"
MISSED = (
    "Missed slices: the tissue is in the truth or in the prediction, not in both; they are not in the ASSD."
)


@dataclass(frozen=True)
class Experiment:
    """What was trained and tested, and what the paper has in its place.

    Attributes:
        trained_on: e.g. ``PA (n = 180)``.
        tested_on: the same.
        published: the paper's figures, by what to call them in the table.
    """

    trained_on: str
    tested_on: str
    measured: Summary
    published: Mapping[str, Summary]


def evaluation_table(summary: Summary, title: str) -> Table:
    """One line per tissue: mean +- SD over cases, and slices missed."""
    table = Table(title=title, caption=f"{MISSED} {RESEARCH_USE_ONLY}.", caption_justify="left")
    table.add_column("Tissue", no_wrap=True)
    for heading in (*HEADINGS.values(), "Missed slices"):
        table.add_column(heading, justify="right")
    for tissue, name in NAMES.items():
        found = summary[tissue]
        table.add_row(name, *_cells(found), str(found.missed_slices))
    table.add_section()
    missed = sum(found.missed_slices for found in summary.values())
    table.add_row(MEAN, *_means(summary), str(missed))
    return table


def side_by_side(experiment: Experiment, title: str) -> Table:
    """The lines of the paper's tables, each followed by the paper's own."""
    table = Table(
        title=f"{title}\nTrained on {experiment.trained_on}, tested on {experiment.tested_on}",
        caption=f"{MISSED} paper: {SOURCE}, other cases, for orientation. {RESEARCH_USE_ONLY}.",
        caption_justify="left",
    )
    table.add_column("Tissue", no_wrap=True)
    table.add_column("")
    for heading in (*HEADINGS.values(), "Missed slices"):
        table.add_column(heading, justify="right")
    for tissue, name in NAMES.items():
        found = experiment.measured[tissue]
        table.add_row(name, "Coxa", *_cells(found), str(found.missed_slices))
        for whose, published in experiment.published.items():
            table.add_row("", whose, *_cells(published[tissue]), "", style="dim")
        table.add_section()
    missed = sum(found.missed_slices for found in experiment.measured.values())
    table.add_row(MEAN, "Coxa", *_means(experiment.measured), str(missed))
    for whose, published in experiment.published.items():
        table.add_row("", whose, *_means(published), "", style="dim")
    return table


def markdown(table: Table) -> str:
    """The same cells for documents."""
    titles = str(table.title).splitlines()
    columns = [[str(column.header), *(str(cell) for cell in column.cells)] for column in table.columns]
    header, *rows = zip(*columns, strict=True)
    rule = tuple("---" if column.justify == "left" else "---:" for column in table.columns)
    lines = ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]
    return "\n".join([f"**{titles[0]}**", "", *titles[1:], "", *lines, "", str(table.caption), ""])


def _cells(found: TissueSummary) -> list[str]:
    return [_cell(metric, found.metric(metric)) for metric in METRICS]


def _means(summary: Summary) -> list[str]:
    return [_cell(metric, Spread(over_tissues(summary, metric))) for metric in METRICS]


def _cell(metric: str, spread: Spread) -> str:
    """Two decimals, as the paper: per cent, or mm; a dash where there is no figure."""
    if math.isnan(spread.mean):
        return "-"
    scale = 1 if metric == "assd_mm" else 100
    mean = f"{scale * spread.mean:.2f}"
    return mean if math.isnan(spread.sd) else f"{mean} ± {scale * spread.sd:.2f}"
