"""Labels -> DICOM Segmentation (PS3.3 A.51; C.8.20)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

import highdicom as hd
import numpy as np
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentDescription
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import CTImageStorage

from dicom_out.codes import LATERALITY, RESEARCH_USE_ONLY, STRUCTURES
from dicom_out.coding import PRIVATE_SCHEME, PRIVATE_SCHEME_NAME
from dicom_out.equipment import MANUFACTURER, contributing_equipment, general_equipment
from dicom_out.identity import result_uid
from dicom_out.sources import cited, cited_together, plain_headers
from inference.result import ModelIdentity, Provenance, Result, Segment, SourceFrame

Form = Literal["BINARY", "LABELMAP"]

SERIES_NUMBER = 9001

EVERY_FRAME_UP_TO = 500
"""Frames of a BINARY Segmentation that are all written; of more, only those that show something."""


def make_segmentation(result: Result, form: Form, made: datetime) -> Segmentation:
    """Write the labels as a Segmentation on the grid of the source frames, Explicit VR Little Endian.

    Every structure has its segment, also one without a voxel. In a small BINARY Segmentation each has a frame
    for each plane: each measurement then has a frame to refer to, and viewers that place a Segmentation by
    its frames place it rightly. Many structures on many planes would take hundreds of megabytes, most of them
    zeros: there frames without a voxel are left out (``EVERY_FRAME_UP_TO``).

    Raises:
        inference.errors.Refused: a source image lacks an identifier or a frame of reference.
        ValueError: a source image lies elsewhere than its labels.
    """
    headers = _stand_ins(plain_headers(result))
    provenance = result.provenance
    segmentation = Segmentation(
        source_images=headers,
        pixel_array=result.labels.array.astype(np.uint8, copy=False),
        segmentation_type=form,
        segment_descriptions=[_describe(segment, result, form) for segment in result.segments],
        series_instance_uid=result_uid(result, form, "series", "SEG"),
        series_number=SERIES_NUMBER,
        sop_instance_uid=result_uid(result, form, "instance", "SEG"),
        instance_number=1,
        content_label="COXA",
        content_description=RESEARCH_USE_ONLY,
        series_description=series_description(provenance.route, "SEG"),
        series_date=made.date(),
        series_time=made.time(),
        content_date=made.date(),
        content_time=made.time(),
        contributing_equipment=[contributing_equipment(provenance, made)],
        coding_schemes=[private_coding_scheme()],
        omit_empty_frames=len(result.segments) * len(headers) > EVERY_FRAME_UP_TO,
        specific_character_set="ISO_IR 192",
        **general_equipment(provenance),
    )
    _fix_dimension_uid(segmentation, result_uid(result, form, "dimensions"))
    _cite_sources(segmentation, result.frames)
    return segmentation


def tracking(result: Result, form: Form, segment: Segment) -> tuple[str, str]:
    """Tracking ID and tracking UID of a segment, the same in the Segmentation and in the report."""
    name = " ".join(filter(None, [segment.side, segment.name]))
    return f"{result.provenance.route} {name}", result_uid(result, form, "segment", name)


@dataclass(frozen=True)
class FrameNumbers:
    """Which frame of a Segmentation shows a segment on a source frame."""

    _numbers: Mapping[tuple[int | None, str, int | None], int]

    @classmethod
    def of(cls, segmentation: Segmentation) -> Self:
        """Reads all frames once; those of a label map show every segment."""
        numbers = {}
        for number, groups in enumerate(segmentation.PerFrameFunctionalGroupsSequence, start=1):
            identification = groups.get("SegmentIdentificationSequence")
            segment_number = identification[0].ReferencedSegmentNumber if identification else None
            image = groups.DerivationImageSequence[0].SourceImageSequence[0]
            source = str(image.ReferencedSOPInstanceUID), image.get("ReferencedFrameNumber")
            numbers[segment_number, *source] = number
        return cls(numbers)

    def find(self, segment_number: int, source: SourceFrame) -> int | None:
        """The frame's number, from 1; None where the segment has no voxel and therefore no frame."""
        cited_source = str(source.dataset.SOPInstanceUID), source.frame_number
        own = self._numbers.get((segment_number, *cited_source))
        return own if own is not None else self._numbers.get((None, *cited_source))


def algorithm_family(model: ModelIdentity) -> Code:
    """PS3.16 CID 7162: a network has weights, a protocol of thresholds and morphology has none."""
    families = codes.cid7162
    family: Code = (
        families.ArtificialIntelligence if model.weights_sha256 else families.MorphologicalOperations
    )
    return family


def series_description(route: str, modality: str) -> str:
    """What a worklist shows; at most 64 characters."""
    return f"Coxa {route[:24]} {modality} - research use only"


def private_coding_scheme() -> CodingSchemeIdentificationItem:
    """What 99COXA stands for (PS3.3 C.12.1.1.1)."""
    return CodingSchemeIdentificationItem(
        PRIVATE_SCHEME, name=PRIVATE_SCHEME_NAME, responsible_organization=MANUFACTURER
    )


def _describe(segment: Segment, result: Result, form: Form) -> SegmentDescription:
    structure = STRUCTURES[segment.name]
    tracking_id, tracking_uid = tracking(result, form, segment)
    description = SegmentDescription(
        segment_number=segment.number,
        segment_label=" ".join(filter(None, [structure.label, segment.side])),
        segmented_property_category=structure.category,
        segmented_property_type=structure.property_type,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=_algorithm(result.provenance),
        tracking_id=tracking_id,
        tracking_uid=tracking_uid,
        anatomic_regions=[structure.region],
        display_color=structure.cielab,
    )
    if segment.side:
        property_type = description.segmented_property_type
        property_type.SegmentedPropertyTypeModifierCodeSequence = [
            hd.sr.CodedConcept.from_code(LATERALITY[segment.side])
        ]
    return description


def _algorithm(provenance: Provenance) -> hd.AlgorithmIdentificationSequence:
    return hd.AlgorithmIdentificationSequence(
        name=provenance.model.name,
        family=algorithm_family(provenance.model),
        version=provenance.model.version,
        source=MANUFACTURER,
        parameters=dict(provenance.settings),
    )


def _fix_dimension_uid(segmentation: Segmentation, uid: str) -> None:
    """Replaces the one UID that highdicom draws at random."""
    segmentation.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for dimension in segmentation.DimensionIndexSequence:
        dimension.DimensionOrganizationUID = uid


def _stand_ins(headers: list[Dataset]) -> list[Dataset]:
    """Headers that pass for single images: highdicom takes no part of a multi-frame image, nor several."""
    for number, header in enumerate(headers):
        header.SOPClassUID = CTImageStorage
        header.SOPInstanceUID = f"2.25.{number}"
    return headers


def _cite_sources(segmentation: Segmentation, frames: Sequence[SourceFrame]) -> None:
    """Points every reference to a stand-in at the source frame it stands for."""
    frame_of = {f"2.25.{number}": frame for number, frame in enumerate(frames)}
    for groups in segmentation.PerFrameFunctionalGroupsSequence:
        image = groups.DerivationImageSequence[0].SourceImageSequence[0]
        # highdicom lets the frames of all segments on a plane share one item, which is then already done.
        if frame := frame_of.get(image.ReferencedSOPInstanceUID):
            image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID, numbers = cited(frame)
            if numbers:
                image.ReferencedFrameNumber = numbers
    instances = [_instance(*uids) for *uids, _ in cited_together(frames)]
    segmentation.SourceImageSequence = instances
    segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence = instances


def _instance(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item
