"""A series is read into the right place and in HU."""

import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)
from scipy.spatial.transform import Rotation

from inference.volume import read_layout
from tests.series import (
    CORONAL,
    FEET_FIRST,
    PRONE,
    SAGITTAL,
    Grid,
    Pixels,
    copy_of,
    rotation_about,
    write_enhanced,
    write_series,
)

SHAPE = (6, 11, 9)
HU: NDArray[np.int16] = np.random.default_rng(7).integers(-1024, 2000, SHAPE).astype(np.int16)
"""Every voxel differs from its neighbours, so that no flip or swap goes unnoticed."""

HU_TO_COMPRESS: NDArray[np.int16] = np.tile(HU[:2], (1, 4, 5))
"""Large enough for the six resolutions of JPEG 2000."""

SHUFFLED = [4, 1, 6, 3, 2, 5]
DESCENDING = [6, 5, 4, 3, 2, 1]
OBLIQUE = rotation_about("x", 20) @ rotation_about("y", -35) @ rotation_about("z", 10)

GRIDS = {
    "axial": Grid(),
    "feet first": Grid(rotation=FEET_FIRST),
    "prone": Grid(rotation=PRONE),
    "prone, feet first": Grid(rotation=PRONE @ FEET_FIRST),
    "coronal": Grid(rotation=CORONAL),
    "sagittal": Grid(rotation=SAGITTAL),
    "oblique": Grid(rotation=OBLIQUE),
    "anisotropic": Grid(spacing_mm=(2.5, 0.7, 0.9)),
    "head-down storage": Grid(offsets_mm=[25, 20, 15, 10, 5, 0]),
}


def assert_holds(volume: hd.Volume, grid: Grid, hu: NDArray[np.int16] = HU) -> None:
    """Every voxel of ``hu`` is found where ``grid`` put it."""
    row_direction, column_direction = np.reshape(grid.orientation(), (2, 3))
    k, i, j = np.indices(hu.shape).reshape(3, -1, 1)
    points = np.array([grid.position(index) for index in range(len(hu))])[k[:, 0]]
    points = points + i * grid.spacing_mm[1] * column_direction + j * grid.spacing_mm[2] * row_direction
    indices = volume.map_reference_to_indices(points)
    np.testing.assert_allclose(indices, np.rint(indices), atol=1e-3)
    np.testing.assert_array_equal(volume.array[tuple(np.rint(indices).astype(int).T)], hu.ravel())


