"""The settings of zones and lines: where, what is looked for there, and in front of which sources."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, Field, model_validator

from pipeline.settings import Section

Point: TypeAlias = tuple[float, float]
Anchor: TypeAlias = Literal["bottom_center", "center", "top_center"]
"""Which point of a box says where its object is."""


class _Place(Section):
    """What zones and lines have in common."""

    name: str = Field(min_length=1, max_length=100)
    sources: tuple[str, ...] = Field(("*",), min_length=1, description="names of sources, or patterns such as gate*")
    unit: Literal["fraction", "pixel"] = Field(default="fraction", description="of the points: of 1, or pixels")
    classes: tuple[str, ...] = Field((), description="names of the classes that count; all if there is none")
    anchor: Anchor = Field(default="bottom_center", description="which point of a box says where its object is")
    debounce_s: float = Field(default=0.2, ge=0, le=60, description="how long something must hold to be believed")

    def applies_to(self, source: str) -> bool:
        """Return whether it is of a source."""
        return any(fnmatchcase(source, pattern) for pattern in self.sources)

    def pixels(self, points: Iterable[Point], width: int, height: int) -> tuple[Point, ...]:
        """Return points in pixels of a frame of this size."""
        across, down = (width, height) if self.unit == "fraction" else (1, 1)
        return tuple((x * across, y * down) for x, y in points)

    def _check(self, points: Iterable[Point]) -> None:
        for x, y in points:
            if self.unit == "fraction" and not (0 <= x <= 1 and 0 <= y <= 1):
                raise ValueError(f"{self.name}: point {x:g}, {y:g} is outside 0 to 1: for pixels set unit: pixel")


class ZoneSettings(_Place):
    """An area of the picture."""

    polygon: tuple[Point, ...] | None = Field(
        default=None, description="three corners or more; else all of the picture"
    )
    dwell_s: float | None = Field(default=None, gt=0, description="tell who stays for longer")
    above: int | None = Field(default=None, ge=0, description="tell when more than so many are there, and when not")
    presence_s: float | None = Field(
        default=None, ge=0, description="tell when a class has appeared, or disappeared, for so long"
    )

    @model_validator(mode="after")
    def _encloses_something(self) -> Self:
        if self.polygon is None:
            return self
        self._check(self.polygon)
        import shapely  # here: most processes have no zones

        if len(self.polygon) < 3 or not (shape := shapely.Polygon(self.polygon)).is_valid or shape.area == 0:
            raise ValueError(f"{self.name}: a polygon has three corners or more, and its edges don't cross")
        return self


class LineSettings(_Place):
    """A line that is crossed."""

    line: tuple[Point, ...] = Field(
        min_length=2, description="two points or more; who goes from its left to its right, seen along it, goes in"
    )

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        self._check(self.line)
        if any(first == second for first, second in zip(self.line, self.line[1:], strict=False)):
            raise ValueError(f"{self.name}: two neighbouring points of a line are the same")
        return self


def overlap(first: "ZoneSettings | LineSettings", second: "ZoneSettings | LineSettings") -> bool:
    """Return whether two places may be of the same source."""
    pairs = [(one, other) for one in first.sources for other in second.sources]
    return any(fnmatchcase(one, other) or fnmatchcase(other, one) for one, other in pairs)


P = TypeVar("P", ZoneSettings, LineSettings)


def _distinct(places: tuple[P, ...]) -> tuple[P, ...]:
    for number, place in enumerate(places):
        if any(place.name == other.name and overlap(place, other) for other in places[:number]):
            raise ValueError(f"two of a source are called {place.name!r}: events could not be told apart")
    return places


Zones: TypeAlias = Annotated[tuple[ZoneSettings, ...], AfterValidator(_distinct)]
Lines: TypeAlias = Annotated[tuple[LineSettings, ...], AfterValidator(_distinct)]
