"""The video with boxes drawn: H.264 in MP4, one picture a frame, at the frame's own time."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ClassVar, Final, Literal

from av.video.frame import VideoFrame
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import SinkError
from pipeline.frame import Matrix, Planar
from pipeline.messages import Detections, FrameMeta
from stages.annotator.append_file import writing
from stages.annotator.draw import draw
from stages.annotator.encoder import Encoder, even_size
from stages.annotator.fragments import TICKS_A_SECOND, Head, Sample
from stages.annotator.part import Part
from stages.annotator.remux import Pictures, finished, remux
from stages.annotator.sink import Counts

_MOST_THREADS: Final = 4
_SYNC_EVERY_S: Final = 0.2
_LONGEST_OFFSET: Final = 10 * TICKS_A_SECOND


class VideoSink(BaseModel):
    """Settings of the video."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["video"] = "video"
    crf: int = Field(default=23, ge=0, le=51, description="quality: less is better and larger")
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = "veryfast"
    threads: int | None = Field(default=None, ge=0, le=64, description="that encode a source; 0: one a core and more")
    """Not given: of a recording one more than there are cores, at most four; of a camera one, as there may be many,
    and each thread takes 24 MB more at full HD."""
    audio: bool = Field(default=True, description="whether a recording's sound is copied, where an MP4 may hold it")

    def outputs(self, folder: Path, stem: str, source: str = "") -> tuple[Path, Path]:
        """Return the files that it makes; if one exists, there was a run before."""
        return folder / f"{stem}.mp4", folder / f"{stem}.mp4.part"

    def build(self, folder: Path, stem: str, recording: Path | None = None) -> "VideoWriter":
        """Open the output, or what is there of it.

        Raises:
            SinkError: it can't be written.
        """
        target, part = self.outputs(folder, stem)
        return VideoWriter(self, target, part, recording if self.audio else None)


class VideoWriter:
    """Writes each frame once, in order.

    While it runs, the part file grows frame by frame, durable after at most 0.2 s of writing but for some ten frames
    in the encoder. `finish` makes the MP4 of it; `close` makes one of what there is and leaves the part to go on from.
    """

    kind: ClassVar = "video"
    needs_pixels: ClassVar = True

    def __init__(
        self,
        settings: VideoSink,
        target: Path,
        part: Path,
        recording: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`recording`: whose sound is to be copied."""
        self._settings, self._target, self._recording, self._clock = settings, target, recording, clock
        self._encoder: Encoder | None = None
        self._picture: VideoFrame | None = None
        self._ready: deque[Sample] = deque()
        self._synced_s = float("-inf")
        with writing(target):
            before = None if part.exists() else finished(target)
        self._part = None if before else Part(part)
        self._counts, self._done = before or _standing(self._part)
        self._durable = self._done
        self._ticks = self._part.last.ticks if self._part and self._part.last else -1

    @property
    def done(self) -> int:
        """Last seq that is drawn and in the encoder."""
        return self._done

    @property
    def durable(self) -> int:
        """Last seq on disk."""
        return self._durable

    def counts(self) -> Counts:
        """Return what is written, up to `done`."""
        return self._counts

    def write(self, found: Detections, image: Planar | None) -> None:
        """Draw on the image and encode it; without one, the last picture stands in."""
        seq = found.frame.seq
        if seq <= self._done:
            return
        encoder = self._encoder or self._begin(found, image)
        if image is not None:
            self._picture = encoder.picture(draw(image, found))
        self._picture = self._picture or encoder.black()
        failed = found.error is not None or image is None
        self._ready.extend(encoder.encode(self._picture, seq, self._next_ticks(found), failed))
        self._done = seq
        self._counts = Counts(self._counts.frames + 1, self._counts.failed + failed)
        if self._clock() - self._synced_s >= _SYNC_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Put on disk what the encoder has given."""
        if self._part and self._ready:
            self._append(self._part)

    def finish(self, frames: int, error: str | None) -> None:
        """Make the MP4 and remove the part."""
        self._end(keep=False)

    def close(self) -> None:
        """Make an MP4 of what there is; keep the part."""
        self._end(keep=True)

    def _begin(self, found: Detections, image: Planar | None) -> Encoder:
        if self._part is None:
            raise SinkError(f"{self._target} is finished already: remove it to make it again")
        options = {"preset": self._settings.preset, "crf": str(self._settings.crf)}
        if head := self._part.head:
            size, matrix, zero = (head.width, head.height), Matrix(head.matrix), head.origin
        else:
            size, matrix = _form(found, image)
            zero = origin(_shown_s(found.frame))
        threads = _threads(found.frame) if self._settings.threads is None else self._settings.threads
        self._encoder = Encoder(size, matrix, options, threads)
        self._part.begin(Head(self._encoder.init, *size, matrix, zero))
        return self._encoder

    def _next_ticks(self, found: Detections) -> int:
        """Return the frame's time in the file; a clock that jumps back would make two frames one."""
        origin = self._part.head.origin if self._part and self._part.head else 0
        self._ticks = max(round(_shown_s(found.frame) * TICKS_A_SECOND) - origin, self._ticks + 1)
        return self._ticks

    def _append(self, part: Part) -> None:
        while self._ready:
            part.append(self._ready[0])
            self._ready.popleft()
        part.sync()
        self._durable = part.last.seq if part.last else -1
        self._synced_s = self._clock()

    def _end(self, keep: bool) -> None:
        if self._part is None:
            return
        part, self._part = self._part, None
        written = False
        try:
            self._drain(part)
            written = True
        finally:
            part.close(keep or not written)

    def _drain(self, part: Part) -> None:
        if self._encoder is not None:
            self._ready.extend(self._encoder.drain())
            self._encoder.close()
            self._encoder = None
        self._append(part)
        if part.head and part.first and part.last:
            pictures = Pictures(part.path, self._counts, part.first.ticks, part.last, part.head.origin)
            remux(pictures, self._target, self._recording)


def origin(first_s: float) -> int:
    """Return what is 0 in a video whose first picture is of a time, in ticks of the source's clock.

    A transport stream may begin at any hour; a player would wait for it.
    """
    first = round(first_s * TICKS_A_SECOND)
    return 0 if 0 <= first <= _LONGEST_OFFSET else first


def ticks_of(times_s: Iterable[float]) -> Iterator[int]:
    """Yield when pictures of these times are shown in a video, ticks; a clock that jumps back makes no two one."""
    zero, before = None, -1
    for time_s in times_s:
        zero = origin(time_s) if zero is None else zero
        before = max(round(time_s * TICKS_A_SECOND) - zero, before + 1)
        yield before


def _threads(frame: FrameMeta) -> int:
    of_a_camera = frame.previous is not None
    return 1 if of_a_camera else min(len(os.sched_getaffinity(0)) + 1, _MOST_THREADS)


def _form(found: Detections, image: Planar | None) -> tuple[tuple[int, int], Matrix]:
    """Return width, height and matrix of the video that a frame begins, with its picture or without."""
    if image is None:
        return even_size(found.frame.width, found.frame.height), Matrix.BT709
    return (image.width, image.height), image.matrix


def _shown_s(frame: FrameMeta) -> float:
    """Return the time at which a frame is shown; a camera's pts begins anew whenever it is connected to again."""
    if frame.previous is None or frame.timestamp_s is None:
        return frame.pts_s
    return frame.timestamp_s


def _standing(part: Part | None) -> tuple[Counts, int]:
    return (part.counts, part.last.seq) if part and part.last else (Counts(), -1)
