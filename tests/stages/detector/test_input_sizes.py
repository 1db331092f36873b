"""Inputs of the network of any size and shape: the objects are found, where they are, by every engine.

The demo model knows objects of one size only, so a frame is put into a picture that is as large as the input asks for.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.frame import Frame
from pipeline.messages import Detections, FrameMeta
from stages.detector.engine import Engine
from stages.detector.engines.openvino import OpenVinoEngine
from stages.detector.engines.torch import TorchEngine
from stages.detector.finder import Finder
from stages.detector.settings import DetectorSettings

HELD_OUT: Final = Path(__file__).parents[3] / "demo" / "held-out"
EXAMPLES: Final = ("car-0326", "car-0339", "person-1116")
SIZES: Final = ((320, 320), (320, 640), (640, 320), (736, 1280), (1280, 736), (1280, 1280))
BORDER: Final = 4
ENLARGED: Final = 2
"""How much larger than the letterbox's place for them the pictures are."""
TOLERANCE: Final = 0.02

Build = Callable[[tuple[int, int]], Engine]


@pytest.fixture(scope="module")
def builders(converted_models: Path) -> dict[str, Build]:
    openvino, torch = OpenVinoEngine(streams=1, cache_dir=converted_models), TorchEngine(device="cpu")
    return {"openvino": lambda size: openvino.build("demo", size), "torch": lambda size: torch.build("demo", size)}


def example(name: str, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.float32], int]:
    """Return a picture for an input of a size, the box (4,) of the object in its lower right, and its class."""
    frame = cv2.imread(str(HELD_OUT / "images" / f"{name}.jpg"))
    assert frame is not None
    scale = ENLARGED * (320 - BORDER) / frame.shape[1]
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = (ENLARGED * (side - BORDER) for side in size)
    picture = np.full((height, width, 3), 114, np.uint8)
    picture[-small.shape[0] :, -small.shape[1] :] = small
    number, *centre = map(float, (HELD_OUT / "labels" / f"{name}.txt").read_text().splitlines()[0].split())
    x, y, w, h = np.array(centre) * ([small.shape[1], small.shape[0]] * 2)
    corner = np.array([width - small.shape[1], height - small.shape[0]] * 2)
    return picture, (np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]) + corner).astype(np.float32), int(number)


def seen(engine: Engine, pictures: list[NDArray[np.uint8]]) -> list[Detections]:
    finder = Finder(engine.card, DetectorSettings().postprocess(engine.card))
    found = []
    for picture in pictures:
        height, width = picture.shape[:2]
        frame = Frame(FrameMeta("still", 1, 0, 0.0, width, height, decoded_ns=1), picture)
        (raw,) = engine.submit([finder.canvas(frame)]).result()
        found.append(finder.find(frame, raw, 0))
    engine.close()
    return found


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_known_objects_are_found_where_they_are_by_every_engine(
    size: tuple[int, int], builders: dict[str, Build]
) -> None:
    examples = [example(name, size) for name in EXAMPLES]
    answers = {name: seen(build(size), [picture for picture, _, _ in examples]) for name, build in builders.items()}
    for ours, theirs in zip(*answers.values(), strict=True):
        np.testing.assert_allclose(ours.xyxy, theirs.xyxy, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(ours.confidence, theirs.confidence, rtol=0, atol=TOLERANCE)
        assert ours.class_name == theirs.class_name
    for (_, box, number), found in zip(examples, answers["torch"], strict=True):
        assert found.class_id[0] == number
        assert overlap(found.xyxy[0], box) > 0.8


def overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the intersection over union of two boxes."""
    both = np.maximum(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0).prod()
    return float(both / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - both))
