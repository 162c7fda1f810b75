"""Is this series fit to be measured, and is this result fit to be believed? Flags, each with its figure."""

from collections.abc import Sequence

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.denoise import noise_hu
from inference.headers import text
from inference.morphology import Mask
from inference.result import QualityFlag, Severity, SourceFrame

PADDING_HU = -1024
MOST_CUT_MM = 20.0
"""Length of skin that may touch the edge of the field of view: a fold, or a blanket's print."""
TISSUE_HU = -200

METAL_HU = 2500
MOST_METAL_MM2 = 20.0

PROTOCOL_SPACING_MM = 3.0
"""Imani 2025, section 2.2."""
THICKEST_MM = 5.0
MOST_NOISE_HU = 30.0
SURE = 0.8

PLAUSIBLE_CM2 = {"bone": (35.0, 220.0), "muscle": (60.0, 450.0), "subcutaneous fat": (10.0, 1200.0)}
"""Areas on the reference slice. Imani 2025, Table 4: medians of about 106, 196 and 144 cm2 in older men; small
women and large patients lie far from them, so only what is nearly impossible is outside."""


def image_flags(
    image: hd.Volume, body: Mask, whole_image: Mask, frames: Sequence[SourceFrame]
) -> list[QualityFlag]:
    """Flags on the images that were measured.

    Args:
        image: HU of the measured slices, (slice, row, column).
        body: the patient in them.
        whole_image: where there is an image, not padding.
        frames: their sources.
    """
    found = [
        _truncation(body, whole_image, image),
        _metal(image, body),
        _thickness(image.spacing_between_slices),
        _noise(image.array),
        _contrast(frames[0]),
    ]
    return [flag for flag in found if flag is not None]


def result_flags(confidence: float, areas_cm2: dict[str, float]) -> list[QualityFlag]:
    """Flags on what was found: how sure the reference slice is, and areas that people do not have."""
    flags = []
    if confidence < SURE:
        unsure = f"The reference slice was found with a confidence of {confidence:.2f} of 1."
        flags.append(QualityFlag("unsure_reference_slice", Severity.WARNING, unsure))
    for what, area_cm2 in areas_cm2.items():
        low, high = PLAUSIBLE_CM2[what]
        if not low <= area_cm2 <= high:
            odd = f"The area of {what} is {area_cm2:.0f} cm2; {low:.0f} to {high:.0f} cm2 are plausible."
            flags.append(QualityFlag("implausible_area", Severity.WARNING, odd))
    return flags


def inside_field_of_view(hu: NDArray[np.int16]) -> Mask:
    """Where there is an image: all but padding that hangs together with the edge of the matrix."""
    padding = hu <= PADDING_HU
    edge = np.zeros(hu.shape[1:], bool)
    edge[[0, -1], :] = edge[:, [0, -1]] = True
    return np.stack([~ndimage.binary_propagation(edge & plane, mask=plane) for plane in padding])


def _truncation(body: Mask, whole_image: Mask, image: hd.Volume) -> QualityFlag | None:
    tissue = body & (image.array > TISSUE_HU)
    beyond = np.pad(~whole_image, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    touched = tissue & ndimage.binary_dilation(beyond, _CROSS)[:, 1:-1, 1:-1]
    cut_mm = float(touched.sum(axis=(1, 2)).max() * np.mean(image.pixel_spacing))
    if cut_mm <= MOST_CUT_MM:
        return None
    text_ = f"The field of view cuts the body off along {cut_mm:.0f} mm: areas and volumes are too small."
    return QualityFlag("truncated_field_of_view", Severity.WARNING, text_)


_CROSS = np.zeros((3, 3, 3), bool)
_CROSS[1, 1, :] = _CROSS[1, :, 1] = True


def _metal(image: hd.Volume, body: Mask) -> QualityFlag | None:
    pixels = (body & (image.array > METAL_HU)).sum(axis=(1, 2)).max()
    metal_mm2 = float(pixels * np.prod(image.pixel_spacing))
    if metal_mm2 <= MOST_METAL_MM2:
        return None
    words = f"A slice shows {metal_mm2:.0f} mm2 of metal: HU around it are not reliable."
    return QualityFlag("metal", Severity.WARNING, words)


def _thickness(spacing_mm: float) -> QualityFlag | None:
    if abs(spacing_mm - PROTOCOL_SPACING_MM) < 0.5:
        return None
    words = (
        f"Slices lie {spacing_mm:.2f} mm apart, the protocol's {PROTOCOL_SPACING_MM:g} mm: volumes over five "
        f"slices cover {5 * spacing_mm:.1f} mm."
    )
    severity = Severity.WARNING if spacing_mm > THICKEST_MM else Severity.NOTE
    return QualityFlag("slice_spacing", severity, words)


def _noise(hu: NDArray[np.int16]) -> QualityFlag | None:
    noise = noise_hu(hu)
    if noise <= MOST_NOISE_HU:
        return None
    words = f"The noise in soft tissue is {noise:.0f} HU: the border between muscle and fat is uncertain."
    return QualityFlag("noise", Severity.WARNING, words)


def _contrast(frame: SourceFrame) -> QualityFlag | None:
    if not text(frame.dataset, "ContrastBolusAgent"):
        return None
    words = "The header names a contrast agent: muscle attenuation is raised by it."
    return QualityFlag("contrast", Severity.NOTE, words)
