"""What is trained on what, and how: the model of the YAML files in ``training/configs``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.errors import ConfigurationError


def _window(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] >= ends[1]:
        raise ValueError(f"the lower end, {ends[0]}, must be below the upper, {ends[1]}")
    return ends


Window = Annotated[tuple[float, float], AfterValidator(_window)]
"""Lower and upper end, HU."""

Count = Annotated[int, Field(gt=0)]

_Model = TypeVar("_Model", bound=BaseModel)


class Section(BaseModel):
    """Part of a file: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SyntheticData(Section):
    """Slices that are made while the network trains.

    Attributes:
        anatomy: folder of the label maps of people.
        cache: folder that keeps what was worked out from them.
        people: who is trained on; everyone where none is named.
        leave_out: who is not.
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
    leave_out: tuple[str, ...] = ()
    variation: Path | None = None
    slices_per_epoch: Count | None = None
    subjects: Count | None = None
    workers: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _endless_or_fixed(self) -> Self:
        if (self.subjects is None) == (self.slices_per_epoch is None):
            raise ValueError("give either slices_per_epoch or subjects")
        return self


class CaseData(Section):
    """Annotated cases, all slices of each that have labels.

    Attributes:
        cases: folder, as ``training.cases`` reads it.
        leave_out: subjects that are not trained on.
    """

    kind: Literal["cases"]
    cases: Path
    leave_out: tuple[str, ...] = ()


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


class Optimiser(Section):
    """Adam.

    Attributes:
        warmup_steps: over which the learning rate rises from nothing; only with the cosine.
    """

    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "cosine"]
    warmup_steps: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _constant_is_constant(self) -> Self:
        if self.schedule == "constant" and self.warmup_steps:
            raise ValueError("warmup_steps need the schedule cosine")
        return self


class Length(Section):
    """When training ends: exactly one of them. The learning rate falls to the same end."""

    epochs: Count | None = None
    steps: Count | None = None
    max_minutes: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(end is not None for end in (self.epochs, self.steps, self.max_minutes)) != 1:
            raise ValueError("give exactly one of epochs, steps and max_minutes")
        return self


class Validation(Section):
    """On what the best weights are chosen.

    Attributes:
        people: of the data; with synthetic data other slices of those trained on where none is named,
            as it must be with mixed data.
        slices: that are made of each synthetic data set.
        every_steps: how often.
    """

    people: tuple[str, ...] = ()
    slices: Count | None = None
    every_steps: Count


class BundleSettings(Section):
    """What is said about the network in its bundle.

    Attributes:
        model_card: Markdown file.
        licence: text file.
    """

    name: str
    version: str
    description: str
    authors: str
    copyright: str
    model_card: Path
    licence: Path


class TrainingConfig(Section):
    """One file.

    Attributes:
        windows_hu: one input channel each.
        pixel_mm: edge of the pixels that the network is given.
        ema_decay: of the moving average of the weights, which is then what is validated and written.
        validation: without it the last weights are written.
        output: folder of checkpoint, log, curves and bundle.
        threads: of PyTorch on the CPU; its own choice where none is given.
    """

    seed: int = Field(ge=0)
    data: Annotated[SyntheticData | CaseData | MixedData, Field(discriminator="kind")]
    network: Network
    windows_hu: tuple[Window, ...] = Field(min_length=1)
    pixel_mm: float = Field(gt=0)
    optimiser: Optimiser
    loss: Literal["cross_entropy", "cross_entropy_and_dice"]
    batch: Count
    length: Length
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    validation: Validation | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False
    threads: Count | None = None
    device: str = "auto"
    checkpoint_every_steps: Count
    log_every_steps: Count
    bundle: BundleSettings
    output: Path

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
            if not self.validation.people:
                raise ValueError("validation.people: say which subjects of data.cases to validate on")
            if trained_on := set(self.validation.people) - set(self.data.leave_out):
                raise ValueError(
                    f"validation.people: {', '.join(sorted(trained_on))} must be in data.leave_out"
                )
        elif self.validation.slices is None:
            raise ValueError("validation.slices: say how many slices to make")
        return self


def load_config(path: Path) -> TrainingConfig:
    """Read the file of a training.

    Raises:
        ConfigurationError: as ``read_settings``, or a text for the bundle is missing, which would only be
            noticed when training is done.
    """
    config = read_settings(path, TrainingConfig)
    for key, text in (("model_card", config.bundle.model_card), ("licence", config.bundle.licence)):
        if not text.is_file():
            raise ConfigurationError(f"{path} cannot be used:\n  bundle.{key}: there is no file {text}.")
    return config


def changed(config: TrainingConfig, **changes: object) -> TrainingConfig:
    """The same training with some keys changed, checked like a file.

    Raises:
        ConfigurationError: the changes do not fit the rest.
    """
    try:
        return TrainingConfig.model_validate(config.model_copy(update=changes).model_dump())
    except ValidationError as error:
        raise ConfigurationError(
            f"The training does not fit the data it is to be used on:\n{_explain(error)}"
        ) from None


def read_settings(path: Path, model: type[_Model]) -> _Model:
    """Read a file. Relative paths in it are relative to it, wherever the command was called.

    Raises:
        ConfigurationError: the file is missing, is not YAML, or breaks a rule.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} must be a mapping of keys, not a {type(document).__name__}.")
    try:
        # By way of JSON, in which lists are tuples and strings paths, however strict.
        settings = model.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise ConfigurationError(f"{path} cannot be used:\n{_explain(error)}") from None
    base = path.resolve().parent
    return _with_paths(settings, lambda relative: (base / relative).resolve())


def _with_paths(section: _Model, absolute: Callable[[Path], Path]) -> _Model:
    changed: dict[str, Any] = {}
    for name, value in section:
        if isinstance(value, Path):
            changed[name] = absolute(value)
        elif isinstance(value, BaseModel):
            changed[name] = _with_paths(value, absolute)
        elif isinstance(value, tuple):
            changed[name] = tuple(
                _with_paths(part, absolute) if isinstance(part, BaseModel) else part for part in value
            )
    return section.model_copy(update=changed)


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "the whole"
        given = "" if isinstance(problem["input"], dict | list | BaseModel) else f" is {problem['input']!r};"
        lines.append(f"  {key}{given or ':'} {problem['msg']}")
    return "\n".join(lines)
