"""Batches of slices or of blocks for the loop, which does not know where they come from."""

import itertools
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Batch = tuple[Tensor, Tensor]
"""HU, float32, and labels, uint8. Of tissues: both (slice, row, column), values of ``Tissue``. Of muscles:
both (block, slice, row, column), indices into ``training.synthesis.muscle_truth.TRUTHS``."""

AIR_HU = -1000.0


class Source(Protocol):
    """Where batches come from: batch ``k`` is always the same, so that training can go on exactly."""

    @property
    def batches_per_epoch(self) -> int:
        """How many are one epoch."""
        ...

    def batches(self, first: int) -> Iterator[Batch]:
        """Endless batches from number ``first`` on."""
        ...


class BatchMaker(Protocol):
    """Makes batch ``number`` of an endless stream, the same each time."""

    def make(self, number: int) -> Batch:
        """A batch."""
        ...


@dataclass(frozen=True)
class Opened:
    """Both sides of a training.

    Attributes:
        validation: empty where the configuration has none.
    """

    training: Source
    validation: Sequence[Batch]


@dataclass(frozen=True)
class Made:
    """Batches made anew, by worker processes where there are any."""

    maker: BatchMaker
    batches_per_epoch: int
    workers: int = 0

    def batches(self, first: int) -> Iterator[Batch]:
        """Endless batches from number ``first`` on."""
        return iter(_loader(self.maker, itertools.count(first), self.workers))

    def some(self, count: int) -> list[Batch]:
        """The first ``count`` batches."""
        return list(_loader(self.maker, range(count), self.workers))


@dataclass(frozen=True)
class Kept:
    """The same slices in every epoch, in an order of its own each.

    Attributes:
        slices: HU and labels, (row, column), of each; sizes may differ.
        seed: of the order.
    """

    slices: Sequence[tuple[Tensor, Tensor]]
    batch: int
    seed: int

    @property
    def batches_per_epoch(self) -> int:
        """The last batch of an epoch may be smaller."""
        return -(-len(self.slices) // self.batch)

    def batches(self, first: int) -> Iterator[Batch]:
        """Endless batches from number ``first`` on."""
        for number in itertools.count(first):
            epoch, part = divmod(number, self.batches_per_epoch)
            random = torch.Generator().manual_seed(seed_of(self.seed, epoch))
            order = torch.randperm(len(self.slices), generator=random)
            chosen = order[part * self.batch : (part + 1) * self.batch]
            yield together([self.slices[index] for index in chosen.tolist()])


@dataclass(frozen=True)
class InTurn:
    """Batches of several sources: one of the first, one of the second, and so on."""

    sources: Sequence[Source]

    @property
    def batches_per_epoch(self) -> int:
        """As many as the sources have together."""
        return sum(source.batches_per_epoch for source in self.sources)

    def batches(self, first: int) -> Iterator[Batch]:
        """Endless batches from number ``first`` on."""
        count = len(self.sources)
        given = [-(-(first - place) // count) for place in range(count)]
        streams = [source.batches(begun) for source, begun in zip(self.sources, given, strict=True)]
        for number in itertools.count(first):
            yield next(streams[number % count])


def together(slices: Sequence[tuple[Tensor, Tensor]]) -> Batch:
    """Put slices of any size into one batch, with air beside the smaller ones.

    Args:
        slices: HU and labels of each, (row, column).
    """
    rows, columns = (max(hu.shape[axis] for hu, _ in slices) for axis in (0, 1))
    hu = torch.full((len(slices), rows, columns), AIR_HU)
    labels = torch.zeros((len(slices), rows, columns), dtype=torch.uint8)
    for number, (one, truth) in enumerate(slices):
        hu[number, : one.shape[0], : one.shape[1]] = one
        labels[number, : truth.shape[0], : truth.shape[1]] = truth
    return hu, labels


def seed_of(*numbers: int) -> int:
    """One seed from several numbers; neighbours have nothing in common."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


class _Numbered(Dataset[Batch]):
    def __init__(self, maker: BatchMaker) -> None:
        self._maker = maker

    def __getitem__(self, number: int) -> Batch:
        return self._maker.make(number)


def _loader(maker: BatchMaker, numbers: Iterable[int], workers: int) -> DataLoader[Batch]:
    return DataLoader(
        _Numbered(maker), batch_size=None, sampler=numbers, num_workers=workers, worker_init_fn=_begin_worker
    )


def _begin_worker(_: int) -> None:
    torch.set_num_threads(1)
    # Ctrl-C reaches the whole group of processes; the loop finishes its step and ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
