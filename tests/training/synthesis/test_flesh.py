from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from inference.tissue_protocol import Tissue
from tests.training.analytic_person import FAT_MM, phantom_person
from tests.training.synthesis.plain import CPU, anatomy_with_organ, phantom_anatomy, render
from tests.training.synthesis.plain import draw_plain as patient
from training.synthesis.patient import Rendered
from training.synthesis.person import Organ
from training.synthesis.structures import Anatomy
from training.synthesis.truth import Region, label

THIGH_MM = -80.0
"""Below the cavity's floor, above the phantom's end."""


def thigh(seed: int = 1, **changes: dict[str, Any]) -> Rendered:
    return render(patient(seed, None, **changes), THIGH_MM)


def labels(rendered: Rendered) -> Tensor:
    return label(rendered.region, rendered.hu)


def area(rendered: Rendered, tissue: Tissue) -> int:
    """In pixels of 4 mm²."""
    return int((labels(rendered) == tissue).sum())


def body(rendered: Rendered) -> Tensor:
    return rendered.hu > -500


def test_plain_tissues_have_their_hu() -> None:
    rendered = thigh()
    found = labels(rendered)
    assert float(rendered.hu[found == Tissue.MUSCLE].median()) == pytest.approx(55, abs=3)
    assert float(rendered.hu[found == Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE].median()) == pytest.approx(
        -105, abs=3
    )
    assert float(rendered.hu[0, 0]) == -1000


def test_skin_has_no_label() -> None:
    thin, thick = (thigh(fat={"skin_mm": (mm, mm)}) for mm in (2.0, 8.0))
    for rendered in (thin, thick):
        unlabelled = body(rendered) & (rendered.region == Region.NONE)
        assert float(rendered.hu[unlabelled].median()) == pytest.approx(40, abs=5)
    sat = Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE
    assert area(thick, sat) < area(thin, sat)
    assert body(thick).equal(body(thin))


def test_a_wasted_muscle_leaves_intermuscular_fat() -> None:
    before, after = thigh(), thigh(muscle={"one_growth_mm": (-4, -4)})
    lost = (labels(before) == Tissue.MUSCLE) & (labels(after) != Tissue.MUSCLE)
    # Rings of 4 mm within 70 mm and around the femur, 2 * 2π * (68 + 18) mm * 4 mm, in pixels of 4 mm².
    assert int(lost.sum()) == pytest.approx(1080, rel=0.15)
    assert (labels(after)[lost] == Tissue.INTERMUSCULAR_ADIPOSE_TISSUE).float().mean() > 0.95
    assert area(after, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE) == area(before, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE)


def test_when_all_muscles_waste_their_fascia_follows() -> None:
    before, after = thigh(), thigh(muscle={"growth_mm": (-4, -4)})
    assert area(after, Tissue.MUSCLE) < 0.92 * area(before, Tissue.MUSCLE)
    assert area(after, Tissue.INTERMUSCULAR_ADIPOSE_TISSUE) > area(
        before, Tissue.INTERMUSCULAR_ADIPOSE_TISSUE
    )
    sat = Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE
    assert area(after, sat) > area(before, sat), "the fascia has drawn back"


@pytest.mark.parametrize(
    "thicker", [{"subcutaneous_factor": (1.5, 1.5)}, {"subcutaneous_extra_mm": (10, 20)}]
)
def test_more_subcutaneous_fat_moves_the_skin_and_not_the_muscles(thicker: dict[str, Any]) -> None:
    lean, fat = thigh(), thigh(fat=thicker)
    sat = Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE
    assert area(fat, sat) > 1.2 * area(lean, sat)
    assert (body(fat) | ~body(lean)).all()
    assert int(body(fat).sum()) > int(body(lean).sum()) + 500
    assert (labels(fat) == Tissue.MUSCLE).equal(labels(lean) == Tissue.MUSCLE)


def test_the_layer_of_fat_is_as_thick_as_its_factor_says() -> None:
    def beside_mm(factor: float) -> float:
        """From the deep fascia to the skin's inner surface, left of the left thigh."""
        rendered = thigh(fat={"subcutaneous_factor": (factor, factor)})
        outwards = torch.arange(-220, 220, 2.0) > 90
        return 2.0 * float((rendered.region[65, outwards] == Region.SUBCUTANEOUS).sum())

    skin_mm = 2.0
    for factor in (0.6, 1.0, 1.3):
        assert beside_mm(factor) == pytest.approx(factor * FAT_MM - skin_mm, abs=2.5)


def fat_in_muscle(rendered: Rendered) -> float:
    inside = rendered.region == Region.LIMB
    return float((rendered.hu[inside] < -30).float().mean())


def test_infiltration_puts_as_much_fat_into_muscle_as_drawn() -> None:
    drawn = [0.0, 0.05, 0.1, 0.2, 0.3]
    found = [
        fat_in_muscle(thigh(muscle={"one_infiltration": (share, share)})) - fat_in_muscle(thigh())
        for share in drawn
    ]
    assert found == sorted(found)
    assert all(more > less for less, more in pairwise(found))
    assert found == pytest.approx(drawn, rel=0.35, abs=0.06)


def test_infiltrated_fat_is_labelled_intermuscular() -> None:
    rendered = thigh(muscle={"one_infiltration": (0.3, 0.3)})
    inside = (rendered.region == Region.LIMB) & (rendered.hu < -30)
    assert (labels(rendered)[inside] == Tissue.INTERMUSCULAR_ADIPOSE_TISSUE).all()


