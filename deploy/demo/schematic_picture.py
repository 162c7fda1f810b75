"""Paints the schematic hip's anatomy into one axial plane of Hounsfield units, back to front."""

import numpy as np

from deploy.demo import schematic_anatomy as anatomy
from deploy.demo.schematic_shapes import Array, ellipse, ellipsoid, join, level
from inference.result import Side

AIR_HU, FAT_HU, MUSCLE_HU, SKIN_HU = -1000.0, -105.0, 57.0, 25.0
METAL_HU = 3071.0
SKIN_MM = 1.8
FASCIA_MM = 1.3
MATTRESS_AT_MM = 119.0


def paint_plane(x: Array, y: Array, z: float, texture: Array, *, right_implant: bool) -> Array:
    """One noiseless plane in HU, (row, column).

    Args:
        x: coordinates of the columns, (1, columns); y: of the rows, (rows, 1); z: of the plane. In mm, as in
            ``schematic_anatomy``.
        texture: smooth noise with mean 0 and standard deviation 1, (row, column).
        right_implant: the right femur has a metal head and stem.
    """
    plane = np.full(texture.shape, AIR_HU, dtype=np.float32)
    _paint_table(plane, x, y)
    _paint_trunk(plane, x, y, z, texture)
    for side in Side:
        # The right side is painted as a left one, into a mirrored view of the plane.
        left = side is Side.LEFT
        columns = slice(None) if left else slice(None, None, -1)
        side_x = x[:, columns] if left else -x[:, columns]
        start = int(np.searchsorted(side_x[0], -20.0))
        height = z if left else z + anatomy.RIGHT_LOWER_MM
        canvas = plane[:, columns][:, start:], side_x[:, start:], y, height, texture[:, columns][:, start:]
        _paint_muscles(*canvas)
        _paint_bones(*canvas, anatomy.FEMORA[side], metal=right_implant and not left)
    return plane


def _paint(plane: Array, distance: Array, value: Array | float) -> None:
    """Fill where the distance is negative; the edge is soft over 1 mm, as partial volume makes it."""
    share = np.clip(0.5 - distance, 0, 1)
    plane += share * (value - plane)


def _mattress(x: Array, y: Array) -> Array:
    """How far above the mattress (negative: within it), which is a little hollow."""
    return np.asarray(MATTRESS_AT_MM - 10 * (x / 220) ** 2 - y, dtype=np.float32)


def _paint_table(plane: Array, x: Array, y: Array) -> None:
    above = np.maximum(_mattress(x, y), np.abs(x) - 205)
    for top_mm, bottom_mm, value in ((0, 20, -890), (21, 24, -250), (24, 48, -960), (48, 51, -250)):
        _paint(plane, np.maximum(above + top_mm, -above - bottom_mm), value)


def _paint_trunk(plane: Array, x: Array, y: Array, z: float, texture: Array) -> None:
    body = np.full(plane.shape, 999, dtype=np.float32)
    middle = level(anatomy.BODY_MIDLINE, z)
    if middle:
        body = ellipse(x, y, middle)
    lobe = level(anatomy.BODY_LOBE, z)
    if lobe:
        lobes = np.minimum(ellipse(x, y, lobe), ellipse(-x, y, lobe))
        body = join(body, lobes, rounding_mm=14)
    body = np.maximum(body, -_mattress(x, y) + 0.5)
    septa = 38 * np.exp(-((texture / 0.07) ** 2))
    _paint(plane, body, SKIN_HU)
    _paint(plane, body + SKIN_MM, FAT_HU + 3 * texture + septa)
    for tube, value in anatomy.PELVIC_CONTENTS:
        section = level(tube, z)
        if section:
            _paint(plane, ellipse(x, y, section), value + 4 * texture)
    _paint(plane, ellipsoid(x, y, z, *anatomy.BLADDER), 8.0 + texture)
    section = level(anatomy.SACRUM, z)
    if section:
        _paint_bone(plane, ellipse(x, y, section), 150.0, texture)


def _paint_muscles(plane: Array, x: Array, y: Array, z: float, texture: Array) -> None:
    marbling = -70 * np.clip(texture - 1.6, 0, 2)
    for tube in anatomy.MUSCLES.values():
        section = level(tube, z)
        if section:
            reach = max(section[2:4]) + 5
            columns = slice(*np.searchsorted(x[0], (section[0] - reach, section[0] + reach)))
            rows = slice(*np.searchsorted(y[:, 0], (section[1] - reach, section[1] + reach)))
            part = plane[rows, columns]
            distance = ellipse(x[:, columns], y[rows], section)
            _paint(part, distance - FASCIA_MM, FAT_HU)
            _paint(part, distance, (MUSCLE_HU + 5 * texture + marbling)[rows, columns])
    for tube in anatomy.VESSELS:
        section = level(tube, z)
        if section:
            _paint(plane, ellipse(x, y, section), 42.0)


def _paint_bone(plane: Array, distance: Array, spongy_hu: Array | float, texture: Array) -> None:
    _paint(plane, distance, 780.0)
    _paint(plane, distance + 2.0, spongy_hu + 22 * texture)


def _paint_bones(
    plane: Array, x: Array, y: Array, z: float, texture: Array, femur: anatomy.Femur, *, metal: bool
) -> None:
    bone, spongy_hu = anatomy.hip_bone(x, y, z)
    socket = ellipsoid(x, y, z, anatomy.HEAD_CENTRE, (anatomy.HEAD_RADIUS_MM + anatomy.JOINT_SPACE_MM,) * 3)
    _paint(plane, socket, 70.0)
    _paint_bone(plane, bone, spongy_hu, texture)
    if z > anatomy.FEMUR_BELOW_MM:
        return
    bone, cortex_mm, cortex_hu, spongy_hu = femur.section(x, y, z)
    _paint(plane, bone - FASCIA_MM, np.maximum(plane, -40))
    _paint(plane, bone, cortex_hu)
    _paint(plane, bone + cortex_mm, spongy_hu + 22 * texture)
    if metal:
        _paint(plane, femur.implant(x, y, z), METAL_HU)
