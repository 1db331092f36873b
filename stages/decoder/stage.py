"""The decoder: recordings to their end, and cameras for as long as there are some, side by side."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from stages.decoder.cameras import Cameras
from stages.decoder.recordings import Named, Recordings

_STEP_S: Final = 0.1


class Decoder:
    """Runs what one decoder process has to do."""

    def __init__(self, recordings: Recordings, cameras: Cameras | None, stop: threading.Event) -> None:
        """`cameras` are None where none are wanted, now or later."""
        self._recordings, self._cameras, self._stop = recordings, cameras, stop

    def run(self, sources: Sequence[Named]) -> None:
        """Return when all recordings and cameras have come to their end, or when told to stop.

        Raises:
            DetstreamError: the first error that made going on impossible.
        """
        if self._cameras is None:
            self._recordings.run(sources)
            return
        with ThreadPoolExecutor(1, "recordings") as thread:
            finished = thread.submit(self._recordings.run, sources)
            try:
                self._hold(self._cameras, finished)
            except BaseException:
                self._stop.set()
                raise
            finally:
                self._cameras.close()
            finished.result()

    def _hold(self, cameras: Cameras, recordings: "Future[None]") -> None:
        while not self._stop.is_set():
            cameras.step()
            if recordings.done():
                recordings.result()
                if cameras.all_ended:
                    return
            self._stop.wait(_STEP_S)
