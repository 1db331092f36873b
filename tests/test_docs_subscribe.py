"""What docs/subscribe.md shows works."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from detstream import subscribe
from pipeline.embedded_broker import EmbeddedBroker
from pipeline.messages import EndOfSource
from pipeline.redis_broker import RedisBroker
from pipeline.settings import FlowSettings
from tests.pipeline.client.publishing import frame, publish, state

DOCS: Final = Path(__file__).parents[1] / "docs"
PYTHON: Final = re.findall(r"```python\n(.*?)```", (DOCS / "subscribe.md").read_text(), re.DOTALL)


@pytest.fixture(autouse=True)
def _gate(valkey: EmbeddedBroker, broker: RedisBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    publish(broker, state("gate", "failed"), frame("gate", 0), frame("gate", 1), EndOfSource("gate", 1, 2))


def run(number: int, url: str, saved: list[Any]) -> None:
    """Run one of the page's pieces of Python on what there is, up to its end."""
    code = PYTHON[number].replace('"redis://localhost"', repr(url))
    if "start=" not in code:
        code = re.sub(r"(subscribe\([^)]*)\)", r'\1, start="earliest")', code)
    if "group=" not in code and "until=" not in code:
        code = re.sub(r"(subscribe\([^)]*)\)", r'\1, until="end")', code)

    def save(found: Any) -> None:
        saved.append(found.seq)
        if len(saved) == 2:
            raise EOFError  # a group goes on for ever

    exec(compile(code, "subscribe.md", "exec"), {"save": save, "subscribe": subscribe})


def test_the_python_of_the_page_runs(valkey: EmbeddedBroker, capsys: pytest.CaptureFixture[str]) -> None:
    saved: list[Any] = []
    run(0, valkey.url, saved)
    assert capsys.readouterr().out.count("gate 2023-11-14 22:13:20") == 2
    run(1, valkey.url, saved)
    assert sorted(capsys.readouterr().out.splitlines()) == ["2 objects", "2 objects", "no camera: failed None"]
    with pytest.raises(EOFError):
        run(2, valkey.url, saved)
    assert saved == [0, 1]
    run(3, valkey.url, saved)
    assert len(json.loads(Path("coco.json").read_text())["images"]) == 2


def test_the_settings_of_the_page_are_some() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "subscribe.md").read_text(), re.DOTALL)
    flow = FlowSettings(**yaml.safe_load(text)["flow"])
    assert flow.retention["gate"].frames == 90000 and flow.retention["*"].mb == 20
