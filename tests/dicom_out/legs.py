"""Two legs of simple shapes with all 21 muscles, and a result as the thigh route gives it."""

from datetime import date

import numpy as np
from numpy.typing import NDArray

from inference.muscles import BONES, MUSCLES, TOGETHER, ThighStructure
from inference.result import (
    Measurement,
    ModelIdentity,
    Prior,
    Provenance,
    QualityFlag,
    Result,
    Segment,
    Severity,
    Side,
)
from inference.volume import SeriesLayout

LEG_FROM_MIDDLE_MM = 85.0
SECTORS: dict[str, tuple[float, float, float, float, float, float]] = {
    "FEMUR": (0, 360, 0, 14, 0.0, 0.8),
    "HIP_BONE": (300, 420, 14, 40, 0.76, 1.0),
    "VASTUS_INTERMEDIUS": (40, 200, 14, 36, 0.08, 0.62),
    "ADDUCTOR_MAGNUS": (200, 330, 14, 36, 0.05, 0.62),
    "ADDUCTOR_LONGUS": (330, 400, 14, 36, 0.2, 0.5),
    "ADDUCTOR_BREVIS": (330, 400, 14, 36, 0.5, 0.64),
    "PECTINEUS": (330, 400, 14, 36, 0.64, 0.74),
    "SARTORIUS": (30, 60, 36, 62, 0.0, 0.9),
    "RECTUS_FEMORIS": (60, 110, 36, 62, 0.1, 0.78),
    "VASTUS_LATERALIS": (110, 205, 36, 62, 0.08, 0.62),
    "BICEPS_FEMORIS": (205, 245, 36, 62, 0.0, 0.6),
    "SEMITENDINOSUS": (245, 275, 36, 62, 0.0, 0.6),
    "SEMIMEMBRANOSUS": (275, 310, 36, 62, 0.0, 0.6),
    "GRACILIS": (310, 345, 36, 62, 0.05, 0.66),
    "VASTUS_MEDIALIS": (345, 390, 36, 62, 0.05, 0.5),
    "GLUTEUS_MAXIMUS": (200, 320, 36, 66, 0.62, 0.92),
    "GLUTEUS_MEDIUS": (130, 200, 36, 62, 0.7, 1.0),
    "TENSOR_FASCIAE_LATAE": (110, 130, 36, 62, 0.62, 0.86),
    "GLUTEUS_MINIMUS": (60, 200, 14, 36, 0.74, 0.95),
    "PIRIFORMIS": (200, 250, 14, 36, 0.76, 0.88),
    "QUADRATUS_FEMORIS": (200, 250, 14, 36, 0.64, 0.74),
    "OBTURATOR_INTERNUS": (250, 300, 14, 36, 0.68, 0.8),
    "OBTURATOR_EXTERNUS": (300, 330, 14, 36, 0.64, 0.74),
}
"""Angles (0 medial, 90 front, degrees), radii (mm) and heights (0 foot, 1 head) between which each lies."""

SEGMENTS = tuple(
    Segment(2 * structure - (side is Side.LEFT), structure.name.lower(), side)
    for structure in (*BONES, *MUSCLES)
    for side in (Side.LEFT, Side.RIGHT)
)
PRIOR = Prior(
    date(2023, 11, 21), 42, ModelIdentity("thigh-muscle-unetr", "0.9"), False, ("2.25.3", "2.25.4", "2.25.5")
)
CUT = "gluteus_medius"
"""Reaches above the field of view."""


