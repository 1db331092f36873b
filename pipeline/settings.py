"""Settings: read once, from a YAML file and the environment over it, then frozen."""

import json
import os
import re
import socket
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from pipeline.errors import ConfigError
from pipeline.retention import RetentionSettings

PREFIX: Final = "DETSTREAM_"
WEIGHTS: Final = PREFIX + "WEIGHTS"  # the folder of downloaded weights: the one variable that is no setting of a stage
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
    retention: dict[str, RetentionSettings] = Field(default_factory=dict)
    """The same, and by seconds and MiB, for sources by name or pattern (`gate*`); the first that fits counts."""
    window: int | None = Field(default=None, ge=1)
    """Most frames in flight a source; from `memory_mb` if not given."""


class KernelSettings(BaseSettings):
    """What every stage reads; each stage adds its own section and ignores the others'."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=_NESTED, frozen=True, extra="forbid")

    redis: RedisSettings = RedisSettings()
    flow: FlowSettings = FlowSettings()
    memory_mb: int | None = Field(default=None, ge=1)
    """Bounds pixels and messages in flight, MiB; a quarter of what is free if not given."""
    ring_folder: Path | None = None
    """Where pixels wait; a folder on /dev/shm if not given."""
    name: str = Field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    """This process in consumer groups and leases: one that comes back under its old name goes on at once."""
    log_level: typing.Literal["debug", "info", "warning", "error"] = "info"
    secret_key: str | None = Field(default=None, min_length=16, repr=False)
    """Any text that is hard to guess, the same for all: URLs of cameras are sealed with it in Redis."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments only: `load` has put the environment over the file."""
        return (init_settings,)


S = TypeVar("S", bound=KernelSettings)


def load(kind: type[S], file: Path | None) -> S:
    """Return the settings of a stage from a YAML file, with the environment over it.

    Raises:
        ConfigError: one line that names the file, the key, the value and what is allowed.
    """
    values = read_yaml(file) if file else {}
    _refuse_unknown_keys(kind, file, values)
    _refuse_unknown_variables(kind)
    environment = _read_environment(kind)
    try:
        return kind(**merge(values, environment))
    except ValidationError as error:
        where = "environment" if _holds(environment, error.errors()[0]["loc"]) or file is None else str(file)
        raise ConfigError(f"{where}: {explain(kind, error.errors()[0])}") from error


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with others put over them key by key; what is of another `kind` is replaced whole."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping) and value.get("kind") in (None, below.get("kind")):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def explain(kind: type[BaseModel], error: ErrorDetails) -> str:
    """Return what is wrong in one line: the key, the value and what is allowed; passwords in URLs left out."""
    path = [str(part) for part in error["loc"]]
    name, message = ".".join(path), error["msg"]
    if error["type"] == "extra_forbidden" and (models := _models_at(kind, path[:-1])):
        return f"{name}: no such key; allowed: {', '.join(models[0].model_fields)}"
    if error["type"] == "union_tag_not_found":
        kinds = [tag for model in _models_at(kind, path) for tag in _tags(model)]
        return f"{name}: needs a kind; one of: {', '.join(kinds)}"
    if error["type"] == "value_error":
        return f"{name}: {message.removeprefix('Value error, ')}"
    hidden = isinstance(error["input"], dict | BaseModel)
    value = "" if hidden else re.sub(r"//[^/@]*@", "//…@", f": {error['input']!r:.100}")
    return f"{name}{value}: {message}"


def bare_environment() -> dict[str, str]:
    """Return the environment without our settings, for a process whose settings are all in its file."""
    return {name: value for name, value in os.environ.items() if not _is_setting(name)}


def variables() -> dict[str, str]:
    """Return what `${NAME}` in a camera's URL may stand for: the environment without our settings."""
    return bare_environment()


def weights_folder() -> Path:
    """Return the folder of downloaded weights: DETSTREAM_WEIGHTS, or one in the user's cache."""
    if folder := os.environ.get(WEIGHTS):
        return Path(folder).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path("~/.cache").expanduser()) / "detstream" / "weights"


def read_yaml(file: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: the file can't be read or is no mapping.
    """
    try:
        values = json.loads(file.read_text()) if file.suffix == ".json" else yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: can't be read: {getattr(error, 'strerror', None) or error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that there is not
        raise ConfigError(f"{file}: is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict | None):
        raise ConfigError(f"{file}: must be a mapping of settings, is a {type(values).__name__}")
    return values or {}


def _refuse_unknown_keys(kind: type[BaseSettings], file: Path | None, values: Mapping[Any, Any]) -> None:
    for key in values:
        if key not in kind.model_fields:
            raise ConfigError(f"{file}: {key}: no such key; allowed: {', '.join(kind.model_fields)}")


def _refuse_unknown_variables(kind: type[BaseSettings]) -> None:
    known = {PREFIX + name.upper(): field for name, field in kind.model_fields.items()}
    for variable in os.environ:
        name, nested, _ = variable.upper().partition(_NESTED)
        if not _is_setting(variable):
            continue
        if name not in known:
            names = ", ".join(sorted(name.lower().removeprefix(PREFIX.lower()) for name in known))
            raise ConfigError(f"environment: {variable} is no setting; it must start with {PREFIX} and one of: {names}")
        if nested and known[name].annotation is not Any and not [*_models(known[name].annotation)]:
            raise ConfigError(f"environment: {variable} is no setting; {name} has no parts")


def _is_setting(variable: str) -> bool:
    return variable.upper().startswith(PREFIX) and variable != WEIGHTS


def _read_environment(kind: type[BaseSettings]) -> dict[str, Any]:
    try:
        return EnvSettingsSource(kind)()
    except SettingsError as error:
        text = getattr(error.__cause__, "doc", "")
        names = [name for name, value in os.environ.items() if name.upper().startswith(PREFIX) and value == text]
        raise ConfigError(
            f'environment: {" or ".join(names)}: must be JSON, such as ["a", "b"] or {{"key": 1}}, is no JSON'
        ) from error


def _holds(values: Any, path: Sequence[str | int]) -> bool:
    """Return whether the value at a path of keys is in there; the path also names the kinds that it went through."""
    node, found = values, False
    for part in path:
        if isinstance(node, list) and isinstance(part, int) and part < len(node):
            node, found = node[part], True
        elif isinstance(node, Mapping) and part in node:
            node, found = node[str(part)], True
        elif found:
            found = False  # perhaps a kind: what follows must be there
        else:
            return False
    return found


def _models_at(kind: Any, path: Sequence[str]) -> list[type[BaseModel]]:
    """Return the models that may stand at a path of keys, through lists and unions."""
    models = list(_models(kind))
    if not path:
        return models
    for model in models:
        if path[0] in model.model_fields:
            return _models_at(model.model_fields[path[0]].annotation, path[1:])
    tagged = [model for model in models if path[0] in _tags(model)]
    return _models_at(tagged[0] if tagged else kind, path[1:]) if tagged or path[0].isdigit() else []


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    return typing.get_args(getattr(model.model_fields.get("kind"), "annotation", None))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)
