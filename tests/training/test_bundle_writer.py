"""Bundles hold what was trained, and MONAI reads them."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from monai.bundle.config_parser import ConfigParser
from monai.bundle.properties import MetaProperties
from monai.utils.enums import BundlePropertyConfig
from torch import nn

from inference.networks.dense_unet import DenseUNet
from tests.training.tiny import tiny_config
from training.bundle_writer import BundleMetadata, write_bundle
from training.network_metadata import network_metadata

SETTINGS = {"growth": (4, 4), "layers": (1, 2), "stem_stride": 2, "head_layers": 1, "head_growth": 2}
NETWORK = {
    "in_channels": 2,
    "classes": 8,
    "growth": [4, 4],
    "layers": [1, 2],
    "stem_stride": 2,
    "head_layers": 1,
    "head_growth": 2,
}


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return DenseUNet(**NETWORK).eval()  # type: ignore[arg-type]


def write(folder: Path, trained: nn.Module) -> None:
    config = tiny_config(folder.parent / "run", network=SETTINGS)
    metadata = BundleMetadata(
        name="tiny",
        version="1.2.3",
        description="discs",
        authors="nobody",
        copyright="none",
        network=network_metadata(config),
        eval_metrics={"val_mean_dice": 0.5},
    )
    write_bundle(folder, trained.state_dict(), metadata, {"seed": 1}, "# Card", "Terms")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bundles").mkdir()
    folder = tmp_path / "bundles" / "bundle"
    write(folder, network(0).to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    return folder


def test_monai_builds_the_network_with_its_weights(folder: Path) -> None:
    parser = ConfigParser()
    parser.read_config(folder / "configs" / "inference.json")
    parser["bundle_root"] = str(folder)
    parser.get_parsed_content("initialize")
    built = parser.get_parsed_content("network")

    image = torch.randn(2, 2, 16, 16)
    with torch.inference_mode():
        assert torch.equal(built(image), network(0)(image))
        assert not torch.equal(built(image), network(1)(image))


def test_metadata_has_what_monai_and_coxa_ask_for(folder: Path) -> None:
    parser = ConfigParser()
    parser.read_meta(folder / "configs" / "metadata.json")
    for name, asked in MetaProperties.items():
        assert parser.get(str(asked[BundlePropertyConfig.ID])) is not None, name

    assert parser.get("_meta_::network_data_format::inputs::image::spatial_shape") == ["4*n", "4*n"]
    assert (
        parser.get("_meta_::network_data_format::outputs::pred::channel_def::7")
        == "subcutaneous_adipose_tissue"
    )

    coxa = json.loads((folder / "configs" / "metadata.json").read_text())["coxa"]
    weights = (folder / "models" / "model.safetensors").read_bytes()
    assert coxa["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert coxa["network"] == NETWORK
    assert coxa["windows_hu"] == [[-200, 200], [0, 400]]
    assert coxa["labels"]["7"] == "subcutaneous_adipose_tissue"
    assert coxa["research_use_only"] is True


def test_texts_and_training_are_kept(folder: Path) -> None:
    assert (folder / "docs" / "README.md").read_text() == "# Card"
    assert (folder / "LICENSE").read_text() == "Terms"
    assert json.loads((folder / "configs" / "train.json").read_text()) == {"seed": 1}


def test_a_newer_bundle_replaces_the_older_whole(folder: Path) -> None:
    before = (folder / "models" / "model.safetensors").read_bytes()
    (folder / "stray").touch()
    write(folder, network(1))
    assert (folder / "models" / "model.safetensors").read_bytes() != before
    assert not (folder / "stray").exists()
    assert [path.name for path in folder.parent.glob("*bundle*")] == ["bundle"]
