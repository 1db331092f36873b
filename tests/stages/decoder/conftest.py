"""A yard whose decoders are let go of when the test is over."""

from collections.abc import Iterator

import pytest
import structlog

from stages.decoder import cameras as module
from stages.decoder.live import camera as camera_module
from tests.stages.decoder.yard import Yard


@pytest.fixture
def yard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    structlog.reset_defaults()  # a command that ran in this process may have left out the lesser lines
    for name in ("_READ_S", "_REFRESH_S"):
        monkeypatch.setattr(module, name, 0.0)
    monkeypatch.setattr(camera_module, "_LINGER_S", 0.02)
    made = Yard()
    yield made
    for decoder in made.decoders:
        decoder.close()
