"""The demo's network in INT8: at a small size and calibrated with few pictures, once for all tests."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from detstream.calibration import calibration_images
from stages.detector.export import save_graph
from stages.detector.int8.onnx import OnnxInt8
from stages.detector.int8.openvino import OpenVinoInt8
from stages.detector.int8.quantized import Quantized
from stages.detector.int8.store import PARTS, REPORT, Report, Runtime, Variant, kept
from stages.detector.yolo_nas.card import ModelCard, read_card
from stages.detector.yolo_nas.onnx import Form, convert

if TYPE_CHECKING:
    from onnx import ModelProto

CLIP: Final = Path(__file__).parents[1] / "demo/car-park.mp4"
SIZE: Final = (128, 224)
BOTH: Final[tuple[Runtime, ...]] = ("openvino", "onnx")
FULL: Final = Variant(2.0, 100)

Images = Sequence[NDArray[np.uint8]]


@cache
def card() -> ModelCard:
    return replace(read_card("demo"), input_size=SIZE)


@cache
def graph() -> "ModelProto":
    return convert("demo", card(), Form(1))


@cache
def images() -> tuple[NDArray[np.uint8], ...]:
    return tuple(calibration_images(CLIP, SIZE, 6))


@cache
def quantized(runtime: Runtime) -> Quantized:
    return OpenVinoInt8(graph(), images()) if runtime == "openvino" else OnnxInt8(graph(), images())


def saved(runtime: Runtime, in_float: Sequence[str], folder: Path) -> Path:
    """Write a variant, as an engine loads it, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PARTS[runtime][0]
    save_graph(quantized(runtime).variant(in_float), card(), path)
    return path


def shelved(cache_dir: Path, runtime: Runtime, *, passed: bool, variants: Mapping[str, Variant] | None = None) -> Path:
    """Put the network, all of it in INT8, where engines look for it."""
    known = variants or {"float": Variant(1.0, 400), "int8": FULL}
    report = Report("demo", runtime, SIZE, 6, "data.yaml" if passed else None, 0.5, known, passed=passed)

    def make(folder: Path) -> None:
        saved(runtime, (), folder)
        (folder / REPORT).write_text(report.to_json())

    return kept(cache_dir, runtime, "demo", card(), (str(passed),), make)
