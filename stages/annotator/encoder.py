"""Pictures into H.264, one packet a picture, in order."""

import gc
import io
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import av
from av.codec.context import ThreadType
from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from pipeline.errors import SinkError
from pipeline.frame import Matrix, Planar
from stages.annotator.film import as_frame, black, fitted, tag
from stages.annotator.fragments import TICKS_A_SECOND, Sample

_KEY_EVERY: Final = 2 * TICKS_A_SECOND
_NOMINAL_FPS: Final = 25
"""Only x264's level and rate estimate look at it; the time of a frame is its own."""
_LONGEST_DURATION: Final = 2**31 - 1


class Encoder:
    """x264 without B-frames, so that packets come in the order of pictures and pts equals dts."""

    def __init__(self, size: tuple[int, int], matrix: Matrix, options: dict[str, str], threads: int) -> None:
        """`size`: width and height, which must be even; `threads`: that encode frames at the same time.

        Raises:
            SinkError: x264 refuses.
        """
        self.size, self._matrix = size, matrix
        self._reformatter = VideoReformatter()
        self._next_key = 0
        self._inside: deque[tuple[int, int, bool]] = deque()
        self._duration = TICKS_A_SECOND // 25
        head = io.BytesIO()
        movflags = {"movflags": "empty_moov+default_base_moof", "video_track_timescale": str(TICKS_A_SECOND)}
        try:
            self._container = av.open(head, "w", format="mp4", options=movflags)
            self._stream = self._container.add_stream("libx264", rate=_NOMINAL_FPS, options=options)
            _set_up(self._stream, size, matrix, threads)
            self._container.start_encoding()
        except (FFmpegError, ValueError) as error:
            raise SinkError(f"no H.264 encoder for {size[0]}x{size[1]} {options}: {error}") from error
        self.init = head.getvalue()
        """ftyp and moov of an MP4 with such a stream."""

    def picture(self, image: Planar) -> VideoFrame:
        """Return a picture as the encoder wants it; of one of another size or matrix, what comes nearest."""
        return fitted(self._reformatter, as_frame(image), self.size, self._matrix)

    def black(self) -> VideoFrame:
        """Return a picture to stand in for the first one."""
        return as_frame(black(*self.size, self._matrix))

    def encode(self, picture: VideoFrame, seq: int, ticks: int, failed: bool) -> Iterator[Sample]:
        """Yield the samples that are ready; x264 looks about ten pictures ahead."""
        picture.pts, picture.time_base = ticks, Fraction(1, TICKS_A_SECOND)
        is_key = ticks >= self._next_key
        picture.pict_type = PictureType.I if is_key else PictureType.NONE
        if is_key:
            self._next_key = ticks + _KEY_EVERY
        self._inside.append((seq, ticks, failed))
        return self._samples(picture)

    def drain(self) -> Iterator[Sample]:
        """Yield the rest; nothing can be encoded afterwards."""
        return self._samples(None)

    def close(self) -> None:
        """Free x264's memory, some 50 MB: PyAV's containers and streams hold each other, so only a collection does."""
        self._container.close()
        del self._container, self._stream
        gc.collect()

    def _samples(self, picture: VideoFrame | None) -> Iterator[Sample]:
        try:
            packets = self._stream.encode(picture)
        except FFmpegError as error:
            raise SinkError(f"x264 refuses a picture: {error.strerror}") from error
        for packet in packets:
            seq, ticks, failed = self._inside.popleft()
            if self._inside:
                self._duration = min(self._inside[0][1] - ticks, _LONGEST_DURATION)
            yield Sample(seq, ticks, self._duration, bytes(packet), packet.is_keyframe, failed)


def even_size(width: int, height: int) -> tuple[int, int]:
    """Return the nearest size that yuv420p takes."""
    return max(2, width // 2 * 2), max(2, height // 2 * 2)


def _set_up(stream: VideoStream, size: tuple[int, int], matrix: Matrix, threads: int) -> None:
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.time_base = Fraction(1, TICKS_A_SECOND)
    codec = stream.codec_context
    codec.time_base = stream.time_base
    codec.max_b_frames = 0
    codec.gop_size = 250
    # PyAV's default, slices, works only while somebody waits for it; frames are encoded while the next one is drawn.
    codec.thread_count, codec.thread_type = threads, ThreadType.FRAME
    tag(codec, matrix)
