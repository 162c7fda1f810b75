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
"""Skin is up to 3 mm thick; soft tissue this near to the surface is no muscle."""

THINNEST_MM = 4.0
SMALLEST_MM2 = 150.0
"""Thinner or smaller are septa, superficial vessels, lymph nodes and the spermatic cord."""

GAP_MM = 30.0
"""Muscles no further apart lie in one compartment, and the fat between them is intermuscular."""

GENITALS_MM = 20.0
CLEFT_MM = 20.0
"""Half widths of what lies in the midline before the symphysis and behind the coccyx and is no muscle."""

OPEN_RING_MM = 30.0
"""Where the pubic rami are further apart, the abdominal wall lies before the pelvis, else external genitals."""


@dataclass(frozen=True)
class Compartments:
    """Everything inside the deep fascia.

    Attributes:
        muscle: soft tissue that is muscle; may hold holes of fat.
        limbs: the muscle compartments of both sides with bones and the fat between muscles.
        deep: ``limbs`` and all that lies between them, pelvic viscera included.
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
    """Muscle among the soft tissue that is no organ, and the compartments around it.

    Args:
        soft: soft tissue outside bones and joints, (slice, row, column).
        organs: viscera of the canal.
        bones: numbered by ``Part``.
        canal: inside of the pelvic ring.
        depth_mm: below the body's surface.
        pixel_mm: (row, column).
        frame: of the same slices.
    """
    wall = _abdominal_wall(canal, pixel_mm)
    candidates = soft & ~organs & ~_midline(bones, canal, wall, pixel_mm, frame)
    core = opened(candidates & (depth_mm > MUSCLE_DEPTH_MM), THINNEST_MM / 2, pixel_mm)
    core &= ~_continued(organs, core & wall)
    core &= ~_femoral_vessels(core, bones, pixel_mm, frame)
    core = without_small_parts(core, SMALLEST_MM2, pixel_mm)
    muscle = candidates & dilated(core, THINNEST_MM / 2, pixel_mm) & ~_continued(organs, candidates & wall & core)

    deep = filled(closed(muscle | organs | (bones > 0), GAP_MM / 2, pixel_mm))
    frame_of_muscle = muscle | (bones == Part.RIGHT) | (bones == Part.LEFT)
    limbs = np.zeros_like(deep)
    for side in (frame.lateral_mm <= 0, frame.lateral_mm > 0):
        limbs |= filled(closed(frame_of_muscle & side, GAP_MM / 2, pixel_mm)) & side
    limbs &= (depth_mm > 0) & ~canal.inside & ~(wall & deep)
    return Compartments(muscle, limbs, deep)
