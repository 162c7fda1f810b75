"""A schematic person as label maps: head-and-shaft femora, a bony ring, a few muscles in a round body."""

import json
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from training.synthesis.signed_distance import Mask

NAMES = {
    1: "pelvis",
    2: "femur",
    3: "sacrum",
    4: "gluteus_maximus_left",
    5: "gluteus_maximus_right",
    6: "gluteus_medius",
    7: "rectus_femoris",
    8: "sartorius",
    9: "adductor_muscles",
    10: "vastus_lateralis",
}

HEAD_MM = np.array([180.0, 150.0, 90.0])
"""Centre of the left femoral head: up, back, and left of the midline."""

HEAD_RADIUS_MM = 24.0
MIDDLE_MM = 180.0
NECK = np.array([-0.6, 0.0, 0.8])
SHAFT = np.array([-0.995, 0.0, -0.1])


def _from_head(up: float, back: float, outwards: float) -> NDArray[np.float64]:
    place: NDArray[np.float64] = HEAD_MM + np.array([up, back, outwards])
    return place


@dataclass(frozen=True)
class Phantom:
    """Labels (slice, row, column) towards head, back and left."""

    labels: NDArray[np.uint8]
    body: Mask
    voxel_mm: tuple[float, float, float]


def make_phantom(voxel_mm: tuple[float, float, float] = (5.0, 3.0, 3.0), scale: float = 1.0) -> Phantom:
    """Draw it; ``scale`` makes it larger in all directions about the origin."""
    extent_mm = np.array([240.0, 300.0, 360.0])
    shape = [int(extent * scale / side) for extent, side in zip(extent_mm, voxel_mm, strict=True)]
    up, back, across = (
        index * side / scale for index, side in zip(np.indices(shape, np.float32), voxel_mm, strict=True)
    )
    left = across - MIDDLE_MM
    points = np.stack([up, back, np.abs(left)], axis=-1)
    labels = np.zeros(shape, np.uint8)

    def tube(start: NDArray[np.float64], along: NDArray[np.float64], length: float, radius: float) -> Mask:
        away = points - start
        along = along / np.linalg.norm(along)
        position = (away @ along).clip(0, length)[..., None] * along
        inside: Mask = np.linalg.norm(away - position, axis=-1) < radius
        return inside

    end = HEAD_MM + 55 * NECK
    straight = np.array([-1.0, 0.0, 0.0])
    for number, start, length, radius in (
        (6, _from_head(30, 10, 45), 30, 15),
        (7, _from_head(0, -45, 20), 170, 14),
        (8, _from_head(0, -45, -12), 170, 8),
        (9, _from_head(-50, 0, -10), 120, 22),
        (10, _from_head(-50, 0, 60), 120, 18),
    ):
        labels[tube(start, straight, length, radius)] = number
    gluteus = tube(_from_head(40, 55, 0), straight, 80, 25)
    labels[gluteus & (left > 0)], labels[gluteus & (left < 0)] = 4, 5
    ring = np.hypot((back - 150) / 70, left / 90)
    labels[(ring > 0.85) & (ring < 1.0) & (up > 130) & (up < 235) & (np.abs(left) > 20)] = 1
    labels[(np.abs(left) < 25) & (back > 205) & (back < 225) & (up > 170)] = 3
    femur = tube(HEAD_MM, NECK, 55, 12) | tube(end, SHAFT, 140, 13)
    femur |= np.linalg.norm(points - HEAD_MM, axis=-1) < HEAD_RADIUS_MM
    labels[femur] = 2
    trunk = np.hypot((back - 150) / 110, left / 165) < 1
    legs = np.hypot((back - 150) / 95, (np.abs(left) - 85) / 80) < 1
    return Phantom(labels, np.where(up > 120, trunk, legs) | (labels > 0), voxel_mm)


def write_phantom(phantom: Phantom, folder: Path, name: str, *, outline: bool = True) -> None:
    """As NIfTI with its names, stored to the left, to the back, to the head."""
    _write(phantom.labels, phantom.voxel_mm, folder / f"{name}.nii.gz")
    names = {str(value): structure for value, structure in NAMES.items()}
    (folder / f"{name}.json").write_text(json.dumps({"0": "background", **names}))
    if outline:
        _write(phantom.body.astype(np.uint8), phantom.voxel_mm, folder / f"{name}_body.nii.gz")


def _write(values: NDArray[np.uint8], voxel_mm: tuple[float, float, float], path: Path) -> None:
    foot, front, right = voxel_mm
    affine = np.diag([-right, -front, foot, 1.0])
    nib.save(nib.Nifti1Image(values.transpose(2, 1, 0), affine), path)  # type: ignore[no-untyped-call]
