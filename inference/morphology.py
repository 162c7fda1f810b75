"""Mathematical morphology in millimetres, slice by slice.

Masks are (slice, row, column); ``pixel_mm`` is (row, column) spacing. Structuring elements are true discs
whatever the pixel's shape. The edge of the matrix is no edge: what touches it is taken to go on beyond.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Pixel = tuple[float, float]


def distance_mm(mask: Mask, pixel_mm: Pixel) -> NDArray[np.float64]:
    """Distance of every pixel to the nearest one of the mask in its slice; infinite where there is none."""
    return np.stack(
        [
            ndimage.distance_transform_edt(~plane, sampling=pixel_mm)
            if plane.any()
            else np.full(plane.shape, np.inf)
            for plane in mask
        ]
    )


def dilated(mask: Mask, radius_mm: float, pixel_mm: Pixel) -> Mask:
    """Everything within ``radius_mm`` of the mask."""
    return distance_mm(mask, pixel_mm) <= radius_mm


def eroded(mask: Mask, radius_mm: float, pixel_mm: Pixel) -> Mask:
    """What lies further than ``radius_mm`` from everything outside the mask."""
    return distance_mm(~mask, pixel_mm) > radius_mm


def opened(mask: Mask, radius_mm: float, pixel_mm: Pixel) -> Mask:
    """What a disc of ``radius_mm`` reaches that moves inside the mask: thinner parts are gone."""
    return dilated(eroded(mask, radius_mm, pixel_mm), radius_mm, pixel_mm)


def closed(mask: Mask, radius_mm: float, pixel_mm: Pixel) -> Mask:
    """The mask with gaps bridged that a disc of ``radius_mm`` cannot enter."""
    rows, columns = (int(np.ceil(radius_mm / side)) + 1 for side in pixel_mm)
    room = np.pad(mask, ((0, 0), (rows, rows), (columns, columns)))
    return eroded(dilated(room, radius_mm, pixel_mm), radius_mm, pixel_mm)[:, rows:-rows, columns:-columns]


def each_slice(change: Callable[[Mask], Mask], mask: Mask) -> Mask:
    """Apply a change of one plane to every slice."""
    return np.stack([change(plane) for plane in mask])


def filled(mask: Mask) -> Mask:
    """The mask with its holes."""
    return each_slice(ndimage.binary_fill_holes, mask)


def without_small_parts(mask: Mask, smallest_mm2: float, pixel_mm: Pixel) -> Mask:
    """The mask without connected parts smaller than ``smallest_mm2`` in a slice."""
    smallest = smallest_mm2 / (pixel_mm[0] * pixel_mm[1])

    def drop(plane: Mask) -> Mask:
        parts, _ = ndimage.label(plane)
        large = np.bincount(parts.ravel()) >= smallest
        large[0] = False
        return large[parts]

    return each_slice(drop, mask)
