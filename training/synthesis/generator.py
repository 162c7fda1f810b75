"""Endless synthetic CT with its ground truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.synthesis.exposure import Slab, expose
from training.synthesis.neck import thickest_neck_level_mm
from training.synthesis.patient import Patient, draw_patient
from training.synthesis.person import Person
from training.synthesis.scanner_settings import ScannerSettings, sample_settings
from training.synthesis.structures import Anatomy
from training.synthesis.variation import Levels, Variation, draw, happens

CANVAS = (256, 352)
PIXEL_MM = 1.0
MATRIX = 512
OFF_CENTRE_MM = 30.0
EDGE_MM = 20.0
"""Of the trusted slices: tilted by 6 degrees a slice leaves its level by 19 mm at the body's side. More would
cut through the heads of those who are trusted to 30 mm above them only."""


@dataclass(frozen=True)
class SliceBatch:
    """Slices, each of another patient.

    Attributes:
        hu: (slice, row, column), as scanned.
        labels: uint8, values of ``Tissue``.
        pixel_mm: side of a pixel.
        people: names of those the anatomy is from.
    """

    hu: Tensor
    labels: Tensor
    pixel_mm: float
    people: tuple[str, ...]


@dataclass(frozen=True)
class SyntheticSeries:
    """A series of one patient; axes foot to head, front to back, right to left.

    Attributes:
        hu: int16, as scanned.
        labels: uint8, values of ``Tissue``.
        spacing_mm: (slice, row, column).
        person: whose anatomy it is.
        reference_index: where the left femoral neck is thickest, in slices from the first, not rounded.
        patient: what was drawn.
    """

    hu: Tensor
    labels: Tensor
    spacing_mm: tuple[float, float, float]
    person: str
    reference_index: float
    patient: Patient


class Generator:
    """Draws synthetic patients and scans them.

    Args:
        people: whose anatomy to use.
        variation: what varies.
        seed: the same seed gives the same images on the same kind of device.
        device: where images are made.
    """

    def __init__(
        self,
        people: Sequence[Person],
        variation: Variation,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self._device = torch.device(device)
        self._anatomies = [Anatomy(person, self._device) for person in people]
        self._variation = variation
        self._random = torch.Generator().manual_seed(seed)

    def reseed(self, seed: int) -> None:
        """Go on as if made anew with this seed."""
        self._random.manual_seed(seed)

    def slices(self, count: int) -> SliceBatch:
        """Scan ``count`` patients, one slice of each."""
        settings = sample_settings(self._variation.scanner, count, self._random)
        rows, columns = (PIXEL_MM * (torch.arange(size, device=self._device) - size / 2) for size in CANVAS)
        scanned, names = [], []
        for number in range(count):
            patient = self._patient()
            names.append(patient.anatomy.person.name)
            level = _level(patient, self._variation.levels, self._random)
            off_rows, off_columns = (draw((-OFF_CENTRE_MM, OFF_CENTRE_MM), self._random) for _ in range(2))
            thickness = float(settings.thickness_mm[number])
            scanned.append(Slab.of(patient, level, thickness, rows + off_rows, columns + off_columns))
        hu, labels = expose(Slab.together(scanned), PIXEL_MM, settings, self._random)
        return SliceBatch(hu, labels, PIXEL_MM, tuple(names))

    def about_neck(self, beside: int) -> SyntheticSeries:
        """Scan one patient: the slice with the thickest left femoral neck, and ``beside`` on each side."""
        patient = self._patient()
        settings = sample_settings(self._variation.scanner, 1, self._random)
        reference = thickest_neck_level_mm(patient)
        between = float(settings.thickness_mm)
        # Slices lie where they lie: the best of them is up to half a slice beside the best place.
        off = draw((-0.5, 0.5), self._random)
        levels = [reference + between * (off + number) for number in range(-beside, beside + 1)]
        return self._series(patient, settings, levels, between, beside - off)

    def series(self) -> SyntheticSeries:
        """Scan one patient from somewhere above the neck to somewhere below it."""
        patient = self._patient()
        settings = sample_settings(self._variation.scanner, 1, self._random)
        reference = thickest_neck_level_mm(patient)
        between = float(settings.thickness_mm)
        lowest, highest = _covered(patient)
        first = max(lowest, reference - draw(self._variation.levels.below_neck_mm, self._random))
        last = min(highest, reference + draw(self._variation.levels.above_neck_mm, self._random))
        count = max(1, int((last - first) / between))
        levels = [first + between * number for number in range(count)]
        return self._series(patient, settings, levels, between, (reference - first) / between)

    def _series(
        self,
        patient: Patient,
        settings: ScannerSettings,
        levels: Sequence[float],
        between_mm: float,
        reference_index: float,
    ) -> SyntheticSeries:
        pixel_mm = draw(self._variation.levels.field_mm, self._random) / MATRIX
        off = [draw((-OFF_CENTRE_MM, OFF_CENTRE_MM), self._random) for _ in range(2)]
        axis = pixel_mm * (torch.arange(MATRIX, device=self._device) - MATRIX / 2)
        # One after the other: a series does not fit into memory as what it is made from.
        exposed = [
            expose(
                Slab.of(patient, level, float(settings.thickness_mm), axis + off[0], axis + off[1]),
                pixel_mm,
                settings,
                self._random,
            )
            for level in levels
        ]
        return SyntheticSeries(
            torch.cat([hu.round().to(torch.int16) for hu, _ in exposed]),
            torch.cat([labels for _, labels in exposed]),
            (between_mm, pixel_mm, pixel_mm),
            patient.anatomy.person.name,
            reference_index,
            patient,
        )

    def _patient(self) -> Patient:
        chosen = int(torch.randint(len(self._anatomies), (), generator=self._random))
        return draw_patient(self._anatomies[chosen], self._variation, self._random)


def _level(patient: Patient, levels: Levels, random: torch.Generator) -> float:
    """Height of a slice above the femoral heads."""
    wanted = draw(levels.neck_mm if happens(levels.at_neck, random) else levels.any_mm, random)
    lowest, highest = _covered(patient)
    return min(max(wanted, lowest), highest)


def _covered(patient: Patient) -> tuple[float, float]:
    """Lowest and highest level at which the person's labels are complete."""
    person = patient.anatomy.person
    stretch = float(patient.pose.linear[0, 0])
    centre = float(patient.pose.centre_mm[0])
    lowest, highest = (
        (end * person.spacing_mm - centre) / stretch
        for end in (person.trusted.start, person.trusted.stop - 1)
    )
    return lowest + EDGE_MM, highest - EDGE_MM
