"""Organs and vessels of the pelvis, carried from people in whom they are labelled to others."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from training.synthesis.drawing import target_shape
from training.synthesis.fitting import centroid, fit_affine, moved_by
from training.synthesis.label_maps import LabelMap
from training.synthesis.label_roles import HIP_BONES, organ_of
from training.synthesis.person import REACH_MM, SPACING_MM, Organ
from training.synthesis.signed_distance import CROP_MM, Distances, extended, resampled

VESSELS = (Organ.ARTERY, Organ.VEIN)

CLEARANCE_MM = 1.0
"""Organs keep this far from bone and muscle."""


@dataclass(frozen=True)
class Donor:
    """Hip bones and organs of one person, mm; the bones reach far, the organs near their surface."""

    name: str
    hip_bones_mm: Distances
    organs_mm: dict[Organ, Distances]


def draw_donor(labels: LabelMap) -> Donor | None:
    """None for somebody whose pelvis or whose organs nobody has labelled."""
    shape = target_shape(labels)
    members: dict[Organ, set[str]] = {}
    for name in labels.names.values():
        organ = organ_of(name)
        if organ is not None:
            members.setdefault(organ, set()).add(name)
    hip_bones = labels.mask(HIP_BONES)
    if Organ.BLADDER not in members or not hip_bones.any():
        return None
    near_mm = resampled(hip_bones, labels.voxel_mm, SPACING_MM, shape)
    organs_mm = {
        organ: resampled(labels.mask(names), labels.voxel_mm, SPACING_MM, shape)
        for organ, names in members.items()
    }
    return Donor(labels.name, extended(near_mm, SPACING_MM, REACH_MM), organs_mm)


def carried(
    donor: Donor, hip_bones_mm: Distances, cavity_mm: Distances, fascia_mm: Distances, solid_mm: Distances
) -> NDArray[np.uint8]:
    """The donor's organs in another pelvis, as a map of ``Organ``.

    Args:
        donor: whose organs.
        hip_bones_mm: of the receiver.
        cavity_mm: the receiver's, where organs may lie.
        fascia_mm: the receiver's deep fascia, under which vessels lie.
        solid_mm: the receiver's bones and muscles, where nothing may lie.
    """
    fixed, moving = torch.from_numpy(hip_bones_mm), torch.from_numpy(donor.hip_bones_mm)
    start = moved_by(centroid(moving, SPACING_MM) - centroid(fixed, SPACING_MM))
    fitted, _ = fit_affine(fixed, moving, SPACING_MM, start)
    organs = list(donor.organs_mm)
    stack = torch.from_numpy(np.stack([donor.organs_mm[organ] for organ in organs]))
    here_mm = fitted.carry(stack, cavity_mm.shape, SPACING_MM, beyond=CROP_MM).numpy()
    nearest_mm = np.zeros(cavity_mm.shape, np.float32)
    found = np.zeros(cavity_mm.shape, np.uint8)
    for organ, organ_mm in zip(organs, here_mm, strict=True):
        inside = (organ_mm < nearest_mm) & (solid_mm > CLEARANCE_MM)
        inside &= (fascia_mm if organ in VESSELS else cavity_mm) < 0
        found[inside], nearest_mm[inside] = organ, organ_mm[inside]
    return found


def with_femoral(organs: NDArray[np.uint8], femoral: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Vessels of the thighs added below the slices that show the donor's."""
    carried_vessels = np.flatnonzero(np.isin(organs, VESSELS).any(axis=(1, 2)))
    end = int(carried_vessels[0]) if carried_vessels.size else len(organs)
    both = organs.copy()
    both[:end] = np.where(organs[:end] == 0, femoral[:end], organs[:end])
    return both
