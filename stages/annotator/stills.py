"""Single pictures of a finished recording: of its annotated video, or of the recording itself, with boxes drawn."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias, cast

import av
import numpy as np
from av.container import Flags, InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from stages.annotator.derived import Finished
from stages.annotator.draw import draw
from stages.annotator.lines import ends_of, found_in, shown_s

Still: TypeAlias = NDArray[np.uint8] | None
"""BGR (H, W, 3), None where there is none."""

_SAME_S: Final = 2e-3
_EARLIER_S: Final = (0.0, 3.0, 30.0)
"""By how much to begin earlier, if it must be."""


class Pending:
    """Not yet: more had to be decoded than is done at a time."""


def stills(finished: Finished, wanted: Sequence[Mapping[str, Any]], width: int) -> Iterator[Still | Pending]:
    """Yield a picture, so wide at the most and as high, of each line; in between, each time that a frame was decoded.

    A picture is of exactly that frame: one that is not found by its time is None.
    """
    annotated = finished.video
    path = annotated or finished.recording
    ends = ends_of(finished.lines)
    try:
        container = av.open(f"file:{path}", "r", container_options={"protocol_whitelist": "file"}) if path else None
    except (FFmpegError, ValueError):
        container = None
    if container is None or ends is None:
        yield from (None for _ in wanted)
        return
    with container:
        container.flags &= ~cast(int, Flags.gen_pts.value)  # as the decoder does, else AVI's are a frame late
        offset_s = _first_s(container) - shown_s(ends[0]) if annotated else 0.0
        for fields in wanted:
            yield from _still(container, fields, offset_s, width, drawn=bool(annotated))


def _still(
    container: InputContainer, fields: Mapping[str, Any], offset_s: float, width: int, *, drawn: bool
) -> Iterator[Still | Pending]:
    at_s = shown_s(fields) + offset_s
    with suppress(FFmpegError):
        for frame in _frames_from(container, at_s):
            if abs(_time_s(frame) - at_s) < _SAME_S:
                image = _scaled(frame, width)
                yield image if drawn else draw(image, found_in(dict(fields), 0))
                return
            if _time_s(frame) > at_s:
                break
            yield Pending()
    yield None


def _frames_from(container: InputContainer, at_s: float) -> Iterator[VideoFrame]:
    """Yield frames from a keyframe before a time on; a container without an index may lead to one behind it."""
    stream = container.streams.video[0]
    for earlier_s in _EARLIER_S:
        container.seek(int(max(at_s - earlier_s, 0.0) / (stream.time_base or 1)), stream=stream, backward=True)
        frames = container.decode(stream)
        first = next(frames, None)
        if first is not None and (_time_s(first) < at_s + _SAME_S or earlier_s == _EARLIER_S[-1]):
            yield first
            yield from frames
            return


def _first_s(container: InputContainer) -> float:
    with suppress(FFmpegError):
        for frame in container.decode(container.streams.video[0]):
            return _time_s(frame)
    return 0.0


def _time_s(frame: VideoFrame) -> float:
    ticks = frame.dts if frame.pts is None else frame.pts
    return float(ticks * frame.time_base) if ticks is not None and frame.time_base else 0.0


def _scaled(frame: VideoFrame, most: int) -> NDArray[np.uint8]:
    turns = round(frame.rotation / 90) % 4  # counterclockwise
    scale = min(most / max(frame.width, frame.height), 1.0)
    size = (max(round(frame.width * scale), 1), max(round(frame.height * scale), 1))
    scaled = frame.reformat(*size, "bgr24", interpolation=Interpolation.AREA, threads=1)
    image = np.asarray(scaled.to_ndarray(), np.uint8)
    return np.ascontiguousarray(np.rot90(image, turns))
