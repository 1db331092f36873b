"""Pictures and videos to look at, and a detector that needs no time for it."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from detstream import NAS
from tests.stages.decoder.videos import make, numbered, steady


@pytest.fixture
def model() -> Iterator[NAS]:
    """Finds the same objects in every picture, six of each of two classes, at once."""
    with NAS("demo", engine="null") as model:
        yield model


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "bus.png"
    cv2.imwrite(str(path), numbered(5))
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make(tmp_path / "clip.mp4", steady(7))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, a damaged one, a video, and something else."""
    inside = tmp_path / "mixed"
    (inside / ".hidden").mkdir(parents=True)
    for name in ("shot2.png", "shot10.jpg", ".hidden/secret.png"):
        cv2.imwrite(str(inside / name), numbered(int("10" in name)))
    (inside / "shot3.png").write_bytes(b"no picture")
    (inside / "notes.txt").write_text("not looked at")
    make(inside / "clip.mp4", steady(3))
    return inside
