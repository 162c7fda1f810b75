"""Whole synthetic series with the muscle each voxel belongs to: what the thigh-muscle route is judged on.

Unlike the blocks it is trained on these are scanned slice by slice as the hip-tissue series are: at the
scanner's pixels and slice thickness, with kernel, noise, beam hardening, metal and field of view.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.synthesis.exposure import Slab, expose
from training.synthesis.muscle_blocks import trusted_mm
from training.synthesis.muscle_truth import MuscleTruth
from training.synthesis.patient import Patient, draw_patient
from training.synthesis.person import Person
from training.synthesis.scanner import HU_LIMITS
from training.synthesis.scanner_settings import sample_settings
from training.synthesis.structures import Anatomy
from training.synthesis.variation import Variation, draw

OFF_CENTRE_MM = 20.0
LEGS_MM = 30.0
"""Rows between the hips' middle and the picture's: legs lie flat where the pelvis has its curve."""

THINNEST_MM = 2.5
"""Thinner slices would only take longer: the network's are of 4 mm."""


@dataclass(frozen=True)
class MuscleSeries:
    """A series of one patient; axes foot to head, front to back, right to left.

    Attributes:
        hu: int16, as scanned.
        labels: uint8, index into ``TRUTHS``; 0 also outside the field of view.
        spacing_mm: (slice, row, column).
        first_mm: level of the first slice above the femoral heads.
        person: whose anatomy it is.
        patient: what was drawn.
    """

    hu: Tensor
    labels: Tensor
    spacing_mm: tuple[float, float, float]
    first_mm: float
    person: str
    patient: Patient


def draw_series(people: Sequence[Person], variation: Variation, seed: int, matrix: int = 512) -> MuscleSeries:
    """Scan a patient over everything that is trusted of the person.

    Args:
        people: whose anatomy to use; one of them is drawn.
        variation: what varies.
        seed: the same seed gives the same series.
        matrix: rows and columns.
    """
    random = torch.Generator().manual_seed(seed)
    person = people[int(torch.randint(len(people), (), generator=random))]
    anatomy = Anatomy(person, torch.device("cpu"))
    return scan(draw_patient(anatomy, variation, random), variation, random, matrix)


def scan(patient: Patient, variation: Variation, random: torch.Generator, matrix: int) -> MuscleSeries:
    """Scan a patient who was drawn before."""
    settings = sample_settings(variation.scanner, 1, random)
    thickness_mm = max(THINNEST_MM, float(settings.thickness_mm))
    pixel_mm = draw(variation.levels.field_mm, random) / matrix
    off = [draw((-OFF_CENTRE_MM, OFF_CENTRE_MM), random) for _ in range(2)]
    rows, columns = (pixel_mm * (torch.arange(matrix) - matrix / 2) + shift for shift in off)
    rows = rows - LEGS_MM
    lowest, highest = trusted_mm(patient)
    levels = torch.arange(lowest, highest, thickness_mm).tolist()
    truth = MuscleTruth(patient.anatomy.person.muscle_names)
    hu = torch.empty(len(levels), matrix, matrix, dtype=torch.int16)
    labels = torch.empty(len(levels), matrix, matrix, dtype=torch.uint8)
    for index, level in enumerate(levels):
        slab = Slab.of(patient, level, thickness_mm, rows, columns)
        scanned, _ = expose(slab, pixel_mm, settings, random)
        middle = patient.render(level, rows, columns)
        found = truth(middle.muscle, middle.femur, middle.hip_bone, level)
        found[scanned[0] <= HU_LIMITS[0]] = 0
        hu[index], labels[index] = scanned[0].round().to(torch.int16), found
    spacing_mm = (thickness_mm, pixel_mm, pixel_mm)
    return MuscleSeries(hu, labels, spacing_mm, levels[0], patient.anatomy.person.name, patient)
