"""What is drawn of a zone or a line, told from the stage that knows them to whoever draws them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Outline:
    """The edge of a zone, or a line."""

    name: str
    points: tuple[tuple[float, float], ...]
    unit: str
    """`fraction`: of the picture's width and height; `pixel`: of the original frame."""
    closed: bool
    """Whether it is the edge of a zone."""

    def scaled(self, width: int, height: int, original: tuple[int, int]) -> tuple[tuple[float, float], ...]:
        """Return the points in pixels of a picture of this size; `original`: width and height of the frame it shows."""
        across, down = (1, 1) if self.unit == "fraction" else original
        return tuple((x * width / across, y * height / down) for x, y in self.points)


def outlines_text(outlines: Iterable[Outline]) -> str:
    """Return outlines as text."""
    return json.dumps([asdict(outline) for outline in outlines], ensure_ascii=False)


def read_outlines(text: str) -> tuple[Outline, ...]:
    """Return the outlines in a text, none if it is empty."""
    return tuple(
        Outline(item["name"], tuple((x, y) for x, y in item["points"]), item["unit"], item["closed"])
        for item in json.loads(text or "[]")
    )
