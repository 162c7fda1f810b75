"""Contrast against the voltage."""

import pytest
import torch

from training.synthesis.attenuation import contrast_scale, water_per_mm

KVP = torch.tensor([80.0, 100.0, 120.0, 140.0])


@pytest.mark.parametrize("material", ["bone", "fat", "iodine"])
def test_nothing_changes_at_120_kvp_and_contrast_falls_with_voltage(material: str) -> None:
    scale = contrast_scale(material, KVP)
    assert scale[2].item() == pytest.approx(1)
    assert (scale.diff() < 0).all()


@pytest.mark.parametrize(
    ("material", "low", "high"), [("bone", 1.3, 1.5), ("iodine", 1.5, 1.8), ("fat", 1.1, 1.25)]
)
def test_at_80_kvp_contrast_is_as_seen_in_ct(material: str, low: float, high: float) -> None:
    assert low < contrast_scale(material, KVP)[0].item() < high


def test_between_voltages_it_lies_between() -> None:
    middle = contrast_scale("iodine", torch.tensor([110.0])).item()
    low, high = contrast_scale("iodine", torch.tensor([120.0, 100.0])).tolist()
    assert low < middle < high


def test_water_attenuates_as_at_the_beams_energy() -> None:
    assert water_per_mm(torch.tensor([120.0])).item() == pytest.approx(0.0193, abs=0.0005)
