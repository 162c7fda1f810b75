"""The one value that leaves inference: labels, segments, measurements, quality, provenance.

Axes of every array are (slice, row, column) as stored in the source images; affines map those indices to
patient coordinates in LPS, mm (DICOM PS3.3 C.7.6.2.1.1).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property

import highdicom as hd
import numpy as np
from pydicom import Dataset


class Side(StrEnum):
    """Side of the patient, never of the picture."""

    LEFT = "left"
    RIGHT = "right"


class Severity(StrEnum):
    """How much a reader must mind a quality flag."""

    NOTE = "note"
    WARNING = "warning"


@dataclass(frozen=True)
class QualityFlag:
    """Something a reader of the result must know.

    Attributes:
        code: stable name, e.g. ``truncated_field_of_view``, ``metal``, ``thick_slices``.
        severity: ``note`` informs, ``warning`` puts the measurements in doubt.
        text: one sentence with the figure behind it; no patient data.
    """

    code: str
    severity: Severity
    text: str


@dataclass(frozen=True)
class SourceFrame:
    """One axial plane of the source: a single-frame image, or one frame of a multi-frame image.

    Attributes:
        dataset: the image's header, without pixel data; shared by all frames of a multi-frame image.
        frame_number: from 1, or None for a single-frame image.
    """

    dataset: Dataset
    frame_number: int | None


@dataclass(frozen=True)
class Segment:
    """One labelled structure.

    Attributes:
        number: its value in the label array, from 1.
        name: key into the code table, e.g. ``cortical_bone``.
        side: for paired structures; None where the label covers both sides.
    """

    number: int
    name: str
    side: Side | None = None


@dataclass(frozen=True)
class Measurement:
    """One number, or the reason why there is none.

    Attributes:
        quantity: key into the code table, e.g. ``area``, ``volume``, ``mean_hu``, ``fat_fraction``.
        value: None where it could not be measured; then ``absent_reason`` says why.
        unit: UCUM, e.g. ``cm2``, ``cm3``, ``cm3/m2``, ``[hnsf'U]``, ``%``, ``mm``, ``1``.
        segment_number: the segment it was measured on; None for several together.
        source_frame: index into ``Result.frames`` for a measurement of one slice, None for the whole.
        structure: what several segments are together, key into the code table, e.g.
            ``anterior_thigh_muscles``, or ``sartorius`` for what compares both sides.
        side: of ``structure``; None for both.
    """

    quantity: str
    value: float | None
    unit: str
    segment_number: int | None = None
    source_frame: int | None = None
    absent_reason: str | None = None
    structure: str | None = None
    side: Side | None = None


@dataclass(frozen=True)
class Profile:
    """How the volume of a segment is spread along the body.

    Attributes:
        segment_number: of the segment.
        first_mm: middle of the first slab, towards the head from the centre of the femoral head of its side.
        step_mm: thickness of each slab.
        volume_cm3: of each slab, from foot to head, over all slices of the series.
    """

    segment_number: int
    first_mm: float
    step_mm: float
    volume_cm3: tuple[float, ...]


@dataclass(frozen=True)
class ModelIdentity:
    """What made the labels.

    Attributes:
        name: e.g. ``hip-tissue-protocol``.
        version: changes whenever the labels may change.
        weights_sha256: of the weights file; None where the method has no weights.
    """

    name: str
    version: str
    weights_sha256: str | None = None


@dataclass(frozen=True)
class Provenance:
    """Enough to make the same result again.

    Attributes:
        route: name of the route that asked for it, e.g. ``hip-tissue``.
        model: what made the labels.
        software_version: version of Coxa.
        settings: every setting that can change a number, as text.
        source_instance_uids: SOP Instance UID of every image of the series that was read, of which
            ``Result.frames`` is a part; sorted by position.
    """

    route: str
    model: ModelIdentity
    software_version: str
    settings: Mapping[str, str]
    source_instance_uids: tuple[str, ...]


@dataclass(frozen=True)
class Prior:
    """The earlier result of the same patient with which one is compared.

    Attributes:
        study_date: when its images were made.
        interval_days: until the images of this result.
        model: what made its labels.
        remeasured: its images were measured again by this result's model.
        report_uids: series, class and instance UID of its report; None where it was not found in one.
    """

    study_date: date
    interval_days: int
    model: ModelIdentity
    remeasured: bool
    report_uids: tuple[str, str, str] | None


@dataclass(frozen=True)
class Result:
    """What a pipeline found in one series.

    Attributes:
        frames: the source planes that carry labels, in the order of the label array's first axis.
        image: HU, int16, (slice, row, column), on the grid of ``frames``.
        labels: uint8, 0 is background, same geometry as ``image``.
        segments: one per tissue of the route, also those without a voxel.
        reference_frame: index into ``frames`` of the reference slice.
        profiles: of segments that can be compared between scans of different coverage.
        prior: with what ``measurements`` of change were made.
    """

    frames: tuple[SourceFrame, ...]
    image: hd.Volume
    labels: hd.Volume
    segments: tuple[Segment, ...]
    measurements: tuple[Measurement, ...]
    quality: tuple[QualityFlag, ...]
    provenance: Provenance
    reference_frame: int
    profiles: tuple[Profile, ...] = ()
    prior: Prior | None = None

    @cached_property
    def pixels_sha256(self) -> str:
        """Of image and labels, which can be hundreds of megabytes."""
        digest = hashlib.sha256()
        for volume in (self.image, self.labels):
            digest.update(np.ascontiguousarray(volume.array).data)
        return digest.hexdigest()
