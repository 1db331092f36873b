"""What a person sees: no markup out of names, each source in its row."""

import io
import re
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from pipeline.cli.display import Display, Limit, Work, limit
from pipeline.cli.outcome import show, table
from pipeline.finished import Finished
from pipeline.ledger import Standing
from pipeline.source_report import SourceReport
from pipeline.supervisor.supervisor import Progress
from tests.clock import Clock

ODD = "a[red]b"


def shown(**options: Any) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=150, **options), out


def standing(published: int, done: int, **more: int) -> Standing:
    fields = {"epoch": 1, "published": published, "done.annotator": done, **more}
    return Standing({name: b"%d" % value for name, value in fields.items()})


def far(active: Mapping[str, Standing], *finished: int) -> Progress:
    return Progress(active, Finished(*finished))


def report(**changes: Any) -> SourceReport:
    fields: dict[str, Any] = {"source": ODD, "path": "", "status": "ok", "error": None, "frames": 100, "expected": 100}
    fields |= {"detected": 99, "failed": 1, "dropped": 0, "skipped": 0, "detections": 300, "wall_s": 2.04, "fps": 50.04}
    fields |= {"latency_p50_s": 0.0504, "latency_p95_s": None, "codec": "h264", "width": 1, "height": 1, "files": ()}
    return SourceReport(**(fields | changes))


def test_a_terminal_shows_a_bar_a_source_with_its_frames() -> None:
    console, out = shown(force_terminal=True)
    with Display(console) as display:
        display.update(far({ODD: standing(9, 7, expected=20), "yard": Standing({})}))
        display.update(far({ODD: standing(19, 19, frames=20)}))
    assert ODD in out.getvalue() and "20/20" in out.getvalue()
    assert "yard" not in out.getvalue()


def test_elsewhere_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cli.display._LINE_EVERY_S", 0.0)
    console, out = shown()
    with Display(console) as display:
        display.update(far({ODD: standing(9, 7, expected=20), "yard": standing(-1, -1)}))
    assert out.getvalue().splitlines() == [f"{ODD}: 8 of 20 frames, 0.0 fps", "yard: 0 of ? frames, 0.0 fps"]


def test_a_line_tells_how_fast_it_goes_and_when_it_will_be_over() -> None:
    console, out = shown()
    clock = Clock(0.0)
    with Display(console, clock) as display:
        display.begin(Work(2, 8_000))  # by its bytes alone, all would be over in 4 s, with a recording that takes 14
        for at_s in range(12):
            clock.now_s = float(at_s)
            written = 500 + 20 * at_s  # it was resumed: 500 are there from before
            display.update(
                far({"clip": standing(written - 1, written - 1, expected=1000, size=10_000, decoded=999, resumed=500)})
            )
    assert out.getvalue().splitlines() == [
        "0 of 2 recordings, 720 frames, 20.0 fps, ETA 0:00:14, limited by detect",
        "clip: 720 of 1000 frames, 20.0 fps, ETA 0:00:14",
    ]


def test_a_finished_source_is_no_longer_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cli.display._LINE_EVERY_S", 0.0)
    console, out = shown()
    with Display(console) as display:
        display.update(far({ODD: standing(9, 9, frames=10, **{"finished.annotator": 1})}))
    assert out.getvalue() == ""


def test_of_many_recordings_the_sum_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cli.display._LINE_EVERY_S", 0.0)
    console, out = shown()
    with Display(console) as display:
        display.begin(Work(2000, 10**6))
        active = {f"clip{number}": standing(9, 7, decoded=90, expected=100) for number in range(8)}
        display.update(far(active, 1500, 30_000, 30_000, 7 * 10**5))
    first, *others = out.getvalue().splitlines()
    assert re.fullmatch(r"1500 of 2000 recordings, 30080 frames, [\d.]+ fps, limited by detect", first)
    assert others == [f"clip{number}: 8 of 100 frames, 0.0 fps" for number in range(4)]


def test_a_terminal_shows_the_sum_and_only_bars_of_what_is_worked_on() -> None:
    console, out = shown(force_terminal=True)
    with Display(console) as display:
        display.begin(Work(3, 3000))
        display.update(far({"clip1": standing(49, 49, expected=100, size=1000)}))
        display.update(far({"clip2": standing(24, 24, expected=100, size=1000)}, 1, 100, 100, 1000))
    last = out.getvalue().rsplit("recordings", 1)[1]
    assert "1/3" in last and "25/100" in last and "clip1" not in last


@pytest.mark.parametrize(
    ("decoded", "published", "done", "limited"),
    [(64, -1, -1, "detect"), (64, 60, 1, "write"), (64, 60, 55, "decode"), (0, -1, -1, None)],
)
def test_what_limits_is_where_frames_pile_up(decoded: int, published: int, done: int, limited: Limit | None) -> None:
    assert limit({"clip": standing(published, done, decoded=decoded)}) == limited
    assert limit({"gate": standing(published, done, decoded=decoded, live=1)}) is None


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


def test_of_very_many_recordings_those_with_trouble_are_shown_and_the_first_others() -> None:
    console, out = shown()
    reports = [report(source=f"clip{number}") for number in range(1000)]
    reports[900] = report(source="clip900", status="failed", error="damaged")
    show(reports, console)
    text = out.getvalue()
    assert "clip900: damaged" in text and "clip49 " in text and "clip51 " not in text
    assert "and 949 more, with which all is well: see manifest.json" in text
    assert "all: 999 ok, 1 failed; 100000 frames, 300000 detections, 1000 failed frames" in text
