"""Is a dense ball a femoral head? What lies around it tells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.result import Side
from inference.sampling import OUTSIDE_HU, TOWARDS, Floats, Image, Scan, cone, ramp, sphere_directions, unit
from inference.spheres import DIRECTIONS, Sphere

# Directions from the centre of the ball: to the patient's head, the back, and away from the midline.
SOCKET = ((0.35, 0.35, -0.85), 50)
"""Floor and roof of the acetabulum: bone close to the ball."""
FREE = (((0.35, -0.5, 0.75), 40), ((-0.85, -0.15, -0.45), 25), ((-0.25, -1.0, 0.0), 25))
"""Outside and in front, below, in front: gluteus minimus, obturator externus, iliopsoas; no bone.

A vertebra has neighbours above and below, a humeral head its shaft below, a condyle of the knee bone on both
ends.
"""
CORTEX_HU = (10, 30)
"""By how much the densest parts of the surface exceed the inside; bowel full of contrast has no cortex."""
METAL_HU = 1100.0
"""No femoral head is as dense as this."""
UNLIKELY = 0.05
"""Needs no look at its neck."""
CROWDED = (1.0, 0.7)
"""Share of directions with bone on sides that should be free: never in a hip; possible in a deep socket."""
NECK = ((-0.6, 0.05, 0.8), 45)
"""Where the neck can leave the head. In 1070 femora it made 100 to 146 degrees with the shaft and was turned
forwards by -24 to 49 degrees (PMC4775021); the leg's rotation comes on top."""
NECK_DIRECTIONS = sphere_directions(400)
NECK_AT = np.array([1.1, 1.3, 1.5])
"""Distance of the cross-sections looked at from the head's centre, in radii of the head."""
ANGLES = np.arange(16) * 2 * np.pi / 16
REACH_MM = np.arange(0.0, 28.1)
OUTER_EDGE_MM = np.arange(8, 22)


@dataclass(frozen=True)
class FemoralHead:
    """A ball taken for the femoral head of one side.

    Attributes:
        density: typical HU of its inside.
        neck_direction: unit vector from the head's centre along the neck.
        neck: 0 to 1, how much of a tube of bone the neck looks like; None where the volume
            ends too soon or the ball is unlikely anyway.
        likelihood: 0 to 1, that this is the femoral head of that side.
    """

    sphere: Sphere
    side: Side
    density: float
    neck_direction: Floats
    neck: float | None
    likelihood: float


def judge(scan: Scan, sphere: Sphere, side: Side) -> FemoralHead:
    """Compare a ball and what surrounds it with the femoral head of one side."""
    inner = scan.at(sphere.shell(np.array([0.15, 0.3, 0.45, 0.6, 0.72]) * sphere.radius_mm))
    density = float(np.median(inner))
    likelihood = (
        ramp(sphere.radius_mm, 16.5, 19)
        * ramp(sphere.radius_mm, 32.5, 30.5)
        * ramp(sphere.surface, 0.15, 0.3)
        * ramp(density, 70, 110)
        * ramp(density, METAL_HU, 800)
        * ramp(np.percentile(inner[:, :4].mean(axis=1), 5), 10, 70)
    )
    shell = scan.at(sphere.shell(sphere.radius_mm + np.arange(-6.0, 1.1)))
    cortex = np.percentile(ndimage.uniform_filter1d(shell, 3, axis=1).max(axis=1), 90) - density
    likelihood = likelihood * ramp(cortex, *CORTEX_HU)
    bone = _bone_around(scan, sphere, density)
    likelihood = likelihood * ramp(bone[_cone(SOCKET, side)].mean(), 0.25, 0.55)
    for free in FREE:
        likelihood = likelihood * ramp(bone[_cone(free, side)].mean(), *CROWDED)
    if likelihood < UNLIKELY:
        return FemoralHead(sphere, side, density, _neck_axis(side), None, 0.0)
    direction, neck = _neck(scan, sphere, side, density)
    if neck is not None:
        likelihood = likelihood * ramp(neck, 0.3, 0.6)
    return FemoralHead(sphere, side, density, direction, neck, float(likelihood))


def _cone(axis_and_angle: tuple[tuple[float, float, float], float], side: Side) -> NDArray[np.bool_]:
    (head, back, outwards), half_angle = axis_and_angle
    return cone(DIRECTIONS, (head, back, outwards * TOWARDS[side]), half_angle)


def _bone_around(scan: Scan, sphere: Sphere, density: float) -> Floats:
    """Per direction 0 to 1: is there bone within 12 mm of the ball that is about as dense as the ball?"""
    hu = scan.at(sphere.shell(sphere.radius_mm + np.arange(2.0, 13.1)))
    densest = ndimage.uniform_filter1d(hu, 3, axis=1)[:, 1:-1].max(axis=1)
    half = 60 + 0.55 * (np.clip(density, 90, 300) - 60)
    return ramp(densest, half - 30, half + 30)


def _neck(scan: Scan, sphere: Sphere, side: Side, density: float) -> tuple[Floats, float | None]:
    """Direction in which the ball goes on as a tube of bone in soft tissue, and how well it does."""
    axis = _neck_axis(side)
    directions = NECK_DIRECTIONS[cone(NECK_DIRECTIONS, axis, NECK[1])]
    tubes = _tube(scan, sphere, directions, density)
    if tubes is None:
        return axis, None
    good = np.clip(tubes - tubes.max() + 0.07, 0, None)
    direction = unit((good[:, None] * directions).sum(axis=0))
    tube = _tube(scan, sphere, direction[None], density)
    return direction, None if tube is None else float(tube[0])


def _neck_axis(side: Side) -> Floats:
    head, back, outwards = NECK[0]
    return unit((head, back, outwards * TOWARDS[side]))


def _tube(scan: Scan, sphere: Sphere, directions: Floats, density: float) -> Floats | None:
    """Per direction 0 to 1: share of the outline where bone gives way to soft tissue, less its raggedness.

    None where most of what would have to be seen lies outside the volume.
    """
    across = np.stack([np.zeros(len(directions)), -directions[:, 2], directions[:, 1]], axis=1)
    across /= np.linalg.norm(across, axis=1)[:, None] + 1e-9
    up = np.cross(directions, across)
    rays = np.cos(ANGLES)[:, None] * up[:, None] + np.sin(ANGLES)[:, None] * across[:, None]
    stations = sphere.centre_mm + NECK_AT[:, None] * sphere.radius_mm * directions[:, None]
    hu = scan.at(stations[:, :, None, None] + rays[:, None, :, None] * REACH_MM[:, None])
    if (hu == OUTSIDE_HU).mean() > 0.2:
        return None
    inside, outside = _means_beside_edges(np.clip(hu, -100, 500))
    full = max(0.7 * (density - 50), 60)
    step = np.where(outside < 110, inside - outside, 0)
    edge_mm = OUTER_EDGE_MM[step.argmax(axis=-1)]
    contrast = np.clip(step.max(axis=-1), 0, full) / full
    return np.asarray(contrast.mean(axis=(1, 2)) - 0.02 * edge_mm.std(axis=(1, 2)))


def _means_beside_edges(hu: Image) -> tuple[Image, Image]:
    """Mean of the 4 mm before and of the 4 mm after each of ``OUTER_EDGE_MM``, 1 mm left out between them."""
    total = np.pad(hu.cumsum(axis=-1), [(0, 0)] * (hu.ndim - 1) + [(1, 0)])
    k = OUTER_EDGE_MM
    return (total[..., k + 1] - total[..., k - 3]) / 4, (total[..., k + 6] - total[..., k + 2]) / 4
