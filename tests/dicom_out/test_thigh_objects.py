"""Objects of 46 segments, most of whose frames are left out."""

import dataclasses
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from highdicom import sr
from highdicom.seg import Segmentation
from pydicom import dcmread
from pydicom.sr.codedict import codes

from dicom_out.codes import LATERALITY, QUANTITIES, RESEARCH_USE_ONLY, STRUCTURES
from dicom_out.report import PRIOR_REPORT, make_report
from dicom_out.segmentation import FrameNumbers, make_segmentation
from dicom_out.sources import discreet
from inference.result import Result, Side
from inference.volume import read_layout
from tests.dicom_out.conftest import MADE, OBLIQUE, complaints
from tests.dicom_out.legs import CUT, PRIOR, SEGMENTS, legs_result
from tests.dicom_out.reading import points_mm, read_elsewhere, same_points
from tests.series import FEET_FIRST, PRONE, Grid, write_enhanced, write_series

SHAPE = (24, 40, 90)
COARSE = (25.0, 5.0, 5.0)
GRIDS: Mapping[str, Grid] = {
    "axial": Grid(spacing_mm=COARSE),
    "feet_first": Grid(spacing_mm=COARSE, rotation=FEET_FIRST),
    "prone": Grid(spacing_mm=COARSE, rotation=PRONE),
    "oblique": Grid(spacing_mm=COARSE, rotation=OBLIQUE),
    "anisotropic": Grid(spacing_mm=(25.0, 5.0, 4.0)),
    "enhanced": Grid(spacing_mm=COARSE),
}


@dataclass(frozen=True)
class Case:
    """A result on two legs and its objects: seg.dcm, and sr.dcm where one was made, in a folder."""

    result: Result
    segmentation: Segmentation
    folder: Path

    @cached_property
    def report(self) -> sr.Comprehensive3DSR:
        return sr.srread(self.folder / "sr.dcm")


def make_case(folder: Path, source: str) -> Case:
    air = np.full(SHAPE, -1000, np.int16)
    if source == "enhanced":
        files = [write_enhanced(folder / "ct", air, GRIDS[source], frame_order=list(range(SHAPE[0]))[::-1])]
    else:
        files = write_series(folder / "ct", air, GRIDS[source])
    result = legs_result(read_layout(files))
    with discreet():
        segmentation = make_segmentation(result, "BINARY", MADE)
        segmentation.save_as(folder / "seg.dcm", enforce_file_format=True)
    return Case(result, segmentation, folder)


@pytest.fixture(scope="module", params=GRIDS)
def any_legs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A Segmentation on legs in each geometry."""
    return make_case(tmp_path_factory.mktemp("legs"), request.param)


@pytest.fixture(scope="module")
def legs(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Objects on plain axial legs."""
    case = make_case(tmp_path_factory.mktemp("legs"), "axial")
    with discreet():
        report = make_report(case.result, case.segmentation, "BINARY", MADE, None)
        report.save_as(case.folder / "sr.dcm", enforce_file_format=True)
    return case


def test_frames_without_a_voxel_are_left_out_and_the_others_cite_their_source(any_legs: Case) -> None:
    labels, segmentation = any_legs.result.labels.array, any_legs.segmentation
    numbers = FrameNumbers.of(segmentation)
    shown = 0
    for segment in SEGMENTS:
        for index, frame in enumerate(any_legs.result.frames):
            number = numbers.find(segment.number, frame)
            assert (number is not None) == bool((labels[index] == segment.number).any())
            if number is None:
                continue
            groups = segmentation.PerFrameFunctionalGroupsSequence[number - 1]
            assert groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber == segment.number
            image = groups.DerivationImageSequence[0].SourceImageSequence[0]
            assert image.ReferencedSOPInstanceUID == frame.dataset.SOPInstanceUID
            shown += 1
    assert segmentation.NumberOfFrames == shown < len(SEGMENTS) * SHAPE[0]


