"""What a person sees of a run while it goes on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Literal, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Task, TaskID, TextColumn
from rich.progress import Progress as Bars

from pipeline.ledger import Standing
from pipeline.supervisor.supervisor import Progress

_LINE_EVERY_S: Final = 10.0
_MOST_LINES: Final = 4
_MOMENT_S: Final = 0.01
_UNKNOWN: Final = "-:--:--"
_FEW_FRAMES: Final = 16
"""In flight: with fewer than these a source, everybody waits for the decoder."""
_STYLES: Final = {"warning": "yellow", "error": "red", "critical": "red"}
CAMERA_STYLES: Final = {"live": "green", "failed": "red", "stalled": "red", "reconnecting": "yellow"}
"""How the states of cameras are painted."""
_TECHNICAL: Final = frozenset({"stage", "source", "level", "event", "timestamp", "name"})

Limit = Literal["decode", "detect", "write"]


@dataclass(frozen=True, slots=True)
class Work:
    """What a run has to do altogether."""

    recordings: int = 0
    size: int = 0
    """Of their files, bytes."""


class Display:
    """A progress bar a source on a terminal, and one for all; lines every ten seconds elsewhere; log lines go above."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}", justify="right"),
            TextColumn("{task.fields[fps]:>6.1f} fps, ETA {task.fields[eta]}{task.fields[note]}"),
            console=console,
            get_time=clock,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._first: dict[str, tuple[float, int]] = {}
        """When frames of a recording were first seen to be written, and how many there were."""
        self._all: TaskID | None = None
        self._work = Work()
        self._begun_s = self._line_s = clock()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, work: Work) -> None:
        """Note what is to be done."""
        self._work = work
        if work.recordings > 1:
            self._all = self._add("recordings", total=work.size or None)

    def update(self, progress: Progress) -> None:
        """Show how far the run is."""
        active = {name: standing for name, standing in progress.active.items() if standing.epoch}
        for name, standing in active.items():
            self._show(name, standing)
        for name in self._tasks.keys() - active.keys():
            self._bars.remove_task(self._tasks.pop(name))
            self._first.pop(name, None)
        if self._all is not None:
            self._show_all(self._all, progress, active)
        self._estimate()
        if not self._console.is_terminal and self._clock() - self._line_s > _LINE_EVERY_S:
            self._line_s = self._clock()
            self._print(progress, active)

    def log(self, line: Mapping[str, Any]) -> None:
        """Show a log line of a stage."""
        text = " ".join(f"{key}={value}" for key, value in line.items() if key not in _TECHNICAL)
        where = " ".join(str(line[key]) for key in ("name", "source") if line.get(key))
        style = _STYLES.get(str(line.get("level")), "dim")
        event = f"{where}: {line.get('event')} {text}".rstrip()
        self._console.print(f"[{style}]{escape(event)}[/]", soft_wrap=True)

    def _add(self, name: str, total: int | None = None) -> TaskID:
        return self._bars.add_task(escape(name), total=total, fps=0.0, count="", eta=_UNKNOWN, note="")

    def _show(self, name: str, standing: Standing) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._add(name)
        if standing.live:
            self._show_camera(name, standing)
            return
        written, total = _written(standing), _total(standing)
        if written:
            self._first.setdefault(name, (self._clock(), written))
        first_s, first = self._first.get(name, (self._clock(), written))
        fps = (written - first) / max(self._clock() - first_s, _MOMENT_S)
        count = f"{written}/{total or '?'}"
        self._bars.update(self._tasks[name], completed=written, total=total, fps=fps, count=count)

    def _show_camera(self, name: str, standing: Standing) -> None:
        state, published = standing.text("state"), standing.published + 1
        text = f"{escape(name)} [{CAMERA_STYLES.get(state, 'dim')}]{state}[/]"
        self._bars.update(
            self._tasks[name], description=text, completed=published, fps=_rate(standing), count=str(published)
        )

    def _show_all(self, task: TaskID, progress: Progress, active: Mapping[str, Standing]) -> None:
        begun = sum(standing.number("size", 0) * _share(standing) for standing in active.values())
        fps = progress.made / max(self._clock() - self._begun_s, _MOMENT_S)
        count = f"{progress.finished.recordings}/{self._work.recordings}"
        done = progress.finished.size + begun
        self._bars.update(task, completed=done, fps=fps, count=count, note=_note(active))

    def _estimate(self) -> None:
        """Tell when each will be done: all together not before the last of those that are worked on."""
        left_s = {task.id: task.time_remaining for task in self._bars.tasks}
        if self._all is not None:
            left_s[self._all] = max((value for value in left_s.values() if value is not None), default=None)
        for task, value in left_s.items():
            self._bars.update(task, eta=_UNKNOWN if value is None else str(timedelta(seconds=round(value))))

    def _print(self, progress: Progress, active: Mapping[str, Standing]) -> None:
        tasks = {task.id: task for task in self._bars.tasks}
        if self._all is not None:
            what = f"{progress.finished.recordings} of {self._work.recordings} recordings, {progress.frames} frames"
            self._console.print(f"{what}{_pace(tasks[self._all])}{_note(active)}")
        for name, standing in list(active.items())[:_MOST_LINES]:
            if not standing.finished(("annotator",)):
                self._console.print(escape(f"{name}: {_line(standing, tasks[self._tasks[name]])}"))


def limit(active: Mapping[str, Standing]) -> Limit | None:
    """Return which work the others wait for, None if nothing is worked on: where frames pile up is behind it."""
    recordings = [standing for standing in active.values() if not standing.live and standing.decoded]
    if not recordings:
        return None
    undetected = sum(standing.decoded - standing.published - 1 for standing in recordings)
    unwritten = sum(standing.published + 1 - _written(standing) for standing in recordings)
    if undetected + unwritten < _FEW_FRAMES * len(recordings):
        return "decode"
    return "detect" if undetected >= unwritten else "write"


def _note(active: Mapping[str, Standing]) -> str:
    found = limit(active)
    return f", limited by {found}" if found else ""


def _written(standing: Standing) -> int:
    return min(standing.done(("annotator",)), standing.published) + 1


def _share(standing: Standing) -> float:
    """Return which part of a recording is done."""
    total = _total(standing)
    return min(_written(standing) / total, 1.0) if total else 0.0


def _line(standing: Standing, task: Task) -> str:
    if not standing.live:
        return f"{_written(standing)} of {_total(standing) or '?'} frames{_pace(task)}"
    code, captured = standing.text("code"), standing.number("captured", 0)
    state = standing.text("state") + (f" ({code})" if code else "")
    return f"{state}, {_rate(standing):.1f} fps, {captured} frames captured"


def _pace(task: Task) -> str:
    eta = task.fields["eta"]
    return f", {task.fields['fps']:.1f} fps" + ("" if eta == _UNKNOWN else f", ETA {eta}")


def _rate(standing: Standing) -> float:
    return float(standing.fields.get("rate", 0.0))


def _total(standing: Standing) -> int | None:
    if standing.frames is not None:
        return standing.frames
    return standing.number("expected", 0) or standing.number("about", 0) or None
