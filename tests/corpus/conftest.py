"""The corpus, each recording made once, and a process that reads what is damaged."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.corpus.child import Reader
from tests.corpus.formats import Recording


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recording], Path]:
    """Return the file of a recording."""
    folder = tmp_path_factory.mktemp("corpus")

    def of(recording: Recording) -> Path:
        path = folder / recording.name
        if not path.exists():
            recording.make(path)
        return path

    return of


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    """A process that may die."""
    with Reader() as reading:
        yield reading
