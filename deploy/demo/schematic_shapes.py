"""Ellipses, cylinders and their unions as signed distances (mm, negative inside), one axial level at a time.

``x`` is a row of coordinates, ``y`` a column, ``z`` one height: together they span the level's pixels.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Point = tuple[float, float, float]
# x, y, semi-axis 1, semi-axis 2 (mm), angle of semi-axis 1 from x towards y (degrees).
Section = tuple[float, float, float, float, float]
# An elliptical tube along z: its height and section at each level, from below upwards.
Tube = tuple[tuple[float, float, float, float, float, float], ...]


def level(tube: Tube, z: float) -> Section | None:
    """Cross-section of a tube at height z, None beyond its ends."""
    rows = np.asarray(tube, dtype=float)
    if not rows[0, 0] <= z <= rows[-1, 0]:
        return None
    x, y, a, b, angle = (float(np.interp(z, rows[:, 0], rows[:, i])) for i in range(1, 6))
    return x, y, a, b, angle


def ellipse(x: Array, y: Array, section: Section) -> Array:
    """Distance to the outline of an ellipse, right to first order near the outline."""
    centre_x, centre_y, a, b, angle = section
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    u = ((x - centre_x) * cos + (y - centre_y) * sin) / a
    v = ((y - centre_y) * cos - (x - centre_x) * sin) / b
    radius = np.sqrt(u * u + v * v)
    return np.asarray(radius * (radius - 1) / (np.sqrt((u / a) ** 2 + (v / b) ** 2) + 1e-6), dtype=np.float32)


def ellipsoid(x: Array, y: Array, z: float, centre: Point, semi_axes: Point) -> Array:
    """Distance to the surface of an upright ellipsoid, right to first order near the surface."""
    a, b, c = semi_axes
    u, v, w = (x - centre[0]) / a, (y - centre[1]) / b, (z - centre[2]) / c
    radius = np.sqrt(u * u + v * v + w * w)
    slope = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2) + 1e-6
    return np.asarray(radius * (radius - 1) / slope, dtype=np.float32)


def along(x: Array, y: Array, z: float, start: Point, direction: Point) -> tuple[Array, Array]:
    """Position along the line from ``start`` in the unit ``direction``, and distance from that line (mm)."""
    dx, dy, dz = x - start[0], y - start[1], z - start[2]
    position = dx * direction[0] + dy * direction[1] + dz * direction[2]
    squared = dx * dx + dy * dy + dz * dz - position * position
    return np.asarray(position, np.float32), np.sqrt(np.maximum(squared, 0), dtype=np.float32)


def bar(x: Array, y: Array, z: float, start: Point, stop: Point, radius: float) -> Array:
    """Distance to a cylinder with round ends, negative inside."""
    span = np.subtract(stop, start)
    length = float(np.linalg.norm(span))
    direction = span / length
    position, off_axis = along(x, y, z, start, (direction[0], direction[1], direction[2]))
    beyond = position - np.clip(position, 0, length)
    return np.hypot(off_axis, beyond) - np.float32(radius)


def join(first: Array, second: Array, rounding_mm: float = 4.0) -> Array:
    """Union of two distances with a rounded seam."""
    overlap = np.maximum(rounding_mm - np.abs(first - second), 0) / rounding_mm
    return np.asarray(np.minimum(first, second) - overlap * overlap * rounding_mm / 4, dtype=np.float32)
