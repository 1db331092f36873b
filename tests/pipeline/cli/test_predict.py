"""`detstream predict` and `detstream info`, in this process, on an engine that needs no time."""

import json
import subprocess
import sys
from pathlib import Path
from threading import Event

import cv2
import pytest
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from detstream import NAS
from pipeline.cli.looking import Files, look
from pipeline.cli.main import app
from pipeline.cli.models import naming_hint
from pipeline.errors import ConfigError
from stages.detector.yolo_nas.card import ModelCard
from stages.detector.yolo_nas.class_names import named_by_default
from stages.detector.yolo_nas.model import build
from tests.stages.decoder.videos import frame_times, make, numbered, steady


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "bus.png"
    cv2.imwrite(str(path), numbered(5))
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make(tmp_path / "clip.mp4", steady(7))


def predict(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["predict", "--engine", "null", *map(str, arguments)])


def test_it_says_what_is_in_each_source(image: Path, video: Path) -> None:
    ended = predict(image, video)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.splitlines() == [
        f"{image}: 6 persons, 6 cars",
        f"{video}: 6 persons, 6 cars at most at once, in 7 frames",
    ]
    assert "8 pictures in" in ended.stderr and "null" in ended.stderr


def test_nothing_is_written_unasked(image: Path, tmp_path: Path) -> None:
    predict(image, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_it_writes_pictures_and_lines(image: Path, video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert predict(image, video, "--save", "--save-json", "--output", out, "--classes", "car").exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["bus.png", "clip.mp4", "detections.jsonl"]
    lines = [json.loads(line) for line in (out / "detections.jsonl").read_text().splitlines()]
    assert [(line["source"], line["seq"]) for line in lines] == [(str(image), 0)] + [(str(video), n) for n in range(7)]
    assert all([item["class_name"] for item in line["detections"]] == ["car"] * 6 for line in lines)
    assert frame_times(out / "clip.mp4") == pytest.approx(steady(7))


@pytest.mark.parametrize("option", ["--save", "--save-json"])
def test_it_overwrites_only_by_force(image: Path, tmp_path: Path, option: str) -> None:
    arguments = (image, option, "--output", tmp_path / "out")
    assert predict(*arguments).exit_code == 0
    refused = predict(*arguments)
    assert isinstance(refused.exception, ConfigError) and "exists" in str(refused.exception)
    assert predict(*arguments, "--force").exit_code == 0


def test_a_table_has_a_row_a_class(video: Path) -> None:
    rows = [line.split() for line in predict(video, "--show-table").stdout.splitlines()]
    assert ["person", "42", "7", "6", "0.90"] in rows and ["car", "42", "7", "6", "0.90"] in rows


def test_a_damaged_file_fails_the_command_but_not_the_others(image: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(b"no picture")
    ended = predict(tmp_path / "cut.jpg", image)
    assert ended.exit_code == 1
    first, second = ended.stdout.splitlines()
    assert "cut.jpg: not looked at; 1 failed:" in first and second.endswith("6 persons, 6 cars")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--imgsz", "big"], "imgsz: 'big': give a side as 640, or HEIGHTxWIDTH as 384x640"),
        (["--imgsz", "333"], "in multiples of 32"),
        (["--half"], "half: engine 'null' can't compute in float16; these can: auto, torch, onnxruntime, tensorrt"),
        (["--int8"], "int8: engine 'null' can't compute in 8-bit integers; these can: "),
        (["--classes", "dog"], "the model has no class 'dog'"),
        (["no-such.jpg"], "no-such.jpg does not exist"),
    ],
)
def test_a_wrong_argument_is_wrong_usage(image: Path, arguments: list[str], line: str) -> None:
    ended = predict(image, *arguments)
    assert isinstance(ended.exception, ConfigError) and line in str(ended.exception)


def test_classes_may_be_renamed(image: Path) -> None:
    assert predict(image, "--names", "walker,auto").stdout == f"{image}: 6 walkers, 6 autos\n"


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that say nothing of their three classes."""
    path = tmp_path_factory.mktemp("unnamed") / "plain.safetensors"
    save_file(build("n", 3).state_dict(), path)
    return path


def test_it_says_once_that_nobody_has_named_the_classes(image: Path, video: Path, unnamed: Path) -> None:
    hint = "the model doesn't name its classes: they are called class_0, class_1, …; --names sets others"
    ended = predict(image, video, "--model", unnamed)
    assert ended.stderr.count("--names") == 1 and f"detstream: {hint}\n" in ended.stderr
    assert "class_0" in ended.stdout
    assert "--names" not in predict(image, "--model", unnamed, "--names", "a,b,c").stderr
    assert "--names" not in predict(image).stderr


def test_the_names_of_80_classes_are_cocos() -> None:
    card = ModelCard("s", named_by_default(80), (640, 640), named_by="default")
    assert (
        naming_hint(card) == "the model doesn't name its classes: they are COCO's, as they are 80; --names sets others"
    )


def test_the_size_of_the_input_may_have_two_sides(image: Path) -> None:
    assert predict(image, "--imgsz", "64x96").exit_code == 0


def test_its_exit_code_for_wrong_usage_is_2(tmp_path: Path) -> None:
    code = "from pipeline.cli.main import main; main()"
    command = [sys.executable, "-c", code, "predict", str(tmp_path / "no-such.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("detstream: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["predict", "info"])
def test_the_help_shows_an_example_and_loads_nothing_heavy(command: str) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from pipeline.cli.main import app;"
        f"out = CliRunner().invoke(app, [{command!r}, '--help']).output;"
        f"assert 'Example: detstream {command}' in out, out;"
        "print([name for name in ('av', 'cv2', 'numpy', 'openvino', 'supervision', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_info_tells_the_same_to_people_and_to_programs() -> None:
    told = CliRunner().invoke(app, ["info"])
    assert "person, car" in told.output and "320, 320" in told.output
    facts = json.loads(CliRunner().invoke(app, ["info", "--model", "demo", "--json"]).output)
    assert facts["classes"] == ["person", "car"] and f"{facts['parameters']:,}" in told.output
    assert facts["sha256"] and facts["gflops"] == pytest.approx(3.94, abs=0.01)


def test_an_interrupted_command_leaves_whole_files(video: Path, tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    files = Files(tmp_path / "out", images=True, lines=True, force=False)
    with NAS("demo", engine="null") as model:
        code = look([str(video)], model, {}, files, stop, show_table=False)
    assert code == 130
    assert len((tmp_path / "out" / "detections.jsonl").read_text().splitlines()) == 1
    assert frame_times(tmp_path / "out" / "clip.mp4") == [0]
