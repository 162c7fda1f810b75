"""The phantom's bones are as large as ``analytic_person`` says; walls and density are drawn."""

from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
import torch
from torch import Tensor

from inference.result import Side
from tests.training.analytic_person import HEAD_RADIUS_MM, SHAFT_RADIUS_MM, WAIST_MM, phantom_person
from tests.training.synthesis.plain import draw_plain as patient
from tests.training.synthesis.plain import phantom_anatomy, plain_variation, render
from training.synthesis.bones import WARD_RADII, BoneDraw, Bones, draw_bones, make_bones
from training.synthesis.truth import Region

HIP = phantom_person().landmarks[Side.LEFT]
CENTRE, NECK, SHAFT = (torch.tensor(vector) for vector in (HIP.head_centre, HIP.neck_axis, HIP.shaft_axis))
SHAFT_POINT = torch.tensor(HIP.shaft_point)


def drawn(**bone: Any) -> BoneDraw:
    return draw_bones(plain_variation(bone=bone).bone, torch.Generator().manual_seed(1))


def bones_at(points: Tensor, draw: BoneDraw, scale: float = 1.0) -> Bones:
    nothing = torch.zeros(2, *points.shape[:-1])
    hips = phantom_person().landmarks
    return make_bones(phantom_anatomy().at(points), points, hips, draw, scale, nothing, nothing[0])


def across_shaft(step_mm: float, shift_mm: float = 0.0) -> Tensor:
    """Points of a line through the left shaft, 110 mm below the head's centre, right to left."""
    along = torch.arange(-30, 30, step_mm) + shift_mm
    return torch.tensor((50.0, 170.0, float(SHAFT_POINT[2]))) + along[:, None] * torch.tensor([0.0, 0.0, 1.0])


def wall_mm(bones: Bones, draw: BoneDraw, step_mm: float) -> float:
    """Thickness of both walls together, by the mass they have above marrow."""
    share = (0.5 - bones.mm).clamp(0, 1)
    above = (bones.hu - draw.marrow_hu) / (1.1 * draw.cortex_hu - draw.marrow_hu)
    return float((share * above).sum()) * step_mm


@pytest.mark.parametrize("thickness_mm", [0.4, 1.0, 2.5, 7.5])
@pytest.mark.parametrize("shift_mm", [0.0, 0.3, 0.7])
def test_cortex_keeps_its_mass_even_when_thinner_than_a_pixel(thickness_mm: float, shift_mm: float) -> None:
    draw = drawn(shaft_cortex_mm=(thickness_mm, thickness_mm))
    bones = bones_at(across_shaft(1.0, shift_mm), draw)
    assert wall_mm(bones, draw, 1.0) == pytest.approx(2 * thickness_mm, rel=0.05)


def test_thin_cortex_comes_out_dimmer_than_it_is() -> None:
    def peak(thickness_mm: float) -> float:
        draw = drawn(shaft_cortex_mm=(thickness_mm, thickness_mm))
        bones = bones_at(across_shaft(1.0, 0.3), draw)
        hu: Tensor = -100 + (bones.hu + 100) * (0.5 - bones.mm).clamp(0, 1)
        return float(hu.max())

    assert peak(0.5) < 0.7 * peak(5.0)
    assert peak(5.0) == pytest.approx(1100, rel=0.02)


def test_walls_are_as_thick_in_a_larger_patient() -> None:
    """The person's shaft is twice as wide in the patient; its wall is drawn in the patient's mm."""
    draw, scale = drawn(), 0.5
    bones = bones_at(across_shaft(0.5), draw, scale)
    assert wall_mm(bones, draw, 0.5 / scale) == pytest.approx(2 * 5.0, rel=0.05)
    assert float((bones.mm < 0).sum()) * 0.5 / scale == pytest.approx(4 * SHAFT_RADIUS_MM, abs=2)


def test_density_follows_the_trabeculae() -> None:
    middle = {
        "head": CENTRE,
        "ward": CENTRE + WARD_RADII * HEAD_RADIUS_MM * NECK,
        "shaft": torch.tensor((50.0, 170.0, float(SHAFT_POINT[2]))),
    }
    hu = dict(zip(middle, bones_at(torch.stack(list(middle.values())), drawn()).hu.tolist(), strict=True))
    assert hu["head"] > 220
    assert hu["ward"] < hu["head"] - 150
    assert hu["ward"] < 60 - 40, "less than elsewhere in the neck"
    assert hu["shaft"] == pytest.approx(-60)


def test_joint_space_is_as_wide_as_drawn() -> None:
    upwards = CENTRE + torch.arange(15, 45, 0.1)[:, None] * torch.tensor([1.0, 0.0, 0.0])
    for joint_space_mm, expected in ((2.0, 3.0), (5.0, 5.0)):
        bones = bones_at(upwards, drawn(joint_space_mm=(joint_space_mm, joint_space_mm)))
        assert 0.1 * float((bones.mm > 0)[:200].sum()) == pytest.approx(expected, abs=0.5)
        assert bones.joint.sum() > 0
        assert not (bones.joint & (bones.mm <= 0)).any()


def test_joint_space_has_no_label() -> None:
    rendered = render(patient(bone={"joint_space_mm": (5, 5)}), 5.0)
    sides = torch.arange(-220, 220, 2.0)
    centre = sides.sub(90.0).abs().argmin()
    row = rendered.region[65, centre:]  # outwards from the left head's centre
    kinds = [kind for kind, _ in groupby(row.tolist())][:3]
    assert kinds == [Region.BONE, Region.NONE, Region.BONE]


@pytest.mark.parametrize("side", Side)
def test_a_fracture_parts_the_neck_of_its_side(side: Side) -> None:
    hips = phantom_person().landmarks
    along = torch.arange(20, 45, 0.5)[:, None]
    broken = replace(drawn(), fracture_radii={side: WAIST_MM / HEAD_RADIUS_MM})
    for other in Side:
        line = torch.tensor(hips[other].head_centre) + along * torch.tensor(hips[other].neck_axis)
        gap_mm = 0.5 * float((bones_at(line, broken).mm > 0).sum())
        assert gap_mm == pytest.approx(5.0 if other is side else 0.0, abs=0.6)


def test_strong_bones_are_denser_and_thicker() -> None:
    wide = {
        key: (low, high)
        for key, low, high in (
            ("shaft_cortex_mm", 2.0, 8.0),
            ("trabecular_head_hu", 100.0, 300.0),
            ("cortex_hu", 800.0, 1400.0),
        )
    }
    weak, strong = (
        draw_bones(
            plain_variation(bone=wide | {"strength": (at, at)}).bone, torch.Generator().manual_seed(seed)
        )
        for at, seed in ((0.0, 1), (1.0, 2))
    )
    assert weak.shaft_cortex_mm < 4 < 6 < strong.shaft_cortex_mm
    assert weak.head_hu < 170 < 230 < strong.head_hu
    assert 800 <= weak.cortex_hu < strong.cortex_hu <= 1400


def test_fractures_are_as_frequent_as_asked() -> None:
    assert drawn(fracture=0).fracture_radii == {}
    assert set(drawn(fracture=1).fracture_radii) == set(Side)
