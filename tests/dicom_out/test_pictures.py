import dataclasses
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from dicom_out.codes import STRUCTURES
from dicom_out.drawing import OPACITY
from dicom_out.pictures import draw_overlay
from inference.result import QualityFlag, Result, Severity
from inference.volume import read_layout
from tests.dicom_out.conftest import HU, result_on
from tests.series import FEET_FIRST, PRONE, Grid, write_series

GEOMETRIES = {
    "axial": Grid(),
    "feet first": Grid(rotation=FEET_FIRST),
    "prone": Grid(rotation=PRONE),
    "anisotropic": Grid(spacing_mm=(3.0, 0.7, 1.3)),
}


def draw(result: Result, tmp_path: Path) -> NDArray[np.float64]:
    """The picture, (row, column, RGB) from 0 to 1."""
    draw_overlay(result, tmp_path / "overlay.png")
    picture: NDArray[np.float64] = imread(tmp_path / "overlay.png")[..., :3]
    return picture


def main_slice(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part that shows the reference slice."""
    rows, columns = picture.shape[:2]
    return picture[int(0.14 * rows) : int(0.7 * rows), int(0.03 * columns) : int(0.62 * columns)]


def place_of(tissue: str, picture: NDArray[np.float64]) -> NDArray[np.int64]:
    """(row, column) of the pixels in the colour of a tissue drawn on air."""
    colour = np.array(STRUCTURES[tissue].rgb) / 255 * OPACITY
    return np.argwhere(np.abs(picture - colour).max(axis=2) < 0.03)


def marked(grid: Grid, tmp_path: Path) -> Result:
    """Muscle at the patient's left, marrow in front, fat at the right back, and air everywhere."""
    result = result_on(read_layout(write_series(tmp_path / "ct", np.full_like(HU, -1000), grid)))
    labels = np.zeros(result.labels.shape, np.uint8)
    points = result.labels.map_indices_to_reference(np.argwhere(labels == 0))
    left, back, _ = ((points - points.mean(axis=0)) / np.ptp(points, axis=0)).T
    flat = labels.reshape(-1)
    flat[(left > 0.2) & (abs(back) < 0.15)] = 5
    flat[(back < -0.2) & (abs(left) < 0.15)] = 3
    flat[(left < -0.2) & (back > 0.15)] = 7
    return dataclasses.replace(result, labels=result.labels.with_array(labels))


@pytest.mark.parametrize("grid", GEOMETRIES.values(), ids=GEOMETRIES)
def test_left_is_on_the_right_and_front_at_the_top_whatever_the_storage(grid: Grid, tmp_path: Path) -> None:
    picture = main_slice(draw(marked(grid, tmp_path), tmp_path))
    middle_row, middle_column = np.array(picture.shape[:2]) / 2
    muscle = place_of("muscle", picture)
    marrow = place_of("haematopoietic_bone_marrow", picture)
    fat = place_of("subcutaneous_adipose_tissue", picture)
    assert min(len(muscle), len(marrow), len(fat)) > 500
    assert muscle[:, 1].min() > middle_column
    assert marrow[:, 0].max() < middle_row
    assert fat[:, 1].max() < middle_column
    assert fat[:, 0].min() > middle_row


@pytest.mark.parametrize("grid", [FEET_FIRST, PRONE], ids=["feet first", "prone"])
def test_the_image_lies_under_its_labels(grid: NDArray[np.float64], tmp_path: Path) -> None:
    """Where what is labelled muscle is white in the image, muscle is drawn on black only along the edge."""
    result = marked(Grid(rotation=grid), tmp_path)
    white = np.where(result.labels.array == 5, 240, -1000).astype(np.int16)
    on_air = place_of("muscle", main_slice(draw(result, tmp_path)))
    bright = dataclasses.replace(result, image=result.image.with_array(white))
    assert len(place_of("muscle", main_slice(draw(bright, tmp_path)))) < 0.1 * len(on_air)


def test_pixels_that_are_not_square_are_drawn_in_true_proportions(tmp_path: Path) -> None:
    grid = GEOMETRIES["anisotropic"]
    result = result_on(read_layout(write_series(tmp_path / "ct", np.full_like(HU, -1000), grid)))
    labels = np.zeros(result.labels.shape, np.uint8)
    labels[2, 10:30, 10:30] = 5
    square = dataclasses.replace(result, labels=result.labels.with_array(labels))
    rows, columns = np.ptp(place_of("muscle", main_slice(draw(square, tmp_path))), axis=0)
    _, row_mm, column_mm = grid.spacing_mm
    assert rows / columns == pytest.approx(row_mm / column_mm, rel=0.02)


def test_the_small_slices_go_from_the_head_downwards(tmp_path: Path) -> None:
    """Each slice carries another tissue; the first of the array lies nearest to the feet."""
    result = result_on(read_layout(write_series(tmp_path / "ct", np.full_like(HU, -1000), Grid())))
    labels = np.zeros(result.labels.shape, np.uint8)
    labels[:, 5:40, 5:55] = np.array([5, 7, 0, 1, 6]).reshape(5, 1, 1)
    picture = draw(dataclasses.replace(result, labels=result.labels.with_array(labels)), tmp_path)
    rows, columns = picture.shape[:2]
    strip = picture[int(0.75 * rows) : int(0.95 * rows), : int(0.65 * columns)]
    order = [
        "intermuscular_adipose_tissue",
        "cortical_bone",
        "subcutaneous_adipose_tissue",
        "muscle",
    ]
    places = [place_of(tissue, strip)[:, 1].mean() for tissue in order]
    assert places == sorted(places)


def test_a_result_with_nothing_to_show_and_much_to_say_is_drawn(result: Result, tmp_path: Path) -> None:
    flags = [QualityFlag(f"flag_{n}", Severity.WARNING, f"Warning {n}. " * 20) for n in range(20)]
    labels = result.labels.with_array(np.zeros_like(result.labels.array))
    crowded = dataclasses.replace(result, labels=labels, quality=tuple(flags), reference_frame=0)
    assert draw(crowded, tmp_path).any()
