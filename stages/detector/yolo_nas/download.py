"""Gets one file over HTTP: resumed where it was cut, checked, and put in its place whole or not at all."""

import fcntl
import hashlib
import http.client
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from pipeline.errors import ModelError

Progress = Callable[[int, int | None], None]
"""Is told the bytes that are there and the bytes that there will be, where known."""

_CHUNK: Final = 1 << 18
_TIMEOUT_S: Final = 30.0
_ATTEMPTS: Final = 4
"""In a row that bring nothing."""
_PASSING: Final = (408, 429, 500, 502, 503, 504)
"""Answers of a server that may be another in a moment."""
_MOST_BYTES: Final = 2**31


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of a file beforehand."""

    size: int | None = None
    """Bytes."""
    sha256: str | None = None
    """In hex."""


class _CutError(Exception):
    """The connection ended before the file did."""


def download(
    url: str,
    target: Path,
    expected: Expected,
    progress: Progress,
    check: Callable[[Path], None],
    pause_s: float = 1.0,
) -> str:
    """Put the file at an http(s) URL in its place, and return its SHA-256 in hex.

    What came of a cut transfer stays beside the target as ``.part``, from where the next call goes on; a file that is
    complete but wrong (its size, its hash, or ``check`` raises a ModelError) is deleted.

    Raises:
        ModelError: It can't be had, or is wrong; the target is as it was.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ModelError(f"{url} is no address that begins with http:// or https://")
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(part) as file:
            _Transfer(url, file, expected, progress).run(pause_s)
            digest = _verified(part, file, expected, check)
            os.fsync(file.fileno())
            part.replace(target)
            _sync_folder(target.parent)
    except OSError as error:
        raise ModelError(f"{target} can't be written: {error.strerror or error}") from error
    return digest


@contextmanager
def _locked(part: Path) -> Iterator[BufferedRandom]:
    """Open the unfinished file for one process only."""
    with part.open("ab+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            own = part.samefile(f"/dev/fd/{file.fileno()}")
        except OSError:
            own = False
        if not own:  # another process holds it, or has just put it in its place
            raise ModelError(f"{part} is being fetched by another process")
        yield file


class _Transfer:
    """Fills one file over as many connections as it takes."""

    def __init__(self, url: str, file: BufferedRandom, expected: Expected, progress: Progress) -> None:
        self._url = url
        self._file = file
        self._expected = expected
        self._progress = progress
        self._tag = ""

    def run(self, pause_s: float) -> None:
        """Fill the file; go on where a connection was cut, unless several in a row bring nothing."""
        left = _ATTEMPTS
        while True:
            before = _length(self._file)
            try:
                self._attempt(before)
                return
            except (_CutError, http.client.HTTPException, OSError) as error:
                have = _length(self._file)
                left = _ATTEMPTS if have > before else left - 1
                if not left:
                    reason = getattr(error, "reason", None) or error
                    raise ModelError(f"{self._url}: cut after {have} bytes ({reason}): fetch again to go on") from error
            time.sleep(pause_s * (_ATTEMPTS - left))

    def _attempt(self, have: int) -> None:
        """Append what one connection brings.

        Raises:
            ModelError: The server refuses, or has another file than expected.
        """
        if have and have == self._expected.size:
            return
        try:
            with urlopen(self._request(have), timeout=_TIMEOUT_S) as response:
                self._take(response, have)
        except HTTPError as error:
            error.close()
            if error.code == 416 and have:  # all of it is there, or more: begin anew
                self._file.truncate(0)
                raise _CutError("the server has no such part of it") from error
            if error.code in _PASSING:
                raise _CutError(f"the server answers {error.code}") from error
            raise ModelError(f"{self._url}: the server answers {error.code} {error.reason}") from error

    def _request(self, have: int) -> Request:
        headers = {"User-Agent": "detstream", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self._tag.startswith('"'):  # only a strong one may be used so (RFC 9110, 13.1.5)
                headers["If-Range"] = self._tag
        return Request(self._url, headers=headers)

    def _take(self, response: http.client.HTTPResponse, have: int) -> None:
        """Append an answer; a server that doesn't know ranges sends all of the file again."""
        if response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise _CutError("the server sent another part than it was asked for")
        if response.status != 206:
            self._file.truncate(0)
            have = 0
        self._tag = str(response.headers.get("ETag", ""))
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        self._refuse_wrong_size(total)
        self._copy(response, total)
        if total is not None and _length(self._file) < total:
            raise _CutError(f"of {total} bytes")

    def _refuse_wrong_size(self, total: int | None) -> None:
        wanted = self._expected.size
        if total is None or total == wanted or (wanted is None and total <= _MOST_BYTES):
            return
        self._file.truncate(0)
        raise ModelError(
            f"{self._url}: the server has {total} bytes, expected were {wanted or f'at most {_MOST_BYTES}'}"
        )

    def _copy(self, response: http.client.HTTPResponse, total: int | None) -> None:
        have = _length(self._file)
        self._progress(have, total)
        while chunk := response.read1(_CHUNK):  # what is there: a slow line would fill a chunk in seconds
            have += len(chunk)
            if have > _MOST_BYTES:
                raise ModelError(f"{self._url}: sends more than {_MOST_BYTES} bytes")
            try:
                self._file.write(chunk)
            except OSError as error:  # the disk's, not the network's
                raise ModelError(f"{self._file.name} can't be written: {error.strerror}") from error
            self._progress(have, total)


def _verified(part: Path, file: BufferedRandom, expected: Expected, check: Callable[[Path], None]) -> str:
    """Return the SHA-256 of a complete file; delete it if it is wrong."""
    file.flush()
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        if expected.size not in (None, _length(file)):
            raise ModelError(f"{part.stem} has {_length(file)} bytes, expected were {expected.size}: deleted")
        if expected.sha256 and digest != expected.sha256.lower():
            raise ModelError(f"{part.stem} has the SHA-256 {digest}, expected was {expected.sha256}: deleted")
        check(part)
    except ModelError:
        part.unlink()
        raise
    return digest


def _length(file: BufferedRandom) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
