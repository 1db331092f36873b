"""The broker of a run on this machine, or the one that the environment names, for commands beside it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.broker import Broker
from pipeline.cli.live_run import RunNote, notes
from pipeline.connect import open_broker
from pipeline.errors import ConfigError
from pipeline.seal import Seal
from pipeline.settings import KernelSettings, load


@contextmanager
def reached(run: int | None) -> Iterator[tuple[Broker, Seal]]:
    """Yield a connection, and what seals the URLs of cameras there; `run` is the process of a `detstream run`.

    Raises:
        ConfigError: no broker is named and no run is found, or several.
        BrokerUnreachableError: nobody answers.
    """
    settings = reachable(run)
    broker = open_broker(settings)
    try:
        yield broker, Seal(settings.secret_key)
    finally:
        broker.close()


def reachable(run: int | None, url: str | None = None) -> KernelSettings:
    """Return settings with the broker at `url`, or of a run, or of the environment.

    Raises:
        ConfigError: none is named and no run is found, or several.
    """
    given = load(KernelSettings, None)
    if url is not None:
        given = given.model_copy(update={"redis": given.redis.model_copy(update={"url": url})})
    note = _note(given, run)
    if note is None:
        return given
    redis = given.redis.model_copy(update={"url": note.url})
    return given.model_copy(update={"redis": redis, "secret_key": given.secret_key or note.secret_key or None})


def _note(given: KernelSettings, run: int | None) -> RunNote | None:
    found = notes()
    if run is not None:
        found = [note for note in found if note.pid == run]
        if not found:
            raise ConfigError(f"no `detstream run` of yours has the process {run}")
    elif given.redis.url is not None:
        return next((note for note in found if note.url == given.redis.url), None)
    if not found:
        raise ConfigError("no `detstream run` of yours goes on here: start one, or set DETSTREAM_REDIS__URL")
    if len(found) > 1:
        pids = ", ".join(str(note.pid) for note in found)
        raise ConfigError(f"several runs go on here: choose one with --run {pids.replace(', ', ' or ')}")
    return found[0]
