"""The life of one camera: connected, read, waited for, connected again, for ever."""

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from random import Random
from typing import Final, TypeAlias

import structlog

from pipeline.errors import BrokerError, CameraError, ConfigError, FrameStoreError
from stages.decoder.live.backoff import Backoff
from stages.decoder.live.captured import LiveVideo
from stages.decoder.live.feed import Feed, FeedOver
from stages.decoder.live.states import Reporter, State

Open: TypeAlias = Callable[[int], AbstractContextManager[LiveVideo]]
"""Opens the camera; its argument is the number of the next frame."""

_STATE_OF: Final[Mapping[str, State]] = {
    "auth": "failed",
    "not_found": "failed",
    "codec": "failed",
    "settings": "failed",
    "internal": "failed",
    "no_room": "failed",
    "stalled": "stalled",
}
"""Where a person has to do something; all else mends itself."""
_LINGER_S: Final = 2.0
_FINISH_POLL_S: Final = 0.05


class Camera:
    """Follows one camera until told to stop, or to its end if it has one; in a thread of its own.

    It never raises what the camera, or its settings, are to blame for: that is told, and tried again.
    """

    def __init__(self, open_video: Open, feed: Feed, reporter: Reporter, random: Random) -> None:
        self._open, self._feed, self._reporter = open_video, feed, reporter
        self._backoff = Backoff(random)
        self._stop = threading.Event()
        self._removed = False
        self._lives_until_s = time.monotonic()
        self._live_since_s: float | None = None
        self._trouble: tuple[str, str] | None = None
        """Code and words of what has been wrong since it was last live."""

    @property
    def name(self) -> str:
        return self._feed.name

    def silent_s(self) -> float:
        """Return for how many seconds its thread has given no sign of life when it should have."""
        return time.monotonic() - self._lives_until_s

    def refresh(self) -> None:
        """Bring what is known of it up to date."""
        self._reporter.refresh()

    def stop(self, *, removed: bool = False) -> None:
        """Let it end soon, as somebody else's, or (`removed`) for good."""
        self._removed = removed
        self._stop.set()

    def run(self, patience_s: float) -> None:
        """Follow it; a single wait for the camera takes at most `patience_s` seconds.

        Raises:
            BrokerError: the broker refused a command.
        """
        try:
            self._follow(patience_s)
            self._leave()
        except FeedOver:
            self._feed.close()

    def _follow(self, patience_s: float) -> None:
        self._change("connecting")
        while not self._stop.is_set():
            try:
                self._lives_until_s = time.monotonic() + patience_s
                self._watch(patience_s)
            except CameraError as error:
                self._pause(error.code, str(error))
            except ConfigError as error:
                self._pause("settings", str(error))
            except FrameStoreError as error:
                self._pause("no_room", str(error))
            except (FeedOver, BrokerError):
                raise
            except Exception as error:  # the top of a camera's loop: no other camera shall suffer
                self._pause("internal", self._told(error))
            else:
                return

    def _told(self, error: Exception) -> str:
        """Log where an error that nobody foresaw came from; not its text, which may hold the camera's URL."""
        where = "".join(traceback.format_tb(error.__traceback__))
        structlog.get_logger().error("unexpected", source=self.name, kind=type(error).__name__, where=where)
        return f"unexpected {type(error).__name__}; the decoder's log says where"

    def _watch(self, patience_s: float) -> None:
        """Take frames until told to stop, or to the end of what has one."""
        self._live_since_s = None
        with self._open(self._feed.next) as video:
            self._feed.begin(video.codec, video.fps)
            patience_s += 1 / video.fps  # of pictures that are shown once a minute
            self._lives_until_s = time.monotonic() + patience_s
            for captured in video:
                if self._stop.is_set():
                    return
                if self._live_since_s is None:
                    self._live_since_s, self._trouble = time.monotonic(), None
                    self._change("live")
                self._feed.take(captured)
                self._lives_until_s = time.monotonic() + patience_s

    def _pause(self, code: str, words: str) -> None:
        """Tell what is wrong, wait, and tell that it is tried again."""
        live_s = 0.0 if self._live_since_s is None else time.monotonic() - self._live_since_s
        pause_s = self._backoff.after(code, live_s)
        state = _STATE_OF.get(code, "reconnecting")
        self._trouble = (code, words)
        self._change(state)
        self._lives_until_s = time.monotonic() + pause_s
        self._stop.wait(pause_s)
        if state == "stalled" and not self._stop.is_set():
            self._change("reconnecting")

    def _leave(self) -> None:
        """End for good what has ended or was removed; what goes on elsewhere is only let go."""
        ended = not self._stop.is_set()
        if ended or self._removed:
            self._feed.close(_LINGER_S)
            self._feed.end()
            self._change("ended")
        else:
            self._feed.close(_LINGER_S)
        self._reporter.refresh()
        while ended and not self._stop.is_set() and not self._feed.finished():
            self._lives_until_s = time.monotonic() + 1.0
            self._stop.wait(_FINISH_POLL_S)

    def _change(self, state: State) -> None:
        self._feed.keep()  # one that came back from hanging tells nothing of a camera that others have now
        code, words = self._trouble or (None, None)
        self._reporter.change(state, epoch=self._feed.epoch, code=code, error=words)
