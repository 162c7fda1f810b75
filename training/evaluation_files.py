"""What an evaluation leaves on disk: every score, their summary, and a picture of them."""

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure

from inference.quality import LEAST_EXPECTED_DSC
from inference.tissue_protocol import Tissue
from training.evaluate import JudgedCase
from training.gate import POOR_DSC, judge_gate
from training.metrics import METRICS, TissueScore
from training.summary import Summary, json_number, over_cases, over_tissues
from training.tables import NAMES, RESEARCH_USE_ONLY

SCORES, SUMMARY, PLOT = "metrics.csv", "summary.json", "dsc.png"

COLUMNS = ("subject", "case", "tissue", *METRICS, "missed_slices", "expected_dsc")
"""What is expected is of the whole case, the same in its rows."""


def write_evaluation(folder: Path, judged: Sequence[JudgedCase], about: Mapping[str, object]) -> None:
    """Write ``summary.json``, ``dsc.png`` and last, and whole, ``metrics.csv`` (a row per case and tissue).

    Args:
        folder: made if it is not there.
        judged: at least one case.
        about: what was judged, into the summary: name, version and checksum of the network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _plot(judged).savefig(folder / PLOT, dpi=150)
    summary = _summary(over_cases([case.scores for case in judged]), len(judged), about)
    gate = asdict(judge_gate(judged))
    summary["gate"] = gate | {"correlation": json_number(gate["correlation"])}
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    unfinished = folder / f".{SCORES}.part"
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_rows(judged))
    unfinished.replace(folder / SCORES)


def read_scores(file: Path) -> list[JudgedCase]:
    """Read back ``metrics.csv``."""
    cases: dict[tuple[str, str, float], list[TissueScore]] = {}
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            score = TissueScore(
                Tissue[row["tissue"].upper()],
                **{metric: float(row[metric] or "nan") for metric in METRICS},
                missed_slices=int(row["missed_slices"]),
            )
            case = (row["subject"], row["case"], float(row["expected_dsc"]))
            cases.setdefault(case, []).append(score)
    return [
        JudgedCase(subject, name, tuple(scores), expected)
        for (subject, name, expected), scores in cases.items()
    ]


def _rows(judged: Sequence[JudgedCase]) -> Iterable[tuple[object, ...]]:
    for case in judged:
        for score in case.scores:
            figures = (getattr(score, metric) for metric in METRICS)
            shown = ("" if math.isnan(figure) else f"{figure:.6g}" for figure in figures)
            named = (case.subject, case.name, score.tissue.name.lower())
            yield (*named, *shown, score.missed_slices, f"{case.expected_dsc:.6g}")


def _summary(summary: Summary, cases: int, about: Mapping[str, object]) -> dict[str, object]:
    return {
        "about": {**about, "cases": cases, "use": RESEARCH_USE_ONLY},
        "mean_over_tissues": {metric: json_number(over_tissues(summary, metric)) for metric in METRICS},
        "tissues": {
            tissue.name.lower(): {
                **{metric: found.metric(metric).as_json() for metric in METRICS},
                "missed_slices": found.missed_slices,
            }
            for tissue, found in summary.items()
        },
    }


def _plot(judged: Sequence[JudgedCase]) -> Figure:
    """DSC of each tissue (median, quartiles, outliers beyond 1.5 times their distance); true by expected."""
    figure = Figure(figsize=(13, 5), layout="constrained")
    axes, against = figure.subplots(1, 2, width_ratios=(2, 1))
    values = [
        [
            score.dsc
            for case in judged
            for score in case.scores
            if score.tissue == tissue and not math.isnan(score.dsc)
        ]
        for tissue in NAMES
    ]
    axes.boxplot(values, tick_labels=list(NAMES.values()))
    axes.set_ylabel("DSC")
    axes.set_ylim(top=1.0)
    axes.grid(axis="y", alpha=0.3)
    figure.suptitle(f"{len(judged)} case(s). {RESEARCH_USE_ONLY}", fontsize=10)
    against.scatter([case.expected_dsc for case in judged], [case.dsc for case in judged], s=12)
    against.axvline(LEAST_EXPECTED_DSC, color="grey", linestyle=":")
    against.axhline(POOR_DSC, color="grey", linestyle=":")
    against.set_xlabel("DSC the network expects, mean over regions")
    against.set_ylabel("true DSC, mean over tissues")
    against.grid(alpha=0.3)
    return figure
