"""Parallel-beam projection and filtered back-projection: a sparse matrix and its transpose, on a coarse grid.

Only errors of the scanner go this way, not the picture itself, so that a coarse grid is enough.
Filtered back-projection: Kak and Slaney, Principles of Computerized Tomographic Imaging (1988), chapter 3.
"""

import math
import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

ANGLES = 144
CPU = torch.device("cpu")


@dataclass(frozen=True)
class ParallelBeam:
    """A scanner of parallel beams over half a turn, for pictures of one shape.

    Views are spaced evenly over 180 degrees, the first with rays along the columns; bins of the detector are
    as wide as a pixel. A pixel's mass goes to the two bins beside its centre's shadow.

    Attributes:
        shape: rows, columns.
        pixel_mm: of the grid and of the detector's bins.
        angles: number of views.
        device: where pictures and sinograms live.
    """

    shape: tuple[int, int]
    pixel_mm: float
    angles: int = ANGLES
    device: torch.device = CPU

    @property
    def bins(self) -> int:
        """Of the detector: enough for the diagonal."""
        return math.ceil(math.hypot(*self.shape)) + 3

    def project(self, images: Tensor) -> Tensor:
        """Line integrals.

        Args:
            images: (N, rows, columns), per mm.

        Returns:
            (N, angles, bins).
        """
        project, _ = _matrices(self.shape, self.angles, self.bins, self.device)
        return _times(project, images, (self.angles, self.bins)) * self.pixel_mm

    def back_project(self, sinograms: Tensor) -> Tensor:
        """Mean over the views of what each pixel's rays carry, (N, angles, bins) to (N, rows, columns)."""
        _, back_project = _matrices(self.shape, self.angles, self.bins, self.device)
        return _times(back_project, sinograms, self.shape) / self.angles

    def reconstruct(self, sinograms: Tensor) -> Tensor:
        """Filtered back-projection: the inverse of ``project``, per mm."""
        length = 2 ** math.ceil(math.log2(2 * self.bins))
        response = torch.fft.rfft(self._kernel(length).to(sinograms)).real
        filtered = torch.fft.irfft(torch.fft.rfft(sinograms, length) * response, length)[..., : self.bins]
        return self.back_project(filtered)

    def reconstructed_variance(self, variances: Tensor) -> Tensor:
        """Variance of each reconstructed pixel for independent noise of these variances in the sinogram."""
        kernel = self._kernel(2 * self.bins)
        alone, neighbours = (kernel @ kernel).item(), (kernel @ kernel.roll(1)).item()
        # A pixel lies anywhere between two bins: mean of (1 - x)^2 + x^2, and of 2 x (1 - x).
        return self.back_project(variances) * ((alone * 2 + neighbours) / 3 / self.angles)

    def _kernel(self, length: int) -> Tensor:
        """Around 0, the ramp in space (Kak and Slaney, equation 61) with Hann's roll-off, times pi."""
        position = torch.fft.fftfreq(length, 1 / length).double()
        odd = position.remainder(2) == 1
        ramp = torch.where(odd, -1 / (math.pi * position).square(), 0.0)
        ramp[0] = 0.25
        rolled_off = 0.5 * ramp + 0.25 * (ramp.roll(1) + ramp.roll(-1))
        return (rolled_off * math.pi / self.pixel_mm).float()


def _times(matrix: Tensor, pictures: Tensor, shape: tuple[int, int]) -> Tensor:
    columns = matrix @ pictures.flatten(1).T.contiguous()
    return columns.T.reshape(-1, *shape)


@lru_cache(maxsize=4)
def _matrices(shape: tuple[int, int], angles: int, bins: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Projection and its transpose."""
    rows, columns = (np.arange(size, dtype=np.float32) - (size - 1) / 2 for size in shape)
    theta = np.arange(angles, dtype=np.float32) * np.float32(np.pi / angles)
    across = columns[None, :, None] * np.cos(theta) + rows[:, None, None] * np.sin(theta) + (bins - 1) / 2
    below = np.floor(across)
    above_weight = (across - below).astype(np.float32)
    first = below.astype(np.int32) + np.arange(angles, dtype=np.int32) * bins
    at = np.stack((first, first + 1), axis=-1).ravel()
    weights = np.stack((1 - above_weight, above_weight), axis=-1).ravel()
    starts = np.arange(rows.size * columns.size + 1, dtype=np.int32) * (2 * angles)
    back = scipy.sparse.csr_array((weights, at, starts), shape=(rows.size * columns.size, angles * bins))
    return _on(back.T.tocsr(), device), _on(back, device)


def _on(matrix: scipy.sparse.csr_array, device: torch.device) -> Tensor:
    starts, at, weights = (torch.from_numpy(part) for part in (matrix.indptr, matrix.indices, matrix.data))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        sparse = torch.sparse_csr_tensor(starts, at, weights, size=matrix.shape, check_invariants=True)
    return sparse.to(device)
