"""How fast, how large and how good each engine is that can run a model here, side by side."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, TypeAlias

import numpy as np

from detstream.engines import ENGINES, configured, size_on_disk
from detstream.labels import Dataset
from detstream.measuring import Effort, Round, Share, measured, submits
from detstream.metrics import Metrics, check_installed
from detstream.val import matched, validate
from pipeline.errors import ConfigError, EngineError, ModelError
from stages.detector.engine import Engine, narrowed
from stages.detector.yolo_nas.card import ModelCard, read_card

Progress: TypeAlias = Callable[[int, int, str], None]
"""Is told how many steps are done, how many there are, and what is next."""

_LARGEST: Final = 256
_TOP_K: Final = 1024
"""As many candidates leave the engine, where that saves time, as in predicting."""


@dataclass(frozen=True, slots=True)
class Row:
    """One engine with one size of batch."""

    engine: str
    """Its name in `detstream.engines`."""
    ran_on: str
    """What it says that it is: `openvino cpu, 2 x 1 thread`."""
    batch: int
    submits: int
    """As how many submits a batch went in: 1 where the engine takes so many at once."""
    ms_p50: float
    """Milliseconds of a batch divided by its images, median; from submit to result, with nothing else in the engine."""
    ms_p95: float
    images_s: float
    """With as many submits outstanding as the engine takes; median of the rounds."""
    size: int | None
    """Bytes on disk of the weights or the converted model that it loads; None for weights that are in no file."""
    map: float | None = None
    """COCO's average precision in [0, 1], if there was a data set."""
    map50: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An engine that could not run, with any batch or with one."""

    engine: str
    reason: str
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured; rows by engine, then batch."""

    model: str
    input_size: tuple[int, int]
    """Height, width."""
    half: bool
    rows: tuple[Row, ...]
    refusals: tuple[Refusal, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as dictionaries, lists and numbers."""
        return asdict(self)


@dataclass(slots=True, eq=False)
class _Entrant:
    """An engine that runs, and what is known of it."""

    name: str
    engine: Engine
    size: int | None
    rounds: dict[int, list[Round]]
    metrics: Metrics | None = None

    def rows(self) -> Iterator[Row]:
        shares = (None, None) if self.metrics is None else (self.metrics.map, self.metrics.map50)
        for batch, rounds in self.rounds.items():
            ms = np.concatenate([each.ms for each in rounds])
            p50, p95 = (round(float(value), 3) for value in np.percentile(ms, (50, 95)))
            rate = round(float(np.median([each.images_s for each in rounds])), 2)
            went_in = submits(self.engine, batch)
            yield Row(self.name, self.engine.name, batch, went_in, p50, p95, rate, self.size, *shares)


@dataclass(slots=True, eq=False)
class _Steps:
    """Tells of the progress."""

    total: int
    tell: Progress | None
    done: int = field(default=0)

    def next(self, what: str) -> None:
        if self.tell is not None:
            self.tell(self.done, self.total, what)
        self.done += 1

    def each(self, names: Sequence[str], what: str) -> Iterator[str]:
        for name in names:
            self.next(f"{name}: {what}")
            yield name


def benchmark(
    model: str,
    engines: Sequence[str] = tuple(ENGINES),
    batches: Sequence[int] = (1,),
    *,
    input_size: tuple[int, int] | None = None,
    half: bool = False,
    dataset: Dataset | None = None,
    effort: Effort | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure engines, by name, with each size of batch; those that can't run are among the report's refusals.

    The network alone, from pictures of its input's size in memory to boxes and scores: no decoding, no suppression.
    All engines are built first, each for the largest batch; then they take turns, so that other work on the machine
    counts for all of them alike. A batch is one submit, where the engine has the setting `max_batch`; for others
    (OpenVINO: batches gain nothing on a CPU) it is as many single submits, outstanding at the same time. The average
    precision is measured once for each engine, on `dataset`, as by `detstream.val`.

    Raises:
        ConfigError: there is no such engine or batch, or the data set's classes are not the model's.
        ModelError: the weights are missing or damaged.
        SourceError: a picture of the data set can't be read.
    """
    effort = effort or Effort()
    card = _checked(model, engines, batches, dataset)
    card = replace(card, input_size=input_size or card.input_size)
    turns = effort.rounds * len(batches) + (dataset is not None)
    steps = _Steps(len(engines) * (1 + turns), progress)
    entered = [_entered(name, model, card, batches, half=half) for name in steps.each(engines, "loading")]
    entrants = [one for one in entered if isinstance(one, _Entrant)]
    refusals = [one for one in entered if isinstance(one, Refusal)]
    steps.total -= len(refusals) * turns
    with ExitStack() as stack:
        for entrant in entrants:
            stack.callback(entrant.engine.close)
        refusals += _raced(entrants, effort, steps)
        refusals += _judged(entrants, dataset, steps) if dataset is not None else ()
    rows = tuple(row for entrant in entrants for row in entrant.rows())
    return Report(model, card.input_size, half, rows, tuple(refusals))


def _checked(model: str, engines: Sequence[str], batches: Sequence[int], dataset: Dataset | None) -> ModelCard:
    if unknown := [name for name in engines if name not in ENGINES]:
        raise ConfigError(f"engines: there is no {unknown[0]!r}; there are: all, {', '.join(ENGINES)}")
    if wrong := [batch for batch in batches if not 1 <= batch <= _LARGEST]:
        raise ConfigError(f"batch: {wrong[0]}: give 1 to {_LARGEST}")
    card = read_card(model)
    if dataset is not None:
        check_installed()
        matched(card.class_names, dataset)
    return card


def _entered(name: str, model: str, card: ModelCard, batches: Sequence[int], *, half: bool) -> _Entrant | Refusal:
    try:
        settings = configured(name, max(batches), half=half)
        engine = narrowed(settings.build(model, card.input_size), _TOP_K, None)
        size = size_on_disk(settings, model, card)
    except (EngineError, ModelError) as error:
        return Refusal(name, str(error))
    return _Entrant(name, engine, size, {batch: [] for batch in batches})


def _raced(entrants: Sequence[_Entrant], effort: Effort, steps: _Steps) -> Iterator[Refusal]:
    """Let all take turns; one that fails with a batch is out, with this batch."""
    for number in range(effort.rounds):
        for entrant in entrants:
            for batch in tuple(entrant.rounds):
                steps.next(f"{entrant.name}, batch {batch}, round {number + 1}")
                if (refusal := _turn(entrant, batch, effort.share())) is not None:
                    yield refusal


def _turn(entrant: _Entrant, batch: int, share: Share) -> Refusal | None:
    try:
        entrant.rounds[batch].append(measured(entrant.engine, batch, share))
    except EngineError as error:
        del entrant.rounds[batch]
        return Refusal(entrant.name, str(error), batch)
    return None


def _judged(entrants: Sequence[_Entrant], dataset: Dataset, steps: _Steps) -> Iterator[Refusal]:
    for entrant in entrants:
        steps.next(f"{entrant.name}: average precision")
        try:
            entrant.metrics = validate(entrant.engine, entrant.engine.card, dataset)
        except EngineError as error:
            yield Refusal(entrant.name, f"average precision: {error}")
