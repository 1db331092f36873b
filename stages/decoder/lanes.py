"""Frames of one recording that come by several lanes, each in a thread of its own."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeAlias

from pipeline.errors import SourceError
from stages.decoder.source import Decoded

Emit: TypeAlias = Callable[[Decoded], None]


def drain(lanes: Sequence[Iterator[Decoded]], emit: Emit, give_up: Callable[[], None]) -> str | None:
    """Hand all frames of all lanes to `emit`; return why there are no more, None if that is the recording's end.

    What `emit` raises in one lane is raised here, once the others have ended: `give_up` makes theirs raise, too.
    """
    if len(lanes) == 1:
        return _drained(lanes[0], emit)
    with ThreadPoolExecutor(len(lanes), "lane") as threads:
        tasks = [threads.submit(_drained, lane, emit) for lane in lanes]
        over, rest = wait(tasks, return_when=FIRST_EXCEPTION)
        if rest:
            give_up()
    failures = [failure for task in over if (failure := task.exception()) is not None]
    if failures:
        raise failures[0]
    return next((reason for task in tasks if (reason := task.result()) is not None), None)


def _drained(lane: Iterator[Decoded], emit: Emit) -> str | None:
    try:
        for decoded in lane:
            emit(decoded)
    except SourceError as failure:
        return str(failure)
    return None
