"""The files of a recording, one behind the other, each opened when it is come to."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import structlog

from pipeline.errors import SourceError
from stages.decoder.finding import Anchor
from stages.decoder.opening import Place, Threads
from stages.decoder.part import Part
from stages.decoder.pieces import Pieces
from stages.decoder.reading import Item
from stages.decoder.sampling import Astray, Sampler, Sampling

Numbered: TypeAlias = tuple[int, Part, Item]
"""A frame, its number in the recording, and the file that it is in."""


class Parts:
    """The files of a recording; of several, one that can't be read is left out, and told of at the end."""

    def __init__(self, files: Sequence[Place], threads: int, thread_type: Threads) -> None:
        """Open the first of them.

        Raises:
            SourceError: none of them can be opened; the reason of the first.
        """
        self._files, self._threads, self._thread_type = files, threads, thread_type
        self._opened: list[Part | None] = []
        self._errors: list[str] = []
        first = next(self._each(None), None)
        if first is None:
            raise SourceError(self._errors[0])
        self.first = first

    def all(self, anchor: Anchor | None) -> Iterator[Numbered]:
        """Yield every frame, from behind the anchor on if it can be found.

        Raises:
            SourceError: nothing more can be read, and it should; raised after the last frame.
        """
        if len(self._files) == 1:
            yield from ((seq, self.first, item) for seq, item in self.first.numbered(anchor))
            return
        try:
            yield from self._chained(anchor)
        except Astray:
            yield from self._chained(None)
        self._complain()

    def pieces(self, anchor: Anchor | None) -> Pieces | None:
        """Return the recording cut, to be read by several lanes; None if it can't be.

        Raises:
            SourceError: it can't be opened.
        """
        if len(self._files) > 1:
            return None
        pieces = Pieces(self.first, anchor)
        if pieces.works:
            return pieces
        pieces.close()
        return None

    def sampled(self, sampling: Sampling, start: int, anchor: Anchor | None) -> Iterator[Numbered]:
        """Yield the frames that are taken, numbered among themselves, from number `start` on.

        Raises:
            SourceError: as `all`, or none is taken.
        """
        seq, after_s = (0, None) if anchor is None else (anchor[0] + 1, anchor[1])
        for thin in (True, False):
            try:
                for part, item in self._taken(Sampler(sampling, self.first.facts.start_s, after_s), thin=thin):
                    if seq >= start:
                        yield seq, part, item
                    seq += 1
                break
            except Astray:  # go through it frame by frame, from the beginning, up to where we were
                start, seq, after_s = max(start, seq), 0, None
        if not seq and not self._errors:
            raise SourceError(f"{self._files[0]} has no frame in the part that was asked for")
        self._complain()

    def _chained(self, anchor: Anchor | None) -> Iterator[Numbered]:
        seq, after_s = (0, None) if anchor is None else (anchor[0] + 1, anchor[1])
        for part in self._each(after_s):
            for item in self._noted(part.items(after_s)):
                yield seq, part, item
                seq += 1
            after_s = None

    def _taken(self, sampler: Sampler, *, thin: bool) -> Iterator[tuple[Part, Item]]:
        for part in self._each(sampler.begin_s):
            if sampler.over(part.begin_s):
                return
            yield from ((part, item) for item in self._noted(part.taken(sampler, thin=thin)))

    def _noted(self, items: Iterator[Item]) -> Iterator[Item]:
        """Yield what can be read, and note why there is no more if there should be."""
        try:
            yield from items
        except SourceError as error:
            if len(self._files) == 1:
                raise
            structlog.get_logger().error("part of a recording fails", error=str(error))
            self._errors.append(str(error))

    def _each(self, after_s: float | None) -> Iterator[Part]:
        """Yield the files that have frames behind a time, all if it is None."""
        for place in range(len(self._files)):
            if place == len(self._opened):
                self._opened.append(self._open(place))
            part = self._opened[place]
            is_last = place == len(self._files) - 1  # and how long it is, may not be known
            if part is not None and (after_s is None or is_last or part.end_s > after_s):
                yield part

    def _open(self, place: int) -> Part | None:
        before = next((part for part in reversed(self._opened) if part is not None), None)
        try:
            part = Part.of(self._files[place], self._threads, self._thread_type)
        except SourceError as error:
            self._errors.append(str(error))
            return None
        return part if before is None else part.behind(before)

    def _complain(self) -> None:
        if self._errors:
            more = f" (and {len(self._errors) - 1} more)" if len(self._errors) > 1 else ""
            raise SourceError(f"{self._errors[0]}{more}")