def test_another_reader_finds_every_voxel_in_its_place(any_legs: Case) -> None:
    header, masks = read_elsewhere(any_legs.folder / "seg.dcm")
    labels = any_legs.result.labels
    found: dict[int, list[np.ndarray]] = {segment.number: [] for segment in SEGMENTS}
    for mask, groups in zip(masks, header.PerFrameFunctionalGroupsSequence, strict=True):
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found[number].append(points_mm(header, groups, np.argwhere(mask)))
    for number, points in found.items():
        expected = labels.map_indices_to_reference(np.argwhere(labels.array == number))
        assert len(expected) > 0
        assert same_points(np.concatenate(points), expected)


def test_dciodvfy_finds_nothing(any_legs: Case) -> None:
    assert complaints(any_legs.folder / "seg.dcm") == []


def test_dciodvfy_finds_nothing_in_the_report(legs: Case) -> None:
    assert complaints(legs.folder / "sr.dcm") == []


def test_the_left_is_on_the_left(any_legs: Case) -> None:
    """Patient coordinates grow to the left (PS3.3 C.7.6.2.1.1)."""
    header, masks = read_elsewhere(any_legs.folder / "seg.dcm")
    labels = any_legs.result.labels
    middle = labels.map_indices_to_reference((np.array([labels.spatial_shape]) - 1) / 2)[0, 0]
    side_of = {d.segment_number: d.segment_label.split()[-1] for d in any_legs.segmentation.SegmentSequence}
    for mask, groups in zip(masks, header.PerFrameFunctionalGroupsSequence, strict=True):
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        x = points_mm(header, groups, np.argwhere(mask))[:, 0].mean()
        assert ("left" if x > middle else "right") == side_of[number]


def test_every_measurement_is_in_the_group_of_what_it_was_made_on(legs: Case) -> None:
    expected = [
        (
            name,
            side_name(side),
            m.source_frame is not None,
            QUANTITIES[m.quantity].name.value,
            m.unit,
            m.value,
        )
        for m in legs.result.measurements
        if m.value is not None
        for name, side in [subject_of(m.segment_number, m.structure, m.side)]
    ]
    content = legs.report.content
    found = []
    for groups, on_slice in (
        (content.get_volumetric_roi_measurement_groups(), False),
        (content.get_planar_roi_measurement_groups(), True),
        (content.get_image_measurement_groups(), None),
    ):
        for group in groups:
            name = next(n for n, s in STRUCTURES.items() if s.property_type == group.finding_type)
            (site,) = group.finding_sites
            one = len(getattr(group, "source_images", ())) == 1 if on_slice is None else on_slice
            subject = name, site.laterality.meaning, one
            found += [(*subject, m.name.value, m.unit.value, m.value) for m in group.get_measurements()]
    assert [row[:-1] for row in sorted(found)] == [row[:-1] for row in sorted(expected)]
    assert [row[-1] for row in sorted(found)] == pytest.approx([row[-1] for row in sorted(expected)])


def subject_of(number: int | None, structure: str | None, side: Side | None) -> tuple[str, Side | None]:
    if number is None:
        assert structure
        return structure, side
    segment = next(s for s in SEGMENTS if s.number == number)
    return segment.name, segment.side


def side_name(side: Side | None) -> str:
    return LATERALITY[side].meaning


def test_each_subject_has_one_group(legs: Case) -> None:
    subjects = {(m.segment_number, m.source_frame, m.structure, m.side) for m in legs.result.measurements}
    content = legs.report.content
    groups = [
        *content.get_volumetric_roi_measurement_groups(),
        *content.get_planar_roi_measurement_groups(),
        *content.get_image_measurement_groups(),
    ]
    assert len(groups) == len(subjects)


def test_a_muscle_without_a_voxel_on_a_slice_is_measured_on_the_image(legs: Case) -> None:
    """Gluteus maximus does not reach the middle of the thigh: its area there refers to the image."""
    groups = legs.report.content.get_image_measurement_groups()
    structure = STRUCTURES["gluteus_maximus"]
    on_slice = [g for g in groups if g.finding_type == structure.property_type and len(g.source_images) == 1]
    assert len(on_slice) == 2
    reference = legs.result.frames[legs.result.reference_frame].dataset.SOPInstanceUID
    tracked = {uid for _, uid in legs.segmentation.get_tracking_ids()}
    for group in on_slice:
        assert group.source_images[0].referenced_sop_instance_uid == reference
        assert group.tracking_uid in tracked


