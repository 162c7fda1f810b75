"""The annotators' protocol of Imani 2025, section 2.3, as rules: regions from anatomy, tissues by HU.

Bone is the cortex with all that it encloses; inside it four compartments by HU. Outside it muscle and fat by
HU; fat within the envelope of the muscles is intermuscular, fat outside it subcutaneous. What the paper has no
class for stays background: skin, joint space, pelvic viscera with the fat around them, external genitals.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.body import find_body
from inference.bone import BONE_HU, CORTICAL_HU, PARTIAL_VOLUME_MM, Part, bone_parts, hip_skeleton
from inference.denoise import denoised
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
from inference.pelvic_frame import Head, PelvicFrame, Point
from inference.pelvis import Canal, find_canal, viscera
from inference.result import Side

(
    CORTICAL_BONE,
    TRABECULAR_BONE,
    HAEMATOPOIETIC_BONE_MARROW,
    MARROW_ADIPOSE_TISSUE,
    MUSCLE,
    INTERMUSCULAR_ADIPOSE_TISSUE,
    SUBCUTANEOUS_ADIPOSE_TISSUE,
) = range(1, 8)

MARROW_HU = 50
"""Imani 2025, section 2.3: marrow from 50 to 150 HU is haematopoietic, below it adipose."""
FAT_HU = -30
"""Imani 2025, section 2.3: below it fat, above it muscle."""
GAS_HU = -190
"""Lower limit of adipose tissue in CT body composition (doi 10.1152/jappl.1998.85.1.115)."""

SMOOTHING_MM = 0.7
"""For finding regions; HU within them are compared as they are, or with less smoothing."""
SKIN_MM = 2.0
UNDER_SKIN_MM = 4.0
"""Muscle begins deeper than this; what is nearer to the surface is skin and its folds."""
BONE_DEPTH_MM = 5.0

JOINT_MM = 4.0
"""Half the width of joint spaces and of the symphysis that are closed."""
JOINT_SHELL_MM = 6.0
SYMPHYSIS_MM = 8.0

FASCIA_MM = 2.0
"""Soft tissue thinner than twice this is fascia, vessel or nerve, not a muscle's belly."""
SMALLEST_MUSCLE_MM2 = 150.0
ENVELOPE_MM = 15.0
"""Radius of the disc that rolls over the muscles from outside: it does not enter the clefts between them."""

BEFORE_PUBIS_MM = 3.0
GENITALS_MM = 20.0
CLEFT_MM = 12.0
BEHIND_SACRUM_MM = 8.0
ABDOMINAL_WALL_MM = 30.0
"""Rami further apart than this have the abdominal wall between them; nearer ones the root of the genitals."""


@dataclass(frozen=True)
class TissueMap:
    """Labels of some slices, and the body they were found in; both (slice, row, column)."""

    labels: NDArray[np.uint8]
    body: Mask


def label_tissues(
    hu: NDArray[np.int16], voxel_mm: Point, heads: Mapping[Side, Head], wanted: slice
) -> TissueMap:
    """Label the wanted slices.

    Args:
        hu: of the hip, axes foot to head, front to back, right to left; from the wanted slices to the femoral
            heads at least, so that bones can be followed to them.
        voxel_mm: (slice, row, column).
        heads: femoral heads of both sides, in indices of ``hu``.
        wanted: slices to label, as indices of ``hu``.
    """
    pixel_mm = voxel_mm[1:]
    smooth = _smooth(hu, pixel_mm)
    skeleton = hip_skeleton(smooth, PelvicFrame.of(hu.shape, voxel_mm, heads))[wanted]
    hu, smooth = hu[wanted], smooth[wanted]
    moved = {
        side: Head((head.index[0] - wanted.start, *head.index[1:]), head.radius_mm)
        for side, head in heads.items()
    }
    frame = PelvicFrame.of(hu.shape, voxel_mm, moved)
    body = find_body(smooth, skeleton, pixel_mm, frame)
    depth_mm = distance_mm(~body, pixel_mm)
    bones = bone_parts(smooth, skeleton, depth_mm > BONE_DEPTH_MM, pixel_mm, frame)
    canal = find_canal(bones, body, pixel_mm, frame)
    outside = (depth_mm > SKIN_MM) & (bones == 0) & ~_joints(bones > 0, pixel_mm, frame)
    calm = denoised(hu)
    fat = outside & (calm <= FAT_HU) & (calm > GAS_HU)
    soft = outside & (calm > FAT_HU) & _not_dense(smooth, bones > 0, pixel_mm)
    organs = viscera(smooth, soft, canal, pixel_mm, frame)
    muscle, organs = _muscle(soft, organs, depth_mm, bones, canal, pixel_mm, frame)

    labels = np.zeros(hu.shape, np.uint8)
    everything, muscles = _envelopes(muscle, organs, bones, pixel_mm, frame)
    before = canal.before & _has_abdominal_wall(canal, pixel_mm)
    labels[fat & ~everything & ~canal.inside] = SUBCUTANEOUS_ADIPOSE_TISSUE
    labels[fat & muscles & body & ~canal.inside & ~(before & everything)] = INTERMUSCULAR_ADIPOSE_TISSUE
    labels[muscle] = MUSCLE
    inside = bones > 0
    labels[inside] = np.select(
        [smooth[inside] > CORTICAL_HU, smooth[inside] > BONE_HU, smooth[inside] > MARROW_HU],
        [CORTICAL_BONE, TRABECULAR_BONE, HAEMATOPOIETIC_BONE_MARROW],
        MARROW_ADIPOSE_TISSUE,
    )
    return TissueMap(labels, body)


