"""Femoral head, neck and shaft of a femur given as signed distances."""

import numpy as np
from numpy.typing import NDArray

from inference.result import Side
from training.synthesis.person import Hip, Point
from training.synthesis.signed_distance import Distances

SURFACE_MM = 1.5
HEAD_ACROSS_MM = 45.0
"""The head's centre lies no further from the femur's medial end; the trochanters do, and are as thick."""

HEAD_AND_NECK_MM = 60.0
"""The head's centre lies no further below the femur's top, if the leg is roughly straight."""

LEAST_RADIUS_MM = 21.0
"""To begin with: gaps in a drawn head make it seem smaller."""

HEAD_SHELL = (0.82, 1.15)
"""Surface within these multiples of the radius may belong to the head."""

NECK_SHELL = (1.1, 1.45)
"""Bone within these multiples of the head's radius from its centre is neck, and trochanter hardly."""

NECK_CONE = 0.3
"""Surface further than this (cosine) towards the neck is not fitted to the head's sphere."""

SHAFT_BELOW_MM = 75.0
SHAFT_TO_MM = 210.0
"""Below the head: further down a femur bows, and widens towards the knee."""

LEAST_SHAFT_MM = 10.0
STEPS = 8
LEAST_SURFACE = 100
"""Voxels of the head's surface."""

Vectors = NDArray[np.float64]


def find_hip(femur_mm: Distances, spacing_mm: float, side: Side) -> Hip:
    """Fit a sphere to the femoral head, then follow the bone away from it.

    Args:
        femur_mm: signed distance, axes foot-head, front-back, right-left.
        spacing_mm: of the grid.
        side: which femur; its head is medial.

    Raises:
        ValueError: too little of the femur below its head is there.
    """
    bone = _places(femur_mm < 0, spacing_mm)
    surface = _places(abs(femur_mm) < SURFACE_MM, spacing_mm)
    upper = femur_mm.copy()
    upper[: int((bone[:, 0].max() - HEAD_AND_NECK_MM) / spacing_mm)] = 0
    columns = np.flatnonzero((upper < 0).any(axis=(0, 1)))
    across = round(HEAD_ACROSS_MM / spacing_mm)
    lateral = (
        slice(columns[0] + across, None) if side is Side.LEFT else slice(0, max(0, columns[-1] - across))
    )
    upper[:, :, lateral] = 0
    centre = _places(upper == upper.min(), spacing_mm)[0]
    radius_mm = max(-float(upper.min()), LEAST_RADIUS_MM)
    neck = _neck(bone, centre, radius_mm)
    offsets = femur_mm[abs(femur_mm) < SURFACE_MM].astype(np.float64)
    for _ in range(STEPS):
        away = surface - centre
        distance = np.linalg.norm(away, axis=1)
        on_head = (distance > HEAD_SHELL[0] * radius_mm) & (distance < HEAD_SHELL[1] * radius_mm)
        on_head &= away @ neck < NECK_CONE * distance
        if on_head.sum() < LEAST_SURFACE:
            raise ValueError("No femoral head was found at the femur's upper end.")
        centre, radius_mm = _sphere(surface[on_head], offsets[on_head], centre, radius_mm)
        neck = _neck(bone, centre, radius_mm)
    shaft_point, shaft_axis = _shaft(bone, centre)
    return Hip(_point(centre), radius_mm, _point(neck), _point(shaft_axis), _point(shaft_point))


def _places(mask: NDArray[np.bool_], spacing_mm: float) -> Vectors:
    return np.argwhere(mask).astype(np.float64) * spacing_mm


def _sphere(points: Vectors, offsets: Vectors, centre: Vectors, radius_mm: float) -> tuple[Vectors, float]:
    """One Gauss-Newton step; ``offsets`` are the points' own signed distances to the surface."""
    away = points - centre
    distance = np.linalg.norm(away, axis=1)
    design = np.column_stack([away / distance[:, None], np.ones(len(points))])
    step, *_ = np.linalg.lstsq(design, distance - offsets - radius_mm, rcond=None)
    return centre + step[:3], radius_mm + float(step[3])


def _neck(bone: Vectors, centre: Vectors, radius_mm: float) -> Vectors:
    away = bone - centre
    distance = np.linalg.norm(away, axis=1)
    shell = (distance > NECK_SHELL[0] * radius_mm) & (distance < NECK_SHELL[1] * radius_mm)
    if not shell.any():
        raise ValueError("The femur ends at its head.")
    direction: Vectors = (away[shell] / distance[shell, None]).mean(axis=0)
    return direction / np.linalg.norm(direction)


def _shaft(bone: Vectors, centre: Vectors) -> tuple[Vectors, Vectors]:
    """Line through the centroids of the slices below the lesser trochanter."""
    below_mm = centre[0] - bone[:, 0]
    heights = np.unique(bone[(below_mm > SHAFT_BELOW_MM) & (below_mm < SHAFT_TO_MM), 0])
    if not heights.size or np.ptp(heights) < LEAST_SHAFT_MM:
        raise ValueError(f"The femur ends less than {SHAFT_BELOW_MM + LEAST_SHAFT_MM:.0f} mm below its head.")
    centroids = np.array([bone[bone[:, 0] == height].mean(axis=0) for height in heights])
    middle: Vectors = centroids.mean(axis=0)
    axis: Vectors = np.linalg.svd(centroids - middle)[2][0]
    return middle, axis if axis[0] < 0 else -axis


def _point(vector: Vectors) -> Point:
    head, back, left = (float(value) for value in vector)
    return head, back, left
