"""From what somebody has drawn to a ``Person``: what nobody draws is added."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from inference.morphology import Mask
from inference.result import Side
from training.synthesis.drawing import Drawn
from training.synthesis.envelope import Box, Solids, draw_envelope, other_muscle
from training.synthesis.femoral_vessels import femoral_vessels
from training.synthesis.landmarks import find_hip
from training.synthesis.organs import Donor, carried, with_femoral
from training.synthesis.person import DEEPEST_MM, REACH_MM, SPACING_MM, Person
from training.synthesis.signed_distance import (
    CROP_MM,
    Distances,
    extended,
    in_blocks,
    resampled,
    smooth_distance_mm,
)

ROOM = 3
OTHER_MUSCLE = "other_deep_muscle"
SMOOTHING_MM = 2.0

COMPLETE = {"quadratus_femoris", "adductor_magnus", "semimembranosus"}
"""Who has drawn these one by one has left out no muscle of the thigh, only tendons about the hip."""

OTHER_BELOW_MM = 100.0
"""Below the femoral heads' centres: further down than the lesser trochanters, where those tendons end."""


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

    other = whole(other_muscle(solids, envelope))
    if COMPLETE.issubset(drawn.muscle_names.values()):
        heads = min(hip.head_centre[0] for hip in landmarks.values())
        other[: max(0, int((heads - OTHER_BELOW_MM) / SPACING_MM))] = False
    muscle_mm, muscle_id, muscle_names = _with_other(drawn, other)
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


def _with_other(drawn: Drawn, other: Mask) -> tuple[Distances, NDArray[np.uint8], dict[int, str]]:
    number = max(drawn.muscle_names) + 1
    other_mm = ndimage.gaussian_filter(resampled(other, (SPACING_MM,) * 3, SPACING_MM, other.shape), 0.5)
    muscle_mm = np.minimum(drawn.muscle_mm, other_mm)
    muscle_id = np.where(other_mm < drawn.muscle_mm, number, drawn.muscle_id).astype(np.uint8)
    muscle_id = np.where(muscle_mm < CROP_MM / 2, muscle_id, _nearest(np.where(muscle_mm < 0, muscle_id, 0)))
    names = {**drawn.muscle_names, number: OTHER_MUSCLE}
    return extended(muscle_mm, SPACING_MM, REACH_MM), muscle_id, names


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


def _far(near_mm: Distances) -> torch.Tensor:
    return torch.from_numpy(extended(near_mm, SPACING_MM, REACH_MM))
