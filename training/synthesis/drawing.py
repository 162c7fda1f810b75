"""What somebody has drawn, from their label map onto the grid of a ``Person``."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.morphology import Mask, filled
from inference.result import Side
from training.synthesis.label_maps import LabelMap, LabelMapError
from training.synthesis.label_roles import FEMORA, HIP_BONES, PATELLAE, TIBIAE, is_other_bone, muscle_name
from training.synthesis.person import DEEPEST_MM, SPACING_MM
from training.synthesis.signed_distance import CROP_MM, Distances, Voxel, resampled, signed_distance_mm

MARGIN_MM = 70.0
THICKEST_FAT_MM = 60.0
BONE_HOLE_MM2 = 120.0
"""Holes in a drawn bone that are smaller are left out by the pen; the spinal canal is larger."""

NEEDED_MUSCLES = ("gluteus_maximus", "gluteus_medius", "rectus_femoris", "sartorius", "adductor", "vastus")
"""Somebody in whom one of them is missing shows organs at best."""

EDGE_MM = 6.0
"""The outermost slices of a map are not trusted."""


@dataclass(frozen=True)
class Drawn:
    """What somebody has drawn, resampled; signed distances in mm, exact near each surface only."""

    name: str
    femora_mm: dict[Side, Distances]
    hip_bones_mm: Distances
    axial_mm: Distances
    muscle_mm: Distances
    muscle_id: NDArray[np.uint8]
    muscle_names: dict[int, str]
    body_mm: Distances | None
    """None where nobody has drawn it."""
    trusted: slice
    middle: float
    """Column between both sides."""

    @property
    def bone_mm(self) -> Distances:
        """Nearest bone."""
        bone_mm: Distances = np.minimum.reduce([*self.femora_mm.values(), self.hip_bones_mm, self.axial_mm])
        return bone_mm


def shows_hips(labels: LabelMap) -> bool:
    """Whether both bones of the hips, and muscles of pelvis and thigh, are labelled."""
    names = {labels.names[value] for value in np.unique(labels.labels) if value}
    muscles = " ".join(name for name in names if muscle_name(name))
    bones = bool(names & HIP_BONES) and bool(names & FEMORA)
    return bones and all(muscle in muscles for muscle in NEEDED_MUSCLES)


def draw(labels: LabelMap) -> Drawn:
    """Resample what a map shows.

    Raises:
        LabelMapError: a femur, the hip bones or the muscles are missing.
    """
    roomy = _with_margin(labels)
    shape = target_shape(roomy)
    pixel_mm = roomy.voxel_mm[1:]
    hip_bones = _solid(roomy.mask(HIP_BONES), pixel_mm)
    femora = _solid(roomy.mask(FEMORA), pixel_mm)
    if not hip_bones.any():
        raise LabelMapError(f"{labels.name}: the hip bones must be labelled.")
    middle = float(np.flatnonzero(hip_bones.any(axis=(0, 1)))[[0, -1]].mean())
    left = np.arange(femora.shape[2]) > middle
    sides = {Side.LEFT: femora & left, Side.RIGHT: femora & ~left}
    if not all(femur.any() for femur in sides.values()):
        raise LabelMapError(f"{labels.name}: both femora must be labelled.")
    axial = _solid(roomy.mask({name for name in roomy.names.values() if is_other_bone(name)}), pixel_mm)

    def onto_grid(mask: Mask) -> Distances:
        return resampled(mask, roomy.voxel_mm, SPACING_MM, shape)

    muscle_mm, muscle_id, muscle_names = _muscles(roomy, shape)
    body_mm = None
    if roomy.body is not None:
        body_mm = _linear(
            signed_distance_mm(filled(roomy.body), roomy.voxel_mm, DEEPEST_MM), roomy.voxel_mm, shape
        )
    hip_bones_mm = onto_grid(hip_bones)
    return Drawn(
        labels.name,
        {side: onto_grid(femur) for side, femur in sides.items()},
        hip_bones_mm,
        onto_grid(axial),
        muscle_mm,
        muscle_id,
        muscle_names,
        body_mm,
        _trusted(hip_bones_mm, _knee(roomy)),
        middle * pixel_mm[1] / SPACING_MM,
    )


def _with_margin(labels: LabelMap) -> LabelMap:
    """Rows and columns that hold the body, with room around it."""
    if labels.body is None:
        # Nobody knows yet how thick the fat will be.
        content, room_mm = (
            labels.mask({name for name in labels.names.values() if muscle_name(name)}),
            THICKEST_FAT_MM,
        )
    else:
        content, room_mm = (labels.labels > 0) | labels.body, 0.0
    window, padding = [slice(None)], [(0, 0)]
    for axis in (1, 2):
        margin = int(np.ceil((MARGIN_MM + room_mm) / labels.voxel_mm[axis]))
        found = np.flatnonzero(content.any(axis=(0, 3 - axis)))
        first, last, length = int(found[0]) - margin, int(found[-1]) + 1 + margin, content.shape[axis]
        window.append(slice(max(0, first), min(length, last)))
        padding.append((max(0, -first), max(0, last - length)))
    box = tuple(window)
    return LabelMap(
        labels.name,
        np.pad(labels.labels[box], padding),
        labels.voxel_mm,
        labels.names,
        None if labels.body is None else np.pad(labels.body[box], padding),
    )


def target_shape(labels: LabelMap) -> tuple[int, ...]:
    """Of the grid of a ``Person`` with the same first voxel."""
    return tuple(
        int((count - 1) * side / SPACING_MM) + 1
        for count, side in zip(labels.labels.shape, labels.voxel_mm, strict=True)
    )


def _solid(bone: Mask, pixel_mm: tuple[float, float]) -> Mask:
    """Without the small holes a pen leaves."""
    holes = filled(bone) & ~bone
    for index in np.flatnonzero(holes.any(axis=(1, 2))):
        parts, _ = ndimage.label(holes[index])
        small = np.bincount(parts.ravel()) * np.prod(pixel_mm) < BONE_HOLE_MM2
        small[0] = False
        holes[index] = small[parts]
    return bone | holes


def _muscles(labels: LabelMap, shape: tuple[int, ...]) -> tuple[Distances, NDArray[np.uint8], dict[int, str]]:
    """Signed distance to the nearest muscle, and which it is; exact near the muscles only."""
    members: dict[str, set[str]] = {}
    for name in labels.names.values():
        muscle = muscle_name(name)
        if muscle is not None:
            members.setdefault(muscle, set()).add(name)
    nearest_mm = np.full(shape, CROP_MM, np.float32)
    number = np.zeros(shape, np.uint8)
    names: dict[int, str] = {}
    for muscle in sorted(members):
        mask = labels.mask(members[muscle])
        if not mask.any():
            continue
        names[len(names) + 1] = muscle
        distance_mm = resampled(mask, labels.voxel_mm, SPACING_MM, shape)
        nearer = distance_mm < nearest_mm
        nearest_mm[nearer], number[nearer] = distance_mm[nearer], len(names)
    if not names:
        raise LabelMapError(f"{labels.name}: no muscle is labelled.")
    return nearest_mm, number, names


def _knee(labels: LabelMap) -> int:
    """First slice of the target grid above a knee that is not whole; 0 where it is, or is not shown."""
    patella = labels.mask(PATELLAE)
    if not patella.any() or labels.mask(TIBIAE).any():
        return 0
    top = int(np.flatnonzero(patella.any(axis=(1, 2)))[-1])
    return int(top * labels.voxel_mm[0] / SPACING_MM) + 1


def _trusted(hip_bones_mm: Distances, lowest: int) -> slice:
    """From the edge of the map, or the lowest slice that can be, to the iliac crests."""
    edge = round(EDGE_MM / SPACING_MM)
    top = int(np.flatnonzero((hip_bones_mm < 0).any(axis=(1, 2)))[-1])
    return slice(max(edge, lowest), min(top, len(hip_bones_mm) - edge))


def _linear(distance_mm: Distances, voxel_mm: Voxel, shape: tuple[int, ...]) -> Distances:
    scale = [SPACING_MM / side for side in voxel_mm]
    found: Distances = ndimage.affine_transform(
        distance_mm, scale, output_shape=shape, order=1, mode="nearest"
    )
    return found
