"""Is this series fit to be measured, and is this result fit to be believed? Flags, each with its figure."""

from collections.abc import Sequence

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.body import BODY_HU
from inference.denoise import noise_hu
from inference.facts import contrast
from inference.femoral_neck import ReferenceSlice
from inference.morphology import Mask, eroded, opened
from inference.pixels import AIR_HU
from inference.result import QualityFlag, Severity, SourceFrame

MOST_CUT_MM = 20.0
"""Length of skin that may touch the edge of the field of view: a fold, or a blanket's print."""

TISSUE_HU = -200
"""Where this borders on nothing, the body goes on; skin that ends in air is blurred."""

LEAST_AIR = 0.15
"""Share of air in a field of view; with less, what looked like padding is the air around the body."""

METAL_HU = 2500
MOST_METAL_MM2 = 20.0

PROTOCOL_SPACING_MM = 3.0
"""Imani 2025, section 2.2."""
THICKEST_MM = 5.0

MOST_NOISE_HU = 30.0
SURE = 0.8

CONTRAST_HU = 150
VESSEL_MM = 4.0
MOST_BRIGHT_MM2 = 40.0
"""Calcified walls are thinner than a vessel and phleboliths smaller than this."""

PLAUSIBLE_CM2 = {"bone": (35.0, 220.0), "muscle": (60.0, 450.0), "subcutaneous fat": (10.0, 1200.0)}
"""On the reference slice. Imani 2025, Table 4: medians of about 106, 196 and 144 cm2 in older men; small
women and large patients lie far from them, so only what is nearly impossible is outside."""

LEAST_EXPECTED_DSC = 0.95
"""A network expects more of itself than is true. Of 168 synthetic cases, half of them far outside what is
usual, this let 2 of 74 with a true DSC below 0.7 pass, both flagged for noise, and stopped 3 of 94 others;
the model card has more."""


def image_flags(
    image: hd.Volume, body: Mask, labels: NDArray[np.uint8], frames: Sequence[SourceFrame]
) -> list[QualityFlag]:
    """Flags on the images that were measured.

    Args:
        image: HU of the measured slices, (slice, row, column).
        body: the patient in them.
        labels: what was found in them.
        frames: their sources.
    """
    found = [
        _truncation(image, body),
        _metal(image, body),
        _spacing(image.spacing_between_slices),
        noise_flag(image.array),
        _contrast(image, body & (labels == 0), frames[0]),
    ]
    return [flag for flag in found if flag is not None]


def result_flags(reference: ReferenceSlice, areas_cm2: dict[str, float]) -> list[QualityFlag]:
    """Flags on what was found: how sure the reference slice is, and areas that people do not have."""
    severity = Severity.NOTE if reference.confidence >= SURE else Severity.WARNING
    found = (
        f"On the reference slice the left femoral neck is {reference.thickness_mm:.1f} mm thick; it was "
        f"found with a confidence of {reference.confidence:.2f} of 1."
    )
    flags = [QualityFlag("reference_slice", severity, found)]
    for what, area_cm2 in areas_cm2.items():
        low, high = PLAUSIBLE_CM2[what]
        if not low <= area_cm2 <= high:
            odd = f"The area of {what} is {area_cm2:.0f} cm2; {low:.0f} to {high:.0f} cm2 are plausible."
            flags.append(QualityFlag("implausible_area", Severity.WARNING, odd))
    return flags


def network_flags(expected_dsc: float) -> list[QualityFlag]:
    """A flag where the network's own probabilities say that its labels are poor.

    Args:
        expected_dsc: mean over the regions that were found.
    """
    if expected_dsc >= LEAST_EXPECTED_DSC:
        return []
    words = (
        f"The network is not sure of its labels: by its own probabilities its outlines have a DSC of "
        f"{expected_dsc:.2f}; {LEAST_EXPECTED_DSC:.2f} is the least that is of use."
    )
    return [QualityFlag("network_unsure", Severity.WARNING, words)]


