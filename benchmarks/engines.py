"""Milliseconds an image and images a second of each engine, beside torch as the libraries use it.

    python -m benchmarks.engines
    python -m benchmarks.engines --device cuda --batches 1 4 16

The engines take turns, and ratios are taken within a round, so that other work on the machine counts for all of them.
The network alone: from pictures of its input's size in memory to boxes and scores. On a GPU each engine runs in float32
and in float16; the naive torch is float32.
"""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.naive import naive_torch
from benchmarks.report import ratios, save, show, spread
from detstream.engines import ENGINES, configured
from detstream.measuring import Round, Share, measured, submits
from pipeline.errors import EngineError
from stages.detector.engine import Engine, narrowed

_CASES: Final = ("random:s@320", "random:s@640", "random:m@640", "demo@320")
_ENGINES: Final = {
    "cpu": ("torch", "onnxruntime", "openvino", "openvino-latency"),
    "cuda": ("torch-cuda", "onnxruntime-cuda", "tensorrt"),
}
_NAIVE: Final = "naive torch"
_TOP_K: Final = 1024
_PACKAGES: Final = ("torch", "onnxruntime", "onnxruntime-gpu", "tensorrt")

Rounds = Mapping[str, Sequence[Round]]


@dataclass(frozen=True, slots=True)
class _Case:
    """A model at a size of its input."""

    name: str
    model: str
    input_size: tuple[int, int]


def main() -> None:
    """Measure, print tables, write JSON."""
    options = _options()
    results = [measured_case for name in options.cases for measured_case in _measure(_case(name), options)]
    about = {"benchmark": "engines", "device": options.device, "libraries": _libraries()}
    save(options.json, {**about, "rounds": options.rounds, "seconds": options.seconds, "cases": results})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=tuple(_ENGINES), default="cpu")
    parser.add_argument("--cases", nargs="+", default=list(_CASES), metavar="MODEL@SIDE")
    parser.add_argument("--engines", nargs="+", choices=tuple(ENGINES), help="those of the device if not given")
    parser.add_argument("--batches", type=int, nargs="+", help="1 on a CPU, 1 4 16 on a GPU if not given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="for latency and for images/s each, in a round")
    parser.add_argument("--json", type=Path, default=Path("out/benchmarks/engines.json"))
    options = parser.parse_args()
    options.batches = options.batches or ([1] if options.device == "cpu" else [1, 4, 16])
    options.engines = options.engines or list(_ENGINES[options.device])
    return options


def _case(name: str) -> _Case:
    model, _, side = name.rpartition("@")
    return _Case(name, model, (int(side), int(side)))


def _measure(case: _Case, options: argparse.Namespace) -> list[dict[str, Any]]:
    refused: dict[str, str] = {}
    with ExitStack() as stack:
        engines: dict[str, Engine] = {_NAIVE: naive_torch(case.model, case.input_size, options.device)}
        for label, name, half in _ways(options):
            try:
                engine = configured(name, max(options.batches), half=half).build(case.model, case.input_size)
            except EngineError as error:
                refused[label] = str(error)
                print(f"{case.name}, {label}: not measured: {error}", flush=True)
                continue
            stack.callback(engine.close)
            engines[label] = narrowed(engine, _TOP_K, None)
        raced = [_race(case, engines, batch, options) for batch in options.batches]
    return [{**result, "refused": refused} for result in raced]


def _ways(options: argparse.Namespace) -> list[tuple[str, str, bool]]:
    """Return label, engine, and whether it is in float16, of all that is measured."""
    precisions = (False, True) if options.device == "cuda" else (False,)
    return [(f"{name}, float16" if half else name, name, half) for name in options.engines for half in precisions]


def _race(case: _Case, engines: Mapping[str, Engine], batch: int, options: argparse.Namespace) -> dict[str, Any]:
    turns: dict[str, list[Round]] = {label: [] for label in engines}
    for number in range(options.rounds):
        for label, engine in engines.items():
            turns[label].append(measured(engine, batch, Share(seconds=options.seconds)))
            speed = f"{median(turns[label][-1].ms):9.2f} ms {turns[label][-1].images_s:9.1f} images/s"
            print(f"{case.name}, batch {batch}, round {number + 1}: {speed}  {label}", flush=True)
    facts = {label: {"ran_on": engine.name, "submits": submits(engine, batch)} for label, engine in engines.items()}
    return {"case": case.name, "batch": batch, "engines": facts, **_report(f"{case.name}, batch {batch}", turns)}


def _report(title: str, turns: Rounds) -> dict[str, Any]:
    ms = {label: [median(turn.ms) for turn in rounds] for label, rounds in turns.items()}
    rate = {label: [turn.images_s for turn in rounds] for label, rounds in turns.items()}
    tables = {
        "milliseconds an image, each round's median": {label: spread(values) for label, values in ms.items()},
        "images a second": {label: spread(values) for label, values in rate.items()},
        f"times as fast as {_NAIVE}, one batch alone": {
            label: ratios(ms[_NAIVE], values) for label, values in ms.items() if label != _NAIVE
        },
        f"times the images a second of {_NAIVE}": {
            label: ratios(values, rate[_NAIVE]) for label, values in rate.items() if label != _NAIVE
        },
    }
    for heading, rows in tables.items():
        show(f"{title}: {heading}", rows)
    names = ("ms", "images_s", "faster_than_naive", "images_s_over_naive")
    return dict(zip(names, tables.values(), strict=True))


def _libraries() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
