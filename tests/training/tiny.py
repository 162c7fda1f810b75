"""A training small enough for tests: discs of the seven tissues, told apart by their HU alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from inference.tissue_protocol import Tissue
from training.data import Batch, seed_of
from training.tissue_config import TissueTraining

HU = dict(zip(Tissue, (450.0, 220.0, 100.0, 0.0, 50.0, -60.0, -130.0), strict=True))
"""Such that what HU decide in the regions of the product is what the discs are."""
SIDE = 32


@dataclass(frozen=True)
class Discs:
    """Makes batches of two slices; every slice has a disc of each tissue."""

    seed: int = 0

    def make(self, number: int) -> Batch:
        random = torch.Generator().manual_seed(seed_of(self.seed, number))
        rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
        labels = torch.zeros((2, SIDE, SIDE), dtype=torch.uint8)
        hu = torch.full((2, SIDE, SIDE), -1000.0)
        for index in range(2):
            centres = torch.randperm(16, generator=random)[: len(Tissue)]
            for tissue, centre in zip(Tissue, centres.tolist(), strict=True):
                row, column = divmod(centre, 4)
                disc = (rows - 8 * row - 4) ** 2 + (columns - 8 * column - 4) ** 2 < 12
                labels[index][disc] = tissue
                hu[index][disc] = HU[tissue]
        return hu + 5 * torch.randn(hu.shape, generator=random), labels


def tiny_config(output: Path, **changes: Any) -> TissueTraining:
    """Forty steps of a network of two levels, in float32."""
    texts = output.parent / "texts"
    texts.mkdir(exist_ok=True)
    for name in ("card.md", "LICENSE"):
        (texts / name).write_text(f"the {name}", encoding="utf-8")
    document = {
        "seed": 1,
        "data": {"kind": "cases", "cases": "cases", "leave_out": ["b"]},
        "network": {"growth": (4, 4), "layers": (2, 2)},
        "windows_hu": ((-200.0, 200.0), (0.0, 400.0)),
        "pixel_mm": 1.0,
        "optimiser": {"learning_rate": 0.01, "schedule": "cosine", "warmup_steps": 2},
        "loss": "cross_entropy_and_dice",
        "batch": 2,
        "length": {"steps": 40},
        "ema_decay": 0.9,
        "validation": {"people": ("b",), "every_steps": 20},
        "checkpoint_every_steps": 10,
        "log_every_steps": 10,
        "threads": 1,
        "bundle": {
            "name": "tiny",
            "version": "0.0.1",
            "description": "discs",
            "authors": "nobody",
            "copyright": "none",
            "model_card": texts / "card.md",
            "licence": texts / "LICENSE",
        },
        "output": output,
    }
    return TissueTraining.model_validate(document | changes, strict=False)
