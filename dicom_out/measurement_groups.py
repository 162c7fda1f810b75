"""Measurements -> measurement groups of a TID 1500 report (PS3.16 TID 1410, 1411 and 1501)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

from highdicom import sr
from highdicom.seg import Segmentation
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_out.codes import LATERALITY, QUANTITIES, STRUCTURES, UNITS
from dicom_out.coding import Structure
from dicom_out.equipment import MANUFACTURER
from dicom_out.identity import result_uid
from dicom_out.segmentation import Form, FrameNumbers, algorithm_family, tracking
from dicom_out.sources import cited, cited_together
from inference.result import Measurement, Result, Segment, Side

Group = (
    sr.VolumetricROIMeasurementsAndQualitativeEvaluations
    | sr.PlanarROIMeasurementsAndQualitativeEvaluations
    | sr.MeasurementsAndQualitativeEvaluations
)

ABSENT = codes.cid42.ValueIndeterminate
"""Value of the evaluation that stands for a measurement without a value; a comment says why."""

EVERY_IMAGE_UP_TO = 20
"""Source images that each group over all slices lists; of more it names only their series."""


class _Subject(NamedTuple):
    """On what several measurements were made: they go into one group."""

    segment_number: int | None
    source_frame: int | None
    structure: str | None
    side: Side | None
    finding: Code | None

    @classmethod
    def of(cls, measurement: Measurement) -> Self:
        return cls(
            measurement.segment_number,
            measurement.source_frame,
            measurement.structure,
            measurement.side,
            QUANTITIES[measurement.quantity].finding,
        )


@dataclass(frozen=True)
class MeasurementGroups:
    """Sorts the measurements of a result into groups.

    What was measured on one segment over all slices goes into a volumetric group that refers to the segment
    (TID 1411); what was measured on one slice of it into a planar group that refers to the segment's frame on
    that slice (TID 1410). What was measured over several segments goes into a group that refers to the source
    images (TID 1501), and so does what was measured on a slice where the segment has no frame. The groups of
    a segment carry its tracking identifiers.
    """

    result: Result
    segmentation: Segmentation
    form: Form

    def make(self) -> list[Group]:
        """All groups, in the order of their first measurements."""
        together = defaultdict[_Subject, list[Measurement]](list)
        for measurement in self.result.measurements:
            together[_Subject.of(measurement)].append(measurement)
        return [
            self._over_segments(subject, measurements)
            if subject.segment_number is None
            else self._of_segment(subject.segment_number, subject.source_frame, measurements)
            for subject, measurements in together.items()
        ]

    @cached_property
    def _frame_numbers(self) -> FrameNumbers:
        return FrameNumbers.of(self.segmentation)

    @cached_property
    def _segments(self) -> dict[int, Segment]:
        return {segment.number: segment for segment in self.result.segments}

    @cached_property
    def _all_images(self) -> list[tuple[str, str, list[int] | None]]:
        return cited_together(self.result.frames)

    def _source(self) -> dict[str, Any]:
        if len(self._all_images) > EVERY_IMAGE_UP_TO:
            series_uid = self.result.frames[0].dataset.SeriesInstanceUID
            return {"source_series": sr.SourceSeriesForSegmentation(series_uid)}
        return {"source_images": [sr.SourceImageForSegmentation(*c) for c in self._all_images]}

    def _of_segment(
        self, segment_number: int, source_frame: int | None, measurements: Sequence[Measurement]
    ) -> Group:
        segment = self._segments[segment_number]
        tracking_id, tracking_uid = tracking(self.result, self.form, segment)
        content = self._content(measurements) | {
            "tracking_identifier": sr.TrackingIdentifier(uid=tracking_uid, identifier=tracking_id),
            **_finding(STRUCTURES[segment.name], segment.side),
        }
        target = (self.segmentation.SOPClassUID, self.segmentation.SOPInstanceUID)
        if source_frame is None:
            whole = sr.ReferencedSegment(*target, segment_number, **self._source())
            return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=whole, **content)
        frame = self.result.frames[source_frame]
        frame_number = self._frame_numbers.find(segment_number, frame)
        if frame_number is None:
            return self._on_images(source_frame, content)
        plane = sr.ReferencedSegmentationFrame(
            *target,
            frame_number=frame_number,
            segment_number=segment_number,
            source_image=sr.SourceImageForSegmentation(*cited(frame)),
        )
        # A reference names frames or segments, never both (PS3.3 Table 10-3).
        del plane[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
        return sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_segment=plane, **content)

    def _over_segments(self, subject: _Subject, measurements: Sequence[Measurement]) -> Group:
        content = self._content(measurements)
        if subject.structure:
            name = " ".join(filter(None, [subject.side, subject.structure]))
            content |= _finding(STRUCTURES[subject.structure], subject.side)
        else:
            name = subject.finding.meaning if subject.finding else "whole result"
            content["finding_type"] = subject.finding
        content["tracking_identifier"] = sr.TrackingIdentifier(
            uid=result_uid(self.result, self.form, "several segments", name),
            identifier=f"{self.result.provenance.route} {name}",
        )
        return self._on_images(subject.source_frame, content)

    def _on_images(self, source_frame: int | None, content: dict[str, Any]) -> Group:
        if source_frame is not None:
            images = [cited(self.result.frames[source_frame])]
        else:
            images = self._all_images if len(self._all_images) <= EVERY_IMAGE_UP_TO else []
        content["source_images"] = [sr.SourceImageForMeasurementGroup(*c) for c in images]
        return sr.MeasurementsAndQualitativeEvaluations(**content)

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


def _finding(structure: Structure, side: Side | None) -> dict[str, Any]:
    return {
        "finding_category": structure.category,
        "finding_type": structure.property_type,
        "finding_sites": [sr.FindingSite(structure.region, laterality=LATERALITY[side])],
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
