"""What a network sees of HU: several windows, one channel each.

One window that spans air to cortex leaves fat and muscle, 150 HU apart, hardly apart for a network; a narrow
window loses the bone. Several side by side lose nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def to_channels(hu: Tensor, windows_hu: Sequence[tuple[float, float]]) -> Tensor:
    """Clip HU to each window and scale the window to -1 .. 1.

    Args:
        hu: (slice, row, column), HU, of any type of number.
        windows_hu: lower and upper end of each window, HU.

    Returns:
        (slice, window, row, column), float32.
    """
    hu = hu.float()
    return torch.stack(
        [(hu.clamp(low, high) - low) * (2 / (high - low)) - 1 for low, high in windows_hu], dim=1
    )
