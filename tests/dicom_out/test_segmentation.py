import dataclasses
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian

from dicom_out.codes import STRUCTURES
from dicom_out.segmentation import FrameNumbers, make_segmentation
from dicom_out.sources import discreet
from inference.errors import Refused
from inference.result import Result, Segment, Side, SourceFrame
from inference.volume import read_layout
from tests.dicom_out.conftest import EMPTY_TISSUE, HU, MADE, TISSUES, Case, complaints, result_on
from tests.dicom_out.reading import points_mm, read_elsewhere, same_points
from tests.series import Grid, write_enhanced


def test_dciodvfy_finds_nothing(any_case: Case) -> None:
    assert complaints(any_case.folder / "seg.dcm") == []


def test_another_reader_finds_every_voxel_in_its_place(any_case: Case) -> None:
    header, masks = read_elsewhere(any_case.folder / "seg.dcm")
    found: dict[int, list[NDArray[np.float64]]] = {n: [] for n in range(1, len(TISSUES) + 1)}
    for mask, groups in zip(masks, header.PerFrameFunctionalGroupsSequence, strict=True):
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found[number].append(points_mm(header, groups, np.argwhere(mask)))
    labels = any_case.result.labels
    for number, points in found.items():
        expected = labels.map_indices_to_reference(np.argwhere(labels.array == number))
        assert len(expected) == (0 if number == EMPTY_TISSUE else 120)
        assert same_points(np.concatenate(points), expected)


@pytest.mark.parametrize("any_case", ["axial", "reversed", "feet_first", "prone", "oblique"], indirect=True)
def test_another_reader_finds_the_labels_on_the_pixels_they_were_made_from(any_case: Case) -> None:
    """From file to file: source and Segmentation are both read by SimpleITK alone."""
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(any_case.folder / "ct")))
    source = reader.Execute()
    header, masks = read_elsewhere(any_case.folder / "seg.dcm")
    for number in range(1, len(TISSUES) + 1):
        values = []
        for mask, groups in zip(masks, header.PerFrameFunctionalGroupsSequence, strict=True):
            if groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number:
                points = points_mm(header, groups, np.argwhere(mask)).tolist()
                values += [source[source.TransformPhysicalPointToIndex(point)] for point in points]
        result = any_case.result
        assert sorted(values) == sorted(result.image.array[result.labels.array == number])


def test_every_frame_cites_the_source_frame_it_lies_on(any_case: Case) -> None:
    result, segmentation = any_case.result, any_case.segmentation
    assert segmentation.NumberOfFrames == len(TISSUES) * len(result.frames)
    numbers = FrameNumbers.of(segmentation)
    for segment in result.segments:
        for index, frame in enumerate(result.frames):
            number = numbers.find(segment.number, frame)
            assert number is not None
            groups = segmentation.PerFrameFunctionalGroupsSequence[number - 1]
            (image,) = groups.DerivationImageSequence[0].SourceImageSequence
            assert image.ReferencedSOPClassUID == frame.dataset.SOPClassUID
            assert image.ReferencedSOPInstanceUID == frame.dataset.SOPInstanceUID
            assert image.get("ReferencedFrameNumber") == frame.frame_number
            assert image.SpatialLocationsPreserved == "YES"
            position = groups.PlanePositionSequence[0].ImagePositionPatient
            expected = result.labels.map_indices_to_reference(np.array([[index, 0, 0]]))[0]
            assert np.allclose(position, expected, atol=1e-6)
    (series,) = segmentation.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == result.frames[0].dataset.SeriesInstanceUID
    cited = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert cited == {frame.dataset.SOPInstanceUID for frame in result.frames}


def test_slices_of_a_multi_frame_image_keep_their_thickness(tmp_path: Path) -> None:
    def thinner(dataset: Dataset) -> None:
        measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        measures.SliceThickness = 3

    result = result_on(read_layout([write_enhanced(tmp_path, HU, Grid(), edit=thinner)]))
    with discreet():
        segmentation = make_segmentation(result, "BINARY", MADE)
    measures = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (measures.SliceThickness, measures.SpacingBetweenSlices) == (3, 5)


def test_the_source_is_left_as_it_was(any_case: Case) -> None:
    for frame in any_case.result.frames:
        files = [dcmread(path, stop_before_pixels=True) for path in (any_case.folder / "ct").iterdir()]
        assert frame.dataset in files