def _truncation(image: hd.Volume, body: Mask) -> QualityFlag | None:
    field = np.stack([_field_of_view(plane) for plane in image.array])
    beyond = np.pad(~field, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    edge = ndimage.binary_dilation(beyond, np.ones((1, 3, 3), bool))[:, 1:-1, 1:-1] & field
    touching = edge & body & (image.array > TISSUE_HU)
    cut_mm = float(touching.sum(axis=(1, 2)).max() * np.mean(image.pixel_spacing))
    if cut_mm <= MOST_CUT_MM:
        return None
    words = f"The field of view cuts the body off along {cut_mm:.0f} mm: areas and volumes are too small."
    return QualityFlag("truncated_field_of_view", Severity.WARNING, words)


def _field_of_view(plane: NDArray[np.int16]) -> Mask:
    """Everything but the padding at the edge of the matrix, for example outside the reconstruction circle."""
    padding = plane <= AIR_HU
    rim = np.ones(plane.shape, bool)
    rim[1:-1, 1:-1] = False
    field: Mask = ~ndimage.binary_propagation(rim & padding, mask=padding)
    has_air = (plane[field] < BODY_HU).sum() > LEAST_AIR * field.sum()
    return field if has_air else np.ones(plane.shape, bool)


def _metal(image: hd.Volume, body: Mask) -> QualityFlag | None:
    pixels = (body & (image.array > METAL_HU)).sum(axis=(1, 2)).max()
    metal_mm2 = float(pixels * np.prod(image.pixel_spacing))
    if metal_mm2 <= MOST_METAL_MM2:
        return None
    words = f"A slice shows {metal_mm2:.0f} mm2 of metal: HU around it are not reliable."
    return QualityFlag("metal", Severity.WARNING, words)


def _spacing(spacing_mm: float) -> QualityFlag | None:
    if abs(spacing_mm - PROTOCOL_SPACING_MM) < 0.5:
        return None
    words = (
        f"Slices lie {spacing_mm:.2f} mm apart, the protocol's {PROTOCOL_SPACING_MM:g} mm: volumes over five "
        f"slices cover {5 * spacing_mm:.1f} mm."
    )
    severity = Severity.WARNING if spacing_mm > THICKEST_MM else Severity.NOTE
    return QualityFlag("slice_spacing", severity, words)


def noise_flag(hu: NDArray[np.int16]) -> QualityFlag | None:
    """A flag on noise that blurs the border between muscle and fat; ``hu`` is (slice, row, column)."""
    noise = noise_hu(hu)
    if noise <= MOST_NOISE_HU:
        return None
    words = f"The noise in soft tissue is {noise:.0f} HU: the border between muscle and fat is uncertain."
    return QualityFlag("noise", Severity.WARNING, words)


def named_contrast_flag(frame: SourceFrame) -> QualityFlag | None:
    """A flag on contrast that the header of one of the images names."""
    if not contrast(frame.dataset):
        return None
    words = "The header names a contrast agent: muscle attenuation is raised by it."
    return QualityFlag("contrast", Severity.NOTE, words)


def _contrast(image: hd.Volume, unlabelled: Mask, frame: SourceFrame) -> QualityFlag | None:
    """Contrast that the header names, or that shows in vessels or bladder."""
    if flag := named_contrast_flag(frame):
        return flag
    deep = eroded(unlabelled, 1.0, image.pixel_spacing) & (image.array > CONTRAST_HU)
    bright = opened(deep, VESSEL_MM / 2, image.pixel_spacing)
    bright_mm2 = float(bright.sum(axis=(1, 2)).max() * np.prod(image.pixel_spacing))
    if bright_mm2 <= MOST_BRIGHT_MM2:
        return None
    words = (
        f"A slice shows {bright_mm2:.0f} mm2 above {CONTRAST_HU} HU in vessels or viscera: contrast may have "
        "raised muscle attenuation."
    )
    return QualityFlag("contrast", Severity.NOTE, words)