class TestGeometry:
    @pytest.mark.parametrize(
        "numbers", [None, DESCENDING, SHUFFLED], ids=["ascending", "descending", "shuffled"]
    )
    @pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
    def test_agrees_with_simpleitk(self, tmp_path: Path, grid: Grid, numbers: list[int] | None) -> None:
        volume = read_layout(write_series(tmp_path, HU, grid, instance_numbers=numbers)).read_volume()

        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
        image = reader.Execute()
        itk_indices = [
            image.TransformPhysicalPointToContinuousIndex(point)
            for point in volume.map_indices_to_reference(np.indices(volume.shape).reshape(3, -1).T)
        ]
        np.testing.assert_allclose(itk_indices, np.rint(itk_indices), atol=1e-3)
        column, row, slice_ = np.rint(itk_indices).astype(int).T
        np.testing.assert_array_equal(
            SimpleITK.GetArrayFromImage(image)[slice_, row, column], volume.array.ravel()
        )

    @pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
    def test_slices_ascend_along_the_normal(self, tmp_path: Path, grid: Grid) -> None:
        layout = read_layout(write_series(tmp_path, HU, grid, instance_numbers=SHUFFLED))
        row, column = np.reshape(grid.orientation(), (2, 3))
        positions = [frame.dataset.ImagePositionPatient for frame in layout.frames]
        assert (np.diff(np.array(positions, float) @ np.cross(row, column)) > 0).all()

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        quaternion=st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(
            lambda q: np.linalg.norm(q) > 0.1
        ),
        spacing=st.tuples(st.floats(0.3, 10), st.floats(0.2, 2), st.floats(0.2, 2)),
        origin=st.tuples(*[st.floats(-2000, 2000)] * 3),
        numbers=st.permutations(range(1, 7)),
    )
    def test_any_grid_and_any_order(self, tmp_path_factory, quaternion, spacing, origin, numbers) -> None:
        rotation = Rotation.from_quat(quaternion).as_matrix()
        grid = Grid(spacing, origin, rotation)
        files = write_series(tmp_path_factory.mktemp("series"), HU, grid, instance_numbers=numbers)
        volume = read_layout(files).read_volume()
        np.testing.assert_allclose(volume.spacing, spacing, rtol=1e-4)
        assert_holds(volume, grid)

    @pytest.mark.parametrize("shared_geometry", [True, False])
    @pytest.mark.parametrize("grid", [GRIDS["axial"], GRIDS["feet first"], GRIDS["oblique"]])
    def test_enhanced_frames_in_any_order(self, tmp_path: Path, grid: Grid, shared_geometry: bool) -> None:
        file = write_enhanced(
            tmp_path, HU, grid, frame_order=[3, 0, 5, 2, 1, 4], shared_geometry=shared_geometry
        )
        layout = read_layout([file])
        assert [frame.frame_number for frame in layout.frames] == [2, 5, 4, 1, 6, 3]
        assert_holds(layout.read_volume(), grid)

    def test_legacy_converted_enhanced(self, tmp_path: Path) -> None:
        files = write_series(tmp_path / "single", HU, GRIDS["oblique"], instance_numbers=SHUFFLED)
        converted = hd.legacy.LegacyConvertedEnhancedCTImage(
            [pydicom.dcmread(file) for file in files], generate_uid(), 1, generate_uid(), 1
        )
        converted.save_as(tmp_path / "converted.dcm")
        assert_holds(read_layout([tmp_path / "converted.dcm"]).read_volume(), GRIDS["oblique"])

    def test_part_of_a_series_keeps_its_place(self, tmp_path: Path) -> None:
        layout = read_layout(write_series(tmp_path, HU, GRIDS["oblique"]))
        whole, part = layout.read_volume(), layout.read_volume(1, 6, 2)
        np.testing.assert_array_equal(part.array, whole.array[1:6:2])
        np.testing.assert_allclose(part.affine, whole[1:6:2].affine)

    def test_positions_rounded_to_a_tenth_are_even(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU, Grid((0.625, 0.8, 0.8), offsets_mm=[0, 0.6, 1.2, 1.9, 2.5, 3.1]))
        assert read_layout(files).geometry.spacing_between_slices == pytest.approx(0.62)


class TestHounsfieldUnits:
    @pytest.mark.parametrize(
        "pixels",
        [
            Pixels(),
            Pixels(intercept=0, signed=True),
            Pixels(intercept=-8192),
            Pixels(slope=0.5, intercept=-1024),
            Pixels(transfer_syntax=ImplicitVRLittleEndian),
            Pixels(transfer_syntax=ExplicitVRBigEndian),
            Pixels(transfer_syntax=DeflatedExplicitVRLittleEndian),
            Pixels(transfer_syntax=RLELossless),
            Pixels(transfer_syntax=JPEG2000Lossless),
            Pixels(intercept=0, signed=True, transfer_syntax=JPEG2000Lossless),
            Pixels(transfer_syntax=JPEGLSLossless),
            Pixels(intercept=0, signed=True, transfer_syntax=JPEGLSLossless),
        ],
        ids=str,
    )
    def test_stored_in_any_way(self, tmp_path: Path, pixels: Pixels) -> None:
        volume = read_layout(write_series(tmp_path, HU_TO_COMPRESS, pixels=pixels)).read_volume()
        assert volume.dtype == np.int16
        np.testing.assert_array_equal(volume.array, HU_TO_COMPRESS)

    def test_jpeg_lossless_by_dcmtk(self, tmp_path: Path) -> None:
        for file in write_series(tmp_path, HU):
            subprocess.run(["/usr/bin/dcmcjpeg", "+un", file, file], check=True)
        layout = read_layout(sorted(tmp_path.iterdir()))
        assert layout.frames[0].dataset.file_meta.TransferSyntaxUID.is_compressed
        np.testing.assert_array_equal(layout.read_volume().array, HU)

    def test_enhanced_compressed(self, tmp_path: Path) -> None:
        file = write_enhanced(tmp_path, HU, pixels=Pixels(transfer_syntax=JPEGLSLossless))
        np.testing.assert_array_equal(read_layout([file]).read_volume(1, 4).array, HU[1:4])

    def test_slope_of_each_slice_is_its_own(self, tmp_path: Path) -> None:
        def halve(dataset: Dataset, index: int) -> None:
            if index == 2:
                dataset.RescaleSlope, dataset.RescaleIntercept = "0.5", "-512"

        volume = read_layout(write_series(tmp_path, HU, edit=halve)).read_volume()
        np.testing.assert_array_equal(volume.array[2], np.rint(HU[2] / 2))
        np.testing.assert_array_equal(volume.array[3], HU[3])

    def test_padding_and_values_below_air_become_air(self, tmp_path: Path) -> None:
        hu = HU.copy()
        hu[:, 0, 0], hu[:, 0, 1] = -3024, -2048
        pixels = Pixels(intercept=0, signed=True, padding_value=-3024)
        volume = read_layout(write_series(tmp_path, hu, pixels=pixels)).read_volume()
        np.testing.assert_array_equal(volume.array, np.maximum(hu, -1024))

    def test_padding_above_the_range_of_tissue_becomes_air(self, tmp_path: Path) -> None:
        hu = HU.copy()
        hu[:, 0, 0], hu[:, 0, 1] = 32000, 32100
        pixels = Pixels(intercept=0, signed=True, padding_value=32000, padding_range_limit=32767)
        volume = read_layout(write_series(tmp_path, hu, pixels=pixels)).read_volume()
        assert (volume.array[:, 0, :2] == -1024).all()
        np.testing.assert_array_equal(volume.array[:, 1:], HU[:, 1:])

    def test_padding_written_as_its_unsigned_twin(self, tmp_path: Path) -> None:
        hu = HU.copy()
        hu[:, 0, 0] = 30000

        def unsigned(dataset: Dataset, index: int) -> None:
            dataset.add_new("PixelPaddingValue", "US", 30000 - 31024 + 65536)

        pixels = Pixels(intercept=31024, signed=True)
        volume = read_layout(write_series(tmp_path, hu, pixels=pixels, edit=unsigned)).read_volume()
        assert (volume.array[:, 0, 0] == -1024).all()


