"""The one value that leaves inference: labels, segments, measurements, quality, provenance.

Axes of every array are (slice, row, column) as stored in the source images; affines map those indices to
patient coordinates in LPS, mm (DICOM PS3.3 C.7.6.2.1.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import highdicom as hd
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
        quantity: ``area``, ``volume``, ``mean_hu``, ``mean_hu_per_height2``, ``hbm_to_tbm``, ``mat_to_tbm``.
        value: None where it could not be measured; then ``absent_reason`` says why.
        unit: UCUM: ``cm2``, ``cm3``, ``[hnsf'U]``, ``[hnsf'U]/m2``, ``1``.
        segment_number: the segment it was measured on; None for ratios over several.
        source_frame: index into ``Result.frames`` for a measurement of one slice, None for the whole.
    """

    quantity: str
    value: float | None
    unit: str
    segment_number: int | None = None
    source_frame: int | None = None
    absent_reason: str | None = None


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
class Result:
    """What a pipeline found in one series.

    Attributes:
        frames: the source planes that carry labels, in the order of the label array's first axis.
        image: HU, int16, (slice, row, column), on the grid of ``frames``.
        labels: uint8, 0 is background, same geometry as ``image``.
        segments: one per tissue of the route, also those without a voxel.
        reference_frame: index into ``frames`` of the reference slice.
    """

    frames: tuple[SourceFrame, ...]
    image: hd.Volume
    labels: hd.Volume
    segments: tuple[Segment, ...]
    measurements: tuple[Measurement, ...]
    quality: tuple[QualityFlag, ...]
    provenance: Provenance
    reference_frame: int
