"""What is derived of a recording or a segment is there at its end, whoever is killed in between."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import structlog

from pipeline import keys
from pipeline.errors import SinkError
from pipeline.retention import Retention
from stages.annotator import deriving, finishing
from stages.annotator import live_writer as live_module
from stages.annotator.live_writer import LiveWriter
from stages.annotator.opening import Opening
from stages.annotator.settings import AnnotatorSettings
from stages.annotator.stage import SourceWriter
from stages.annotator.writer import Writer
from tests.stages.annotator.desk import SOURCE, Desk
from tests.stages.annotator.shelf import Street

ALL: Final = ("jsonl", "parquet", "coco", "report")
FRAMES: Final = 8
FILES: Final = (
    "gate.coco.json",
    "gate.jsonl",
    "gate.timeline.png",
    "parquet/detections/source=gate/gate.parquet",
    "parquet/frames/source=gate/gate.parquet",
)


@pytest.fixture(autouse=True)
def _in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.reset_defaults()
    monkeypatch.setattr(finishing, "_LINES_AT_ONCE", 2)
    monkeypatch.setattr(live_module, "_FLUSH_S", -1.0)


@pytest.fixture
def desk() -> Desk:
    return recorded()


def recorded() -> Desk:
    """Return a recording that is published to its end."""
    made = Desk()
    made.ledger.announce("gone.mp4", 1000)
    made.begin()
    made.publish(*range(FRAMES))
    made.publish_end(FRAMES)
    made.ledger.write({"decoded": FRAMES, "frames": FRAMES})
    return made


def settings(folder: Path, *kinds: str, **chosen: Any) -> AnnotatorSettings:
    sinks: Any = tuple({"kind": kind} for kind in kinds)
    return AnnotatorSettings(output=folder, sinks=sinks, **chosen)


def opened(desk: Desk | Street, folder: Path, *kinds: str, **chosen: Any) -> SourceWriter:
    return Opening(desk.broker, desk.store, settings(folder, *(kinds or ALL), **chosen), lambda _: Retention(0)).writer(
        SOURCE
    )


def feed(desk: Desk, writer: SourceWriter, steps: int = 1000) -> int:
    """Let it go on, and return after how many steps it was finished."""
    assert isinstance(writer, Writer)
    for step in range(steps):
        desk.feed(writer)
        if writer.finished:
            return step
    return steps


def files(folder: Path) -> Sequence[str]:
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.startswith(".detstream"))


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / ".detstream/gate.json").read_text())
    return found


def test_all_is_made_before_anybody_is_told_and_the_record_knows_it(desk: Desk, tmp_path: Path) -> None:
    writer = opened(desk, tmp_path)
    desk.feed(writer)  # type: ignore[arg-type]
    assert not desk.standing.finished((keys.ANNOTATOR,)) and not writer.hungry
    assert feed(desk, writer) > 2
    assert desk.standing.finished((keys.ANNOTATOR,))
    assert files(tmp_path) == sorted(FILES)
    checks = record(tmp_path)["checks"]
    assert sorted(checks) == sorted(FILES)
    for name, check in checks.items():
        content = (tmp_path / name).read_bytes()
        assert check == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize("steps", range(1, 16, 2))
def test_who_is_killed_in_between_is_followed_by_one_that_makes_the_same(
    steps: int, desk: Desk, tmp_path: Path
) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    first = opened(desk, disturbed)
    finished = feed(desk, first, steps) < steps
    first.close()
    if not finished:
        assert not (disturbed / ".detstream/gate.json").exists()
        assert not list(disturbed.rglob("*.tmp"))
        feed(desk, opened(desk, disturbed))
    other = recorded()
    feed(other, opened(other, undisturbed))
    assert files(disturbed) == files(undisturbed) == sorted(FILES)
    assert record(disturbed)["checks"] == record(undisturbed)["checks"]


def test_lines_that_nobody_asked_for_are_hidden_and_gone_at_the_end(desk: Desk, tmp_path: Path) -> None:
    writer = opened(desk, tmp_path, "coco")
    desk.feed(writer)  # type: ignore[arg-type]
    assert (tmp_path / ".detstream/gate.jsonl").exists()
    feed(desk, writer)
    assert files(tmp_path) == ["gate.coco.json"]
    assert not (tmp_path / ".detstream/gate.jsonl").exists()
    assert len(json.loads((tmp_path / "gate.coco.json").read_text())["images"]) == FRAMES


def test_a_broker_that_loses_its_memory_meanwhile_is_told_that_it_is_done(desk: Desk, tmp_path: Path) -> None:
    writer = opened(desk, tmp_path)
    feed(desk, writer, 3)
    desk.broker.hashes.clear()
    feed(desk, writer)
    standing = desk.standing
    assert standing.finished((keys.ANNOTATOR,)) and standing.frames == FRAMES
    assert standing.done((keys.ANNOTATOR,)) == standing.durable((keys.ANNOTATOR,)) == FRAMES - 1


def test_an_output_that_can_not_be_written_ends_it_with_the_name(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "parquet").write_text("in the way")
    with pytest.raises(SinkError, match=r"gate\.parquet can't be written"):
        feed(desk, opened(desk, tmp_path))
    assert not (tmp_path / ".detstream/gate.json").exists()


class Camera:
    """A camera whose segments last ten seconds."""

    def __init__(self, folder: Path, *kinds: str) -> None:
        self.street, self.folder, self._kinds = Street(), folder, kinds
        self.writer = self.opened()

    def opened(self) -> LiveWriter:
        found = opened(self.street, self.folder, *self._kinds, segment_s=10)
        assert isinstance(found, LiveWriter)
        return found

    def feed(self, times: int = 50) -> None:
        for _ in range(times):
            self.street.feed(self.writer)


def test_of_a_camera_each_finished_segment_has_its_outputs(tmp_path: Path) -> None:
    camera = Camera(tmp_path, *ALL)
    camera.street.show(*range(15))
    camera.feed()
    first = "gate-20240501T120000Z"
    assert [name for name in files(tmp_path) if "coco" in name] == [f"{first}.coco.json"]
    assert f"parquet/frames/source=gate/{first}.parquet" in files(tmp_path)
    camera.street.end(15)
    camera.feed()
    assert camera.writer.finished and len([name for name in files(tmp_path) if "coco" in name]) == 2


def test_a_camera_is_not_told_finished_before_its_last_segment_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deriving, "_BUDGET_S", -1.0)
    camera = Camera(tmp_path, *ALL)
    camera.street.show(0, 1)
    camera.street.end(2)
    camera.feed(2)
    assert not camera.writer.finished and not camera.writer.hungry
    monkeypatch.undo()
    camera.feed()
    assert any("coco" in name for name in files(tmp_path))
    assert camera.street.ledger.read().finished((keys.ANNOTATOR,))


def test_what_a_killed_process_did_not_make_of_a_segment_the_next_one_makes(tmp_path: Path) -> None:
    camera = Camera(tmp_path, "coco")
    camera.street.show(*range(12))
    camera.street.feed(camera.writer)
    camera.writer.close()
    hidden = sorted(path.name for path in (tmp_path / ".detstream").glob("*.jsonl"))
    assert hidden[-1] == "gate-20240501T120010Z.jsonl"
    camera.writer = camera.opened()
    camera.feed()
    made = [json.loads((tmp_path / name).read_text())["images"] for name in files(tmp_path)]
    assert [image["id"] for images in made for image in images] == list(range(12))
    assert not list((tmp_path / ".detstream").glob("*.jsonl"))


def test_a_segment_of_which_something_can_not_be_made_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "parquet").write_text("in the way")
    camera = Camera(tmp_path, "jsonl", "parquet")
    camera.street.show(*range(12))
    with structlog.testing.capture_logs() as lines:
        camera.feed()
        camera.street.end(12)
        camera.feed()
    assert camera.writer.finished
    assert {(line["event"], line["kind"]) for line in lines if line["log_level"] == "error"} == {
        ("output fails", "derived")
    }
