"""What varies between synthetic patients and scans, and how much: the model of ``variation.yaml``."""

from pathlib import Path
from typing import Literal

import torch

from training.config import Section, read_settings
from training.synthesis.scanner_settings import Chance, PositiveRange, Range, ScannerVariation

DEFAULT = Path(__file__).with_name("variation.yaml")


class Shape(Section):
    """Size, proportions and smooth deformation of the whole body."""

    size: PositiveRange
    depth_to_width: PositiveRange
    stretch_along_body: PositiveRange
    deformation_mm: Range
    deformation_cell_mm: PositiveRange
    mirrored: Chance


class Posture(Section):
    """How the patient lies; each leg is drawn on its own."""

    tilt_deg: Range
    external_rotation_deg: Range
    flexion_deg: Range
    abduction_deg: Range


class Muscle(Section):
    """Size and composition of muscles; ``one_`` is the further difference of a single muscle."""

    growth_mm: Range
    one_growth_mm: Range
    hu: Range
    one_hu: Range
    infiltration: Range
    one_infiltration: Range
    streak_cell_mm: PositiveRange
    blurred_fat: Range


class Fat(Section):
    """Adipose tissue and skin."""

    hu: Range
    subcutaneous_factor: Range
    subcutaneous_extra_mm: Range
    uneven_mm: Range
    septa: Range
    skin_mm: Range
    skin_hu: Range
    cleft_mm: Range


class Bone(Section):
    """Femora, hip bones, sacrum and spine; ``strength`` 0 is osteoporotic, 1 young."""

    strength: Range
    cortex_hu: Range
    shaft_cortex_mm: Range
    neck_cortex_mm: Range
    head_cortex_mm: Range
    pelvis_cortex_mm: Range
    trabecular_head_hu: Range
    trabecular_neck_hu: Range
    yellow_marrow_hu: Range
    trabecular_pelvis_hu: Range
    texture_hu: Range
    joint_space_mm: Range
    fracture: Chance


class Viscera(Section):
    """What the pelvis, the abdomen and the groin hold besides muscles and bones."""

    soft_share: Range
    organ_hu: Range
    bladder_contrast: Chance
    vessel_contrast: Chance
    gas: Chance
    calcification: Chance


class Surroundings(Section):
    """What lies in the field of view beside the patient."""

    table: Chance
    arms: Chance
    clothes: Chance
    implant: Chance


class Levels(Section):
    """Where slices are taken.

    Single slices for training lie ``neck_mm`` or ``any_mm`` above the femoral heads; a series ends
    ``above_neck_mm`` and ``below_neck_mm`` from where the left femoral neck is thickest.
    """

    at_neck: Chance
    neck_mm: Range
    any_mm: Range
    above_neck_mm: Range
    below_neck_mm: Range
    field_mm: PositiveRange


class Variation(Section):
    """Everything that varies."""

    levels: Levels
    shape: Shape
    posture: Posture
    muscle: Muscle
    fat: Fat
    bone: Bone
    viscera: Viscera
    surroundings: Surroundings
    scanner: ScannerVariation


def load_variation(path: Path | Literal["default"] = "default") -> Variation:
    """Read a file of ranges; ``default`` is the one that comes with Coxa.

    Raises:
        ConfigurationError: the file is missing, or a key is unknown, missing or out of range.
    """
    return read_settings(DEFAULT if path == "default" else path, Variation)


def draw(limits: Range, random: torch.Generator) -> float:
    """One value, evenly distributed between the limits."""
    low, high = limits
    return low + (high - low) * torch.rand((), generator=random).item()


def happens(chance: Chance, random: torch.Generator) -> bool:
    """True in this share of the calls."""
    return torch.rand((), generator=random).item() < chance
