"""A street with vehicles and people, the same each time for a seed, any frame of it without those before."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.decoder.scene.backdrop import NOISE_MEAN, NOISE_SPARE, backdrop, noise
from stages.decoder.scene.figures import BUILDS, PEOPLE, VEHICLES, Colour, Shape, paint

CLASS_NAMES: Final = ("person", "car")

_LEAST_CYCLE, _MOST_CYCLE = 180, 420
"""Frames from one entry of an actor to that of the next one in its place."""
_DAY_FRAMES: Final = 1500
_DAY_GAIN: Final = 0.15
_STEP: Final = 0.35
"""Radians a frame by which legs swing."""
_MAP_HEIGHT: Final = 180
"""Of the map on which the visible share is counted, in cells."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is in one frame, from the farthest to the nearest."""

    xyxy: NDArray[np.float32]
    """Shape (N, 4), pixels, inside the picture."""
    class_name: tuple[str, ...]
    """`person` or `car`, length N."""
    identity: NDArray[np.int64]
    """Shape (N,), from 1: the same object has the same one in all frames, and no other object ever has it."""
    visible: NDArray[np.float32]
    """Shape (N,): the share of an object's box that is in the picture and not behind the box of a nearer one."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """Where actors pass; distances in heights of the picture."""

    far: float
    """Where their feet or wheels are when they come."""
    near: float
    """And when they go."""
    tall: tuple[float, float]
    """How tall an adult or a saloon is, there and there."""
    shapes: tuple[Shape, ...]
    left: bool | None
    """Where they go; None: either way."""


_LANES: Final = (
    _Lane(0.78, 0.78, (0.12, 0.12), VEHICLES, False),
    _Lane(0.92, 0.92, (0.27, 0.27), PEOPLE, None),
    _Lane(0.66, 0.66, (0.09, 0.09), VEHICLES, True),
    _Lane(0.55, 0.9, (0.14, 0.26), PEOPLE, None),
    _Lane(0.55, 0.55, (0.14, 0.14), PEOPLE, None),
)


@dataclass(frozen=True, slots=True)
class _Actor:
    identity: int
    shape: Shape
    lane: _Lane
    left: bool
    colour: Colour
    begin: int
    """Frame in which it comes."""
    stay: float
    """Frames until it has left."""
    sink: float
    """What it is below its lane's line, in heights of the picture."""

    def box(self, frame: int, width: int, height: int) -> tuple[float, float, float, float] | None:
        """Return xyxy, pixels, perhaps outside the picture; None if it is not there."""
        share = (frame - self.begin) / self.stay
        if not 0 <= share < 1:
            return None
        build, lane, nearer = BUILDS[self.shape], self.lane, share * share * (3 - 2 * share)
        bottom = (lane.far + (lane.near - lane.far) * nearer + self.sink) * height
        tall = (lane.tall[0] + (lane.tall[1] - lane.tall[0]) * nearer) * build.height * height
        wide = tall * build.aspect
        way = (width + wide) * share
        left = width - way if self.left else way - wide
        return left, bottom - tall, left + wide, bottom


class Street:
    """Draws the street; where its actors are follows from the seed and the frame's number alone."""

    def __init__(self, width: int, height: int, objects: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 0])
        self._size = width, height
        self._seed, self._objects = seed, objects
        self._backdrop, self._noise = backdrop(width, height, rng), noise(width, height, rng)
        self._cycles = [
            (int(cycle), int(late)) for cycle, late in rng.integers(_LEAST_CYCLE, _MOST_CYCLE, (objects, 2))
        ]
        self._cast = lru_cache(maxsize=2 * objects + 1)(self._actor)

    def draw(self, frame: int) -> tuple[NDArray[np.uint8], Truth]:
        """Return a frame by its number, from 0: BGR uint8 (height, width, 3), and what is in it."""
        actors = self._present(frame)
        image = self._backdrop.copy()
        for actor, box in actors:
            paint(image, actor.shape, box, actor.colour, actor.left, frame * _STEP + actor.identity)
        return self._seen(image, frame), self._truth(actors)

    def truth(self, frame: int) -> Truth:
        """Return what is in a frame, without drawing it."""
        return self._truth(self._present(frame))

    def _seen(self, image: NDArray[np.uint8], frame: int) -> NDArray[np.uint8]:
        """Return the picture in the light of its time, and with noise."""
        gain = 1 + _DAY_GAIN * math.sin(2 * math.pi * frame / _DAY_FRAMES + self._seed)
        height, width = image.shape[:2]
        top, left = frame * 37 % NOISE_SPARE, frame * 23 % (NOISE_SPARE - 3)
        cut = self._noise[top : top + height, left : left + width]
        seen = cv2.addWeighted(image, gain, cut, 1.0, -NOISE_MEAN, dst=image)
        return np.asarray(seen, np.uint8)

    def _present(self, frame: int) -> list[tuple[_Actor, tuple[float, float, float, float]]]:
        """Return who is in the picture and where, the farthest first."""
        found = []
        for place, (cycle, late) in enumerate(self._cycles):
            actor = self._cast(place, (frame + late) // cycle)
            box = actor.box(frame, *self._size)
            if box is not None and box[0] < self._size[0] and box[2] > 0:
                found.append((actor, box))
        return sorted(found, key=lambda item: item[1][3])

    def _actor(self, place: int, turn: int) -> _Actor:
        """Return who has a place for the turn-th time."""
        rng = np.random.default_rng([self._seed, 1, place, turn])
        cycle, late = self._cycles[place]
        lane = _LANES[place % len(_LANES)]
        blue, green, red = (int(value) for value in rng.integers(25, 230, 3))
        return _Actor(
            identity=1 + place + self._objects * turn,
            shape=lane.shapes[int(rng.integers(len(lane.shapes)))],
            lane=lane,
            left=bool(rng.integers(2)) if lane.left is None else lane.left,
            colour=(blue, green, red),
            begin=turn * cycle - late,
            stay=cycle * rng.uniform(0.75, 1.0),
            sink=rng.uniform(-0.015, 0.015),
        )

    def _truth(self, actors: list[tuple[_Actor, tuple[float, float, float, float]]]) -> Truth:
        width, height = self._size
        boxes = np.array([box for _, box in actors], np.float32).reshape(-1, 4)
        return Truth(
            xyxy=boxes.clip(0, np.array([width, height] * 2, np.float32)),
            class_name=tuple(CLASS_NAMES[actor.shape in VEHICLES] for actor, _ in actors),
            identity=np.array([actor.identity for actor, _ in actors], np.int64),
            visible=_visible(boxes, width, height),
        )


def _visible(boxes: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Return the share of each box that is in the picture and behind none of those after it."""
    scale = _MAP_HEIGHT / height
    cells = np.rint(boxes * scale).astype(np.intp)
    nearest = np.zeros((_MAP_HEIGHT, max(1, round(width * scale))), np.uint16)
    for number, (x1, y1, x2, y2) in enumerate(cells.clip(0), 1):
        nearest[y1:y2, x1:x2] = number
    counts = np.bincount(nearest.ravel(), minlength=len(boxes) + 1)[1:]
    areas = (cells[:, 2] - cells[:, 0]) * (cells[:, 3] - cells[:, 1])
    return np.asarray(counts / areas.clip(1), np.float32)
