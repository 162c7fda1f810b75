"""Implants: where they are, which HU around them are not reliable, and less of the error they make.

Arrays are (slice, row, column) with axes foot to head, front to back, right to left; spacings in that order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from inference.body import BODY_HU, around_body
from inference.morphology import Mask, dilated, distance_mm, filled, opened
from inference.muscles import MUSCLES
from inference.pixels import AIR_HU
from inference.projection import ParallelBeam
from inference.result import QualityFlag, Segment, Severity

Spacing = tuple[float, float, float]
Image = NDArray[np.float32]

METAL_HU = 3000
"""Titanium as thick as a screw reaches it on every scale, also on one cut at 3071. The densest cortex, 1900
HU at 120 kVp, has about 2750 at 80 kVp; calcification and excreted contrast medium have less."""
BLURRED_HU = 2200
"""Metal's edge as the kernel blurs it."""
BLUR_MM = 3.0
LEAST_MM3 = 30.0
"""Less may be noise in dense bone, or a clip that matters to nobody."""

COARSE_BODY_MM = 4.0
THINNEST_MM = 10.0
"""Thinner than this are clothes, table tops and what lies in pockets."""
DEEP_MM = 8.0
LEAST_DEEP = 0.1
"""Share of an implant's voxels that lie deep in the body; plates lie deep by their screws, zips do not."""

NEAR_MM = 5.0
"""So near to metal, blur and bloom are left after all that is done about streaks."""
CHANGED_HU = 15.0
"""Where streaks were stronger, what is left of them is too: in synthetic CT this left the mean HU of muscle
within 60 mm of metal 0.5 HU off, instead of 1.6 with all of it and 2.5 without reduction."""
AFFECTED = 0.1
"""Share of a muscle whose HU are not reliable, from which on the muscle is named."""

STREAK_MM = 2.5
SOFT_HU = (-400, 300)
TOGETHER = 16
"""Slices at a time: bounds memory."""


@dataclass(frozen=True)
class Metal:
    """Implants.

    Attributes:
        mask: same shape as the HU.
        volume_cm3: of the mask; blur and bloom make it larger than the implant.
        length_mm: how much of the body's length shows metal.
    """

    mask: Mask
    volume_cm3: float
    length_mm: float

    @property
    def slices(self) -> NDArray[np.intp]:
        """Indices of slices with metal."""
        if not self.volume_cm3:
            return np.empty(0, np.intp)
        return np.flatnonzero(self.mask.any(axis=(1, 2)))


def find_metal(hu: NDArray[np.int16], spacing_mm: Spacing) -> Metal:
    """Implants of titanium, steel or cobalt-chromium inside the body; not plastics, carbon and cement.

    Args:
        hu: of any upper limit from 3071 on.
        spacing_mm: between slices, rows, columns.
    """
    mask = np.zeros(hu.shape, bool)
    bright = np.flatnonzero([plane.max(initial=0) > METAL_HU for plane in hu])
    if not bright.size:
        return Metal(mask, 0.0, 0.0)
    box = _around(hu, slice(int(bright[0]), int(bright[-1]) + 1), spacing_mm)
    inside = hu[box]
    sure = inside > METAL_HU
    cross = ndimage.generate_binary_structure(2, 1)[None]
    steps = max(1, round(BLUR_MM / min(spacing_mm[1:])))
    metal = ndimage.binary_dilation(sure, cross, iterations=steps, mask=inside > BLURRED_HU)

    parts, count = ndimage.label(metal, np.ones((3, 3, 3)))
    voxel_mm3 = float(np.prod(spacing_mm))
    size, deep_size, sure_size = (
        np.bincount(parts[voxels], minlength=count + 1)
        for voxels in (metal, metal & _deep(hu[box[0]], spacing_mm)[:, box[1], box[2]], sure)
    )
    implant = (sure_size * voxel_mm3 >= LEAST_MM3) & (deep_size >= LEAST_DEEP * size)
    implant[0] = False
    mask[box] = implant[parts]
    with_metal = int(mask[box].any(axis=(1, 2)).sum())
    return Metal(mask, float(size[implant].sum() * voxel_mm3 / 1000), with_metal * spacing_mm[0])


