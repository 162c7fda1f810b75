"""Two legs and a pelvis made of cylinders, labelled, with the sides known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.muscles import BONES, MUSCLES, ThighStructure
from inference.result import Segment, Side

T = ThighStructure
HIP_MM = 330.0
"""Height at which the femora end and the pelvis begins."""
KNEE_MM = 40.0

# Angle from the front towards the midline, distance from the bone's axis, radius, from and to which height.
LEG: dict[T, tuple[float, float, float, float, float]] = {
    T.VASTUS_INTERMEDIUS: (-40, 8, 22, 70, 300),
    T.FEMUR: (0, 0, 14, KNEE_MM, HIP_MM),
    T.RECTUS_FEMORIS: (0, 44, 12, 70, 350),
    T.VASTUS_LATERALIS: (-80, 44, 16, 60, 320),
    T.VASTUS_MEDIALIS: (50, 42, 12, 50, 280),
    T.SARTORIUS: (62, 66, 8, 50, 350),
    T.ADDUCTOR_LONGUS: (80, 44, 9, 150, 320),
    T.GRACILIS: (108, 70, 9, 50, 320),
    T.ADDUCTOR_MAGNUS: (125, 46, 13, 60, 320),
    T.SEMIMEMBRANOSUS: (150, 62, 9, 50, 320),
    T.SEMITENDINOSUS: (166, 78, 8, 50, 320),
    T.BICEPS_FEMORIS: (-170, 56, 10, 50, 320),
    T.HIP_BONE: (0, 0, 26, 332, 450),
    T.TENSOR_FASCIAE_LATAE: (-48, 60, 9, 310, 430),
    T.GLUTEUS_MEDIUS: (-106, 46, 14, 340, 450),
    T.GLUTEUS_MAXIMUS: (-165, 66, 22, 300, 440),
    T.OBTURATOR_INTERNUS: (130, 38, 8, 332, 400),
    T.ILIACUS: (10, 38, 9, 350, 450),
}

SEGMENTS = tuple(
    Segment(2 * structure - (side is Side.LEFT), structure.name.lower(), side)
    for structure in (*BONES, *MUSCLES)
    for side in Side
)


@dataclass(frozen=True)
class Pose:
    """How the legs lie.

    Attributes:
        turned_degrees: of the body about its long axis.
        leaning: sideways, mm per mm upwards.
        half_mm: from the midline to each femur.
        crossing_mm: by how much the left knee lies to the right of its place.
        legs: lowest height of each leg's structures; a side that is not in it is not there.
        without: structures that were not labelled, with their side.
    """

    turned_degrees: float = 0.0
    leaning: float = 0.0
    half_mm: float = 92.0
    crossing_mm: float = 0.0
    left_from_mm: float | None = 0.0
    right_from_mm: float | None = 0.0
    without: Sequence[tuple[T, Side]] = ()


def phantom(
    pose: Pose,
    spacing_mm: tuple[float, float, float] = (6.0, 4.0, 4.0),
    heights_mm: tuple[float, float] = (0, 450),
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels without sides, and segment numbers; axes foot to head, front to back, right to left."""
    heights = np.arange(*heights_mm, spacing_mm[0])
    rows, columns = (
        np.arange(-half, half, mm) for half, mm in zip((210.0, 260.0), spacing_mm[1:], strict=True)
    )
    axes = (axis.astype(np.float32) for axis in (heights, rows, columns))
    up, back, left = np.meshgrid(*axes, indexing="ij", sparse=True)
    left = left - pose.leaning * (up - 200)
    angle = math.radians(pose.turned_degrees)
    across = math.cos(angle) * left + math.sin(angle) * back
    behind = math.cos(angle) * back - math.sin(angle) * left
    numbers = np.zeros(np.broadcast_shapes(across.shape, up.shape), np.uint8)
    for side, sign, lowest in ((Side.LEFT, 1, pose.left_from_mm), (Side.RIGHT, -1, pose.right_from_mm)):
        if lowest is None:
            continue
        outwards = sign * across - pose.half_mm
        front = -behind
        if side is Side.LEFT and pose.crossing_mm:
            down = np.clip((HIP_MM - up) / HIP_MM, 0, 1)
            outwards = outwards + pose.crossing_mm * down
            # It passes in front of the other leg.
            front = front - 200 * np.sin(math.pi / 2 * np.clip(3 * down, 0, 1))
        for structure, (degrees, far, radius, start, end) in LEG.items():
            if (structure, side) in pose.without:
                continue
            towards = math.radians(degrees)
            slices = slice(*np.searchsorted(heights, (max(start, lowest), end)).tolist())
            # All slices are alike where nothing leans.
            forward, outward = (place if len(place) == 1 else place[slices] for place in (front, outwards))
            away = np.hypot(forward - far * math.cos(towards), outward + far * math.sin(towards))
            number = 255 if structure is T.ILIACUS else 2 * structure
            np.copyto(numbers[slices], np.uint8(number - (side is Side.LEFT)), where=away < radius)
    structures = np.where(numbers > 250, T.ILIACUS, (numbers + 1) // 2).astype(np.uint8)
    return structures, np.where(numbers > 250, 0, numbers).astype(np.uint8)


def mirrored(numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The phantom seen in a mirror: what was left is right."""
    flipped = numbers[:, :, ::-1]
    return np.where(flipped > 0, ((flipped.astype(int) - 1) ^ 1) + 1, 0).astype(np.uint8)


def with_only(pose: Pose, side: Side) -> Pose:
    """The same with one leg and hip bone."""
    return replace(pose, right_from_mm=None) if side is Side.LEFT else replace(pose, left_from_mm=None)
