import subprocess
from pathlib import Path

from highdicom import sr
from pydicom import dcmread
from pydicom.sr.codedict import codes

from dicom_out.codes import QUANTITIES, STRUCTURES, UNITS, quality_code
from dicom_out.report import ObjectReference, make_report
from dicom_out.sources import discreet
from tests.dicom_out.conftest import MADE, Case, complaints


def test_dciodvfy_finds_nothing(any_case: Case) -> None:
    assert complaints(any_case.folder / "sr.dcm") == []


def test_highdicom_finds_every_measurement_again(any_case: Case) -> None:
    assert measurements_found(any_case) == measurements_expected(any_case)
    for group in any_case.report.content.get_planar_roi_measurement_groups():
        (frame,) = group.referenced_segmentation_frame[0].referenced_frame_numbers
        groups = any_case.segmentation.PerFrameFunctionalGroupsSequence[frame - 1]
        segment = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        assert group.tracking_uid == any_case.segmentation.get_segment_description(segment).tracking_uid


def test_highdicom_finds_every_measurement_again_beside_a_label_map(label_map_case: Case) -> None:
    assert measurements_found(label_map_case) == measurements_expected(label_map_case)


Found = set[tuple[int | None, int | None, str, float | None, str]]
"""Segment, source frame, code of the quantity, value, unit."""


def measurements_expected(case: Case) -> Found:
    return {
        (m.segment_number, m.source_frame, QUANTITIES[m.quantity].name.value, m.value, m.unit)
        for m in case.result.measurements
        if m.value is not None
    }


def measurements_found(case: Case) -> Found:
    """What highdicom reads from the report; planes are recognised by what they cite."""
    content, frames = case.report.content, case.result.frames
    segment_of = {d.tracking_uid: d.segment_number for d in case.segmentation.SegmentSequence}
    found: Found = set()
    for group in content.get_volumetric_roi_measurement_groups():
        assert group.referenced_segment.referenced_sop_instance_uid == case.segmentation.SOPInstanceUID
        (segment,) = group.referenced_segment.referenced_segment_numbers
        found |= {(segment, None, *read(m)) for m in group.get_measurements()}
    for group in content.get_planar_roi_measurement_groups():
        (number,) = group.referenced_segmentation_frame[0].referenced_frame_numbers
        groups = case.segmentation.PerFrameFunctionalGroupsSequence[number - 1]
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        cited = source.ReferencedSOPInstanceUID, source.get("ReferencedFrameNumber")
        frame = [(f.dataset.SOPInstanceUID, f.frame_number) for f in frames].index(cited)
        found |= {(segment_of[group.tracking_uid], frame, *read(m)) for m in group.get_measurements()}
    for group in content.get_image_measurement_groups():
        (image,) = group.source_images
        numbers = image.referenced_frame_numbers or [None]
        cited = image.referenced_sop_instance_uid, *numbers
        frame = [(f.dataset.SOPInstanceUID, f.frame_number) for f in frames].index(cited)
        found |= {(None, frame, *read(m)) for m in group.get_measurements()}
    return found


def read(measurement: sr.Measurement) -> tuple[str, float, str]:
    return measurement.name.value, measurement.value, measurement.unit.value


def test_a_mean_is_called_a_mean(case: Case) -> None:
    groups = case.report.content.get_planar_roi_measurement_groups()
    (mean,) = [m for g in groups for m in g.get_measurements(name=codes.DCM.AttenuationCoefficient)]
    assert mean.derivation == codes.SCT.Mean
    assert mean.unit == UNITS["[hnsf'U]"]


def test_what_was_not_measured_is_said_with_its_reason(case: Case) -> None:
    name = QUANTITIES["mean_hu_per_height2"].name
    groups = case.report.content.get_planar_roi_measurement_groups()
    assert not [m for g in groups for m in g.get_measurements(name=name)]
    (absence,) = sr.utils.find_content_items(case.report.content[0], name=name, recursive=True)
    assert absence.value == codes.cid42.ValueIndeterminate
    assert absence.ContentSequence[0].value == "PatientSize is not given."


