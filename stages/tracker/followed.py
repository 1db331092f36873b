"""A source's tracks together with what happens to them: one state, which moves as a whole."""

import json
from dataclasses import replace

from pipeline.messages import Detections, EndOfSource
from stages.tracker.freezing import freeze, thaw
from stages.tracker.settings import TrackerSettings
from stages.tracker.tracks import Tracks
from stages.tracker.watching import Happened, Watching


class Followed:
    """Numbers the objects of one source and watches them; same frames in, same out, also across a restart."""

    def __init__(self, source: str, settings: TrackerSettings, fps: float, state: bytes = b"") -> None:
        """Go on from a state.

        Raises:
            ValueError: the settings have no tracker.
        """
        if settings.tracking is None:
            raise ValueError("there is no tracker to follow anything with")
        tracks, watching = thaw(state) if state else (None, "null")
        self._tracks = Tracks(settings.tracking, fps, tracks)
        self._watching = Watching(source, settings, json.loads(watching))

    def to_bytes(self) -> bytes:
        """Return the state of both."""
        # No arrays are in what is watched, so JSON does: four times as fast, and a frame waits for it.
        return freeze([self._tracks.state(), json.dumps(self._watching.state(), separators=(",", ":"))])

    def update(self, found: Detections, at_s: float | None) -> Detections:
        """Return a frame with numbers, and what it shows; `at_s`: see `Tracks.update`."""
        tracked = self._tracks.update(found, at_s)
        happened = self._watching.see(tracked, self._tracks.alive, gap=self._tracks.gap)
        return replace(tracked, events=happened.events, minutes=happened.minutes, zones=happened.zones)

    def rest(self, at_s: float | None) -> None:
        """Note a frame in which nothing moved, and that nobody looked at: all stays as it is."""
        self._tracks.rest(at_s)

    def end(self, end: EndOfSource) -> Happened:
        """End all tracks, and return what that brings; numbers are not given again."""
        happened = self._watching.end(end)
        self._tracks.forget()
        return happened
