"""From HU to logits, in the precision and memory format the configuration asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from inference.networks.windows import to_channels
from training.data import AIR_HU
from training.errors import ConfigurationError


def device_for(name: str) -> torch.device:
    """A device by PyTorch's name for it; ``auto`` is the GPU where there is one.

    Raises:
        ConfigurationError: there is none of this name, or it does not work.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (AssertionError, RuntimeError) as error:  # the former of a PyTorch without CUDA
        found = str(error).partition("\n")[0]
        raise ConfigurationError(f"device: {name!r} cannot be used: {found}") from None


@dataclass(frozen=True)
class Forward:
    """How a network is run.

    Attributes:
        multiple: of which rows and columns must be; air is put beside the slices for it.
    """

    device: torch.device
    windows_hu: Sequence[tuple[float, float]]
    multiple: int
    precision: Literal["fp32", "bf16"]
    channels_last: bool

    def __call__(self, network: nn.Module, hu: Tensor) -> Tensor:
        """Run a network.

        Args:
            network: on the device.
            hu: (slice, row, column), anywhere.

        Returns:
            (slice, class, row, column), logits, float32, on the device.
        """
        rows, columns = hu.shape[1:]
        beside = (0, -columns % self.multiple, 0, -rows % self.multiple)
        padded = nn.functional.pad(hu.to(self.device), beside, value=AIR_HU)
        image = to_channels(padded, self.windows_hu)
        if self.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            logits: Tensor = network(image)
        return logits[..., :rows, :columns].float()
