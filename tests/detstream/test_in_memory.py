import numpy as np
import pytest
import torch
from PIL import Image

from detstream.in_memory import as_pictures, is_picture
from pipeline.errors import ConfigError
from tests.stages.decoder.videos import numbered


def test_an_array_is_taken_as_it_is() -> None:
    (picture,) = as_pictures(numbered(1))
    assert np.array_equal(picture, numbered(1))


def test_a_pil_image_is_turned_into_bgr() -> None:
    (picture,) = as_pictures(Image.new("RGB", (4, 2), (255, 128, 0)))
    assert picture.shape == (2, 4, 3) and picture[0, 0].tolist() == [0, 128, 255]


def test_a_tensor_is_turned_into_bgr_bytes() -> None:
    rgb = torch.tensor([1.0, 0.5, 0.0]).reshape(3, 1, 1).expand(2, 3, 4, 5)
    pictures = as_pictures(rgb)
    assert [picture.shape for picture in pictures] == [(4, 5, 3)] * 2
    assert pictures[1][3, 4].tolist() == [0, 128, 255]


def test_grey_becomes_three_equal_channels() -> None:
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for picture in (*as_pictures(grey), *as_pictures(grey[..., None])):
        assert picture.shape == (2, 3, 3) and (picture == grey[..., None]).all()


def test_a_flipped_view_is_made_contiguous() -> None:
    (picture,) = as_pictures(numbered(1)[:, ::-1])
    assert picture.flags.c_contiguous and np.array_equal(picture, numbered(1)[:, ::-1])


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        torch.zeros(4, 4, 3),
        torch.full((3, 4, 4), 255.0),
        torch.full((3, 4, 4), float("nan")),
        torch.zeros((3, 4, 4), dtype=torch.uint8),
    ],
)
def test_what_is_no_picture_says_what_one_is(wrong: object) -> None:
    assert is_picture(wrong)
    with pytest.raises(ConfigError, match=r"is no picture: a picture is BGR uint8 \(H, W, 3\)"):
        as_pictures(wrong)


def test_paths_and_lists_are_no_pictures() -> None:
    assert not any(is_picture(other) for other in ("a.jpg", [numbered(1)], None))
