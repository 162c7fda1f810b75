"""The model of the thigh-muscle route on disk; ``inference.bundle`` says how a bundle is laid out.

Its networks are MONAI's, which takes seconds to import: hence a module of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import torch
from pydantic import BaseModel, Field, PositiveInt, model_validator
from torch import Tensor

from inference.bundle import Sha256, loaded, read_metadata, read_weights
from inference.muscles import ThighStructure
from inference.networks.muscle_network import (
    GAMMA,
    WINDOW_HU,
    DynUnetSettings,
    MuscleNetwork,
    MuscleNetworkSettings,
    SegResNetSettings,
    UnetrSettings,
)

THIGH_MUSCLE: Literal["thigh-muscle"] = "thigh-muscle"
"""Task of the bundles of this module."""

LABELS = {int(structure): structure.name.lower() for structure in ThighStructure if structure}

PATCH = 16
"""Of UNETR, voxels."""

LEAST_LEVELS = 3
"""Of MONAI's DynUNet."""

GROUPS = 8
"""In which MONAI's SegResNet normalises its channels."""

Block = tuple[PositiveInt, PositiveInt, PositiveInt]
"""Voxels: slices, rows, columns."""

Millimetres = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class MuscleBundle:
    """A model of the thigh-muscle route that was read and checked.

    It is given ``inference.networks.muscle_network.preprocessed`` HU: window and gamma were checked.

    Attributes:
        name: e.g. ``thigh-muscle-unetr``.
        version: changes whenever the labels may change.
        spacing_mm: (slice, row, column), of the grid the network was trained on.
        block: voxels of that grid (slice, row, column) that the network is given at once.
        weights_sha256: of the weights file.
        weights: by the names that ``MuscleNetwork`` gives them; of any precision.
    """

    name: str
    version: str
    network_settings: MuscleNetworkSettings
    spacing_mm: tuple[float, float, float]
    block: tuple[int, int, int]
    weights_sha256: str
    weights: Mapping[str, Tensor]

    def network(self) -> MuscleNetwork:
        """The network in evaluation mode, float32, on the CPU.

        Raises:
            inference.errors.BundleError: weights and network settings do not belong together.
        """
        with torch.device("meta"):
            network = MuscleNetwork(self.network_settings)
        return loaded(network, self.weights, f"{self.name} {self.version}")


def require_block(
    settings: UnetrSettings | DynUnetSettings | SegResNetSettings, block: tuple[int, int, int]
) -> None:
    """Check that a network can be made, and given blocks of a size.

    Raises:
        ValueError: it cannot; says why, or which sizes it can be given.
    """
    if isinstance(settings, UnetrSettings):
        if settings.hidden_size % settings.heads:
            raise ValueError(f"the hidden size must be a multiple of the {settings.heads} heads")
        multiple = PATCH
        if settings.block != block:
            raise ValueError(f"the block is {block}, the UNETR is made for {settings.block}")
    elif isinstance(settings, DynUnetSettings):
        if len(settings.filters) < LEAST_LEVELS:
            raise ValueError(f"a DynUNet needs at least {LEAST_LEVELS} levels of filters")
        multiple = 2 ** (len(settings.filters) - 1)
    else:
        if len(settings.up) != len(settings.down) - 1 or settings.filters % GROUPS:
            raise ValueError(f"a SegResNet needs one level less up than down, and {GROUPS}*n filters")
        multiple = 2 ** (len(settings.down) - 1)
    multiples = (multiple, multiple * settings.stem, multiple * settings.stem)
    if any(size % of for size, of in zip(block, multiples, strict=True)):
        raise ValueError(f"the block is {block}, the network needs multiples of {multiples}")


class _Coxa(BaseModel):
    """What Coxa adds to MONAI's metadata."""

    task: Literal["thigh-muscle"]
    name: str
    version: str
    network: MuscleNetworkSettings
    spacing_mm: tuple[Millimetres, Millimetres, Millimetres]
    block: Block
    window_hu: tuple[float, float]
    gamma: float
    labels: dict[int, str]
    weights_sha256: Sha256

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.labels != LABELS:
            raise ValueError(f"the labels are {self.labels}, this version of Coxa measures {LABELS}")
        if (self.window_hu, self.gamma) != (WINDOW_HU, GAMMA):
            raise ValueError(
                f"the window is {self.window_hu} HU with gamma {self.gamma:g}, this version of Coxa gives "
                f"{WINDOW_HU} HU with gamma {GAMMA:g}"
            )
        require_block(self.network, self.block)
        return self


class _Metadata(BaseModel):
    coxa: _Coxa


def load_muscle_bundle(folder: Path) -> MuscleBundle:
    """Read a bundle for thigh muscles and check all of it: metadata, checksum, labels, weights.

    Raises:
        inference.errors.BundleError: which file is wrong, and what to do.
    """
    coxa = read_metadata(folder, _Metadata).coxa
    bundle = MuscleBundle(
        name=coxa.name,
        version=coxa.version,
        network_settings=coxa.network,
        spacing_mm=coxa.spacing_mm,
        block=coxa.block,
        weights_sha256=coxa.weights_sha256,
        weights=read_weights(folder, coxa.weights_sha256),
    )
    bundle.network()
    return bundle
