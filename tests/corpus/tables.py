"""What came of the corpus, in Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from tests.corpus import damaged


@dataclass(frozen=True)
class Row:
    """A recording, and what came of it."""

    name: str
    container: str
    codec: str
    what: str
    """Its trait, or its damage."""
    expected: int
    got: int
    """Frames, those that failed included."""
    failed: int
    wrong: int
    """Frames that should be as they were, and are not."""
    ffprobe: int | None
    seconds: float
    mb: float
    said: str
    """Why it ends early or can't be read, or how the process died."""
    died: bool


_ANYWHERE: Final = {
    "cut off": "left",
    "no index": "no index",
    "huge sizes": "huge",
    "bits anywhere": "scattered",
    "bits of the head": "at_the_head",
    "bits of the end": "at_the_end",
    "a piece torn out": "torn_out",
}
"""Words in the damage of each kind."""


def of_formats(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the table of formats."""
    yield from _head("format", "codec", "what", "frames expected", "got", "wrong", "ffprobe", "s")
    for row in rows:
        numbers = (row.expected, row.got, row.wrong, "" if row.ffprobe is None else row.ffprobe)
        yield _line(row.container, row.codec, row.what, *numbers, f"{row.seconds:.2f}")
    yield _line("all", "", "", *_sums(rows))


def of_groups(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the table of damaged groups of pictures: frames that fail, and others that are wrong."""
    yield from _head("recording", "frames of the group", *damaged.SPOILS, "got", "others wrong")
    spoilt = [row for row in rows if row.what in damaged.SPOILS]
    for name, group in groupby(spoilt, lambda row: row.name):
        found = list(group)
        got = sorted({row.got for row in found})
        cells = [str(row.failed) for row in found]
        yield _line(name, len(damaged.lost(name)), *cells, _range(got), sum(row.wrong for row in found))


def of_damage(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the table of other damage."""
    counted = ("recordings", "crashed or hung", "whole", "in part", "not at all")
    yield from _head("damage", *counted, "longest s", "most MB")
    for what, word in _ANYWHERE.items():
        found = [row for row in rows if word in row.what]
        whole = [row for row in found if row.got - row.failed == row.expected and not row.said]
        nothing = [row for row in found if row.got == row.failed]
        counts = (len(found), sum(row.died for row in found), len(whole), len(found) - len(whole) - len(nothing))
        most = (f"{max(row.seconds for row in found):.2f}", f"{max(row.mb for row in found):.0f}")
        yield _line(what, *counts, len(nothing), *most)


def _sums(rows: Sequence[Row]) -> Iterator[object]:
    probed = [row.ffprobe for row in rows if row.ffprobe is not None]
    yield from (sum(row.expected for row in rows), sum(row.got for row in rows), sum(row.wrong for row in rows))
    yield sum(probed) if probed else ""
    yield f"{sum(row.seconds for row in rows):.2f}"


def _range(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"


def _head(*names: str) -> Iterator[str]:
    yield _line(*names)
    yield "|---" * len(names) + "|"


def _line(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
