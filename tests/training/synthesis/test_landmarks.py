import numpy as np
import pytest

from inference.result import Side
from tests.training.synthesis.phantom import HEAD_MM, HEAD_RADIUS_MM, MIDDLE_MM, NECK, SHAFT, make_phantom
from training.synthesis.landmarks import find_hip
from training.synthesis.signed_distance import Distances, signed_distance_mm


def left_femur() -> Distances:
    phantom = make_phantom((2.0, 2.0, 2.0))
    femur = phantom.labels == 2
    femur[:, :, : int(MIDDLE_MM / 2)] = False
    return signed_distance_mm(femur, phantom.voxel_mm, 60.0)


def test_head_neck_and_shaft_are_found() -> None:
    hip = find_hip(left_femur(), 2.0, Side.LEFT)

    assert np.array(hip.head_centre) == pytest.approx(HEAD_MM + np.array([0, 0, MIDDLE_MM]), abs=0.7)
    assert hip.head_radius_mm == pytest.approx(HEAD_RADIUS_MM, abs=0.7)
    assert np.dot(hip.neck_axis, NECK) > np.cos(np.radians(4))
    assert np.dot(hip.shaft_axis, SHAFT / np.linalg.norm(SHAFT)) > np.cos(np.radians(2))


def test_the_other_side_is_its_mirror_image() -> None:
    left = find_hip(left_femur(), 2.0, Side.LEFT)

    right = find_hip(left_femur()[:, :, ::-1], 2.0, Side.RIGHT)

    last_mm = (left_femur().shape[2] - 1) * 2.0
    assert right.head_centre[2] == pytest.approx(last_mm - left.head_centre[2], abs=0.1)
    assert right.neck_axis[2] == pytest.approx(-left.neck_axis[2], abs=0.01)


def test_a_femur_that_ends_at_its_neck_is_refused() -> None:
    with pytest.raises(ValueError, match="below its head"):
        find_hip(left_femur()[60:], 2.0, Side.LEFT)
