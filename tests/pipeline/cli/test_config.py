"""Arguments over the environment over the file, and what follows from them."""

import os
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline.cli.config import RunOptions, RunSettings, resolve, write
from pipeline.errors import ConfigError, DetstreamError, ModelError
from pipeline.settings import load
from stages.annotator.settings import AnnotatorRoot
from stages.decoder.settings import DecoderRoot
from stages.detector.settings import DetectorRoot
from stages.tracker.settings import TrackerRoot

MODEL: Final = "random:s"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("DETSTREAM_"):
            monkeypatch.delenv(name)


@pytest.fixture
def video(tmp_path: Path) -> str:
    file = tmp_path / "gate.mp4"
    file.touch()
    return str(file)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def resolved(*sources: str, model: str | None = MODEL, **options: Any) -> RunSettings:
    return resolve(RunOptions(sources, model=model, **options))


def test_a_file_alone_is_enough(video: str) -> None:
    found = resolved(video)
    ((name, source),) = found.decoder.recordings
    assert (name, source.address) == ("gate", video)
    assert found.annotator.output == Path("out")
    assert [sink.kind for sink in found.annotator.sinks] == ["jsonl", "video"]
    assert found.flow.picture_size == (636, 636) and found.flow.full_size


def test_arguments_go_over_the_environment_and_that_over_the_file(
    video: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("detector: {conf: 0.1, iou: 0.1, max_detections: 10, model: a}\nannotator: {output: file}\n")
    monkeypatch.setenv("DETSTREAM_DETECTOR__CONF", "0.2")
    monkeypatch.setenv("DETSTREAM_DETECTOR__IOU", "0.2")
    monkeypatch.setenv("DETSTREAM_ANNOTATOR__OUTPUT", "environment")
    found = resolved(video, config=config, conf=0.3, output=Path("argument"))
    assert (found.detector.conf, found.detector.iou, found.detector.max_detections) == (0.3, 0.2, 10)
    assert (found.detector.model, found.annotator.output) == (MODEL, Path("argument"))


def test_sources_on_the_command_line_replace_those_of_the_file(video: str, config: Path) -> None:
    config.write_text("decoder: {parallel: 5, sources: [{name: yard, source: {kind: file, path: yard.mp4}}]}")
    assert [item.name for item in resolved(config=config).decoder.sources] == ["yard"]
    found = resolved(video, config=config)
    assert ([item.name for item in found.decoder.sources], found.decoder.parallel) == (["gate"], 5)


@pytest.mark.parametrize("engine", ["auto", "openvino", "torch"])
@pytest.mark.parametrize("text", ["", "detector: {engine: {kind: openvino, streams: 3}}"])
def test_an_engine_by_name_takes_over_only_the_keys_of_the_same_kind(
    engine: str, text: str, video: str, config: Path
) -> None:
    config.write_text(text)
    found = resolved(video, config=config, engine=engine).detector.engine
    assert found.kind == engine
    if text and engine == "openvino":
        assert getattr(found, "streams", None) == 3


@pytest.mark.parametrize(("detectors", "share"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_detectors_share_the_cores(detectors: int, share: int, video: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cli.config.usable_cores", lambda: 4)
    found = resolved(video, engine="openvino", detectors=detectors).detector.engine
    assert getattr(found, "streams", None) == share


def test_classes_are_split_at_commas(video: str) -> None:
    assert resolved(video, classes=" 2, class_7 ,").detector.classes == ("2", "class_7")


def test_the_size_of_the_input_sets_that_of_the_pictures(video: str, config: Path) -> None:
    found = resolved(video, imgsz="384x640")
    assert found.detector.imgsz == (384, 640) and found.flow.picture_size == (380, 636)
    config.write_text("detector: {imgsz: [64, 96]}")
    assert resolved(video, config=config).detector.imgsz == (64, 96)
    assert resolved(video, config=config, imgsz="128").flow.picture_size == (124, 124)
    config.write_text("flow: {picture_size: [100, 200]}")
    assert resolved(video, config=config, imgsz="640").flow.picture_size == (100, 200)


@pytest.mark.parametrize("text", ["320x640", "[320, 640]"])
def test_the_environment_may_give_the_size_of_the_input(text: str, video: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETSTREAM_DETECTOR__IMGSZ", text)
    assert resolved(video).detector.imgsz == (320, 640)


def test_classes_are_named_by_a_list_or_a_file(video: str, config: Path, tmp_path: Path) -> None:
    names = tuple(f"thing {number}" for number in range(80))
    file = tmp_path / "names.txt"
    file.write_text("\n".join(names))
    assert resolved(video, names=",".join(names), classes="thing 7").detector.names == names
    config.write_text(f"detector: {{names: {file}}}")
    assert resolved(video, config=config).detector.names == names
    config.write_text(f"detector: {{names: {list(names)}}}")
    assert resolved(video, config=config).detector.names == names


@pytest.mark.parametrize("engine", ["auto", "torch", "onnxruntime", "tensorrt"])
def test_float16_is_a_setting_of_the_engine(
    engine: str, video: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("stages.detector.settings.has_cuda", lambda: True)
        config.write_text(f"detector: {{engine: {{kind: {engine}}}}}")
        assert getattr(resolved(video, half=True, engine=engine).detector.engine, "half", None) is True
        assert getattr(resolved(video, half=True, config=config).detector.engine, "half", None) is True
    assert getattr(resolved(video, engine=engine).detector.engine, "half", None) is False


def test_without_video_no_full_size_pictures_are_stored(video: str, config: Path) -> None:
    config.write_text("annotator: {sinks: [{kind: video, crf: 30}, {kind: jsonl}]}")
    found = resolved(video, config=config, video=False)
    assert [sink.kind for sink in found.annotator.sinks] == ["jsonl"] and not found.flow.full_size
    config.write_text("flow: {full_size: true, picture_size: [100, 200]}")
    found = resolved(video, config=config, video=False)
    assert found.flow.full_size and found.flow.picture_size == (100, 200)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"conf": 2.0}, "detector.conf: 2.0: Input should be less than or equal to 1"),
        ({"classes": "zebra"}, "classes: the model has no class 'zebra'; it has: 0 class_0, 1 class_1"),
        ({"engine": "gpu"}, "detector.engine: Input tag 'gpu' found"),
        ({"imgsz": "big"}, "detector.imgsz: 'big': give a side as 640, or HEIGHTxWIDTH as 384x640"),
        ({"imgsz": "100"}, "detector.imgsz: '100': give a side, or (height, width), in multiples of 32"),
        ({"names": "a,b"}, "2 class names were given, the model has 80 classes"),
        ({"names": "a,a"}, "detector.names: a,a: the class name 'a' stands there twice"),
        ({"names": "nowhere.yaml"}, "detector.names: nowhere.yaml: can't be read"),
        ({"half": True, "engine": "openvino"}, "half: engine 'openvino' can't compute in float16; these can: auto,"),
        ({"int8": True, "engine": "torch"}, "int8: engine 'torch' can't compute in 8-bit integers; these can: "),
        ({"half": True, "int8": True}, "half and int8: choose one of them"),
        ({"model": "nowhere.safetensors"}, "no weights file nowhere.safetensors"),
        ({"model": "random:xxl"}, "no model 'random:xxl'"),
    ],
)
def test_a_wrong_argument_is_one_line(options: dict[str, Any], wanted: str, video: str) -> None:
    with pytest.raises(DetstreamError) as caught:
        resolved(video, **{"model": MODEL, **options})
    assert str(caught.value).startswith(wanted) and "\n" not in str(caught.value)
    assert isinstance(caught.value, ConfigError | ModelError)


def test_nothing_to_do_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no source: name a file"):
        resolved()


def test_only_a_video_and_no_video_is_an_error_that_says_so(video: str, config: Path) -> None:
    config.write_text("annotator: {sinks: [{kind: video}]}")
    with pytest.raises(ConfigError, match=r"annotator.sinks"):
        resolved(video, config=config, video=False)


def test_what_is_written_for_the_stages_is_what_they_read(video: str, tmp_path: Path) -> None:
    settings = resolved(video, conf=0.3, classes="2", output=tmp_path / "out")
    path = tmp_path / "config.yaml"
    write(settings, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(DecoderRoot, path).decoder == settings.decoder
    assert load(DetectorRoot, path).detector == settings.detector
    assert load(TrackerRoot, path).tracker == settings.tracker
    found = load(AnnotatorRoot, path)
    assert (found.annotator, found.flow, found.redis) == (settings.annotator, settings.flow, settings.redis)


def test_formats_are_chosen_by_name_and_keep_the_settings_that_they_have(video: str, config: Path) -> None:
    config.write_text("annotator: {sinks: [{kind: video, crf: 30}, {kind: jsonl}]}\n")
    found = resolved(video, config=config, formats="parquet, mp4,coco,report,coco")
    assert [sink.kind for sink in found.annotator.sinks] == ["parquet", "video", "coco", "report"]
    assert found.annotator.sinks[1].model_dump()["crf"] == 30 and found.flow.full_size
    without = resolved(video, formats="jsonl,report,mp4", video=False)
    assert [sink.kind for sink in without.annotator.sinks] == ["jsonl", "report"] and not without.flow.full_size


@pytest.mark.parametrize("formats", ["jsonl,mp5", "", " , "])
def test_a_format_that_there_is_not_is_one_line_with_those_that_there_are(formats: str, video: str) -> None:
    with pytest.raises(ConfigError, match="allowed: jsonl, mp4, events, clips, parquet, coco, report"):
        resolved(video, formats=formats)


def test_pictures_of_events_are_wanted_where_somebody_writes_them(video: str, config: Path) -> None:
    config.write_text("{tracker: {snapshots: [crossed]}, annotator: {sinks: [{kind: jsonl}, {kind: events}]}}")
    found = resolved(video, config=config)
    assert found.tracker.snapshots == ("crossed",) and found.flow.full_size
    without = resolved(video, config=config, formats="jsonl")
    assert without.tracker.snapshots == () and not without.flow.full_size


@pytest.mark.parametrize("parallel", ["foo", "0", "65", "-1", "1.5", ""])
def test_how_many_recordings_are_read_at_once_is_a_number_or_auto(video: str, parallel: str) -> None:
    with pytest.raises(ConfigError, match="write auto, or how many recordings to read at once, 1 to 64"):
        resolved(video, parallel=parallel)
    assert resolved(video, parallel="3").decoder.parallel == 3
