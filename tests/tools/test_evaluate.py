"""Average precision, by hand-made detections, and what the shipped demo weights reach on frames they never saw."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.detector.nms import Found
from stages.detector.yolo_nas.weights import load_model
from tools.demo.evaluate import average_precision, detect, precisions
from tools.demo.labels import CARS, PEOPLE, Boxes, Image, Labelled, Scene, clean_plate, label, read_clip

BLANK: Image = np.zeros((10, 10, 3), np.uint8)


def _labelled(boxes: Boxes, class_id: int) -> Labelled:
    return Labelled(0, BLANK, np.array(boxes, np.float32).reshape(-1, 4), class_id, (), usable=True)


def _found(*rows: tuple[float, float, float, float, float, int]) -> Found:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Found(table[:, :4], table[:, 4], table[:, 5].astype(np.int32))


ONE = np.array([[0, 0, 10, 10]], np.float32)


def test_a_box_on_every_object_is_perfect() -> None:
    assert average_precision([_found((0, 0, 10, 9, 0.6, 1))], [_labelled(ONE, 1)], 1) == pytest.approx(1.0)


def test_a_second_box_below_the_first_costs_nothing_but_one_above_it_does() -> None:
    frames = [_labelled(ONE, 1)]
    assert average_precision([_found((0, 0, 10, 9, 0.6, 1), (1, 0, 10, 9, 0.5, 1))], frames, 1) == pytest.approx(1.0)
    assert average_precision([_found((0, 0, 10, 9, 0.6, 1), (30, 0, 40, 9, 0.9, 1))], frames, 1) == pytest.approx(0.5)


def test_a_box_of_another_class_is_a_miss() -> None:
    assert average_precision([_found((0, 0, 10, 10, 0.9, 0))], [_labelled(ONE, 1)], 1) == 0.0


def test_half_of_the_objects_found_is_half_the_precision() -> None:
    frames = [_labelled(ONE, 1), _labelled(ONE, 1)]
    assert average_precision([_found((0, 0, 10, 10, 0.9, 1)), _found()], frames, 1) == pytest.approx(0.5)


def _held_out(videos: Path, scene: Scene, every: int) -> list[Labelled]:
    """Label some frames of the last fifth of a clip; a plate from every 10th frame is clean enough."""
    frames = read_clip(videos / scene.file)
    plate = clean_plate(frames[::10], None if scene.empty_frame is None else scene.empty_frame // 10)
    last = frames[len(frames) * 4 // 5 :: every]
    return [frame for frame in label(last, plate, replace(scene, step=1)) if frame.usable]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Two threads of torch beside other work wait for each other: 70 s were seen for what takes 2."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def held_out(shared: Path) -> list[Labelled]:
    videos = shared / "videos"
    return _held_out(videos, PEOPLE, 12) + _held_out(videos, CARS, 3)


def test_the_demo_weights_find_people_and_cars_in_frames_they_never_saw(held_out: list[Labelled]) -> None:
    network, card = load_model("demo")
    reached = precisions(network, card, held_out)
    assert reached["person"] >= 0.80
    assert reached["car"] >= 0.80


def test_the_demo_weights_box_no_object_twice_at_their_own_thresholds(held_out: list[Labelled]) -> None:
    network, card = load_model("demo")
    for frame in held_out:
        found = detect(network, card, frame.image, card.conf)
        assert len(found.xyxy) <= len(frame.boxes), frame.seq
        assert set(found.class_id.tolist()) <= {frame.class_id}, frame.seq