def _smooth(hu: NDArray[np.int16], pixel_mm: Pixel) -> NDArray[np.float32]:
    sigma = (0, SMOOTHING_MM / pixel_mm[0], SMOOTHING_MM / pixel_mm[1])
    return np.asarray(ndimage.gaussian_filter(hu.astype(np.float32), sigma))


def _joints(bone: Mask, pixel_mm: Pixel, frame: PelvicFrame) -> Mask:
    """Joint spaces of the hips, and the symphysis: neither bone nor muscle."""
    shells = [
        abs(distance - frame.heads[side].radius_mm - 2) < JOINT_SHELL_MM
        for side, distance in frame.head_distance_mm.items()
    ]
    near = shells[0] | shells[1] | (abs(frame.lateral_mm) < SYMPHYSIS_MM)
    return closed(bone, JOINT_MM, pixel_mm) & ~bone & near


def _not_dense(smooth: NDArray[np.float32], bone: Mask, pixel_mm: Pixel) -> Mask:
    """Dense soft tissue is muscle only where bone blurs into it: elsewhere it is contrast or calcium."""
    return (smooth <= BONE_HU) | dilated(bone, PARTIAL_VOLUME_MM, pixel_mm)


def _muscle(
    soft: Mask,
    organs: Mask,
    depth_mm: NDArray[np.float64],
    bones: NDArray[np.uint8],
    canal: Canal,
    pixel_mm: Pixel,
    frame: PelvicFrame,
) -> tuple[Mask, Mask]:
    """Bellies of muscles; and the organs with what hangs together with them in front of the canal."""
    candidates = soft & ~organs & ~_midline(bones, canal, pixel_mm, frame)
    core = opened(candidates & (depth_mm > UNDER_SKIN_MM), FASCIA_MM, pixel_mm)
    before = canal.before & _has_abdominal_wall(canal, pixel_mm)
    more = _touching(organs, core & before) & before
    organs, core = organs | more, core & ~more
    core = without_small_parts(core, SMALLEST_MUSCLE_MM2, pixel_mm)
    return dilated(core, 0.75 * FASCIA_MM, pixel_mm) & candidates & ~organs, organs


def _touching(seeds: Mask, mask: Mask) -> Mask:
    """Parts of the mask, slice by slice, that hang together with a seed."""
    found = np.zeros(mask.shape, bool)
    for index in range(len(mask)):
        parts, count = ndimage.label(mask[index] | seeds[index])
        reached = np.zeros(count + 1, bool)
        reached[np.unique(parts[seeds[index]])] = True
        reached[0] = False
        found[index] = reached[parts]
    return found


def _has_abdominal_wall(canal: Canal, pixel_mm: Pixel) -> Mask:
    """(slice, 1, 1): are the pubic rami so far apart that the abdominal wall lies between them?"""
    widths_mm = [np.ptp(np.nonzero(plane)[1]) * pixel_mm[1] if plane.any() else 0 for plane in canal.before]
    return np.array(widths_mm)[:, None, None] > ABDOMINAL_WALL_MM


def _midline(bones: NDArray[np.uint8], canal: Canal, pixel_mm: Pixel, frame: PelvicFrame) -> Mask:
    """Soft tissue of the midline that is no muscle: external genitals in front, the gluteal cleft behind."""
    lateral_mm = abs(frame.lateral_mm)
    has_canal = canal.inside.any(axis=(1, 2))[:, None, None]
    in_front = canal.behind_pubis_mm[:, :, None] < -BEFORE_PUBIS_MM
    genitals = in_front & (lateral_mm < GENITALS_MM) & has_canal & ~_has_abdominal_wall(canal, pixel_mm)
    cleft = np.zeros(bones.shape, bool)
    rows = np.arange(bones.shape[1])[:, None]
    for index, plane in enumerate(bones):
        sacrum = np.flatnonzero((plane == Part.SACRUM).any(axis=1))
        inside = np.flatnonzero(canal.inside[index].any(axis=1))
        if sacrum.size:
            behind = rows > sacrum.max() + BEHIND_SACRUM_MM / pixel_mm[0]
            cleft[index] = behind & (lateral_mm[index] < GENITALS_MM)
        elif inside.size:
            cleft[index] = (rows > inside.max()) & (lateral_mm[index] < CLEFT_MM)
    return genitals | cleft


def _envelopes(
    muscle: Mask, organs: Mask, bones: NDArray[np.uint8], pixel_mm: Pixel, frame: PelvicFrame
) -> tuple[Mask, Mask]:
    """Envelope of everything below the deep fascia, and envelope of the muscles of both sides."""
    everything = filled(closed(muscle | (bones > 0) | organs, ENVELOPE_MM, pixel_mm))
    firm = muscle | ((bones > 0) & (bones != Part.SACRUM))
    muscles = np.zeros(muscle.shape, bool)
    for side in (frame.lateral_mm <= 0, frame.lateral_mm > 0):
        muscles |= filled(closed(firm & side, ENVELOPE_MM, pixel_mm)) & side
    return everything, muscles
