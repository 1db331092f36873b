"""A finished recording: its lines, and what is derived of them."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol

from pipeline.messages import Detections
from stages.annotator.derived import Derivation, Finished, Row
from stages.annotator.lines import line_of, read_fields, rows_in
from tests.stages.annotator.frames import failed, found

SOURCE: Final = "gate"
FRAMES: Final = tuple(failed(seq) if seq == 3 else found(seq, objects=seq % 4) for seq in range(9))
"""Some with nothing in them, one that failed."""


class Derived(Protocol):
    """Settings of an output that is made of lines."""

    def outputs(self, folder: Path, stem: str, source: str = "") -> tuple[Path, ...]: ...

    def derive(self, finished: Finished) -> Derivation: ...


def finished(
    folder: Path, frames: Iterable[Detections] = FRAMES, stem: str = SOURCE, recording: Path | None = None
) -> Finished:
    """Write the lines of a recording, and return what it is."""
    lines = folder / f"{stem}.jsonl"
    lines.write_bytes(b"".join(map(line_of, frames)))
    return Finished(folder, stem, SOURCE, lines, recording=recording)


def derive(settings: Derived, of: Finished) -> Sequence[Path]:
    """Make an output to its end, and return its files."""
    with closing(settings.derive(of)) as making:
        for _, fields in read_fields(of.lines):
            making.add(fields)
        for _ in making.finish():
            pass
    return settings.outputs(of.folder, of.stem, of.source)


def leave_halfway(settings: Derived, of: Finished) -> None:
    """Begin to make an output, and be stopped before it is in its place."""
    with closing(settings.derive(of)) as making:
        for _, fields in read_fields(of.lines):
            making.add(fields)


def told(of: Finished) -> list[Row]:
    """Return what the lines tell."""
    return list(rows_in(of.lines))