def legs(layout: SeriesLayout) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """HU and labels on the grid of a series, drawn in patient coordinates about its centre."""
    image = layout.read_volume(0, len(layout.frames))
    hu, labels = np.full(image.shape, -1000, np.int16), np.zeros(image.shape, np.uint8)
    corners = image.map_indices_to_reference(np.array([[0, 0, 0], np.array(image.shape) - 1]))
    low, high = corners.min(axis=0), corners.max(axis=0)
    for index in range(len(hu)):
        pixels = np.argwhere(labels[index] == 0)
        points = image.map_indices_to_reference(np.insert(pixels, 0, index, axis=1)) - (low + high) / 2
        height = (points[:, 2] / (high - low)[2] + 0.5).clip(0, 1)
        for side, sign in ((Side.LEFT, 1), (Side.RIGHT, -1)):
            medial, front = LEG_FROM_MIDDLE_MM - sign * points[:, 0], -points[:, 1]
            radius, angle = np.hypot(medial, front), np.degrees(np.arctan2(front, medial)) % 360
            hu[index].reshape(-1)[radius < 76] = -100
            for name, (start, stop, inner, outer, bottom, top) in SECTORS.items():
                inside = ((angle - start) % 360 < stop - start) & (radius >= inner) & (radius < outer)
                inside &= (height >= bottom) & (height <= top)
                structure = ThighStructure[name]
                labels[index].reshape(-1)[inside] = 2 * structure - (side is Side.LEFT)
                hu[index].reshape(-1)[inside] = 700 if structure in BONES else 55
    return hu, labels


def legs_result(layout: SeriesLayout) -> Result:
    """A result with every quantity of the thigh route; one muscle is cut, changes are known."""
    hu, labels = legs(layout)
    image = layout.read_volume(0, len(layout.frames)).with_array(hu)
    reference = len(hu) // 2
    return Result(
        frames=layout.frames,
        image=image,
        labels=image.with_array(labels),
        segments=SEGMENTS,
        measurements=tuple(_measurements(labels, float(np.prod(image.spacing)) / 1000, reference)),
        quality=(
            QualityFlag("truncated_muscle", Severity.WARNING, "The field of view cuts the gluteus medius."),
            QualityFlag("thick_slices", Severity.NOTE, "Slices are 10 mm thick."),
        ),
        provenance=Provenance(
            route="thigh-muscle",
            model=ModelIdentity("thigh-muscle-unetr", "1.0"),
            software_version="0.1.0",
            settings={"fat_hu": "-30"},
            source_instance_uids=tuple(f.dataset.SOPInstanceUID for f in layout.frames),
        ),
        reference_frame=reference,
        prior=PRIOR,
    )


def _measurements(labels: NDArray[np.uint8], voxel_cm3: float, reference: int) -> list[Measurement]:
    counts = np.bincount(labels.ravel(), minlength=256) * voxel_cm3
    muscles = {muscle.name.lower() for muscle in MUSCLES}
    measured: list[Measurement] = []
    for segment in SEGMENTS:
        if segment.name not in muscles:
            continue
        number, volume = segment.number, float(counts[segment.number])
        if segment.name == CUT:
            reason = "The field of view cuts it."
            measured += [
                Measurement("volume", None, "cm3", number, absent_reason=reason),
                Measurement("covered_length", 120.0, "mm", number),
            ]
            continue
        measured += [
            Measurement("volume", volume, "cm3", number),
            Measurement("volume_per_height2", volume / 2.7225, "cm3/m2", number),
            Measurement("share_of_total", 4.5, "%", number),
            Measurement("mean_hu", 55.0, "[hnsf'U]", number),
            Measurement("fat_fraction", 6.25, "%", number),
            Measurement("lean_volume", volume * 0.9375, "cm3", number),
            Measurement("cross_sectional_area", 12.5, "cm2", number, reference),
            Measurement("prior_volume", volume * 1.25, "cm3", number),
            Measurement("volume_change", -volume * 0.25, "cm3", number),
            Measurement("disparity_ratio", 20.0, "%", number),
            Measurement("volume_change_per_month", -volume * 0.18, "cm3/mo", number),
            Measurement("fat_fraction_change", 1.5, "%", number),
        ]
    for name in TOGETHER:
        for side in (Side.LEFT, Side.RIGHT):
            measured += [
                Measurement("volume", 1234.5, "cm3", structure=name, side=side),
                Measurement("fat_fraction", 8.5, "%", structure=name, side=side),
                Measurement("volume_change", -98.7, "cm3", structure=name, side=side),
            ]
    for name in (*sorted(muscles - {CUT}), *TOGETHER):
        measured.append(Measurement("asymmetry_index", 3.5, "%", structure=name))
    return measured
