"""The same work without a pipeline: one process, one frame after the other."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Frame
from pipeline.messages import FrameMeta
from stages.annotator.draw import draw
from stages.annotator.encoder import Encoder, even_size
from stages.annotator.fragments import TICKS_A_SECOND
from stages.annotator.sinks.video import VideoSink
from stages.decoder.sources.file import FileSource
from stages.detector.engine import Engine, RawBoxes
from stages.detector.finder import Finder
from stages.detector.nms import Postprocess

_TRIALS = 20
_SAMPLE = 3


def serial_fps(frames_of: Iterator[Frame], target: Path, engine: Engine, finder: Finder) -> float:
    """Return the frames/s of decode, letterbox, engine, NMS, draw and encode, each waiting for the one before."""
    begun_s, frames = time.monotonic(), 0
    encoder: Encoder | None = None
    settings = VideoSink()
    with target.open("wb") as file:
        for frame in frames_of:
            raw = engine.submit([finder.canvas(frame)]).result()[0]
            picture = draw(frame.image, finder.find(frame, raw, time.time_ns()))
            if encoder is None:
                size = even_size(frame.meta.width, frame.meta.height)
                options = {"preset": settings.preset, "crf": str(settings.crf)}
                encoder = Encoder(*size, options, settings.threads)
            ticks = round(frame.meta.pts_s * TICKS_A_SECOND)
            for sample in encoder.encode(encoder.picture(picture), frames, ticks, failed=False):
                file.write(sample.data)
            frames += 1
        for sample in encoder.drain() if encoder else ():
            file.write(sample.data)
    return frames / (time.monotonic() - begun_s)


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
    """Yield the frames of a clip in their own size."""
    for item in FileSource(path=clip).build().frames():
        meta = FrameMeta(
            source="clip",
            epoch=1,
            seq=item.seq,
            pts_s=item.pts_s,
            width=item.width,
            height=item.height,
            timestamp_s=None,
            captured_ns=item.captured_ns,
            decoded_ns=0,
        )
        yield Frame(meta, item.scaled(item.width, item.height))


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
