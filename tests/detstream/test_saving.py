from pathlib import Path

import pytest

from detstream import NAS
from detstream.saving import Saver
from pipeline.errors import ConfigError
from tests.stages.decoder.videos import frame_times, make, numbered, steady


def test_sources_of_the_same_name_get_numbers(tmp_path: Path) -> None:
    saver = Saver(tmp_path / "out")
    targets = [saver.target(source).name for source in ("a/bus.png", "b/bus.png", "c/bus.mov", "b/bus.png")]
    assert targets == ["bus.png", "bus-2.png", "bus.mp4", "bus-2.png"]


def test_a_source_is_never_overwritten(image: Path) -> None:
    with pytest.raises(ConfigError, match="both a source and an output"):
        Saver(image.parent, force=True).reserve([image])


def test_force_overwrites(model: NAS, video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        model.predict(video, save=True, output=out, force=True)
    assert frame_times(out / "clip.mp4") == pytest.approx(frame_times(video))


def test_pictures_in_memory_are_saved_under_their_number(model: NAS, tmp_path: Path) -> None:
    model.predict([numbered(1), numbered(2)], save=True, output=tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["image0.jpg", "image1.jpg"]


def test_a_stream_that_is_left_early_leaves_a_whole_video(model: NAS, tmp_path: Path) -> None:
    long = make(tmp_path / "long.mp4", steady(60))
    stream = model.predict(long, stream=True, save=True, output=tmp_path / "out")
    for result in stream:
        if result.frame == 20:
            break
    stream.close()  # type: ignore[attr-defined]
    assert len(frame_times(tmp_path / "out" / "long.mp4")) == 21


def test_a_folder_that_cannot_be_made_is_an_error(image: Path) -> None:
    with pytest.raises(ConfigError, match="can't be made"):
        Saver(image / "inside")
