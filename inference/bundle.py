"""A model on disk, in the layout of a MONAI Bundle: what it is, its weights, its licence.

Weights are safetensors, which is data only: reading a bundle runs no code of it. Everything is checked when a
bundle is loaded, so that a damaged one is found before the first patient.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from inference.errors import BundleError
from inference.networks.dense_unet import DenseUNet
from inference.tissue_protocol import Tissue

METADATA = Path("configs", "metadata.json")
WEIGHTS = Path("models", "model.safetensors")

AGAIN = "Put the bundle there again from where it came (the shipped one: install Coxa again)."

HIP_TISSUE: Literal["hip-tissue"] = "hip-tissue"
"""Task of the bundles of this module; what says no task is one of them."""

LABELS = {int(tissue): tissue.name.lower() for tissue in Tissue}

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

_Model = TypeVar("_Model", bound=BaseModel)
_Network = TypeVar("_Network", bound=nn.Module)


class NetworkSettings(BaseModel):
    """What ``DenseUNet`` is made with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    in_channels: PositiveInt
    classes: PositiveInt
    growth: tuple[PositiveInt, ...]
    layers: tuple[PositiveInt, ...]
    stem_stride: PositiveInt = 1
    head_layers: Annotated[int, Field(ge=0)] = 0
    head_growth: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        if not self.growth or len(self.growth) != len(self.layers):
            raise ValueError("growth and layers must name the same number of levels, at least one")
        return self


@dataclass(frozen=True)
class Bundle:
    """A model that was read and checked.

    Attributes:
        name: e.g. ``hip-tissue-dense-unet``.
        version: changes whenever the labels may change.
        pixel_mm: side of the square pixels the network was trained on.
        windows_hu: lower and upper end of each input channel's window.
        weights_sha256: of the weights file.
        weights: by the names that ``DenseUNet`` gives them.
    """

    name: str
    version: str
    network_settings: NetworkSettings
    pixel_mm: float
    windows_hu: tuple[tuple[float, float], ...]
    weights_sha256: str
    weights: Mapping[str, Tensor]

    def network(self) -> DenseUNet:
        """The network in evaluation mode, float32, on the CPU.

        Raises:
            inference.errors.BundleError: weights and network settings do not belong together.
        """
        with torch.device("meta"):
            network = DenseUNet(**self.network_settings.model_dump())
        return loaded(network, self.weights, f"{self.name} {self.version}")


class _Coxa(BaseModel):
    """What Coxa adds to MONAI's metadata."""

    task: Literal["hip-tissue"] = HIP_TISSUE
    name: str
    version: str
    network: NetworkSettings
    pixel_mm: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    windows_hu: tuple[tuple[float, float], ...]
    labels: dict[int, str]
    weights_sha256: Sha256

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.labels != LABELS:
            raise ValueError(f"the labels are {self.labels}, this version of Coxa measures {LABELS}")
        if self.network.classes != len(LABELS) + 1:
            raise ValueError(f"{self.network.classes} classes for {len(LABELS)} labels and background")
        if self.network.in_channels != len(self.windows_hu):
            raise ValueError(f"{self.network.in_channels} input channels, {len(self.windows_hu)} windows")
        if not all(low < high and isfinite(high - low) for low, high in self.windows_hu):
            raise ValueError("a window's ends are not finite, or the lower is not below the upper")
        return self


class _Metadata(BaseModel):
    coxa: _Coxa


class _CoxaTask(BaseModel):
    task: str = HIP_TISSUE


class _MetadataTask(BaseModel):
    coxa: _CoxaTask


def bundle_task(folder: Path) -> str:
    """What the network of a bundle does: ``hip-tissue`` or ``thigh-muscle``.

    Raises:
        inference.errors.BundleError: its metadata cannot be read.
    """
    return read_metadata(folder, _MetadataTask).coxa.task


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle for hip tissue and check all of it: metadata, checksum, labels, weights for the network.

    Raises:
        inference.errors.BundleError: which file is wrong, and what to do.
    """
    coxa = read_metadata(folder, _Metadata).coxa
    bundle = Bundle(
        name=coxa.name,
        version=coxa.version,
        network_settings=coxa.network,
        pixel_mm=coxa.pixel_mm,
        windows_hu=coxa.windows_hu,
        weights_sha256=coxa.weights_sha256,
        weights=read_weights(folder, coxa.weights_sha256),
    )
    bundle.network()
    return bundle


def read_metadata(folder: Path, model: type[_Model]) -> _Model:
    """What Coxa keeps in a bundle's metadata.

    Args:
        folder: of the bundle.
        model: of the document; what it does not name is MONAI's and not looked at.

    Raises:
        inference.errors.BundleError: the file is missing, or breaks a rule of the model.
    """
    path = folder / METADATA
    try:
        return model.model_validate_json(_read(path))
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, wrong['loc'])) or 'the file'}: {wrong['msg']}" for wrong in error.errors()
        )
        raise BundleError(f"{path} does not describe a model for this version of Coxa: {found}.") from error


def read_weights(folder: Path, expected_sha256: str) -> Mapping[str, Tensor]:
    """The weights of a bundle.

    Raises:
        inference.errors.BundleError: the file is missing, damaged, or not safetensors.
    """
    path = folder / WEIGHTS
    content = _read(path)
    found = sha256(content).hexdigest()
    if found != expected_sha256:
        raise BundleError(
            f"{path} is damaged or not the one that {METADATA} names: its SHA-256 is {found}, not "
            f"{expected_sha256}. {AGAIN}"
        )
    try:
        return load(content)
    except SafetensorError as error:
        raise BundleError(f"{path} is no safetensors file: {error}. {AGAIN}") from error


def loaded(network: _Network, weights: Mapping[str, Tensor], name: str) -> _Network:
    """A network in evaluation mode with these weights, float32, on the CPU.

    Args:
        network: made on any device, ``meta`` included.
        weights: of any precision.
        name: of the model, for the error.

    Raises:
        inference.errors.BundleError: the weights are those of another network.
    """
    single = {
        key: weight.float() if weight.is_floating_point() else weight for key, weight in weights.items()
    }
    try:
        network.load_state_dict(single, assign=True)
    except RuntimeError as error:
        raise BundleError(
            f"{name}: the weights are not those of the network that {METADATA} describes. {AGAIN}"
        ) from error
    return network.eval().requires_grad_(False)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}. {AGAIN}") from error
