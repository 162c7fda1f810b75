"""The shapes of the schematic hip: where each structure lies, and what it is made of.

Coordinates are millimetres, LPS: x = 0 is the midline, y = 0 and z = 0 lie in the left femoral head. Paired
structures are written down for the left side and mirrored for the right, which lies ``RIGHT_LOWER_MM`` lower
and has a thinner femoral neck.
"""

from dataclasses import dataclass

import numpy as np

from deploy.demo.schematic_shapes import Array, Point, Tube, along, bar, ellipse, ellipsoid, join, level
from inference.result import Side

HEAD_CENTRE: Point = (90.0, 0.0, 0.0)
HEAD_RADIUS_MM = 24.0
JOINT_SPACE_MM = 3.5
NECK_LENGTH_MM = 54.0
NECK_SHAFT_ANGLE_DEGREES = 127.0
ANTEVERSION_DEGREES = 15.0
RIGHT_LOWER_MM = 8.0
CORTEX_MM = 6.0

FEMUR_BELOW_MM = 50.0  # no part of the femur lies higher

BODY_MIDLINE: Tube = (
    (-84, 0, -8, 12, 30, 0),
    (-70, 0, -8, 60, 62, 0),
    (-40, 0, -6, 110, 90, 0),
    (0, 0, -2, 150, 102, 0),
    (60, 0, 4, 170, 108, 0),
    (160, 0, 6, 162, 108, 0),
)
BODY_LOBE: Tube = (
    (-400, 78, 0, 62, 66, 0),
    (-160, 95, 2, 84, 86, 0),
    (-90, 97, 6, 88, 98, 0),
    (-40, 90, 10, 94, 110, 0),
    (20, 84, 12, 98, 114, 0),
    (70, 74, 18, 96, 104, 0),
    (160, 60, 16, 96, 96, 0),
)

