"""Pictures to calibrate with."""

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detstream.calibration import calibration_images, digest, evenly
from pipeline.errors import ConfigError, SourceError


def numbers(count: int) -> Iterator[NDArray[np.uint8]]:
    return (np.frombuffer(number.to_bytes(4, "big"), np.uint8) for number in range(count))


@given(total=st.integers(0, 700), count=st.integers(2, 40))
def test_chosen_images_are_as_many_as_wanted_in_order_and_spread_over_all(total: int, count: int) -> None:
    chosen = [int.from_bytes(image.tobytes(), "big") for image in evenly(numbers(total), count)]
    assert len(chosen) == min(total, count)
    if total <= count:
        assert chosen == list(range(total))
        return
    gaps = np.diff(chosen)
    assert chosen[0] == 0
    assert gaps.min() > 0 and gaps.max() <= 2 * gaps.min()
    assert total - chosen[-1] <= 2 * gaps.min()


def test_no_more_than_twice_as_many_images_are_held() -> None:
    alive: list[weakref.ref[NDArray[np.uint8]]] = []
    most = 0

    def watched() -> Iterator[NDArray[np.uint8]]:
        nonlocal most
        for _ in range(500):
            image = np.zeros(4, np.uint8)
            alive.append(weakref.ref(image))
            most = max(most, sum(one() is not None for one in alive))
            yield image

    assert len(evenly(watched(), 8)) == 8
    assert most <= 2 * 8 + 2, "one that is made and one that is looked at"


def test_they_are_canvases_of_the_input(video: Path, image: Path) -> None:
    for source, count in ((video, 5), (str(image), 1), ([image, video], 5)):
        found = calibration_images(source, (64, 96), 5)
        assert [canvas.shape for canvas in found] == [(64, 96, 3)] * count
        assert {canvas.dtype.name for canvas in found} == {"uint8"}


def test_digest_changes_with_the_images(video: Path) -> None:
    found = calibration_images(video, (64, 96), 3)
    assert digest(found) == digest([canvas.copy() for canvas in found]) != digest(found[::-1])


def test_folder_with_a_damaged_picture_gives_the_others(folder: Path) -> None:
    assert len(calibration_images(folder, (64, 96), 99)) == 5


def test_source_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing"):
        calibration_images(tmp_path / "nothing.mp4", (64, 96), 3)
    with pytest.raises(ConfigError, match="a int is no source"):
        calibration_images(7, (64, 96), 3)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"broken\.png can't be decoded"):
        calibration_images(broken, (64, 96), 3)
    with pytest.raises(ConfigError, match="calibration: not one picture of"):
        calibration_images([broken], (64, 96), 3)
