"""The labels of Imani 2025, section 2.3: seven tissues from HU and anatomy.

Inside bones HU decides between cortical and trabecular bone and both kinds of marrow; outside them between
muscle and fat. What the paper leaves to the person who draws is decided here by anatomy:

- A bone reaches to half the height of its cortex. Joint space is no tissue of the protocol.
- Muscle is soft tissue of limbs, buttocks, abdominal wall and pelvic wall. Viscera, pelvic floor, genitals,
  femoral vessels, and whatever is brighter than ``CONTRAST_HU`` without being bone's edge have no label.
- Fat inside the deep fascia is intermuscular, outside it subcutaneous. The fascia is the smooth surface that
  bridges gaps of up to ``muscle.GAP_MM`` between muscles of one side. Pelvic and perineal fat has no label.
- Skin has no class in the paper. It is soft tissue in HU, hence no fat, and lies outside all muscle.

Where a structure ends is decided on smoothed HU; thresholds are applied to HU that ``denoise`` has calmed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.body import around_body, find_body
from inference.bone import BONE_HU, CORTICAL_HU, bone_parts, hip_skeleton, joint_spaces
from inference.denoise import CalmHU, calmed
from inference.morphology import Mask, Pixel, dilated, distance_mm
from inference.muscle import find_compartments
from inference.pelvic_frame import Head, PelvicFrame, Point
from inference.pelvis import find_canal, viscera
from inference.result import Side

MARROW_HU = 50
"""Imani 2025, section 2.3: below it marrow is adipose, above it haematopoietic."""

MUSCLE_HU = -30
"""Imani 2025, section 2.3: above it lean, below it fat."""

MUSCLE_END_HU = 500
"""Imani 2025, section 2.3: the upper end of muscle. Next to bone its edge is as bright as that."""

FAT_HU = -190
"""The paper gives no lower bound; TomoVision, whose software it used, gives -190 to -30 for body composition.
Below it there is gas, or its blurred edge."""

CONTRAST_HU = 150
"""Enhanced muscle stays far below; vessels with contrast and calcifications do not."""

SKIN_MM = 2.0
SMOOTHING_MM = 0.7


class Tissue(IntEnum):
    """Values of the label array."""

    CORTICAL_BONE = 1
    TRABECULAR_BONE = 2
    HAEMATOPOIETIC_BONE_MARROW = 3
    MARROW_ADIPOSE_TISSUE = 4
    MUSCLE = 5
    INTERMUSCULAR_ADIPOSE_TISSUE = 6
    SUBCUTANEOUS_ADIPOSE_TISSUE = 7


BONE = (
    Tissue.CORTICAL_BONE,
    Tissue.TRABECULAR_BONE,
    Tissue.HAEMATOPOIETIC_BONE_MARROW,
    Tissue.MARROW_ADIPOSE_TISSUE,
)


@dataclass(frozen=True)
class LabelledSlices:
    """The wanted slices, labelled.

    Attributes:
        labels: uint8, values of ``Tissue``, 0 elsewhere.
        body: trunk and legs, without arms, table and clothes.
    """

    labels: NDArray[np.uint8]
    body: Mask


def label_tissues(
    hu: NDArray[np.int16], voxel_mm: Point, heads: Mapping[Side, Head], wanted: slice
) -> LabelledSlices:
    """Label the wanted slices of a volume.

    Args:
        hu: axes foot to head, front to back, right to left; from the wanted slices up to the femoral heads,
            so that hip bones can be followed to the joint.
        voxel_mm: (slice, row, column).
        heads: both femoral heads.
        wanted: slices to label.
    """
    pixel_mm = voxel_mm[1:]
    shape = hu[wanted].shape
    top = max(wanted.stop, *(int(head.index[0]) + 1 for head in heads.values()))
    window = (slice(wanted.start, top), *around_body(hu[wanted], pixel_mm))
    hu = hu[window]
    heads = {side: _moved(head, window) for side, head in heads.items()}
    wanted = slice(0, shape[0])

    smooth = _smoothed(hu, pixel_mm)
    frame = PelvicFrame.of(hu.shape, voxel_mm, heads)
    skeleton = hip_skeleton(smooth, frame)[wanted]
    smooth, frame = smooth[wanted], frame.of_slices(wanted)
    body = find_body(smooth, skeleton, pixel_mm, frame)
    labelled = _labels(calmed(hu[wanted]), smooth, skeleton, body, pixel_mm, frame)

    labels, whole_body = np.zeros(shape, np.uint8), np.zeros(shape, bool)
    labels[:, *window[1:]], whole_body[:, *window[1:]] = labelled, body
    return LabelledSlices(labels, whole_body)


def _labels(
    calm: CalmHU,
    smooth: NDArray[np.float32],
    skeleton: Mask,
    body: Mask,
    pixel_mm: Pixel,
    frame: PelvicFrame,
) -> NDArray[np.uint8]:
    hu = calm.edges
    depth_mm = distance_mm(~body, pixel_mm)
    bones = bone_parts(smooth, skeleton & body, depth_mm > 2 * SKIN_MM, pixel_mm, frame)
    bone = bones > 0
    tissue = (depth_mm > SKIN_MM) & ~bone & ~joint_spaces(bones, pixel_mm, frame)
    bone_edge = dilated(bone, SKIN_MM, pixel_mm)
    soft = tissue & (hu > MUSCLE_HU) & ((smooth < CONTRAST_HU) | bone_edge)
    fat = tissue & (hu <= MUSCLE_HU) & (hu > FAT_HU)

    canal = find_canal(bones, body, pixel_mm, frame)
    organs = viscera(smooth, soft, canal, pixel_mm, frame)
    inside = find_compartments(soft, organs, bones, canal, depth_mm, pixel_mm, frame)

    labels = np.zeros(hu.shape, np.uint8)
    labels[fat & ~inside.deep & ~canal.inside] = Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE
    labels[fat & inside.limbs] = Tissue.INTERMUSCULAR_ADIPOSE_TISSUE
    labels[inside.muscle] = Tissue.MUSCLE
    label_bone(labels, bone, calm)
    return labels


def label_bone(labels: NDArray[np.uint8], bone: Mask, calm: CalmHU) -> None:
    """Write into ``labels`` what HU say of the pixels inside bones; all of one shape."""
    labels[bone] = Tissue.MARROW_ADIPOSE_TISSUE
    labels[bone & (calm.marrow >= MARROW_HU)] = Tissue.HAEMATOPOIETIC_BONE_MARROW
    labels[bone & (calm.marrow >= BONE_HU)] = Tissue.TRABECULAR_BONE
    labels[bone & (calm.edges > CORTICAL_HU)] = Tissue.CORTICAL_BONE


def _smoothed(hu: NDArray[np.int16], pixel_mm: Pixel) -> NDArray[np.float32]:
    sigma = (0.0, SMOOTHING_MM / pixel_mm[0], SMOOTHING_MM / pixel_mm[1])
    smoothed: NDArray[np.float32] = ndimage.gaussian_filter(hu, sigma, output=np.float32)
    return smoothed


def _moved(head: Head, window: tuple[slice, ...]) -> Head:
    level, row, column = (place - part.start for place, part in zip(head.index, window, strict=True))
    return replace(head, index=(level, row, column))
