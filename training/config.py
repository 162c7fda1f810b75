"""What is trained on what, and how: what all YAML files in ``training/configs`` have in common."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.errors import ConfigurationError

Count = Annotated[int, Field(gt=0)]

_Model = TypeVar("_Model", bound=BaseModel)
Training = TypeVar("Training", bound="TrainingConfig")


class Section(BaseModel):
    """Part of a file: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PeopleData(Section):
    """People to train on.

    Attributes:
        leave_out: who is not trained on.
    """

    leave_out: tuple[str, ...] = ()


class CaseData(PeopleData):
    """Annotated cases.

    Attributes:
        cases: folder, as ``training.case_files`` describes it.
    """

    kind: Literal["cases"]
    cases: Path


class Optimiser(Section):
    """Adam; with a weight decay AdamW (Loshchilov 2019).

    Attributes:
        warmup_steps: over which the learning rate rises from nothing; only with the cosine.
        clip_norm: longer gradients are shortened to it; without it none are.
    """

    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "cosine"]
    warmup_steps: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)

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


class BaseValidation(Section):
    """On what the best weights are chosen.

    Attributes:
        people: of the data; with synthetic data others made from those trained on where none is named.
        every_steps: how often.
    """

    people: tuple[str, ...] = ()
    every_steps: Count


class BundleSettings(Section):
    """What is said about the network in its bundle.

    Attributes:
        model_card: Markdown file.
        licence: text file.
        weights: in which precision they are written.
    """

    name: str
    version: str
    description: str
    authors: str
    copyright: str
    model_card: Path
    licence: Path
    weights: Literal["float32", "float16"] = "float32"


class TrainingConfig(Section):
    """What every training says.

    Attributes:
        ema_decay: of the moving average of the weights, which is then what is validated and written.
        output: folder of checkpoint, log, curves and bundle.
        threads: of PyTorch on the CPU; its own choice where none is given.
    """

    task: str
    seed: int = Field(ge=0)
    optimiser: Optimiser
    batch: Count
    length: Length
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    validation: BaseValidation | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    threads: Count | None = None
    device: str = "auto"
    checkpoint_every_steps: Count
    log_every_steps: Count
    bundle: BundleSettings
    output: Path


def require_left_out(people: tuple[str, ...], data: CaseData) -> None:
    """Check whom to validate on: someone, whom nobody trains on.

    Raises:
        ValueError: says which key is wrong.
    """
    if not people:
        raise ValueError("validation.people: say which subjects of data.cases to validate on")
    if trained_on := set(people) - set(data.leave_out):
        raise ValueError(f"validation.people: {', '.join(sorted(trained_on))} must be in data.leave_out")


def read_training(path: Path, model: type[Training]) -> Training:
    """Read the file of a training.

    Raises:
        ConfigurationError: as ``read_settings``, or a text for the bundle is missing, which would only be
            noticed when training is done.
    """
    config = read_settings(path, model)
    for key, text in (("model_card", config.bundle.model_card), ("licence", config.bundle.licence)):
        if not text.is_file():
            raise ConfigurationError(f"{path} cannot be used:\n  bundle.{key}: there is no file {text}.")
    return config


def changed(config: Training, **changes: object) -> Training:
    """The same training with some keys changed, checked like a file.

    Raises:
        ConfigurationError: the changes do not fit the rest.
    """
    try:
        return type(config).model_validate(config.model_copy(update=changes).model_dump())
    except ValidationError as error:
        raise ConfigurationError(
            f"The training does not fit the data it is to be used on:\n{_explain(error)}"
        ) from None


def read_settings(path: Path, model: type[_Model]) -> _Model:
    """Read a file. Relative paths in it are relative to it, wherever the command was called.

    Raises:
        ConfigurationError: the file is missing, is not YAML, or breaks a rule.
    """
    document = read_document(path)
    try:
        # By way of JSON, in which lists are tuples and strings paths, however strict.
        settings = model.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise ConfigurationError(f"{path} cannot be used:\n{_explain(error)}") from None
    base = path.resolve().parent
    return _with_paths(settings, lambda relative: (base / relative).resolve())


def read_document(path: Path) -> dict[str, Any]:
    """The keys of a YAML file, unchecked.

    Raises:
        ConfigurationError: the file is missing, or is not a mapping in YAML.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} must be a mapping of keys, not a {type(document).__name__}.")
    return document


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
