"""Whether outputs and recordings are, byte by byte, those that a record tells of."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.cli.verify_subject import Subject

_CHUNK: Final = 1 << 20


def outputs(subject: Subject, tell: Callable[[int], None]) -> Iterator[str]:
    """Yield what is wrong with a source's files; `tell` is told how many bytes were read."""
    for name, check in subject.checks.items():
        path = subject.folder / name
        try:
            size = path.stat().st_size
            if size != check["bytes"]:
                yield f"{name}: has {size:,} bytes, was written with {check['bytes']:,}"
            elif check.get("sha256") and digest(path, tell) != check["sha256"]:
                yield f"{name}: its content has changed (SHA-256)"
        except FileNotFoundError:
            yield f"{name}: is missing"
        except OSError as error:
            yield f"{name}: can't be read ({error.strerror})"


def recording(subject: Subject, tell: Callable[[int], None]) -> Iterator[str]:
    """Yield why a recording is not the one that was read."""
    seen: Mapping[str, Any] | None = subject.record.get("recording")
    if seen is None:
        return
    path, sha256 = subject.recording, subject.record.get("sha256")
    try:
        found = path.stat()
        if found.st_size != seen["bytes"]:
            yield f"the recording {path} has {found.st_size:,} bytes, had {seen['bytes']:,}: it was replaced"
        elif sha256 and digest(path, tell) != sha256:
            yield f"the recording {path} has changed (SHA-256): it was replaced"
        elif not sha256 and found.st_mtime_ns != seen["changed_ns"]:
            yield f"the recording {path} was written to since: it may have been replaced (--decode compares its frames)"
    except FileNotFoundError:
        yield f"the recording {path} is gone: nothing can be compared with it"
    except OSError as error:
        yield f"the recording {path} can't be read ({error.strerror})"


def digest(path: Path, tell: Callable[[int], None]) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
            tell(len(chunk))
    return found.hexdigest()
