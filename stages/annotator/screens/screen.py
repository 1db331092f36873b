"""A camera shown live, in a thread of its own: what there is no time for is left out, who is away is tried again."""

import threading
from collections import deque
from contextlib import suppress
from fractions import Fraction
from typing import Final

import av
import structlog
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import PictureType
from av.video.stream import VideoStream

from pipeline.frame import Matrix, Planar
from pipeline.messages import Detections, EndOfSource
from stages.annotator.couriers.pauses import Pauses
from stages.annotator.draw import draw
from stages.annotator.film import as_frame, tag
from stages.annotator.fragments import TICKS_A_SECOND
from stages.annotator.screens.showing import Showing, Target

_WAITING: Final = 4
"""Pictures; more would be delay."""
_CLOSING_S: Final = 3.0
_NOMINAL_FPS: Final = 25


class Screen:
    """Draws, encodes and sends the pictures of one camera."""

    def __init__(self, settings: Showing, target: Target, pauses: Pauses | None = None) -> None:
        self.kind, self._settings, self._target = settings.kind, settings, target
        self._pauses = pauses or Pauses()
        self._line: deque[tuple[Detections, Planar]] = deque()
        self._changed, self._closing = threading.Condition(), threading.Event()
        self._film: _Film | None = None
        self.written = self.missed = 0
        self._thread = threading.Thread(target=self._work, name=f"screen {self.kind}", daemon=True)
        self._thread.start()

    def write(self, segment: str, found: Detections, image: Planar | None) -> None:
        """Show a picture, which others may draw on afterwards; never waits."""
        if image is None:
            self.missed += found.skipped is None
            return
        with self._changed:
            if len(self._line) == _WAITING:
                self._line.popleft()
                self.missed += 1
            self._line.append((found, image.copy()))
            self._changed.notify_all()

    def flush(self) -> None:
        """Do nothing: pictures go by themselves."""

    def finish(self, frames: int, end: EndOfSource | None) -> None:
        """Do nothing at the end of a segment; end with the camera."""
        if end is not None:
            self.close()

    def close(self) -> None:
        """Send what waits, and hang up."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(_CLOSING_S)

    def _work(self) -> None:
        while (shown := self._next()) is not None:
            try:
                self._show(*shown)
            except Exception as error:  # the top of the thread: the camera's other outputs go on
                self._fail(error)
        with suppress(FFmpegError, OSError):
            self._hang_up()

    def _next(self) -> tuple[Detections, Planar] | None:
        with self._changed:
            while not self._line and not self._closing.is_set():
                self._changed.wait()
            return self._line.popleft() if self._line else None

    def _show(self, found: Detections, image: Planar) -> None:
        form = (image.width, image.height, image.matrix)
        if self._film is not None and self._film.form != form:
            self._hang_up()
        if self._film is None:
            self._film = _Film(self._target, self._settings, form)
        at_s = found.frame.pts_s if found.frame.timestamp_s is None else found.frame.timestamp_s
        self._film.add(draw(image, found), at_s)
        self.written += 1
        self._pauses.reset()

    def _fail(self, error: Exception) -> None:
        self.missed += 1
        reason = getattr(error, "strerror", None) or type(error).__name__  # FFmpeg's own text may hold the URL
        pause_s = self._pauses.next_s()
        told = {"sink": self.kind, "at": self._target.shown, "error": reason, "pause_s": round(pause_s, 1)}
        structlog.get_logger().warning("not shown, tried again", **told)
        with suppress(FFmpegError, OSError):
            self._hang_up()
        self._closing.wait(pause_s)

    def _hang_up(self) -> None:
        film, self._film = self._film, None
        if film is not None:
            film.close()


class _Film:
    """One stretch of pictures of one size and matrix, encoded without delay."""

    def __init__(self, target: Target, settings: Showing, form: tuple[int, int, Matrix]) -> None:
        self.form, self._ticks, self._next_key = form, -1, 0
        self._zero_s: float | None = None
        self._key_every = round(settings.key_every_s * TICKS_A_SECOND)
        av.logging.set_level(None)  # FFmpeg's own messages hold URLs
        self._container: OutputContainer = av.open(
            target.url, "w", format=target.format, options=dict(target.options), timeout=10.0
        )
        options = {"preset": settings.preset, "crf": str(settings.crf), "tune": "zerolatency"}
        self._stream: VideoStream = self._container.add_stream("libx264", rate=_NOMINAL_FPS, options=options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = *form[:2], "yuv420p"
        tag(self._stream.codec_context, form[2])
        self._stream.codec_context.time_base = Fraction(1, TICKS_A_SECOND)
        self._stream.codec_context.gop_size = 10_000  # keyframes are asked for, by time

    def add(self, image: Planar, at_s: float) -> None:
        """Encode a picture of a time, seconds; times only ever grow."""
        self._zero_s = at_s if self._zero_s is None else self._zero_s
        self._ticks = max(round((at_s - self._zero_s) * TICKS_A_SECOND), self._ticks + 1)
        frame = as_frame(image)
        frame.pts, frame.time_base = self._ticks, Fraction(1, TICKS_A_SECOND)
        if self._ticks >= self._next_key:
            frame.pict_type, self._next_key = PictureType.I, self._ticks + self._key_every
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Send the rest, and end it."""
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()
