"""Pictures of any size into the network's input, and boxes back.

The arithmetic is that of super-gradients 3.7.1 (``default_yolo_nas_coco_processing_params``), to the last bit.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

_GREY = 114


class Letterbox:
    """Scales pictures to fit the network's input, less ``border`` pixels, and centres them on grey."""

    def __init__(self, input_size: tuple[int, int], border: int = 4) -> None:
        """``input_size`` is (height, width)."""
        self._height, self._width = input_size
        self._border = border

    def picture_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) at which a frame of the given size appears on the canvas."""
        scale = self._scale(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def apply(self, image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
        """Return the canvas, BGR uint8 of the input size, of a frame whose original size is ``width`` x ``height``.

        ``image``, BGR uint8 (h, w, 3), is that frame, either in its original size or scaled to ``picture_size``.
        """
        size = self.picture_size(width, height)
        left, top = self._padding(size)
        canvas: NDArray[np.uint8] = np.full((self._height, self._width, 3), _GREY, np.uint8)
        place = canvas[top : top + size[1], left : left + size[0]]
        if (image.shape[1], image.shape[0]) == size:
            place[:] = image
        else:
            cv2.resize(image, size, dst=place, interpolation=cv2.INTER_LINEAR)
        return canvas

    def restore(self, xyxy: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
        """Return boxes (N, 4) on the canvas as boxes in pixels of the ``width`` x ``height`` frame, not clipped."""
        shift = np.array(self._padding(self.picture_size(width, height)) * 2, np.float32)
        restored: NDArray[np.float32] = (xyxy - shift) * np.float32(1 / self._scale(width, height))
        return restored

    def _scale(self, width: int, height: int) -> float:
        return min((self._height - self._border) / height, (self._width - self._border) / width)

    def _padding(self, size: tuple[int, int]) -> tuple[int, int]:
        return (self._width - size[0]) // 2, (self._height - size[1]) // 2
