import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.errors import ConfigError, ModelError
from stages.detector.yolo_nas.card import read_card
from tests.faulty_server import FaultyServer, serving


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights folder, not made yet; the current folder is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DETSTREAM_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "weights"


@pytest.fixture
def server(shared: Path) -> Iterator[FaultyServer]:
    with serving((shared / "conformance" / "yolo_nas_s_sg_constant.pth").read_bytes()) as running:
        yield running


def said(*arguments: str) -> str:
    """Run `detstream weights` and return its output; an error is raised."""
    result = CliRunner().invoke(app, ["weights", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_list_shows_names_licences_and_where_files_are(folder: Path) -> None:
    folder.mkdir()
    (folder / "yolo_nas_m.pt").touch()
    (folder / "gate.safetensors").touch()
    lines = {line.split()[0]: line for line in said("list").splitlines() if line.strip()}
    assert "non-commercial" in lines["yolo_nas_s"] and "not fetched" in lines["yolo_nas_s"]
    assert str(folder / "yolo_nas_m.pt") in lines["yolo_nas_m"]
    assert str(folder / "gate.safetensors") in lines["gate"]
    assert f"folder: {folder}" in said("list")


def test_nothing_is_fetched_unless_the_licence_is_accepted(server: FaultyServer, folder: Path) -> None:
    with pytest.raises(ConfigError, match="detstream weights fetch yolo_nas_s --accept-licence"):
        said("fetch", "yolo_nas_s", "--url", server.url)
    assert not server.requests and not folder.exists()


def test_fetched_weights_are_a_model_by_their_name(server: FaultyServer, folder: Path) -> None:
    server.cuts = [100_000]
    shown = said("fetch", "yolo_nas_s", "--accept-licence", "--url", server.url)
    assert "not for commercial use" in shown
    assert hashlib.sha256(server.content).hexdigest() in shown
    assert read_card("yolo_nas_s").layout == "s"
    assert said("path", "yolo_nas_s.pt").strip() == str(folder / "yolo_nas_s.pth")
    assert "is there" in said("fetch", "yolo_nas_s")


def test_weights_of_another_layout_are_not_kept(server: FaultyServer, folder: Path) -> None:
    with pytest.raises(ModelError, match="has layout 's', expected was 'm'"):
        said("fetch", "yolo_nas_m", "--accept-licence", "--url", server.url)
    assert not list(folder.iterdir())


def test_damaged_weights_are_not_kept(server: FaultyServer, folder: Path) -> None:
    data = bytearray(server.content)
    data[data.index(b"PK\x01\x02") - 300] ^= 1  # in what the last member holds
    data[len(data) // 2] ^= 0xFF
    server.content = bytes(data)
    with pytest.raises(ModelError, match=r"yolo_nas_s can't be had: .*\.part"):
        said("fetch", "yolo_nas_s", "--accept-licence", "--url", server.url)
    assert not list(folder.iterdir())


def test_weights_of_another_hash_are_not_kept(server: FaultyServer, folder: Path) -> None:
    with pytest.raises(ModelError, match="expected was 12ab"):
        said("fetch", "yolo_nas_s", "--accept-licence", "--url", server.url, "--sha256", "12ab")
    assert not list(folder.iterdir())


def test_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="'yolov8n': yolo_nas_s, yolo_nas_m, yolo_nas_l"):
        said("fetch", "yolov8n", "--accept-licence")


def test_path_is_the_folder_or_a_file(folder: Path) -> None:
    assert said("path").strip() == str(folder)
    assert said("path", "demo").strip().endswith("demo.safetensors")
    with pytest.raises(ModelError, match="weights fetch yolo_nas_l --accept-licence"):
        said("path", "yolo_nas_l")
