import time
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import strip
from pipeline.errors import EngineError
from pipeline.frame import Frame
from pipeline.messages import Detections, FrameMeta
from pipeline.wire import decode, encode, encode_public
from stages.detector.engines.probe import Probe, ProbeEngine, number_of
from stages.detector.finder import Finder
from stages.detector.nms import Postprocess
from stages.detector.settings import DetectorSettings
from stages.detector.yolo_nas.card import ModelCard

SIZES = [(320, 180), (352, 288), (640, 480), (720, 1280), (1280, 720), (1920, 1080), (2688, 1520), (3840, 2160)]
RULES = [Postprocess(0.25, 0.7), Postprocess(0.9, 0.0, class_agnostic=True, max_detections=8, multi_label=False)]
numbers = st.integers(0, (1 << strip.BITS) - 1)


def card(*size: int) -> ModelCard:
    return ModelCard("s", ("person", "car"), (size[0], size[-1]))


def probe(size: tuple[int, int] = (320, 320), **settings: float) -> Probe:
    return Probe(card(*size), ProbeEngine.model_validate(settings))


def frame(width: int, height: int, number: int | None, stored: tuple[int, int] | None = None) -> Frame:
    """Return a frame whose picture is stored as large as it is, or smaller."""
    across, down = stored or (width, height)
    image = np.full((down, across, 3), 90, np.uint8)
    if number is not None:
        strip.stamp(image, number)
    return Frame(FrameMeta("gate", 1, 5, 0.2, width, height), image)


def found(seen: Frame, size: tuple[int, int], rules: Postprocess = RULES[0]) -> Detections:
    engine = probe(size)
    finder = Finder(engine.card, rules)
    try:
        return finder.find(seen, engine.submit([finder.canvas(seen)]).result(30)[0], 1)
    finally:
        engine.close()


@pytest.mark.parametrize(("size", "side"), list(product(SIZES, (320, 640))), ids=str)
def test_a_number_comes_back_exactly_at_all_usual_sizes(size: tuple[int, int], side: int) -> None:
    rng = np.random.default_rng([*size, side])
    for rules in RULES:
        for number in (0, (1 << strip.BITS) - 1, *map(int, rng.integers(0, 1 << strip.BITS, 6))):
            assert number_of(found(frame(*size, number), (side, side), rules)) == number


@given(numbers, st.integers(100, 4000), st.integers(100, 4000), st.sampled_from([(320, 320), (640, 640), (384, 640)]))
@settings(deadline=None)
def test_a_number_comes_back_from_frames_of_any_size(
    number: int, width: int, height: int, size: tuple[int, int]
) -> None:
    if not 1 / 3 < width / height < 3:
        width = height
    stored = Finder(card(*size), RULES[0])._letterbox.picture_size(width, height)
    assert number_of(found(frame(width, height, number, stored), size)) == number


@given(numbers)
@settings(deadline=None, max_examples=20)
def test_a_number_comes_back_over_the_wire_in_any_order(number: int) -> None:
    seen = found(frame(1280, 720, number), (320, 320))
    for data in (encode(seen), encode_public(seen)):
        arrived = decode(data)
        assert isinstance(arrived, Detections) and number_of(arrived) == number
    assert number_of(shuffled(seen, np.random.default_rng(number % 1000).permutation(len(seen)))) == number


def shuffled(seen: Detections, order: NDArray[np.intp]) -> Detections:
    return replace(
        seen,
        xyxy=seen.xyxy[order],
        confidence=seen.confidence[order],
        class_id=seen.class_id[order],
        tracker_id=seen.tracker_id[order],
        class_name=tuple(seen.class_name[place] for place in order),
    )


@given(numbers, st.integers(0, 7), st.integers(0, 3), st.sampled_from([-4.0, 4.0, 8.0]))
@settings(deadline=None)
def test_a_box_that_was_moved_at_one_side_is_no_other_number(number: int, box: int, side: int, by: float) -> None:
    seen = found(frame(1280, 720, number), (320, 320))
    seen.xyxy[box, side] += np.float32(by)
    assert number_of(seen) is None


def test_a_picture_without_a_number_has_no_objects() -> None:
    seen = found(frame(1280, 720, None), (320, 320))
    assert len(seen) == 0 and number_of(seen) is None


def test_objects_of_another_engine_are_no_number() -> None:
    seen = found(frame(1280, 720, 5), (320, 320))
    assert number_of(replace(seen, confidence=np.full(8, 0.9, np.float32))) is None
    assert number_of(replace(seen, xyxy=np.zeros((8, 4), np.float32))) is None
    assert number_of(shuffled(seen, np.arange(7))) is None


def test_boxes_lie_in_the_picture_and_do_not_touch() -> None:
    xyxy = found(frame(1280, 720, (1 << strip.BITS) - 1), (320, 320)).xyxy
    assert (xyxy > 0).all() and (xyxy < [1280, 720, 1280, 720]).all()
    for i, j in product(range(len(xyxy)), repeat=2):
        apart = (xyxy[i, 2:] <= xyxy[j, :2]) | (xyxy[j, 2:] <= xyxy[i, :2])
        assert i == j or apart.any()


def test_a_batch_is_answered_picture_by_picture() -> None:
    engine = probe(max_batch=3)
    finder = Finder(engine.card, RULES[0])
    frames = [frame(640, 360, number) for number in (8, 1, 5)]
    answers = engine.submit([finder.canvas(one) for one in frames]).result(30)
    engine.close()
    assert [number_of(finder.find(one, raw, 0)) for one, raw in zip(frames, answers, strict=True)] == [8, 1, 5]


def test_an_engine_takes_no_less_than_it_was_told_to_and_batches_one_after_the_other() -> None:
    engine = probe(cost_ms=30, cost_per_frame_ms=20, max_batch=2, in_flight=2)
    canvas = np.zeros((320, 320, 3), np.uint8)
    begun_s = time.monotonic()
    first, second = engine.submit([canvas, canvas]), engine.submit([canvas])
    first.result(30)
    assert time.monotonic() - begun_s >= 0.07
    second.result(30)
    assert time.monotonic() - begun_s >= 0.12
    engine.close()
    assert (engine.max_batch, engine.in_flight) == (2, 2)


def test_closing_waits_for_what_was_submitted() -> None:
    engine = probe(cost_ms=20)
    future = engine.submit([np.zeros((320, 320, 3), np.uint8)])
    engine.close()
    engine.close()
    assert future.done()


def test_a_wrong_batch_and_a_closed_engine_are_errors() -> None:
    engine = probe(max_batch=1)
    canvas = np.zeros((320, 320, 3), np.uint8)
    with pytest.raises(EngineError, match="more than this engine's 1"):
        engine.submit([canvas, canvas])
    with pytest.raises(EngineError, match="shape"):
        engine.submit([canvas[:-1]])
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.submit([canvas])


def test_settings_name_it() -> None:
    engine = DetectorSettings.model_validate({"engine": {"kind": "probe", "cost_ms": 40}}).engine
    assert isinstance(engine, ProbeEngine)
    built = engine.build("random:s", (320, 640))
    built.close()
    assert built.card.input_size == (320, 640) and built.name == "probe"
