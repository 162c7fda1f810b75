"""From a label map to a ``Person``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from inference.morphology import Mask, filled
from inference.result import Side
from training.synthesis.envelope import Box, Solids, draw_envelope, other_muscle
from training.synthesis.femoral_vessels import femoral_vessels
from training.synthesis.label_maps import LabelMap, LabelMapError
from training.synthesis.label_roles import FEMORA, HIP_BONES, is_axial, muscle_name
from training.synthesis.landmarks import find_hip
from training.synthesis.organs import Donor, carried, with_femoral
from training.synthesis.person import DEEPEST_MM, REACH_MM, SPACING_MM, Person
from training.synthesis.signed_distance import (
    CROP_MM,
    Distances,
    Voxel,
    extended,
    in_blocks,
    resampled,
    signed_distance_mm,
    smooth_distance_mm,
)

MARGIN_MM = 70.0
THICKEST_FAT_MM = 60.0
ROOM = 3
BONE_HOLE_MM2 = 120.0
"""Holes in a drawn bone that are smaller are left out by the pen; the spinal canal is larger."""

NEEDED_MUSCLES = ("gluteus_maximus", "gluteus_medius", "rectus_femoris", "sartorius", "adductor", "vastus")
"""Somebody in whom one of them is missing shows organs at best."""

OTHER_MUSCLE = "other_deep_muscle"
SMOOTHING_MM = 2.0
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
    shape = _target_shape(roomy)
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
    axial = _solid(roomy.mask({name for name in roomy.names.values() if is_axial(name)}), pixel_mm)

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
        _trusted(hip_bones_mm),
        middle * pixel_mm[1] / SPACING_MM,
    )


def assemble(drawn: Drawn, donors: Sequence[Donor]) -> Person:
    """Add fascia, cavity, vessels, organs, muscles nobody has drawn, and landmarks.

    Args:
        drawn: with the body's outline.
        donors: each gives an alternative map of organs.

    Raises:
        ValueError: a femur is too short for its landmarks.
    """
    body_mm = drawn.body_mm
    if body_mm is None:
        raise ValueError(f"{drawn.name}: the body's outline is missing.")
    landmarks = {side: find_hip(femur, SPACING_MM, side) for side, femur in drawn.femora_mm.items()}
    solid = (drawn.muscle_mm < 0) | (drawn.bone_mm < 0)
    vessels = femoral_vessels(solid, body_mm < 0, landmarks, SPACING_MM)
    box = _around(body_mm < 0)
    solids = solids_of(drawn, vessels > 0, body_mm < 0).within(box)
    envelope = draw_envelope(solids)

    def whole(mask: Mask) -> Mask:
        unboxed = np.zeros(body_mm.shape, bool)
        unboxed[box] = mask
        return unboxed

    muscle_mm, muscle_id, muscle_names = _with_other(drawn, whole(other_muscle(solids, envelope)))
    fascia_mm = np.minimum(_smooth_distance(whole(envelope.deep | envelope.cavity)), muscle_mm)
    cavity_mm = _smooth_distance(whole(envelope.cavity))
    hip_bones_mm = extended(drawn.hip_bones_mm, SPACING_MM, REACH_MM)
    solid_mm = np.minimum(muscle_mm, drawn.bone_mm)
    maps = [
        with_femoral(carried(donor, hip_bones_mm, cavity_mm, fascia_mm, solid_mm), vessels)
        for donor in donors
    ]
    return Person(
        name=drawn.name,
        spacing_mm=SPACING_MM,
        femur_mm={side: _far(femur) for side, femur in drawn.femora_mm.items()},
        pelvis_mm=torch.from_numpy(hip_bones_mm),
        axial_mm=_far(drawn.axial_mm),
        muscle_mm=torch.from_numpy(muscle_mm),
        muscle_id=torch.from_numpy(muscle_id),
        muscle_names=muscle_names,
        body_mm=torch.from_numpy(body_mm.clip(-DEEPEST_MM, REACH_MM)),
        fascia_mm=torch.from_numpy(fascia_mm),
        cavity_mm=torch.from_numpy(cavity_mm),
        organs=tuple(torch.from_numpy(organs) for organs in maps or [vessels]),
        trusted=drawn.trusted,
        landmarks=landmarks,
    )


def solids_of(drawn: Drawn, vessels: Mask, body: Mask) -> Solids:
    """Masks of what is drawn, for the envelope."""
    return Solids(
        femora=(drawn.femora_mm[Side.LEFT] < 0) | (drawn.femora_mm[Side.RIGHT] < 0),
        hip_bones=drawn.hip_bones_mm < 0,
        axial=drawn.axial_mm < 0,
        muscle=drawn.muscle_mm < 0,
        vessels=vessels,
        body=body,
        spacing_mm=SPACING_MM,
        middle=drawn.middle,
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


def _target_shape(labels: LabelMap) -> tuple[int, ...]:
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


def _with_other(drawn: Drawn, other: Mask) -> tuple[Distances, NDArray[np.uint8], dict[int, str]]:
    number = max(drawn.muscle_names) + 1
    other_mm = ndimage.gaussian_filter(resampled(other, (SPACING_MM,) * 3, SPACING_MM, other.shape), 0.5)
    muscle_mm = np.minimum(drawn.muscle_mm, other_mm)
    muscle_id = np.where(other_mm < drawn.muscle_mm, number, drawn.muscle_id).astype(np.uint8)
    muscle_id = np.where(muscle_mm < CROP_MM / 2, muscle_id, _nearest(np.where(muscle_mm < 0, muscle_id, 0)))
    names = {**drawn.muscle_names, number: OTHER_MUSCLE}
    return extended(muscle_mm, SPACING_MM, REACH_MM), muscle_id, names


def _trusted(hip_bones_mm: Distances) -> slice:
    """From the edge of the map to the iliac crests."""
    edge = round(EDGE_MM / SPACING_MM)
    top = int(np.flatnonzero((hip_bones_mm < 0).any(axis=(1, 2)))[-1])
    return slice(edge, min(top, len(hip_bones_mm) - edge))


def _around(body: Mask) -> Box:
    """Every slice, and the rows and columns that hold the body, with some room."""
    rows, columns = (np.flatnonzero(body.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    first, second = (
        slice(max(0, int(found[0]) - ROOM), int(found[-1]) + 1 + ROOM) for found in (rows, columns)
    )
    return slice(0, len(body)), first, second


def _nearest(numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The nearest number that is not 0, of blocks of two voxels."""
    coarse = in_blocks(numbers)
    indices = ndimage.distance_transform_edt(coarse == 0, return_distances=False, return_indices=True)
    nearest = coarse[tuple(indices)]
    for axis in range(3):
        nearest = nearest.repeat(2, axis=axis)
    found: NDArray[np.uint8] = nearest[tuple(slice(count) for count in numbers.shape)]
    return found


def _smooth_distance(mask: Mask) -> Distances:
    return smooth_distance_mm(mask, SPACING_MM, SMOOTHING_MM, REACH_MM)


def _linear(distance_mm: Distances, voxel_mm: Voxel, shape: tuple[int, ...]) -> Distances:
    scale = [SPACING_MM / side for side in voxel_mm]
    found: Distances = ndimage.affine_transform(
        distance_mm, scale, output_shape=shape, order=1, mode="nearest"
    )
    return found


def _far(near_mm: Distances) -> torch.Tensor:
    return torch.from_numpy(extended(near_mm, SPACING_MM, REACH_MM))
