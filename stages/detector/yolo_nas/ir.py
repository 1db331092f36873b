"""The network in OpenVINO's form, converted once and kept on disk, so that a second start needs no torch."""

import hashlib
import shutil
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pipeline.errors import EngineError
from stages.detector.yolo_nas.card import ModelCard, fingerprint

_CONVERSION: Final = "1"
"""Part of the key: to be raised when this file changes what it makes."""

_PARTS: Final = ("model.xml", "model.bin")
_SUMS: Final = "sha256"


def converted(model: str, card: ModelCard, cache: Path) -> Path:
    """Return the path of the IR of a model, by name, for images of ``card.input_size``; converted if need be.

    Its input is one image, uint8 BGR (1, H, W, 3); its outputs are boxes (1, A, 4) and scores (1, A, C), float32.

    Raises:
        ModelError: There is no such model, or its file is damaged.
        EngineError: The cache can't be written.
    """
    entry = cache / "openvino" / _key(model, card)
    if not _intact(entry):
        try:
            _fill(entry, model, card)
        except OSError as error:
            raise EngineError(f"the cache of converted models {cache} can't be written: {error}") from error
    return entry / _PARTS[0]


def _key(model: str, card: ModelCard) -> str:
    height, width = card.input_size
    parts = (fingerprint(model), f"{height}x{width}", version("openvino"), version("torch"), _CONVERSION)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _intact(entry: Path) -> bool:
    try:
        return (entry / _SUMS).read_text() == _sums(entry)
    except OSError:
        return False


def _sums(entry: Path) -> str:
    return "".join(f"{hashlib.sha256((entry / part).read_bytes()).hexdigest()}  {part}\n" for part in _PARTS)


def _fill(entry: Path, model: str, card: ModelCard) -> None:
    """Make an entry beside its place, then move it there in one step: others see all of it or nothing."""
    import openvino

    entry.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=entry.parent))
    try:
        openvino.save_model(_convert(model, card), fresh / _PARTS[0], compress_to_fp16=False)
        (fresh / _SUMS).write_text(_sums(fresh))
        _move(fresh, entry)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _move(fresh: Path, entry: Path) -> None:
    """Put a fresh entry in its place, unless another process put an intact one there meanwhile."""
    if entry.exists() and not _intact(entry):
        # Renamed first: a folder that is being deleted would look like a damaged entry to others.
        entry.rename(tempfile.mkdtemp(prefix=".old-", dir=entry.parent))
    try:
        fresh.rename(entry)
    except OSError:
        if not _intact(entry):
            raise
    for old in entry.parent.glob(".old-*"):
        shutil.rmtree(old, ignore_errors=True)


def _convert(model: str, card: ModelCard) -> Any:
    import openvino
    import torch

    from stages.detector.yolo_nas.fuse import fused
    from stages.detector.yolo_nas.weights import load_model

    network = fused(load_model(model)[0])
    shape = [1, 3, *card.input_size]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.export warns of its own internals
        program = torch.export.export(network, (torch.zeros(shape),))
        graph = openvino.convert_model(program, verbose=False)
    graph.reshape(shape)
    return _with_preprocessing(graph)


def _with_preprocessing(graph: Any) -> Any:
    from openvino import Layout, Type
    from openvino.preprocess import ColorFormat, PrePostProcessor

    steps = PrePostProcessor(graph)
    tensor = steps.input().tensor()
    tensor.set_element_type(Type.u8).set_layout(Layout("NHWC")).set_color_format(ColorFormat.BGR)
    steps.input().model().set_layout(Layout("NCHW"))
    steps.input().preprocess().convert_element_type(Type.f32).convert_color(ColorFormat.RGB).scale(255.0)
    return steps.build()
