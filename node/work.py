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

from node.clinical import ClinicalRow, read_clinical, rows_for
from node.config import ConfigurationError
from node.jobs import FinishedResult, StudiedPatient
from node.priors import KEYWORDS, studied_patient

if TYPE_CHECKING:
    from dicom_out.objects import WrittenObjects
    from dicom_out.report import ObjectReference
    from inference.facts import SeriesFacts
    from inference.follow_up import Earlier
    from inference.fractures import Fracture
    from inference.pipelines import Pipeline
    from inference.result import Result

UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class Examination:
    """What an examination found: of each series for routing, and whose study it is, if that can be told."""

    facts: "list[SeriesFacts]"
    patient: StudiedPatient | None


@dataclass(frozen=True)
class Prior:
    """With what a result is compared.

    Attributes:
        path: folder of the earlier result; also a report of it, or a folder with reports.
        files: every instance of its series; empty where they are not known.
    """

    path: Path
    files: Sequence[Path] = ()


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
        prior: the patient's earlier result, if there is one.
        clinical: the operator's table of what the images do not say.
    """

    files: Sequence[Path]
    route: str
    pipeline: str
    bundle: Path | None
    segmentation: Literal["BINARY", "LABELMAP"]
    supersedes: FinishedResult | None = None
    prior: Prior | None = None
    clinical: Path | None = None


def examine(series: Mapping[str, Sequence[Path]], keywords: Collection[str]) -> "list[SeriesFacts]":
    """The facts of each series, for routing. A series that cannot be read has facts that say so."""
    from inference import facts

    return [
        # The UID under which the series was received: its headers may be too broken to say it.
        replace(facts.examine(files, keywords), series_instance_uid=series_instance_uid)
        for series_instance_uid, files in series.items()
    ]


def examine_study(
    series: Mapping[str, Sequence[Path]], keywords: Collection[str], secret_file: Path
) -> Examination:
    """As ``examine``; also whose study it is, as a key. The identifiers themselves stay in the worker."""
    facts = examine(series, {*keywords, *KEYWORDS})
    patient = studied_patient([one.header for one in facts], secret_file.read_bytes())
    asked = [replace(one, header={key: one.header[key] for key in keywords}) for one in facts]
    return Examination(asked, patient)


def measure(request: MeasureRequest, folder: Path) -> "WrittenObjects":
    """Segments, measures, and writes SEG, SR, overlay and result.json into ``folder``.

    Raises:
        inference.errors.Refused: the series cannot be measured safely.
    """
    from dicom_out.objects import write_objects
    from inference.pipelines import load_pipeline
    from inference.volume import read_layout

    pipeline = load_pipeline(request.pipeline, request.bundle)
    result = pipeline(read_layout(request.files), request.route)
    if request.prior:
        result = _compared(result, request.prior, pipeline)
    result = _with_clinic(result, request.clinical)
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


def _compared(result: "Result", prior: Prior, pipeline: "Pipeline") -> "Result":
    """What changed since the prior, measured again if another model or version of Coxa had measured it."""
    from dicom_out.read_back import read_earlier
    from inference.errors import Refused
    from inference.follow_up import can_be_compared, compare, made_alike
    from inference.result import QualityFlag, Severity

    if not can_be_compared(result):
        return result
    earlier, why_not = None, ""
    try:
        earlier = read_earlier(prior.path, pipeline.model)
    except Refused as refusal:
        why_not = refusal.reason
    if earlier is None or not made_alike(earlier, result):
        earlier = _measured_again(prior, pipeline, result.provenance.route, earlier) or earlier
    if earlier is None:
        flag = QualityFlag("prior_not_compared", Severity.NOTE, why_not)
        return replace(result, quality=(*result.quality, flag))
    return compare(result, earlier)


def _measured_again(
    prior: Prior, pipeline: "Pipeline", route: str, known: "Earlier | None"
) -> "Earlier | None":
    """The prior by the present model; None where its images are not here any more, or are refused."""
    from inference.errors import Refused
    from inference.follow_up import as_earlier
    from inference.volume import read_layout

    if not prior.files or not all(path.is_file() for path in prior.files):
        return None
    try:
        again = as_earlier(pipeline(read_layout(prior.files), route))
    except Refused:
        return None
    if again is None:
        return None
    return replace(again, report_uids=known.report_uids if known else None, remeasured=True)


def _with_clinic(result: "Result", table: Path | None) -> "Result":
    """What is known of fracture, operation and height, from the table and from codes in the images."""
    from inference.fractures import coded_fractures, with_fractures, with_height
    from inference.headers import text
    from inference.result import QualityFlag, Severity

    header = result.frames[0].dataset
    rows: list[ClinicalRow] = []
    try:
        if table is not None:
            who = (text(header, keyword) for keyword in ("PatientID", "IssuerOfPatientID", "AccessionNumber"))
            rows = rows_for(read_clinical(table), *who)
    except ConfigurationError:
        # The table is for all patients: a mistake in it must not keep any of them from being measured. The
        # error names a file of this machine, and reports leave the house.
        words = "The clinical table could not be used; `coxa check` says why."
        flag = QualityFlag("clinical_table_unusable", Severity.WARNING, words)
        result = replace(result, quality=(*result.quality, flag))
    height_m = next((row.height_m for row in rows if row.height_m), None)
    if height_m:
        result = with_height(result, height_m)
    return with_fractures(result, [*(filter(None, map(_fracture, rows))), *coded_fractures(header)])


def _fracture(row: ClinicalRow) -> "Fracture | None":
    from inference.fractures import Fracture
    from inference.result import Side

    if not (row.fracture_type or row.fracture_side or row.surgery_date):
        return None
    side = Side(row.fracture_side) if row.fracture_side else None
    return Fracture(row.fracture_type, side, row.surgery_date, "from the clinical table")


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
