"""The protocol's thresholds, Imani 2025, section 2.3."""

import pytest
import torch

from inference.tissue_protocol import Tissue
from training.synthesis.truth import Region, label

NOTHING = 0


@pytest.mark.parametrize(
    ("region", "hu", "tissue"),
    [
        (Region.BONE, 1500, Tissue.CORTICAL_BONE),
        (Region.BONE, 301, Tissue.CORTICAL_BONE),
        (Region.BONE, 300, Tissue.TRABECULAR_BONE),
        (Region.BONE, 150, Tissue.TRABECULAR_BONE),
        (Region.BONE, 149, Tissue.HAEMATOPOIETIC_BONE_MARROW),
        (Region.BONE, 50, Tissue.HAEMATOPOIETIC_BONE_MARROW),
        (Region.BONE, 49, Tissue.MARROW_ADIPOSE_TISSUE),
        (Region.BONE, -100, Tissue.MARROW_ADIPOSE_TISSUE),
        (Region.LIMB, 55, Tissue.MUSCLE),
        (Region.LIMB, -29, Tissue.MUSCLE),
        (Region.LIMB, -30, Tissue.INTERMUSCULAR_ADIPOSE_TISSUE),
        (Region.LIMB, -189, Tissue.INTERMUSCULAR_ADIPOSE_TISSUE),
        (Region.LIMB, -190, NOTHING),
        (Region.SUBCUTANEOUS, -30, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE),
        (Region.SUBCUTANEOUS, -189, Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE),
        (Region.SUBCUTANEOUS, -29, NOTHING),
        (Region.SUBCUTANEOUS, -190, NOTHING),
        (Region.NONE, 55, NOTHING),
        (Region.NONE, -100, NOTHING),
        (Region.NONE, 800, NOTHING),
    ],
)
def test_region_and_hu_decide(region: Region, hu: float, tissue: int) -> None:
    found = label(torch.tensor([int(region)]), torch.tensor([float(hu)]))
    assert found.dtype == torch.uint8
    assert found.tolist() == [tissue]


def test_every_pixel_is_judged_on_its_own() -> None:
    region = torch.tensor([[Region.BONE, Region.LIMB], [Region.SUBCUTANEOUS, Region.NONE]])
    found = label(region, torch.full((2, 2), -100.0))
    assert found.tolist() == [
        [Tissue.MARROW_ADIPOSE_TISSUE, Tissue.INTERMUSCULAR_ADIPOSE_TISSUE],
        [Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE, NOTHING],
    ]
