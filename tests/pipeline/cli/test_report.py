"""The page of a run: all recordings, pictures of as many as there is room for, and nothing that runs."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.cli.report import write_report
from pipeline.errors import SinkError


def source(folder: Path, name: str, status: str = "ok", *, pictures: bool = True, **more: Any) -> dict[str, Any]:
    """Return a source's record, with pictures of noise."""
    files = [str(folder / f"{name}.{kind}.png") for kind in ("timeline", "sheet")] if pictures else []
    for number, file in enumerate(files):
        noise = np.random.default_rng(number).integers(0, 255, (40, 60, 3), np.uint8)
        Image.fromarray(noise).save(file)
    counts = {"frames": 1200, "failed": 3, "detections": 7, "wall_s": 2.0, "fps": 600.0}
    error = None if status == "ok" else "ends early"
    return {
        "source": name,
        "status": status,
        "path": f"/in/{name}.mp4",
        "error": error,
        "files": files,
        **counts,
        **more,
    }


def manifest(*sources: dict[str, Any]) -> dict[str, Any]:
    model = {"name": "demo", "classes": [f"class-{number}" for number in range(80)]}
    moments = {"started": "2026-05-01T12:00:00.000+00:00", "finished": "2026-05-01T13:00:00.000+00:00"}
    return {**moments, "detstream": "1", "model": model, "engine": None, "settings": {"a": "<b>"}, "sources": sources}


def shown(text: str) -> list[str]:
    return re.findall(r'<section id="([^"]+)"', text)


def test_pictures_are_there_as_long_as_there_is_room_and_failed_ones_first(tmp_path: Path) -> None:
    sources = [source(tmp_path, f"cam-{number}", "failed" if number == 3 else "ok") for number in range(5)]
    assert shown(write_report(tmp_path, manifest(*sources)).read_text()) == [f"cam-{number}" for number in range(5)]
    room = sum((tmp_path / f"cam-0.{kind}.png").stat().st_size for kind in ("timeline", "sheet"))
    text = write_report(tmp_path, manifest(*sources), 2 * room).read_text()
    assert shown(text) == ["cam-0", "cam-3"]
    assert 'href="#cam-3"' in text and 'href="cam-4.timeline.png"' in text
    assert "3 more timelines and contact sheets are beside this page" in text
    assert text.count("<tr>") == 6


def test_of_a_camera_all_segments_are_shown(tmp_path: Path) -> None:
    segments = [source(tmp_path, f"gate-20260501T12000{number}Z") for number in range(3)]
    files = [file for segment in segments for file in segment["files"]]
    camera = source(tmp_path, "gate", pictures=False) | {"files": files, "live": True}
    text = write_report(tmp_path, manifest(camera)).read_text()
    assert shown(text) == ["gate"] and text.count("<img ") == 6 and "sources ok" in text


def test_ten_thousand_recordings_are_a_page_that_opens(tmp_path: Path) -> None:
    sources = [source(tmp_path, f"cam-{number:05}", pictures=False) for number in range(10_000)]
    path = write_report(tmp_path, manifest(*sources))
    assert path.stat().st_size < 5e6
    assert "<b>10,000</b>recordings ok" in path.read_text()


def test_what_a_recording_or_its_error_says_is_text_and_no_markup(tmp_path: Path) -> None:
    bad = source(tmp_path, "a", "failed", pictures=False, error="<script>alert(1)</script>")
    text = write_report(tmp_path, manifest(bad)).read_text()
    assert "<script" not in text and "&lt;script&gt;" in text and "&lt;b&gt;" in text
    assert "class-11 and 68 more" in text and "class-12" not in text.partition("<details>")[0]


def test_pictures_that_are_gone_or_damaged_do_not_keep_the_page_from_being_written(tmp_path: Path) -> None:
    found = source(tmp_path, "a")
    (tmp_path / "a.sheet.png").write_bytes(b"no picture")
    (tmp_path / "a.timeline.png").unlink()
    assert shown(write_report(tmp_path, manifest(found)).read_text()) == ["a"]


def test_a_folder_that_can_not_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    (tmp_path / "report.html/x").touch()
    with pytest.raises(SinkError, match=r"report\.html: can't be written"):
        write_report(tmp_path, manifest())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
