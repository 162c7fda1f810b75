"""What is trained on what, and how, for hip tissue: the rest of what ``training.config`` has."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from training.config import (
    BaseValidation,
    CaseData,
    Count,
    PeopleData,
    Section,
    TrainingConfig,
    read_training,
    require_left_out,
)


def _window(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] >= ends[1]:
        raise ValueError(f"the lower end, {ends[0]}, must be below the upper, {ends[1]}")
    return ends


Window = Annotated[tuple[float, float], AfterValidator(_window)]
"""Lower and upper end, HU."""


class SyntheticData(PeopleData):
    """Slices that are made while the network trains.

    Attributes:
        anatomy: folder of the label maps of people.
        cache: folder that keeps what was worked out from them.
        people: who is trained on; everyone where none is named.
        variation: file of what varies; the one in ``training/synthesis`` where none is named.
        slices_per_epoch: what counts as an epoch where no slice ever comes twice.
        subjects: makes so many synthetic subjects before the first step, each with the slices about its
            reference slice, and trains on them again and again, as with cases; without it none comes twice.
        workers: processes that make slices on the CPU; with none slices are made where the network trains.
    """

    kind: Literal["synthetic"]
    anatomy: Path
    cache: Path | None = None
    people: tuple[str, ...] = ()
    variation: Path | None = None
    slices_per_epoch: Count | None = None
    subjects: Count | None = None
    workers: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _endless_or_fixed(self) -> Self:
        if (self.subjects is None) == (self.slices_per_epoch is None):
            raise ValueError("give either slices_per_epoch or subjects")
        return self


SourceData = Annotated[SyntheticData | CaseData, Field(discriminator="kind")]


class MixedData(Section):
    """Several data sets; batches come from them in turn."""

    kind: Literal["mixed"]
    parts: tuple[SourceData, ...] = Field(min_length=2)


class Network(Section):
    """Arguments of ``DenseUNet``; the input channels are the windows, the classes the tissues."""

    growth: tuple[Count, ...]
    layers: tuple[Count, ...]
    stem_stride: Literal[1, 2] = 1
    head_layers: int = Field(default=0, ge=0)
    head_growth: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        if len(self.growth) != len(self.layers):
            raise ValueError("growth and layers must name the same number of levels")
        if (self.head_layers > 0) != (self.head_growth > 0):
            raise ValueError("head_layers and head_growth go together")
        return self


class Validation(BaseValidation):
    """On slices; with mixed data nobody may be named.

    Attributes:
        slices: that are made of each synthetic data set.
    """

    slices: Count | None = None


class TissueTraining(TrainingConfig):
    """A training of a network for hip tissue.

    Attributes:
        windows_hu: one input channel each.
        pixel_mm: edge of the pixels that the network is given.
        validation: without it the last weights are written.
    """

    task: Literal["hip-tissue"] = "hip-tissue"
    data: Annotated[SyntheticData | CaseData | MixedData, Field(discriminator="kind")]
    network: Network
    windows_hu: tuple[Window, ...] = Field(min_length=1)
    pixel_mm: float = Field(gt=0)
    loss: Literal["cross_entropy", "cross_entropy_and_dice"]
    validation: Validation | None = None
    channels_last: bool = False

    @model_validator(mode="after")
    def _validation_fits_the_data(self) -> Self:
        if self.validation is None:
            return self
        parts = self.data.parts if isinstance(self.data, MixedData) else (self.data,)
        if len(parts) > 1 and (self.validation.people or any(part.kind == "cases" for part in parts)):
            raise ValueError(
                "validation: with mixed data only synthetic people can be validated on, all of them"
            )
        if isinstance(self.data, CaseData):
            require_left_out(self.validation.people, self.data)
        elif self.validation.slices is None:
            raise ValueError("validation.slices: say how many slices to make")
        return self


def load_config(path: Path) -> TissueTraining:
    """Read the file of a training for hip tissue.

    Raises:
        ConfigurationError: as ``read_training``.
    """
    return read_training(path, TissueTraining)
