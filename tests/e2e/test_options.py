"""Options, settings files and the environment of `detstream run`."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import save_file

from stages.detector.yolo_nas.model import build
from tests.clips import write_clip
from tests.e2e.command import detstream
from tests.e2e.fixtures import FRAMES as FRAMES_OF_MATERIAL
from tests.e2e.fixtures import Material
from tests.e2e.outputs import lines, source_in

FRAMES = 12


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("short") / "clip.mp4", FRAMES)


@pytest.fixture
def config(quick: Path, tmp_path: Path) -> Path:
    """Settings to add to."""
    return Path(shutil.copy(quick, tmp_path / "settings.yaml"))


def test_arguments_go_over_the_environment_and_that_over_the_file(short: Path, config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace(", engine", ", conf: 0.95, iou: 0.6, max_detections: 7, engine"))
    environment = {"DETSTREAM_DETECTOR__CONF": "0.96", "DETSTREAM_DETECTOR__IOU": "0.5"}
    output = tmp_path / "out"
    ended = detstream("run", short, "--config", config, "--output", output, "--json", "--conf", "0.1", env=environment)
    assert ended.code == 0, ended.err
    written = json.loads(ended.out)
    assert written["engine"] == "null"
    detector = written["settings"]["detector"]
    assert (detector["conf"], detector["iou"], detector["max_detections"]) == (0.1, 0.5, 7)
    assert [len(line["detections"]) for line in lines(output)] == [4] * FRAMES


def test_sources_may_stand_in_the_settings_file(short: Path, config: Path, tmp_path: Path) -> None:
    source = f"decoder: {{sources: [{{name: yard, source: {{kind: file, path: {short}}}}}]}}\n"
    config.write_text(config.read_text() + source)
    ended = detstream("run", "--config", config, "--output", tmp_path / "out", "--json")
    assert ended.code == 0, ended.err
    assert source_in(json.loads(ended.out), "yard")["frames"] == FRAMES


def test_the_size_of_the_input_and_the_names_of_the_classes(short: Path, config: Path, tmp_path: Path) -> None:
    options = ("--imgsz", "64x96", "--names", "auto,walker", "--classes", "walker")
    ended = detstream("run", short, "--config", config, "--output", tmp_path / "out", *options, "--json")
    assert ended.code == 0, ended.err
    model = json.loads(ended.out)["model"]
    assert (model["input_size"], model["classes"], model["named_by"]) == ([64, 96], ["auto", "walker"], "user")
    found = [found for line in lines(tmp_path / "out") for found in line["detections"]]
    assert {item["class_name"] for item in found} == {"walker"} and len(found) == 2 * FRAMES
    assert all(0 <= x1 < x2 <= 384 and 0 <= y1 < y2 <= 216 for x1, y1, x2, y2 in (item["xyxy"] for item in found))


def test_it_says_once_that_nobody_has_named_the_classes(short: Path, config: Path, tmp_path: Path) -> None:
    model, output = tmp_path / "plain.safetensors", tmp_path / "out"
    save_file(build("n", 3).state_dict(), model)
    ended = detstream("run", short, "--config", config, "--model", model, "--output", output, "--json")
    assert ended.code == 0, ended.err
    assert ended.err.count("the model doesn't name its classes") == 1 and "--names sets others" in ended.err
    told = json.loads(ended.out)["model"]
    assert (told["classes"], told["named_by"]) == (["class_0", "class_1", "class_2"], "default")
    named = detstream(
        "run", short, "--config", config, "--model", model, "--output", output, "--force", "--names", "a,b,c"
    )
    assert named.code == 0 and "doesn't name" not in named.err


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ("--half", "--engine", "openvino"),
            "half: engine 'openvino' can't compute in float16; these can: auto, torch",
        ),
        (("--int8", "--engine", "torch"), "int8: engine 'torch' can't compute in 8-bit integers; these can: "),
        (("--imgsz", "100"), "detector.imgsz: '100': give a side, or (height, width), in multiples of 32"),
    ],
)
def test_what_an_engine_or_a_network_cannot_do_is_wrong_usage(
    options: tuple[str, ...], line: str, short: Path, config: Path, tmp_path: Path
) -> None:
    ended = detstream("run", short, "--config", config, "--output", tmp_path / "out", *options)
    assert ended.code == 2 and ended.complaint().startswith(line)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("classes", ["person", "1", " 1 , person"])
def test_classes_are_chosen_by_number_or_name(classes: str, short: Path, config: Path, tmp_path: Path) -> None:
    ended = detstream("run", short, "--config", config, "--output", tmp_path / "out", "--classes", classes)
    assert ended.code == 0, ended.err
    found = [found["class_name"] for line in lines(tmp_path / "out") for found in line["detections"]]
    assert found == ["person"] * 2 * FRAMES


def test_a_higher_confidence_finds_less(short: Path, config: Path, tmp_path: Path) -> None:
    ended = detstream("run", short, "--config", config, "--output", tmp_path / "out", "--conf", "0.95")
    assert ended.code == 0, ended.err
    assert not [found for line in lines(tmp_path / "out") for found in line["detections"]]


def test_outputs_are_overwritten_only_when_asked(short: Path, config: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "clip.jsonl").write_text("precious\n")
    (output / "notes.txt").write_text("mine")
    refused = detstream("run", short, "--config", config, "--output", output)
    assert refused.code == 2
    assert str(output / "clip.jsonl") in refused.complaint() and "--force" in refused.complaint()
    assert (output / "clip.jsonl").read_text() == "precious\n"
    forced = detstream("run", short, "--config", config, "--output", output, "--force")
    assert forced.code == 0, forced.err
    assert len(lines(output)) == FRAMES
    assert (output / "notes.txt").read_text() == "mine"


def test_a_recording_read_by_several_lanes_gives_the_same(material: Material, config: Path, tmp_path: Path) -> None:
    written = []
    for lanes in (1, 3):
        settings = tmp_path / f"lanes{lanes}.yaml"
        settings.write_text(f"{config.read_text()}decoder: {{lanes: {lanes}}}\n")
        ended = detstream("run", material.clip, "--config", settings, "--output", tmp_path / f"out{lanes}")
        assert ended.code == 0, ended.err
        written.append((tmp_path / f"out{lanes}/clip.jsonl").read_bytes())
    assert written[0] == written[1]
    assert written[0].count(b"\n") == FRAMES_OF_MATERIAL
