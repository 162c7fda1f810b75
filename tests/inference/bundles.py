"""Bundles of untrained networks, small enough to be made in a test."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from inference.bundle import LABELS, METADATA, WEIGHTS
from inference.networks.dense_unet import DenseUNet

NETWORK: dict[str, Any] = {
    "in_channels": 3,
    "classes": 8,
    "growth": [2, 2],
    "layers": [1, 1],
    "stem_stride": 2,
    "head_layers": 1,
    "head_growth": 2,
}


def untrained() -> dict[str, Tensor]:
    """Weights of ``NETWORK``, the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DenseUNet(**NETWORK).state_dict()


def write_bundle(folder: Path, weights: dict[str, Tensor] | None = None, **changes: object) -> Path:
    """A bundle of ``weights``, by default untrained; ``changes`` are to the metadata's ``coxa`` object."""
    path = folder / WEIGHTS
    path.parent.mkdir(parents=True)
    save_file(weights or untrained(), path)
    coxa = {
        "name": "untrained",
        "version": "0.0.1",
        "network": NETWORK,
        "pixel_mm": 1.0,
        "windows_hu": [[-200, 200], [0, 400], [-1000, 1500]],
        "labels": {str(number): name for number, name in LABELS.items()},
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    metadata = folder / METADATA
    metadata.parent.mkdir(parents=True)
    metadata.write_text(json.dumps({"monai_version": "1.6.1", "coxa": coxa | changes}))
    return folder
