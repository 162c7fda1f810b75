"""Writes a trained network as a MONAI Bundle (docs.monai.io, MONAI Bundle Specification)."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor

from inference.bundle import WEIGHTS

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)


@dataclass(frozen=True)
class NetworkMetadata:
    """What follows from a network's task and settings.

    Attributes:
        task: a line about it.
        image_classes: what is in the input.
        channels: of the input, by name.
        value_range: of the input.
        spatial_shape: numbers, or rules such as ``16*n``.
        labels: names by value, without background.
        references: to the literature.
        coxa: what ``inference`` needs to run it, besides name, version, labels and weights.
        network_def: how MONAI makes it.
        inferer: how MONAI runs it.
    """

    task: str
    image_classes: str
    channels: Sequence[str]
    value_range: tuple[float, float]
    spatial_shape: Sequence[str | int]
    labels: Mapping[int, str]
    references: Sequence[str]
    coxa: Mapping[str, Any]
    network_def: Mapping[str, Any]
    inferer: Mapping[str, Any]


@dataclass(frozen=True)
class BundleMetadata:
    """What is said about a model.

    Attributes:
        eval_metrics: of the weights written, by name.
        weights: in which precision they are written.
    """

    name: str
    version: str
    description: str
    authors: str
    copyright: str
    network: NetworkMetadata
    eval_metrics: Mapping[str, float]
    weights: Literal["float32", "float16"] = "float32"


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
        weights: state of the network.
        metadata: goes into ``configs/metadata.json``.
        train_config: plain values, kept in ``configs/train.json``: how it was trained.
        model_card: Markdown.
        licence: text.
    """
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in ("configs", "models", "docs"):
        (unfinished / part).mkdir(parents=True)

    dtype = getattr(torch, metadata.weights)
    plain = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).detach().cpu().contiguous()
        for name, tensor in weights.items()
    }
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
    network = metadata.network
    labels = {str(value): name for value, name in network.labels.items()}
    shape = list(network.spatial_shape)
    return {
        "schema": SCHEMA,
        "version": metadata.version,
        "changelog": {metadata.version: "written by coxa train"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"safetensors": version("safetensors")},
        "name": metadata.name,
        "task": network.task,
        "description": metadata.description,
        "authors": metadata.authors,
        "copyright": metadata.copyright,
        "intended_use": "Research use only.",
        "data_type": "DICOM",
        "image_classes": network.image_classes,
        "label_classes": "; ".join(f"{value} {name}" for value, name in labels.items()),
        "pred_classes": f"logits of {len(labels) + 1} classes: 0 none of the labels; then as label_classes",
        "eval_metrics": dict(metadata.eval_metrics),
        "references": list(network.references),
        "network_data_format": {
            "inputs": {"image": _format("hounsfield", shape, network.value_range, network.channels)},
            "outputs": {"pred": _format("segmentation", shape, [], ["background", *labels.values()])},
        },
        "coxa": {
            "name": metadata.name,
            "version": metadata.version,
            **network.coxa,
            "labels": labels,
            "weights_sha256": weights_sha256,
            "weights_dtype": metadata.weights,
            "research_use_only": True,
        },
    }


def _format(
    meaning: str, shape: Sequence[str | int], value_range: Sequence[float], channels: Sequence[str]
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
    # load_state_dict copies into the network's own float32, whatever the precision of the file.
    return {
        "imports": ["$import torch", "$from safetensors.torch import load_file"],
        "bundle_root": ".",
        "device": "$torch.device('cpu')",
        "network_def": dict(metadata.network.network_def),
        "weights": f"$load_file(@bundle_root + '/{WEIGHTS.as_posix()}')",
        "initialize": ["$@network_def.load_state_dict(@weights)"],
        "network": "$@network_def.to(@device).eval()",
        "inferer": dict(metadata.network.inferer),
    }
