"""What a run's folder says of the run: what was asked for, what is done, and whether it may be gone on with."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from glob import escape
from itertools import chain
from pathlib import Path
from typing import Any, Final

from pipeline.cli.asked import Asked, Records, asked_in
from pipeline.errors import ConfigError, SinkError
from pipeline.supervisor.manifest import MANIFEST

STATE_FOLDER: Final = ".detstream"
_STATE: Final = "_run.json"
"""No source has a name that begins like this, and each has a file of its name beside it."""


class RunState:
    """The state of a run in its folder."""

    def __init__(self, output: Path) -> None:
        self._output, self._folder, self._manifest = output, output / STATE_FOLDER, output / MANIFEST

    @property
    def path(self) -> Path:
        """The file that says what was asked for."""
        return self._folder / _STATE

    @property
    def unfinished(self) -> bool:
        """Whether there is a run to go on with."""
        return (self._folder / _STATE).is_file()

    def begin(
        self,
        asked: Asked,
        outputs: Mapping[str, Iterable[Path]],
        *,
        resume: bool,
        force: bool,
        live: bool = False,
    ) -> bool:
        """Begin, or go on; see that nothing of an earlier run is lost unasked. Return whether anything is left to do.

        A finished run is gone on with, too, with what is new. `outputs`: of each source, and by no name those of
        all together. `live`: there are cameras, too, so that there is always something to do.

        Raises:
            ConfigError: there is something, and neither `resume` nor `force` is given, or it is of another run.
        """
        if self.unfinished and not force:
            self._go_on(asked, outputs, resume=resume)
        elif resume and not force and self._manifest.exists():
            return self._extend(asked, outputs, live=live)
        else:
            self._clear([self._manifest, *chain.from_iterable(outputs.values())], force=force)
            self._write(asked)
        return True

    def spare(self) -> None:
        """See that a run of cameras alone doesn't take the place of one of recordings.

        Raises:
            ConfigError: there is one.
        """
        known = self.unfinished or (self._manifest.exists() and self.finished().get("asked"))
        if known:
            what = "choose another --output for the cameras, or overwrite its manifest with --force"
            raise ConfigError(f"{self._output} holds a run of recordings: {what}")

    @property
    def asked(self) -> dict[str, Any]:
        """What this run and those that it goes on with were asked for, as JSON keeps it."""
        return self._read().fields

    def finished(self) -> dict[str, Any]:
        """Return the manifest of a run that is finished.

        Raises:
            ConfigError: it can't be read.
        """
        try:
            return dict(json.loads(self._manifest.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"{self._manifest} is damaged ({error}): start over with --force") from error

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield what became of the sources that are finished."""
        for path in sorted(self._folder.glob("*.json")):
            with suppress(OSError, ValueError):
                found = json.loads(path.read_text())
                if "source" in found:
                    yield found

    @property
    def over(self) -> bool:
        """Whether all recordings that were asked for are done; of a watched folder never."""
        if not self.unfinished:
            return True
        asked, done = self._read(), {record["source"] for record in self.records()}
        return asked.sources.keys() <= done and not asked.settings.get("watch", {}).get("folders")

    def finish(self) -> None:
        """Remove what is only needed to go on; at once, as with a half of it nobody could."""
        over = self._folder.with_name(f"{STATE_FOLDER}.over")
        shutil.rmtree(over, ignore_errors=True)
        with suppress(OSError):
            _sync(self._output)  # first the manifest
            self._folder.replace(over)
        shutil.rmtree(over, ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _go_on(self, asked: Asked, outputs: Mapping[str, Iterable[Path]], *, resume: bool) -> None:
        before, done = self._read(), {record["source"]: record for record in self.records()}
        of = f" of {len(before.sources)}" if before.sources else ""
        what = f"{self._output} holds an unfinished run ({len(done)}{of} recordings done)"
        if not resume:
            raise ConfigError(f"{what}: go on with it with --resume, or start over with --force")
        if difference := asked.difference(before, done):
            raise ConfigError(f"{what}, but not of this: {difference}; ask for the same, or start over with --force")
        _refuse_existing(asked.new(before), outputs)
        self._add(asked, before, done, outputs)

    def _extend(self, asked: Asked, outputs: Mapping[str, Iterable[Path]], *, live: bool) -> bool:
        """Make a finished run one that has something left to do; return whether there is anything."""
        found = self.finished()
        before = asked_in(self._manifest, found.get("asked"))
        done = {source["source"]: source for source in found.get("sources", ()) if "checks" in source}
        what = f"{self._output} holds a finished run"
        if undone := before.sources.keys() - done.keys():
            lost = f"not what is needed to go on with {min(undone)} ({STATE_FOLDER}/)"
            raise ConfigError(f"{self._output} holds a run that was cut short, and {lost}: start over with --force")
        if difference := asked.difference(before, done):
            other = "choose another --output, or start over with --force"
            raise ConfigError(f"{what}, but not of this: {difference}; {other}")
        if not (live or asked.new(before) or asked.again(before, done)):
            return False
        _refuse_existing(asked.new(before), outputs)
        self._keep_records(done)
        self._add(asked, before, done, outputs)
        return True

    def _add(self, asked: Asked, before: Asked, done: Records, outputs: Mapping[str, Iterable[Path]]) -> None:
        """Go on, with new sources beside those that there were, and anew with those that failed and are mended."""
        together = asked.beside(before)
        if together != before or not self.unfinished:
            self._write(together)
        for name in asked.again(before, done):
            self._forget(name, together.sources.keys() | done.keys(), outputs.get(name, ()))

    def _forget(self, name: str, sources: Iterable[str], outputs: Iterable[Path]) -> None:
        """Remove all that is left of a source; last, that it is done."""
        record = self._folder / f"{name}.json"
        others = tuple(f"{other}." for other in sources if other.startswith(f"{name}."))
        kept = [path for path in self._folder.glob(f"{escape(name)}.*") if not path.name.startswith(others)]
        for path in [*outputs, *(path for path in kept if path != record), record]:
            path.unlink(missing_ok=True)

    def _keep_records(self, done: Records) -> None:
        """Write what became of each source, as if the run had not been finished."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, record in done.items():
            (self._folder / f"{name}.json").write_text(json.dumps(record))
        os.sync()  # once, where there may be ten thousand

    def _clear(self, outputs: Iterable[Path], *, force: bool) -> None:
        existing = [path for path in outputs if path.exists()]
        if existing and not force:
            raise ConfigError(f"{existing[0]} exists: choose another --output, or overwrite it with --force")
        for path in existing:
            path.unlink()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> Asked:
        try:
            return asked_in(self.path, json.loads(self.path.read_text()))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self.path} is damaged ({error}): start over with --force") from error

    def _write(self, asked: Asked) -> None:
        path, draft = self.path, self._folder / f"{_STATE}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with draft.open("w") as file:
                json.dump(asked.fields, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            for folder in (self._folder, self._output):
                _sync(folder)
        except OSError as error:
            raise SinkError(f"{path}: can't be written: {error.strerror}") from error


def _refuse_existing(new: Iterable[str], outputs: Mapping[str, Iterable[Path]]) -> None:
    for path in chain.from_iterable(outputs.get(name, ()) for name in new):
        if path.exists():
            raise ConfigError(f"{path} exists, and is not of this run: move it away, or start over with --force")


def _sync(folder: Path) -> None:
    """Return when names made in the folder survive a loss of power: before the first output has one."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
