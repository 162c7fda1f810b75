"""Stored pixels of planes -> HU."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID

from inference.errors import Refused
from inference.headers import text
from inference.planes import Plane

AIR_HU = -1024
"""Lowest value of a volume: padding, and whatever scanners write below air, become this."""

Stored = NDArray[np.integer[Any]]


def read_hu(planes: Sequence[Plane]) -> NDArray[np.int16]:
    """HU of planes of one shape, (plane, row, column), rounded; padding is -1024.

    Raises:
        Refused: ``no_pixel_data``, ``unreadable_pixels``.
        OSError: a file cannot be opened.
    """
    hu = np.empty((len(planes), *planes[0].shape), np.int16)
    by_file: defaultdict[Path, list[int]] = defaultdict(list)
    for index, plane in enumerate(planes):
        by_file[plane.path].append(index)

    def fill(indices: list[int]) -> None:
        stored = _decode([planes[index] for index in indices])
        for index, pixels in zip(indices, stored, strict=True):
            hu[index] = _to_hu(pixels, planes[index])

    with ThreadPoolExecutor() as pool:
        list(pool.map(fill, by_file.values()))
    return hu


def _decode(planes: Sequence[Plane]) -> Iterator[Stored]:
    """Stored values of planes of one file, one after the other."""
    header, path = planes[0].frame.dataset, planes[0].path
    # pydicom finds pixels by their place in the file, which a deflated file does not tell.
    source = dcmread(path) if UID(text(header.file_meta, "TransferSyntaxUID")).is_deflated else path
    decoded = iter_pixels(source, indices=[(plane.frame.frame_number or 1) - 1 for plane in planes], raw=True)
    uid = text(header, "SOPInstanceUID")
    for plane in planes:
        try:
            pixels = next(decoded)
        except OSError:
            raise
        except AttributeError as error:
            raise Refused("no_pixel_data", f"Instance {uid} lacks pixels or their description.") from error
        except Exception as error:  # each decoder fails in its own way on damaged pixels
            raise Refused("unreadable_pixels", f"The pixels of instance {uid} cannot be decoded.") from error
        if pixels.shape != plane.shape:
            raise Refused("unreadable_pixels", f"Instance {uid} holds another number of pixels than it says.")
        yield pixels


def _to_hu(stored: Stored, plane: Plane) -> NDArray[np.int16]:
    hu = np.rint(stored * plane.slope + plane.intercept)
    if plane.padding:
        low, high = plane.padding
        hu[(stored >= low) & (stored <= high)] = AIR_HU
    clipped: NDArray[np.int16] = hu.clip(AIR_HU, np.iinfo(np.int16).max).astype(np.int16)
    return clipped
