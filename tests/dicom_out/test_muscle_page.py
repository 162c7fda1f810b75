import dataclasses
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from dicom_out.codes import STRUCTURES
from dicom_out.drawing import OPACITY
from dicom_out.muscle_page import AXIAL, CORONAL, TABLE
from dicom_out.muscle_table import SWATCH
from dicom_out.pictures import draw_overlay
from inference.result import Result
from inference.volume import read_layout
from tests.dicom_out.conftest import OBLIQUE
from tests.dicom_out.legs import SEGMENTS, legs_result
from tests.series import FEET_FIRST, PRONE, Grid, write_series

COARSE = (25.0, 5.0, 5.0)
GRIDS = {
    "axial": Grid(spacing_mm=COARSE),
    "feet first": Grid(spacing_mm=COARSE, rotation=FEET_FIRST),
    "prone": Grid(spacing_mm=COARSE, rotation=PRONE),
    "oblique": Grid(spacing_mm=COARSE, rotation=OBLIQUE),
}


def result_on_legs(grid: Grid, tmp_path: Path) -> Result:
    return legs_result(
        read_layout(write_series(tmp_path / "ct", np.full((24, 40, 90), -1000, np.int16), grid))
    )


def draw(result: Result, tmp_path: Path) -> NDArray[np.float64]:
    """The picture, (row, column, RGB) from 0 to 1."""
    draw_overlay(result, tmp_path / "overlay.png")
    picture: NDArray[np.float64] = imread(tmp_path / "overlay.png")[..., :3]
    return picture


def part(picture: NDArray[np.float64], place: tuple[float, float, float, float]) -> NDArray[np.float64]:
    rows, columns = picture.shape[:2]
    left, bottom, width, height = place
    top = 1 - bottom - height
    return picture[
        int(top * rows) : int((top + height) * rows), int(left * columns) : int((left + width) * columns)
    ]


def places(picture: NDArray[np.float64], name: str, opacity: float = OPACITY) -> NDArray[np.int64]:
    """(row, column) of pixels in the colour of a structure drawn on air."""
    colour = np.array(STRUCTURES[name].rgb) / 255 * opacity
    return np.argwhere(np.abs(picture - colour).max(axis=2) < 0.02)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_nothing_is_mirrored_whatever_the_storage(grid: Grid, tmp_path: Path) -> None:
    """In front on the left, behind on the right; the head of the left leg, the foot of the right one."""
    result = result_on_legs(grid, tmp_path)
    kept = {("rectus_femoris", "left"), ("semitendinosus", "right"), ("gluteus_medius", "left")}
    kept |= {("vastus_lateralis", "right")}
    numbers = [s.number for s in SEGMENTS if (s.name, s.side) in kept or s.name == "femur"]
    array = result.labels.array
    labels = result.labels.with_array(np.where(np.isin(array, numbers), array, 0).astype(np.uint8))
    air = result.image.with_array(np.full_like(result.image.array, -1000))
    picture = draw(dataclasses.replace(result, labels=labels, image=air), tmp_path)
    axial, coronal = part(picture, AXIAL), part(picture, CORONAL)
    front, back = places(axial, "rectus_femoris"), places(axial, "semitendinosus")
    high, low = places(coronal, "gluteus_medius"), places(coronal, "vastus_lateralis")
    assert min(map(len, (front, back, high, low))) > 100
    assert front[:, 0].mean() < back[:, 0].mean()
    assert front[:, 1].min() > back[:, 1].max()
    assert high[:, 0].mean() < low[:, 0].mean()
    assert high[:, 1].min() > low[:, 1].max()


def test_every_muscle_stands_in_the_table_in_its_colour(tmp_path: Path) -> None:
    table = part(draw(result_on_legs(GRIDS["axial"], tmp_path), tmp_path), TABLE)
    swatches = table[:, int((SWATCH + 0.005) * table.shape[1]) : int((SWATCH + 0.025) * table.shape[1])]
    muscles = {s.name for s in SEGMENTS} - {"femur", "hip_bone"}
    heights = {name: places(swatches, name, opacity=1.0)[:, 0] for name in muscles}
    assert all(len(found) > 100 for found in heights.values())
    assert heights["sartorius"].mean() < heights["gracilis"].mean() < heights["piriformis"].mean()


def test_a_result_without_a_prior_or_a_femur_is_drawn(tmp_path: Path) -> None:
    result = result_on_legs(GRIDS["axial"], tmp_path)
    compared = part(draw(result, tmp_path), TABLE)
    nothing = result.labels.with_array(np.zeros_like(result.labels.array))
    alone = part(draw(dataclasses.replace(result, labels=nothing, prior=None), tmp_path), TABLE)
    right = np.s_[:, int(0.8 * compared.shape[1]) : int(0.98 * compared.shape[1])]
    assert (compared[right] > 0.5).any()
    assert not (alone[right] > 0.5).any()
