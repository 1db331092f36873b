"""What a run's folder says of the run: what was asked for, what is done, and whether it may be gone on with."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.errors import ConfigError, SinkError
from pipeline.supervisor.manifest import MANIFEST

STATE_FOLDER: Final = ".detstream"
_STATE: Final = "_run.json"
"""No source has a name that begins like this, and each has a file of its name beside it."""
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What outputs depend on: a run is only gone on with if it is the same."""

    sources: Mapping[str, Mapping[str, Any]]
    """By name: path, size in bytes and time of change of each recording."""
    settings: Mapping[str, Any]
    model_sha256: str

    def difference(self, other: "Asked") -> str | None:
        """Return in what another run was not asked for the same, None if in nothing."""
        for name in [*self.sources, *other.sources]:
            ours, theirs = self.sources.get(name), other.sources.get(name)
            if ours is None or theirs is None:
                return f"the source {name} is {'new' if theirs is None else 'missing'}"
            if ours != theirs:
                return f"the recording of {name} is not the same as then ({ours['path']})"
        for name, value in flat(self.settings).items():
            before = flat(other.settings).get(name)
            if before != value:
                return f"{name} was {before!r}, is {value!r}"
        return None if self.model_sha256 == other.model_sha256 else "the model's weights are not the same as then"


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level: `detector.conf`."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{name}.")
        else:
            result[prefix + name] = value
    return result


class RunState:
    """The state of a run in its folder."""

    def __init__(self, output: Path) -> None:
        self._output, self._folder = output, output / STATE_FOLDER

    @property
    def path(self) -> Path:
        """The file that says what was asked for."""
        return self._folder / _STATE

    @property
    def unfinished(self) -> bool:
        """Whether there is a run to go on with."""
        return (self._folder / _STATE).is_file()

    def begin(self, asked: Asked, outputs: Sequence[Path], *, resume: bool, force: bool) -> None:
        """Begin, or go on; see that nothing of an earlier run is lost unasked.

        Raises:
            ConfigError: there is something, and neither `resume` nor `force` is given, or it is of another run.
        """
        if self.unfinished and not force:
            self._go_on(asked, resume=resume)
            return
        if resume and not force and (self._output / MANIFEST).exists():
            raise ConfigError(f"{self._output} holds a finished run: nothing is left to do; --force starts over")
        self._clear(outputs, force=force)
        self._write(asked)

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield what became of the sources that are finished."""
        for path in sorted(self._folder.glob("*.json")):
            with suppress(OSError, ValueError):
                found = json.loads(path.read_text())
                if "source" in found:
                    yield found

    def finish(self) -> None:
        """Remove what is only needed to go on; at once, as with a half of it nobody could."""
        over = self._folder.with_name(f"{STATE_FOLDER}.over")
        shutil.rmtree(over, ignore_errors=True)
        with suppress(OSError):
            _sync(self._output)  # first the manifest
            self._folder.replace(over)
        shutil.rmtree(over, ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _go_on(self, asked: Asked, *, resume: bool) -> None:
        before = self._read()
        done, of = len(list(self.records())), f" of {len(before.sources)}" if before.sources else ""
        what = f"{self._output} holds an unfinished run ({done}{of} recordings done)"
        if not resume:
            raise ConfigError(f"{what}: go on with it with --resume, or start over with --force")
        if difference := asked.difference(before):
            raise ConfigError(f"{what}, but not of this: {difference}; ask for the same, or start over with --force")

    def _clear(self, outputs: Sequence[Path], *, force: bool) -> None:
        existing = [path for path in outputs if path.exists()]
        if existing and not force:
            raise ConfigError(f"{existing[0]} exists: choose another --output, or overwrite it with --force")
        for path in existing:
            path.unlink()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> Asked:
        path = self._folder / _STATE
        try:
            found = json.loads(path.read_text())
            if found["v"] == _VERSION:
                return Asked(found["sources"], found["settings"], found["model_sha256"])
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{path} is damaged ({error}): start over with --force") from error
        raise ConfigError(f"{path} is of another version of detstream: start over with --force")

    def _write(self, asked: Asked) -> None:
        fields = {"v": _VERSION, **{name: getattr(asked, name) for name in Asked.__slots__}}
        path, draft = self._folder / _STATE, self._folder / f"{_STATE}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with draft.open("w") as file:
                json.dump(fields, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            for folder in (self._folder, self._output):
                _sync(folder)
        except OSError as error:
            raise SinkError(f"{path}: can't be written: {error.strerror}") from error


def _sync(folder: Path) -> None:
    """Return when names made in the folder survive a loss of power: before the first output has one."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
