"""A bundle is read whole and unharmed, or refused with the name of the file and what to do."""

import json
import math
import pickle
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from inference.bundle import LABELS, METADATA, WEIGHTS, load_bundle
from inference.errors import BundleError
from tests.inference.bundles import NETWORK, untrained, write_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def test_what_was_written_is_read(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert (bundle.name, bundle.version, bundle.pixel_mm) == ("untrained", "0.0.1", 1.0)
    assert bundle.windows_hu == ((-200, 200), (0, 400), (-1000, 1500))
    assert bundle.network_settings.growth == (2, 2)
    network = bundle.network()
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    for name, weight in untrained().items():
        assert torch.equal(network.state_dict()[name], weight), name


def test_half_precision_weights_are_computed_in_single_precision(tmp_path: Path) -> None:
    halves = {name: w.half() if w.is_floating_point() else w for name, w in untrained().items()}
    network = load_bundle(write_bundle(tmp_path / "bundle", halves)).network()
    for name, weight in network.named_parameters():
        assert weight.dtype is torch.float32
        assert torch.equal(weight, halves[name].float())


def test_one_changed_bit_is_found(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.safetensors is damaged.*SHA-256") as error:
        load_bundle(folder)
    assert "from where it came" in str(error.value)


@pytest.mark.parametrize("gone", [METADATA, WEIGHTS])
def test_a_missing_file_is_named(folder: Path, gone: Path) -> None:
    (folder / gone).unlink()
    with pytest.raises(BundleError, match=gone.name):
        load_bundle(folder)


def test_a_pickle_in_the_place_of_the_weights_is_not_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "sprung",)

    trap = pickle.dumps(Trap())
    folder = write_bundle(tmp_path / "bundle", weights_sha256=sha256(trap).hexdigest())
    (folder / WEIGHTS).write_bytes(trap)
    with pytest.raises(BundleError, match="no safetensors file"):
        load_bundle(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": {"1": "cortical_bone"}}, "the labels are"),
        ({"labels": {str(number % 7 + 1): name for number, name in LABELS.items()}}, "the labels are"),
        ({"network": NETWORK | {"classes": 7}}, "7 classes for 7 labels"),
        ({"network": NETWORK | {"dropout": 0.1}}, r"coxa\.network\.dropout"),
        ({"windows_hu": [[-200, 200]]}, "3 input channels, 1 windows"),
        ({"windows_hu": [[-200, 200], [0, 400], [5, 5]]}, "the lower is not below"),
        ({"windows_hu": [[-200, 200], [0, 400], [0, math.nan]]}, "not finite"),
        ({"network": NETWORK | {"layers": [1]}}, "the same number of levels"),
        ({"network": NETWORK | {"growth": [], "layers": []}}, "at least one"),
        ({"pixel_mm": 0}, r"coxa\.pixel_mm"),
        ({"weights_sha256": None}, r"coxa\.weights_sha256"),
    ],
)
def test_metadata_of_another_model_is_refused(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    folder = write_bundle(tmp_path / "bundle", **changes)
    with pytest.raises(BundleError, match=words) as error:
        load_bundle(folder)
    assert "metadata.json" in str(error.value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "bundle", network=NETWORK | {"growth": [2, 4]})
    with pytest.raises(BundleError, match="not those of the network"):
        load_bundle(folder)


def test_what_is_no_json_is_refused(folder: Path) -> None:
    (folder / METADATA).write_text(json.dumps({"coxa": {}})[:-1])
    with pytest.raises(BundleError, match="the file: Invalid JSON"):
        load_bundle(folder)