def test_segments_say_what_they_are_and_what_made_them(case: Case) -> None:
    segmentation = case.segmentation
    assert segmentation.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert segmentation.segment_numbers == [1, 2, 3, 4, 5, 6, 7]
    for number, name in enumerate(TISSUES, start=1):
        description = segmentation.get_segment_description(number)
        structure = STRUCTURES[name]
        assert description.segment_label == structure.label
        assert description.segmented_property_category == structure.category
        assert description.segmented_property_type == structure.property_type
        assert tuple(description.RecommendedDisplayCIELabValue) == structure.cielab.value
        assert description.algorithm_identification.name == "hip-tissue-protocol"
        assert description.algorithm_identification.version == "1.0"
        assert description.algorithm_identification.parameters == {"bone_hu": "150", "fat_hu": "-30"}
    equipment = segmentation.ContributingEquipmentSequence[1]
    assert equipment.ManufacturerModelName == "hip-tissue-protocol"
    assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert equipment.DeviceUID.startswith("2.25.")
    assert "research use only" in segmentation.SeriesDescription
    assert segmentation.ContentDescription == "Research use only - not for diagnosis"


def test_patient_and_study_are_those_of_the_source(case: Case) -> None:
    source, segmentation = case.result.frames[0].dataset, case.segmentation
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientSize", "StudyDate"):
        assert segmentation[keyword].value == source[keyword].value
    for keyword in ("StudyInstanceUID", "StudyID", "AccessionNumber", "FrameOfReferenceUID"):
        assert segmentation[keyword].value == source[keyword].value


def test_one_sided_structures_carry_their_side(result: Result) -> None:
    segments = (Segment(1, "muscle", Side.LEFT), Segment(2, "muscle", Side.RIGHT))
    labels = result.labels.with_array(result.labels.array.clip(0, 2))
    with discreet():
        segmentation = make_segmentation(
            dataclasses.replace(result, segments=segments, labels=labels), "BINARY", MADE
        )
    types = [description.SegmentedPropertyTypeCodeSequence[0] for description in segmentation.SegmentSequence]
    sides = [t.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning for t in types]
    assert sides == ["Left", "Right"]
    assert [d.SegmentLabel for d in segmentation.SegmentSequence] == ["Muscle left", "Muscle right"]
    assert len({uid for _, uid in segmentation.get_tracking_ids()}) == 2


def test_a_result_without_a_voxel_is_written(result: Result) -> None:
    nothing = result.labels.with_array(np.zeros_like(result.labels.array))
    with discreet():
        segmentation = make_segmentation(dataclasses.replace(result, labels=nothing), "BINARY", MADE)
    assert segmentation.NumberOfFrames == len(TISSUES) * len(result.frames)
    assert not segmentation.pixel_array.any()


def test_label_map_holds_the_labels_themselves(label_map_case: Case) -> None:
    written = dcmread(label_map_case.folder / "seg.dcm")
    labels = label_map_case.result.labels
    assert written.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7"
    by_position = {}
    for plane, groups in zip(written.pixel_array, written.PerFrameFunctionalGroupsSequence, strict=True):
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        by_position[tuple(round(float(v), 3) for v in position)] = plane
    for index, plane in enumerate(labels.array):
        corner = labels.map_indices_to_reference(np.array([[index, 0, 0]]))[0]
        assert np.array_equal(by_position[tuple(corner.round(3).tolist())], plane)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_labels_that_lie_elsewhere_than_their_frames_are_not_written(result: Result, axis: int) -> None:
    turned = dataclasses.replace(result, labels=result.labels.flip_spatial(axis))
    with discreet(), pytest.raises(ValueError, match="do not lie on the grid"):
        make_segmentation(turned, "BINARY", MADE)


@pytest.mark.parametrize(
    "keyword", ["FrameOfReferenceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
)
def test_images_without_an_identifier_are_not_written(result: Result, keyword: str) -> None:
    headers = [deepcopy(frame.dataset) for frame in result.frames]
    for header in headers:
        setattr(header, keyword, "")
    nameless = dataclasses.replace(result, frames=tuple(SourceFrame(h, None) for h in headers))
    with discreet(), pytest.raises(Refused, match=keyword):
        make_segmentation(nameless, "BINARY", MADE)
