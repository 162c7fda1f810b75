"""Muscles, adipose tissue, skin, vessels and viscera."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.synthesis.person import Organ
from training.synthesis.structures import Structures
from training.synthesis.variation import Muscle, Variation, Viscera, draw, happens

MUSCLES = 256
"""Numbers that a map of muscles can hold."""

EDGE_MM = 1.0
SEPTUM_WIDTH = 0.07
FASCIA_MM = 0.6
CLEFT_ABOVE_MM, CLEFT_BEHIND_MM = 35.0, 45.0
"""Of the femoral heads, in the person's mm: as far up as the coccyx reaches, and behind the anus."""

MOST_FAT = 0.5
"""Of any part of a muscle: one that is all fat is no muscle any more."""


@dataclass(frozen=True)
class FleshDraw:
    """One patient's soft tissues; HU are those at 120 kVp.

    ``growth_mm``, ``lean_hu`` and ``infiltration`` hold one number for each muscle.
    """

    growth_mm: Tensor
    common_growth_mm: float
    lean_hu: Tensor
    infiltration: Tensor
    streak_cell_mm: float
    fat_hu: float
    subcutaneous_factor: float
    subcutaneous_extra_mm: float
    uneven_mm: float
    septa: float
    skin_mm: float
    skin_hu: float
    cleft_mm: float
    soft_share: float
    organ_hu: Tensor
    vessel_hu: float
    calcified: bool
    gas: bool
    stool: bool


@dataclass(frozen=True)
class Flesh:
    """Soft tissue at some points.

    Attributes:
        hu: at 120 kVp; air outside the body.
        depth_mm: below the skin's surface, negative outside.
        limb: muscle and what lies between muscles: inside the deep fascia, not in a body cavity.
        subcutaneous: between deep fascia and skin.
        muscle: number of the muscle, with the fat in it; 0 where there is none.
    """

    hu: Tensor
    depth_mm: Tensor
    limb: Tensor
    subcutaneous: Tensor
    muscle: Tensor


def draw_flesh(variation: Variation, random: torch.Generator) -> FleshDraw:
    """One patient's soft tissues."""
    muscle, fat, viscera = variation.muscle, variation.fat, variation.viscera
    growth = draw(muscle.growth_mm, random)
    return FleshDraw(
        growth_mm=growth + _each(muscle.one_growth_mm, random),
        common_growth_mm=growth,
        lean_hu=draw(muscle.hu, random) + _each(muscle.one_hu, random) - draw(muscle.blurred_fat, random),
        infiltration=_infiltration(muscle, random),
        streak_cell_mm=draw(muscle.streak_cell_mm, random),
        fat_hu=draw(fat.hu, random),
        subcutaneous_factor=draw(fat.subcutaneous_factor, random),
        subcutaneous_extra_mm=_mostly_low(fat.subcutaneous_extra_mm, random),
        uneven_mm=draw(fat.uneven_mm, random),
        septa=draw(fat.septa, random),
        skin_mm=draw(fat.skin_mm, random),
        skin_hu=draw(fat.skin_hu, random),
        cleft_mm=draw(fat.cleft_mm, random),
        soft_share=draw(viscera.soft_share, random),
        organ_hu=_organs(viscera, random),
        vessel_hu=draw((110.0, 380.0), random)
        if happens(viscera.vessel_contrast, random)
        else draw((32.0, 55.0), random),
        calcified=happens(viscera.calcification, random),
        gas=happens(viscera.gas, random),
        stool=happens(0.5, random),
    )


def make_flesh(
    at: Structures,
    from_hips_mm: Tensor,
    drawn: FleshDraw,
    scale: float,
    fine: Tensor,
    medium: Tensor,
    coarse: Tensor,
) -> Flesh:
    """Soft tissue at points, bones left out.

    Args:
        at: structures at the points.
        from_hips_mm: (..., 3), the points, from between the femoral heads, the person's mm.
        drawn: the patient's tissues.
        scale: the person's mm per mm of the patient.
        fine: (2, ...) random fields as coarse as ``drawn.streak_cell_mm``.
        medium: (3, ...) random fields of 8 to 15 mm.
        coarse: (2, ...) random fields of 30 to 60 mm.
    """
    number = at.muscle.long()
    fascia_mm = at.fascia_mm / scale - 0.8 * drawn.common_growth_mm
    thickness_mm = (fascia_mm - at.body_mm / scale).clamp(min=0)
    grown_mm = drawn.subcutaneous_factor * thickness_mm + drawn.subcutaneous_extra_mm
    depth_mm = grown_mm + drawn.uneven_mm * coarse[0] - fascia_mm
    depth_mm = torch.where(at.cavity_mm < 0, torch.maximum(depth_mm, -at.body_mm / scale), depth_mm)

    body = depth_mm > 0
    cavity = (at.cavity_mm < 0) & body
    artery = at.organ == Organ.ARTERY
    vessel = artery | (at.organ == Organ.VEIN)
    limb = (fascia_mm < 0) & ~cavity & body
    subcutaneous = (fascia_mm >= 0) & ~cavity & body

    hu = drawn.fat_hu + 3 * medium[0] + 3 * fine[0]
    hu = hu + _septa(drawn, medium, fascia_mm) * subcutaneous
    muscle = _edge(at.muscle_mm / scale - drawn.growth_mm.to(hu)[number] + 0.6 * medium[1]) * (limb | cavity)
    hu = _mixed(hu, _muscle_hu(drawn, number, fine, coarse[1]), muscle)
    hu = torch.where(cavity & (muscle < 0.5), _viscera_hu(at, drawn, hu, medium, coarse), hu)
    calcification = 700.0 * drawn.calcified * (artery & (fine[1] > 1.4))
    hu = torch.where(vessel & (muscle < 0.5), drawn.vessel_hu + calcification, hu)
    skin = _edge(depth_mm - drawn.skin_mm) * body
    skin = torch.maximum(skin, _cleft(from_hips_mm, drawn, scale, medium[1]) * subcutaneous)
    hu = _mixed(hu, torch.full_like(hu, drawn.skin_hu), skin)
    hu = _mixed(torch.full_like(hu, -1000.0), hu, _edge(-depth_mm))
    nothing = (skin > 0.5) | (vessel & (muscle < 0.5))
    of_muscle = number * ((muscle > 0.5) & (skin <= 0.5))
    return Flesh(hu, depth_mm, limb & ~nothing, subcutaneous & ~nothing, of_muscle)


