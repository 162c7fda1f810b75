"""Signed distances to the surface of masks, and masks' change of grid by way of them."""

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Distances = NDArray[np.float32]
Voxel = tuple[float, float, float]

Scalar = TypeVar("Scalar", bound=np.generic)

CROP_MM = 8.0


def signed_distance_mm(mask: Mask, voxel_mm: Voxel, reach_mm: float) -> Distances:
    """Distance of every voxel's centre to the mask's surface, negative inside, cut off at ``reach_mm``.

    The surface lies halfway between voxels inside and outside; the edge of the array is no surface.
    """
    if not mask.any():
        return np.full(mask.shape, reach_mm, np.float32)
    half = min(voxel_mm) / 2
    outside = ndimage.distance_transform_edt(~mask, sampling=voxel_mm) - half
    if mask.all():
        return np.full(mask.shape, -reach_mm, np.float32)
    inside = ndimage.distance_transform_edt(mask, sampling=voxel_mm) - half
    signed: Distances = np.where(mask, -inside, outside).clip(-reach_mm, reach_mm).astype(np.float32)
    return signed


def resampled(mask: Mask, voxel_mm: Voxel, spacing_mm: float, shape: tuple[int, ...]) -> Distances:
    """Signed distance on an isotropic grid with the same first voxel; exact within ``CROP_MM`` of the mask.

    Distances are interpolated, not labels, so that surfaces keep their place between the voxels.

    Args:
        mask: on a grid of ``voxel_mm``.
        spacing_mm: of the new grid.
        shape: of the new grid.
    """
    found = np.full(shape, CROP_MM, np.float32)
    if not mask.any():
        return found
    window = _around(mask, voxel_mm)
    signed = signed_distance_mm(mask[window], voxel_mm, 2 * max(mask.shape) * max(voxel_mm))
    first = [
        int(np.ceil(part.start * side / spacing_mm)) for part, side in zip(window, voxel_mm, strict=True)
    ]
    last = [int((part.stop - 1) * side / spacing_mm) for part, side in zip(window, voxel_mm, strict=True)]
    target = tuple(slice(a, min(b + 1, n)) for a, b, n in zip(first, last, shape, strict=True))
    scale = np.array([spacing_mm / side for side in voxel_mm])
    offset = np.array(first) * scale - [part.start for part in window]
    found[target] = ndimage.affine_transform(
        signed, scale, offset, tuple(part.stop - part.start for part in target), order=1, mode="nearest"
    ).clip(None, CROP_MM)
    return found


def extended(near_mm: Distances, spacing_mm: float, reach_mm: float) -> Distances:
    """Distances that are exact near the surface only, continued to ``reach_mm`` outside, roughly."""
    coarse = signed_distance_mm(in_blocks(near_mm < 0), (2 * spacing_mm,) * 3, reach_mm)
    far_mm = torch.nn.functional.interpolate(
        torch.from_numpy(coarse)[None, None], scale_factor=2, mode="trilinear", align_corners=False
    )[0, 0].numpy()
    far_mm = far_mm[tuple(slice(count) for count in near_mm.shape)] + spacing_mm
    share = ((near_mm - CROP_MM / 2) / (CROP_MM / 2)).clip(0, 1)
    mixed: Distances = (near_mm * (1 - share) + far_mm * share).clip(-reach_mm, reach_mm).astype(np.float32)
    return mixed


def smooth_distance_mm(mask: Mask, spacing_mm: float, sigma_mm: float, reach_mm: float) -> Distances:
    """Signed distance to the mask's surface, freed of its voxels' corners."""
    near_mm = resampled(mask, (spacing_mm,) * 3, spacing_mm, mask.shape)
    return ndimage.gaussian_filter(extended(near_mm, spacing_mm, reach_mm), sigma_mm / spacing_mm)


def in_blocks(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """The largest value in each block of two voxels cubed."""
    even = np.pad(values, [(0, count % 2) for count in values.shape], mode="edge")
    slices, rows, columns = (count // 2 for count in even.shape)
    blocks: NDArray[Scalar] = even.reshape(slices, 2, rows, 2, columns, 2).max(axis=(1, 3, 5))
    return blocks


def _around(mask: Mask, voxel_mm: Voxel) -> tuple[slice, ...]:
    window = []
    for part, side, length in zip(
        ndimage.find_objects(mask.astype(np.uint8))[0], voxel_mm, mask.shape, strict=True
    ):
        margin = int(np.ceil(CROP_MM / side)) + 1
        window.append(slice(max(0, part.start - margin), min(length, part.stop + margin)))
    return tuple(window)
