"""Noise out, edges kept, so that fat between muscles is not lost to a filter nor made by noise."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.restoration import denoise_nl_means

SOFT_HU = (-250, 350)
"""Noise matters between fat and muscle; bone and air are clipped so that they do not rule the filter."""
FLAT_HU = 150.0
STRENGTH = 0.6
"""Cut-off of the filter, in standard deviations of the noise."""
LEAST_NOISE_HU = 4.0
"""Below this there is nothing to filter."""


def noise_hu(hu: NDArray[np.int16]) -> float:
    """Standard deviation of the noise in soft tissue, robust to edges; ``hu`` is (slice, row, column)."""
    soft = abs(hu) < FLAT_HU
    if not soft.any():
        return 0.0
    values = hu.astype(np.float32)
    rest = values - ndimage.gaussian_filter(values, (0, 1.5, 1.5))
    return float(1.4826 * np.median(abs(rest[soft])))


def denoised(hu: NDArray[np.int16]) -> NDArray[np.float32]:
    """Non-local means, slice by slice, with a strength that follows the noise."""
    noise = noise_hu(hu)
    clipped = hu.clip(*SOFT_HU).astype(np.float32)
    if noise < LEAST_NOISE_HU:
        return clipped
    return np.stack(
        [
            denoise_nl_means(plane, patch_size=3, patch_distance=5, h=STRENGTH * noise, sigma=noise)
            for plane in clipped
        ]
    )
