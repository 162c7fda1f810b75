"""Synthetic cases: five slices about the reference slice of patients nobody was trained on."""

import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.progress import track

from inference.femoral_neck import SLICES_BESIDE
from training.cases import Case, write_case
from training.data import seed_of
from training.errors import ConfigurationError, TrainingError
from training.synthesis.generator import Generator
from training.synthesis.people import Person, load_people
from training.synthesis.variation import Variation, load_variation
from training.tissue_config import SyntheticData, TissueTraining

CASES = 1000
"""Stream of the seed, beyond those of training and validation: no patient is in two."""


def synthetic_cases(person: Person, variation: Variation, seed: int, count: int) -> Iterator[Case]:
    """Draw and scan ``count`` patients with one person's anatomy.

    The same person, variation and seed give the same cases, whoever else there is.

    Yields:
        The reference slice and two slices on either side of it.
    """
    generator = Generator([person], variation, seed_of(seed, CASES, zlib.crc32(person.name.encode())))
    for number in range(1, count + 1):
        yield _case(generator, person.name, f"synthetic-{number:03d}")


def write_synthetic_cases(
    folder: Path,
    config: TissueTraining,
    names: Sequence[str],
    count: int,
    console: Console,
    varied: Path | None = None,
) -> int:
    """Write cases of people's anatomy into a folder, as ``training.cases`` reads them.

    Args:
        folder: made if it is not there.
        config: says where the anatomies are, what varies, and the seed.
        names: whose anatomy; everyone's where none is named, also of those who are left out of training.
        count: of each.
        console: for progress.
        varied: what varies, instead of what the configuration says.

    Returns:
        How many were written.

    Raises:
        ConfigurationError: the configuration is not of synthetic data.
        TrainingError: nobody has such a name.
    """
    if not isinstance(config.data, SyntheticData):
        raise ConfigurationError("data.kind must be synthetic: cases are made from the anatomies it names.")
    everyone = {person.name: person for person in load_people(config.data.anatomy, config.data.cache)}
    unknown = set(names) - set(everyone)
    if unknown:
        raise TrainingError(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(everyone)}.")
    chosen = [everyone[name] for name in names or everyone]
    variation = load_variation(varied or config.data.variation or "default")
    made = chain.from_iterable(synthetic_cases(person, variation, config.seed, count) for person in chosen)
    for case in track(made, "Making cases", total=count * len(chosen), console=console):
        write_case(folder, case)
    return count * len(chosen)


def _case(generator: Generator, subject: str, name: str) -> Case:
    scan = generator.about_neck(SLICES_BESIDE)
    return Case(subject, name, scan.hu.cpu().numpy(), scan.labels.cpu().numpy(), scan.spacing_mm)
