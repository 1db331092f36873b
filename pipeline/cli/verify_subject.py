"""What there is to verify in a folder: the manifest's word on each source."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cli.run_state import RunState
from pipeline.errors import ConfigError
from pipeline.supervisor.manifest import MANIFEST


@dataclass(frozen=True, slots=True)
class Subject:
    """One source, as its record tells of it."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.record["source"])

    @property
    def live(self) -> bool:
        return bool(self.record.get("live"))

    @property
    def done(self) -> bool:
        """Whether it was finished: only then there are checksums."""
        return "checks" in self.record

    @property
    def checks(self) -> Mapping[str, Mapping[str, Any]]:
        """Size and SHA-256 of each output, by its path in the folder."""
        found: Mapping[str, Mapping[str, Any]] = self.record.get("checks") or {}
        return found

    @property
    def recording(self) -> Path:
        """Where the recording is, or was."""
        seen = self.record.get("recording") or {}
        return Path(seen.get("path") or self.record["path"])

    def made(self, paths: Sequence[Path]) -> bool:
        """Return whether outputs are among those that were made."""
        return all(path.relative_to(self.folder).as_posix() in self.checks for path in paths)


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder."""

    folder: Path
    subjects: tuple[Subject, ...]
    settings: Mapping[str, Any]
    unfinished: bool

    @property
    def endless(self) -> bool:
        """Whether it watches folders, so that nothing says when it is finished."""
        return bool(self.settings.get("decoder", {}).get("watch", {}).get("folders"))


def read_run(folder: Path) -> Run:
    """Return what is in a run's folder.

    Raises:
        ConfigError: there is no run, or its manifest can't be read.
    """
    state, path = RunState(folder), folder / MANIFEST
    if not path.is_file() and not state.unfinished:
        raise ConfigError(f"{folder} holds no {MANIFEST}: name the --output folder of a `detstream run`")
    manifest = _manifest(path) if path.is_file() else {}
    records = {record["source"]: record for record in state.records()}
    known = {record["source"]: record for record in manifest.get("sources", ())}
    # A run that was killed has no manifest, or that of the run before it was gone on with.
    merged = {name: {"source": name, **fields} for name, fields in _asked(folder)} | known | records
    subjects = tuple(Subject(folder, record) for record in merged.values())
    return Run(folder, subjects, manifest.get("settings", {}), state.unfinished)


def _manifest(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text())
        if all("source" in record for record in found["sources"]):
            return dict(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} can't be read as a manifest ({error}): copy it again, or run again") from error
    raise ConfigError(f"{path} is no manifest of a run: name the --output folder of a `detstream run`")


def _asked(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the sources that an unfinished run was asked for."""
    with suppress(OSError, ValueError, KeyError):
        state = json.loads((RunState(folder).path).read_text())
        for name, fields in state["sources"].items():
            yield name, {"path": fields["path"], "status": "interrupted", "error": "not finished"}
