"""What a run was asked for, and whether another one is asked for the same."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from pipeline.errors import ConfigError

_VERSION: Final = 1

Records = Mapping[str, Mapping[str, Any]]
"""What became of the sources that are done, by name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What outputs depend on: a run is only gone on with if it is the same."""

    sources: Mapping[str, Mapping[str, Any]]
    """By name: path, size in bytes and time of change of each recording."""
    settings: Mapping[str, Any]
    model_sha256: str

    @property
    def fields(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {"v": _VERSION, **asdict(self)}

    def beside(self, before: "Asked") -> "Asked":
        """Return what both together were asked for."""
        return replace(self, sources={**before.sources, **self.sources})

    def new(self, before: "Asked") -> list[str]:
        """Return the sources that an earlier run was not asked for."""
        return [name for name in self.sources if name not in before.sources]

    def again(self, before: "Asked", done: Records) -> list[str]:
        """Return the sources that failed then, and may not now: other files, or of a server that gave nothing.

        What a server gave before it failed is kept: it may fail again.
        """
        failed = [name for name, record in done.items() if record["status"] == "failed" and name in self.sources]
        return [
            name
            for name in failed
            if ((now := self.sources[name])["bytes"] is None and not done[name].get("frames"))
            or now != before.sources.get(name)
            or not _is_still(now, done[name].get("recording"))
        ]

    def difference(self, before: "Asked", done: Records) -> str | None:
        """Return why an earlier run can't be gone on with by this one, None if it can.

        There may be new sources, those that are done may be gone, and those that failed may be mended.
        """
        return next(self._other_sources(before, done), None) or next(self._other_settings(before), None)

    def _other_sources(self, before: "Asked", done: Records) -> Iterator[str]:
        again = self.again(before, done)
        for name, then in before.sources.items():
            now = self.sources.get(name)
            if now is None and name not in done:
                yield f"the source {name} is missing"
            elif now is not None and now != then and name not in again:
                yield f"the recording of {name} is not the same as then ({now['path']})"
        called = {then["path"]: name for name, then in before.sources.items()}
        for name in self.new(before):
            old = called.get(self.sources[name]["path"])
            if old is not None and before.sources[old] == self.sources[name]:
                yield f"the source {old} is called {name} now ({self.sources[name]['path']})"

    def _other_settings(self, before: "Asked") -> Iterator[str]:
        now, then = (sorted(one.settings.get("outputs", ())) for one in (self, before))
        if now != then:
            yield f"outputs were {', '.join(then)}, are {', '.join(now)}"
        ours, theirs = flat(self.settings), flat(before.settings)
        for name in ours | theirs:
            if ours.get(name) != theirs.get(name):
                yield f"{name} was {theirs.get(name)!r}, is {ours.get(name)!r}"
        if self.model_sha256 != before.model_sha256:
            yield "the model's weights are not the same as then"


def asked_in(path: Path, found: Any) -> Asked:
    """Return what a file says that a run was asked for.

    Raises:
        ConfigError: it is damaged, or of another version.
    """
    try:
        if found and found["v"] == _VERSION:
            return Asked(found["sources"], found["settings"], found["model_sha256"])
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged ({error}): start over with --force") from error
    raise ConfigError(f"{path} is of another version of detstream: start over with --force")


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one level: `detector.conf`."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{name}.")
        else:
            result[prefix + name] = value
    return result


def _is_still(now: Mapping[str, Any], seen: Mapping[str, Any] | None) -> bool:
    """Return whether a file is that which was seen when its source was done; of several files nothing is known."""
    return seen is None or all(seen[name] == now[name] for name in ("bytes", "changed_ns"))
