"""Networks in INT8 on disk: made once, found again by the weights that they are of."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from pipeline.errors import EngineError
from stages.detector.yolo_nas.cache import cached, intact
from stages.detector.yolo_nas.card import ModelCard, fingerprint, locate
from stages.detector.yolo_nas.exported import is_exported

Runtime: TypeAlias = Literal["openvino", "onnx"]

PARTS: Final[Mapping[Runtime, tuple[str, ...]]] = {"openvino": ("model.xml", "model.bin"), "onnx": ("model.onnx",)}
"""Files of an entry besides its report; the first one is what an engine loads."""

REPORT: Final = "report.json"


@dataclass(frozen=True, slots=True)
class Variant:
    """How a network does in one precision, on this machine."""

    images_s: float
    size: int | None
    """Bytes on disk; None for weights that are in no file."""
    ap: float | None = None
    """COCO's average precision in [0, 1]; None without a data set."""
    ap50: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a network in INT8."""

    model: str
    runtime: Runtime
    input_size: tuple[int, int]
    """Height, width."""
    calibration_images: int
    data: str | None
    """Data set that its accuracy was checked on; None: it was not."""
    max_drop: float
    """Points of average precision that it may lose, of AP and of AP50."""
    variants: Mapping[str, Variant]
    """``float``, ``int8`` (all of it), and ``selective`` if a part was kept in float."""
    in_float: tuple[str, ...] = ()
    gains: Mapping[str, float] = field(default_factory=dict)
    """Points that each block gives back by itself in float; {} if there was no need to search."""
    passed: bool = False
    """Whether it was checked and loses no more than ``max_drop``."""

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Return the report that ``to_json`` wrote."""
        fields = json.loads(text)
        height, width = fields.pop("input_size")
        variants = {name: Variant(**each) for name, each in fields.pop("variants").items()}
        in_float = tuple(fields.pop("in_float"))
        return cls(**fields, input_size=(height, width), variants=variants, in_float=in_float)


def kept(
    cache: Path, runtime: Runtime, model: str, card: ModelCard, key: tuple[str, ...], make: Callable[[Path], None]
) -> Path:
    """Return the folder of a network in INT8; ``make`` writes it if there is none of that ``key``.

    It is the newest then, also if it was there already: an engine takes what was asked for last.

    Raises:
        EngineError: The cache can't be written.
        ModelError: The weights can't be read.
    """
    kind = str(_shelf(runtime, model, card))
    entry = cached(cache.expanduser(), kind, key, (*PARTS[runtime], REPORT), make)
    with suppress(OSError):  # a cache that can only be read is one too
        entry.touch()
    return entry


def find(cache: Path, runtime: Runtime, model: str, card: ModelCard, *, passed: bool) -> Path | None:
    """Return the newest network in INT8 of these weights and input size, as an engine loads it; None if there is none.

    ``passed`` asks for one that passed its check of accuracy.

    Raises:
        ModelError: The weights can't be read.
    """
    shelf = cache.expanduser() / _shelf(runtime, model, card)
    entries = sorted(shelf.glob("[!.]*"), key=_age, reverse=True)
    whole = (entry for entry in entries if intact(entry, (*PARTS[runtime], REPORT)))
    return next((entry / PARTS[runtime][0] for entry in whole if not passed or _passed(entry)), None)


def demand(cache: Path, runtime: Runtime, model: str, card: ModelCard) -> Path:
    """Return the newest network in INT8 of these weights and input size, one that passed its check before all others.

    Raises:
        EngineError: There is none; it says how to make one.
        ModelError: The weights can't be read.
    """
    if is_exported(locate(model)):
        raise EngineError(f"{model} is exported already, and has its precision: int8 is for weights")
    found = find(cache, runtime, model, card, passed=True) or find(cache, runtime, model, card, passed=False)
    if found is None:
        height, width = card.input_size
        raise EngineError(
            f"{model} has no INT8 for {runtime} at {height}x{width} yet; make it: detstream export --model {model} "
            f"--format {runtime} --int8 --imgsz {height}x{width} --calibration VIDEO_OR_FOLDER --data DATASET"
        )
    return found


def read(entry: Path) -> Report:
    """Return the report of an entry.

    Raises:
        EngineError: It is damaged.
    """
    try:
        return Report.from_json((entry / REPORT).read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{entry} is damaged: delete it and make the INT8 model again") from error


def _age(entry: Path) -> int:
    try:
        return entry.stat().st_mtime_ns
    except OSError:  # another process is putting a new one in its place
        return 0


def _passed(entry: Path) -> bool:
    try:
        return read(entry).passed
    except EngineError:  # another version of detstream wrote it
        return False


def _shelf(runtime: Runtime, model: str, card: ModelCard) -> Path:
    height, width = card.input_size
    weights = hashlib.sha256(f"{fingerprint(model)}\n{height}x{width}".encode()).hexdigest()
    return Path("int8") / runtime / weights