def test_groups_say_what_where_and_by_what(case: Case) -> None:
    groups = case.report.content.get_volumetric_roi_measurement_groups()
    assert {g.tracking_uid for g in groups} == {uid for _, uid in case.segmentation.get_tracking_ids()}
    for group, segment in zip(groups, case.result.segments, strict=True):
        structure = STRUCTURES[segment.name]
        assert group.finding_category == structure.category
        assert group.finding_type == structure.property_type
        (site,) = group.finding_sites
        assert site.value == codes.SCT.Hip
        assert site.laterality == codes.SCT.Bilateral
        texts = {
            item.name.meaning: item.value for item in group[0].ContentSequence if item.ValueType == "TEXT"
        }
        assert texts["Algorithm Name"] == "hip-tissue-protocol"
        assert texts["Algorithm Version"] == "1.0"


def test_quality_flags_and_research_use_stand_at_the_root(case: Case) -> None:
    evaluations = dcmread(case.folder / "sr.dcm").ContentSequence[-1]
    assert evaluations.ConceptNameCodeSequence[0].CodeValue == "C0034375"
    notice, *flags = evaluations.ContentSequence
    assert notice.TextValue == "Research use only - not for diagnosis"
    for item, flag in zip(flags, case.result.quality, strict=True):
        assert item.ConceptNameCodeSequence[0].CodeMeaning == quality_code(flag.code).meaning
        assert item.ConceptCodeSequence[0].CodeValue == flag.severity.upper()
        assert item.ContentSequence[0].TextValue == flag.text


def test_the_observer_is_the_model_and_the_procedure_the_imaging(case: Case) -> None:
    (context,) = case.report.content.get_observer_contexts(codes.DCM.Device)
    device = context.observer_identifying_attributes
    assert device.uid == case.segmentation.ContributingEquipmentSequence[1].DeviceUID
    assert device.manufacturer_name == "Coxa"
    assert device.model_name == "hip-tissue-protocol"
    root = case.report.content[0]
    (procedure,) = sr.utils.find_content_items(root, name=codes.DCM.ProcedureReported)
    assert procedure.value == codes.LN.CTUnspecifiedBodyRegion


def test_the_image_library_lists_the_source_frames(any_case: Case) -> None:
    items = sr.utils.find_content_items(
        any_case.report.content[0], name=codes.SCT.Source, value_type="IMAGE", recursive=True
    )
    listed = [(i.referenced_sop_instance_uid, i.referenced_frame_numbers) for i in items]
    frames = [(f.dataset.SOPInstanceUID, f.frame_number) for f in any_case.result.frames]
    assert listed == [(uid, None if number is None else [number]) for uid, number in frames]
    evidence = {uid for _, _, uid, _ in any_case.report.get_evidence()}
    assert evidence >= {uid for uid, _ in frames}


def test_the_document_is_complete_and_unverified(case: Case) -> None:
    report = case.report
    assert report.CompletionFlag == "COMPLETE"
    assert report.VerificationFlag == "UNVERIFIED"
    assert report.PreliminaryFlag == "PRELIMINARY"
    assert "PredecessorDocumentsSequence" not in report


def test_a_report_names_the_one_it_replaces(case: Case, tmp_path: Path) -> None:
    first = case.report
    earlier = ObjectReference("2.25.1", first.SOPClassUID, "2.25.2")
    with discreet():
        second = make_report(case.result, case.segmentation, "BINARY", MADE, earlier)
        second.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    (study,) = second.PredecessorDocumentsSequence
    assert study.StudyInstanceUID == first.StudyInstanceUID
    (series,) = study.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == "2.25.1"
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.2"
    assert second.SOPInstanceUID == first.SOPInstanceUID, "what is replaced is no part of the work"
    assert complaints(tmp_path / "sr.dcm") == []


def test_dcmtk_prints_the_tree(case: Case) -> None:
    printed = subprocess.run(
        ["/usr/bin/dsrdump", case.folder / "sr.dcm"], capture_output=True, text=True, check=True
    ).stdout
    assert '"Volume")="5.83333333333333" (cm3,UCUM,"cubic centimeter")' in printed
    assert '"Truncated field of view")=(WARNING,99COXA,"Warning")' in printed
    assert printed.count("Measurement Group") == 15
