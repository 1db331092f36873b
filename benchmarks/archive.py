"""Frames per second of the whole pipeline, beside the same work in one bare process and the engine alone.

    python -m benchmarks.archive --engine both --rounds 3
    python -m benchmarks.archive --part scaling
    python -m benchmarks.archive --part memory --minutes 1,10,60

The ways are measured in alternation, and ratios are taken within a round, so that other work on the machine counts
for all of them. No figure includes the loading of the model.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from benchmarks.archive_size import memory, scaling
from benchmarks.bare import captured, conf_for, decoded, engine_fps, serial_fps
from benchmarks.clip import make_clip
from benchmarks.command import Timing, timed_run
from benchmarks.report import ratios, save, show, spread
from pipeline.frame import Frame
from stages.detector.engine import Engine
from stages.detector.engines.null import NullEngine
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.finder import Finder
from stages.detector.nms import Postprocess

_MODEL: Final = "random:s"
_BOXES: Final = 10
_IOU: Final = 0.7
_CONF_NULL: Final = 0.5
_FRAMES: Final = {"null": 1508, "openvino": 80}
_CANVASES: Final = 8
_RECORDINGS: Final = (1, 2, 4, 8, 16, 32)
_SCALED_FRAMES: Final = 1536
_MEMORY_FPS: Final = 12.5

Way: TypeAlias = Callable[[], float]
Read: TypeAlias = Callable[[Path], Iterator[Frame]]


@dataclass(frozen=True, slots=True)
class _Course:
    """What is measured, and with what."""

    kind: str
    clip: Path
    frames: int
    engine: Engine
    conf: float
    folder: Path


def main() -> None:
    """Measure, print tables, write JSON."""
    options = _options()
    result: dict[str, Any] = {"benchmark": "archive", "part": options.part, "model": _MODEL}
    if options.part == "speed":
        kinds = ["null", "openvino"] if options.engine == "both" else [options.engine]
        result["engines"] = {kind: _measure(kind, options) for kind in kinds}
    elif options.part == "scaling":
        result["fps"] = scaling(options.clip, _RECORDINGS, options.frames or _SCALED_FRAMES, options.rounds)
    else:
        result["memory"] = memory(options.minutes, _MEMORY_FPS)
    save(options.json, result)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=("speed", "scaling", "memory"), default="speed")
    parser.add_argument("--minutes", type=lambda text: [*map(int, text.split(","))], default=[1, 10, 60])
    parser.add_argument("--frames", type=int, help="a round; 1508 with the null engine, 80 with OpenVINO if not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", choices=("null", "openvino", "both"), default="both")
    parser.add_argument("--clip", type=Path, default=Path("demo/car-park.mp4"))
    parser.add_argument("--json", type=Path, default=Path("out/benchmarks/archive.json"))
    return parser.parse_args()


def _measure(kind: str, options: argparse.Namespace) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="detstream-bench-")))
        clip = folder / "clip.mp4"
        frames = make_clip(options.clip, clip, options.frames or _FRAMES[kind])
        engine: Engine = NullEngine().build(_MODEL) if kind == "null" else OpenVinoEngine().build(_MODEL)
        stack.callback(engine.close)
        conf = _CONF_NULL if kind == "null" else conf_for(engine, clip, _BOXES)
        course = _Course(kind, clip, frames, engine, conf, folder)
        runs: list[Timing] = []
        ways = _ways(course, stack, runs)
        fps: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(options.rounds):
            for name, way in ways.items():
                fps[name].append(way())
                print(f"{kind}, round {number + 1}: {fps[name][-1]:8.2f} fps  {name}", flush=True)
    return _report(course, fps, runs)


def _ways(course: _Course, stack: ExitStack, runs: list[Timing]) -> Mapping[str, Way]:
    finder = Finder(course.engine.card, Postprocess(course.conf, _IOU))

    def serial(engine: Engine, read: Read = decoded, threads: int = 1) -> Way:
        return lambda: serial_fps(read(course.clip), course.folder / "bare.mp4", engine, finder, threads)

    ways = {"pipeline": _pipeline(course, runs), "serial, same engine": serial(course.engine)}
    ways["serial, cv2.VideoCapture"] = serial(course.engine, captured)
    ways["serial, x264 beside it"] = serial(course.engine, threads=0)
    if course.kind == "openvino":
        canvases = [finder.canvas(frame) for frame in islice(decoded(course.clip), _CANVASES)]
        ways["serial, all cores"] = serial(stack.enter_context(closing(OpenVinoEngine(hint="latency").build(_MODEL))))
        ways["engine alone"] = lambda: engine_fps(course.engine, canvases, course.frames)
    return ways


def _pipeline(course: _Course, runs: list[Timing]) -> Way:
    config = course.folder / "config.yaml"
    detector = {"model": _MODEL, "engine": {"kind": course.kind}, "conf": course.conf, "iou": _IOU}
    config.write_text(yaml.safe_dump({"detector": detector}))

    def way() -> float:
        runs.append(timed_run(course.clip, course.frames, course.folder / "out", ("--config", str(config))))
        return runs[-1].steady_fps

    return way


def _report(course: _Course, fps: Mapping[str, list[float]], runs: list[Timing]) -> dict[str, Any]:
    frames = course.frames
    boxes = runs[0].manifest["sources"][0]["detections"] / frames
    rows = {name: spread(values) for name, values in fps.items()}
    rows["pipeline, by its manifest"] = spread([run.manifest_fps for run in runs])
    rows["pipeline, whole command"] = spread([frames / run.command_s for run in runs])
    over = {f"pipeline / {name}": ratios(fps["pipeline"], values) for name, values in fps.items() if name != "pipeline"}
    show(f"{course.kind}, S 640, {frames} frames, {boxes:.0f} boxes a frame: frames per second", rows)
    show("ratios within a round", over)
    return {
        "engine": course.engine.name,
        "frames": frames,
        "boxes_a_frame": round(boxes, 1),
        "fps": rows,
        "ratios": over,
        "rounds": fps,
        "whole_command_s": [round(run.command_s, 2) for run in runs],
    }


if __name__ == "__main__":
    main()
