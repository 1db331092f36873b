"""What is on disk of a source from before: enough to go on without looking at any frame twice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline import keys
from pipeline.answers import answer
from pipeline.broker import Broker
from pipeline.ledger import Ledger
from stages.annotator.journal import NO_TRACKS, Journal, KeptTracks
from stages.annotator.lines import found_in, read_fields
from stages.annotator.times import Times

_AT_ONCE: Final = 256
"""Messages sent before the tracker has dealt with those before."""


@dataclass(slots=True)
class _Survey:
    """What one pass over the lines tells."""

    kept: KeptTracks
    offset: int = 0
    """Where its line begins."""
    last: int = -1
    counts: dict[str, int] = field(default_factory=lambda: {"ok": 0, "failed": 0, "objects": 0})
    """Of the lines before it."""


class Past:
    """The lines of a source, and the tracker's state at one of them; told to a broker that knows nothing of it."""

    def __init__(self, journal: Journal, lines: Path) -> None:
        self._journal, self._lines = journal, lines

    def times(self) -> Times:
        """Return the times of the frames that there are lines of."""
        return Times((fields["seq"], fields["pts_s"]) for _, fields in read_fields(self._lines))

    def begin(self, fps: float) -> None:
        """Keep what the tracker goes by, before the first line is written; what is kept already stays.

        Raises:
            SinkError: it can't be written.
        """
        if self._journal.tracks() == NO_TRACKS:
            self._journal.keep_tracks(KeptTracks(0, fps, b""))

    def keep_tracks(self, states: Mapping[str, bytes], durable: int, fps: float) -> None:
        """Keep the newest of the tracker's states that is not ahead of what is durable.

        Raises:
            SinkError: it can't be written.
        """
        following = max((int(number) for number in states if int(number) <= durable + 1), default=0)
        if following:
            self._journal.keep_tracks(KeptTracks(following, fps, states[str(following)]))

    def restore(self, broker: Broker, ledger: Ledger) -> Iterator[None]:
        """Tell the broker where the tracker was, then send again what was found since, a part with each `next`.

        The tracker publishes these frames once more, with the same numbers on the same objects as before. It is over
        when all are published: with a later epoch, the tracker lets go of what is not, and nobody looks for it again.
        """
        while True:
            survey = self._survey(self._journal.tracks())
            if survey.kept.following > survey.last + 1:  # the lines are behind it: somebody cut them
                survey = self._survey(KeptTracks(0, survey.kept.fps, b""))
            epoch = _tell(broker, ledger, survey)
            for _ in self._send(broker, ledger, survey, epoch):
                if ledger.read().number("retold", 0) != epoch:  # the broker has lost its memory, once more
                    break
                yield
            else:
                return

    def _send(self, broker: Broker, ledger: Ledger, survey: _Survey, epoch: int) -> Iterator[None]:
        """Send what was found since the tracks were kept; with each `next`, see how far the tracker is."""
        for _, fields in read_fields(self._lines, survey.offset):
            while fields["seq"] - ledger.read().published > _AT_ONCE:
                yield
            with broker.transaction() as transaction:
                answer(transaction, found_in(fields, epoch), live=False)
        while ledger.read().published < survey.last:
            yield

    def _survey(self, kept: KeptTracks) -> _Survey:
        survey = _Survey(kept)
        for end, fields in read_fields(self._lines, 0):
            survey.last = fields["seq"]
            if fields["seq"] < kept.following:
                survey.offset = end
                survey.counts["failed" if fields["status"] == "failed" else "ok"] += 1
                survey.counts["objects"] += len(fields["detections"])
        return survey


def _tell(broker: Broker, ledger: Ledger, survey: _Survey) -> int:
    """Tell the broker where the tracker was, and what it went by; return the epoch of what is sent again."""
    epoch, kept = ledger.begin_epoch(), survey.kept
    state: dict[str, str | int | float | bytes] = {"epoch": epoch, "following": kept.following, "tracks": kept.tracks}
    facts: dict[str, str | int | float | bytes] = {
        "published": kept.following - 1,
        "resumed": survey.last + 1,
        "retold": epoch,
    }
    with broker.transaction() as transaction:
        transaction.set_fields(keys.checkpoint(ledger.source), state | survey.counts)
        ledger.write_in(transaction, facts | ({"fps": kept.fps} if kept.fps else {}))
    return epoch
