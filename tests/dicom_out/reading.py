"""Segmentations read without the library that wrote them."""

from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from pydicom import Dataset, dcmread


def read_elsewhere(path: Path) -> tuple[Dataset, NDArray[np.uint8]]:
    """Header, and masks as SimpleITK decodes them: (frame, row, column)."""
    return dcmread(path, stop_before_pixels=True), SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))


def points_mm(header: Dataset, groups: Dataset, pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Patient coordinates of (row, column) pixels of a frame, by equation C.7.6.2.1-1 of PS3.3."""
    shared = header.SharedFunctionalGroupsSequence[0]
    orientation = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    row_mm, column_mm = np.array(shared.PixelMeasuresSequence[0].PixelSpacing, float)
    position = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
    rows, columns = pixels.T[:, :, np.newaxis]
    return position + columns * column_mm * orientation[:3] + rows * row_mm * orientation[3:]


def same_points(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    one, other = (p[np.lexsort(p.round(2).T)] for p in (one, other))
    return one.shape == other.shape and np.allclose(one, other, atol=1e-3)
