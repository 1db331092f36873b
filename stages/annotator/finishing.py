"""What is done when all frames of a recording, or of a camera's segment, are written: the rest is made of the lines."""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

from stages.annotator.append_file import writing
from stages.annotator.derived import Finished
from stages.annotator.journal import FOLDER
from stages.annotator.lines import read_fields
from stages.annotator.settings import AnnotatorSettings
from stages.annotator.sinks.jsonl import JsonlSink

_LINES_AT_ONCE: Final = 64
"""Some five milliseconds: meanwhile nothing else is written."""
_BYTES_AT_ONCE: Final = 1 << 23


class Finishing:
    """Knows where lines are, and makes of them what is derived; a part of the work with each `next`."""

    def __init__(self, settings: AnnotatorSettings) -> None:
        self._settings, self._folder = settings, settings.output

    @property
    def shown(self) -> bool:
        """Whether the lines are an output; else they are needed only until the rest is made."""
        return any(isinstance(sink, JsonlSink) for sink in self._settings.written)

    @property
    def lines_folder(self) -> Path:
        """Where the lines are."""
        return self._folder if self.shown else self._folder / FOLDER

    def lines(self, stem: str) -> Path:
        """Return the file of lines of a source, or of a segment."""
        return JsonlSink().outputs(self.lines_folder, stem)[0]

    def files(self, stem: str, source: str) -> list[Path]:
        """Return the outputs that are there."""
        wanted = (path for sink in self._settings.sinks for path in sink.outputs(self._folder, stem, source))
        return [path for path in wanted if path.exists()]

    def is_left(self, stem: str, source: str) -> bool:
        """Return whether there are lines of which something was never made."""
        made = [sink.outputs(self._folder, stem, source)[0].exists() for sink in self._settings.derived]
        return self.lines(stem).exists() and not all(made)

    def derive(self, stem: str, source: str, recording: Path | None) -> Iterator[None]:
        """Make everything of the lines; what is there is made anew.

        Raises:
            SinkError: something can't be written.
        """
        lines, derived = self.lines(stem), self._settings.derived
        if not derived or not lines.exists():
            return
        video = self._folder / f"{stem}.mp4"
        drawn = any(sink.kind == "video" for sink in self._settings.written) and video.exists()
        finished = Finished(self._folder, stem, source, lines, video if drawn else None, recording)
        with ExitStack() as stack:
            making = [stack.enter_context(closing(sink.derive(finished))) for sink in derived]
            for number, (_, fields) in enumerate(read_fields(lines)):
                for derivation in making:
                    derivation.add(fields)
                if number % _LINES_AT_ONCE == _LINES_AT_ONCE - 1:
                    yield
            for derivation in making:
                yield from derivation.finish()

    def forget_lines(self, stem: str) -> None:
        """Remove lines that nobody asked for."""
        if not self.shown:
            self.lines(stem).unlink(missing_ok=True)

    def checks(self, files: Sequence[Path]) -> Generator[None, None, dict[str, dict[str, Any]]]:
        """Return size and SHA-256 of files, by their path in the folder.

        Raises:
            SinkError: one can't be read.
        """
        found: dict[str, dict[str, Any]] = {}
        for path in files:
            digest = hashlib.sha256()
            with writing(path), path.open("rb") as file:
                while chunk := file.read(_BYTES_AT_ONCE):
                    digest.update(chunk)
                    yield
                name = path.relative_to(self._folder).as_posix()
                found[name] = {"bytes": file.tell(), "sha256": digest.hexdigest()}
        return found
