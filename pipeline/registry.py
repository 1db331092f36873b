"""Which cameras there shall be: written by people, read by every decoder."""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pipeline import keys
from pipeline.broker import Broker
from pipeline.errors import ConfigError
from pipeline.seal import Seal

_MARK: Final = "#"
"""A field of the registry that no camera can be named: which memory of the broker this is."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One camera as it shall be."""

    name: str
    shown: str
    """Where it is, without its secret."""
    url: str = field(repr=False)
    """Sealed (`pipeline.seal`)."""
    settings: Mapping[str, Any]
    """All else of its settings, as they were given."""
    origin: str = "user"
    """`file`: of a settings file, which a decoder may bring up to date; `user`: of whoever added it."""
    paused: bool = False
    removed: bool = False
    revision: int = 0
    """Grows with each change, whatever the clocks do; a decoder that works by an older one begins anew."""


class Registry:
    """The wishes of all cameras, in a hash of the broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._known: dict[str, Wish] = {}
        self._mark = b""
        self.losses = 0
        """How often the broker was found to have lost its memory."""

    def read(self) -> dict[str, Wish]:
        """Return all wishes by name, those to be gone too.

        A broker that has lost its memory is told again what this reader has last seen.
        """
        fields = dict(self._broker.get_fields(keys.REGISTRY))
        mark = fields.pop(_MARK, b"")
        lost = self._known if mark != self._mark else {}
        self._mark = mark
        self._known = {name: _parsed(name, text) for name, text in fields.items()}
        if lost:
            self.losses += 1
            self._write(*(wish for name, wish in lost.items() if name not in fields))
        return dict(self._known)

    def put(self, wish: Wish) -> None:
        """Set a camera."""
        self._write(replace(wish, revision=_after(self.read().get(wish.name))))

    def seed(self, wishes: Mapping[str, Wish], seal: Seal) -> None:
        """Set the cameras of a settings file: those that are new or were of a file before, and that nobody removed.

        One that is paused stays so. `seal` is what the URLs are sealed with.
        """
        known = self.read()
        for name, wish in wishes.items():
            before = known.get(name)
            if before is None:
                self.put(replace(wish, origin="file"))
            elif before.origin == "file" and not before.removed and _differs(before, wish, seal):
                self.put(replace(wish, origin="file", paused=before.paused))

    def change(self, name: str, *, paused: bool | None = None, removed: bool | None = None) -> Wish:
        """Change what is given of a camera, and return what is wished then.

        Raises:
            ConfigError: there is no such camera.
        """
        found = {name: wish for name, wish in self.read().items() if not wish.removed}
        if name not in found:
            raise ConfigError(f"no source {name!r}; there are: {', '.join(sorted(found)) or 'none'}")
        wish = found[name]
        changed = replace(
            wish,
            revision=_after(wish),
            paused=wish.paused if paused is None else paused,
            removed=wish.removed if removed is None else removed,
        )
        self._write(changed)
        return changed

    def forget(self, name: str) -> None:
        """Remove the last trace of a camera."""
        self._known.pop(name, None)
        with self._broker.transaction() as transaction:
            transaction.remove_fields(keys.REGISTRY, [name])

    def _write(self, *wishes: Wish) -> None:
        self._mark = self._mark or uuid.uuid4().bytes
        with self._broker.transaction() as transaction:
            transaction.set_fields(keys.REGISTRY, {wish.name: _text(wish) for wish in wishes} | {_MARK: self._mark})
        self._known |= {wish.name: wish for wish in wishes}


def _text(wish: Wish) -> str:
    return json.dumps({name: getattr(wish, name) for name in Wish.__slots__ if name != "name"})


def _parsed(name: str, text: bytes) -> Wish:
    return Wish(name=name, **json.loads(text))


def _after(before: Wish | None) -> int:
    return max(time.time_ns(), 0 if before is None else before.revision + 1)


def _differs(before: Wish, wish: Wish, seal: Seal) -> bool:
    """Sealed twice, the same URL is two texts: opened they are compared, so that a new password is noticed."""
    if (before.shown, dict(before.settings)) != (wish.shown, dict(wish.settings)):
        return True
    try:
        return seal.open(before.url) != seal.open(wish.url)
    except ConfigError:  # sealed with a key that is not used any more
        return True