MUSCLES: dict[str, Tube] = {
    "gluteus_maximus": (
        (-132, 140, 44, 7, 5, -50),
        (-104, 130, 50, 32, 13, -42),
        (-50, 100, 70, 62, 23, -25),
        (0, 90, 74, 68, 24, -23),
        (45, 84, 80, 62, 22, -28),
        (90, 70, 86, 36, 13, -34),
        (112, 62, 88, 10, 5, -34),
    ),
    "gluteus_medius": (
        (-12, 158, -16, 4, 8, 4),
        (2, 154, -12, 11, 24, 6),
        (18, 147, -4, 15, 38, 8),
        (45, 137, 10, 52, 17, -68),
        (80, 130, 10, 60, 17, -60),
        (112, 132, -2, 46, 10, -58),
        (122, 132, -8, 16, 5, -58),
    ),
    "gluteus_minimus": (
        (-8, 134, -26, 7, 9, 20),
        (6, 130, -22, 9, 17, 18),
        (20, 127, -14, 11, 26, 12),
        (45, 121, -8, 34, 10, -66),
        (66, 118, -8, 12, 5, -62),
    ),
    "piriformis": ((12, 104, 38, 24, 8, -16), (32, 78, 48, 42, 11, 18), (48, 52, 58, 18, 9, 20)),
    "obturator_internus": ((-52, 44, 22, 6, 22, 12), (0, 47, 22, 8, 34, 10), (26, 52, 22, 4, 18, 8)),
    "gemelli": ((-28, 100, 40, 24, 7, -10), (-8, 98, 40, 34, 10, -12), (10, 96, 38, 26, 7, -12)),
    "quadratus_femoris": ((-70, 100, 38, 14, 5, -10), (-48, 98, 36, 26, 11, -10), (-28, 100, 40, 20, 8, -10)),
    "obturator_externus": ((-62, 64, 4, 16, 7, 10), (-44, 74, 12, 33, 13, 16), (-24, 92, 22, 18, 8, 20)),
    "iliopsoas": (
        (-68, 112, 4, 9, 8, 0),
        (-48, 106, -13, 18, 15, 20),
        (-20, 97, -34, 22, 17, 12),
        (10, 90, -43, 26, 17, 8),
        (34, 84, -42, 28, 18, -10),
        (44, 80, -40, 24, 18, -20),
    ),
    "iliacus": ((40, 96, -24, 20, 10, -58), (80, 83, -13, 47, 13, -59), (122, 88, -6, 26, 7, -58)),
    "psoas": ((44, 66, -40, 15, 14, 0), (80, 52, -22, 19, 20, 0), (160, 42, 4, 20, 23, 0)),
    "pectineus": ((-80, 84, -14, 20, 7, 24), (-46, 70, -33, 31, 12, 20), (-18, 50, -50, 18, 10, 12)),
    "adductor_longus": ((-160, 62, -22, 22, 14, 20), (-90, 58, -40, 27, 13, 18), (-44, 26, -54, 13, 8, 10)),
    "adductor_brevis": ((-145, 84, -4, 14, 7, 14), (-90, 60, -15, 32, 11, 14), (-54, 38, -22, 22, 12, 30)),
    "adductor_magnus": ((-160, 74, 18, 44, 23, 4), (-100, 70, 17, 48, 22, 8), (-64, 62, 16, 26, 12, 14)),
    "gracilis": ((-160, 28, 2, 7, 22, -10), (-100, 24, -16, 6, 25, 0), (-62, 16, -28, 5, 16, 10)),
    "biceps_femoris": ((-160, 114, 48, 25, 17, -26), (-100, 92, 54, 20, 13, -14), (-72, 78, 54, 11, 8, 0)),
    "semimembranosus": ((-160, 66, 58, 29, 16, 14), (-100, 58, 52, 19, 13, 16), (-72, 58, 54, 7, 7, 0)),
    "sartorius": (
        (-400, 50, 10, 15, 9, 60),
        (-160, 62, -50, 16, 9, 28),
        (-100, 78, -66, 16, 8, 16),
        (-40, 98, -76, 17, 9, 10),
        (20, 118, -72, 15, 9, 40),
        (44, 130, -62, 6, 5, 40),
    ),
    "tensor_fasciae_latae": (
        (-112, 160, -42, 4, 10, -20),
        (-60, 155, -46, 10, 21, -16),
        (10, 150, -50, 12, 25, -14),
        (40, 146, -48, 8, 15, -14),
    ),
    "vastus_intermedius": (
        (-160, 112, -28, 30, 18, 10),
        (-90, 124, -24, 29, 16, 6),
        (-50, 130, -20, 16, 8, 0),
    ),
    "vastus_medialis": (
        (-160, 86, -26, 14, 28, -20),
        (-100, 98, -20, 10, 22, -14),
        (-70, 106, -12, 6, 12, 0),
    ),
    "vastus_lateralis": (
        (-160, 144, -10, 19, 46, -6),
        (-110, 151, -4, 17, 46, -6),
        (-60, 156, 2, 13, 38, -4),
        (-26, 158, 0, 7, 16, 0),
    ),
    "rectus_femoris": (
        (-400, 90, -50, 6, 4, 0),
        (-160, 106, -58, 24, 15, 0),
        (-60, 120, -58, 21, 16, 0),
        (0, 122, -51, 15, 14, 0),
        (30, 118, -46, 7, 6, 0),
    ),
    "rectus_abdominis": ((-26, 14, -68, 8, 6, 0), (10, 22, -80, 18, 7, 4), (160, 36, -86, 32, 7, 8)),
    "abdominal_wall": ((40, 130, -62, 6, 12, 20), (80, 130, -54, 9, 32, 44), (160, 136, -26, 12, 50, 18)),
    "erector_spinae": ((40, 18, 86, 8, 4, 0), (80, 24, 86, 20, 10, -6), (160, 34, 74, 32, 22, 0)),
}

