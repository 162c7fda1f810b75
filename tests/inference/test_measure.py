"""Areas, volumes and indices of labels whose sizes are known."""

import highdicom as hd
import numpy as np
import pytest

from inference.measure import HipSegments, measure_tissues
from inference.result import Measurement, Segment

SPACING_MM = (3.0, 0.5, 0.8)
SEGMENTS = (
    Segment(1, "haematopoietic_bone_marrow"),
    Segment(2, "marrow_adipose_tissue"),
    Segment(3, "muscle"),
)
NUMBERS = HipSegments(muscle=3, haematopoietic=1, adipose=2)


def measured(
    labels: np.ndarray, hu: int = 50, height_m: float | None = 1.75
) -> dict[tuple[str, int | None], Measurement]:
    affine = np.diag([*SPACING_MM, 1.0])
    volume = hd.Volume(labels.astype(np.uint8), affine, "PATIENT")
    image = volume.with_array(np.full(labels.shape, hu, dtype=np.int16))
    found = measure_tissues(image, volume, SEGMENTS, 2, NUMBERS, height_m)
    return {(m.quantity, m.segment_number): m for m in found}


@pytest.fixture
def labels() -> np.ndarray:
    array = np.zeros((5, 40, 40), dtype=np.uint8)
    array[:, :10, :10] = 3
    array[2, 20:22, 20:30] = 1
    array[2, 30:31, 20:25] = 2
    return array


def test_area_is_of_the_reference_slice_and_volume_of_all(labels: np.ndarray) -> None:
    found = measured(labels)
    assert found["area", 3].value == pytest.approx(100 * 0.5 * 0.8 / 100)
    assert found["volume", 3].value == pytest.approx(5 * 100 * 0.5 * 0.8 * 3.0 / 1000)
    assert (found["area", 3].unit, found["volume", 3].unit) == ("cm2", "cm3")
    assert (found["area", 3].source_frame, found["volume", 3].source_frame) == (2, None)


def test_a_segment_without_a_voxel_measures_zero() -> None:
    assert measured(np.zeros((5, 4, 4)))["area", 3].value == 0


def test_attenuation_is_of_muscle_and_is_set_against_height(labels: np.ndarray) -> None:
    found = measured(labels, hu=49, height_m=1.75)
    assert found["mean_hu", 3].value == pytest.approx(49)
    assert found["mean_hu_per_height2", 3].value == pytest.approx(49 / 1.75**2)


@pytest.mark.parametrize(
    ("height_m", "words"), [(None, "absent"), (175.0, "not an adult's height"), (0.0, "not an adult's")]
)
def test_a_height_that_is_not_known_is_not_guessed(
    labels: np.ndarray, height_m: float | None, words: str
) -> None:
    index = measured(labels, height_m=height_m)["mean_hu_per_height2", 3]
    assert index.value is None
    assert words in (index.absent_reason or "")


def test_marrow_shares_are_of_total_marrow(labels: np.ndarray) -> None:
    found = measured(labels)
    assert found["hbm_to_tbm", None].value == pytest.approx(20 / 25)
    assert found["mat_to_tbm", None].value == pytest.approx(5 / 25)


def test_without_marrow_or_muscle_there_is_a_reason_instead_of_a_number() -> None:
    found = measured(np.zeros((5, 4, 4)))
    for name in (("hbm_to_tbm", None), ("mat_to_tbm", None), ("mean_hu", 3), ("mean_hu_per_height2", 3)):
        assert found[name].value is None
        assert found[name].absent_reason
