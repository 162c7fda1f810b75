"""The patient's body on the slices to be measured: without table, clothes, cables, and without arms."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from inference.bone import BONE_HU
from inference.morphology import Mask, Pixel, dilated, distance_mm, filled, opened, without_small_parts
from inference.pelvic_frame import PelvicFrame

BODY_HU = -300
"""Between fat and air, above blankets, mattress foam and the blurred skin line."""

THINNEST_MM = 10.0
"""Thinner than this are table tops, sheets, tubes and cables, not trunk or legs."""

MARGIN_MM = 20.0
SKIN_MARKER_MM = 4.0
ARM_BONE_MM2 = 20.0
BESIDE_HIP_MM = 10.0
BEFORE_HIP_MM = 40.0


def around_body(hu: NDArray[np.int16], pixel_mm: Pixel) -> tuple[slice, slice]:
    """Rows and columns that hold whatever is large, with a margin; all of them where nothing is.

    Args:
        hu: (slice, row, column).
        pixel_mm: (row, column).
    """
    body = opened(np.any(hu > BODY_HU, axis=0, keepdims=True), THINNEST_MM / 2, pixel_mm)[0]
    if not body.any():
        return slice(0, body.shape[0]), slice(0, body.shape[1])
    parts, _ = ndimage.label(body)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    large = (sizes > 0.1 * sizes.max())[parts]
    rows, columns = (np.flatnonzero(large.any(axis=axis)) for axis in (1, 0))
    margins = (round(MARGIN_MM / side) for side in pixel_mm)
    first, second = (
        slice(max(0, int(found[0]) - margin), int(found[-1]) + 1 + margin)
        for found, margin in zip((rows, columns), margins, strict=True)
    )
    return first, second


def find_body(smooth: NDArray[np.float32], skeleton: Mask, pixel_mm: Pixel, frame: PelvicFrame) -> Mask:
    """Trunk and legs, filled.

    Args:
        smooth: HU without noise, (slice, row, column).
        skeleton: femora and hip bones; what holds none of them is not part of the body measured here.
        pixel_mm: (row, column).
        frame: of the same slices.
    """
    tissue = smooth > BODY_HU
    core = opened(tissue, THINNEST_MM / 2, pixel_mm)
    for index, bones in enumerate(skeleton):
        parts, _ = ndimage.label(core[index])
        core[index] &= np.isin(parts, np.unique(parts[bones & core[index]]))
    body = filled(dilated(core, 2.0, pixel_mm) & tissue)
    depth_mm = distance_mm(~body, pixel_mm)
    for index in range(len(body)):
        deep = smooth[index] * (depth_mm[index] > SKIN_MARKER_MM)
        arms = _arm_bones(deep, skeleton[index], index, pixel_mm, frame)
        if arms.any():
            # The narrowest place between arm and trunk is where the distance to the surface is least.
            markers = np.where(arms, 1, np.where(skeleton[index], 2, 0))
            body[index] &= watershed(-depth_mm[index], markers, mask=body[index]) == 2
    return body


def _arm_bones(
    plane: NDArray[np.float32], skeleton: Mask, index: int, pixel_mm: Pixel, frame: PelvicFrame
) -> Mask:
    """Bones beside the femora or far in front of the pelvis: hands and forearms."""
    if not skeleton.any():
        return skeleton
    lateral_mm = frame.lateral_mm[index]
    hips = lateral_mm[skeleton]
    beside = (lateral_mm < hips.min() - BESIDE_HIP_MM) | (lateral_mm > hips.max() + BESIDE_HIP_MM)
    before = frame.posterior_mm < frame.posterior_mm[skeleton].min() - BEFORE_HIP_MM
    dense = (plane > BONE_HU) & (beside | before)
    arms: Mask = without_small_parts(dense[None], ARM_BONE_MM2, pixel_mm)[0]
    return arms
