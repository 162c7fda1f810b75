"""Implants in a hip whose landmarks are known."""

import math

import pytest
import torch
from torch import Tensor

from training.synthesis.implants import Implant, ImplantKind, draw_implant
from training.synthesis.person import Hip

HEAD = (200.0, 100.0, 100.0)
SHAFT_COLUMN = 145.0
"""The left hip: the shaft lies to the left of the head."""
ANGLE = math.radians(130)
"""Between neck and shaft."""
NECK = (math.cos(ANGLE), 0.0, math.sin(ANGLE))
HIP = Hip(HEAD, 24.0, NECK, (-1.0, 0.0, 0.0), (100.0, 100.0, SHAFT_COLUMN))
STEP_MM = 2.5
JOINT = (HEAD[0] + NECK[0] * 45 / NECK[2], 100.0, SHAFT_COLUMN)
"""Where the axes of neck and shaft meet."""


@pytest.fixture(scope="module")
def grid() -> Tensor:
    axes = (
        torch.arange(-80.0, 260, STEP_MM),
        torch.arange(50.0, 150, STEP_MM),
        torch.arange(50.0, 200, STEP_MM),
    )
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def implant(kind: ImplantKind, seed: int = 0) -> Implant:
    return draw_implant(HIP, kind, torch.Generator().manual_seed(seed))


def metal_at(kind: ImplantKind, *point: float) -> float:
    return implant(kind).metal_mm(torch.tensor(point)).item()


@pytest.mark.parametrize(
    ("kind", "cm3"),
    [
        (ImplantKind.NAIL, (20, 50)),
        (ImplantKind.SLIDING_HIP_SCREW, (12, 35)),
        (ImplantKind.CANNULATED_SCREWS, (6, 14)),
        (ImplantKind.TOTAL_HIP, (30, 75)),
        (ImplantKind.HEMIARTHROPLASTY, (30, 75)),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_has_the_volume_of_such_implants(
    kind: ImplantKind, cm3: tuple[float, float], seed: int, grid: Tensor
) -> None:
    share = (0.5 - implant(kind, seed).metal_mm(grid) / STEP_MM).clamp(0, 1)
    assert cm3[0] < share.sum().item() * STEP_MM**3 / 1000 < cm3[1]


def test_a_nail_lies_on_the_axis_of_the_shaft() -> None:
    level = JOINT[0] - 90
    assert -6.0 <= metal_at(ImplantKind.NAIL, level, 100.0, SHAFT_COLUMN) <= -4.5
    assert metal_at(ImplantKind.NAIL, level, 100.0, SHAFT_COLUMN + 10) > 3
    assert metal_at(ImplantKind.NAIL, HEAD[0] + 15, 100.0, SHAFT_COLUMN) > 0


@pytest.mark.parametrize(
    "kind", [ImplantKind.NAIL, ImplantKind.SLIDING_HIP_SCREW, ImplantKind.CANNULATED_SCREWS]
)
@pytest.mark.parametrize("seed", range(5))
def test_screws_end_inside_the_head(kind: ImplantKind, seed: int, grid: Tensor) -> None:
    made = implant(kind, seed)
    away = grid - torch.tensor(HEAD)
    medial = away @ torch.tensor(NECK) < 0
    inside = made.metal_mm(grid) < 0
    distance = away.norm(dim=-1)[medial & inside]
    assert 10 < distance.max().item() < HIP.head_radius_mm


def test_the_plate_lies_beside_the_shaft_and_its_screws_cross_it() -> None:
    made = implant(ImplantKind.SLIDING_HIP_SCREW)
    shaft = torch.tensor([[JOINT[0] - below, 100.0, SHAFT_COLUMN] for below in range(30, 60)])
    assert (made.metal_mm(shaft) < 0).any()
    assert (made.metal_mm(shaft) > 3).any()
    side = torch.stack([shaft + torch.tensor([0.0, 0.0, float(out)]) for out in range(30)])
    plate = (made.metal_mm(side) < 0).all(dim=1)
    assert plate.any()
    assert 14 < plate.nonzero()[0].item() < 21


def test_three_screws_are_apart() -> None:
    middle = torch.tensor(HEAD) + 25 * torch.tensor(NECK)
    up = torch.tensor([NECK[2], 0.0, -NECK[0]])
    beside = torch.tensor([0.0, 1.0, 0.0])
    across = torch.arange(-15.0, 15, 0.5)
    section = middle + across[:, None, None] * up + across[:, None] * beside
    metal = implant(ImplantKind.CANNULATED_SCREWS).metal_mm(section) < 0
    area = metal.sum().item() * 0.25
    assert 3 * math.pi * 3.25**2 * 0.95 < area < 3 * math.pi * 3.65**2 * 1.05


@pytest.mark.parametrize("kind", [ImplantKind.TOTAL_HIP, ImplantKind.HEMIARTHROPLASTY])
def test_a_prosthesis_replaces_head_and_neck_and_stands_in_the_shaft(kind: ImplantKind) -> None:
    made = implant(kind)
    head, shaft = torch.tensor(HEAD), torch.tensor([JOINT[0] - 60, 100.0, SHAFT_COLUMN])
    trochanter = torch.tensor([HEAD[0], 100.0, SHAFT_COLUMN + 15])
    assert made.metal_mm(head) < -10
    assert made.metal_mm(shaft) < -3
    removed = made.removed_bone_mm(torch.stack((head, head + 25 * torch.tensor(NECK), shaft, trochanter)))
    assert (removed < 0).tolist() == [True, True, False, False]


def test_a_cup_is_open_towards_the_neck() -> None:
    made, n = implant(ImplantKind.TOTAL_HIP), torch.tensor(NECK)
    rays = torch.arange(18.0, 30, 0.25)
    assert (made.metal_mm(torch.tensor(HEAD) - rays[:, None] * n) < 0).any()
    # Beside the prosthetic neck, 40 degrees off the opening's axis.
    aslant = math.cos(math.radians(40)) * n + math.sin(math.radians(40)) * torch.tensor([0.0, 1.0, 0.0])
    assert not (made.metal_mm(torch.tensor(HEAD) + rays[:, None] * aslant) < 0).any()


def test_screws_and_nails_leave_all_bone() -> None:
    assert implant(ImplantKind.NAIL).removed_bone_mm(torch.tensor([HEAD])).item() == math.inf


def test_the_same_seed_gives_the_same_implant() -> None:
    points = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)) * 100 + 80
    first, again, other = (implant(ImplantKind.TOTAL_HIP, seed).metal_mm(points) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("kind", ImplantKind)
def test_a_right_hip_has_the_mirror_image(kind: ImplantKind, grid: Tensor) -> None:
    head, neck, point = ((*at[:2], -at[2]) for at in (HEAD, NECK, HIP.shaft_point))
    right = draw_implant(
        Hip(head, HIP.head_radius_mm, neck, HIP.shaft_axis, point), kind, torch.Generator().manual_seed(1)
    )
    there, here = right.metal_mm(grid * torch.tensor([1.0, 1.0, -1.0])), implant(kind, 1).metal_mm(grid)
    # Screws and sockets are a little aside of where they should be, not the same way on both sides.
    assert (there - here).abs()[here < 2].max().item() < 5


@pytest.mark.parametrize("kind", [ImplantKind.TOTAL_HIP, ImplantKind.HEMIARTHROPLASTY])
@pytest.mark.parametrize("seed", range(5))
def test_the_neck_is_cut_above_the_trochanters(kind: ImplantKind, seed: int) -> None:
    assert implant(kind, seed).removed_bone_mm(torch.tensor([JOINT])).item() > 10
