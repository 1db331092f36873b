"""`detstream zones draw`: a picture to place zones by, of whatever is a source."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.cli.zones_drawing import drawn
from pipeline.errors import ConfigError, SinkError, SourceError
from tests.clips import write_clip

ZONES = """
decoder:
  sources:
    - {name: gate, source: {kind: file, path: CLIP}}
    - {name: sim, source: {kind: camera, url: 'sim://street?fps=25&size=320x180&objects=2'}}
tracker:
  zones: [{name: yard, sources: [gate, sim], polygon: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]}]
  lines: [{name: kerb, sources: [gate], line: [[0, 0.5], [1, 0.5]]}]
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 30)


@pytest.fixture
def config(clip: Path, tmp_path: Path) -> Path:
    path = tmp_path / "zones.yaml"
    path.write_text(ZONES.replace("CLIP", str(clip)))
    return path


def picture(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    image = cv2.imread(str(path))
    assert image is not None
    return np.asarray(image).astype(np.int64)


def test_a_source_of_the_settings_is_drawn_with_its_zones(clip: Path, config: Path, tmp_path: Path) -> None:
    bare = picture(drawn(str(clip), None, tmp_path / "bare.png", 0.0))
    zoned = picture(drawn("gate", config, tmp_path / "zoned.png", 0.0))
    assert bare.shape == zoned.shape == (216, 384, 3)
    changed = np.abs(bare - zoned).sum(2) > 0
    assert changed[30:100, 60:330].mean() > 0.9 and changed[200:].mean() < 0.2  # the yard is tinted, what is below not


def test_a_zone_of_another_source_is_not_drawn(clip: Path, config: Path, tmp_path: Path) -> None:
    bare = picture(drawn(str(clip), None, tmp_path / "bare.png", 0.0))
    other = picture(drawn(f"yard={clip}", config, tmp_path / "other.png", 0.0))
    assert (bare == other).all()


def test_another_moment_of_a_recording_is_another_picture(clip: Path, tmp_path: Path) -> None:
    early = picture(drawn(str(clip), None, tmp_path / "early.png", 0.0))
    late = picture(drawn(str(clip), None, tmp_path / "late.png", 1.0))
    assert (early != late).any()


def test_a_camera_is_drawn_by_its_name(config: Path, tmp_path: Path) -> None:
    assert picture(drawn("sim", config, tmp_path / "sim.png", 0.0)).shape == (180, 320, 3)


def test_the_picture_is_named_by_the_source(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(app, ["zones", "draw", f"gate={clip}"])
    assert ended.exit_code == 0 and "gate.zones.png is written" in ended.output
    assert (tmp_path / "gate.zones.png").is_file()


def test_what_can_t_be_drawn_says_why(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.mp4 does not exist"):
        drawn(str(tmp_path / "nowhere.mp4"), None, None, 0.0)
    with pytest.raises(SourceError, match="has no frame in the part that was asked for"):
        drawn(str(clip), None, tmp_path / "a.png", 99.0)
    with pytest.raises(SinkError, match=r"a\.png can't be written: No such file"):
        drawn(str(clip), None, tmp_path / "missing" / "a.png", 0.0)


@pytest.mark.parametrize(
    ("tracker", "complaint"),
    [
        ("zones: [{name: a, polygon: [[0, 0], [1, 1]]}]", "three corners or more"),
        ("zones: [{name: a, polygon: [[0, 0], [1, 1], [1, 0], [0, 1]]}]", "edges don't cross"),
        ("zones: [{name: a, polygon: [[0, 0], [700, 0], [700, 500]]}]", "outside 0 to 1: for pixels set unit: pixel"),
        ("zones: [{name: a}, {name: a}]", "two of a source are called 'a'"),
        ("{zones: [{name: a}], lines: [{name: a, line: [[0, 0], [1, 1]]}]}", "a zone and a line are called 'a'"),
        ("lines: [{name: a, line: [[0, 0], [0, 0]]}]", "neighbouring points of a line are the same"),
        ("{tracking: null, zones: [{name: a}]}", "zones and lines need tracks"),
        ("tracking: {kind: deepsort}", "bytetrack"),
        ("zones: [{name: a, poligon: []}]", "no such key"),
    ],
)
def test_settings_without_sense_say_so_in_one_line(tracker: str, complaint: str, clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text(f"tracker: {tracker}\n" if tracker.startswith("{") else f"tracker:\n  {tracker}\n")
    with pytest.raises(ConfigError, match=complaint) as raised:
        drawn(str(clip), config, tmp_path / "a.png", 0.0)
    assert "\n" not in str(raised.value) and "wrong.yaml" in str(raised.value)


def test_two_sources_may_each_have_a_zone_of_the_same_name(clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "doors.yaml"
    place = "polygon: [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8]]"
    zones = f"[{{name: door, sources: [a], {place}}}, {{name: door, sources: [b*], {place}}}]"
    config.write_text(f"tracker: {{zones: {zones}}}\n")
    bare = picture(drawn(f"c={clip}", config, tmp_path / "c.png", 0.0))
    for name in ("a", "b2"):
        assert (picture(drawn(f"{name}={clip}", config, tmp_path / f"{name}.png", 0.0)) != bare).any()