def reduced(hu: NDArray[np.int16], metal: Metal, spacing_mm: Spacing) -> NDArray[np.int16]:
    """HU with less of the dark bands and bright rays that metal makes; metal itself stays as it is.

    Empirical beam hardening correction (Kyriakou 2010, Med Phys 37:5179) with its term of metal alone: what
    rays through metal fall short by grows with the square of their path in metal. That error is
    reconstructed from the mask, and of it so much is added to each slice as makes soft tissue smoothest.

    Args:
        hu: not changed; given back where there is no metal.
        metal: in it.
        spacing_mm: between slices, rows, columns.
    """
    slices = metal.slices
    if not slices.size:
        return hu
    calmer = hu.copy()
    # Rays that leave the body carry nothing: its box is enough, and smaller than the picture.
    box = around_body(hu[slices], (spacing_mm[1], spacing_mm[2]))
    sizes = zip(hu[0][box].shape, spacing_mm[1:], strict=True)
    rows, columns = (max(2, round(size * pixel / STREAK_MM)) for size, pixel in sizes)
    beam = ParallelBeam((rows, columns), STREAK_MM)
    limits = np.iinfo(np.int16)
    for some in np.array_split(slices, -(-slices.size // TOGETHER)):
        scanned, mask = hu[some][:, *box], metal.mask[some][:, *box]
        better = np.rint(scanned + _change(scanned, mask, beam)).clip(limits.min, limits.max)
        for index, plane in zip(some, np.where(mask | (scanned <= AIR_HU), scanned, better), strict=True):
            calmer[index][box] = plane
    return calmer


def streaks(hu: NDArray[np.int16], calmer: NDArray[np.int16], metal: Metal, spacing_mm: Spacing) -> Mask:
    """Where HU are not to be relied on, also after reduction: in metal, near it, and where it shone far.

    Args:
        hu: as scanned.
        calmer: as ``reduced`` gives them.
        metal: in them.
        spacing_mm: between slices, rows, columns.
    """
    unreliable = np.zeros(hu.shape, bool)
    pixel_mm = (spacing_mm[1], spacing_mm[2])
    for index in metal.slices:
        change = np.abs(calmer[index].astype(np.int32) - hu[index])
        near = dilated(metal.mask[index : index + 1], NEAR_MM, pixel_mm)[0]
        unreliable[index] = near | (change > CHANGED_HU)
    return unreliable


def affected_muscles(
    labels: NDArray[np.uint8], unreliable: Mask, segments: Sequence[Segment]
) -> tuple[Segment, ...]:
    """Muscles of which more than a tenth has no reliable HU, in the order of ``segments``.

    Args:
        labels: segment numbers.
        unreliable: as ``streaks`` gives it.
        segments: of the labels; bones among them are passed over.
    """
    voxels, lost = _counts(labels, unreliable)
    return tuple(one for one in _muscles(segments) if lost[one.number] > AFFECTED * voxels[one.number])


def metal_flags(
    metal: Metal,
    labels: NDArray[np.uint8],
    unreliable: Mask,
    segments: Sequence[Segment],
    spacing_mm: Spacing,
) -> list[QualityFlag]:
    """How much metal there is, how much muscle it spoils, and which muscles most; none without metal.

    Args:
        metal: in the series.
        labels: segment numbers.
        unreliable: as ``streaks`` gives it.
        segments: of the labels.
        spacing_mm: between slices, rows, columns.
    """
    if not metal.volume_cm3:
        return []
    _, lost = _counts(labels, unreliable)
    numbers = [muscle.number for muscle in _muscles(segments)]
    lost_cm3 = float(lost[numbers].sum() * np.prod(spacing_mm) / 1000)
    words = (
        f"An implant of about {metal.volume_cm3:.1f} cm3 shows along {metal.length_mm:.0f} mm of the body: "
        f"{lost_cm3:.1f} cm3 of muscle around it are left out of HU statistics"
    )
    named = [_in_words(muscle) for muscle in affected_muscles(labels, unreliable, segments)]
    words += f", more than {AFFECTED:.0%} of {', '.join(named)}." if named else "."
    return [QualityFlag("implant", Severity.WARNING, words)]


def _around(hu: NDArray[np.int16], slices: slice, spacing_mm: Spacing) -> tuple[slice, slice, slice]:
    """The box around all that is metal, with room for its blur."""
    brightest = hu[slices].max(axis=0) > METAL_HU
    sides = []
    for axis, side_mm in ((1, spacing_mm[1]), (0, spacing_mm[2])):
        found = np.flatnonzero(brightest.any(axis=axis))
        room = int(BLUR_MM / side_mm) + 2
        sides.append(slice(max(0, int(found[0]) - room), int(found[-1]) + 1 + room))
    return slices, sides[0], sides[1]


def _deep(hu: NDArray[np.int16], spacing_mm: Spacing) -> Mask:
    """What lies deep in the body, looked at coarsely: it is large."""
    steps = [max(1, int(COARSE_BODY_MM / side)) for side in spacing_mm]
    tissue = hu[tuple(slice(None, None, step) for step in steps)] > BODY_HU
    pixel_mm = (spacing_mm[1] * steps[1], spacing_mm[2] * steps[2])
    body = filled(opened(tissue, THINNEST_MM / 2, pixel_mm))
    deep: Mask = distance_mm(~body, pixel_mm) > DEEP_MM
    for axis, (step, size) in enumerate(zip(steps, hu.shape, strict=True)):
        deep = deep.repeat(step, axis=axis).take(range(size), axis=axis)
    return deep


def _change(hu: NDArray[np.int16], mask: Mask, beam: ParallelBeam) -> Image:
    """What is to be added to some slices."""
    within = hu.clip(-1024, 3071)
    coarse, share = (_pooled(planes.astype(np.float32), beam.shape) for planes in (within, mask))
    through = beam.project(torch.from_numpy(share))
    lost = through.square()
    # What is proportional to the path would only make the metal itself brighter.
    lost -= through * ((lost * through).sum(dim=(1, 2)) / through.square().sum(dim=(1, 2)))[:, None, None]
    errors = beam.reconstruct(lost).numpy()
    added = np.stack(
        [
            _amount(plane, error, part > 0) * error
            for plane, error, part in zip(coarse, errors, share, strict=True)
        ]
    )
    fine = torch.nn.functional.interpolate(
        torch.from_numpy(added)[:, None], size=hu.shape[1:], mode="bilinear", align_corners=False
    )
    return np.asarray(fine[:, 0].numpy())


def _amount(hu: Image, error: Image, metal: Mask) -> np.float32:
    """How much of the error, once added, makes soft tissue smoothest: of least total variation."""
    soft = (hu > SOFT_HU[0]) & (hu < SOFT_HU[1]) & ~ndimage.binary_dilation(metal)
    soft = ndimage.binary_erosion(soft)
    slopes, changes = _slopes(hu, soft), _slopes(error, soft)
    counted = np.abs(changes) > np.finfo(np.float32).tiny
    if not counted.any():
        return np.float32(0)
    best = -slopes[counted] / changes[counted]
    order = np.argsort(best)
    weight = np.abs(changes[counted])[order].cumsum()
    # The sum of |slope + amount x change| is least at the weighted median. Less than nothing is not lost.
    return np.float32(max(0.0, best[order][np.searchsorted(weight, weight[-1] / 2)]))


def _slopes(plane: Image, where: Mask) -> Image:
    """Differences between neighbours down and across, of pixels in the mask, one behind the other."""
    chosen = where[:-1, :-1]
    return np.concatenate([np.diff(plane, axis=0)[:, :-1][chosen], np.diff(plane, axis=1)[:-1][chosen]])


def _pooled(planes: Image, shape: tuple[int, int]) -> Image:
    """Averages on a grid of fewer pixels."""
    return np.asarray(torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(planes), shape).numpy())


def _counts(labels: NDArray[np.uint8], unreliable: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Voxels of each label, all and unreliable, (256,) each; slice by slice, to save memory."""
    voxels, lost = np.zeros(256, np.intp), np.zeros(256, np.intp)
    for plane, doubted in zip(labels, unreliable, strict=True):
        voxels += np.bincount(plane.ravel(), minlength=256)
        lost += np.bincount(plane[doubted], minlength=256)
    return voxels, lost


def _muscles(segments: Sequence[Segment]) -> list[Segment]:
    names = {muscle.name.lower() for muscle in MUSCLES}
    return [segment for segment in segments if segment.name in names]


def _in_words(segment: Segment) -> str:
    return " ".join((*([segment.side] if segment.side else []), segment.name.replace("_", " ")))
