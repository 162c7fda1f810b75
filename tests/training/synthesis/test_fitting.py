import pytest
import torch

from training.synthesis.fitting import centroid, fit_affine, moved_by, sampled

SPACING_MM = 2.0
MATRIX = torch.tensor([[1.08, 0.10, 0.0], [-0.10, 0.95, 0.05], [0.0, -0.05, 1.04]])
OFFSET = torch.tensor([-6.0, 8.0, -4.0])


def lump(points: torch.Tensor) -> torch.Tensor:
    """About the signed distance to something without symmetry: a box with a ball at one corner."""
    beyond = (points - torch.tensor([50.0, 46.0, 54.0])).abs() - torch.tensor([26.0, 18.0, 12.0])
    box = beyond.clamp(min=0).norm(dim=-1) + beyond.max(dim=-1).values.clamp(max=0)
    ball = (points - torch.tensor([70.0, 62.0, 62.0])).norm(dim=-1) - 14.0
    return torch.minimum(box, ball)


def grid(count: int) -> torch.Tensor:
    places = torch.arange(count, dtype=torch.float32) * SPACING_MM
    return torch.stack(torch.meshgrid(places, places, places, indexing="ij"), dim=-1)


def test_a_known_map_is_found_again() -> None:
    moving_mm = lump(grid(56))
    fixed_mm = lump(grid(56) @ MATRIX.T + OFFSET)
    start = moved_by(centroid(moving_mm, SPACING_MM) - centroid(fixed_mm, SPACING_MM))

    fitted, apart_mm = fit_affine(fixed_mm, moving_mm, SPACING_MM, start)

    surface = grid(56)[fixed_mm.abs() < 2]
    assert (fitted.points(surface) - (surface @ MATRIX.T + OFFSET)).norm(dim=-1).mean() < 1.0
    assert apart_mm < 0.6


def test_a_bone_that_is_cut_off_is_compared_where_it_is() -> None:
    moving_mm = lump(grid(56))
    fixed_mm = lump(grid(56) + torch.tensor([0.0, 6.0, 0.0]))
    start = moved_by(torch.zeros(3))

    fitted, _ = fit_affine(fixed_mm, moving_mm[18:], SPACING_MM, moved_by(torch.tensor([-36.0, 0.0, 0.0])))

    surface = grid(56)[(fixed_mm.abs() < 2) & (grid(56)[..., 0] > 50)]
    wanted = start.points(surface) + torch.tensor([-36.0, 6.0, 0.0])
    assert (fitted.points(surface) - wanted).norm(dim=-1).mean() < 1.5


def test_fields_are_carried_to_where_the_map_says() -> None:
    fields = torch.stack([lump(grid(56)), grid(56)[..., 0]])
    moved = moved_by(torch.tensor([10.0, 0.0, 0.0]))

    found = moved.carry(fields, (56, 56, 56), SPACING_MM, beyond=-1.0)

    assert torch.allclose(found[1, :51], fields[1, 5:])
    assert (found[:, 51:] == -1).all()


def test_interpolation_is_linear() -> None:
    heights = grid(4)[..., 0]

    found = sampled(heights[None], torch.tensor([[1.0, 2.0, 2.0], [99.0, 2.0, 2.0]]), SPACING_MM)

    assert found[0].tolist() == pytest.approx([1.0, 6.0])
