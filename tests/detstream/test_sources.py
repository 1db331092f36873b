from pathlib import Path

import numpy as np
import pytest

from detstream.sources import listed
from pipeline.errors import ConfigError
from tests.stages.decoder.videos import numbered


def names(source: object) -> list[str]:
    return [item.name if isinstance(item, Path) else "picture" for item in listed(source).items]


def test_a_folder_is_its_images_then_its_videos_by_number(folder: Path) -> None:
    assert names(folder) == ["shot2.png", "shot3.png", "shot10.jpg", "clip.mp4"]
    assert not listed(folder).single


def test_a_glob_is_what_matches_it(folder: Path) -> None:
    assert names(f"{folder}/shot?.png") == ["shot2.png", "shot3.png"]
    assert names(f"{folder}/*") == ["shot2.png", "shot3.png", "shot10.jpg", "clip.mp4"]
    assert not listed(f"{folder}/clip*").single


def test_one_file_or_picture_is_single(image: Path) -> None:
    assert listed(image).single and listed(str(image)).single and listed(numbered(1)).single
    assert not listed([image]).single


def test_a_batch_of_pictures_is_one_each() -> None:
    assert names(np.zeros((3, 8, 8, 3), np.uint8)) == ["picture"] * 3


def test_an_iterator_is_taken_as_it_comes(image: Path) -> None:
    assert names(iter([image, numbered(1)])) == ["bus.png", "picture"]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("no-such.jpg", "no-such.jpg does not exist: check the path"),
        ("", "an empty SOURCE"),
        ("no-*.jpg", "no file matches 'no-*.jpg'"),
        ("rtsp://user:secret@host/1", "rtsp:// is no file; cameras are looked at by"),
        ("x" * 5000, "can't be read"),
        (7, "a int is no source: give a path, folder, glob, numpy or PIL image, or a list of these"),
        ({"a": 1}, "a dict is no source"),
        ([["nested"]], "a list is no source"),
        (b"bytes", "a bytes is no source"),
    ],
)
def test_what_is_no_source_is_one_clear_line(source: object, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        listed(source)
    assert line in str(caught.value) and "secret" not in str(caught.value)


def test_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError, match="is a folder without pictures or videos"):
        listed(tmp_path)
