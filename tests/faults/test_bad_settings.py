"""Wrong usage: exit code 2 and one line that says what is wrong and what to do, before anything is started."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.clips import write_clip
from tests.e2e.command import Ended, detstream
from tests.e2e.fixtures import Material
from tests.e2e.outputs import check_accounts, manifest

FRAMES: Final = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording whose pictures are large."""
    return write_clip(tmp_path_factory.mktemp("large") / "clip.mp4", FRAMES, size=(3840, 2160))


def _refused(ended: Ended) -> str:
    assert ended.code == 2, ended.err
    assert ended.out == ""
    return ended.complaint()


def test_without_a_source(tmp_path: Path) -> None:
    assert _refused(detstream("run", "--output", tmp_path / "out")).startswith("no source: name a file")


@pytest.mark.parametrize("below", ["", "deeper"])
def test_an_output_folder_that_cannot_be_written(below: str, clip: Path, material: Material, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    output = tmp_path / "file" / "out" / below
    complaint = _refused(detstream("run", clip, "--model", material.model, "--output", output))
    assert complaint.startswith(f"output folder {output}: can't be written to")


def test_a_model_that_is_missing(clip: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    complaint = _refused(detstream("run", clip, "--model", model, "--output", tmp_path / "out"))
    assert complaint.startswith(f"no weights file {model}")


@pytest.mark.parametrize("kept", [0, 7, 1000, 5_000_000])
def test_a_model_that_is_damaged(kept: int, clip: Path, material: Material, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(material.model.read_bytes()[:kept])
    complaint = _refused(detstream("run", clip, "--model", model, "--output", tmp_path / "out"))
    assert complaint.startswith(f"{model} can't be read as safetensors weights")


def test_a_model_that_is_no_model(clip: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_text("not weights\n" * 100)
    assert str(model) in _refused(detstream("run", clip, "--model", model, "--output", tmp_path / "out"))


def test_an_unknown_engine(clip: Path, tmp_path: Path) -> None:
    ended = detstream("run", clip, "--engine", "abacus", "--output", tmp_path / "out")
    assert ended.code == 2
    assert all(word in ended.err for word in ("abacus", "auto", "openvino", "torch")) and "Traceback" not in ended.err


def test_an_unknown_engine_in_the_settings_file(clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("detector: {engine: {kind: abacus}}\n")
    complaint = _refused(detstream("run", clip, "--config", config, "--output", tmp_path / "out"))
    assert complaint.startswith(f"{config}: detector.engine")
    assert all(word in complaint for word in ("abacus", "auto", "openvino", "torch"))


def test_a_class_that_the_model_has_not(clip: Path, material: Material, tmp_path: Path) -> None:
    arguments = ("run", clip, "--model", material.model, "--output", tmp_path / "out")
    complaint = _refused(detstream(*arguments, "--classes", "car,unicorn"))
    assert "unicorn" in complaint and "0 car, 1 person" in complaint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("detectr: {}\n", r"detectr: no such key; allowed: .*detector"),
        ("detector: {confidence: 0.5}\n", r"detector.confidence: no such key; allowed: .*conf"),
        ("detector: {conf: 1.5}\n", r"detector.conf: 1.5: .*less than or equal to 1"),
        ("annotator: {sinks: [{kind: vhs}]}\n", r"annotator.sinks.0.*'jsonl', .*'video'"),
        ("- a\n- list\n", r"must be a mapping"),
        ("a: [\n", r"is no YAML"),
    ],
)
def test_a_wrong_settings_file(text: str, said: str, clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(text)
    complaint = _refused(detstream("run", clip, "--config", config, "--output", tmp_path / "out"))
    assert re.match(rf"{re.escape(str(config))}: {said}", complaint), complaint


def test_a_missing_settings_file(clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    complaint = _refused(detstream("run", clip, "--config", config, "--output", tmp_path / "out"))
    assert complaint.startswith(f"{config}: can't be read: No such file")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DETSTREAM_MEMORY_MB", "lots", "environment: memory_mb: 'lots'"),
        ("DETSTREAM_DETECTOR__CONF", "2", "environment: detector.conf: '2'"),
        ("DETSTREAM_MEMORY", "512", "environment: DETSTREAM_MEMORY is no setting"),
    ],
)
def test_a_wrong_variable(name: str, value: str, said: str, clip: Path, tmp_path: Path) -> None:
    assert _refused(detstream("run", clip, "--output", tmp_path / "out", env={name: value})).startswith(said)


def test_a_redis_that_does_not_answer(clip: Path, quick: Path, tmp_path: Path) -> None:
    url = "redis://127.0.0.1:1"
    arguments = ("run", clip, "--config", quick, "--output", tmp_path / "out")
    assert url in _refused(detstream(*arguments, env={"DETSTREAM_REDIS__URL": url}))


@pytest.mark.parametrize("url", ["unix:///nowhere/redis.sock", "carrier-pigeon://home"])
def test_a_redis_that_is_not_there(url: str, clip: Path, quick: Path, tmp_path: Path) -> None:
    arguments = ("run", clip, "--config", quick, "--output", tmp_path / "out")
    environment = {"DETSTREAM_REDIS__URL": url, "DETSTREAM_REDIS__CONNECT_TIMEOUT_S": "0.2"}
    assert url in _refused(detstream(*arguments, env=environment))


@pytest.mark.parametrize("url", ["redis://:s3cret@127.0.0.1:1", "http://me:s3cret@home"])
def test_a_password_is_never_said(url: str, clip: Path, quick: Path, tmp_path: Path) -> None:
    arguments = ("run", clip, "--config", quick, "--output", tmp_path / "out")
    environment = {"DETSTREAM_REDIS__URL": url, "DETSTREAM_REDIS__CONNECT_TIMEOUT_S": "0.2"}
    ended = detstream(*arguments, env=environment)
    assert ended.code == 2 and "s3cret" not in ended.err + ended.out


def test_more_memory_than_there_is(clip: Path, material: Material, tmp_path: Path) -> None:
    arguments = ("run", clip, "--model", material.model, "--output", tmp_path / "out")
    complaint = _refused(detstream(*arguments, env={"DETSTREAM_MEMORY_MB": "100000000"}))
    assert re.match(r"memory_mb 100000000 is more than .*: set it to \d+ or less", complaint)


def test_too_little_memory_is_said_with_the_number_that_works(large: Path, material: Material, tmp_path: Path) -> None:
    arguments = ("run", large, "--model", material.model, "--output", tmp_path / "out")
    complaint = _refused(detstream(*arguments, env={"DETSTREAM_MEMORY_MB": "64"}))
    wanted = re.fullmatch(r"memory_mb 64 is too small .*: set it to (\d+) or more", complaint)
    assert wanted, complaint
    ended = detstream(*arguments, "--force", env={"DETSTREAM_MEMORY_MB": wanted[1]})
    assert ended.code == 0, ended.err
    check_accounts(manifest(tmp_path / "out"), tmp_path / "out")


def test_the_least_memory_is_said_too(clip: Path, tmp_path: Path, material: Material) -> None:
    arguments = ("run", clip, "--model", material.model, "--output", tmp_path / "out")
    assert "set it to 64 or more" in _refused(detstream(*arguments, env={"DETSTREAM_MEMORY_MB": "3"}))
