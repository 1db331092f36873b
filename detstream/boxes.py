"""The boxes of a picture under the names that Ultralytics gave them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """N boxes, best first; all arrays are numpy's."""

    xyxy: NDArray[np.float32]
    """Shape (N, 4), left, top, right, bottom in pixels of the picture."""
    conf: NDArray[np.float32]
    """In [0, 1], shape (N,)."""
    cls: NDArray[np.int32]
    """Number of the class, shape (N,)."""
    orig_shape: tuple[int, int]
    """Height, width of the picture in pixels."""

    @property
    def xywh(self) -> NDArray[np.float32]:
        """Shape (N, 4), centre x, centre y, width, height in pixels."""
        low, high = self.xyxy[:, :2], self.xyxy[:, 2:]
        return np.hstack([(low + high) / 2, high - low]).astype(np.float32)

    @property
    def xyxyn(self) -> NDArray[np.float32]:
        """As `xyxy`, in shares of the picture's width and height."""
        return self._shares(self.xyxy)

    @property
    def xywhn(self) -> NDArray[np.float32]:
        """As `xywh`, in shares of the picture's width and height."""
        return self._shares(self.xywh)

    @property
    def data(self) -> NDArray[np.float32]:
        """Shape (N, 6): `xyxy`, `conf`, `cls`."""
        return np.hstack([self.xyxy, self.conf[:, None], self.cls[:, None]]).astype(np.float32)

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, index: int | slice | NDArray[np.bool_] | NDArray[np.intp]) -> "Boxes":
        rows = np.atleast_1d(np.arange(len(self))[index])
        return Boxes(self.xyxy[rows], self.conf[rows], self.cls[rows], self.orig_shape)

    def __iter__(self) -> Iterator["Boxes"]:
        """Yield each box as `Boxes` of length 1."""
        return (self[index] for index in range(len(self)))

    def cpu(self) -> Self:
        """Return itself: for code that had tensors."""
        return self

    def numpy(self) -> Self:
        """Return itself: for code that had tensors."""
        return self

    def _shares(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = self.orig_shape
        return np.divide(values, np.array([width, height] * 2, np.float32), dtype=np.float32)
