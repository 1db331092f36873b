"""The same work without a pipeline: one process, one frame after the other, by the usual libraries."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
import cv2
import numpy as np
import supervision as sv
from av.codec.context import ThreadType
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pipeline.client.items import as_supervision
from pipeline.frame import Frame
from pipeline.messages import FrameMeta
from stages.annotator.fragments import TICKS_A_SECOND
from stages.annotator.sinks.video import VideoSink
from stages.detector.engine import Engine, RawBoxes
from stages.detector.finder import Finder
from stages.detector.nms import Postprocess

_TRIALS = 20
_SAMPLE = 3


def serial_fps(frames_of: Iterator[Frame], target: Path, engine: Engine, finder: Finder, threads: int = 1) -> float:
    """Return the frames/s of decode, letterbox, engine, NMS, draw and encode, each waiting for the one before.

    `threads`: of x264, which encodes while the loop goes on with the next frame if there are several.
    """
    begun_s, frames = time.monotonic(), 0
    boxes, labels = sv.BoxAnnotator(), sv.LabelAnnotator()
    with av.open(str(target), "w") as container:
        stream: VideoStream | None = None
        for frame in frames_of:
            raw = engine.submit([finder.canvas(frame)]).result()[0]
            found = finder.find(frame, raw, time.time_ns())
            texts = [f"{name} {share:.0%}" for name, share in zip(found.class_name, found.confidence, strict=True)]
            drawn = as_supervision(found)
            picture = labels.annotate(boxes.annotate(frame.image, drawn), drawn, texts)
            stream = stream or _film(container, frame, threads)
            shown = VideoFrame.from_ndarray(picture, "bgr24")
            shown.pts = round(frame.meta.pts_s * TICKS_A_SECOND)
            container.mux(stream.encode(shown))
            frames += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return frames / (time.monotonic() - begun_s)


def _film(container: OutputContainer, frame: Frame, threads: int) -> VideoStream:
    settings = VideoSink()
    stream = container.add_stream("libx264", rate=25, options={"preset": settings.preset, "crf": str(settings.crf)})
    stream.width, stream.height, stream.pix_fmt = frame.meta.width, frame.meta.height, "yuv420p"
    stream.codec_context.time_base = Fraction(1, TICKS_A_SECOND)
    stream.codec_context.max_b_frames = 0  # as in the pipeline
    stream.codec_context.thread_count, stream.codec_context.thread_type = threads, ThreadType.FRAME
    return stream


def engine_fps(engine: Engine, canvases: Sequence[NDArray[np.uint8]], frames: int) -> float:
    """Return the frames/s of the engine alone, kept full with pictures that are ready."""
    begun_s = time.monotonic()
    flights: deque[Future[list[RawBoxes]]] = deque()
    for canvas in islice(cycle(canvases), frames):
        if len(flights) == engine.in_flight:
            flights.popleft().result()
        flights.append(engine.submit([canvas]))
    while flights:
        flights.popleft().result()
    return frames / (time.monotonic() - begun_s)


def decoded(clip: Path) -> Iterator[Frame]:
    """Yield the frames of a clip as PyAV reads them."""
    with av.open(str(clip)) as container:
        for seq, frame in enumerate(container.decode(video=0)):
            meta = FrameMeta("clip", 1, seq, frame.time or 0.0, frame.width, frame.height, captured_ns=time.time_ns())
            yield Frame(meta, np.asarray(frame.to_ndarray(format="bgr24"), np.uint8))


def captured(clip: Path) -> Iterator[Frame]:
    """Yield the frames of a clip as `cv2.VideoCapture` reads them."""
    capture = cv2.VideoCapture(str(clip))
    seq = 0
    while True:
        there, image = capture.read()
        if not there:
            return
        height, width = image.shape[:2]
        at_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        yield Frame(
            FrameMeta("clip", 1, seq, at_s, width, height, captured_ns=time.time_ns()), np.asarray(image, np.uint8)
        )
        seq += 1


def conf_for(engine: Engine, clip: Path, boxes: int) -> float:
    """Return a threshold that leaves about so many boxes a frame: untrained networks have no better one."""
    finder = Finder(engine.card, Postprocess(0.5, 0.7))
    raws = [engine.submit([finder.canvas(frame)]).result()[0] for frame in islice(decoded(clip), _SAMPLE)]
    low, high = 0.0, float(max(raw.scores.max() for raw in raws))
    for _ in range(_TRIALS):
        conf = (low + high) / 2
        found = sum(len(Postprocess(conf, 0.7)(raw.boxes, raw.scores).class_id) for raw in raws) / len(raws)
        low, high = (conf, high) if found > boxes else (low, conf)
    return high
