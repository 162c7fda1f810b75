"""Opens what a configuration of thigh muscles says to train and to validate on."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from training.data import Batch, BatchMaker, Made, Opened, seed_of
from training.errors import TrainingError
from training.forward import device_for
from training.muscle_cases import MuscleCase, cut_block, gridded, read_muscle_cases
from training.muscle_config import CaseBlocks, MuscleTraining, SyntheticBlocks
from training.sources import TRAINING, VALIDATION, require_known
from training.synthesis.muscle_blocks import MuscleBlocks
from training.synthesis.people import Person, load_people
from training.synthesis.variation import load_variation


def open_blocks(config: MuscleTraining) -> Opened:
    """Read the anatomies or the cases, and make the blocks that are validated on.

    Raises:
        TrainingError: nobody is left to train on, someone named is not there, or a muscle is not known.
        training.case_files.CaseError: a case cannot be read.
    """
    if isinstance(config.data, CaseBlocks):
        return _cases(config, config.data)
    return _synthetic(config, config.data)


@dataclass(frozen=True)
class _Synthesis:
    blocks: MuscleBlocks
    seed: int
    stream: int
    batch: int

    def make(self, number: int) -> Batch:
        """Batch ``number`` depends on nothing that was made before it."""
        made = [
            self.blocks.draw(seed_of(self.seed, self.stream, number, place)) for place in range(self.batch)
        ]
        return torch.stack([one.hu for one in made]), torch.stack([one.labels for one in made])


@dataclass(frozen=True)
class _Cutting:
    cases: Sequence[MuscleCase]
    block: tuple[int, int, int]
    seed: int
    stream: int
    batch: int

    def make(self, number: int) -> Batch:
        """Batch ``number`` depends on nothing that was cut before it."""
        random = torch.Generator().manual_seed(seed_of(self.seed, self.stream, number))
        chosen = torch.randint(len(self.cases), (self.batch,), generator=random).tolist()
        cut = [cut_block(self.cases[place], self.block, random) for place in chosen]
        return torch.stack([hu for hu, _ in cut]), torch.stack([labels for _, labels in cut])


def _synthetic(config: MuscleTraining, data: SyntheticBlocks) -> Opened:
    everyone = {person.name: person for person in load_people(data.anatomy, data.cache)}
    variation = load_variation(data.variation or "default")
    known = f"{data.anatomy} has {', '.join(everyone)}"
    require_known(data.leave_out, everyone, f"data.leave_out; {known}")
    require_known(tuple(data.weights), everyone, f"data.weights; {known}")
    named = require_known(data.people or tuple(everyone), everyone, f"data.people; {known}")
    trained_on = [name for name in named if name not in data.leave_out]
    validated_on = config.validation.people if config.validation is not None else ()
    require_known(validated_on, everyone, f"validation.people; {known}")
    device = torch.device("cpu") if data.workers else device_for(config.device)

    def made(names: Sequence[str]) -> MuscleBlocks:
        people: list[Person] = [everyone[name] for name in names]
        weights = [data.weights.get(name, 1.0) for name in names]
        try:
            return MuscleBlocks(people, weights, variation, config.block, device)
        except ValueError as error:
            raise TrainingError(f"{data.anatomy}: {error}") from error

    if not trained_on:
        raise TrainingError("data.leave_out leaves nobody to train on.")
    blocks = made(trained_on)
    held_back = made(validated_on) if validated_on else blocks
    training, validation = (
        _Synthesis(source, config.seed, stream, config.batch)
        for source, stream in ((blocks, TRAINING), (held_back, VALIDATION))
    )
    return _opened(config, training, validation)


def _cases(config: MuscleTraining, data: CaseBlocks) -> Opened:
    cases = [gridded(case) for case in read_muscle_cases(data.cases)]
    subjects = sorted({case.subject for case in cases})
    require_known(data.leave_out, subjects, f"data.leave_out; {data.cases} has {', '.join(subjects)}")
    validated_on = config.validation.people if config.validation is not None else ()

    def maker(chosen: Sequence[MuscleCase], stream: int) -> BatchMaker:
        return _Cutting(chosen, config.block, config.seed, stream, config.batch)

    trained_on = [case for case in cases if case.subject not in data.leave_out]
    if not trained_on:
        raise TrainingError("data.leave_out leaves nobody to train on.")
    held_back = [case for case in cases if case.subject in validated_on]
    return _opened(config, maker(trained_on, TRAINING), maker(held_back, VALIDATION))


def _opened(config: MuscleTraining, training: BatchMaker, validation: BatchMaker) -> Opened:
    workers = config.data.workers
    per_epoch = -(-config.data.blocks_per_epoch // config.batch)
    blocks = config.validation.blocks if config.validation is not None else 0
    held_back = Made(validation, per_epoch, workers).some(-(-blocks // config.batch)) if blocks else []
    return Opened(Made(training, per_epoch, workers), held_back)
