"""Bone on the slices to be measured: cortex closed and filled, joint space left out."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.morphology import Mask, Pixel, closed, dilated
from inference.pelvic_frame import PelvicFrame

BONE_HU = 150
"""Imani 2025, section 2.3: from here on bone is trabecular, above 300 cortical."""

GAPS_MM = (1.5, 3.0, 5.0, 7.0)
"""Radii tried, one after the other, to close gaps in a cortex that age or partial volume made thin."""

CORTICAL_HU = 300
"""Imani 2025, section 2.3: above it bone is cortical."""

PARTIAL_VOLUME_MM = 2.0
"""How deep the blur of slice thickness and reconstruction kernel reaches into a surface."""

WIDEST_JOINT_MM = 8.0

LARGEST_GAP = 0.25
"""Of the circumference of a marrow space: more open than this it is no marrow space."""

SOCKET_MM = 10.0
"""How far the socket's rim reaches outwards of the head's centre; further out the shell meets the neck."""

OFF_MIDLINE_MM = 12.0
HALF_SACRUM_MM = 45.0
SMALLEST_COCCYX_MM2 = 25.0
"""What is dense and further off, wider or smaller is no sacrum: phleboliths, calcified vessels."""


class Part(IntEnum):
    """Bones that must not be closed into one another."""

    RIGHT = 1
    LEFT = 2
    SACRUM = 3


def hip_skeleton(smooth: NDArray[np.float32], frame: PelvicFrame) -> Mask:
    """Dense voxels that hang together with a femoral head: femora and hip bones.

    Contrast in bladder, bowel and vessels, phleboliths, hands, table and phantoms do not.
    """
    parts, count = ndimage.label(smooth > BONE_HU, np.ones((3, 3, 3)))
    wanted = np.zeros(count + 1, bool)
    for side, head in frame.heads.items():
        wanted[np.unique(parts[frame.head_distance_mm[side] < head.radius_mm + 6])] = True
    wanted[0] = False
    skeleton: Mask = wanted[parts]
    return skeleton


def bone_parts(
    smooth: NDArray[np.float32], skeleton: Mask, inside: Mask, pixel_mm: Pixel, frame: PelvicFrame
) -> NDArray[np.uint8]:
    """Every bone with its marrow, numbered by ``Part``."""
    sacrum = _sacrum(smooth, skeleton, inside, pixel_mm, frame)
    left = frame.lateral_mm > 0
    bones = np.zeros(skeleton.shape, np.uint8)
    for part, dense in (
        (Part.RIGHT, skeleton & ~sacrum & ~left),
        (Part.LEFT, skeleton & ~sacrum & left),
        (Part.SACRUM, sacrum),
    ):
        for index, plane in enumerate(dense):
            if plane.any():
                joint = _joint_shell(index, frame)
                whole = _closed_cortex(plane, joint, pixel_mm)
                bones[index][whole & (bones[index] == 0)] = part
    bones[_blurred_rim(smooth, bones > 0, pixel_mm)] = 0
    return bones


def _blurred_rim(smooth: NDArray[np.float32], bone: Mask, pixel_mm: Pixel) -> Mask:
    """Dense voxels around a cortex that are less than half of it: partial volume, no trabecular bone."""
    reach = [2 * round(PARTIAL_VOLUME_MM / side) + 1 for side in pixel_mm]
    cortex = ndimage.maximum_filter(smooth, size=(1, *reach))
    surface = bone & dilated(~bone, PARTIAL_VOLUME_MM, pixel_mm)
    rim: Mask = surface & (smooth > BONE_HU) & (smooth < np.clip(cortex / 2, BONE_HU, CORTICAL_HU))
    return rim


def joint_spaces(bones: NDArray[np.uint8], pixel_mm: Pixel, frame: PelvicFrame) -> Mask:
    """Cartilage and fluid of the hip joints and the symphysis: neither bone nor muscle."""
    between = closed(bones > 0, WIDEST_JOINT_MM / 2, pixel_mm) & (bones == 0)
    near = abs(frame.lateral_mm) < WIDEST_JOINT_MM
    for index in range(len(bones)):
        near[index] |= _joint_shell(index, frame)
    spaces: Mask = between & near
    return spaces


def _joint_shell(index: int, frame: PelvicFrame) -> Mask:
    """Where a hip's joint space may lie in one slice: around the femoral head, but not in its neck."""
    shell = [
        (distance[index] > frame.heads[side].radius_mm - 1)
        & (distance[index] < frame.heads[side].radius_mm + 6)
        for side, distance in frame.head_distance_mm.items()
    ]
    socket = abs(frame.lateral_mm[index]) < frame.half_width_mm + SOCKET_MM
    joint: Mask = (shell[0] | shell[1]) & socket
    return joint


def _sacrum(
    smooth: NDArray[np.float32], skeleton: Mask, inside: Mask, pixel_mm: Pixel, frame: PelvicFrame
) -> Mask:
    """Sacrum or coccyx: dense, in the midline, further back than the hip bones."""
    found = np.zeros(smooth.shape, bool)
    for index, plane in enumerate(smooth):
        parts, count = ndimage.label(inside[index] & (plane > BONE_HU))
        behind_mm = frame.posterior_mm[skeleton[index]].max(initial=0)
        for part in range(1, count + 1):
            here = parts == part
            lateral_mm = frame.lateral_mm[index][here]
            in_midline = abs(lateral_mm.mean()) < OFF_MIDLINE_MM and abs(lateral_mm).max() < HALF_SACRUM_MM
            large = here.sum() * np.prod(pixel_mm) > SMALLEST_COCCYX_MM2
            found[index] |= here & (in_midline and large and frame.posterior_mm[here].max() > behind_mm)
    return found


def _closed_cortex(dense: Mask, joint: Mask, pixel_mm: Pixel) -> Mask:
    """One bone in one slice: its dense part and the marrow within, though the cortex has gaps."""
    bone = dense
    for radius_mm in (0.0, *GAPS_MM):
        bridged = closed(bone[None], radius_mm, pixel_mm)[0] if radius_mm else bone
        whole = ndimage.binary_fill_holes(bridged)
        pockets, _ = ndimage.label(whole & ~bone)
        for pocket in set(np.unique(pockets[whole & ~bridged])) - {0}:
            marrow = pockets == pocket
            rim = ndimage.binary_dilation(marrow) & ~marrow
            enclosed = (rim & ~bone).sum() < LARGEST_GAP * rim.sum()
            if enclosed and joint[marrow].mean() < 0.5:
                bone = bone | marrow
    return bone
