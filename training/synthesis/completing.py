"""Bones, abdominal wall and skin for people of whom only the muscles are known, from a patient who fits.

Their own map shows the places of the bones, which may be somebody else's, warped; the patient's bones are
fitted to these places. Below the end of the patient's femora the own map's bones remain. Muscles that
collide with them give way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage

from inference.morphology import filled
from inference.result import Side
from training.synthesis.drawing import THICKEST_FAT_MM, Drawn
from training.synthesis.envelope import draw_envelope
from training.synthesis.fitting import Affine, centroid, fit_affine, moved_by
from training.synthesis.landmarks import find_hip
from training.synthesis.person import DEEPEST_MM, REACH_MM, SPACING_MM, Person
from training.synthesis.person_building import solids_of
from training.synthesis.signed_distance import CROP_MM, Distances, extended, signed_distance_mm

WALL_MUSCLES = ("oblique", "rectus_abdominis", "erector_spinae", "quadratus_lumborum")
"""Carried over, where they do not collide: the trunk's muscles, in whole or first part of their names."""

TRUSTED_ABOVE_HEAD_MM = 30.0
OWN_BELOW_MM = (6.0, 26.0)
"""Above the end of a patient's femur: from the person's own bone to the patient's."""

BONE_MUSCLE_MM = 0.5
FAT_MM = (4.0, THICKEST_FAT_MM)
SMOOTHING_MM = 8.0
ROOM_MM = THICKEST_FAT_MM


@dataclass(frozen=True)
class _Fit:
    """How a patient's bones fit, and how well."""

    patient: Person
    pelvis: Affine
    femora: dict[Side, Affine]
    apart_mm: float


def completed(drawn: Drawn, patients: Sequence[Person]) -> Drawn:
    """Bones, trunk muscles and body's outline of the patient who fits best.

    Args:
        drawn: muscles, and where the bones are.
        patients: people with all of it.

    Raises:
        ValueError: there is no patient.
    """
    if not patients:
        raise ValueError(f"{drawn.name}: nobody is there whose bones and skin could be fitted.")
    best = min((_fit(drawn, patient) for patient in patients), key=lambda fit: fit.apart_mm)
    patient, shape = best.patient, drawn.muscle_mm.shape
    bones = torch.stack([patient.pelvis_mm, patient.axial_mm])
    hip_bones_mm, axial_mm = best.pelvis.carry(bones, shape, SPACING_MM).numpy()
    femora_mm = {
        side: fit.carry(patient.femur_mm[side][None], shape, SPACING_MM, beyond=REACH_MM)[0].numpy()
        for side, fit in best.femora.items()
    }
    own = _share_of_own(list(femora_mm.values()))
    femora_mm = {side: (1 - own) * femur + own * drawn.femora_mm[side] for side, femur in femora_mm.items()}
    axial_mm = np.where(own > 0, drawn.axial_mm, axial_mm)
    bare = replace(drawn, femora_mm=femora_mm, hip_bones_mm=hip_bones_mm, axial_mm=axial_mm)
    bare = _with_trunk(bare, best)
    heads = [find_hip(femur, SPACING_MM, side).head_centre[0] for side, femur in femora_mm.items()]
    stop = min(drawn.trusted.stop, round((min(heads) + TRUSTED_ABOVE_HEAD_MM) / SPACING_MM))
    return replace(bare, body_mm=_skin(bare, best), trusted=slice(drawn.trusted.start, stop))


def _share_of_own(femora_mm: Sequence[Distances]) -> Distances:
    """How much of each slice is the own map's: all below the end of the patient's femora, (slice, 1, 1).

    Below its head a femur has one place between the muscles, and a patient's map may end in its shaft.
    """
    ends = max(int(np.flatnonzero((femur < 0).any(axis=(1, 2)))[0]) for femur in femora_mm)
    above_mm = (np.arange(len(femora_mm[0])) - ends) * SPACING_MM
    share: Distances = ((OWN_BELOW_MM[1] - above_mm) / (OWN_BELOW_MM[1] - OWN_BELOW_MM[0])).clip(0, 1)
    return share.astype(np.float32)[:, None, None]


def _fit(drawn: Drawn, patient: Person) -> _Fit:
    pelvis_mm = torch.from_numpy(extended(drawn.hip_bones_mm, SPACING_MM, REACH_MM))
    start = moved_by(centroid(patient.pelvis_mm, SPACING_MM) - centroid(pelvis_mm, SPACING_MM))
    pelvis, apart_mm = fit_affine(pelvis_mm, patient.pelvis_mm, SPACING_MM, start)
    femora = {}
    for side, femur in drawn.femora_mm.items():
        place_mm = torch.from_numpy(extended(femur, SPACING_MM, REACH_MM))
        femora[side], femur_apart_mm = fit_affine(place_mm, patient.femur_mm[side], SPACING_MM, pelvis)
        apart_mm += femur_apart_mm
    return _Fit(patient, pelvis, femora, apart_mm)


def _with_trunk(drawn: Drawn, fit: _Fit) -> Drawn:
    """Muscles that collide with bone give way; the patient's trunk muscles are added where there is room."""
    patient = fit.patient
    muscle_mm = np.maximum(drawn.muscle_mm, BONE_MUSCLE_MM - drawn.bone_mm)
    muscle_id, names = drawn.muscle_id.copy(), dict(drawn.muscle_names)
    for number, name in patient.muscle_names.items():
        if not name.startswith(WALL_MUSCLES):
            continue
        there = ((patient.muscle_mm < 0) & (patient.muscle_id == number)).numpy()
        there_mm = torch.from_numpy(signed_distance_mm(there, (SPACING_MM,) * 3, CROP_MM))
        here_mm = fit.pelvis.carry(there_mm[None], muscle_mm.shape, SPACING_MM, beyond=CROP_MM)[0].numpy()
        here_mm = np.maximum(here_mm, BONE_MUSCLE_MM - np.minimum(muscle_mm, drawn.bone_mm))
        added = len(names) + 1
        names[added] = name
        nearer = here_mm < muscle_mm
        muscle_mm[nearer], muscle_id[nearer] = here_mm[nearer], added
    return replace(drawn, muscle_mm=muscle_mm, muscle_id=muscle_id, muscle_names=names)


def _skin(drawn: Drawn, fit: _Fit) -> Distances:
    """The fascia, and over it as much fat as the patient has in the same place."""
    patient = fit.patient
    thickness_mm = (patient.fascia_mm - patient.body_mm).clamp(*FAT_MM)
    here_mm = fit.pelvis.carry(thickness_mm[None], drawn.muscle_mm.shape, SPACING_MM)[0].numpy()
    here_mm = ndimage.gaussian_filter(here_mm, SMOOTHING_MM / SPACING_MM, mode="nearest")
    firm_mm = signed_distance_mm((drawn.muscle_mm < 0) | (drawn.bone_mm < 0), (SPACING_MM,) * 3, DEEPEST_MM)
    everything = firm_mm < ROOM_MM
    envelope = draw_envelope(solids_of(drawn, np.zeros_like(everything), everything))
    fascia_mm = signed_distance_mm(envelope.limbs | envelope.deep, (SPACING_MM,) * 3, DEEPEST_MM)
    body = filled(fascia_mm < here_mm)
    body_mm = signed_distance_mm(body, (SPACING_MM,) * 3, DEEPEST_MM)
    smooth: Distances = ndimage.gaussian_filter(body_mm, SMOOTHING_MM / SPACING_MM / 2)
    return smooth
