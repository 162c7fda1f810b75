"""What is trained on what, and how, for the thigh-muscle route: the rest of what ``training.config`` has."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from inference.muscle_bundle import Block, require_block
from inference.networks.muscle_network import MuscleNetworkSettings
from training.config import (
    BaseValidation,
    CaseData,
    Count,
    PeopleData,
    TrainingConfig,
    read_training,
    require_left_out,
)


class SyntheticBlocks(PeopleData):
    """Blocks that are made while the network trains; none ever comes twice.

    Attributes:
        anatomy: folder of the label maps of people.
        cache: folder that keeps what was worked out from them.
        people: who is trained on; everyone where none is named.
        weights: how often somebody is drawn, in relation to the others; 1 for who is not named.
        variation: file of what varies; the one in ``training/synthesis`` where none is named.
        blocks_per_epoch: what counts as an epoch.
        workers: processes that make blocks on the CPU; with none they are made where the network trains.
    """

    kind: Literal["synthetic_blocks"]
    anatomy: Path
    cache: Path | None = None
    people: tuple[str, ...] = ()
    weights: dict[str, PositiveFloat] = Field(default_factory=dict)
    variation: Path | None = None
    blocks_per_epoch: Count
    workers: int = Field(default=0, ge=0)


class CaseBlocks(CaseData):
    """Blocks cut from annotated CT, as ``training.muscle_cases`` reads it.

    Attributes:
        blocks_per_epoch: what counts as an epoch.
        workers: processes that cut blocks.
    """

    blocks_per_epoch: Count
    workers: int = Field(default=0, ge=0)


BlockData = Annotated[SyntheticBlocks | CaseBlocks, Field(discriminator="kind")]


class BlockValidation(BaseValidation):
    """On blocks.

    Attributes:
        blocks: how many.
    """

    blocks: Count


class MuscleTraining(TrainingConfig):
    """A training of a network for thigh muscles, on the grid of ``training.synthesis.muscle_blocks``.

    Attributes:
        block: voxels (slice, row, column) that the network is given at once.
        validation: without it the last weights are written.
    """

    task: Literal["thigh-muscle"]
    data: BlockData
    network: MuscleNetworkSettings
    block: Block
    validation: BlockValidation | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        require_block(self.network, self.block)
        if self.validation is not None and isinstance(self.data, CaseBlocks):
            require_left_out(self.validation.people, self.data)
        return self


def load_muscle_config(path: Path) -> MuscleTraining:
    """Read the file of a training for thigh muscles.

    Raises:
        ConfigurationError: as ``read_training``.
    """
    return read_training(path, MuscleTraining)
