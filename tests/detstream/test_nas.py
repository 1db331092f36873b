import doctest
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import detstream
import detstream.nas
from detstream import NAS
from pipeline.errors import ConfigError, EngineError, ModelError, SourceError
from pipeline.frame import Frame
from stages.detector.engines.null import NullEngine
from stages.detector.finder import Finder
from stages.detector.letterbox import Letterbox
from stages.detector.settings import DetectorSettings
from tests.stages.decoder.videos import make, number_of, numbered, steady

ROOT = Path(__file__).parents[2]


def test_the_example_in_its_docstring_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    results = doctest.testmod(detstream.nas)
    assert results.attempted >= 8 and results.failed == 0


def test_importing_detstream_loads_nothing_heavy() -> None:
    heavy = ("av", "cv2", "numpy", "openvino", "pydantic", "supervision", "torch")
    code = f"import sys, detstream; print([name for name in {heavy} if name in sys.modules], 'NAS' in dir(detstream))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("[]"), done.stderr


def test_a_name_that_detstream_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'YOLO'"):
        getattr(detstream, "YOLO")  # noqa: B009 - a checker knows that it is not there


def test_one_image_is_a_list_of_one_result(model: NAS, image: Path) -> None:
    (result,) = model(image)
    assert (result.path, result.frame, result.orig_shape, len(result)) == (str(image), 0, (48, 64), 12)
    assert number_of(result.orig_img) == 5


def test_a_video_gives_a_result_a_frame_in_order(model: NAS, video: Path) -> None:
    results = model.predict(str(video))
    assert [result.frame for result in results] == list(range(7))
    assert [number_of(result.orig_img) for result in results] == list(range(7))
    assert [result.pts_s for result in results] == pytest.approx(steady(7))


@pytest.mark.parametrize("size", [1, 3, 4, 7, 8])
def test_batches_come_out_in_order_too(video: Path, size: int) -> None:
    with NAS("demo", engine=NullEngine(max_batch=size)) as model:
        assert [number_of(result.orig_img) for result in model(video)] == list(range(7))


def test_a_stream_reads_no_further_ahead_than_the_engine_needs(model: NAS) -> None:
    taken = 0

    def camera() -> Iterator[NDArray[np.uint8]]:
        nonlocal taken
        while True:
            taken += 1
            yield numbered(taken)

    results = list(islice(model.predict(camera(), stream=True), 20))
    assert len(results) == 20
    assert taken <= 20 + 2 * NullEngine().max_batch


def test_two_streams_of_one_model_do_not_disturb_each_other(model: NAS, video: Path) -> None:
    first, second = model.predict(video, stream=True), model.predict(video, stream=True)
    pairs = [(next(first).frame, next(second).frame) for _ in range(7)]
    assert pairs == [(frame, frame) for frame in range(7)]


def test_a_list_mixes_images_videos_and_pictures_in_memory(model: NAS, image: Path, video: Path) -> None:
    results = model([image, numbered(3), video])
    assert [number_of(result.orig_img) for result in results] == [5, 3, *range(7)]
    assert [result.path for result in results[:2]] == [str(image), "image1.jpg"]


def test_a_damaged_file_among_others_is_a_result_with_an_error(model: NAS, folder: Path) -> None:
    results = model(folder)
    names = [Path(result.path).name for result in results]
    assert names == ["shot2.png", "shot3.png", "shot10.jpg", "clip.mp4", "clip.mp4", "clip.mp4"]
    assert [result.error is None for result in results] == [True, False, True, True, True, True]
    assert "damaged" in str(results[1].error) and len(results[1]) == 0


def test_a_damaged_file_alone_is_an_error(model: NAS, folder: Path) -> None:
    with pytest.raises(SourceError, match=r"shot3\.png can't be decoded as a picture"):
        model(folder / "shot3.png")


