"""Settings: read once, from a YAML file and the environment over it, then frozen."""

import os
import socket
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.errors import ConfigError

PREFIX: Final = "DETSTREAM_"
_NESTED: Final = "__"


class Section(BaseModel):
    """A part of the settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RedisSettings(Section):
    """The broker."""

    url: str | None = None
    """`redis://`, `rediss://` or `unix://`; `detstream run` starts a server of its own if there is none."""
    connect_timeout_s: float = Field(default=8.0, gt=0, le=60)
    claim_after_s: float = Field(default=10.0, gt=0)
    """Entries that a consumer has held for longer are given to another one."""
    max_deliveries: int = Field(default=3, ge=1)
    """A frame that was handed out more often than this goes to the dead letters and is reported as failed."""


class FlowSettings(Section):
    """What is agreed between the stages: which pictures are stored, and who must see every frame."""

    picture_size: tuple[int, int] = (636, 636)
    """Height and width that the detector's pictures are scaled to fit into: 636 for a model with an input of 640."""
    frame_store: typing.Literal["ring", "redis"] = "ring"
    """Where pixels wait: in shared memory, or in Redis where stages run on several hosts."""
    full_size: bool = True
    """Whether the full-size picture is stored too, for sinks that draw."""
    required: tuple[str, ...] = ("annotator",)
    """Consumers that must see each frame: they hold the decoder back."""
    retain: int = Field(default=1000, ge=0)
    """Frames a source that stay in its public stream after all required consumers have them, for late readers."""
    window: int | None = Field(default=None, ge=1)
    """Most frames in flight a source; from `memory_mb` if not given."""


class KernelSettings(BaseSettings):
    """What every stage reads; each stage adds its own section and ignores the others'."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=_NESTED,
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    redis: RedisSettings = RedisSettings()
    flow: FlowSettings = FlowSettings()
    memory_mb: int | None = Field(default=None, ge=1)
    """Bounds pixels and messages in flight, MiB; a quarter of what is free if not given."""
    ring_folder: Path | None = None
    """Where pixels wait; a folder on /dev/shm if not given."""
    name: str = Field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    """This process in consumer groups and leases: one that comes back under its old name goes on at once."""
    log_level: typing.Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment over the file, whose content comes as arguments."""
        return env_settings, init_settings


S = TypeVar("S", bound=KernelSettings)


def load(kind: type[S], file: Path | None) -> S:
    """Return the settings of a stage from a YAML file, with the environment over it.

    Raises:
        ConfigError: one line that names the file, the key, the value and what is allowed.
    """
    values = read_yaml(file) if file else {}
    _refuse_unknown_variables(kind)
    try:
        return kind(**values)
    except ValidationError as error:
        raise ConfigError(_explain(kind, file, values, error.errors()[0])) from error
    except ValueError as error:  # pydantic-settings: a variable that should be JSON is none
        raise ConfigError(f"environment: {error}") from error


def bare_environment() -> dict[str, str]:
    """Return the environment without our variables, for a process whose settings are all in its file."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(PREFIX)}


def read_yaml(file: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: the file can't be read or is no mapping.
    """
    try:
        values = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: can't be read: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict | None):
        raise ConfigError(f"{file}: must be a mapping of settings, is a {type(values).__name__}")
    return values or {}


def _refuse_unknown_variables(kind: type[BaseSettings]) -> None:
    known = {PREFIX + name.upper() for name in kind.model_fields}
    for variable in os.environ:
        if variable.upper().startswith(PREFIX) and variable.upper().split(_NESTED)[0] not in known:
            names = ", ".join(sorted(name.lower().removeprefix(PREFIX.lower()) for name in known))
            raise ConfigError(f"environment: {variable} is no setting; it must start with {PREFIX} and one of: {names}")


def _explain(kind: type[BaseSettings], file: Path | None, values: dict[str, Any], error: ErrorDetails) -> str:
    path = [str(part) for part in error["loc"]]
    where = "environment" if _is_from_environment(kind, path) or file is None else str(file)
    value = "" if isinstance(error["input"], dict | BaseModel) else f": {error['input']!r:.100}"
    allowed = _allowed_keys(kind, path[:-1]) if error["type"] == "extra_forbidden" else ()
    if allowed:
        return f"{where}: {'.'.join(path)}: no such key; allowed: {', '.join(allowed)}"
    return f"{where}: {'.'.join(path)}{value}: {error['msg']}"


def _is_from_environment(kind: type[BaseSettings], path: list[str]) -> bool:
    node: Any = EnvSettingsSource(kind)()
    for part in path:
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True


def _allowed_keys(kind: Any, path: list[str]) -> tuple[str, ...]:
    """Return the keys of the model at a path of keys, through lists and unions; the first that fits."""
    models = list(_models(kind))
    if not path:
        return tuple(models[0].model_fields) if models else ()
    for model in models:
        if path[0] in model.model_fields:
            return _allowed_keys(model.model_fields[path[0]].annotation, path[1:])
    tagged = [
        model
        for model in models
        if path[0] in typing.get_args(getattr(model.model_fields.get("kind"), "annotation", None))
    ]
    return _allowed_keys(tagged[0] if tagged else kind, path[1:]) if tagged or path[0].isdigit() else ()


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)
