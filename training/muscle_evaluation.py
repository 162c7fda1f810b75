"""Judges a thigh-muscle network on whole series; keeps every score, their summary and a picture on disk."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from inference.engines import best_engine
from inference.muscle_bundle import MuscleBundle
from inference.muscle_labelling import label_muscles
from inference.muscle_labels import MuscleLabeller
from training.evaluation_files import SCORES
from training.judged_muscles import JUDGED, NAMES
from training.muscle_cases import MuscleCases, Spacing
from training.muscle_metrics import METRICS, StructureScore, score_volume
from training.muscle_summary import (
    JudgedVolume,
    MuscleSummary,
    mean_correlation,
    over_muscles,
    over_volumes,
)
from training.muscle_tables import muscle_table
from training.summary import json_number
from training.tables import RESEARCH_USE_ONLY, markdown

SUMMARY, PLOT, TABLE = "summary.json", "muscles.png", "muscles.md"

COLUMNS = ("subject", "case", "structure", *METRICS, "volume_cm3", "true_volume_cm3")

LabelVolume = Callable[[NDArray[np.int16], Spacing], NDArray[np.uint8]]
"""(HU, spacing in mm) -> values of ``ThighStructure``; arrays and spacing as in ``MuscleCase``."""


def muscle_labeller(bundle: MuscleBundle) -> LabelVolume:
    """The network of a bundle with all that the product does around it."""
    labeller = MuscleLabeller(bundle, best_engine())
    return lambda hu, spacing_mm: label_muscles(labeller, hu, spacing_mm).labels


def judge_volumes(label: LabelVolume, cases: MuscleCases, console: Console) -> list[JudgedVolume]:
    """Label every case and score it, with progress and remaining time.

    Args:
        label: labels a series as the product does.
        cases: read or made one after the other.
        console: for progress.
    """
    return [
        JudgedVolume(
            case.subject,
            case.name,
            tuple(score_volume(label(case.hu, case.spacing_mm), case.labels, case.spacing_mm)),
        )
        for case in track(cases, "Judging cases", total=len(cases), console=console)
    ]


def write_volume_scores(folder: Path, judged: Sequence[JudgedVolume], about: Mapping[str, object]) -> None:
    """Write ``summary.json``, ``muscles.png``, ``muscles.md`` and last, and whole, ``metrics.csv``.

    Args:
        folder: made if it is not there.
        judged: at least one case.
        about: what was judged, into the summary: ``name``, ``version`` and what else is known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    summary = over_volumes(judged)
    _plot(judged).savefig(folder / PLOT, dpi=150)
    document = _document(summary, len(judged), about)
    (folder / SUMMARY).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    title = (
        f"{' '.join(str(about[key]) for key in ('name', 'version') if key in about)}: {len(judged)} case(s)"
    )
    (folder / TABLE).write_text(markdown(muscle_table(summary, title)), encoding="utf-8")
    unfinished = folder / f".{SCORES}.part"
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_rows(judged))
    unfinished.replace(folder / SCORES)


def read_volume_scores(file: Path) -> list[JudgedVolume]:
    """Read back ``metrics.csv``."""
    label_of = {NAMES[label]: label for label in JUDGED}
    cases: dict[tuple[str, str], list[StructureScore]] = {}
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            score = StructureScore(
                label_of[row["structure"]],
                float(row["dsc"]),
                float(row["assd_mm"] or "nan"),
                float(row["volume_cm3"]),
                float(row["true_volume_cm3"]),
            )
            cases.setdefault((row["subject"], row["case"]), []).append(score)
    return [JudgedVolume(subject, name, tuple(scores)) for (subject, name), scores in cases.items()]


def _rows(judged: Sequence[JudgedVolume]) -> Iterable[tuple[object, ...]]:
    for case in judged:
        for score in case.scores:
            figures = (getattr(score, column) for column in COLUMNS[3:])
            shown = ("" if math.isnan(figure) else f"{figure:.6g}" for figure in figures)
            yield (case.subject, case.name, NAMES[score.label], *shown)


def _document(summary: MuscleSummary, cases: int, about: Mapping[str, object]) -> dict[str, object]:
    return {
        "about": {**about, "cases": cases, "use": RESEARCH_USE_ONLY},
        "mean_over_muscles": {
            **{metric: json_number(over_muscles(summary, metric).mean) for metric in METRICS},
            "volume_correlation": json_number(mean_correlation(summary)),
        },
        "structures": {
            NAMES[label]: {
                **{metric: found.metric(metric).as_json() for metric in METRICS},
                "volume_correlation": json_number(found.correlation),
            }
            for label, found in summary.items()
        },
    }


def _plot(judged: Sequence[JudgedVolume]) -> Figure:
    """DSC of each structure (median, quartiles, outliers beyond 1.5 times their distance); volumes."""
    scores = [score for case in judged for score in case.scores]
    labels = [label for label in JUDGED if any(score.label == label for score in scores)]
    figure = Figure(figsize=(14, 7), layout="constrained")
    axes, volumes = figure.subplots(1, 2, width_ratios=(3, 2))
    axes.boxplot(
        [[score.dsc for score in scores if score.label == label] for label in labels],
        tick_labels=[NAMES[label].replace("_", " ").replace("+", "\n+ ") for label in labels],
        orientation="horizontal",
    )
    axes.invert_yaxis()
    axes.set_xlabel("DSC")
    axes.set_xlim(right=1.0)
    axes.grid(axis="x", alpha=0.3)
    volumes.scatter([score.true_volume_cm3 for score in scores], [score.volume_cm3 for score in scores], s=12)
    most = max((score.true_volume_cm3 for score in scores), default=1.0)
    volumes.plot((0, most), (0, most), color="grey", linewidth=1)
    volumes.set_xlabel("true volume, cm3")
    volumes.set_ylabel("found volume, cm3")
    volumes.grid(alpha=0.3)
    figure.suptitle(f"{len(judged)} case(s). {RESEARCH_USE_ONLY}", fontsize=10)
    return figure
