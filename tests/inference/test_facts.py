"""Facts on a series are JSON, true, and there even when the series cannot be read."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import MRImageStorage, SecondaryCaptureImageStorage, generate_uid

from inference.facts import SeriesFacts, examine
from tests.series import (
    CORONAL,
    FEET_FIRST,
    SAGITTAL,
    Grid,
    copy_of,
    rotation_about,
    write_enhanced,
    write_series,
)

HU: NDArray[np.int16] = np.random.default_rng(5).integers(-1024, 1500, (6, 64, 64)).astype(np.int16)

CORONAL_GRID = Grid(rotation=CORONAL)
"""No anatomy is looked for on it, which keeps tests of other facts fast."""


def examined(folder: Path, attributes: Mapping[str, object], grid: Grid = CORONAL_GRID) -> SeriesFacts:
    """Facts on a series with these attributes, and these attributes asked for."""
    return examine(write_series(folder, HU, grid, attributes=dict(attributes)), list(attributes))


class TestHeader:
    @pytest.mark.parametrize(
        ("keyword", "value", "expected"),
        [
            ("SeriesDescription", "Hip 5.0", "Hip 5.0"),
            ("SeriesNumber", 7, 7),
            ("KVP", "120", 120.0),
            ("PatientName", "Doe^Jane", "Doe^Jane"),
            ("FrameOfReferenceUID", "1.2.3", "1.2.3"),
            ("ConvolutionKernel", ["Br38f", "3"], ["Br38f", "3"]),
            ("PixelSpacing", ["0.5", "0.6"], [0.5, 0.6]),
            ("ContrastBolusAgent", "", None),
            ("PatientComments", None, None),
        ],
    )
    def test_value(self, tmp_path: Path, keyword: str, value: object, expected: object) -> None:
        assert examined(tmp_path, {keyword: value}).header == {keyword: expected}

    def test_sequence_is_its_code_meanings(self, tmp_path: Path) -> None:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "24421000087100", "SCT", "CT of hip"
        assert examined(tmp_path, {"ProcedureCodeSequence": [code]}).header == {
            "ProcedureCodeSequence": ["CT of hip"]
        }

    def test_of_an_enhanced_image_comes_from_its_functional_groups_too(self, tmp_path: Path) -> None:
        file = write_enhanced(tmp_path, HU, CORONAL_GRID)
        facts = examine([file], ["Modality", "ConvolutionKernel", "ImagePositionPatient"])
        assert facts.header == {
            "Modality": "CT",
            "ConvolutionKernel": "B30f",
            "ImagePositionPatient": [-120.0, -110.0, -700.0],
        }

    def test_unknown_keyword(self, tmp_path: Path) -> None:
        assert examine(write_series(tmp_path, HU, CORONAL_GRID), ["walk"]).header == {"walk": None}

    def test_does_not_hang_on_the_order_of_files(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU, CORONAL_GRID)
        keywords = ["SOPInstanceUID", "InstanceNumber"]
        assert examine(files, keywords) == examine(files[::-1], keywords)

    def test_speaks_of_the_slices_not_of_the_localizer(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU, CORONAL_GRID)
        localizer = copy_of(
            files[0], SOPInstanceUID="1.2.3", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], Rows=64
        )
        facts = examine([localizer, *files], ["ImageType"])
        assert facts.header["ImageType"] == ["ORIGINAL", "PRIMARY", "AXIAL"]
        assert facts.computed["image_kind"] == "original"
        assert facts.computed["slice_count"] == 6


class TestComputed:
    def test_of_a_measurable_series(self, tmp_path: Path) -> None:
        computed = examined(tmp_path, {}, Grid(spacing_mm=(2.5, 0.7, 0.9))).computed
        assert computed["slice_count"] == 6
        assert computed["slice_spacing_mm"] == pytest.approx(2.5)
        assert computed["coverage_mm"] == pytest.approx(15)
        assert computed["pixel_spacing_mm"] == 0.9
        assert computed["gantry_tilt_degrees"] == 0
        assert computed["measurable"] is True
        assert computed["refusal"] is None
        assert computed["anatomy"] == []
        assert computed["anatomy_reason"]

    def test_enhanced_image_gives_the_facts_of_the_same_slices(self, tmp_path: Path) -> None:
        single = examine(write_series(tmp_path / "single", HU, CORONAL_GRID), [])
        enhanced = examine([write_enhanced(tmp_path / "enhanced", HU, CORONAL_GRID)], [])
        assert enhanced.computed == single.computed

    @pytest.mark.parametrize(
        ("grid", "orientation"),
        [
            (Grid(), "axial"),
            (Grid(rotation=FEET_FIRST), "axial"),
            (Grid(rotation=rotation_about("z", 30)), "axial"),
            (Grid(rotation=rotation_about("x", 8)), "axial"),
            (Grid(rotation=rotation_about("x", 12)), "oblique"),
            (Grid(rotation=CORONAL), "coronal"),
            (Grid(rotation=SAGITTAL), "sagittal"),
        ],
    )
    def test_orientation(self, tmp_path: Path, grid: Grid, orientation: str) -> None:
        assert examined(tmp_path, {}, grid).computed["orientation"] == orientation

    def test_anatomy_is_looked_for_on_axial_planes_only(self, tmp_path: Path) -> None:
        assert examined(tmp_path, {}).computed["anatomy_reason"] == (
            "Not looked for: the planes are coronal, not axial."
        )

    @pytest.mark.parametrize(
        ("attributes", "kind"),
        [
            ({"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]}, "original"),
            ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}, "derived"),
            ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
            ({"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED"]}, "mpr"),
            ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "CSA MPR"]}, "mpr"),
            ({"ImageType": ["DERIVED", "SECONDARY", "", "DOSE_INFO"]}, "secondary"),
            ({"SOPClassUID": SecondaryCaptureImageStorage}, "secondary"),
            ({"ImageType": None}, None),
        ],
    )
    def test_image_kind(self, tmp_path: Path, attributes: dict[str, object], kind: str | None) -> None:
        assert examined(tmp_path, attributes).computed["image_kind"] == kind

    @pytest.mark.parametrize(
        ("attributes", "contrast"),
        [
            ({"ContrastBolusAgent": "APPLIED"}, True),
            ({"ContrastBolusAgent": "ISOVUE300/100"}, True),
            ({"ContrastBolusVolume": "100"}, True),
            ({"ContrastBolusAgentSequence": [Dataset()]}, True),
            ({"ContrastBolusAgent": "none"}, False),
            ({"ContrastBolusAgent": "NO "}, False),
            ({"ContrastBolusAgent": "", "ContrastBolusVolume": "0"}, None),
            ({}, None),
        ],
    )
    def test_contrast(self, tmp_path: Path, attributes: dict[str, object], contrast: bool | None) -> None:
        assert examined(tmp_path, attributes).computed["contrast"] is contrast

    @pytest.mark.parametrize(
        ("attributes", "years"),
        [
            ({"PatientAge": "074Y"}, 74),
            ({"PatientAge": "018M"}, 1),
            ({"PatientAge": "", "PatientBirthDate": "19500102", "StudyDate": "20240102"}, 74),
            ({"PatientAge": None, "PatientBirthDate": "1950.01.02", "StudyDate": "2024.07.02"}, 74),
            ({"PatientAge": "old", "PatientBirthDate": "19500102"}, 74.0),
            ({"PatientAge": None, "PatientBirthDate": ""}, None),
            ({"PatientAge": None, "PatientBirthDate": "1950"}, None),
        ],
    )
    @pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning")
    def test_age(self, tmp_path: Path, attributes: dict[str, object], years: int | None) -> None:
        age = examined(tmp_path, attributes).computed["age_years"]
        assert age == years


class TestRefusedSeries:
    def test_tilted(self, tmp_path: Path) -> None:
        computed = examined(tmp_path, {}, Grid(tilt_degrees=-18.5)).computed
        assert computed["gantry_tilt_degrees"] == pytest.approx(18.5, abs=0.01)
        assert computed["slice_count"] == 6
        assert computed["measurable"] is False
        assert "18.5 degrees" in str(computed["refusal"])
        assert computed["anatomy"] == []
        assert computed["anatomy_reason"] == "Not looked for: the series cannot be measured."

    def test_single_slice_has_the_tilt_of_its_header(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU[:1], attributes={"GantryDetectorTilt": "5.5"})
        assert examine(files, []).computed["gantry_tilt_degrees"] == 5.5

    def test_mr(self, tmp_path: Path) -> None:
        facts = examined(tmp_path, {"SOPClassUID": MRImageStorage, "Modality": "MR", "PixelSpacing": None})
        assert facts.header["Modality"] == "MR"
        assert facts.computed["image_kind"] == "original"
        assert facts.computed["measurable"] is False

    def test_pixels_that_cannot_be_decoded(self, tmp_path: Path) -> None:
        def cut(dataset: Dataset, index: int) -> None:
            if index == 0:
                dataset.PixelData = b"\0\0"

        computed = examine(write_series(tmp_path, HU, edit=cut), []).computed
        assert computed["measurable"] is False
        assert computed["slice_spacing_mm"] == 5
        assert "cannot be decoded" in str(computed["refusal"])

    def test_one_damaged_file_spoils_the_volume_but_not_the_header(self, tmp_path: Path) -> None:
        files = write_series(tmp_path, HU)
        files[0].write_bytes(b"not DICOM")
        facts = examine(files, ["Modality"])
        assert facts.header == {"Modality": "CT"}
        assert facts.computed["kernel"] == "soft"
        assert facts.computed["refusal"] == "A file of the series is not DICOM or is damaged."

    @pytest.mark.parametrize("content", [[], [b"garbage"]])
    def test_nothing_to_read(self, tmp_path: Path, content: list[bytes]) -> None:
        files = [tmp_path / "0"][: len(content)]
        for file, data in zip(files, content, strict=True):
            file.write_bytes(data)
        facts = examine(files, ["Modality"])
        assert facts.series_instance_uid == ""
        assert facts.header == {"Modality": None}
        assert facts.computed["measurable"] is False
        assert facts.computed["orientation"] == "none"
        assert facts.computed["refusal"]

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(damage=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8))
    def test_any_damage_to_a_header(self, tmp_path: Path, damage: list[tuple[int, int]]) -> None:
        file = write_enhanced(tmp_path, HU[:2], CORONAL_GRID)
        content = bytearray(file.read_bytes())
        header = range(132, content.index(b"\xe0\x7f\x10\x00"))
        for place, value in damage:
            content[header[place % len(header)]] = value
        file.write_bytes(content)
        facts = examine([file], ["PatientName", "PatientAge", "ConvolutionKernel"])
        json.dumps([facts.header, facts.computed], allow_nan=False)

    def test_uid_of_the_series_is_kept(self, tmp_path: Path) -> None:
        uid = generate_uid()
        assert examined(tmp_path, {"SeriesInstanceUID": uid}).series_instance_uid == uid


@pytest.mark.real_ct
class TestRealCt:
    @pytest.mark.parametrize(
        ("folder", "expected"),
        [
            (
                "hip_siemens_l4_to_midthigh",
                {"measurable": True, "orientation": "axial", "kernel": "soft", "image_kind": "original"},
            ),
            (
                "negative_chest_toshiba",
                {"measurable": True, "slice_spacing_mm": 2.0, "kernel": "bone", "slice_count": 143},
            ),
            ("negative_chestabdomen_ge", {"measurable": True, "kernel": "soft", "age_years": 69.0}),
            ("negative_abdomen_siemens_j2k", {"measurable": True, "kernel": "soft", "contrast": True}),
            ("negative_head_ge_tilted", {"measurable": False, "kernel": "soft", "gantry_tilt_degrees": 18.5}),
        ],
    )
    def test_facts(self, real_ct: Path, folder: str, expected: dict[str, object]) -> None:
        facts = examine(sorted((real_ct / folder).iterdir()), ["PatientName", "ImageType", "PatientAge"])
        assert expected.items() <= facts.computed.items()
        json.dumps([facts.header, facts.computed], allow_nan=False)

    @pytest.mark.parametrize(
        ("folder", "shows_hip"),
        [
            ("hip_siemens_l4_to_midthigh", True),
            ("wholebody_siemens", True),
            ("negative_chest_toshiba", False),
            ("negative_chestabdomen_ge", False),
            ("negative_abdomen_siemens_j2k", False),
        ],
    )
    def test_anatomy(self, real_ct: Path, folder: str, shows_hip: bool) -> None:
        computed = examine(sorted((real_ct / folder).iterdir()), []).computed
        assert ("proximal_femur" in computed["anatomy"]) is shows_hip
        assert computed["anatomy_reason"]

    def test_every_file_by_itself(self, real_ct: Path) -> None:
        for file in sorted(path for path in (real_ct / "edge_cases").rglob("*") if path.is_file()):
            facts = examine([file], ["ImageType", "ConvolutionKernel", "ReferencedSeriesSequence"])
            assert facts.computed["measurable"] is False
            assert facts.computed["refusal"]
            json.dumps([facts.header, facts.computed], allow_nan=False)
