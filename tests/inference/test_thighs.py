"""Thighs without a femoral head are found; other parts with a bone in them are not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.sampling import Scan
from inference.thighs import covers_thigh

VOXEL_MM = (5.0, 1.5, 1.5)
SHAPE = (24, 180, 260)


def scan(hu: NDArray[np.int16]) -> Scan:
    return Scan(hu, np.array(VOXEL_MM), np.zeros(3), np.eye(4))


def disc(row_mm: float, column_mm: float, radius_mm: float) -> NDArray[np.bool_]:
    rows, columns = (np.arange(size) * mm for size, mm in zip(SHAPE[1:], VOXEL_MM[1:], strict=True))
    found: NDArray[np.bool_] = np.hypot(rows[:, None] - row_mm, columns - column_mm) < radius_mm
    return found


def limb(
    column_mm: float, radius_mm: float, bones: tuple[tuple[float, float], ...], slices: slice = slice(None)
) -> NDArray[np.int16]:
    """Muscle under fat; each bone, at its distance from the middle, has a wall of cortex."""
    hu = np.full(SHAPE, -1000, np.int16)
    hu[slices, disc(130, column_mm, radius_mm)] = -100
    hu[slices, disc(130, column_mm, radius_mm - 12)] = 55
    for off_mm, bone_mm in bones:
        hu[slices, disc(130 + off_mm, column_mm, bone_mm)] = 900
        hu[slices, disc(130 + off_mm, column_mm, bone_mm - 5)] = -40
    return hu


THIGH = (75.0, ((0.0, 14.0),))


def test_two_thighs_and_one_are_found() -> None:
    left, right = limb(290, *THIGH), limb(100, *THIGH)
    assert covers_thigh(scan(np.maximum(left, right)))
    assert covers_thigh(scan(left))


def test_thighs_that_touch_are_found() -> None:
    left, right = limb(270, *THIGH), limb(125, *THIGH)
    assert covers_thigh(scan(np.maximum(left, right)))


def test_a_nail_in_the_shaft_does_not_hide_it() -> None:
    hu = limb(195, *THIGH)
    hu[:, disc(130, 195, 5)] = 3071
    assert covers_thigh(scan(hu))


@pytest.mark.parametrize(
    "hu",
    [
        limb(195, 38.0, ((0.0, 11.0),)),
        limb(195, 60.0, ((-20.0, 13.0), (25.0, 6.0))),
        limb(195, 60.0, ((-42.0, 13.0),)),
        limb(195, 75.0, ((0.0, 45.0),)),
        limb(195, 75.0, ()),
        limb(195, *THIGH, slices=slice(0, 8)),
    ],
    ids=["upper arm", "lower leg", "bone under the skin", "knee", "no bone", "40 mm of a thigh"],
)
def test_other_parts_are_not(hu: NDArray[np.int16]) -> None:
    assert not covers_thigh(scan(hu))


def test_a_neck_with_its_airway_is_not() -> None:
    hu = limb(195, 65.0, ((10.0, 14.0),))
    hu[:, disc(95, 195, 9)] = -1000
    assert not covers_thigh(scan(hu))
