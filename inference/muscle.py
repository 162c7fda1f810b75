"""Muscle and the compartments it lies in, on slices through the femoral necks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from inference.bone import Part
from inference.morphology import (
    Mask,
    Pixel,
    closed,
    dilated,
    distance_mm,
    filled,
    opened,
    without_small_parts,
)
from inference.pelvic_frame import PelvicFrame
from inference.pelvis import Canal

MUSCLE_DEPTH_MM = 4.0
"""Skin is 2 to 3 mm thick; soft tissue this near to the surface is no muscle."""

THINNEST_MM = 4.0
SMALLEST_MM2 = 150.0
"""Thinner or smaller are septa, superficial vessels, lymph nodes and the spermatic cord."""

GAP_MM = 30.0
"""Muscles no further apart lie in one compartment, and the fat between them is intermuscular."""

VESSEL_RADIUS_MM = 8.5
VESSEL_MM2 = 350.0
VESSEL_ROUNDNESS = 2.2
"""Area of femoral artery, vein or both, relative to their inscribed circle; pectineus is flatter."""
VESSEL_CONTACT = 0.4
"""Share of the outline that may touch muscle; the rest lies in fat."""
VESSELS_BEFORE_HEAD_MM = 10.0
VESSELS_MEDIAL_MM = (2.0, 50.0)
"""Of the centre of the femoral head; lateral of them lie iliopsoas and sartorius."""


@dataclass(frozen=True)
class Compartments:
    """Everything inside the deep fascia; masks (slice, row, column).

    Attributes:
        muscle: soft tissue that is muscle.
        limbs: the muscle compartments of both sides with bones and the fat between muscles.
        deep: ``limbs`` and what lies between them, pelvic viscera included.
    """

    muscle: Mask
    limbs: Mask
    deep: Mask


def find_compartments(
    soft: Mask,
    organs: Mask,
    bones: NDArray[np.uint8],
    canal: Canal,
    depth_mm: NDArray[np.float64],
    pixel_mm: Pixel,
    frame: PelvicFrame,
) -> Compartments:
    """Muscle among the soft tissue, and the compartments around it.

    Args:
        soft: soft tissue outside bones and joints, (slice, row, column).
        organs: those of it that are viscera.
        bones: numbered by ``Part``.
        canal: the inside of the pelvic ring.
        depth_mm: below the body's surface.
        pixel_mm: (row, column).
        frame: of the same slices.
    """
    candidates = soft & ~organs & ~canal.midline
    core = opened(candidates & (depth_mm > MUSCLE_DEPTH_MM), THINNEST_MM / 2, pixel_mm)
    core = without_small_parts(core, SMALLEST_MM2, pixel_mm)
    vessels = _femoral_vessels(core, bones > 0, pixel_mm, frame)
    muscle = candidates & dilated(without_small_parts(core & ~vessels, SMALLEST_MM2, pixel_mm), 1.5, pixel_mm)

    # The deep fascia lies over the femoral vessels.
    firm = muscle | vessels | (bones == Part.RIGHT) | (bones == Part.LEFT)
    deep = filled(closed(firm | organs | (bones > 0), GAP_MM / 2, pixel_mm))
    limbs = np.zeros_like(deep)
    for side in (frame.lateral_mm <= 0, frame.lateral_mm > 0):
        limbs |= filled(closed(firm & side, GAP_MM / 2, pixel_mm)) & side
    limbs &= ~canal.inside & ~canal.before
    return Compartments(muscle, limbs, deep)


def _femoral_vessels(core: Mask, bone: Mask, pixel_mm: Pixel, frame: PelvicFrame) -> Mask:
    """Femoral artery and vein and the lymph nodes beside them: small round parts in the groin's fat."""
    thickness_mm = distance_mm(~core, pixel_mm)
    near_bone = dilated(bone, 2.0, pixel_mm)
    groin = _groin(frame)
    found = np.zeros_like(core)
    for index, plane in enumerate(core):
        relief = ndimage.gaussian_filter(thickness_mm[index], 0.7)
        peaks = peak_local_max(relief, min_distance=3, threshold_abs=2.0, labels=plane.astype(np.int32))
        markers = np.zeros(plane.shape, np.int32)
        markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        parts = watershed(-relief, markers, mask=plane)
        for number in markers[groin[index] & (markers > 0)]:
            part = parts == number
            radius_mm = thickness_mm[index][part].max()
            area_mm2 = part.sum() * np.prod(pixel_mm)
            around = ndimage.binary_dilation(part) & ~part
            found[index] |= part & (
                radius_mm < VESSEL_RADIUS_MM
                and area_mm2 < min(VESSEL_MM2, VESSEL_ROUNDNESS * np.pi * radius_mm**2)
                and plane[around].mean() < VESSEL_CONTACT
                and not (part & near_bone[index]).any()
            )
    return found


def _groin(frame: PelvicFrame) -> Mask:
    """Before the femoral heads and medial to their centres."""
    nearest, furthest = VESSELS_MEDIAL_MM
    medial_mm = frame.half_width_mm - abs(frame.lateral_mm)
    head_mm = max(head.radius_mm for head in frame.heads.values())
    before = frame.posterior_mm < -head_mm - VESSELS_BEFORE_HEAD_MM
    groin: Mask = (medial_mm > nearest) & (medial_mm < furthest) & before
    return groin
