"""What a worker process does: plain functions of plain values, also called by ``coxa process``.

Only here does the node meet pixels, and only in a worker: the heavy rooms are imported when they are used, so
that the process that receives never loads them.
"""

import os
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from node.jobs import FinishedResult

if TYPE_CHECKING:
    from dicom_out.objects import WrittenObjects
    from dicom_out.report import ObjectReference
    from inference.facts import SeriesFacts

UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class MeasureRequest:
    """One route on one series.

    Attributes:
        files: every instance of the series.
        route: name of the route.
        pipeline: name of the pipeline the route runs.
        bundle: folder of the network it uses; None for the one that Coxa comes with.
        segmentation: ``BINARY`` or ``LABELMAP``.
        supersedes: the result whose report the new one replaces, if there is one.
    """

    files: Sequence[Path]
    route: str
    pipeline: str
    bundle: Path | None
    segmentation: Literal["BINARY", "LABELMAP"]
    supersedes: FinishedResult | None = None


def examine(series: Mapping[str, Sequence[Path]], keywords: Collection[str]) -> "list[SeriesFacts]":
    """The facts of each series, for routing. A series that cannot be read has facts that say so."""
    from inference import facts

    return [
        # The UID under which the series was received: its headers may be too broken to say it.
        replace(facts.examine(files, keywords), series_instance_uid=series_instance_uid)
        for series_instance_uid, files in series.items()
    ]


def measure(request: MeasureRequest, folder: Path) -> "WrittenObjects":
    """Segments, measures, and writes SEG, SR, overlay and result.json into ``folder``.

    Raises:
        inference.errors.Refused: the series cannot be measured safely.
    """
    from dicom_out.objects import write_objects
    from inference.pipelines import load_pipeline
    from inference.volume import read_layout

    result = load_pipeline(request.pipeline, request.bundle)(read_layout(request.files), request.route)
    earlier = request.supersedes
    return write_objects(
        result,
        folder,
        form=request.segmentation,
        supersedes=None if earlier is None else _report_of(earlier),
    )


def measure_durably(request: MeasureRequest, results_folder: Path) -> FinishedResult:
    """Measures into a new folder that appears under its name only when all is in it and on disk.

    Identities are derived, so the same work once more finds its folder there already, and keeps it.

    Raises:
        inference.errors.Refused: the series cannot be measured safely.
    """
    results_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=results_folder))
    try:
        report = measure(request, unfinished).report
        final = results_folder / report.sop_instance_uid
        if not final.exists():
            for path in unfinished.iterdir():
                _sync(path)
            _sync(unfinished)
            unfinished.rename(final)
            _sync(results_folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return FinishedResult(
        final.name, report.series_instance_uid, report.sop_class_uid, report.sop_instance_uid
    )


def _report_of(made: FinishedResult) -> "ObjectReference":
    from dicom_out.report import ObjectReference

    return ObjectReference(
        made.report_series_instance_uid, made.report_sop_class_uid, made.report_sop_instance_uid
    )


def sweep(results_folder: Path, known: Collection[str]) -> None:
    """Removes what no row knows: half written by a worker that died, or superseded before it was done.

    Call it only while no worker runs.
    """
    if results_folder.is_dir():
        for folder in results_folder.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
