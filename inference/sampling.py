"""A CT volume in patient-wise axes, read at any point in millimetres, at full or reduced resolution."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import highdicom as hd
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from inference.result import Side

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

OUTSIDE_HU = -3000.0
"""What a point outside the volume reads as; no CT number is that low."""

TOWARDS = {Side.LEFT: 1.0, Side.RIGHT: -1.0}
"""Sign of the third axis towards a side."""


@dataclass(frozen=True)
class Scan:
    """A volume whose axes run from foot to head, from front to back and from right to left.

    Points are ``(head, back, left)`` in mm from the centre of the first voxel of the volume it was made from;
    reduced scans share them. In an oblique volume these are the axes of the array, near to the patient's.

    Attributes:
        hu: any real type.
        voxel_mm: spacing along each axis.
        first_mm: point at the centre of ``hu[0, 0, 0]``.
        to_lps: 4 x 4, from points to LPS, mm.
    """

    hu: NDArray[np.int16] | Image
    voxel_mm: Floats
    first_mm: Floats
    to_lps: Floats

    @classmethod
    def of(cls, volume: hd.Volume) -> "Scan":
        """Look at a volume, of whatever orientation, from the patient's point of view; copies nothing."""
        oriented = volume.to_patient_orientation("HPL")
        voxel_mm = np.array(oriented.spacing)
        return cls(oriented.array, voxel_mm, np.zeros(3), oriented.affine @ np.diag([*(1 / voxel_mm), 1]))

    @property
    def last_mm(self) -> Floats:
        """Point at the centre of the last voxel."""
        return self.first_mm + (np.array(self.hu.shape) - 1) * self.voxel_mm

    def reduced(self, voxel_mm: float) -> "Scan":
        """Averages over blocks of at most about ``voxel_mm``; coarser axes stay as they are."""
        factors = np.maximum(1, voxel_mm / self.voxel_mm + 0.25).astype(int)
        factors = np.minimum(factors, self.hu.shape)
        whole = self.hu[tuple(slice(0, n // f * f) for n, f in zip(self.hu.shape, factors, strict=True))]
        total = np.zeros(np.array(whole.shape) // factors, np.float32)
        for start in product(*map(range, factors)):
            total += whole[tuple(slice(s, None, f) for s, f in zip(start, factors, strict=True))]
        total /= np.float32(factors.prod())
        return Scan(
            total, self.voxel_mm * factors, self.first_mm + (factors - 1) / 2 * self.voxel_mm, self.to_lps
        )

    def between(self, low_mm: Floats, high_mm: Floats) -> "Scan":
        """The box between two points, as far as the volume goes."""
        low = np.ceil((low_mm - self.first_mm) / self.voxel_mm).astype(int).clip(0)
        high = np.floor((high_mm - self.first_mm) / self.voxel_mm).astype(int) + 1
        box = tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
        return Scan(self.hu[box], self.voxel_mm, self.first_mm + low * self.voxel_mm, self.to_lps)

    def at(self, points_mm: Floats) -> Image:
        """HU at points (..., 3), linear between voxels; ``OUTSIDE_HU`` beyond the outer voxels' centres."""
        indices = ((points_mm - self.first_mm) / self.voxel_mm).reshape(-1, 3).T
        values = ndimage.map_coordinates(
            self.hu, indices, output=np.float32, order=1, mode="constant", cval=OUTSIDE_HU
        )
        return np.asarray(values.reshape(points_mm.shape[:-1]))

    def lps(self, point_mm: ArrayLike) -> tuple[float, float, float]:
        """A point in LPS, mm."""
        x, y, z = (self.to_lps @ [*np.asarray(point_mm), 1.0])[:3]
        return float(x), float(y), float(z)

    def point(self, lps_mm: Sequence[float]) -> Floats:
        """A place in LPS, mm, as a point of this scan."""
        return np.asarray((np.linalg.inv(self.to_lps) @ [*lps_mm, 1.0])[:3])


def unit(vector: ArrayLike) -> Floats:
    """The vector, one long."""
    array = np.asarray(vector, dtype=float)
    return np.asarray(array / np.linalg.norm(array))


def sphere_directions(count: int) -> Floats:
    """Unit vectors spread evenly over the sphere, (count, 3)."""
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    height = 1 - (2 * np.arange(count) + 1) / count
    radius = np.sqrt(1 - height**2)
    return np.stack([height, radius * np.cos(turn), radius * np.sin(turn)], axis=1)


def cone(directions: Floats, axis: ArrayLike, half_angle_degrees: float) -> NDArray[np.bool_]:
    """Which of the directions lie within ``half_angle_degrees`` of an axis."""
    return np.asarray(directions @ unit(axis) >= np.cos(np.radians(half_angle_degrees)))


def ramp(value: ArrayLike, at_zero: float, at_one: float) -> Floats:
    """0 at ``at_zero`` and beyond, 1 at ``at_one`` and beyond, linear between them, in either direction."""
    return np.clip((np.asarray(value, dtype=float) - at_zero) / (at_one - at_zero), 0, 1)
