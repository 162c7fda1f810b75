"""Where a synthetic patient's left femoral neck is thickest, from the exact surface instead of an image.

The definition is that of ``inference.femoral_neck``; the computation shares nothing with it.
"""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from inference.result import Side
from training.synthesis.patient import Patient
from training.synthesis.posture import LEFT

STEP_MM = 1.0
REACH_MM = 34.0
ALONG_RADII = (0.8, 1.8)
SECTIONS_MM = 3.0
SMOOTH_MM = 2.0
REFINEMENTS = 4
SEARCHES = 8


def left_femur(patient: Patient) -> Side:
    """The person's femur that is on the left in the patient: the other one where the patient is mirrored."""
    return max(Side, key=lambda side: float(head_centre_mm(patient, side)[LEFT]))


def head_centre_mm(patient: Patient, side: Side) -> Tensor:
    """A femoral head's centre in the patient's coordinates."""
    return _from_person(patient, torch.tensor(patient.anatomy.person.landmarks[side].head_centre))


def thickest_neck_level_mm(patient: Patient) -> float:
    """Height of the axial plane in which the left femoral neck is widest, in the patient's coordinates."""
    side = left_femur(patient)
    hip = patient.anatomy.person.landmarks[side]
    centre = head_centre_mm(patient, side)
    beyond = torch.tensor(hip.head_centre) + 1.5 * hip.head_radius_mm * torch.tensor(hip.neck_axis)
    radius = hip.head_radius_mm / patient.pose.scale
    start, axis = centre, _unit(_from_person(patient, beyond) - centre)
    for _ in range(REFINEMENTS):
        places, inside = _sections(patient, side, start, axis, radius)
        centroids = [places[n][inside[n]].mean(0) for n in range(len(places))]
        narrowest = int(torch.stack([one.sum() for one in inside]).argmin())
        near = slice(max(0, narrowest - 5), narrowest + 6)
        axis = _unit(_unit(centroids[near][-1] - centroids[near][0]) + _unit(centroids[narrowest] - centre))
        start = centroids[narrowest] - axis * ((centroids[narrowest] - centre) @ axis)
    places, inside = _sections(patient, side, start, axis, radius)
    narrowest = int(torch.stack([one.sum() for one in inside]).argmin())
    near_by = round(SECTIONS_MM / STEP_MM)
    levels = np.arange(-80.0, 40.0, 0.5) + float(centre[0])
    widths = [
        np.interp(levels, places[n][:, 0, 0].numpy(), inside[n].sum(1).numpy() * STEP_MM, 0.0, 0.0)
        for n in range(max(0, narrowest - near_by), min(len(places), narrowest + near_by + 1))
    ]
    profile = ndimage.gaussian_filter1d(np.mean(widths, axis=0), SMOOTH_MM / 0.5)
    return float(levels[profile.argmax()])


def _sections(
    patient: Patient, side: Side, start: Tensor, axis: Tensor, radius: float
) -> tuple[list[Tensor], list[Tensor]]:
    """Cross-sections of the neck, rows from below to above; points (row, column, 3), and which are bone."""
    level = _unit(torch.linalg.cross(axis, torch.tensor([1.0, 0.0, 0.0])))
    up = torch.linalg.cross(level, axis)
    up = up * torch.sign(up[0])
    grid = torch.arange(-REACH_MM, REACH_MM + STEP_MM, STEP_MM)
    along = torch.arange(ALONG_RADII[0] * radius, ALONG_RADII[1] * radius, STEP_MM)
    places = start + along[:, None, None, None] * axis + grid[:, None, None] * up + grid[:, None] * level
    device = patient.pose.linear.device
    found = patient.anatomy.near(patient.pose.to_person(places.to(device)), side)[1].cpu() < 0
    return list(places), [_around_middle(section) for section in found]


def _around_middle(section: Tensor) -> Tensor:
    """The part of a section that the axis goes through, else the largest."""
    parts, count = ndimage.label(section.numpy())
    if count == 0:
        return section
    middle = parts[parts.shape[0] // 2, parts.shape[1] // 2]
    chosen = middle or 1 + int(np.bincount(parts.ravel())[1:].argmax())
    return torch.from_numpy(parts == chosen)


def _from_person(patient: Patient, point: Tensor) -> Tensor:
    """Solves for the patient's point that comes from a person's; deformations are small against distances."""
    pose = patient.pose
    linear = pose.linear.cpu()
    found: Tensor = torch.linalg.solve(linear, point - pose.centre_mm.cpu())
    for _ in range(SEARCHES):
        missed = point - pose.to_person(found.to(pose.linear.device)).cpu()
        found += torch.linalg.solve(linear, missed)
    return found


def _unit(vector: Tensor) -> Tensor:
    unit: Tensor = vector / vector.norm()
    return unit
