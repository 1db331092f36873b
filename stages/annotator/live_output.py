"""One kind of output of a camera, segment by segment."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

import structlog

from pipeline.errors import SinkError
from pipeline.frame import Planar
from pipeline.messages import Detections, EndOfSource
from stages.annotator.sink import Concluding, Sink

OpenSink: TypeAlias = Callable[[str], Sink]
"""Opens a sink for the segment of this name."""

_RETRY_S: Final = 30.0


class LiveOutput:
    """One kind of output; where it can't be written it is tried again, and what it misses meanwhile is counted."""

    def __init__(self, kind: str, open_sink: OpenSink) -> None:
        self.kind, self._open = kind, open_sink
        self._sink: Sink | None = None
        self._retry_s = 0.0
        self.written = self.missed = 0

    def write(self, segment: str, found: Detections, image: Planar | None) -> None:
        """Write a frame, or count it as missed."""
        if self._sink is None and time.monotonic() < self._retry_s:
            self.missed += 1
            return
        try:
            if self._sink is None:
                self._sink = self._open(segment)
            if self._sink.needs_pixels and image is None:
                self.missed += found.skipped is None  # where nothing moved, no picture was ever stored
                return
            self._sink.write(found, image)
            self.written += 1
        except SinkError as error:
            self._give_up(error)
            self.missed += 1

    def flush(self) -> None:
        if self._sink is not None:
            try:
                self._sink.flush()
            except SinkError as error:
                self._give_up(error)

    def finish(self, frames: int, end: EndOfSource | None) -> None:
        """Give the segment its final form; `end`: of the camera, if it has come to one."""
        sink, self._sink = self._sink, None
        if sink is not None:
            try:
                if end is not None and isinstance(sink, Concluding):
                    sink.conclude(end)
                sink.finish(frames, end.error if end else None)
            except SinkError as failure:
                self._tell(failure)

    def close(self) -> None:
        """Leave the segment readable."""
        sink, self._sink = self._sink, None
        if sink is not None:
            try:
                sink.close()
            except SinkError as failure:
                self._tell(failure)

    def _give_up(self, error: SinkError) -> None:
        sink, self._sink = self._sink, None
        self._retry_s = time.monotonic() + _RETRY_S
        if sink is not None:
            with suppress(SinkError):
                sink.close()
        self._tell(error)

    def _tell(self, error: SinkError) -> None:
        structlog.get_logger().error("output fails", kind=self.kind, error=str(error))
