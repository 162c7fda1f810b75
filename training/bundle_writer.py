"""Writes a trained network as a MONAI Bundle (docs.monai.io, MONAI Bundle Specification)."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from inference.bundle import WEIGHTS
from inference.networks.dense_unet import DenseUNet
from inference.tissue_protocol import Tissue

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)


@dataclass(frozen=True)
class BundleMetadata:
    """What is said about a network.

    Attributes:
        network: arguments of ``DenseUNet``.
        windows_hu: the input channels.
        pixel_mm: edge of the pixels it was trained on.
        eval_metrics: of the weights written, by name.
    """

    name: str
    version: str
    description: str
    authors: str
    copyright: str
    network: Mapping[str, Any]
    windows_hu: Sequence[tuple[float, float]]
    pixel_mm: float
    eval_metrics: Mapping[str, float]


def write_bundle(
    folder: Path,
    weights: Mapping[str, Tensor],
    metadata: BundleMetadata,
    train_config: Mapping[str, Any],
    model_card: str,
    licence: str,
) -> None:
    """Write a bundle; one that is there is replaced when the new one is whole.

    Args:
        folder: of the bundle.
        weights: state of the network, written as float32.
        metadata: goes into ``configs/metadata.json``.
        train_config: plain values, kept in ``configs/train.json``: how it was trained.
        model_card: Markdown.
        licence: text.
    """
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in ("configs", "models", "docs"):
        (unfinished / part).mkdir(parents=True)

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    content = safetensors.torch.save(plain)
    (unfinished / WEIGHTS).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    configs = {
        "metadata": _metadata(metadata, digest),
        "inference": _inference(metadata),
        "train": train_config,
    }
    for name, document in configs.items():
        text = json.dumps(document, indent=2) + "\n"
        (unfinished / "configs" / f"{name}.json").write_text(text, encoding="utf-8")
    (unfinished / "docs" / "README.md").write_text(model_card, encoding="utf-8")
    (unfinished / "LICENSE").write_text(licence, encoding="utf-8")

    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)


def _metadata(metadata: BundleMetadata, weights_sha256: str) -> dict[str, Any]:
    labels = {str(tissue.value): tissue.name.lower() for tissue in Tissue}
    windows = [list(window) for window in metadata.windows_hu]
    channels = [f"{low:g} to {high:g} HU" for low, high in metadata.windows_hu]
    shape = [f"{DenseUNet(**metadata.network).multiple}*n"] * 2
    return {
        "schema": SCHEMA,
        "version": metadata.version,
        "changelog": {metadata.version: "written by coxa train"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"safetensors": version("safetensors")},
        "name": metadata.name,
        "task": "Seven tissues of hip and thigh in axial CT",
        "description": metadata.description,
        "authors": metadata.authors,
        "copyright": metadata.copyright,
        "intended_use": "Research use only.",
        "data_type": "DICOM",
        "image_classes": "CT in HU, one channel a window, each clipped and scaled to -1 .. 1",
        "label_classes": "; ".join(f"{value} {name}" for value, name in labels.items()),
        "pred_classes": f"logits of {len(labels) + 1} classes: 0 none of the tissues; then as label_classes",
        "eval_metrics": dict(metadata.eval_metrics),
        "references": ["Imani 2025, sections 2.3 and 2.4: seven tissues of the hip by a Dense U-Net"],
        "network_data_format": {
            "inputs": {"image": _format("hounsfield", shape, [-1, 1], channels)},
            "outputs": {"pred": _format("segmentation", shape, [], ["background", *labels.values()])},
        },
        "coxa": {
            "name": metadata.name,
            "version": metadata.version,
            "network": dict(metadata.network),
            "pixel_mm": metadata.pixel_mm,
            "windows_hu": windows,
            "labels": labels,
            "weights_sha256": weights_sha256,
            "weights_dtype": "float32",
            "research_use_only": True,
        },
    }


def _format(
    meaning: str, shape: Sequence[str], value_range: Sequence[float], channels: Sequence[str]
) -> dict[str, Any]:
    return {
        "type": "image",
        "format": meaning,
        "modality": "CT",
        "num_channels": len(channels),
        "spatial_shape": list(shape),
        "dtype": "float32",
        "value_range": list(value_range),
        "is_patch_data": False,
        "channel_def": {str(number): name for number, name in enumerate(channels)},
    }


def _inference(metadata: BundleMetadata) -> dict[str, Any]:
    return {
        "imports": ["$import torch", "$from safetensors.torch import load_file"],
        "bundle_root": ".",
        "device": "$torch.device('cpu')",
        "network_def": {"_target_": "inference.networks.dense_unet.DenseUNet", **metadata.network},
        "weights": f"$load_file(@bundle_root + '/{WEIGHTS.as_posix()}')",
        "initialize": ["$@network_def.load_state_dict(@weights)"],
        "network": "$@network_def.to(@device).eval()",
        "inferer": {"_target_": "SimpleInferer"},
    }