def test_a_video_without_its_end_gives_its_frames_before_the_error(model: NAS, tmp_path: Path) -> None:
    whole = make(tmp_path / "whole.mp4", steady(40), options={"movflags": "faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    seen = []
    with pytest.raises(SourceError, match="ends early"):
        for result in model.predict(cut, stream=True):
            seen.append(result.frame)
    assert len(seen) > 5 and seen == list(range(len(seen)))
    *frames, last = model([cut])
    assert "ends early" in str(last.error) and [result.frame for result in frames] == seen


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"conf": 1.5}, "conf: 1.5: Input should be less than or equal to 1"),
        ({"max_det": 0}, "max_det: 0: Input should be greater than or equal to 1"),
        ({"classes": ["dog"]}, "the model has no class 'dog'; it has: 0 person, 1 car"),
        ({"imgsz": 333}, "imgsz: 333: give a side, or (height, width), in multiples of 32"),
        ({"device": "cpu"}, "predict: no such argument: device; there are: stream, conf"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(model: NAS, image: Path, options: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        model.predict(image, stream=True, **options)
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_model_is_an_error_at_once() -> None:
    with pytest.raises(ModelError):
        NAS("no-such-file.safetensors")


def test_an_unknown_engine_names_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="engine: there is no 'tpu'; there are: 'auto', 'openvino'"):
        NAS(engine="tpu")


def test_an_engine_without_float16_says_so() -> None:
    with pytest.raises(ConfigError, match="half: engine 'null' can't compute in float16; these can: auto, torch"):
        NAS(engine="null", half=True)


def test_classes_are_chosen_by_number_or_name(model: NAS, image: Path) -> None:
    by_name, by_number = model(image, classes="car")[0], model(image, classes=[1])[0]
    assert set(by_name.class_name) == {"car"} and len(by_name) == 6
    assert by_number.class_name == by_name.class_name


def test_classes_are_called_as_the_user_says(image: Path) -> None:
    with NAS("demo", engine="null", names="walker,auto") as model:
        result = model(image, classes="auto")[0]
    assert set(result.class_name) == {"auto"} and result.names == model.names == {0: "walker", 1: "auto"}
    with pytest.raises(ModelError, match="3 class names were given, the model has 2 classes"):
        NAS("demo", names=["a", "b", "c"])


def test_only_so_many_objects_are_found(model: NAS, image: Path) -> None:
    assert len(model(image, max_det=3)[0]) == 3


def test_what_it_finds_is_what_the_pipeline_finds(model: NAS) -> None:
    picture = np.asarray(numbered(1, (768, 432)), np.uint8)
    (result,) = model(picture)
    engine = NullEngine().build("demo")
    canvas = Letterbox(engine.card.input_size).apply(picture, 768, 432)
    finder = Finder(engine.card, DetectorSettings().postprocess(engine.card))
    found = finder.find(Frame(result.picture.meta, picture), engine.submit([canvas]).result()[0], 0)
    assert np.array_equal(found.xyxy, result.xyxy) and np.array_equal(found.confidence, result.confidence)


def test_another_input_size_is_the_networks(image: Path) -> None:
    with NAS("demo", engine="torch", imgsz=64) as model:
        (small,), (wide,) = model(image), model(image, imgsz=(32, 96))
    assert small.error is None and wide.error is None
    assert set(small.speed) == {"preprocess", "inference", "postprocess"}


def test_a_closed_model_ends_a_stream_and_opens_again(model: NAS, video: Path) -> None:
    stream = model.predict([video] * 9, stream=True)
    next(stream)
    model.close()
    with pytest.raises(EngineError, match="closed"):
        list(stream)
    assert len(model(video)) == 7


def test_saving_writes_an_image_and_a_video(model: NAS, image: Path, video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = list(model.predict([image, video], stream=True, save=True, output=out))
    assert sorted(path.name for path in out.iterdir()) == ["bus.png", "clip.mp4"]
    drawn = cv2.imread(str(out / "bus.png"))
    assert drawn is not None and np.array_equal(drawn, results[0].plot())
    with pytest.raises(ConfigError, match=r"bus\.png exists"):
        model.predict(image, save=True, output=out)
