"""Every real CT ends in a volume that another reader confirms, or in a refusal that is true of it."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK

from inference.errors import Refused
from inference.volume import read_layout

pytestmark = pytest.mark.real_ct

EDGE_CASES = {
    "CT_small.dcm": "single_slice",
    "dicom2nifti_gantrytilting_001": "gantry_tilt",
    "dicom2nifti_notavolume_001": "duplicate_positions",
    "dicom2nifti_slicecount_001": "not_ct",
    "dicom2nifti_sliceincrement_001": "missing_slices",
    "dicom2nifti_sliceincrement_002": "gantry_tilt",
    "dicom2nifti_sliceorientation_001": "not_ct",
    "eCT_Supplemental.dcm": "not_hounsfield",
    "fodicom_CT-MONO2-16-ankle.dcm": "not_ct",
    "fodicom_CT1_J2KI.dcm": "duplicate_positions",
    "fodicom_D_CLUNIE_CT1_RLE_FRAGS.dcm": "single_slice",
    "fodicom_FreezePattern.dcm": "not_ct",
    "fodicom_GH1308.dcm": "single_slice",
    "fodicom_GH1376.dcm": "not_hounsfield",
    "fodicom_GH1728.dcm": "not_ct",
    "fodicom_GH178.dcm": "not_ct",
    "fodicom_GH342.dcm": "localizer",
    "fodicom_IM-0001-0001-0001.dcm": "single_slice",
    "liver.dcm": "not_ct",
    "wg04_CT2_J2KI.dcm": "duplicate_positions",
    "wg04_CT2_RLE.dcm": "single_slice",
}
"""Folder, or first file of a series, -> why it is refused."""


def series_below(folder: Path) -> dict[str, list[Path]]:
    """Files by series; the name is that of the first file."""
    by_uid: defaultdict[str, list[Path]] = defaultdict(list)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
        by_uid[header.get("SeriesInstanceUID", "")].append(file)
    return {files[0].name: files for files in by_uid.values()}


@pytest.mark.parametrize("name", EDGE_CASES)
def test_edge_case_is_refused(real_ct: Path, name: str) -> None:
    place = real_ct / "edge_cases" / name
    files = sorted(place.iterdir()) if place.is_dir() else series_below(place.parent)[name]
    with pytest.raises(Refused) as refused:
        read_layout(files)
    assert refused.value.code == EDGE_CASES[name]


@pytest.mark.parametrize("name", ["CT1", "CT2"])
def test_one_image_in_three_lossless_compressions_is_one_image(real_ct: Path, name: str) -> None:
    files = [real_ct / "edge_cases" / f"wg04_{name}_{form}.dcm" for form in ("J2KR", "JLSL", "JPLL")]
    with pytest.raises(Refused) as refused:
        read_layout(files)
    assert refused.value.code == "single_slice"


@pytest.mark.parametrize(
    ("folder", "code"),
    [
        ("hip_slices_men", "gaps_between_slices"),
        ("negative_localizer_siemens", "localizer"),
        ("negative_head_ge_tilted", "gantry_tilt"),
        ("negative_summary_philips", "not_ct"),
    ],
)
def test_not_a_volume(real_ct: Path, folder: str, code: str) -> None:
    for files in series_below(real_ct / folder).values():
        with pytest.raises(Refused) as refused:
            read_layout(files)
        assert refused.value.code == code


@pytest.mark.parametrize(
    "folder",
    [
        "hip_siemens_l4_to_midthigh",
        "wholebody_siemens",
        "negative_chest_toshiba",
        "negative_chestabdomen_ge",
        "negative_abdomen_siemens_j2k",
    ],
)
def test_volume_agrees_with_simpleitk(real_ct: Path, folder: str) -> None:
    layout = read_layout(sorted((real_ct / folder).iterdir()))
    step = max(1, len(layout.planes) // 6)
    volume = layout.read_volume(step=step)
    for index, plane in enumerate(layout.planes[::step]):
        image = SimpleITK.ReadImage(str(plane.path))
        position = volume.map_indices_to_reference(np.array([[index, 0, 0]]))[0]
        np.testing.assert_allclose(position, image.GetOrigin(), atol=1e-3)
        np.testing.assert_allclose(volume.spacing[1:], image.GetSpacing()[1::-1], atol=1e-6)
        hu = SimpleITK.GetArrayFromImage(image)[0]
        np.testing.assert_array_equal(volume.array[index], np.maximum(hu, -1024))
