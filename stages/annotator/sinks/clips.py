"""A clip of each event: an MP4 from some seconds before it to some after it.

Guarantee: made once all is written, of a recording or of a camera's segment; each clip whole or not at all, and made
anew when a crash has hit in between. Packets are copied, nothing is encoded: a clip begins at the keyframe before. Of a
recording it is cut from the recording itself, with its sound; of a camera, whose packets nobody keeps, from the
segment's annotated video, and no further than that goes.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import SinkError
from stages.annotator.append_file import replace_file
from stages.annotator.cutting import begins_s, cut
from stages.annotator.derived import Finished
from stages.annotator.lines import shown_s

_FOLDER: Final = "clips"


class ClipsSink(BaseModel):
    """Settings of the clips."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["clips"] = "clips"
    before_s: float = Field(default=5.0, ge=0, le=300)
    after_s: float = Field(default=5.0, ge=0, le=300)
    longest_s: float = Field(default=60.0, gt=0, le=3600)
    """Events so near to each other that their clips would overlap share one, up to this length."""
    events: tuple[str, ...] = ("enter", "crossed", "dwell", "count", "appeared")
    """Kinds of events."""

    def outputs(self, folder: Path, stem: str, source: str = "") -> tuple[Path, ...]:
        """Return the list of the clips, and the clips that are in it."""
        index = folder / f"{stem}.clips.jsonl"
        names = {str(row["clip"]) for row in _rows(index) if row.get("clip")}
        return index, *(folder / name for name in sorted(names))

    def derive(self, finished: Finished) -> "Clips":
        """Begin to make them."""
        return Clips(self, finished)


@dataclass(slots=True)
class _Clip:
    """Events that share a clip; times as the lines have them."""

    first_s: float
    last_s: float
    events: list[Mapping[str, Any]] = field(default_factory=list)


class Clips:
    """The clips of one recording, or of a camera's segment, while they are made."""

    def __init__(self, settings: ClipsSink, finished: Finished) -> None:
        self._settings, self._finished = settings, finished
        self._first: Mapping[str, Any] | None = None

    def add(self, fields: Mapping[str, Any]) -> None:
        """Note when it begins."""
        self._first = self._first or dict(fields)

    def finish(self) -> Iterator[None]:
        """Cut them, then list them."""
        finished, rows = self._finished, list[dict[str, Any]]()
        video = finished.recording or finished.video
        for clip in self._clips():
            rows += self._made(clip, video)
            yield
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        replace_file(finished.folder / f"{finished.stem}.clips.jsonl", lines.encode())

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _clips(self) -> Iterator[_Clip]:
        """Yield what is to be cut, in order."""
        settings, clip = self._settings, None
        for event in _rows(self._finished.folder / f"{self._finished.stem}.events.jsonl"):
            if event["kind"] not in settings.events:
                continue
            at_s = self._shown_s(event)
            first_s, last_s = at_s - settings.before_s, at_s + settings.after_s
            if clip is not None and first_s <= clip.last_s and last_s - clip.first_s <= settings.longest_s:
                clip.last_s = max(clip.last_s, last_s)
            else:
                if clip is not None:
                    yield clip
                clip = _Clip(first_s, last_s)
            clip.events.append(event)
        if clip is not None:
            yield clip

    def _made(self, clip: _Clip, video: Path | None) -> list[dict[str, Any]]:
        """Cut a clip; return a row an event, with the reason where there is no clip."""
        name = f"{_FOLDER}/{self._finished.stem}/{re.sub('[^A-Za-z0-9._-]', '_', str(clip.events[0]['id']))}.mp4"
        told: dict[str, Any] = {"clip": name}
        try:
            if video is None:
                raise SinkError("there is no video of it: add the sink video")
            lag_s = self._lag_s(video)
            begins = cut(video, self._finished.folder / name, clip.first_s - lag_s, clip.last_s - lag_s) + lag_s
            told |= {"begins_s": round(begins, 3), "ends_s": round(clip.last_s, 3)}
        except SinkError as error:
            structlog.get_logger().warning("no clip", source=self._finished.stem, error=str(error))
            told = {"clip": None, "error": str(error)}
        return [
            {"event": event["id"], "kind": event["kind"], "at_s": self._shown_s(event), **told} for event in clip.events
        ]

    def _shown_s(self, event: Mapping[str, Any]) -> float:
        """Return an event's time, by the clock that its line has: a camera's is that of the day."""
        live = self._first is not None and "dropped_before" in self._first
        return float(event["timestamp_s"] if live and event["timestamp_s"] is not None else event["pts_s"])

    def _lag_s(self, video: Path) -> float:
        """Return by how much the clock of the lines is ahead of the video's; a recording's own has the same."""
        if video == self._finished.recording or self._first is None:
            return 0.0
        return shown_s(self._first) - begins_s(video)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
