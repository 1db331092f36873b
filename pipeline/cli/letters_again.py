"""Dead letters tried again: sent through their sinks, or put back into their work queues."""

import json
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pipeline import keys
from pipeline.broker import Broker
from pipeline.cli.config import RunSettings
from pipeline.dead_letters import Letter
from pipeline.errors import ConfigError, SinkError
from pipeline.settings import load
from stages.annotator.couriers.parcel import Parcel
from stages.annotator.couriers.peer import Peer, Sending

_QUEUES: Final = (keys.FRAMES, keys.LIVE, keys.RAW, keys.RAW_LIVE)


class Again:
    """Knows the sinks of a settings file, and connects to those that are needed."""

    def __init__(self, broker: Broker, config: Path | None) -> None:
        self._broker, self._config = broker, config
        self._peers: dict[str, Peer] = {}
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def tried(self, letter: Letter) -> bool:
        """Return whether it works now; then the letter is gone, else it says why not.

        Raises:
            ConfigError: the sink is not in the settings file.
        """
        if letter.sink:
            return self._sent(letter)
        if letter.stream not in _QUEUES:
            sys.stderr.write(f"{letter.id}: {letter.stream} is published already: show it, or purge it\n")
            return False
        with self._broker.transaction() as transaction:
            transaction.append(letter.stream, letter.body)
        self._remove(letter)
        return True

    def _sent(self, letter: Letter) -> bool:
        body = json.loads(letter.body)
        source = letter.stream.removeprefix(keys.detections(""))
        parcel = Parcel(body["type"], source, body["seq"], letter.entry, body)
        try:
            self._peer(letter.sink).send([parcel])
        except SinkError as error:
            sys.stderr.write(f"{letter.id}: {error}\n")
            return False
        self._remove(letter)
        return True

    def _remove(self, letter: Letter) -> None:
        self._broker.remove(keys.DEAD_LETTERS, [letter.id])

    def _peer(self, name: str) -> Peer:
        if name not in self._peers:
            sink, folder = self._sink(name)
            self._peers[name] = self._closing.enter_context(closing(sink.connector(folder)()))
        return self._peers[name]

    def _sink(self, name: str) -> tuple[Sending, Path]:
        settings = load(RunSettings, self._config).annotator
        for sink in settings.sent:
            if sink.label == name:
                return sink, settings.output
        where = self._config or "the settings: give the run's file with --config"
        raise ConfigError(f"there is no sink {name} in {where}")
