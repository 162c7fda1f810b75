"""From a training's weights and configuration to its bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from training.bundle_writer import BundleMetadata, write_bundle
from training.network_metadata import network_metadata
from training.tasks import AnyTraining


def export(
    config: AnyTraining, folder: Path, weights: Mapping[str, Tensor], eval_metrics: Mapping[str, float]
) -> None:
    """Write the bundle.

    Args:
        weights: state of the network.
        eval_metrics: of these weights, by name.
    """
    about = config.bundle
    metadata = BundleMetadata(
        about.name,
        about.version,
        about.description,
        about.authors,
        about.copyright,
        network_metadata(config),
        eval_metrics,
        about.weights,
    )
    card, licence = (path.read_text(encoding="utf-8") for path in (about.model_card, about.licence))
    write_bundle(folder, weights, metadata, _published(config), card, licence)


def _published(config: AnyTraining) -> dict[str, Any]:
    """What a bundle says of its training: no paths, and no names of subjects, who may be patients."""
    document = config.model_dump(mode="json", exclude={"output", "bundle", "device", "threads"})
    hidden = ("anatomy", "cache", "variation", "workers", "cases", "people", "leave_out", "weights")
    for part in document["data"].get("parts", [document["data"]]):
        for key in hidden:
            part.pop(key, None)
    if document["validation"]:
        del document["validation"]["people"]
    return document
