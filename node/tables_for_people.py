"""What the commands print: tables a person reads. Everything from outside is escaped."""

import json
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from node.status import NodeStatus, StudyStatus


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
    table = Table(title="Measurements (research use only - not for diagnosis)", title_justify="left")
    table.add_column("tissue")
    table.add_column("quantity")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for row in result["measurements"]:
        value = row["absent_reason"] if row["value"] is None else f"{row['value']:.2f}"
        table.add_row(
            escape(row["tissue_label"] or ""), escape(row["label"]), escape(value), escape(row["unit"])
        )
    flags = [f"{flag['severity']}: {flag['text']}" for flag in result["quality"]]
    return Group(table, *(escape(line) for line in flags))


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
