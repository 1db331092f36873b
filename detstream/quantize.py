"""A network in INT8: calibrated, checked on a data set, and as far as the check asks for it, kept in float.

It takes minutes; the result is kept in the cache of converted models, where engines find it by its weights.
"""

import hashlib
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detstream.calibration import calibration_images, digest
from detstream.engines import size_on_disk
from detstream.labels import Dataset
from detstream.measuring import Share, measured
from detstream.metrics import Metrics, check_installed
from detstream.val import matched, validate
from pipeline.errors import ConfigError, ModelError, SourceError
from stages.detector.engine import Engine
from stages.detector.engines.onnxruntime import OnnxRuntimeEngine
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.export import save_graph
from stages.detector.int8.onnx import OnnxInt8
from stages.detector.int8.openvino import OpenVinoInt8
from stages.detector.int8.quantized import Quantized, missing
from stages.detector.int8.search import Selection, select
from stages.detector.int8.store import PARTS, REPORT, Report, Runtime, Variant, kept
from stages.detector.yolo_nas.card import ModelCard, locate
from stages.detector.yolo_nas.exported import is_exported
from stages.detector.yolo_nas.onnx import Form, convert

if TYPE_CHECKING:
    from onnx import ModelProto

_ROUNDS: Final = 7
_SHARE: Final = Share(seconds=0.5)
_METHOD: Final = "2"
"""Part of the key: to be raised when this file, or `stages.detector.int8`, changes what it makes."""

_NETWORKS: Final[Mapping[Runtime, Callable[["ModelProto", Sequence[NDArray[np.uint8]]], Quantized]]] = {
    "openvino": OpenVinoInt8,
    "onnx": OnnxInt8,
}
_PACKAGES: Final[Mapping[Runtime, str]] = {"openvino": "openvino", "onnx": "onnxruntime"}
_Settings: TypeAlias = OpenVinoEngine | OnnxRuntimeEngine
_ENGINES: Final[Mapping[Runtime, _Settings]] = {
    "openvino": OpenVinoEngine(),
    "onnx": OnnxRuntimeEngine(device="cpu"),
}

Progress: TypeAlias = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and how much there is (0: unknown)."""


@dataclass(frozen=True, slots=True)
class Int8:
    """What to quantize with."""

    calibration: object
    """A video, folder or list, as ``NAS.predict`` takes it, of pictures like those that will come."""
    dataset: Dataset | None = None
    """To check the accuracy on; without it, nothing is checked, and nothing kept in float."""
    max_drop: float = 0.5
    """Points (hundredths) of AP, and of AP50, that the network may lose."""
    images: int = 128
    """How many pictures to calibrate with, at most."""

    def __post_init__(self) -> None:
        if not self.max_drop >= 0:
            raise ConfigError(f"max_drop: {self.max_drop}: give 0 or more points")
        if self.images < 1:
            raise ConfigError(f"calibration images: {self.images} is less than 1")


def quantize(model: str, card: ModelCard, runtime: Runtime, wanted: Int8, cache_dir: Path, progress: Progress) -> Path:
    """Return the folder of a network in INT8 (``stages.detector.int8.store``), made if there is none of these inputs.

    ``card`` is the model's, with the input size and the class names that are wanted.

    Raises:
        ConfigError: the calibration or the data set is wrong.
        EngineError: a package is missing, or it refuses the network, or the cache can't be written.
        ModelError: there is no such model, or it can't be quantized.
        SourceError: a picture can't be read.
    """
    if is_exported(locate(model)):
        raise ModelError(f"{model} is exported already: quantize the weights that it was made from")
    if wanted.dataset is not None:
        check_installed()
        matched(card.class_names, wanted.dataset)
    versions = (*(_version(package) for package in ("nncf", _PACKAGES[runtime])), _METHOD)
    progress("reading pictures", 0, 0)
    images = calibration_images(wanted.calibration, card.input_size, wanted.images)
    checked = (repr(card.class_names), _digest(wanted.dataset), repr(wanted.max_drop))
    maker = _Maker(model, card, runtime, wanted, _ENGINES[runtime].model_copy(update={"cache_dir": cache_dir}))
    return kept(
        cache_dir,
        runtime,
        model,
        card,
        (digest(images), *checked, *versions),
        lambda folder: maker.make(folder, images, progress),
    )


def _version(package: str) -> str:
    if find_spec(package) is None:
        raise missing(package)
    # By its own word: ONNX Runtime is in packages of several names.
    return str(import_module(package).__version__)


def _digest(dataset: Dataset | None) -> str:
    """Return the SHA-256 of a data set's pictures and labels, in hex; "" without one."""
    if dataset is None:
        return ""
    total = hashlib.sha256(repr(dataset.names).encode())
    for picture in dataset.pictures:
        try:
            total.update(picture.path.read_bytes())
        except OSError as error:
            raise SourceError(f"{picture.path} can't be read ({error.strerror}): check the data set") from error
        for part in (picture.xywh, picture.class_id, picture.crowd):
            total.update(part.tobytes())
    return total.hexdigest()


