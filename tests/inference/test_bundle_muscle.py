"""A bundle of the thigh-muscle route is read whole and unharmed, or refused with what is wrong."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from inference.bundle import METADATA, WEIGHTS, bundle_task, load_bundle
from inference.errors import BundleError
from inference.muscle_bundle import LABELS, load_muscle_bundle
from inference.networks.muscle_network import DynUnetSettings, MuscleNetwork
from tests.inference.bundles import write_bundle as write_tissue_bundle

NETWORK: dict[str, Any] = {"kind": "dynunet", "filters": [4, 8, 8]}


def write_bundle(folder: Path, **changes: object) -> Path:
    """Of an untrained network, in half precision; ``changes`` are to the metadata's ``coxa`` object."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MuscleNetwork(DynUnetSettings.model_validate(NETWORK))
    path = folder / WEIGHTS
    path.parent.mkdir(parents=True)
    save_file({name: weight.half() for name, weight in network.state_dict().items()}, path)
    coxa = {
        "task": "thigh-muscle",
        "name": "untrained",
        "version": "0.0.1",
        "network": NETWORK,
        "spacing_mm": [4.0, 2.0, 2.0],
        "block": [16, 32, 32],
        "window_hu": [-57.0, 164.0],
        "gamma": 2.0,
        "labels": {str(number): name for number, name in LABELS.items()},
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    metadata = folder / METADATA
    metadata.parent.mkdir(parents=True)
    metadata.write_text(json.dumps({"monai_version": "1.6.1", "coxa": coxa | changes}))
    return folder


def test_what_was_written_is_read_and_computed_in_single_precision(tmp_path: Path) -> None:
    bundle = load_muscle_bundle(write_bundle(tmp_path / "bundle"))
    assert (bundle.name, bundle.version) == ("untrained", "0.0.1")
    assert (bundle.spacing_mm, bundle.block) == ((4.0, 2.0, 2.0), (16, 32, 32))
    assert bundle.network_settings == DynUnetSettings.model_validate(NETWORK)
    network = bundle.network()
    assert not network.training
    for name, weight in network.named_parameters():
        assert weight.dtype is torch.float32
        assert not weight.requires_grad
        assert torch.equal(weight, bundle.weights[name].float()), name
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 16, 32, 32)).shape == (1, 30, 16, 32, 32)


def test_the_task_tells_which_bundle_it_is(tmp_path: Path) -> None:
    muscles, tissues = write_bundle(tmp_path / "muscles"), write_tissue_bundle(tmp_path / "tissues")
    assert (bundle_task(muscles), bundle_task(tissues)) == ("thigh-muscle", "hip-tissue")
    with pytest.raises(BundleError, match=r"coxa\.task: Input should be 'hip-tissue'"):
        load_bundle(muscles)
    with pytest.raises(BundleError, match=r"coxa\.task: Field required"):
        load_muscle_bundle(tissues)
    with pytest.raises(BundleError, match=r"metadata\.json cannot be read"):
        bundle_task(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": {"1": "femur"}}, "the labels are"),
        ({"labels": {str(n % 29 + 1): name for n, name in LABELS.items()}}, "the labels are"),
        ({"window_hu": [-100, 164]}, r"the window is \(-100.0, 164.0\) HU"),
        ({"gamma": 1.0}, "gamma 1, this version of Coxa gives"),
        ({"block": [16, 32, 31]}, r"needs multiples of \(4, 4, 4\)"),
        ({"block": [16, 32]}, r"coxa\.block"),
        ({"spacing_mm": [4.0, 2.0, 0]}, r"coxa\.spacing_mm"),
        ({"network": NETWORK | {"dropout": 0.1}}, r"coxa\.network\.dynunet\.dropout"),
        ({"network": {"kind": "vnet"}}, r"coxa\.network"),
        ({"weights_sha256": None}, r"coxa\.weights_sha256"),
    ],
)
def test_metadata_of_another_model_is_refused(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    folder = write_bundle(tmp_path / "bundle", **changes)
    with pytest.raises(BundleError, match=words) as error:
        load_muscle_bundle(folder)
    assert "metadata.json" in str(error.value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle", network=NETWORK | {"filters": [4, 16, 8]})
    with pytest.raises(BundleError, match="not those of the network"):
        load_muscle_bundle(folder)


def test_one_changed_bit_is_found(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle")
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.safetensors is damaged.*SHA-256"):
        load_muscle_bundle(folder)
