"""Files of a CT series -> a regular volume in HU with its place in the patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom import Dataset

from inference.errors import Refused
from inference.geometry import grid_of, offsets_mm, require_same_frame
from inference.headers import number, read_header, text
from inference.pixels import read_hu
from inference.planes import Plane, not_a_ct_image, planes_of
from inference.result import QualityFlag, Severity, SourceFrame

SAME_POSITION_MM = 0.01
"""Planes nearer than this share their position; no CT is reconstructed at a finer increment."""


@dataclass(frozen=True)
class SeriesLayout:
    """A series known from its headers: every plane in its place, not a pixel read.

    Attributes:
        planes: ascending along cross(row direction, column direction), whatever the storage order.
        geometry: the grid they form; axes (slice, row, column), affine to LPS, mm.
        notes: what a reader of a result must know of the input.
    """

    planes: tuple[Plane, ...]
    geometry: hd.VolumeGeometry
    notes: tuple[QualityFlag, ...]

    @property
    def frames(self) -> tuple[SourceFrame, ...]:
        """The source image, or frame, of each slice."""
        return tuple(plane.frame for plane in self.planes)

    def read_volume(self, start: int = 0, stop: int | None = None, step: int = 1) -> hd.Volume:
        """Decode the slices ``[start:stop:step]``.

        Returns:
            HU, int16, (slice, row, column) as stored; padding and what lies below air is -1024.

        Raises:
            Refused: ``no_pixel_data``, ``unreadable_pixels``.
            OSError: a file cannot be opened.
        """
        chosen = slice(start, stop, step)
        return self.geometry[chosen].with_array(read_hu(self.planes[chosen]))


def read_layout(files: Sequence[Path]) -> SeriesLayout:
    """Read the headers of one series and put its planes in order.

    Raises:
        Refused: the files are not one CT volume that can be measured safely; the reason says why.
        OSError: a file cannot be opened.
    """
    planes, notes = ordered_planes([(path, read_header(path)) for path in files])
    return SeriesLayout(tuple(planes), grid_of(planes), tuple(notes))


def ordered_planes(headers: Sequence[tuple[Path, Dataset]]) -> tuple[list[Plane], list[QualityFlag]]:
    """Parallel planes of one series by position, one per position, with notes on the input.

    Raises:
        Refused: as ``read_layout``, but gaps, spacing and tilt are not looked at.
    """
    if not headers:
        raise Refused("no_images", "The series has no files.")
    series = {text(dataset, "SeriesInstanceUID") for _, dataset in headers}
    if len(series - {""}) > 1:
        raise Refused("several_series", "The files belong to several series; give one series at a time.")
    if len(series) > 1:
        raise Refused("unreadable_file", "A file does not name its series: its header is cut off or damaged.")
    images, left_out = _ct_images(headers)
    planes = [plane for path, dataset in images for plane in planes_of(path, dataset)]
    if not planes:
        raise Refused("no_pixel_data", "The multi-frame image has no frames.")
    require_same_frame(planes)
    planes, copies = _without_copies(planes)
    return planes, [*left_out, *copies, *_header_notes(planes)]


def _ct_images(
    headers: Sequence[tuple[Path, Dataset]],
) -> tuple[list[tuple[Path, Dataset]], list[QualityFlag]]:
    """The images in HU, and a note on the instances that are something else, such as localizers."""
    others, images = [], []
    for path, dataset in headers:
        if other := not_a_ct_image(dataset):
            others.append(other)
        else:
            images.append((path, dataset))
    if not others:
        return images, []
    kinds = ", ".join(sorted({what for _, what in others}))
    if not images:
        raise Refused(others[0][0], f"The series holds no CT image in HU, only: {kinds}.")
    found = f"{len(others)} of {len(headers)} instances were left out: {kinds}."
    return images, [QualityFlag("instances_left_out", Severity.NOTE, found)]


def _without_copies(planes: Sequence[Plane]) -> tuple[list[Plane], list[QualityFlag]]:
    """Planes sorted by offset; of several with the same pixels at the same position, one."""
    offsets = offsets_mm(planes)
    order = np.argsort(offsets, kind="stable")
    kept = [planes[order[0]]]
    for gap, index in zip(np.diff(offsets[order]), order[1:], strict=True):
        if gap > SAME_POSITION_MM:
            kept.append(planes[index])
        elif not _is_copy(planes[index], kept[-1]):
            raise Refused(
                "duplicate_positions",
                "Different images share a slice position, as when a series mixes acquisitions or "
                "reconstructions.",
            )
    if len(kept) == len(planes):
        return kept, []
    found = f"{len(planes) - len(kept)} of {len(planes)} images repeat another one and were left out."
    return kept, [QualityFlag("copies_left_out", Severity.NOTE, found)]


def _is_copy(plane: Plane, other: Plane) -> bool:
    same_position = np.allclose(plane.position, other.position, rtol=0, atol=SAME_POSITION_MM)
    return same_position and np.array_equal(*read_hu([plane, other]))


def _header_notes(planes: Sequence[Plane]) -> list[QualityFlag]:
    """What the headers say against the pixels."""
    notes = []
    if any(text(plane.frame.dataset, "LossyImageCompression") == "01" for plane in planes):
        lossy = "The images were compressed with loss: HU of single pixels are not the scanner's."
        notes.append(QualityFlag("lossy_compression", Severity.NOTE, lossy))
    tilt = number(planes[0].frame.dataset, "GantryDetectorTilt")
    if tilt and abs(tilt) >= 1:
        tilted = f"GantryDetectorTilt is {tilt:g} degrees, but the positions of the slices show none."
        notes.append(QualityFlag("gantry_tilt_in_header", Severity.WARNING, tilted))
    return notes
