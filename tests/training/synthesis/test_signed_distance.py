import numpy as np
import pytest

from training.synthesis.signed_distance import extended, in_blocks, resampled, signed_distance_mm


def ball(shape: tuple[int, ...], voxel_mm: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    middle = [(count - 1) * side / 2 for count, side in zip(shape, voxel_mm, strict=True)]
    places = np.indices(shape) * np.reshape(voxel_mm, (3, 1, 1, 1)) - np.reshape(middle, (3, 1, 1, 1))
    distance: np.ndarray = np.linalg.norm(places, axis=0) - radius_mm
    return distance


def test_the_surface_lies_between_voxels() -> None:
    mask = np.zeros((3, 3, 8), bool)
    mask[:, :, :4] = True

    found = signed_distance_mm(mask, (5.0, 2.0, 2.0), 60.0)

    assert found[1, 1].tolist() == [-7, -5, -3, -1, 1, 3, 5, 7]


def test_another_grid_keeps_a_surface_in_its_place() -> None:
    voxel_mm = (3.0, 1.0, 1.0)
    truth = ball((31, 91, 91), voxel_mm, 25.0)

    found = resampled(truth < 0, voxel_mm, 2.0, (46, 46, 46))

    wanted = ball((46, 46, 46), (2.0, 2.0, 2.0), 25.0)
    near = abs(wanted) < 4
    assert abs(found - wanted)[near].mean() < 0.4
    assert (found < 0).sum() == pytest.approx((wanted < 0).sum(), rel=0.02)


def test_distances_go_on_far_away() -> None:
    wanted = ball((61, 61, 61), (2.0, 2.0, 2.0), 15.0)

    found = extended(wanted.clip(None, 8.0).astype(np.float32), 2.0, 40.0)

    assert abs(found - wanted)[wanted < 4].max() < 1e-3
    assert abs(found - wanted.clip(None, 40.0)).max() < 2.5


def test_nothing_is_far_from_everything() -> None:
    assert (signed_distance_mm(np.zeros((2, 3, 4), bool), (1.0, 1.0, 1.0), 60.0) == 60).all()


def test_a_block_takes_its_largest_value() -> None:
    values = np.zeros((3, 2, 2), np.uint8)
    values[1, 0, 1], values[2, 1, 0] = 7, 9

    assert in_blocks(values).ravel().tolist() == [7, 9]
