"""The plug-ins of `examples/plugin`, installed from their folder: a source, an engine, a tracker and a sink."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.command import detstream
from tests.e2e.outputs import lines, manifest

EXAMPLE = Path(__file__).parents[2] / "examples" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example as a user does, but without a network, and beside the environment of these tests."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(EXAMPLE, folder / "plugin")  # building it leaves files
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", str(folder / "site"))
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(folder / "plugin")], check=True, timeout=120)
    return folder / "site"


def test_a_run_of_plug_ins_only(installed: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)
        settings = yaml.safe_load((EXAMPLE / "run.yaml").read_text())
        settings["annotator"]["sinks"][1]["port"] = listener.getsockname()[1]
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))
        arguments = ("run", "--config", tmp_path / "run.yaml", "--output", tmp_path / "out")
        ended = detstream(*arguments, env={"PYTHONPATH": installed})
        assert ended.code == 0, ended.err
        events = [json.loads(listener.recv(65_535)) for _ in range(2)]
    found = lines(tmp_path / "out", "card")
    assert [line["seq"] for line in found] == list(range(60))
    assert {item["tracker_id"] for line in found[2:] for item in line["detections"]} == {1}
    assert [(event["kind"], event["tracker_id"]) for event in events] == [("track_started", 1), ("track_ended", 1)]
    assert manifest(tmp_path / "out")["engine"] == "bright"


def test_a_wrong_setting_of_a_plug_in_is_one_line_that_says_what_is_allowed(installed: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("annotator: {sinks: [{kind: udp, prot: 9}]}")
    ended = detstream("run", "clip.mp4", "--config", config, env={"PYTHONPATH": installed})
    assert ended.code == 2 and "port" in ended.complaint()


def test_without_it_its_kind_is_not_known_and_those_that_are_there_are_named(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("annotator: {sinks: [{kind: udp, port: 9}]}")
    complaint = detstream("run", "clip.mp4", "--config", config).complaint()
    assert "annotator.sinks" in complaint and "'webhook'" in complaint
