"""Dense U-Net, two-dimensional (Imani 2025, section 2.4.1): a U-Net whose blocks are dense blocks.

The paper gives neither depth nor widths (its figures S1 and S2 are not public); these are parameters here.
In a dense block each layer sees what all layers before it made (Huang 2017, DenseNet; Cai 2020, Dense-UNet).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class DenseUNet(nn.Module):
    """Logits for each pixel.

    Args:
        in_channels: channels of the input.
        classes: channels of the output, background included.
        growth: channels that each layer of the dense block adds, one number a level, finest first.
        layers: layers of the dense block, one number a level, finest first.
        stem_stride: 1 works on the pixels given; 2 folds 2 x 2 of them into channels before the first level
            and unfolds them after the last, where ``head_layers`` layers at full resolution see the input.
        head_layers: layers of the dense block at full resolution; only with ``stem_stride`` 2.
        head_growth: what each of them adds.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        growth: Sequence[int],
        layers: Sequence[int],
        stem_stride: int = 1,
        head_layers: int = 0,
        head_growth: int = 0,
    ) -> None:
        super().__init__()
        self.fold = nn.PixelUnshuffle(stem_stride)
        width = 2 * growth[0]
        self.stem = _layer(in_channels * stem_stride**2, width)

        self.encoder, self.down = nn.ModuleList(), nn.ModuleList()
        skips = []
        for step, count in zip(growth, layers, strict=True):
            block = _DenseBlock(width, step, count)
            self.encoder.append(block)
            skips.append(block.out_channels)
            width = block.out_channels // 2
            self.down.append(_layer(block.out_channels, width, kernel=1))
        self.down = self.down[:-1]

        self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
        width = skips[-1]
        levels = list(zip(skips[:-1], growth[:-1], layers[:-1], strict=True))
        for skip, step, count in reversed(levels):
            self.up.append(_layer(width, skip, kernel=1))
            block = _DenseBlock(2 * skip, step, count)
            self.decoder.append(block)
            width = block.out_channels

        self.multiple = stem_stride * 2 ** (len(growth) - 1)
        self.unfold = nn.PixelShuffle(stem_stride)
        if head_layers:
            self.to_head: nn.Module = _layer(width, 2 * head_growth * stem_stride**2, kernel=1)
            self.head: nn.Module = _DenseBlock(2 * head_growth + in_channels, head_growth, head_layers)
            width = 2 * head_growth + in_channels + head_growth * head_layers
        else:
            self.to_head, self.head = nn.Identity(), nn.Identity()
        self.classify = nn.Conv2d(width, classes, 1)
        self.with_head = head_layers > 0

    def forward(self, image: Tensor) -> Tensor:
        """Label the pixels.

        Args:
            image: (slice, channel, row, column); rows and columns are multiples of ``multiple``.

        Returns:
            (slice, class, row, column), logits.
        """
        x = self.stem(self.fold(image))
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(x)
            if level < len(self.down):
                skips.append(x)
                x = nn.functional.avg_pool2d(self.down[level](x), 2)
        for up, block in zip(self.up, self.decoder, strict=True):
            x = nn.functional.interpolate(up(x), scale_factor=2.0, mode="nearest")
            x = block(torch.cat((x, skips.pop()), dim=1))
        if self.with_head:
            x = self.head(torch.cat((self.unfold(self.to_head(x)), image), dim=1))
        logits: Tensor = self.classify(x)
        return logits


class _DenseBlock(nn.Module):
    def __init__(self, in_channels: int, growth: int, layers: int) -> None:
        super().__init__()
        widths = range(in_channels, in_channels + growth * (layers + 1), growth)
        self.layers = nn.ModuleList(_layer(width, growth) for width, _ in pairwise(widths))
        self.out_channels = widths[-1]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat((x, layer(x)), dim=1)
        return x


def _layer(in_channels: int, out_channels: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
