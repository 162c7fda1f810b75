"""Results on synthetic CT in any geometry, as a pipeline would hand them over."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from highdicom import sr
from highdicom.seg import Segmentation
from numpy.typing import NDArray

from dicom_out.report import make_report
from dicom_out.segmentation import Form, make_segmentation
from dicom_out.sources import discreet
from inference.result import Measurement, ModelIdentity, Provenance, QualityFlag, Result, Segment, Severity
from inference.volume import SeriesLayout, read_layout
from tests.series import FEET_FIRST, PRONE, Grid, rotation_about, write_enhanced, write_series

TISSUES = (
    "cortical_bone",
    "trabecular_bone",
    "haematopoietic_bone_marrow",
    "marrow_adipose_tissue",
    "muscle",
    "intermuscular_adipose_tissue",
    "subcutaneous_adipose_tissue",
)
MADE = datetime(2024, 1, 3, 12, 30, tzinfo=UTC)

EMPTY_TISSUE = 4
"""Number of the tissue that has no voxel."""

SHAPE = (8, 44, 62)
CHOSEN = slice(2, 7)
"""Slices that carry labels: fewer than there are, so that their place in the series matters."""

HU = np.random.default_rng(1).integers(-200, 400, SHAPE).astype(np.int16)
OBLIQUE = rotation_about("x", 12) @ rotation_about("y", -7) @ rotation_about("z", 4)


def _reversed(folder: Path) -> list[Path]:
    return write_series(folder, HU, Grid(), instance_numbers=list(range(len(HU), 0, -1)))


SOURCES: Mapping[str, Callable[[Path], list[Path]]] = {
    "axial": lambda folder: write_series(folder, HU, Grid()),
    "reversed": _reversed,
    "feet_first": lambda folder: write_series(folder, HU, Grid(rotation=FEET_FIRST)),
    "prone": lambda folder: write_series(folder, HU, Grid(rotation=PRONE)),
    "oblique": lambda folder: write_series(folder, HU, Grid(rotation=OBLIQUE)),
    "anisotropic": lambda folder: write_series(folder, HU, Grid(spacing_mm=(3.0, 0.7, 1.3))),
    "enhanced": lambda folder: [write_enhanced(folder, HU, Grid(), frame_order=[3, 1, 0, 2, 7, 5, 6, 4])],
    "enhanced_per_frame": lambda folder: [
        write_enhanced(folder, HU, Grid(rotation=OBLIQUE), shared_geometry=False)
    ],
}
"""Writes of one anatomy in each geometry; files in storage order."""


def boxes(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Labels with a box per tissue but one, which moves from slice to slice."""
    labels = np.zeros(shape, np.uint8)
    slices, rows, columns = shape
    for number in range(1, len(TISSUES) + 1):
        if number == EMPTY_TISSUE:
            continue
        for index in range(slices):
            top = number * rows // 10 + index % 3
            left = number * columns // 11 + index
            labels[index, top : top + rows // 12 + 1, left : left + columns // 9] = number
    return labels


def result_on(layout: SeriesLayout, chosen: slice = CHOSEN) -> Result:
    """A result with every kind of measurement, some of them absent, on some slices of a series."""
    image = layout.read_volume(chosen.start, chosen.stop)
    measurements: list[Measurement] = []
    for number in range(1, len(TISSUES) + 1):
        area = 0.0 if number == EMPTY_TISSUE else 10.5 + number
        measurements += [
            Measurement("area", area, "cm2", number, 2),
            Measurement("volume", area / 3, "cm3", number),
        ]
    measurements += [
        Measurement("mean_hu", 41.25, "[hnsf'U]", 5, 2),
        Measurement("mean_hu_per_height2", None, "[hnsf'U]/m2", 5, 2, "PatientSize is not given."),
        Measurement("hbm_to_tbm", 0.375, "1", None, 2),
        Measurement("mat_to_tbm", 0.625, "1", None, 2),
    ]
    return Result(
        frames=layout.frames[chosen],
        image=image,
        labels=image.with_array(boxes(image.shape)),
        segments=tuple(Segment(number, name) for number, name in enumerate(TISSUES, start=1)),
        measurements=tuple(measurements),
        quality=(
            QualityFlag("thick_slices", Severity.NOTE, "Slices are 5 mm thick."),
            QualityFlag("truncated_field_of_view", Severity.WARNING, "12 % of the outline is cut off."),
        ),
        provenance=Provenance(
            route="hip-tissue",
            model=ModelIdentity("hip-tissue-protocol", "1.0"),
            software_version="0.1.0",
            settings={"bone_hu": "150", "fat_hu": "-30"},
            source_instance_uids=tuple(f.dataset.SOPInstanceUID for f in layout.frames),
        ),
        reference_frame=2,
    )


@dataclass(frozen=True)
class Case:
    """A result and the objects made of it: seg.dcm and sr.dcm in a folder, the source in its ``ct``."""

    result: Result
    segmentation: Segmentation
    folder: Path

    @cached_property
    def report(self) -> sr.Comprehensive3DSR:
        """The report, read back from its file."""
        return sr.srread(self.folder / "sr.dcm")


def make_case(folder: Path, source: str, form: Form = "BINARY") -> Case:
    """Writes a source and the objects of a result on it."""
    result = result_on(read_layout(SOURCES[source](folder / "ct")))
    with discreet():
        segmentation = make_segmentation(result, form, MADE)
        report = make_report(result, segmentation, form, MADE, None)
        segmentation.save_as(folder / "seg.dcm", enforce_file_format=True)
        report.save_as(folder / "sr.dcm", enforce_file_format=True)
    return Case(result, segmentation, folder)


@pytest.fixture(scope="session", params=SOURCES)
def any_case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Objects on a series in each geometry."""
    return make_case(tmp_path_factory.mktemp("case"), request.param)


@pytest.fixture(scope="session", params=["oblique", "enhanced"])
def label_map_case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Objects with a label map."""
    return make_case(tmp_path_factory.mktemp("case"), request.param, "LABELMAP")


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Objects on a plain axial series."""
    return make_case(tmp_path_factory.mktemp("case"), "axial")


@pytest.fixture
def result(case: Case) -> Result:
    """A result on a plain axial series."""
    return case.result


KNOWN_WARNINGS = (
    "Unrecognized defined term <99COXA> for value 1 of attribute <Coding Scheme Designator>",
    "Attribute is not present in standard DICOM IOD - (0x0018,0x1002) UI Device UID",
    "contains attributes not present in standard DICOM IOD - this is a Standard Extended SOP Class",
)
"""What dciodvfy cannot know: our private scheme, and Device UID, which is younger than its 2022 release."""


def complaints(path: Path) -> list[str]:
    """Errors and warnings of dciodvfy, without ``KNOWN_WARNINGS``."""
    checked = subprocess.run(
        ["/usr/bin/dciodvfy", path], check=False, capture_output=True, text=True, errors="replace"
    )
    lines = [line for line in checked.stderr.splitlines() if line.startswith(("Error", "Warning"))]
    return [line for line in lines if not any(known in line for known in KNOWN_WARNINGS)]
