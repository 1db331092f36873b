"""The report of a run: of each recording a timeline and a contact sheet; the page around them is made at the end."""

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from stages.annotator.append_file import writing
from stages.annotator.derived import Finished
from stages.annotator.lines import shown_s
from stages.annotator.sheet import WIDTH, caption, save_sheet
from stages.annotator.spans import Span, clock, day_time
from stages.annotator.stills import Pending, Still, stills
from stages.annotator.timeline import Timeline
from stages.annotator.whole_file import whole

_MOST_PICTURES: Final = 24
_MOST_OF_ALL: Final = 240


class ReportSink(BaseModel):
    """Settings of the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["report"] = "report"
    picture_every_s: float | None = Field(
        default=None, ge=1, description="on the contact sheet; if not given, a round time that makes up to 24 of them"
    )

    def outputs(self, folder: Path, stem: str, source: str = "") -> tuple[Path, ...]:
        """Return the files that it makes of a source: the timeline and the contact sheet."""
        return folder / f"{stem}.timeline.png", folder / f"{stem}.sheet.png"

    def derive(self, finished: Finished) -> "ReportPictures":
        """Begin to make them of the lines."""
        return ReportPictures(self, finished)


class ReportPictures:
    """The pictures of one recording while they are made."""

    def __init__(self, settings: ReportSink, finished: Finished) -> None:
        self._finished, self._span = finished, Span.of(finished.lines)
        self._targets = settings.outputs(finished.folder, finished.stem)
        self._timeline = Timeline(self._span)
        asked_s = settings.picture_every_s or self._span.step_s(_MOST_PICTURES)
        self._step_s = max(asked_s, self._span.length_s / _MOST_OF_ALL)
        self._wanted: list[Mapping[str, Any]] = []
        self._next_s = self._span.first_s
        self._frames = 0

    def add(self, fields: Mapping[str, Any]) -> None:
        """Take the next line's content."""
        self._timeline.add(fields)
        self._frames += 1
        at_s = shown_s(fields)
        if at_s >= self._next_s - 1e-6 and len(self._wanted) <= _MOST_OF_ALL:
            self._wanted.append(dict(fields))
            steps = (at_s - self._span.first_s + 1e-6) // self._step_s + 1
            self._next_s = self._span.first_s + steps * self._step_s

    def finish(self) -> Iterator[None]:
        """Put the pictures in their places."""
        timeline, sheet = self._targets
        with whole(timeline) as draft:
            self._timeline.save(draft, self._title())
        yield
        if not self._frames:
            return
        if self._finished.video is None and self._finished.recording is None:
            structlog.get_logger().info("no contact sheet", source=self._finished.stem, why="there is no video of it")
            return
        pictures = yield from self._pictures()
        captions = [caption(self._span.label(fields), fields) for fields in self._wanted]
        tiles = list(zip(captions, pictures, strict=True))
        with whole(sheet) as draft, writing(sheet):
            save_sheet(draft, self._title(), tiles)
        yield

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _pictures(self) -> Generator[None, None, list[Still]]:
        found: list[Still] = []
        for picture in stills(self._finished, self._wanted, WIDTH):
            if not isinstance(picture, Pending):
                found.append(picture)
            yield
        return found

    def _title(self) -> str:
        since = "" if self._span.timestamp is None else f"  ·  from {day_time(self._span.timestamp)}"
        length = clock(self._span.length_s)
        return f"{self._finished.stem}  ·  {self._frames} frames  ·  {length}{since}"