def _muscle_hu(drawn: FleshDraw, number: Tensor, fine: Tensor, coarse: Tensor) -> Tensor:
    """Lean fibres with fat in streaks between the fascicles, more of it in some places than in others."""
    share = (drawn.infiltration.to(fine)[number] * torch.exp(0.6 * coarse)).clamp(max=MOST_FAT)
    streak = ((1.2 * share - fine[0].abs()) / 0.12).clamp(0, 1)
    patch = ((fine[1] - 2.2 + 4.0 * share) / 0.5).clamp(0, 1) * (share > 0.05)
    fat = torch.maximum(streak, patch)
    lean = drawn.lean_hu.to(fine)[number] + 4 * fine[1] + 3 * coarse
    return _mixed(lean, torch.full_like(lean, 0.9 * drawn.fat_hu), fat)


def _cleft(from_hips_mm: Tensor, drawn: FleshDraw, scale: float, uneven: Tensor) -> Tensor:
    """Where the buttocks touch: two layers of skin, which outlines of a body do not show."""
    above, behind, beside = from_hips_mm.unbind(-1)
    where = (above < CLEFT_ABOVE_MM) & (behind > CLEFT_BEHIND_MM) & (drawn.cleft_mm > EDGE_MM)
    return _edge((beside / scale + 2 * uneven).abs() - drawn.cleft_mm / 2) * where


def _septa(drawn: FleshDraw, medium: Tensor, fascia_mm: Tensor) -> Tensor:
    """Connective tissue in subcutaneous fat, and the deep fascia itself, as HU above fat."""
    septum = (medium[2].abs() < SEPTUM_WIDTH * drawn.septa) & (medium[0] > 0)
    fascia = (fascia_mm < FASCIA_MM) & (medium[1] > -0.5)
    return 70.0 * (septum | fascia)


def _viscera_hu(at: Structures, drawn: FleshDraw, fat_hu: Tensor, medium: Tensor, coarse: Tensor) -> Tensor:
    organ = drawn.organ_hu.to(fat_hu)
    quantile = torch.special.ndtri(torch.tensor(1 - drawn.soft_share)).item()
    blob = _edge((quantile - 0.8 * coarse[1] - 0.6 * medium[1]) * 10)
    hu = _mixed(fat_hu, organ[Organ.PROSTATE_OR_UTERUS] + 6 * medium[2], blob)
    content = organ[Organ.BOWEL] + 10 * medium[2]
    if drawn.stool:
        content = content - 120 * (medium[0] > 0.5)
    if drawn.gas:
        content = torch.where(medium[1] > 0.9, -900.0, content)
        hu = torch.where((blob > 0.9) & (coarse[0] > 1.0) & (medium[2] > 0.3), -900.0, hu)
    hu = torch.where(at.organ == Organ.BOWEL, content, hu)
    hu = torch.where(at.organ == Organ.BLADDER, organ[Organ.BLADDER], hu)
    return torch.where(
        at.organ == Organ.PROSTATE_OR_UTERUS, organ[Organ.PROSTATE_OR_UTERUS] + 8 * medium[2], hu
    )


def _organs(viscera: Viscera, random: torch.Generator) -> Tensor:
    hu = torch.zeros(6)
    hu[Organ.BLADDER] = (
        draw((150.0, 900.0), random)
        if happens(viscera.bladder_contrast, random)
        else draw((-5.0, 18.0), random)
    )
    hu[Organ.BOWEL] = draw((0.0, 60.0), random)
    hu[Organ.PROSTATE_OR_UTERUS] = draw(viscera.organ_hu, random)
    return hu


def _infiltration(muscle: Muscle, random: torch.Generator) -> Tensor:
    share = _mostly_low(muscle.infiltration, random) + _each(muscle.one_infiltration, random)
    return share.clamp(min=0)


def _each(limits: tuple[float, float], random: torch.Generator) -> Tensor:
    low, high = limits
    return low + (high - low) * torch.rand(MUSCLES, generator=random)


def _mostly_low(limits: tuple[float, float], random: torch.Generator) -> float:
    low, high = limits
    return low + (high - low) * draw((0.0, 1.0), random) ** 2


def _edge(signed_mm: Tensor) -> Tensor:
    return (0.5 - signed_mm / EDGE_MM).clamp(0, 1)


def _mixed(one: Tensor, other: Tensor, share_of_other: Tensor) -> Tensor:
    return one + (other - one) * share_of_other
