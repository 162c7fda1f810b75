import json
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import dcmread
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from tests.series import Grid, write_series
from training.synthesis.label_maps import LabelMapError, people_in, read_label_map

CORNER = np.zeros((4, 5, 6), np.uint8)
"""Towards head, back, left: one voxel at the head, at the front, on the left."""
CORNER[3, 0, 5] = 1


def save(path: Path, values: np.ndarray, affine: np.ndarray) -> None:
    nib.save(nib.Nifti1Image(values, affine), path)  # type: ignore[no-untyped-call]


def names(folder: Path, stem: str, content: dict[str, object]) -> None:
    (folder / f"{stem}.json").write_text(json.dumps(content))


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_a_map_reads_the_same_however_it_is_stored(tmp_path: Path, flips: tuple[int, int, int]) -> None:
    to_right_front_head = CORNER[:, ::-1, ::-1].transpose(2, 1, 0)
    stored = to_right_front_head[tuple(slice(None, None, flip) for flip in flips)]
    save(tmp_path / "a.nii.gz", stored, np.diag([flips[0] * 1.0, flips[1] * 2.0, flips[2] * 3.0, 1.0]))
    names(tmp_path, "a", {"1": "Femur left"})

    found = read_label_map(people_in(tmp_path)["a"])

    assert (found.labels == CORNER).all()
    assert found.voxel_mm == (3.0, 2.0, 1.0)
    assert found.names == {1: "femur_left"}
    assert found.mask({"femur_left"}).sum() == 1
    assert found.body is None


def test_several_people_may_share_their_names(tmp_path: Path) -> None:
    for person in ("group_1", "group_2"):
        save(tmp_path / f"{person}.nii.gz", CORNER, np.eye(4))
    names(tmp_path, "group", {"labels": {"0": "background", "1": "femur"}})

    found = people_in(tmp_path)

    assert list(found) == ["group_1", "group_2"]
    assert read_label_map(found["group_2"]).names == {1: "femur"}


@pytest.mark.parametrize("flip", [1, -1])
def test_an_outline_of_the_body_comes_along(tmp_path: Path, flip: int) -> None:
    """It may be stored another way round, and its place be rounded."""
    save(tmp_path / "a.nii.gz", CORNER, np.eye(4))
    affine = np.diag([float(flip), 1.0, 1.0, 1.0])
    affine[0, 3] = (0.0 if flip > 0 else len(CORNER) - 1) + 0.001
    save(tmp_path / "a_body.nii.gz", np.ones_like(CORNER), affine)
    names(tmp_path, "a", {"1": "femur"})

    body = read_label_map(people_in(tmp_path)["a"]).body

    assert body is not None
    assert body.all()


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        ((4, 5, 7), np.eye(4)),
        ((4, 5, 6), np.diag([1.0, 1.0, 1.2, 1.0])),
        ((4, 5, 6), np.eye(4) + np.eye(4, k=3)),
    ],
    ids=["size", "spacing", "place"],
)
def test_an_outline_on_another_grid_is_refused(
    tmp_path: Path, shape: tuple[int, ...], affine: np.ndarray
) -> None:
    save(tmp_path / "a.nii.gz", CORNER, np.eye(4))
    save(tmp_path / "a_body.nii.gz", np.ones(shape, np.uint8), affine)
    names(tmp_path, "a", {"1": "femur"})

    with pytest.raises(LabelMapError, match=r"a_body\.nii\.gz has another grid"):
        read_label_map(people_in(tmp_path)["a"])


def test_labels_without_a_name_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.nii.gz", CORNER, np.eye(4))
    names(tmp_path, "a", {"2": "femur"})

    with pytest.raises(LabelMapError, match=r"labels \[1\] have no name"):
        read_label_map(people_in(tmp_path)["a"])


def test_a_map_without_names_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.nii.gz", CORNER, np.eye(4))

    with pytest.raises(LabelMapError, match=r"a\.json is missing"):
        people_in(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelMapError, match="holds no label map"):
        people_in(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelMapError, match=r"no folder .*maps\. Coxa comes without label maps"):
        people_in(tmp_path / "maps")


def test_slanted_slices_are_refused(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[1:3, 1:3] = [[0.8, -0.6], [0.6, 0.8]]
    save(tmp_path / "a.nii.gz", CORNER, affine)
    names(tmp_path, "a", {"1": "femur"})

    with pytest.raises(LabelMapError, match="not drawn on axial slices"):
        read_label_map(people_in(tmp_path)["a"])


def test_a_segmentation_object_is_a_label_map(tmp_path: Path) -> None:
    series = tmp_path / "ct"
    series.mkdir()
    write_series(series, np.zeros(CORNER.shape, np.int16), Grid(spacing_mm=(3.0, 2.0, 1.0)))
    images = sorted(
        (dcmread(file) for file in series.iterdir()), key=lambda image: image.ImagePositionPatient[2]
    )
    femur = SegmentDescription(
        segment_number=1,
        segment_label="Femur left",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Femur,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    folder = tmp_path / "maps"
    folder.mkdir()
    Segmentation(
        images,
        CORNER,
        "BINARY",
        [femur],
        generate_uid(),
        1,
        generate_uid(),
        1,
        "maker",
        "model",
        "1",
        "1",
    ).save_as(folder / "a.dcm")

    outline = np.ones((6, 5, 1), np.uint8)
    first_mm = np.array(images[-1].ImagePositionPatient, float) * (-1, -1, 1)
    affine = np.diag([-1.0, -2.0, 3.0, 1.0])
    affine[:3, 3] = first_mm
    save(folder / "a_body.nii.gz", outline, affine)

    found = read_label_map(people_in(folder)["a"])

    # A Segmentation holds no slices without labels.
    assert np.argwhere(found.labels).tolist()[0][1:] == [0, 5]
    assert found.voxel_mm == pytest.approx((3.0, 2.0, 1.0))
    assert found.body is not None
    assert found.names == {1: "femur_left"}
