"""Dead letters for people: found, listed, shown."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pipeline.broker import Broker
from pipeline.dead_letters import Letter, letters
from pipeline.errors import ConfigError, MessageError
from pipeline.wire import decode

if TYPE_CHECKING:
    from rich.table import Table

_SHOWN: Final = 2000
"""Most characters of a body that is no JSON."""


def found(broker: Broker, ids: Sequence[str], *, everything: bool, sink: str | None) -> list[Letter]:
    """Return the dead letters that are meant.

    Raises:
        ConfigError: none is named, or one that there is not.
    """
    known = {letter.id: letter for letter in letters(broker) if sink in (None, letter.sink)}
    if everything or (sink and not ids):
        return list(known.values())
    if not ids:
        raise ConfigError("name the letters, or --all; `detstream dead-letters list` shows which there are")
    if missing := [name for name in ids if name not in known]:
        raise ConfigError(f"there is no dead letter {missing[0]}; `detstream dead-letters list` shows which there are")
    return [known[name] for name in ids]


def rows_of(broker: Broker, sink: str | None) -> list[dict[str, Any]]:
    """Return what a list shows, a map a letter."""
    return [_row(letter) for letter in letters(broker) if sink in (None, letter.sink)]


def table_of(rows: Sequence[dict[str, Any]]) -> "Table":
    """Return a list for a terminal."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("id", "when", "where", "what", "why", box=None, pad_edge=False)
    for row in rows:
        where = f"sink {row['sink']}" if row["sink"] else row["stream"]
        table.add_row(*(escape(str(cell)) for cell in (row["id"], row["when"], where, row["entry"], row["reason"])))
    return table


def shown(letter: Letter) -> dict[str, Any]:
    """Return all of a letter, its body as far as it can be read."""
    return _row(letter) | {"body": _body(letter.body)}


def _row(letter: Letter) -> dict[str, Any]:
    at_s = int(letter.id.partition("-")[0]) / 1000
    when = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    plain = {name: value for name, value in asdict(letter).items() if name != "body"}
    return plain | {"when": when, "bytes": len(letter.body)}


def _body(body: bytes) -> Any:
    with suppress(ValueError):
        return json.loads(body)
    with suppress(MessageError):
        return f"{decode(body)!r:.{_SHOWN}}"
    return f"{body!r:.{_SHOWN}}"
