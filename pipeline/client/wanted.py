"""Which streams a subscriber wants: names as they are, and patterns that new sources join."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Literal, TypeAlias, TypeVar

from pipeline import keys
from pipeline.client.places import Start, Until
from pipeline.errors import ConfigError
from pipeline.messages import SourceState
from pipeline.redis_asking import Ask

T = TypeVar("T")
Steps: TypeAlias = Generator[Ask, list[Any], T]
"""What is asked of Redis step by step, whoever carries it out; each yield gives the answers."""

EVERYTHING: Final = "*"
_SIGNS: Final = frozenset("*?[")
_SCANNED_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscriber asks for."""

    sources: tuple[str, ...] = (EVERYTHING,)
    """Names, and patterns such as `gate*`."""
    start: Start = "latest"
    until: Until = None
    kind: Literal["detections", "events"] = "detections"

    @property
    def names(self) -> list[str]:
        """Those that are no patterns."""
        return [source for source in self.sources if not _SIGNS & set(source)]

    @property
    def patterns(self) -> list[str]:
        """Those that are none of the names."""
        return [source for source in self.sources if _SIGNS & set(source)]

    def stream(self, source: str) -> str:
        """Return the stream of a source."""
        return keys.detections(source) if self.kind == "detections" else keys.events(source)

    def source(self, stream: str) -> str:
        """Return whose stream it is."""
        return stream.removeprefix(self.stream(""))

    def matches(self, source: str) -> bool:
        """Return whether a source is wanted."""
        return source in self.names or any(fnmatchcase(source, pattern) for pattern in self.patterns)

    def tells(self, item: object) -> bool:
        """Return whether it is the state of a source that is wanted."""
        return isinstance(item, SourceState) and self.matches(item.source)

    def found(self) -> Steps[list[str]]:
        """Return the streams that there are of sources that match a pattern."""
        cursor, found = 0, set[str]()
        while self.patterns:
            call = ("SCAN", cursor, "MATCH", self.stream("*"), "COUNT", _SCANNED_AT_ONCE)
            ((cursor, streams),) = yield Ask((call,))
            found |= {stream.decode() for stream in streams}
            if not cursor:
                break
        return sorted(stream for stream in found if self.matches(self.source(stream)))


def checked_sources(sources: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return names and patterns; all sources if none are given.

    Raises:
        ConfigError: one is empty.
    """
    given = (sources,) if isinstance(sources, str) else tuple(sources or (EVERYTHING,))
    if not all(given):
        raise ConfigError('sources: a name is empty; give names such as "gate", or patterns such as "gate*"')
    return given