class TestNotes:
    def test_none_on_a_faultless_series(self, tmp_path: Path) -> None:
        assert read_layout(write_series(tmp_path, HU)).notes == ()

    def test_localizer_is_left_out(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU)
        localizer = copy_of(
            files[0],
            SOPInstanceUID=generate_uid(),
            ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
            ImageOrientationPatient=["1", "0", "0", "0", "0", "-1"],
        )
        layout = read_layout([localizer, *files])
        assert [note.code for note in layout.notes] == ["instances_left_out"]
        assert "1 of 7 instances were left out: localizer" in layout.notes[0].text
        np.testing.assert_array_equal(layout.read_volume().array, HU)

    @pytest.mark.parametrize("new_uid", [True, False])
    def test_one_of_two_copies_is_used(self, tmp_path: Path, new_uid: bool) -> None:
        files = write_series(tmp_path, HU)
        copy = copy_of(files[2], **({"SOPInstanceUID": generate_uid()} if new_uid else {}))
        layout = read_layout([copy, *files])
        assert [note.code for note in layout.notes] == ["copies_left_out"]
        np.testing.assert_array_equal(layout.read_volume().array, HU)

    def test_lossy_compression(self, tmp_path: Path) -> None:
        layout = read_layout(write_series(tmp_path, HU, attributes={"LossyImageCompression": "01"}))
        assert [note.code for note in layout.notes] == ["lossy_compression"]

    def test_tilt_that_only_the_header_knows(self, tmp_path: Path) -> None:
        layout = read_layout(write_series(tmp_path, HU, attributes={"GantryDetectorTilt": "-14"}))
        assert [note.code for note in layout.notes] == ["gantry_tilt_in_header"]


def test_identifiers_are_taken_from_the_file_meta_information(tmp_path: Path) -> None:
    files = write_series(tmp_path, HU)
    dataset = pydicom.dcmread(files[0])
    uid = dataset.SOPInstanceUID
    dataset.SOPClassUID = dataset.SOPInstanceUID = ""
    dataset.save_as(files[0])
    assert read_layout(files).frames[0].dataset.SOPInstanceUID == uid


def test_damaged_attribute_is_an_absent_one(tmp_path: Path) -> None:
    file, *others = write_series(tmp_path, HU)
    content = file.read_bytes()
    size = content.index(b"1.65", content.index(b"DS", content.index(b"\x10\x00\x20\x10")))
    file.write_bytes(content[:size] + b"1,6m" + content[size + 4 :])
    layout = read_layout([file, *others])
    assert "PatientSize" not in layout.frames[0].dataset
    assert layout.frames[1].dataset.PatientSize == 1.65
