"""config.yaml -> validated settings; an error names the key, the value and the rule.

Every key has a default that is safe on a machine nobody has prepared: the node listens on the loopback
interface only, and knows no destination. The file is documented in itself.
"""

import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from inference.pipelines import PIPELINE_NAMES
from node.routes import Route

AeTitle = Annotated[
    str, Field(min_length=1, max_length=16, pattern=r"^[\x20-\x5B\x5D-\x7E]*[\x21-\x5B\x5D-\x7E]$")
]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0)]

Named = TypeVar("Named", "Peer", Route)

ANY_CALLER = "*"


class ConfigurationError(Exception):
    """config.yaml cannot be used; the text says which key, which value and which rule."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Caller(_Section):
    """Who may send: an AE title (``*`` for any), and where it may call from."""

    ae_title: AeTitle
    address: str | None = None

    @field_validator("address")
    @classmethod
    def _is_address_or_network(cls, value: str | None) -> str | None:
        if value is not None:
            ip_network(value, strict=False)
        return value


class ReceiveSettings(_Section):
    """The C-STORE and C-ECHO SCP."""

    ae_title: AeTitle = "COXA"
    bind: str = "127.0.0.1"
    port: Port = 11112
    require_called_ae: bool = True
    allow: list[Caller] = []
    max_associations: int = Field(default=20, ge=1)
    max_pdu_bytes: int = Field(default=131072, ge=4096, le=1048576)
    acse_timeout_s: Seconds = 30
    dimse_timeout_s: Seconds = 60
    network_timeout_s: Seconds = 60
    min_free_disk_bytes: int = Field(default=5_000_000_000, ge=0)
    on_conflict: Literal["keep_first", "keep_last"] = "keep_first"

    @model_validator(mode="after")
    def _off_loopback_names_its_callers(self) -> Self:
        if not ip_address(self.bind).is_loopback and not self.allow:
            raise ValueError(
                f"receive.bind {self.bind} opens the port to a network, so receive.allow must name who may "
                f"send (ae_title: '{ANY_CALLER}' admits everybody)"
            )
        return self


class Peer(_Section):
    """Another DICOM node: a destination, or one that answers questions."""

    name: str = Field(min_length=1)
    ae_title: AeTitle
    host: str = Field(min_length=1)
    port: Port
    calling_ae_title: AeTitle = "COXA"
    timeout_s: Seconds = 30


class CompletionSettings(_Section):
    """When a study is whole."""

    quiet_s: Seconds = 60
    ask: str | None = None


class ClusterSettings(_Section):
    """Where the work runs."""

    workers: int = Field(default=1, ge=1)
    memory_limit_bytes: int = Field(default=12_000_000_000, ge=500_000_000)
    job_limit_s: Seconds = 1800


class RetrySettings(_Section):
    """What happens to work that failed."""

    attempts: int = Field(default=4, ge=1)
    first_delay_s: Seconds = 30
    longest_delay_s: Seconds = 3600


class DeliverySettings(_Section):
    """How long to try a destination that does not answer."""

    first_delay_s: Seconds = 10
    longest_delay_s: Seconds = 1800
    give_up_after_s: Seconds = 7 * 24 * 3600


class ClinicalSettings(_Section):
    """What the images do not say of their patients."""

    csv: Path | None = None


class OutputSettings(_Section):
    """What is written."""

    segmentation: Literal["BINARY", "LABELMAP"] = "BINARY"


def _packaged_routes() -> list[dict[str, Any]]:
    document = yaml.safe_load(files("node").joinpath("config.yaml").read_text(encoding="utf-8"))
    routes: list[dict[str, Any]] = document["routes"]
    return routes


class Settings(BaseSettings):
    """Everything an operator decides. Environment variables win over the file: COXA_RECEIVE__PORT=104."""

    model_config = SettingsConfigDict(
        env_prefix="COXA_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    data_folder: Path = Path("coxa-data")
    receive: ReceiveSettings = ReceiveSettings()
    peers: list[Peer] = []
    destinations: list[str] = []
    completion: CompletionSettings = CompletionSettings()
    routes: list[Route] = Field(default_factory=_packaged_routes)  # type: ignore[arg-type]
    cluster: ClusterSettings = ClusterSettings()
    retry: RetrySettings = RetrySettings()
    delivery: DeliverySettings = DeliverySettings()
    clinical: ClinicalSettings = ClinicalSettings()
    output: OutputSettings = OutputSettings()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then what the file said."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> Self:
        for kind, names in (
            ("peers", [p.name for p in self.peers]),
            ("routes", [r.name for r in self.routes]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{kind}: the name {twice[0]!r} is used twice")
        for route in self.routes:
            if route.pipeline not in PIPELINE_NAMES:
                raise ValueError(
                    f"route {route.name!r} runs {route.pipeline!r}, which is no pipeline. "
                    f"Known: {', '.join(PIPELINE_NAMES)}"
                )
        known = {peer.name for peer in self.peers}
        if len(set(self.destinations)) < len(self.destinations):
            raise ValueError("destinations: a name is used twice")
        used = {name for route in self.routes for name in self.destinations_of(route)} | set(
            self.destinations
        )
        asked = {self.completion.ask} if self.completion.ask else set()
        for name in sorted(used | asked):
            if name not in known:
                raise ValueError(f"{name!r} is named in destinations or completion.ask, but not in peers")
        return self

    @property
    def spool_folder(self) -> Path:
        """Received instances."""
        return self.data_folder / "spool"

    @property
    def results_folder(self) -> Path:
        """Objects made, one folder a result."""
        return self.data_folder / "results"

    @property
    def patient_secret_file(self) -> Path:
        """With what patients are turned into keys."""
        return self.data_folder / "patient-secret"

    @property
    def database_file(self) -> Path:
        """The rows of work."""
        return self.data_folder / "coxa.sqlite"

    @property
    def database_url(self) -> str:
        """The same, as SQLAlchemy names it."""
        return f"sqlite:///{self.database_file}"

    def route(self, name: str) -> Route:
        """The route of this name.

        Raises:
            ConfigurationError: there is none.
        """
        return _named(self.routes, name, "route")

    def destinations_of(self, route: Route) -> Sequence[str]:
        """Names of the peers that get a route's results."""
        return self.destinations if route.destinations is None else route.destinations

    def peer(self, name: str) -> Peer:
        """The peer of this name.

        Raises:
            ConfigurationError: there is none.
        """
        return _named(self.peers, name, "peer")


