"""What a person sees: no markup out of names, each source in its row."""

import io
from typing import Any

import pytest
from rich.console import Console

from pipeline.cli.display import Display, table
from pipeline.ledger import Standing
from pipeline.source_report import SourceReport

ODD = "a[red]b"


def shown(**options: Any) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=150, **options), out


def standing(published: int, done: int, **more: int) -> Standing:
    fields = {"epoch": 1, "published": published, "done.annotator": done, **more}
    return Standing({name: b"%d" % value for name, value in fields.items()})


def report(**changes: Any) -> SourceReport:
    fields: dict[str, Any] = {"source": ODD, "path": "", "status": "ok", "error": None, "frames": 100, "expected": 100}
    fields |= {"detected": 99, "failed": 1, "dropped": 0, "skipped": 0, "detections": 300, "wall_s": 2.04, "fps": 50.04}
    fields |= {"latency_p50_s": 0.0504, "latency_p95_s": None, "codec": "h264", "width": 1, "height": 1, "files": ()}
    return SourceReport(**(fields | changes))


def test_a_terminal_shows_a_bar_a_source_with_its_frames() -> None:
    console, out = shown(force_terminal=True)
    with Display(console) as display:
        display.update({ODD: standing(9, 7, expected=20), "yard": Standing({})})
        display.update({ODD: standing(19, 19, frames=20)})
    assert ODD in out.getvalue() and "20/20" in out.getvalue()
    assert "yard" not in out.getvalue()


def test_elsewhere_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cli.display._LINE_EVERY_S", 0.0)
    console, out = shown()
    with Display(console) as display:
        display.update({ODD: standing(9, 7, expected=20), "yard": standing(-1, -1)})
    assert out.getvalue().splitlines() == [f"{ODD}: 10 of 20 frames", "yard: 0 of ? frames"]


def test_a_finished_source_is_no_longer_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cli.display._LINE_EVERY_S", 0.0)
    console, out = shown()
    with Display(console) as display:
        display.update({ODD: standing(9, 9, frames=10, **{"finished.annotator": 1})})
    assert out.getvalue() == ""


def test_a_log_line_names_who_says_what() -> None:
    console, out = shown()
    line = {"stage": "detector", "name": "detector-1", "source": ODD, "level": "error", "event": "no [bold]"}
    Display(console).log(line | {"timestamp": "now", "code": 3})
    assert out.getvalue() == f"detector-1 {ODD}: no [bold] code=3\n"


def test_a_log_line_may_be_empty_or_odd() -> None:
    console, out = shown()
    display = Display(console)
    display.log({})
    display.log({"level": 7, "event": ["x"], "name": None})
    assert len(out.getvalue().splitlines()) == 2


def test_the_report_is_a_row_a_source() -> None:
    console, out = shown()
    console.print(table([report(), report(source="yard", status="failed")]))
    header, first, second = out.getvalue().splitlines()
    assert header.split()[:3] == ["source", "status", "frames"]
    assert first.split() == [ODD, "ok", "100", "300", "1", "2.0", "50.0", "50", "-"]
    assert second.split()[:2] == ["yard", "failed"]
