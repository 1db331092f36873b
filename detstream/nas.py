"""The detector by itself, in the words of Ultralytics' `NAS`."""

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, Unpack, overload

from detstream.datasets import read_dataset
from detstream.exporting import ExportOptions, exported
from detstream.flow import Flow
from detstream.metrics import Metrics
from detstream.network import NetworkSize, network_size
from detstream.options import ImageSize, Options, check, detector_settings, engine_settings, input_size
from detstream.pictures import pictures
from detstream.result import Result
from detstream.saving import Saver
from detstream.sources import Listing, listed
from detstream.val import CONF, IOU, Progress, validate
from stages.detector.engine import Engine
from stages.detector.export import Format
from stages.detector.finder import Finder
from stages.detector.settings import EngineSettings
from stages.detector.yolo_nas.card import ModelCard, read_card, with_names
from stages.detector.yolo_nas.class_names import read_names


class NAS:
    """A YOLO-NAS detector: `NAS("demo")`, or the file of another model's weights.

    The network is built when the first picture comes; `close`, or the end of a `with`, frees it.

    >>> from detstream import NAS
    >>> model = NAS("demo")
    >>> model.names
    {0: 'person', 1: 'car'}
    >>> size = model.info()
    YOLO-NAS N summary (fused): 191 layers, 5,445,109 parameters, 3.9 GFLOPs at 320x320

    Videos, images, folders, globs, and lists of them; as a stream, in constant memory:

    >>> for result in model.predict("demo/car-park.mp4", conf=0.4, classes=["car"], stream=True):
    ...     if len(result):
    ...         break
    >>> result.frame, result.class_name, result.xyxy.shape, result.plot().shape
    (56, ('car',), (1, 4), (432, 768, 3))
    >>> type(result.to_supervision()).__name__
    'Detections'

    One or a few, as a list; also images that are in memory, BGR uint8 (H, W, 3):

    >>> (again,) = model(result.orig_img, conf=0.4, classes=["car"])
    >>> bool((again.boxes.xyxy == result.xyxy).all())
    True

    How good it is, on pictures with labels:

    >>> metrics = model.val(data="demo/held-out/data.yaml")
    >>> metrics.map50 > 0.8, sorted(metrics.per_class)
    (True, ['car', 'person'])
    >>> model.close()
    """

    def __init__(
        self,
        model: str | PathLike[str] = "demo",
        *,
        engine: str | EngineSettings = "auto",
        imgsz: ImageSize | None = None,
        half: bool = False,
        names: str | Sequence[str] | None = None,
    ) -> None:
        """Read what the weights say of themselves; `imgsz` replaces their input size, `names` those of their classes.

        `half` asks for float16. `names` may be a file, as of a data set, or `"car,bus"`.

        Raises:
            ModelError: the weights are missing, damaged or of another layout.
            ConfigError: there is no such engine, it has no float16, the size is none, or there are no names.
        """
        self._model = str(model)
        self._card = _card(self._model, names)
        self._engine_settings = engine_settings(engine, half=half)
        self._size = input_size(imgsz) or self._card.input_size
        self._engines: dict[tuple[int, int], Engine] = {}

    @property
    def names(self) -> dict[int, str]:
        """Name of each class, by number."""
        return dict(enumerate(self._card.class_names))

    @property
    def card(self) -> ModelCard:
        """What is known of the network besides its weights."""
        return replace(self._card, input_size=self._size)

    @property
    def engine(self) -> str:
        """What runs the network, as in `openvino cpu, 2 x 1 thread`; builds it if need be."""
        return self._built(self._size).name

    def info(self, verbose: bool = True) -> NetworkSize:
        """Return layers, parameters and GFLOPs at the input size, and write them to stdout if `verbose`."""
        height, width = self._size
        size = network_size(replace(self._card, input_size=self._size))
        if verbose:
            counts = f"{size.layers} layers, {size.parameters:,} parameters, {size.gflops:.1f} GFLOPs"
            name = f"YOLO-NAS {self._card.layout.upper()}"
            sys.stdout.write(f"{name} summary (fused): {counts} at {height}x{width}\n")
        return size

    @overload
    def predict(self, source: object, *, stream: Literal[True], **options: Unpack[Options]) -> Iterator[Result]: ...

    @overload
    def predict(
        self, source: object, *, stream: Literal[False] = False, **options: Unpack[Options]
    ) -> list[Result]: ...

    def predict(
        self, source: object, *, stream: bool = False, **options: Unpack[Options]
    ) -> list[Result] | Iterator[Result]:
        """Return a result per image and per frame of a video, in order: a list, or an iterator if `stream`.

        A list holds all its pictures: for videos, stream. `source` is a path, a folder, a glob, an image in memory
        (numpy BGR uint8, PIL, or a torch tensor), or a list or iterator of these. The options are those of `Options`:
        `conf`, `iou`, `classes`, `max_det`, `agnostic`, `imgsz`, `save`, `output`, `force`. A damaged file ends a
        `source` that is nothing else; among others it gives a result with its `error`, and a line in the log, and the
        others go on; so does a damaged frame in a video.

        Raises:
            ConfigError: an argument is wrong, a source does not exist, or an output does; at once.
            EngineError: the engine can't be built, at once, or fails.
            ModelError: the weights can't be read or don't fit; at once.
            SourceError: a single source can't be read, or not to its end.
            SinkError: an output can't be written.
        """
        check(options)
        postprocess = detector_settings(options).postprocess(self._card)
        listing = listed(source)
        saver = Saver(options.get("output", "out"), force=options.get("force", False)) if options.get("save") else None
        if saver is not None:
            saver.reserve(listing.paths)
        engine = self._built(input_size(options.get("imgsz")) or self._size)
        flow = Flow(engine, Finder(with_names(engine.card, self._card.class_names), postprocess), self.names)
        results = _results(flow, listing, saver)
        return results if stream else list(results)

    __call__ = predict

    def val(
        self,
        data: str | PathLike[str],
        *,
        images: str | PathLike[str] | None = None,
        conf: float = CONF,
        iou: float = IOU,
        imgsz: ImageSize | None = None,
        progress: Progress | None = None,
    ) -> Metrics:
        """Return COCO's average precision on a labelled data set: an Ultralytics data YAML, or a COCO JSON.

        `images` is the folder of a JSON's pictures, if they are not where COCO has them.

        Raises:
            ConfigError: a file of the data set is missing or wrong, or its classes are not the model's.
            EngineError: the engine can't be built, or fails.
            ModelError: the weights can't be read.
            SourceError: a picture can't be read.
        """
        dataset = read_dataset(data, images)
        detector_settings(Options(conf=conf, iou=iou))  # refuses what is no share
        engine = self._built(input_size(imgsz) or self._size)
        card = with_names(engine.card, self._card.class_names)
        return validate(engine, card, dataset, conf=conf, iou=iou, progress=progress)

    def export(self, format: Format = "onnx", **options: Unpack[ExportOptions]) -> Path:
        """Write the model for other programs and return where; the options are those of `ExportOptions`.

        `output`, `half`, `nms`, `dynamic`, `batch`, `imgsz`, `conf`, `iou`, `force`; and `int8` with `calibration`,
        `data` and `max_drop`: that takes minutes, is done once, and from then on the engine "auto" uses the result,
        if it lost no more than `max_drop` on `data`.

        Raises:
            ConfigError: an argument is wrong.
            EngineError: a package is missing, or refuses the model.
            ModelError: the weights can't be read.
            SinkError: the output exists and `force` is not set, or it can't be written.
            SourceError: a picture for `int8` can't be read.
        """
        card = replace(self._card, input_size=self._size)
        return exported(self._model, card, format, options, lambda what, done, total: None).path

    def close(self) -> None:
        """Free the network; the next picture builds it again."""
        engines, self._engines = self._engines, {}
        for engine in engines.values():
            engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _built(self, size: tuple[int, int]) -> Engine:
        if size not in self._engines:
            self._engines[size] = self._engine_settings.build(self._model, size)
        return self._engines[size]


def _results(flow: Flow, listing: Listing, saver: Saver | None) -> Generator[Result]:
    with closing(pictures(listing)) as found, closing(flow.results(found)) as results:
        if saver is None:
            yield from results
            return
        with saver:
            for result in results:
                saver.add(result)
                yield result


def _card(model: str, names: str | Sequence[str] | None) -> ModelCard:
    card = read_card(model)
    if names is None:
        return card
    return with_names(card, read_names(names) if isinstance(names, str) else tuple(names))
