"""Measurements -> measurement groups of a TID 1500 report (PS3.16 TID 1410, 1411 and 1501)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from highdicom import sr
from highdicom.seg import Segmentation
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_out.codes import LATERALITY, QUANTITIES, STRUCTURES, UNITS
from dicom_out.equipment import MANUFACTURER
from dicom_out.identity import result_uid
from dicom_out.segmentation import Form, algorithm_family, frame_number, tracking
from dicom_out.sources import cited, cited_together
from inference.result import Measurement, Result, SourceFrame

Group = (
    sr.VolumetricROIMeasurementsAndQualitativeEvaluations
    | sr.PlanarROIMeasurementsAndQualitativeEvaluations
    | sr.MeasurementsAndQualitativeEvaluations
)

ABSENT = codes.cid42.ValueIndeterminate
"""Value of the evaluation that stands for a measurement without a value; a comment says why."""


@dataclass(frozen=True)
class MeasurementGroups:
    """Sorts the measurements of a result into groups.

    What was measured on one segment over all slices goes into a volumetric group that refers to the segment
    (TID 1411); what was measured on one slice of it into a planar group that refers to the segment's frame on
    that slice (TID 1410); what was measured over several segments into a group that refers to the source
    images (TID 1501). The groups of a segment carry its tracking identifiers.
    """

    result: Result
    segmentation: Segmentation
    form: Form

    def make(self) -> list[Group]:
        """All groups, in the order of the measurements."""
        together = defaultdict[tuple[int | None, int | None, Code | None], list[Measurement]](list)
        for measurement in self.result.measurements:
            finding = QUANTITIES[measurement.quantity].finding
            together[measurement.segment_number, measurement.source_frame, finding].append(measurement)
        return [
            self._over_segments(finding, self._frames(source_frame), measurements)
            if segment_number is None
            else self._of_segment(segment_number, source_frame, measurements)
            for (segment_number, source_frame, finding), measurements in together.items()
        ]

    def _frames(self, source_frame: int | None) -> tuple[SourceFrame, ...]:
        frames = self.result.frames
        return frames if source_frame is None else (frames[source_frame],)

    def _of_segment(
        self, segment_number: int, source_frame: int | None, measurements: Sequence[Measurement]
    ) -> Group:
        segment = next(s for s in self.result.segments if s.number == segment_number)
        structure = STRUCTURES[segment.name]
        tracking_id, tracking_uid = tracking(self.result, self.form, segment)
        content = self._content(measurements) | {
            "tracking_identifier": sr.TrackingIdentifier(uid=tracking_uid, identifier=tracking_id),
            "finding_category": structure.category,
            "finding_type": structure.property_type,
            "finding_sites": [sr.FindingSite(structure.region, laterality=LATERALITY[segment.side])],
        }
        target = (self.segmentation.SOPClassUID, self.segmentation.SOPInstanceUID)
        if source_frame is None:
            images = [sr.SourceImageForSegmentation(*c) for c in cited_together(self.result.frames)]
            whole = sr.ReferencedSegment(*target, segment_number, source_images=images)
            return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=whole, **content)
        frame = self.result.frames[source_frame]
        plane = sr.ReferencedSegmentationFrame(
            *target,
            frame_number=frame_number(self.segmentation, segment_number, frame),
            segment_number=segment_number,
            source_image=sr.SourceImageForSegmentation(*cited(frame)),
        )
        # A reference names frames or segments, never both (PS3.3 Table 10-3).
        del plane[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
        return sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_segment=plane, **content)

    def _over_segments(
        self, finding: Code | None, frames: Sequence[SourceFrame], measurements: Sequence[Measurement]
    ) -> Group:
        name = finding.meaning if finding else "whole result"
        uid = result_uid(self.result, self.form, "several segments", name)
        return sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(
                uid=uid, identifier=f"{self.result.provenance.route} {name}"
            ),
            finding_type=finding,
            source_images=[sr.SourceImageForMeasurementGroup(*c) for c in cited_together(frames)],
            **self._content(measurements),
        )

    def _content(self, measurements: Sequence[Measurement]) -> dict[str, Any]:
        model = self.result.provenance.model
        return {
            "algorithm_id": sr.AlgorithmIdentification(
                name=model.name,
                version=model.version,
                parameters=[f"{key}={value}" for key, value in self.result.provenance.settings.items()],
                family=algorithm_family(model),
                manufacturer=MANUFACTURER,
            ),
            "measurements": [_number(m, m.value) for m in measurements if m.value is not None],
            "qualitative_evaluations": [_absence(m) for m in measurements if m.value is None],
        }


def comment(text: str, relationship: sr.RelationshipTypeValues) -> sr.TextContentItem:
    """Free text in a report."""
    return sr.TextContentItem(codes.DCM.Comment, text, relationship)


def _number(measurement: Measurement, value: float) -> sr.Measurement:
    quantity = QUANTITIES[measurement.quantity]
    return sr.Measurement(
        name=quantity.name,
        value=value,
        unit=UNITS[measurement.unit],
        derivation=quantity.derivation,
        method=quantity.method,
    )


def _absence(measurement: Measurement) -> sr.QualitativeEvaluation:
    """A code where a number would be: readers do not expect a number without a value."""
    evaluation = sr.QualitativeEvaluation(QUANTITIES[measurement.quantity].name, ABSENT)
    reason = measurement.absent_reason or "No reason was given."
    evaluation[0].ContentSequence = sr.ContentSequence(
        [comment(reason, sr.RelationshipTypeValues.HAS_PROPERTIES)]
    )
    return evaluation