VESSELS: tuple[Tube, ...] = (
    (
        (-160, 80, -20, 4.5, 4.5, 0),
        (-40, 76, -56, 5, 5, 0),
        (10, 66, -58, 5.5, 5.5, 0),
        (60, 50, -46, 6, 6, 0),
        (160, 22, -12, 7, 7, 0),
    ),
    ((-160, 86, -12, 4, 4, 0), (-40, 66, -56, 5.5, 5.5, 0), (10, 54, -54, 6, 6, 0), (160, 18, 2, 8, 8, 0)),
)
# With their HU; the later ones lie within the earlier.
PELVIC_CONTENTS: tuple[tuple[Tube, float], ...] = (
    (((-46, 0, -2, 12, 10, 0), (-24, 0, 2, 22, 17, 0), (-8, 0, 6, 18, 12, 0)), 42.0),
    (((-84, 0, 40, 8, 10, 0), (-50, 0, 46, 14, 15, 0), (0, 2, 50, 21, 15, 0), (40, 6, 40, 19, 15, 0)), 38.0),
    (((-14, 3, 44, 2, 1, 0), (6, 4, 44, 11, 7, 0), (30, 6, 38, 8, 6, 0)), -930.0),
    (((34, -22, -28, 14, 12, 20), (60, -30, -34, 22, 15, 20), (160, -26, -38, 20, 17, 10)), 32.0),
    (((40, 24, -46, 12, 10, -20), (70, 30, -44, 24, 15, -30), (160, 18, -50, 22, 13, 0)), 30.0),
    (((50, -86, -30, 10, 14, 0), (90, -92, -34, 20, 23, 0), (160, -98, -30, 21, 24, 0)), 25.0),
    (((90, -94, -42, 9, 7, 0), (160, -100, -40, 13, 10, 0)), -940.0),
    (((50, 88, -44, 9, 10, 0), (90, 96, -38, 14, 14, 0), (160, 100, -34, 14, 15, 0)), 28.0),
)
BLADDER: tuple[Point, Point] = (0, -26, 8), (38, 27, 27)

ILIUM: Tube = (
    (18, 98, -2, 26, 20, -60),
    (34, 98, -4, 34, 15, -66),
    (55, 98, -4, 54, 10, -62),
    (90, 102, -2, 68, 8, -59),
    (116, 106, -6, 58, 7, -57),
    (128, 110, -14, 26, 5, -57),
)
SACRUM: Tube = (
    (-8, 0, 74, 6, 5, 0),
    (18, 0, 84, 10, 6, 0),
    (40, 0, 82, 26, 10, 0),
    (75, 0, 66, 48, 20, 0),
    (108, 0, 50, 54, 26, 0),
    (124, 0, 42, 30, 20, 0),
    (160, 0, 32, 27, 19, 0),
)
# From, to, radius: rami and the body of the ischium (mm).
PELVIC_BARS: tuple[tuple[Point, Point, float], ...] = (
    ((72, -24, -2), (12, -50, -26), 8.5),
    ((11, -50, -26), (11, -44, -46), 9.0),
    ((14, -44, -46), (50, 30, -70), 6.5),
    ((76, 26, -8), (64, 42, -58), 13.5),
    ((64, 42, -58), (60, 40, -64), 14.5),
)


