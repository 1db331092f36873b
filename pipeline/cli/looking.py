"""What `detstream predict` does and shows."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import IO, Any, Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from detstream import NAS, Result
from detstream.saving import Saver
from detstream.sources import listed
from pipeline import log
from pipeline.errors import ConfigError, SinkError

_LINES: Final = "detections.jsonl"


@dataclass(frozen=True, slots=True)
class Files:
    """What is to be written."""

    folder: Path
    images: bool
    lines: bool
    force: bool


@dataclass(slots=True)
class _Tally:
    """What was found in one source."""

    source: str
    pictures: int = 0
    errors: list[str] = field(default_factory=list)
    objects: Counter[str] = field(default_factory=Counter)
    pictures_with: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    shares: dict[str, float] = field(default_factory=dict)
    """Sum of the confidences."""

    def add(self, result: Result) -> None:
        if result.error is not None:
            self.errors.append(result.error)
            return
        self.pictures += 1
        here = Counter(result.class_name)
        self.objects += here
        self.pictures_with.update(here.keys())
        self.most |= here
        for name, share in zip(result.class_name, result.confidence.tolist(), strict=True):
            self.shares[name] = self.shares.get(name, 0.0) + share

    def line(self) -> str:
        """Return what is in it in one line."""
        counts = [f"{count} {name}{'s' * (count > 1)}" for name, count in self.most.most_common()]
        frames = f" at most at once, in {self.pictures} frames" if counts else f" in {self.pictures} frames"
        seen = (", ".join(counts) or "nothing") + (frames if self.pictures > 1 else "")
        failed = f"; {len(self.errors)} failed: {self.errors[0]}" if self.errors else ""
        return f"{self.source}: {seen if self.pictures else 'not looked at'}{failed}"

    def table(self) -> Table:
        """Return what is in it, a row a class."""
        table = Table(title=escape(f"{self.source} ({_counted(self.pictures)})"), title_justify="left", box=None)
        for heading in ("class", "detections", "pictures", "most at once", "mean confidence"):
            table.add_column(heading, justify="left" if heading == "class" else "right")
        for name, count in self.objects.most_common():
            numbers = (count, self.pictures_with[name], self.most[name])
            table.add_row(escape(name), *map(str, numbers), f"{self.shares[name] / count:.2f}")
        return table


def look(
    sources: Sequence[str], model: NAS, options: dict[str, Any], files: Files, stop: Event, *, show_table: bool
) -> int:
    """Look at all sources, write and show what was found, and return the exit code: 0, 1 or 130 as of `run`.

    Raises:
        ConfigError: wrong arguments; nothing was started.
        DetstreamError: it can't go on.
    """
    log.configure("predict", level="error")  # what fails is said at the end of its source
    console, began_s, interrupted = Console(stderr=True), time.monotonic(), False
    tallies: list[_Tally] = []
    paths = list(listed(list(sources)).paths)
    with ExitStack() as stack:
        stack.callback(model.close)
        results = model.predict(paths, stream=True, **options)
        writers = stack.enter_context(_Writers(files, paths))
        bar = stack.enter_context(_Bar(console, len(paths)))
        for result in results:
            if not tallies or tallies[-1].source != result.path:
                bar.aside(tallies[-1:], as_table=show_table)
                tallies.append(_Tally(result.path))
            tallies[-1].add(result)
            writers.add(result)
            bar.step(result)
            if interrupted := stop.is_set():
                break
        bar.aside(tallies[-1:], as_table=show_table)
        engine = model.engine
    _sum_up(console, sum(tally.pictures for tally in tallies), time.monotonic() - began_s, engine)
    return 130 if interrupted else 1 if any(tally.errors for tally in tallies) else 0


class _Writers:
    """The outputs of a command."""

    def __init__(self, files: Files, sources: Sequence[Path]) -> None:
        """Check that they may be written.

        Raises:
            ConfigError: they may not.
        """
        self._lines: IO[str] | None = None
        self._saver = Saver(files.folder, force=files.force) if files.images or files.lines else None
        self._images = files.images
        if self._saver is not None and self._images:
            self._saver.reserve(sources)
        if files.lines:
            self._lines = _opened(files.folder / _LINES, force=files.force)

    def add(self, result: Result) -> None:
        """Write a result."""
        if self._saver is not None and self._images:
            self._saver.add(result)
        if self._lines is not None:
            try:
                self._lines.write(result.to_json() + "\n")
            except OSError as error:
                raise SinkError(f"{_LINES} can't be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lines is not None:
            self._lines.close()
        if self._saver is not None:
            self._saver.close()


def _opened(path: Path, *, force: bool) -> IO[str]:
    try:
        return path.open("w" if force else "x", encoding="utf-8")
    except FileExistsError as error:
        raise ConfigError(f"{path} exists: choose another --output, or overwrite it with --force") from error
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from error


class _Bar:
    """Progress over all pictures; how many a video has is known when it begins."""

    def __init__(self, console: Console, sources: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # Not redirected: what is meant for a pipe would go to the terminal. So the bar steps aside for each line.
        self._bars = Progress(
            *columns, console=console, disable=not console.is_terminal, transient=True, redirect_stdout=False
        )
        self._task = self._bars.add_task("pictures", total=sources)
        self._total, self._source = sources, ""

    def step(self, result: Result) -> None:
        """Show that one more is done."""
        if result.path != self._source:
            self._source = result.path
            self._total += (result.picture.frames or 1) - 1
            self._bars.update(self._task, total=self._total, description=escape(Path(result.path).name))
        self._bars.advance(self._task)

    def aside(self, tallies: Sequence[_Tally], *, as_table: bool) -> None:
        """Print what was found in sources on stdout."""
        if not tallies:
            return
        console = Console()
        self._bars.stop()
        for tally in tallies:
            console.print(tally.line(), markup=False, highlight=False, soft_wrap=True)
            if as_table and tally.objects:
                console.print(tally.table())
        self._bars.start()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


def _sum_up(console: Console, pictures: int, seconds: float, engine: str) -> None:
    rate = f"{_counted(pictures)} in {seconds:.1f} s ({pictures / seconds:.1f} a second)"
    console.print(f"{rate}, {engine}", markup=False, highlight=False, soft_wrap=True)


def _counted(pictures: int) -> str:
    return "1 picture" if pictures == 1 else f"{pictures} pictures"
