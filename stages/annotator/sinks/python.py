"""A function of yours, called with each frame or event as a map.

Guarantee: at least once, in order, one call at a time, in a thread of its own. A call that returns has taken the item.
One that raises ConnectionError or TimeoutError is made again, with pauses, until it returns; any other error
means that the function refuses this item, which goes to the dead letters. After a crash what was not noted (0.2 s at
most) is handed over again with the same `id`.
"""

import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import Field

from pipeline.errors import ConfigError, PeerError, RefusedError
from stages.annotator.couriers.parcel import Parcel
from stages.annotator.couriers.peer import Connect, Sending

Call: TypeAlias = Callable[[dict[str, Any]], object]


class PythonSink(Sending):
    """Settings of a function that is called."""

    kind: Literal["python"] = "python"
    call: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """`module:function`."""
    path: Path | None = None
    """Folder to look for the module in, if it is not installed."""

    def connector(self, folder: Path) -> Connect:
        """Import the function.

        Raises:
            ConfigError: there is none, or its module can't be imported.
        """
        function = _imported(self.call, self.path)
        return lambda: Caller(self.call, function)


class Caller:
    """Calls a function."""

    def __init__(self, name: str, function: Call) -> None:
        self._name, self._function = name, function

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Call it once for each.

        Raises:
            PeerError: it says that what it needs can't be reached.
            RefusedError: it raises anything else.
        """
        for parcel in parcels:
            try:
                self._function(dict(parcel.body))
            except (ConnectionError, TimeoutError) as error:
                raise PeerError(f"{self._name}: {type(error).__name__}: {error}") from error
            except Exception as error:  # whatever a user's code may raise
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(place.filename).name}, line {place.lineno}"
                raise RefusedError(f"{self._name}: {type(error).__name__}: {error} ({where})") from error

    def close(self) -> None:
        """Do nothing."""


def _imported(call: str, path: Path | None) -> Call:
    module, _, name = call.partition(":")
    if path is not None and str(path.absolute()) not in sys.path:
        sys.path.append(str(path.absolute()))
    try:
        function = getattr(importlib.import_module(module), name, None)
    except Exception as error:  # whatever a user's module may raise
        raise ConfigError(f"sink python: {module} can't be imported: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise ConfigError(f"sink python: {module} has no function {name}")
    return function  # type: ignore[no-any-return]
