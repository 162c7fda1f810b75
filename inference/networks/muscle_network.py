"""The networks of the thigh-muscle route: MONAI's, behind one shape.

UNETR is what Kim 2024 uses (Hatamizadeh 2021, arXiv 2103.10504); DynUNet and SegResNet stand beside it for
comparison, and may be shipped where they measure better.
"""

from typing import Annotated, Literal

from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.segresnet import SegResNet
from monai.networks.nets.unetr import UNETR
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from inference.muscles import ThighStructure

CLASSES = len(ThighStructure)


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    stem: Literal[1, 2] = 1
    """With 2, four pixels of a slice are the channels of one, before the network, and again four after it."""


class UnetrSettings(_Settings):
    """UNETR with patches of 16 voxels; it is made for one size of block."""

    kind: Literal["unetr"]
    block: tuple[PositiveInt, PositiveInt, PositiveInt]
    """Slices, rows, columns as it is given them: multiples of 16, rows and columns of 16 x stem."""
    feature_size: PositiveInt
    hidden_size: PositiveInt
    mlp_size: PositiveInt
    heads: PositiveInt


class DynUnetSettings(_Settings):
    """A plain U-Net of convolutions with instance norm; each level halves all axes."""

    kind: Literal["dynunet"]
    filters: tuple[PositiveInt, ...]


class SegResNetSettings(_Settings):
    """A U-Net of residual blocks."""

    kind: Literal["segresnet"]
    filters: PositiveInt
    down: tuple[PositiveInt, ...]
    up: tuple[PositiveInt, ...]


MuscleNetworkSettings = Annotated[
    UnetrSettings | DynUnetSettings | SegResNetSettings, Field(discriminator="kind")
]


class MuscleNetwork(nn.Module):
    """From windowed HU to logits.

    Args:
        settings: which network, and its size.
    """

    def __init__(self, settings: UnetrSettings | DynUnetSettings | SegResNetSettings) -> None:
        super().__init__()
        self.stem = settings.stem
        self.network = _network(settings, settings.stem**2, CLASSES * settings.stem**2)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of each class.

        Args:
            image: (block, 1, slice, row, column), 0 to 1.

        Returns:
            (block, class, slice, row, column).
        """
        if self.stem == 1:
            logits: Tensor = self.network(image)
            return logits
        return _spread(self.network(_gathered(image, self.stem)), self.stem)


def _network(
    settings: UnetrSettings | DynUnetSettings | SegResNetSettings, channels: int, classes: int
) -> nn.Module:
    if isinstance(settings, UnetrSettings):
        slices, rows, columns = settings.block
        return UNETR(
            channels,
            classes,
            (slices, rows // settings.stem, columns // settings.stem),
            feature_size=settings.feature_size,
            hidden_size=settings.hidden_size,
            mlp_dim=settings.mlp_size,
            num_heads=settings.heads,
        )
    if isinstance(settings, DynUnetSettings):
        levels = len(settings.filters)
        return DynUNet(
            3,
            channels,
            classes,
            kernel_size=[3] * levels,
            strides=[1, *[2] * (levels - 1)],
            upsample_kernel_size=[2] * (levels - 1),
            filters=settings.filters,
        )
    return SegResNet(3, settings.filters, channels, classes, blocks_down=settings.down, blocks_up=settings.up)


def _gathered(image: Tensor, stem: int) -> Tensor:
    """Pixels of each square of ``stem`` x ``stem`` as channels."""
    blocks, channels, slices, rows, columns = image.shape
    parts = image.reshape(blocks, channels, slices, rows // stem, stem, columns // stem, stem)
    return parts.permute(0, 1, 4, 6, 2, 3, 5).reshape(
        blocks, channels * stem**2, slices, rows // stem, columns // stem
    )


def _spread(logits: Tensor, stem: int) -> Tensor:
    """The way back."""
    blocks, channels, slices, rows, columns = logits.shape
    parts = logits.reshape(blocks, channels // stem**2, stem, stem, slices, rows, columns)
    return parts.permute(0, 1, 4, 5, 2, 6, 3).reshape(
        blocks, channels // stem**2, slices, rows * stem, columns * stem
    )


def preprocessed(hu: Tensor) -> Tensor:
    """HU as a network is given them: clipped to [-57, 164], scaled to 0..1, gamma 2.

    Kim 2024, Image pre-processing.

    Args:
        hu: of any shape.
    """
    low, high = WINDOW_HU
    return ((hu - low) / (high - low)).clamp(0, 1) ** GAMMA


WINDOW_HU = (-57.0, 164.0)
GAMMA = 2.0
