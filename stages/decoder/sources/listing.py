"""What a SOURCE on the command line stands for."""

import glob
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.errors import ConfigError
from stages.decoder.address import is_live, titled
from stages.decoder.folder import SUFFIXES, is_video, natural, videos_in
from stages.decoder.remote import is_remote, listed, title

_LONGEST_NAME: Final = 90  # settings take 100: room for a number


@dataclass(frozen=True, slots=True)
class NamedCamera:
    """A live source and its name, as of `NamedSource`."""

    name: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A recording and the name of its outputs: letters, digits, `.`, `_` and `-` only, unique in its listing."""

    name: str
    path: Path
    is_joined: bool = False
    """Whether it is a folder whose videos are one recording."""


@dataclass(frozen=True, slots=True)
class NamedUrl:
    """A recording elsewhere and its name, as of `NamedSource`."""

    name: str
    url: str = field(repr=False)


def expand_all(arguments: Sequence[str], *, join: bool = False) -> list[NamedSource | NamedUrl | NamedCamera]:
    """Return what `expand` does, then the recordings elsewhere among the arguments, and the cameras.

    Raises:
        ConfigError: as `expand`, or a URL is of a kind that is no source.
    """
    split = [(argument, _split(argument)) for argument in _listed(arguments)]
    local = [argument for argument, (_, text) in split if Path(text).exists() or not _is_url(text)]
    away = [(name, text) for argument, (name, text) in split if argument not in local]
    found = expand(local, join=join) if local or not away else []
    elsewhere = [item for name, text in away for item in _elsewhere(name, text)]
    elsewhere.sort(key=lambda item: not item.is_recording)
    taken = [item.name for item in found] + [item.given for item in elsewhere if item.given]
    _refuse_repeats(taken, "URL")
    fixed = [item.given is not None for item in elsewhere]
    names = _unique([item.given or item.proposed for item in elsewhere], frozenset(taken), fixed)
    return [*found, *(item.named(name) for item, name in zip(elsewhere, names, strict=True))]


def expand(arguments: Sequence[str], *, join: bool = False) -> list[NamedSource]:
    """Return the recordings that files, folders and globs, each perhaps after `name=`, stand for, in their order.

    `@LIST` stands for the lines of a file. With `join`, a folder is one recording of all videos in it.

    Raises:
        ConfigError: one does not exist, holds no video, is a URL, or two have the same name.
    """
    wanted = [(name, path) for argument in _listed(arguments) for name, path in _expanded(argument, join=join)]
    _refuse_repeats([name for name, _ in wanted if name], "PATH")
    if join and not any(path.is_dir() for _, path in wanted):
        raise ConfigError("nothing to join: name a folder, whose videos are to be one recording")
    return _named(_without_repeats(wanted))


def _refuse_repeats(names: Sequence[str], kind: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ConfigError(f"two sources are named {name!r}: give each its own name, as in {name}-2={kind}")


def _listed(arguments: Sequence[str]) -> Iterator[str]:
    """Yield arguments, of each `@LIST` the lines of that file that are not empty or begin with `#`."""
    for argument in arguments:
        if not argument.startswith("@") or Path(argument).exists():
            yield argument
            continue
        try:
            lines = Path(argument[1:]).expanduser().read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(f"the list {argument[1:]} can't be read: {reason}") from error
        yield from (line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _expanded(argument: str, *, join: bool) -> list[tuple[str | None, Path]]:
    name, text = _split(argument)
    paths = _paths(text)
    if join and Path(text).expanduser().is_dir():
        return [(name, Path(text).expanduser())]
    if name is None or len(paths) == 1:
        return [(name, path) for path in paths]
    return list(zip(_unique([f"{name}-{_clean(path.stem)}" for path in paths]), paths, strict=True))


def _is_url(text: str) -> bool:
    """Return whether it is no path; a URL of a kind that nobody knows counts too, and is refused as such."""
    return is_live(text) or "://" in text


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """A source that has a URL, before it has its name."""

    given: str | None
    proposed: str
    url: str = field(repr=False)
    is_recording: bool

    def named(self, name: str) -> NamedUrl | NamedCamera:
        return NamedUrl(name, self.url) if self.is_recording else NamedCamera(name, self.url)


def _elsewhere(name: str | None, url: str) -> list[_Elsewhere]:
    if not is_remote(url):
        return [_Elsewhere(name, _clean(titled(url)), url, is_recording=False)]
    found = [(item, _clean(title(item))) for item in listed(url)]
    if name is not None and len(found) > 1:
        return [_Elsewhere(None, f"{name}-{stem}", item, is_recording=True) for item, stem in found]
    return [_Elsewhere(name, stem, item, is_recording=True) for item, stem in found]


def _split(argument: str) -> tuple[str | None, str]:
    """Return (name, path): a path may hold a `=` itself, so what exists is a path."""
    name, equals, rest = argument.partition("=")
    if not equals or "/" in name or ":" in name or Path(argument).exists():
        return None, argument
    if not rest or not _clean(name, default=""):
        text = f"{name}=…" if "://" in rest else argument  # it may hold a password
        raise ConfigError(f"{text!r} is no source: write NAME=PATH, the name of letters and digits")
    return _clean(name), rest


def _paths(text: str) -> list[Path]:
    if scheme := re.match(r"(\w[\w+.-]*)://", text):
        # Not the whole URL: it may hold a password.
        raise ConfigError(f"{scheme[1]}:// is no file; cameras are looked at by `detstream run`")
    if not text:
        raise ConfigError("an empty SOURCE: give a file, a folder or a glob")
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return _in_folder(path)
        if path.exists():
            return [path]
    except OSError as error:
        raise ConfigError(f"{text!r} can't be read ({error.strerror}): check the path") from error
    return _matches(text)


def _in_folder(folder: Path) -> list[Path]:
    found = videos_in(folder)
    if not found:
        raise ConfigError(f"{folder} is a folder without videos ({', '.join(sorted(SUFFIXES)[:8])}, …): name another")
    return found


def _matches(pattern: str) -> list[Path]:
    if not glob.has_magic(pattern):
        shown = re.sub(r"\S*@", "…@", pattern)  # a URL whose scheme was forgotten may hold a password
        raise ConfigError(f"{shown} does not exist: check the path")
    names = glob.glob(str(Path(pattern).expanduser()), recursive=True)  # noqa: PTH207 - Path's takes no absolute pattern
    matches = map(Path, names)
    files = sorted((path for path in matches if path.is_file()), key=natural)
    if not files:
        raise ConfigError(f"no file matches {pattern!r}: check the pattern")
    return [*filter(is_video, files)] or files


def _without_repeats(wanted: Sequence[tuple[str | None, Path]]) -> list[tuple[str | None, Path]]:
    """Drop unnamed repeats of a file, as of a folder and a file in it."""
    seen: set[Path] = {path.resolve() for name, path in wanted if name}
    kept: list[tuple[str | None, Path]] = []
    for name, path in wanted:
        if name or path.resolve() not in seen:
            kept.append((name, path))
            seen.add(path.resolve())
    return kept


def _named(wanted: Sequence[tuple[str | None, Path]]) -> list[NamedSource]:
    stems = [_clean(path.stem) for _, path in wanted]
    counts = Counter(stems)
    names = []
    for (name, path), stem in zip(wanted, stems, strict=True):
        shared = counts[stem] > 1
        names.append(name or (_clean(f"{path.resolve().parent.name}-{path.stem}") if shared else stem))
    taken = frozenset(name for name, _ in wanted if name)
    fixed = [name is not None for name, _ in wanted]
    unique = _unique(names, taken, fixed)
    return [NamedSource(name, path, path.is_dir()) for name, (_, path) in zip(unique, wanted, strict=True)]


def _unique(names: Sequence[str], taken: frozenset[str] = frozenset(), fixed: Sequence[bool] = ()) -> list[str]:
    """Return the names, those met before with `-2`, `-3` … after them; fixed ones as they are."""
    used, result, numbers = set(taken), [], Counter[str]()
    for name, keep in zip(names, fixed or [False] * len(names), strict=True):
        free = name
        while not keep and free in used:
            numbers[name] += 1
            free = f"{name}-{numbers[name] + 1}"
        used.add(free)
        result.append(free)
    return result


def _clean(text: str, default: str = "source") -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:_LONGEST_NAME].rstrip(".-") or default
