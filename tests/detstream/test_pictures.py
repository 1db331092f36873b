from pathlib import Path

import cv2
import pytest

from detstream.pictures import pictures, read_image
from detstream.sources import listed
from pipeline.errors import SourceError
from tests.stages.decoder.videos import numbered


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_cut_image_is_an_error(tmp_path: Path, suffix: str) -> None:
    _, data = cv2.imencode(suffix, numbered(1, (640, 480)))
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data.tobytes()[: len(data) // 2])
    with pytest.raises(SourceError, match="damaged"):
        read_image(path)


def test_an_empty_image_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(SourceError, match=r"empty \(0 bytes\)"):
        read_image(tmp_path / "empty.png")


def test_a_missing_image_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_image(tmp_path / "gone.png")


def test_grey_images_with_16_bits_become_bgr_bytes(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "deep.png"), numbered(1)[..., 0].astype("uint16") * 256)
    image = read_image(tmp_path / "deep.png")
    assert (image.shape, str(image.dtype)) == ((48, 64, 3), "uint8")


def test_a_video_says_how_many_frames_to_expect(video: Path) -> None:
    assert {picture.frames for picture in pictures(listed(video))} == {7}