@dataclass(frozen=True)
class Femur:
    """One proximal femur, written down as a left one with its head centre at ``HEAD_CENTRE``."""

    neck_diameter_mm: float

    @property
    def shaft_direction(self) -> Point:
        """Unit vector down the shaft, which runs towards the midline and slightly forwards."""
        x, y, z = np.array((-0.12, -0.08, -1.0)) / np.linalg.norm((-0.12, -0.08, -1.0))
        return float(x), float(y), float(z)

    @property
    def neck_direction(self) -> Point:
        """Unit vector from the shaft to the head: at the neck-shaft angle, turned forwards."""
        shaft = np.array(self.shaft_direction)
        medial = np.array((-1.0, 0.0, 0.0)) + shaft[0] * shaft
        medial /= np.linalg.norm(medial)
        forward = np.cross(shaft, medial)
        forward *= -np.sign(forward[1])
        turn, angle = np.radians(ANTEVERSION_DEGREES), np.radians(NECK_SHAFT_ANGLE_DEGREES)
        x, y, z = np.sin(angle) * (np.cos(turn) * medial + np.sin(turn) * forward) + np.cos(angle) * shaft
        return float(x), float(y), float(z)

    def on_neck_axis(self, distance_mm: float) -> Point:
        """The point that far from the head centre along the neck axis towards the shaft."""
        x, y, z = np.subtract(HEAD_CENTRE, np.multiply(distance_mm, self.neck_direction))
        return float(x), float(y), float(z)

    def section(self, x: Array, y: Array, z: float) -> tuple[Array, Array, Array, Array]:
        """Distance to the surface, thickness of the cortex (mm), HU of the cortex and of what it encloses."""
        base = self.on_neck_axis(NECK_LENGTH_MM)
        nx, ny, nz = self.neck_direction
        head = ellipsoid(x, y, z, HEAD_CENTRE, (HEAD_RADIUS_MM,) * 3)
        from_head, off_neck = along(x, y, z, HEAD_CENTRE, (-nx, -ny, -nz))
        flare = np.interp(from_head, (34, 50), (0, 5)).astype(np.float32)
        ends = np.maximum(-from_head, from_head - NECK_LENGTH_MM)
        neck = np.maximum(off_neck - self.neck_diameter_mm / 2 - flare, ends)
        down, off_shaft = along(x, y, z, base, self.shaft_direction)
        radius = np.interp(down, (0, 20, 45, 120), (20, 19, 15.5, 14)).astype(np.float32)
        shaft = np.hypot(off_shaft, np.minimum(down, 0)) - radius
        greater = ellipsoid(x, y, z, (base[0] + 13, base[1] + 5, base[2] + 18), (14, 20, 26))
        lesser = ellipsoid(x, y, z, (base[0] - 17, base[1] + 10, base[2] - 32), (9, 9, 14))
        bone = join(join(join(head, neck), shaft), greater, rounding_mm=8)
        bone = join(bone, lesser)

        cortex_mm = np.interp(down, (0, 20, 45), (1.8, 3.0, CORTEX_MM)).astype(np.float32)
        cortex_hu = np.interp(down, (0, 45), (750, 1250)).astype(np.float32)
        # Dense where the load runs, from the head along the neck; yellow marrow in trochanter and shaft.
        spongy_hu = -75 + 390 * np.exp(-((from_head**2 + off_neck**2) / 27**2))
        spongy_hu += 130 * np.exp(-((off_shaft - 16) ** 2) / 120) * np.exp(-np.maximum(down, 0) / 18)
        return bone, cortex_mm, cortex_hu, np.asarray(spongy_hu, dtype=np.float32)

    def implant(self, x: Array, y: Array, z: float) -> Array:
        """Distance to the surface of a metal head with its stem."""
        base = self.on_neck_axis(NECK_LENGTH_MM)
        foot = tuple(np.add(base, np.multiply(95, self.shaft_direction)))
        head = ellipsoid(x, y, z, HEAD_CENTRE, (HEAD_RADIUS_MM,) * 3)
        stem = np.minimum(
            bar(x, y, z, HEAD_CENTRE, base, 7), bar(x, y, z, base, (foot[0], foot[1], foot[2]), 7)
        )
        return np.minimum(head, stem)


FEMORA = {Side.LEFT: Femur(neck_diameter_mm=34.0), Side.RIGHT: Femur(neck_diameter_mm=30.0)}


def hip_bone(x: Array, y: Array, z: float) -> tuple[Array, Array]:
    """Distance to the surface of the left hip bone, and the HU of what its cortex encloses."""
    bone = np.full(np.broadcast_shapes(x.shape, y.shape), 99, dtype=np.float32)
    for start, stop, radius in PELVIC_BARS:
        if min(start[2], stop[2]) - radius < z < max(start[2], stop[2]) + radius:
            bone = join(bone, bar(x, y, z, start, stop, radius))
    section = level(ILIUM, z)
    if section:
        bone = join(bone, ellipse(x, y, section))
    if abs(z) > 48:
        return bone, np.full(bone.shape, 110, dtype=np.float32)
    socket = ellipsoid(x, y, z, HEAD_CENTRE, (HEAD_RADIUS_MM + JOINT_SPACE_MM,) * 3)
    # The cup opens outwards, forwards and downwards; it ends at the plane of its rim.
    rim = 0.74 * (x - HEAD_CENTRE[0]) - 0.24 * (y - HEAD_CENTRE[1]) - 0.62 * z - 9
    cup = np.maximum(ellipsoid(x, y, z, (85, 2, 6), (34, 38, 38)), rim.astype(np.float32))
    bone = np.maximum(join(bone, cup), -socket)
    spongy_hu = 110 + 130 * np.exp(-((np.maximum(socket, 0) / 25) ** 2))
    return bone, np.asarray(spongy_hu, dtype=np.float32)


def mirrored(vector: Point, side: Side) -> Point:
    """A left direction on the given side."""
    x, y, z = vector
    return (x, y, z) if side is Side.LEFT else (-x, y, z)


def placed(point: Point, side: Side) -> Point:
    """A left point on the given side."""
    x, y, z = mirrored(point, side)
    return (x, y, z) if side is Side.LEFT else (x, y, z - RIGHT_LOWER_MM)
