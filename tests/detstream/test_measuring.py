"""What is timed of an engine, on engines that note what they are asked."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detstream.measuring import Effort, Share, measured, submits
from stages.detector.engine import RawBoxes, check_batch
from stages.detector.yolo_nas.card import ModelCard

CARD = ModelCard("n", ("car",), (64, 96))


@dataclass
class LazyEngine:
    """Answers a submit when another has to, and notes how many were outstanding."""

    max_batch: int = 1
    in_flight: int = 3
    parallel: int = 2
    name: str = "lazy"
    card: ModelCard = CARD
    sizes: list[int] = field(default_factory=list)
    most: int = 0
    _waiting: list[Future[list[RawBoxes]]] = field(default_factory=list)

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Future[list[RawBoxes]]:
        check_batch(images, self.card, self.max_batch)
        answer: Answer = Answer(self)
        self._waiting.append(answer)
        self.sizes.append(len(images))
        self.most = max(self.most, len(self._waiting))
        return answer

    def land(self, answer: Future[list[RawBoxes]]) -> None:
        self._waiting.remove(answer)

    def close(self) -> None:
        pass


class Answer(Future[list[RawBoxes]]):
    def __init__(self, engine: LazyEngine) -> None:
        super().__init__()
        self.engine = engine

    def result(self, timeout: float | None = None) -> list[RawBoxes]:
        self.engine.land(self)
        return []


def test_a_batch_that_the_engine_takes_is_one_submit() -> None:
    engine = LazyEngine(max_batch=16)
    measured(engine, 4, Share(images=12))
    assert submits(engine, 4) == 1
    assert set(engine.sizes) == {4}


def test_a_larger_batch_is_several_submits_of_which_the_engine_has_no_more_than_it_takes() -> None:
    engine = LazyEngine(max_batch=3, in_flight=2)
    measured(engine, 8, Share(images=8))
    assert submits(engine, 8) == 3
    assert engine.sizes[:6] == [3, 3, 2, 3, 3, 2]
    assert engine.most == 2


def test_latency_is_of_as_many_batches_as_it_takes_for_the_images_after_one_that_does_not_count() -> None:
    assert len(measured(LazyEngine(max_batch=4), 4, Share(images=10)).ms) == 3


def test_no_less_than_one_batch_is_measured() -> None:
    turn = measured(LazyEngine(), 1, Share(seconds=0))
    assert len(turn.ms) == 1 and turn.images_s > 0


def test_the_engine_is_kept_full_for_images_a_second() -> None:
    engine = LazyEngine(in_flight=4)
    measured(engine, 1, Share(images=20))
    assert engine.most == 4


def test_rounds_share_the_effort() -> None:
    assert Effort(seconds=10, rounds=5).share() == Share(seconds=1)
    assert Effort(images=11, rounds=5).share() == Share(images=3)
