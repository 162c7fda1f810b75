"""The one way from a Result to files: what the node sends and ``coxa process`` leaves behind."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from pydicom import Dataset

from dicom_out.pictures import draw_overlay
from dicom_out.report import ObjectReference, make_report
from dicom_out.segmentation import Form, make_segmentation
from dicom_out.sources import discreet
from dicom_out.summary import summarise
from inference.result import Result


@dataclass(frozen=True)
class WrittenObjects:
    """What ``write_objects`` left in its folder.

    Attributes:
        segmentation: DICOM Segmentation, in ``seg.dcm``.
        report: Comprehensive 3D SR, in ``sr.dcm``; to be passed as ``supersedes`` when it is replaced.
        overlay_path: picture of the reference slice, for people.
        summary_path: measurements, quality and provenance, as JSON.
    """

    segmentation: ObjectReference
    segmentation_path: Path
    report: ObjectReference
    report_path: Path
    overlay_path: Path
    summary_path: Path


def write_objects(
    result: Result, folder: Path, *, form: Form = "BINARY", supersedes: ObjectReference | None = None
) -> WrittenObjects:
    """Write seg.dcm, sr.dcm, overlay.png and result.json into a folder.

    Args:
        result: what a pipeline found.
        folder: exists and is the caller's own.
        form: of the Segmentation; many receivers know only ``BINARY``.
        supersedes: the report on an earlier state of the same study, which the new report then names as its
            predecessor.

    Raises:
        inference.errors.Refused: a source image lacks an identifier or a frame of reference.
        ValueError: a source image lies elsewhere than its labels.
    """
    made = datetime.now().astimezone()
    with discreet():
        segmentation = make_segmentation(result, form, made)
        report = make_report(result, segmentation, form, made, supersedes)
        segmentation.save_as(folder / "seg.dcm", enforce_file_format=True)
        report.save_as(folder / "sr.dcm", enforce_file_format=True)
    draw_overlay(result, folder / "overlay.png")
    written = WrittenObjects(
        segmentation=_refer(segmentation),
        segmentation_path=folder / "seg.dcm",
        report=_refer(report),
        report_path=folder / "sr.dcm",
        overlay_path=folder / "overlay.png",
        summary_path=folder / "result.json",
    )
    objects = {"segmentation": asdict(written.segmentation), "report": asdict(written.report)}
    summary = json.dumps(summarise(result) | {"objects": objects}, indent=2, ensure_ascii=False)
    written.summary_path.write_text(summary + "\n", encoding="utf-8")
    return written


def _refer(instance: Dataset) -> ObjectReference:
    return ObjectReference(
        str(instance.SeriesInstanceUID), str(instance.SOPClassUID), str(instance.SOPInstanceUID)
    )
