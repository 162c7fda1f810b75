import pytest
import torch
from torch import Tensor

from training.synthesis.noise import TILE, ValueNoise


def noise(fields: int = 1, seed: int = 1) -> ValueNoise:
    return ValueNoise(fields, torch.Generator().manual_seed(seed))


def scattered(count: int = 40_000, extent_mm: float = 200.0) -> Tensor:
    return extent_mm * torch.rand((count, 3), generator=torch.Generator().manual_seed(2))


def test_fields_have_the_shape_of_the_points() -> None:
    assert noise(3).at(torch.zeros(5, 7, 3), 10.0).shape == (3, 5, 7)


def test_values_have_mean_0_and_variance_1() -> None:
    values = noise(2).at(scattered(), 8.0)
    assert values.mean(1) == pytest.approx(torch.zeros(2), abs=0.05)
    assert values.var(1) == pytest.approx(torch.ones(2), abs=0.06)


def test_fields_have_nothing_in_common() -> None:
    assert torch.corrcoef(noise(2).at(scattered(), 8.0))[0, 1].abs() < 0.05


def test_neighbours_agree_and_distant_points_do_not() -> None:
    field, points = noise(), scattered()
    step = torch.tensor([1.0, 0.0, 0.0])

    def correlation(away_mm: float) -> float:
        both = torch.cat((field.at(points, 10.0), field.at(points + away_mm * step, 10.0)))
        return float(torch.corrcoef(both)[0, 1])

    assert correlation(1.0) > 0.95
    assert abs(correlation(35.0)) < 0.1


def test_a_coarser_field_is_the_same_field_spread_out() -> None:
    points = scattered(100)
    torch.testing.assert_close(noise().at(points, 5.0), noise().at(3 * points, 15.0), atol=1e-3, rtol=0)


def test_fields_repeat_without_a_seam() -> None:
    edge = torch.tensor([[-1e-3, 3.0, -7.0], [1e-3, 3.0, -7.0]])
    before, after = noise().at(edge, 10.0)[0]
    assert before == pytest.approx(float(after), abs=0.01)
    points = scattered(50)
    torch.testing.assert_close(
        noise().at(points, 10.0), noise().at(points - TILE * 10.0, 10.0), atol=1e-3, rtol=0
    )


def test_the_seed_decides() -> None:
    points = scattered(100)
    assert noise(seed=1).at(points, 10.0).equal(noise(seed=1).at(points, 10.0))
    assert not noise(seed=1).at(points, 10.0).isclose(noise(seed=2).at(points, 10.0), atol=0.1).all()
