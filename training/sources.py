"""Opens what a configuration of hip tissue says to train and to validate on."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.femoral_neck import SLICES_BESIDE
from training.cases import read_cases
from training.config import CaseData
from training.data import Batch, InTurn, Kept, Made, Opened, seed_of, together
from training.errors import TrainingError
from training.forward import device_for
from training.synthesis.generator import Generator
from training.synthesis.people import Person, load_people
from training.synthesis.variation import load_variation
from training.tissue_config import MixedData, SyntheticData, TissueTraining

TRAINING, VALIDATION, STREAMS = 0, 1, 2
"""Streams of the seed, one pair for each part of mixed data: no slice is in two."""


def open_slices(config: TissueTraining) -> Opened:
    """Read the anatomies or the cases, and make what is made before the first step.

    Raises:
        TrainingError: nobody is left to train on, or someone named is not there.
        training.cases.CaseError: a case cannot be read.
    """
    if isinstance(config.data, MixedData):
        parts = [_open(config, data, part) for part, data in enumerate(config.data.parts)]
        held_back = [slices for part in parts for slices in part.validation]
        return Opened(InTurn([part.training for part in parts]), held_back)
    return _open(config, config.data, 0)


def _open(config: TissueTraining, data: SyntheticData | CaseData, part: int) -> Opened:
    return _cases(config, data) if isinstance(data, CaseData) else _synthetic(config, data, part)


@dataclass(frozen=True)
class _Synthesis:
    generator: Generator
    seed: int
    stream: int
    batch: int
    pixel_mm: float

    def make(self, number: int) -> Batch:
        """Batch ``number`` depends on nothing that was made before it."""
        self.generator.reseed(seed_of(self.seed, self.stream, number))
        made = self.generator.slices(self.batch)
        return resampled(made.hu, made.labels, (made.pixel_mm, made.pixel_mm), self.pixel_mm)


def _synthetic(config: TissueTraining, data: SyntheticData, part: int) -> Opened:
    everyone = {person.name: person for person in load_people(data.anatomy, data.cache)}
    variation = load_variation(data.variation or "default")
    known = f"{data.anatomy} has {', '.join(everyone)}"
    require_known(data.leave_out, everyone, f"data.leave_out; {known}")
    named = require_known(data.people or tuple(everyone), everyone, f"data.people; {known}")
    trained_on = [name for name in named if name not in data.leave_out]
    if not trained_on:
        raise TrainingError("data.leave_out leaves nobody to train on.")

    device = torch.device("cpu") if data.workers else device_for(config.device)

    def made(names: Sequence[str], stream: int, batch: int) -> Made:
        people: list[Person] = [everyone[name] for name in names]
        generator = Generator(people, variation, config.seed, device)
        synthesis = _Synthesis(generator, config.seed, stream, batch, config.pixel_mm)
        return Made(synthesis, -(-(data.slices_per_epoch or batch) // batch), data.workers)

    validation: list[Batch] = []
    if config.validation is not None and config.validation.slices is not None:
        names = require_known(
            config.validation.people or tuple(trained_on), everyone, f"validation.people; {known}"
        )
        batches = -(-config.validation.slices // config.batch)
        validation = made(names, part * STREAMS + VALIDATION, config.batch).some(batches)
    stream = part * STREAMS + TRAINING
    if data.subjects is None:
        return Opened(made(trained_on, stream, config.batch), validation)
    generator = Generator([everyone[name] for name in trained_on], variation, config.seed, device)
    slices: list[tuple[Tensor, Tensor]] = []
    for number in range(data.subjects):
        generator.reseed(seed_of(config.seed, stream, number))
        slices += _reference_slices(generator, config.pixel_mm)
    return Opened(Kept(slices, config.batch, config.seed), validation)


def _reference_slices(generator: Generator, pixel_mm: float) -> Iterator[tuple[Tensor, Tensor]]:
    """The slices of one patient that the paper has outlined: about the thickest left femoral neck."""
    scan = generator.about_neck(SLICES_BESIDE)
    hu, labels = resampled(scan.hu.cpu(), scan.labels.cpu(), scan.spacing_mm[1:], pixel_mm)
    return zip(hu, labels, strict=True)


def _cases(config: TissueTraining, data: CaseData) -> Opened:
    slices: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for case in read_cases(data.cases):
        hu, labels = resampled(
            torch.from_numpy(case.hu), torch.from_numpy(case.labels), case.pixel_mm, config.pixel_mm
        )
        slices.setdefault(case.subject, []).extend(zip(hu, labels, strict=True))
    known = f"{data.cases} has {', '.join(slices)}"
    require_known(data.leave_out, slices, f"data.leave_out; {known}")
    kept = [pair for subject in slices if subject not in data.leave_out for pair in slices[subject]]
    if not kept:
        raise TrainingError("data.leave_out leaves nobody to train on.")
    names = config.validation.people if config.validation is not None else ()
    held_back = [pair for name in names for pair in slices[name]]
    validation = [
        together(held_back[first : first + config.batch]) for first in range(0, len(held_back), config.batch)
    ]
    return Opened(Kept(kept, config.batch, config.seed), validation)


def resampled(
    hu: Tensor, labels: Tensor, pixel_mm: tuple[float, float], to_pixel_mm: float
) -> tuple[Tensor, Tensor]:
    """Bring slices to square pixels: HU averaged or interpolated, labels from the nearest pixel.

    Args:
        hu: (slice, row, column).
        labels: the same.
        pixel_mm: (row, column).
        to_pixel_mm: edge of the square.

    Returns:
        HU, float32, and labels, uint8.
    """
    rows, columns = (
        round(count * mm / to_pixel_mm) for count, mm in zip(hu.shape[1:], pixel_mm, strict=True)
    )
    resize = torch.nn.functional.interpolate
    if (rows, columns) == tuple(hu.shape[1:]):
        return hu.float(), labels
    hu = resize(hu.float()[:, None], (rows, columns), mode="bilinear", antialias=True)[:, 0]
    return hu, resize(labels[:, None], (rows, columns), mode="nearest-exact")[:, 0]


def require_known(names: Sequence[str], known: Container[str], where: str) -> Sequence[str]:
    """The names, if all of them are known.

    Args:
        where: what they are named for, and whom there is instead.

    Raises:
        TrainingError: one is not.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise TrainingError(f"There is no {', '.join(unknown)} to use as {where}.")
    return names
