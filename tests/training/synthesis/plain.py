"""Patients as the phantom person is: nothing varies, nothing is noisy, unless a test says so."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from tests.training.analytic_person import phantom_person
from training.synthesis.patient import Patient, Rendered, draw_patient
from training.synthesis.structures import Anatomy
from training.synthesis.variation import Variation

CPU = torch.device("cpu")

PLAIN: dict[str, dict[str, Any]] = {
    "levels": {
        "at_neck": 1,
        "neck_mm": (-20, -20),
        "any_mm": (40, 40),
        "above_neck_mm": (20, 20),
        "below_neck_mm": (20, 20),
        "field_mm": (400, 400),
    },
    "shape": {
        "size": (1, 1),
        "depth_to_width": (1, 1),
        "stretch_along_body": (1, 1),
        "deformation_mm": (0, 0),
        "deformation_cell_mm": (80, 80),
        "mirrored": 0,
    },
    "posture": {
        "tilt_deg": (0, 0),
        "external_rotation_deg": (0, 0),
        "flexion_deg": (0, 0),
        "abduction_deg": (0, 0),
    },
    "muscle": {
        "growth_mm": (0, 0),
        "one_growth_mm": (0, 0),
        "hu": (55, 55),
        "one_hu": (0, 0),
        "infiltration": (0, 0),
        "one_infiltration": (0, 0),
        "streak_cell_mm": (4, 4),
        "blurred_fat": (0, 0),
    },
    "fat": {
        "hu": (-105, -105),
        "subcutaneous_factor": (1, 1),
        "subcutaneous_extra_mm": (0, 0),
        "uneven_mm": (0, 0),
        "septa": (0, 0),
        "skin_mm": (2, 2),
        "skin_hu": (40, 40),
        "cleft_mm": (0, 0),
    },
    "bone": {
        "strength": (0.5, 0.5),
        "cortex_hu": (1000, 1000),
        "shaft_cortex_mm": (5, 5),
        "neck_cortex_mm": (1.5, 1.5),
        "head_cortex_mm": (1, 1),
        "pelvis_cortex_mm": (1.4, 1.4),
        "trabecular_head_hu": (220, 220),
        "trabecular_neck_hu": (60, 60),
        "yellow_marrow_hu": (-60, -60),
        "trabecular_pelvis_hu": (120, 120),
        "texture_hu": (0, 0),
        "joint_space_mm": (3, 3),
        "fracture": 0,
    },
    "viscera": {
        "soft_share": (0.4, 0.4),
        "organ_hu": (40, 40),
        "bladder_contrast": 0,
        "vessel_contrast": 0,
        "gas": 0,
        "calcification": 0,
    },
    "surroundings": {"table": 0, "arms": 0, "clothes": 0, "implant": 0},
    "scanner": {
        "kvp": (120, 120),
        "thickness_mm": (1, 1),
        "noise_hu": (0.01, 0.01),
        "kernel_fwhm_mm": (1.2, 1.2),
        "sharp_kernel": 0,
        "edge_enhancement": (0, 0),
        "beam_hardening": (0, 0),
        "starvation": (0, 0),
        "metal_hu": (4000, 4000),
        "truncated": 0,
        "fov_radius_mm": (100, 100),
        "fov_rim_hu": (0, 0),
    },
}


def plain_variation(**changes: dict[str, Any]) -> Variation:
    """Nothing varies but what ``changes`` says, by section and key."""
    assert changes.keys() <= PLAIN.keys()
    return Variation.model_validate(
        {name: section | changes.get(name, {}) for name, section in PLAIN.items()}
    )


@lru_cache(maxsize=1)
def phantom_anatomy() -> Anatomy:
    return Anatomy(phantom_person(), CPU)


@lru_cache(maxsize=4)
def anatomy_with_organ(organ: int) -> Anatomy:
    """The phantom's cavity holds nothing but this organ."""
    person = phantom_person()
    filled = (person.cavity_mm < 0).to(torch.uint8) * organ
    return Anatomy(replace(person, organs=(filled,)), CPU)


def draw_plain(seed: int = 1, anatomy: Anatomy | None = None, **changes: dict[str, Any]) -> Patient:
    random = torch.Generator().manual_seed(seed)
    return draw_patient(anatomy or phantom_anatomy(), plain_variation(**changes), random)


def axes(rows_mm: float = 130, columns_mm: float = 220, step_mm: float = 2.0) -> tuple[Tensor, Tensor]:
    """Rows and columns about the middle of the patient."""
    return torch.arange(-rows_mm, rows_mm, step_mm), torch.arange(-columns_mm, columns_mm, step_mm)


def render(patient: Patient, level_mm: float, **size: float) -> Rendered:
    return patient.render(level_mm, *axes(**size))