def test_fat_too_fine_to_be_seen_darkens_muscle() -> None:
    def lean_hu(blurred: float) -> float:
        rendered = thigh(muscle={"blurred_fat": (blurred, blurred)})
        return float(rendered.hu[labels(rendered) == Tissue.MUSCLE].median())

    assert lean_hu(0) - lean_hu(20) == pytest.approx(20, abs=0.5)


def test_muscles_differ_from_each_other() -> None:
    found = thigh(muscle={"one_hu": (-30, 30)})
    halves = torch.arange(-220, 220, 2.0) > 0
    muscle = labels(found) == Tissue.MUSCLE
    right, left = (found.hu[:, half][muscle[:, half]].median() for half in (~halves, halves))
    assert abs(float(right - left)) > 5


@pytest.mark.parametrize("organ", [Organ.BLADDER, Organ.BOWEL, Organ.PROSTATE_OR_UTERUS])
def test_the_cavity_has_no_label(organ: Organ) -> None:
    rendered = render(patient(anatomy=anatomy_with_organ(organ)), 0.0)
    rows, columns = torch.meshgrid(torch.arange(-130, 130, 2.0), torch.arange(-220, 220, 2.0), indexing="ij")
    cavity = torch.hypot(rows, columns) < 20
    assert (rendered.region[cavity] == Region.NONE).all()
    assert (rendered.hu[cavity] > -200).all()


@pytest.mark.parametrize(("contrast", "least", "most"), [(0, -5, 18), (1, 150, 900)])
def test_the_bladder_holds_urine_or_contrast(contrast: int, least: float, most: float) -> None:
    anatomy = anatomy_with_organ(Organ.BLADDER)
    rendered = render(patient(anatomy=anatomy, viscera={"bladder_contrast": contrast}), 0.0)
    assert least <= float(rendered.hu[65, 110]) <= most


def test_gas_lies_in_the_bowel_only_where_there_is_some() -> None:
    anatomy = anatomy_with_organ(Organ.BOWEL)

    def coldest(gas: int) -> float:
        many = [
            render(patient(seed, anatomy, viscera={"gas": gas}), 0.0, columns_mm=20, rows_mm=20)
            for seed in range(8)
        ]
        return min(float(one.hu.min()) for one in many)

    assert coldest(0) > -250
    assert coldest(1) < -800


@pytest.mark.parametrize("organ", [Organ.ARTERY, Organ.VEIN])
@pytest.mark.parametrize(("contrast", "least", "most"), [(0, 32, 55), (1, 110, 380)])
def test_vessels_hold_blood_or_contrast(organ: Organ, contrast: int, least: float, most: float) -> None:
    rendered = render(patient(anatomy=anatomy_with_organ(organ), viscera={"vessel_contrast": contrast}), 0.0)
    assert least <= float(rendered.hu[65, 110]) <= most
    assert int(rendered.region[65, 110]) == Region.NONE


def test_vessels_between_muscles_have_no_label() -> None:
    person = phantom_person()
    everywhere = replace(person, organs=(torch.full_like(person.muscle_id, Organ.VEIN),))
    gaps = {"one_growth_mm": (-10, -10)}
    without, with_vessels = (
        labels(render(patient(anatomy=anatomy, muscle=gaps), THIGH_MM))
        for anatomy in (phantom_anatomy(), Anatomy(everywhere, CPU))
    )
    assert (without == Tissue.INTERMUSCULAR_ADIPOSE_TISSUE).sum() > 1000
    assert not (with_vessels == Tissue.INTERMUSCULAR_ADIPOSE_TISSUE).any()
    muscle = [int((found == Tissue.MUSCLE).sum()) for found in (without, with_vessels)]
    assert muscle[1] == pytest.approx(muscle[0], rel=0.03)


def test_only_arteries_calcify() -> None:
    def brightest(organ: Organ) -> float:
        calcified = patient(anatomy=anatomy_with_organ(organ), viscera={"calcification": 1})
        return float(calcified.render(0.0, torch.arange(-15, 15, 1.0), torch.arange(-15, 15, 1.0)).hu.max())

    assert brightest(Organ.ARTERY) > 600
    assert brightest(Organ.VEIN) < 100


def test_buttocks_touch_in_a_cleft_of_skin() -> None:
    rows, columns = torch.arange(50, 110, 1.0), torch.arange(-20, 20, 1.0)
    without, with_cleft = (
        patient(fat={"cleft_mm": (mm, mm)}).render(-30.0, rows, columns).region for mm in (0.0, 6.0)
    )
    sat = without == Region.SUBCUTANEOUS
    lost = sat & (with_cleft == Region.NONE)
    assert int(lost.sum()) > 0.8 * 6 * int(sat[:, 20].sum())
    assert not lost[:, :10].any(), "beside the midline"


def test_the_cleft_is_as_wide_in_a_larger_patient() -> None:
    def width_mm(size: float) -> float:
        rows, columns = torch.arange(50 * size, 110 * size, 1.0), torch.arange(-20, 20, 0.5)
        without, with_cleft = (
            patient(fat={"cleft_mm": (mm, mm)}, shape={"size": (size, size)})
            .render(-30.0 * size, rows, columns)
            .region
            for mm in (0.0, 6.0)
        )
        sat = without == Region.SUBCUTANEOUS
        lost = sat & (with_cleft == Region.NONE)
        return 0.5 * float(lost[sat.all(1)].sum(1).float().mean())

    assert width_mm(1.5) == pytest.approx(width_mm(1.0), rel=0.15)