def test_a_muscle_that_is_cut_has_a_length_and_a_reason(legs: Case) -> None:
    structure = STRUCTURES[CUT]
    groups = legs.report.content.get_volumetric_roi_measurement_groups()
    cut = [g for g in groups if g.finding_type == structure.property_type]
    assert len(cut) == 2
    for group in cut:
        (length,) = group.get_measurements()
        assert (length.name, length.value, length.unit.value) == (
            QUANTITIES["covered_length"].name,
            120.0,
            "mm",
        )
        (absence,) = sr.utils.find_content_items(group[0], name=codes.SCT.Volume, recursive=True)
        assert absence.ContentSequence[0].value == "The field of view cuts it."


def test_the_report_says_with_what_it_compares(legs: Case) -> None:
    evaluations = dcmread(legs.folder / "sr.dcm").ContentSequence[-1].ContentSequence
    notice, comparison, *_ = evaluations
    assert notice.TextValue == RESEARCH_USE_ONLY
    assert comparison.ConceptNameCodeSequence[0].CodeValue == codes.DCM.ComparisonWithPriorStudyDone.value
    said = {item.ConceptNameCodeSequence[0].CodeMeaning: item for item in comparison.ContentSequence}
    assert said["Study Date"].Date == PRIOR.study_date.strftime("%Y%m%d")
    interval = said["Interval since the prior study"].MeasuredValueSequence[0]
    assert (interval.NumericValue, interval.MeasurementUnitsCodeSequence[0].CodeValue) == (42, "d")
    assert said["Algorithm Version"].TextValue == "0.9"
    assert said["Prior images measured again by the same model"].ConceptCodeSequence[0].CodeMeaning == "No"
    assert said[PRIOR_REPORT.meaning].UID == "2.25.5"


def test_a_report_without_a_prior_says_nothing_of_one(legs: Case) -> None:
    alone = dataclasses.replace(legs.result, prior=None)
    with discreet():
        report = make_report(alone, legs.segmentation, "BINARY", MADE, None)
    assert not sr.utils.find_content_items(
        report, name=codes.DCM.ComparisonWithPriorStudyDone, recursive=True
    )


def test_a_segment_that_was_never_found_keeps_its_number_and_its_group(legs: Case, tmp_path: Path) -> None:
    missing = next(s.number for s in SEGMENTS if s.name == "piriformis" and s.side is Side.LEFT)
    array = legs.result.labels.array
    without = legs.result.labels.with_array(np.where(array == missing, 0, array).astype(np.uint8))
    measurements = tuple(m for m in legs.result.measurements if m.segment_number == missing)
    result = dataclasses.replace(legs.result, labels=without, measurements=measurements)
    with discreet():
        segmentation = make_segmentation(result, "BINARY", MADE)
        make_report(result, segmentation, "BINARY", MADE, None).save_as(tmp_path / "sr.dcm")
    assert segmentation.segment_numbers == list(range(1, 47))
    (group,) = sr.srread(tmp_path / "sr.dcm").content.get_volumetric_roi_measurement_groups()
    assert group.referenced_segment.referenced_segment_numbers[0] == missing


def test_a_label_map_of_both_sides_is_written(legs: Case) -> None:
    with discreet():
        segmentation = make_segmentation(legs.result, "LABELMAP", MADE)
        make_report(legs.result, segmentation, "LABELMAP", MADE, None)
    assert segmentation.NumberOfFrames == SHAPE[0]
    assert np.array_equal(np.unique(segmentation.pixel_array), np.arange(47))


def test_dcmtk_prints_the_tree(legs: Case) -> None:
    printed = subprocess.run(
        ["/usr/bin/dsrdump", legs.folder / "sr.dcm"], capture_output=True, text=True, check=True
    ).stdout
    assert '"Musculus sartorius"' in printed
    assert '"Loss of volume over volume in the prior study")="20.0" (%,UCUM,"Percent")' in printed
    assert '(cm3/mo,UCUM,"cubic centimeter per month")' in printed
