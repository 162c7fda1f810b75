"""A series that cannot be measured safely is refused, for the reason that is true."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    MPEG2MPML,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from inference.errors import Refused
from inference.volume import read_layout
from tests.series import Grid, Pixels, copy_of, rotation_about, write_enhanced, write_series

SHAPE = (6, 44, 36)
HU: NDArray[np.int16] = np.random.default_rng(7).integers(-1024, 2000, SHAPE).astype(np.int16)


def refusal_of(files: list[Path]) -> str:
    """The code of the refusal that reading ends in."""
    with pytest.raises(Refused) as refused:
        read_layout(files).read_volume()
    assert refused.value.reason.endswith(".")
    return refused.value.code


def set_on(index: int, **attributes: object) -> Callable[[Dataset, int], None]:
    """An edit of one slice; None removes the attribute."""

    def edit(dataset: Dataset, slice_index: int) -> None:
        if slice_index == index:
            for keyword, value in attributes.items():
                if value is None:
                    delattr(dataset, keyword)
                else:
                    setattr(dataset, keyword, value)

    return edit


class TestRefusals:
    @pytest.mark.parametrize(
        ("code", "attributes"),
        [
            ("not_ct", {"SOPClassUID": MRImageStorage, "Modality": "MR"}),
            ("not_ct", {"SOPClassUID": SecondaryCaptureImageStorage}),
            ("not_ct", {"Modality": "MG"}),
            ("localizer", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
            ("not_hounsfield", {"ImageType": ["DERIVED", "PRIMARY", "TOMO"]}),
            ("not_hounsfield", {"ImageType": ["DERIVED", "SECONDARY", "", "DOSE_INFO"]}),
            ("not_hounsfield", {"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "MIP"]}),
            ("not_hounsfield", {"RescaleType": "HU_MOD"}),
            ("not_grayscale", {"PhotometricInterpretation": "MONOCHROME1"}),
            ("not_grayscale", {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}),
            ("padding_in_tissue_range", {"PixelPaddingValue": 1024}),
            ("gaps_between_slices", {"SliceThickness": "2.5"}),
        ],
    )
    def test_of_the_whole_series(self, tmp_path: Path, code: str, attributes: dict[str, object]) -> None:
        assert refusal_of(write_series(tmp_path, HU, attributes=attributes)) == code

    @pytest.mark.parametrize(
        ("code", "attributes"),
        [
            ("no_geometry", {"ImagePositionPatient": None}),
            ("no_geometry", {"ImageOrientationPatient": None}),
            ("no_geometry", {"PixelSpacing": None}),
            ("no_geometry", {"PixelSpacing": ["0", "0.9"]}),
            ("no_geometry", {"ImagePositionPatient": ["0", "0"]}),
            ("no_rescale", {"RescaleSlope": None}),
            ("no_rescale", {"RescaleIntercept": None}),
            ("no_pixel_data", {"PixelData": None}),
            ("no_pixel_data", {"Rows": None}),
            ("mixed_orientations", {"ImageOrientationPatient": ["0", "1", "0", "1", "0", "0"]}),
            ("mixed_pixel_spacing", {"PixelSpacing": ["0.9", "0.8"]}),
            ("mixed_frames_of_reference", {"FrameOfReferenceUID": "1.2.3"}),
            ("mixed_matrix", {"Rows": SHAPE[2], "Columns": SHAPE[1]}),
            ("several_series", {"SeriesInstanceUID": "1.2.3"}),
            ("unreadable_pixels", {"PixelData": b"\0\0"}),
        ],
    )
    def test_for_one_instance(self, tmp_path: Path, code: str, attributes: dict[str, object]) -> None:
        assert refusal_of(write_series(tmp_path, HU, edit=set_on(3, **attributes))) == code

    def test_no_file(self) -> None:
        assert refusal_of([]) == "no_images"

    def test_no_frame_of_reference(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU, attributes={"FrameOfReferenceUID": None})
        assert refusal_of(files) == "no_frame_of_reference"

    def test_skewed_axes(self, tmp_path: Path) -> None:
        skewed = {"ImageOrientationPatient": ["1", "0", "0", "0.1", "1", "0"]}
        assert refusal_of(write_series(tmp_path, HU, attributes=skewed)) == "no_geometry"

    def test_single_slice(self, tmp_path: Path) -> None:
        assert refusal_of(write_series(tmp_path, HU[:1])) == "single_slice"

    def test_missing_slice(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU)
        with pytest.raises(Refused, match=r"1 of 6 slices are missing.* 5.00 mm.* 10.00 mm") as refused:
            read_layout(files[:2] + files[3:])
        assert refused.value.code == "missing_slices"

    @pytest.mark.parametrize("kept", [[0, 2, 3], [0, 1, 3], [0, 1, 5], [0, 1, 2, 3, 5]])
    def test_missing_slices_of_a_short_series(self, tmp_path: Path, kept: list[int]) -> None:
        files = write_series(tmp_path, HU)
        assert refusal_of([files[index] for index in kept]) == "missing_slices"

    def test_every_second_slice_missing(self, tmp_path: Path) -> None:
        assert refusal_of(write_series(tmp_path, HU)[::2]) == "gaps_between_slices"

    @pytest.mark.parametrize(
        "offsets", [[0, 5, 10, 15.3, 20, 25], [0, 5, 8, 13, 16, 21], [0, 1, 5, 10, 15, 20]]
    )
    def test_irregular_spacing(self, tmp_path: Path, offsets: list[float]) -> None:
        assert refusal_of(write_series(tmp_path, HU, Grid(offsets_mm=offsets))) == "irregular_spacing"

    @pytest.mark.parametrize("degrees", [2, -12, 30])
    def test_gantry_tilt(self, tmp_path: Path, degrees: float) -> None:
        with pytest.raises(Refused, match=f"sheared by {abs(degrees)}.0 degrees") as refused:
            read_layout(
                write_series(tmp_path, HU, Grid(tilt_degrees=degrees, rotation=rotation_about("y", -35)))
            )
        assert refused.value.code == "gantry_tilt"

    def test_slices_beside_each_other(self, tmp_path: Path) -> None:
        aside = set_on(3, ImagePositionPatient=["-110", "-110", "-685"])
        assert refusal_of(write_series(tmp_path, HU, edit=aside)) == "not_a_stack"

    def test_two_acquisitions_at_the_same_positions(self, tmp_path: Path) -> None:
        attributes: dict[str, object] = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4"}
        one = write_series(tmp_path / "1", HU, attributes=attributes)
        other = write_series(tmp_path / "2", HU[:, ::-1], attributes=attributes)
        assert refusal_of(one + other) == "duplicate_positions"

    def test_two_fields_of_view_at_the_same_positions(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU)
        aside = [
            copy_of(file, ImagePositionPatient=["0", "0", f"{-700 + 5 * i}"]) for i, file in enumerate(files)
        ]
        assert refusal_of(files + aside) == "duplicate_positions"

    def test_unknown_compression(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU)
        dataset = pydicom.dcmread(files[0])
        dataset.PixelData = pydicom.encaps.encapsulate([b"\0\0"])
        dataset.file_meta.TransferSyntaxUID = MPEG2MPML
        dataset.save_as(files[0])
        assert refusal_of(files) == "unreadable_compression"

    @pytest.mark.parametrize("transfer_syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
    def test_damaged_compressed_pixels(self, tmp_path: Path, transfer_syntax: pydicom.uid.UID) -> None:
        files = write_series(tmp_path, HU, pixels=Pixels(transfer_syntax=transfer_syntax))
        dataset = pydicom.dcmread(files[0])
        dataset.PixelData = pydicom.encaps.encapsulate([dataset.PixelData[30:60]])
        dataset.save_as(files[0])
        assert refusal_of(files) == "unreadable_pixels"

    @pytest.mark.parametrize("kept", [0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
    def test_file_cut_off_in_its_header(self, tmp_path: Path, kept: float) -> None:
        files = write_series(tmp_path, HU)
        content = files[0].read_bytes()
        files[0].write_bytes(content[: int(kept * content.index(b"\xe0\x7f\x10\x00"))])
        with pytest.raises(Refused):
            read_layout(files).read_volume()

    def test_file_cut_off_in_its_pixels(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU)
        files[0].write_bytes(files[0].read_bytes()[:-20])
        assert refusal_of(files) == "unreadable_pixels"

    def test_absent_file_is_a_fault_not_a_refusal(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU)
        layout = read_layout(files)
        files[0].unlink()
        with pytest.raises(FileNotFoundError):
            layout.read_volume()

    @pytest.mark.parametrize(
        ("code", "attributes"),
        [
            ("localizer", {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]}),
            ("not_hounsfield", {"ImageType": ["DERIVED", "PRIMARY", "VOLUME", "MAXIMUM"]}),
            ("concatenation", {"ConcatenationUID": "1.2.3"}),
            ("no_pixel_data", {"NumberOfFrames": 0}),
            ("no_geometry", {"PerFrameFunctionalGroupsSequence": None}),
            ("no_geometry", {"NumberOfFrames": 7}),
        ],
    )
    def test_of_an_enhanced_image(self, tmp_path: Path, code: str, attributes: dict[str, object]) -> None:
        def edit(dataset: Dataset) -> None:
            for groups in dataset.SharedFunctionalGroupsSequence:
                del groups.CTImageFrameTypeSequence
            set_on(0, **attributes)(dataset, 0)

        assert refusal_of([write_enhanced(tmp_path, HU, edit=edit)]) == code

    def test_of_one_enhanced_frame(self, tmp_path: Path) -> None:
        def projection(dataset: Dataset) -> None:
            frame_type = Dataset()
            frame_type.FrameType = ["DERIVED", "PRIMARY", "VOLUME", "MAXIMUM"]
            frame = dataset.PerFrameFunctionalGroupsSequence[2]
            frame.CTImageFrameTypeSequence = DicomSequence([frame_type])

        assert refusal_of([write_enhanced(tmp_path, HU, edit=projection)]) == "not_hounsfield"

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(damage=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8))
    def test_damaged_header_is_read_or_refused(self, damaged_series: list[Path], damage) -> None:
        first, *others = damaged_series
        content = bytearray(others[0].read_bytes())
        header = range(132, content.index(b"\xe0\x7f\x10\x00"))
        for place, value in damage:
            content[header[place % len(header)]] = value
        first.write_bytes(content)
        with contextlib.suppress(Refused):
            read_layout(damaged_series).read_volume()


@pytest.fixture
def damaged_series(tmp_path: Path) -> list[Path]:
    return write_series(tmp_path, HU)
