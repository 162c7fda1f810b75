"""Where and how exactly a network is computed: PyTorch on a GPU, or on the CPU in bfloat16 where it has it.

OpenVINO computes this network on the CPU in about two thirds of the time, but its start takes seconds, its
memory is a third more, and PyTorch is needed beside it; docs/performance.md has the figures.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Engine:
    """PyTorch on one device.

    Attributes:
        device: ``cpu`` or ``cuda``.
        dtype: of the convolutions; weights and sums stay float32.
    """

    device: str
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"PyTorch {torch.__version__}, {self.device}, {str(self.dtype).removeprefix('torch.')}"

    def prepared(self, network: nn.Module) -> nn.Module:
        """The network where it will be computed."""
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def logits(self, network: nn.Module, channels: Tensor) -> Tensor:
        """Run a prepared network.

        Args:
            network: of ``prepared``.
            channels: (slice, channel, row, column), float32.

        Returns:
            (slice, class, row, column), float32, on the engine's device.
        """
        channels = channels.to(self.device, memory_format=torch.channels_last)
        mixed = self.dtype is not torch.float32
        with torch.inference_mode(), torch.autocast(self.device, self.dtype, enabled=mixed):
            logits: Tensor = network(channels)
        return logits.float()


REFERENCE = Engine("cpu", torch.float32)


def best_engine() -> Engine:
    """The quickest one of this machine."""
    if torch.cuda.is_available():
        return Engine("cuda", torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16)
    capabilities = torch.cpu.get_capabilities()
    # Without instructions for it, bfloat16 is emulated, and slower than float32.
    if capabilities.get("avx512_bf16") or capabilities.get("bf16"):
        return Engine("cpu", torch.bfloat16)
    return REFERENCE
