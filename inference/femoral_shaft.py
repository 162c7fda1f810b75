"""The femoral shaft below a head: a filled outline of cortex to the side of it, slice by slice."""

import numpy as np
from scipy import ndimage
from skimage import measure

from inference.femoral_head import FemoralHead
from inference.sampling import TOWARDS, Floats, Scan

FROM_RADII = 2.2
"""The shaft is looked for from here below the head's centre, in radii of the head: the lesser trochanter."""
DEEPEST_MM = 130.0
STEP_MM = 6.0
CORTEX_HU = 180.0
AREA_MM2 = (250.0, 2200.0)
"""From a shaft's thin middle to the widest section through the trochanters; forearms and vessels are less."""
MOST_SLENDER = 2.2
"""Length by width: trochanters are below, the wing of the ilium is above."""
FRONT_TO_BACK_MM = 65.0
SIDEWAYS_MM = (5.0, 90.0)
"""From the head's centre outwards: further inwards lies the ischium, further outwards a hand."""
MARGIN_MM = 25.0


def shaft_levels(scan: Scan, head: FemoralHead) -> Floats:
    """Heights (mm) below the lesser trochanter that the scan covers, downwards."""
    top = head.sphere.centre_mm[0]
    heights = np.arange(top - FROM_RADII * head.sphere.radius_mm, top - DEEPEST_MM, -STEP_MM)
    return np.asarray(heights[heights >= scan.first_mm[0]])


def find_shaft(scan: Scan, head: FemoralHead) -> list[Floats]:
    """Centres of the femur's cross-sections at ``shaft_levels``, where there is one.

    Args:
        scan: voxels of about 2 mm.
    """
    centres = (_section(scan, head, height) for height in shaft_levels(scan, head))
    return [centre for centre in centres if centre is not None]


def _section(scan: Scan, head: FemoralHead, height: float) -> Floats | None:
    """Centre of the outermost outline of a femur's size and shape."""
    _, back, left = head.sphere.centre_mm
    row = round((height - scan.first_mm[0]) / scan.voxel_mm[0])
    rows = scan.first_mm[1] + scan.voxel_mm[1] * np.arange(scan.hu.shape[1])
    columns = scan.first_mm[2] + scan.voxel_mm[2] * np.arange(scan.hu.shape[2])
    near_rows = np.flatnonzero(np.abs(rows - back) < FRONT_TO_BACK_MM)
    near_columns = np.flatnonzero(np.abs(columns - left) < SIDEWAYS_MM[1] + MARGIN_MM)
    dense = ndimage.binary_fill_holes(scan.hu[row][np.ix_(near_rows, near_columns)] > CORTEX_HU)
    best: tuple[float, Floats] | None = None
    parts = measure.label(dense)
    for region in measure.regionprops(parts, spacing=tuple(scan.voxel_mm[1:])):
        back_mm, left_mm = region.centroid
        place = np.array([height, rows[near_rows[0]] + back_mm, columns[near_columns[0]] + left_mm])
        offset = float((place[2] - left) * TOWARDS[head.side])
        sized = AREA_MM2[0] < region.area < AREA_MM2[1]
        if sized and SIDEWAYS_MM[0] < offset < SIDEWAYS_MM[1] and (best is None or offset > best[0]):
            slender = region.axis_major_length / max(region.axis_minor_length, 1e-6)
            if slender < MOST_SLENDER:
                best = (offset, place)
    return best[1] if best else None