def _named(things: Sequence[Named], name: str, kind: str) -> Named:
    for thing in things:
        if thing.name == name:
            return thing
    known = ", ".join(thing.name for thing in things) or "none"
    raise ConfigurationError(f"There is no {kind} {name!r} in the configuration. Known: {known}.")


def load_settings(path: Path | None = None) -> Settings:
    """Reads the file named, else the one in ``COXA_CONFIG``, else ``config.yaml`` here, else the defaults.

    Relative paths are relative to the file that names them, so that a service finds its data whatever folder
    it was started from.

    Raises:
        ConfigurationError: the file is missing, is not YAML, or breaks a rule.
    """
    named = path or (Path(os.environ["COXA_CONFIG"]) if "COXA_CONFIG" in os.environ else None)
    source = named or Path("config.yaml")
    if named is None and not source.is_file():
        return _validated({}, "defaults", Path.cwd())
    try:
        document = yaml.safe_load(source.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigurationError(f"{source} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{source} is not YAML: {error}") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{source} must be a mapping of keys, not a {type(document).__name__}.")
    return _validated(document, str(source), source.resolve().parent)


def _validated(document: Mapping[str, Any], source: str, base: Path) -> Settings:
    try:
        settings = Settings(**document)
    except ValidationError as error:
        raise ConfigurationError(f"{source} cannot be used:\n{_explain(error)}") from None
    except SettingsError as error:
        raise ConfigurationError(f"An environment variable COXA_... cannot be used: {error}.") from None
    return _with_absolute_paths(settings, base)


def _with_absolute_paths(settings: Settings, base: Path) -> Settings:
    routes = [
        route.model_copy(update={"bundle": route.bundle and (base / route.bundle).resolve()})
        for route in settings.routes
    ]
    data_folder = (base / settings.data_folder).resolve()
    csv = settings.clinical.csv
    clinical = ClinicalSettings(csv=csv and (base / csv).resolve())
    return settings.model_copy(update={"data_folder": data_folder, "routes": routes, "clinical": clinical})


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "the whole"
        given = "" if isinstance(problem["input"], dict | list | BaseModel) else f" is {problem['input']!r};"
        lines.append(f"  {key}{given or ':'} {problem['msg']}")
    return "\n".join(lines)
