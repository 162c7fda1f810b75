"""What the commands print: tables a person reads. Everything from outside is escaped."""

import json
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from node.status import NodeStatus, StudyStatus

MEASUREMENTS = "Measurements (research use only - not for diagnosis)"

SIDED_COLUMNS = (
    ("volume", "volume cm3"),
    ("fat_fraction", "fat %"),
    ("mean_hu", "HU"),
    ("volume_change", "change cm3"),
    ("disparity_ratio", "loss %"),
)


def status(now: NodeStatus) -> RenderableType:
    """One row a study, the newest first, and what was not accepted."""
    table = Table(title="Studies", title_justify="left")
    for column in ("Study Instance UID", "stands", "instances", "work", "results and deliveries"):
        table.add_column(column, overflow="fold")
    for study in now.studies:
        table.add_row(
            escape(study.study_instance_uid),
            study.state,
            _count(study),
            escape("\n".join(study.jobs)),
            escape("\n".join(_results(study) or study.reasons)),
        )
    rejected = [f"{now.rejected_instances} instance(s) were not accepted."] if now.rejected_instances else []
    return Group(table, *(escape(line) for line in rejected + now.last_rejections))


def measurements(result_json: Path) -> RenderableType:
    """The measurements and quality flags of a result.json."""
    result = json.loads(result_json.read_text(encoding="utf-8"))
    rows = result["measurements"]
    table = _of_both_sides(rows) if any(row["side"] for row in rows) else _one_by_one(rows)
    flags = [f"{flag['severity']}: {flag['text']}" for flag in result["quality"]]
    return Group(table, *(escape(line) for line in flags))


def _one_by_one(rows: list[dict[str, Any]]) -> Table:
    table = Table(title=MEASUREMENTS, title_justify="left")
    table.add_column("tissue")
    table.add_column("quantity")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for row in rows:
        table.add_row(
            escape(row["tissue_label"] or ""),
            escape(row["label"]),
            escape(_value(row, ".2f")),
            escape(row["unit"]),
        )
    return table


def _of_both_sides(rows: list[dict[str, Any]]) -> Table:
    """The main figures of each structure, left and right; all of them are in the report."""
    shown = {row["name"] for row in rows if row["value"] is not None}
    columns = [(name, words) for name, words in SIDED_COLUMNS if name in shown]
    of = {(row["tissue"], row["side"], row["name"]): row for row in rows}
    table = Table(title=MEASUREMENTS, title_justify="left")
    table.add_column("structure")
    for _, words in columns:
        table.add_column(f"{words}, left", justify="right")
        table.add_column("right", justify="right")
    for tissue, label in {row["tissue"]: row["tissue_label"] for row in rows if row["tissue"]}.items():
        cells = [of.get((tissue, side, name)) for name, _ in columns for side in ("left", "right")]
        if any(cells):
            table.add_row(
                escape(label), *("" if cell is None else _value(cell, ".1f", "-") for cell in cells)
            )
    return table


def _value(row: dict[str, Any], form: str, absent: str | None = None) -> str:
    if row["value"] is None:
        return row["absent_reason"] if absent is None else absent
    return format(row["value"], form)


def _count(study: StudyStatus) -> str:
    conflicts = f", {study.conflicts} in conflict" if study.conflicts else ""
    return f"{study.instances}{conflicts}"


def _results(study: StudyStatus) -> list[str]:
    return [
        f"{result.route}: "
        + ", ".join(
            f"{delivery.destination} {delivery.state}" + (f" ({delivery.reason})" if delivery.reason else "")
            for delivery in result.deliveries
        )
        for result in study.results
    ]