class _Maker:
    """Makes one network in INT8, in a folder of its own."""

    def __init__(self, model: str, card: ModelCard, runtime: Runtime, wanted: Int8, engine: _Settings) -> None:
        self._model = model
        self._card = card
        self._runtime: Runtime = runtime
        self._wanted = wanted
        self._settings = engine

    def make(self, folder: Path, images: Sequence[NDArray[np.uint8]], progress: Progress) -> None:
        """Write the network and its report."""
        progress("calibrating", 0, 0)
        network = _NETWORKS[self._runtime](convert(self._model, self._card, Form(1)), images)
        with tempfile.TemporaryDirectory(prefix="detstream-") as name:
            files = {"float": self._model, "int8": self._save(network, (), Path(name))}
            selection = self._selected(network, progress)
            chosen = self._save(network, selection.in_float, folder)
            if selection.in_float:
                files["selective"] = chosen
            progress("measuring speed", 0, 0)
            report = self._report(selection, len(images), self._variants(files))
        (folder / REPORT).write_text(report.to_json())

    def _selected(self, network: Quantized, progress: Progress) -> Selection:
        if self._wanted.dataset is None:
            return Selection((), 0.0, {})
        before = self._metrics(self._wanted.dataset, self._model)
        with tempfile.TemporaryDirectory(prefix="detstream-") as folder:
            drop = partial(self._drop, self._wanted.dataset, before, network, Path(folder))
            return select(network.blocks, drop, self._wanted.max_drop, partial(progress, "measuring blocks"))

    def _drop(
        self, dataset: Dataset, before: Metrics, network: Quantized, folder: Path, in_float: Collection[str]
    ) -> float:
        after = self._metrics(dataset, self._save(network, in_float, folder))
        return 100 * max(before.map - after.map, before.map50 - after.map50)

    def _save(self, network: Quantized, in_float: Collection[str], folder: Path) -> str:
        path = folder / PARTS[self._runtime][0]
        save_graph(network.variant(in_float), self._card, path)
        return str(path)

    def _engine(self, model: str) -> Engine:
        return self._settings.build(model, self._card.input_size)

    def _metrics(self, dataset: Dataset, model: str) -> Metrics:
        with closing(self._engine(model)) as engine:
            return validate(engine, self._card, dataset)

    def _variants(self, files: Mapping[str, str]) -> dict[str, Variant]:
        with ExitStack() as stack:
            engines = {kind: stack.enter_context(closing(self._engine(file))) for kind, file in files.items()}
            rounds = [{kind: measured(engine, 1, _SHARE) for kind, engine in engines.items()} for _ in range(_ROUNDS)]
        speeds = {kind: median(each[kind].images_s for each in rounds) for kind in files}
        return {kind: self._variant(file, speeds[kind]) for kind, file in files.items()}

    def _variant(self, file: str, images_s: float) -> Variant:
        size = size_on_disk(self._settings, file, self._card)
        if self._wanted.dataset is None:
            return Variant(images_s, size)
        metrics = self._metrics(self._wanted.dataset, file)
        return Variant(images_s, size, metrics.map, metrics.map50)

    def _report(self, selection: Selection, images: int, variants: Mapping[str, Variant]) -> Report:
        return Report(
            model=self._model,
            runtime=self._runtime,
            input_size=self._card.input_size,
            calibration_images=images,
            data=None if self._wanted.dataset is None else str(self._wanted.dataset.file),
            max_drop=self._wanted.max_drop,
            variants=variants,
            in_float=selection.in_float,
            gains=selection.gains,
            passed=self._wanted.dataset is not None and selection.drop <= self._wanted.max_drop,
        )
