"""A training for thigh muscles small enough for tests, and cases of which all is known."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from inference.muscles import ThighStructure
from tests.training.analytic_person import phantom_person
from training.muscle_cases import MuscleCase
from training.muscle_config import MuscleTraining
from training.synthesis.muscle_blocks import SPACING_MM
from training.synthesis.person import Person

UNETR = {
    "kind": "unetr",
    "block": (16, 16, 16),
    "feature_size": 4,
    "hidden_size": 24,
    "mlp_size": 32,
    "heads": 2,
}
DYNUNET = {"kind": "dynunet", "filters": (4, 8, 8)}
SEGRESNET = {"kind": "segresnet", "filters": 8, "down": (1, 1), "up": (1,)}


@lru_cache(maxsize=4)
def muscular_person(name: str = "phantom") -> Person:
    """The analytic person, of muscles that the network knows: one told apart, one merged with others."""
    return replace(phantom_person(name), muscle_names={1: "sartorius_muscle", 2: "adductors"})


def tiny_muscles(output: Path, **changes: Any) -> MuscleTraining:
    """Four steps on the cases in ``output.parent / "cases"``; validated on one who is left out."""
    texts = output.parent / "texts"
    texts.mkdir(exist_ok=True)
    for name in ("card.md", "LICENSE"):
        (texts / name).write_text(f"the {name}", encoding="utf-8")
    document = {
        "task": "thigh-muscle",
        "seed": 1,
        "data": {
            "kind": "cases",
            "cases": output.parent / "cases",
            "leave_out": ("b",),
            "blocks_per_epoch": 4,
        },
        "network": DYNUNET,
        "block": (16, 16, 16),
        "optimiser": {
            "learning_rate": 0.01,
            "schedule": "cosine",
            "warmup_steps": 1,
            "weight_decay": 0.0001,
            "clip_norm": 5.0,
        },
        "batch": 1,
        "length": {"steps": 4},
        "ema_decay": 0.9,
        "validation": {"people": ("b",), "blocks": 1, "every_steps": 2},
        "checkpoint_every_steps": 1,
        "log_every_steps": 1,
        "threads": 1,
        "device": "cpu",
        "bundle": {
            "name": "tiny",
            "version": "0.0.1",
            "description": "boxes",
            "authors": "nobody",
            "copyright": "none",
            "model_card": texts / "card.md",
            "licence": texts / "LICENSE",
            "weights": "float16",
        },
        "output": output,
    }
    return MuscleTraining.model_validate(document | changes, strict=False)


def boxes(subject: str, name: str = "1", shift: int = 0) -> MuscleCase:
    """Two boxes of muscle, 16 x 16 x 32 and 32 x 16 x 32 mm and denser, and a dense femur between them."""
    hu = np.full((16, 20, 24), -100, np.int16)
    labels = np.zeros(hu.shape, np.uint8)
    for structure, columns, value in (
        (ThighStructure.SARTORIUS, slice(2, 10), 20),
        (ThighStructure.FEMUR, slice(10, 14), 700),
        (ThighStructure.GRACILIS, slice(14, 22), 120),
    ):
        labels[4:12, 4 + shift : 12 + shift, columns] = structure
        hu[4:12, 4 + shift : 12 + shift, columns] = value
    return MuscleCase(subject, name, hu, labels, SPACING_MM)
