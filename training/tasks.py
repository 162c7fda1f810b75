"""What can be trained: hip tissue, slice by slice, and thigh muscles, block by block."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from training.block_sources import open_blocks
from training.case_files import case_folders
from training.config import CaseData, read_document, read_training
from training.data import Batch, Opened
from training.errors import ConfigurationError
from training.muscle_config import MuscleTraining
from training.muscle_task import MuscleTask
from training.sources import open_slices
from training.synthesis.label_maps import people_in
from training.tissue_config import MixedData, TissueTraining
from training.tissue_task import TissueTask

CONFIGURATIONS: Mapping[str, type[TissueTraining | MuscleTraining]] = {
    "hip-tissue": TissueTraining,
    "thigh-muscle": MuscleTraining,
}
"""By a file's key ``task``; a file without it is of the first."""

AnyTraining = TissueTraining | MuscleTraining


class Task(Protocol):
    """What of a training depends on what is learnt.

    Attributes:
        network: new, on the device.
    """

    network: nn.Module

    @property
    def scores(self) -> Sequence[str]:
        """Names of what ``validate`` gives, for the log."""
        ...

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Of one batch."""
        ...

    def validate(self, network: nn.Module, batches: Sequence[Batch]) -> dict[str, float]:
        """DSC by name of ``scores``, 0 to 1; the mean, ``training.log.MEAN_DSC``, chooses the weights."""
        ...


def load_training(path: Path) -> AnyTraining:
    """Read the file of a training, whatever its task.

    Raises:
        ConfigurationError: as ``training.config.read_training``, or the task is not known.
    """
    task = read_document(path).get("task", next(iter(CONFIGURATIONS)))
    if task not in CONFIGURATIONS:
        raise ConfigurationError(
            f"{path} cannot be used:\n  task is {task!r}; known are {', '.join(CONFIGURATIONS)}."
        )
    return read_training(path, CONFIGURATIONS[task])


def task_of(config: AnyTraining) -> Task:
    """The task of a training; its network's weights are drawn from PyTorch's random numbers."""
    return TissueTask(config) if isinstance(config, TissueTraining) else MuscleTask(config)


def open_sources(config: AnyTraining) -> Opened:
    """Read the anatomies or the cases, and make what is made before the first step.

    Raises:
        TrainingError: nobody is left to train on, or someone named is not there.
        training.case_files.CaseError: a case cannot be read.
    """
    return open_slices(config) if isinstance(config, TissueTraining) else open_blocks(config)


def people_seen(config: AnyTraining) -> list[str]:
    """Who is in the data to train and to validate on, and with cases in which, as the folders name them.

    Raises:
        training.synthesis.label_maps.LabelMapError: a folder holds no label maps.
    """
    parts = config.data.parts if isinstance(config.data, MixedData) else (config.data,)
    validated_on = config.validation.people if config.validation is not None else ()
    seen = []
    for data in parts:
        if isinstance(data, CaseData):
            named = [(path.parent.name, f"/{path.name}") for path in case_folders(data.cases)]
        else:
            named = [(name, "") for name in data.people or people_in(data.anatomy)]
        seen += [name + case for name, case in named if name not in data.leave_out or name in validated_on]
    return seen
