"""Two results of one patient that are known to the last voxel, without a network."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import highdicom as hd
import numpy as np
from pydicom import Dataset

from inference.result import (
    Measurement,
    ModelIdentity,
    Profile,
    Provenance,
    Result,
    Segment,
    Side,
    SourceFrame,
)

MODEL = ModelIdentity("thigh-muscle", "1.0", "0" * 64)
SEGMENTS = (
    Segment(5, "sartorius", Side.LEFT),
    Segment(6, "sartorius", Side.RIGHT),
    Segment(7, "rectus_femoris", Side.LEFT),
)
SARTORIUS, RECTUS = 5, 7


def profile(segment_number: int, first_mm: float, *volume_cm3: float, step_mm: float = 5.0) -> Profile:
    return Profile(segment_number, first_mm, step_mm, volume_cm3)


def volumes(cm3: Mapping[int, float | None]) -> list[Measurement]:
    """Volumes by segment number; what is None is cut off."""
    return [
        Measurement("volume", value, "cm3", number, absent_reason="It is cut off." if value is None else None)
        for number, value in cm3.items()
    ]


def make_result(
    studied: date | None,
    *measurements: Measurement,
    profiles: tuple[Profile, ...] = (),
    model: ModelIdentity = MODEL,
    header: Mapping[str, object] | None = None,
) -> Result:
    """A result with these measurements; its image is one voxel a slice."""
    dataset = Dataset()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = "1.2", "1.2.1", "1.2.1.1"
    dataset.StudyDate = studied.strftime("%Y%m%d") if studied else ""
    dataset.KVP, dataset.ConvolutionKernel = "120", "B30f"
    for keyword, value in (header or {}).items():
        setattr(dataset, keyword, value)
    image = hd.Volume(np.zeros((1, 2, 2), np.int16), np.diag([5.0, 1, 1, 1]), "PATIENT")
    return Result(
        frames=(SourceFrame(dataset, None),),
        image=image,
        labels=image.with_array(np.zeros((1, 2, 2), np.uint8)),
        segments=SEGMENTS,
        measurements=measurements,
        quality=(),
        provenance=Provenance("thigh-muscle", model, "1.2", {}, ("1.2.1.1",)),
        reference_frame=0,
        profiles=profiles,
    )


def by_other_software(result: Result, version: str) -> Result:
    return replace(result, provenance=replace(result.provenance, software_version=version))
