"""Measurements -> Comprehensive 3D SR after TID 1500 (PS3.16), as the IHE AI Results profile wants it."""

from dataclasses import dataclass
from datetime import datetime

from highdicom import sr
from highdicom.seg import Segmentation
from highdicom.sr.utils import find_content_items
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_out.codes import RESEARCH_USE_ONLY, SEVERITIES, UNITS, quality_code
from dicom_out.coding import private_code
from dicom_out.equipment import MANUFACTURER, contributing_equipment, general_equipment
from dicom_out.identity import device_serial_number, device_uid, result_uid
from dicom_out.measurement_groups import MeasurementGroups, comment
from dicom_out.segmentation import Form, private_coding_scheme, series_description
from dicom_out.sources import plain_headers
from inference.result import ModelIdentity, Prior, QualityFlag, Result, SourceFrame

SERIES_NUMBER = 9002

ENGLISH = sr.CodedConcept("en-GB", "RFC5646", "English (United Kingdom)")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
INTERVAL_SINCE_PRIOR = private_code("PRIOR_INTERVAL", "Interval since the prior study")
REMEASURED = private_code("PRIOR_REMEASURED", "Prior images measured again by the same model")
PRIOR_REPORT = private_code("PRIOR_REPORT", "SOP Instance UID of the prior report")

HAS_PROPERTIES = sr.RelationshipTypeValues.HAS_PROPERTIES
CONTAINS = sr.RelationshipTypeValues.CONTAINS


@dataclass(frozen=True)
class ObjectReference:
    """An object of the study of the result."""

    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def make_report(
    result: Result, segmentation: Segmentation, form: Form, made: datetime, supersedes: ObjectReference | None
) -> sr.Comprehensive3DSR:
    """Write the measurements as a complete, unverified report.

    Args:
        result: what was measured.
        segmentation: the Segmentation of the same result, to which the measurements refer.
        form: of that Segmentation.
        made: when.
        supersedes: the earlier report on the same study that this one replaces. It is history, not work, and
            has no part in the identity: the same images measured again are the same report.
    """
    provenance = result.provenance
    headers = plain_headers(result)
    return sr.Comprehensive3DSR(
        evidence=[*headers, segmentation],
        content=_content(result, segmentation, form, headers),
        series_instance_uid=result_uid(result, form, "series", "SR"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=result_uid(result, form, "instance", "SR"),
        instance_number=1,
        is_complete=True,
        is_final=False,
        is_verified=False,
        previous_versions=[_predecessor(supersedes, segmentation)] if supersedes else None,
        series_description=series_description(provenance.route, "SR"),
        series_date=made.date(),
        series_time=made.time(),
        content_date=made.date(),
        content_time=made.time(),
        contributing_equipment=[contributing_equipment(provenance, made)],
        coding_schemes=[private_coding_scheme()],
        specific_character_set="ISO_IR 192",
        **general_equipment(provenance),
    )


def _content(
    result: Result, segmentation: Segmentation, form: Form, headers: list[Dataset]
) -> sr.MeasurementReport:
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_observer(result.provenance.model)),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=MeasurementGroups(result, segmentation, form).make(),
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(ENGLISH),
        referenced_images=headers,
    )
    _number_library_frames(content, result.frames)
    content[0].ContentSequence.append(_evaluations(result))
    return content


def _observer(model: ModelIdentity) -> sr.ObserverContext:
    return sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=device_uid(model),
            name=f"{MANUFACTURER} {model.name} {model.version}",
            manufacturer_name=MANUFACTURER,
            model_name=model.name,
            serial_number=device_serial_number(model),
        ),
    )


def _number_library_frames(content: sr.MeasurementReport, frames: tuple[SourceFrame, ...]) -> None:
    """Names the frames of multi-frame images in the image library, which highdicom cannot."""
    library = find_content_items(content[0], name=codes.DCM.ImageLibrary)[0]
    images = find_content_items(library, value_type=sr.ValueTypeValues.IMAGE, recursive=True)
    for image, frame in zip(images, frames, strict=True):
        if frame.frame_number is not None:
            image.ReferencedSOPSequence[0].ReferencedFrameNumber = frame.frame_number


def _evaluations(result: Result) -> sr.ContainerContentItem:
    """Row 12 of TID 1500: what holds for the report as a whole."""
    container = sr.ContainerContentItem(QUALITATIVE_EVALUATIONS, relationship_type=CONTAINS)
    container.ContentSequence = sr.ContentSequence([comment(RESEARCH_USE_ONLY, CONTAINS)])
    if result.prior:
        container.ContentSequence.append(_comparison(result.prior))
    for flag in result.quality:
        container.ContentSequence.append(_evaluation(flag))
    return container


def _evaluation(flag: QualityFlag) -> sr.CodeContentItem:
    evaluation = sr.CodeContentItem(quality_code(flag.code), SEVERITIES[flag.severity], CONTAINS)
    evaluation.ContentSequence = sr.ContentSequence([comment(flag.text, HAS_PROPERTIES)])
    return evaluation


def _comparison(prior: Prior) -> sr.CodeContentItem:
    """With what the measurements of change were made.

    The prior's report is of another study and named by its identifier alone: a reference to an object of
    another study needs that study's UID too (PS3.3 C.17.2.1).
    """
    comparison = sr.CodeContentItem(codes.DCM.ComparisonWithPriorStudyDone, codes.SCT.Yes, CONTAINS)
    remeasured = codes.SCT.Yes if prior.remeasured else codes.SCT.No
    items: list[sr.ContentItem] = [
        sr.DateContentItem(codes.DCM.StudyDate, prior.study_date, HAS_PROPERTIES),
        sr.NumContentItem(INTERVAL_SINCE_PRIOR, prior.interval_days, UNITS["d"], None, HAS_PROPERTIES),
        sr.TextContentItem(codes.DCM.AlgorithmName, prior.model.name, HAS_PROPERTIES),
        sr.TextContentItem(codes.DCM.AlgorithmVersion, prior.model.version, HAS_PROPERTIES),
        sr.CodeContentItem(REMEASURED, remeasured, HAS_PROPERTIES),
    ]
    if prior.report_uids:
        *_, instance_uid = prior.report_uids
        items.append(sr.UIDRefContentItem(PRIOR_REPORT, instance_uid, HAS_PROPERTIES))
    comparison.ContentSequence = sr.ContentSequence(items)
    return comparison


def _predecessor(earlier: ObjectReference, segmentation: Segmentation) -> Dataset:
    predecessor = Dataset()
    predecessor.StudyInstanceUID = segmentation.StudyInstanceUID
    predecessor.SeriesInstanceUID = earlier.series_instance_uid
    predecessor.SOPClassUID = earlier.sop_class_uid
    predecessor.SOPInstanceUID = earlier.sop_instance_uid
    return predecessor
