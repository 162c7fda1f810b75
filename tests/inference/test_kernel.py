"""Kernels as scanners write them into ConvolutionKernel."""

import pytest

from inference.kernel import kernel_class

SOFT = [
    "B10f",
    "B30f",
    "B31s",
    "B45f",
    "B35f",
    "D30f",
    "I31f",
    "J30s",
    "J40d",
    "Br38f",
    "Bv36d",
    "Hr40",
    "Qr40",
]
SOFT += ["STANDARD", "SOFT", "DETAIL", "CHEST", "STD+", "A", "B", "C", "UB", "EB", "XCB", "CB"]
SOFT += ["FC01", "FC02", "FC08", "FC13", "FC18", "FC13-H", "FC26", "Body Soft Tissue", "B_SOFT_A"]
BONE = ["B50f", "B60s", "B70f", "B80s", "I70f", "Br59d", "Bl57d", "Hr60", "Ur77u", "S80s", "U90u"]
BONE += [
    "BONE",
    "BONEPLUS",
    "BONE PLUS",
    "LUNG",
    "EDGE",
    "HD BONE",
    "LUNG2",
    "ULTRA",
    "D",
    "E",
    "L",
    "YA",
    "YC",
]
BONE += ["FC30", "FC35", "FC51", "FC55", "FC81", "FC86", "Sharp Plus", "B_VSHARP_C"]
UNKNOWN = ["", "T80s", "FC41", "FC70", "3", "XYZ"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [(n, "soft") for n in SOFT] + [(n, "bone") for n in BONE] + [(n, "unknown") for n in UNKNOWN],
)
def test_class_of_a_name(name: str, expected: str) -> None:
    assert kernel_class([name]) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["Br38f", "3"], "soft"), (["3", "Bl57"], "bone"), (["b30F"], "soft"), ([], "unknown")],
)
def test_first_known_value_decides(names: list[str], expected: str) -> None:
    assert kernel_class(names) == expected
