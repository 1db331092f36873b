"""Pictures and the objects that somebody says are in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One picture of a data set and its N labels."""

    path: Path
    xywh: NDArray[np.float64]
    """Shape (N, 4): left, top, width, height in pixels, or in shares of the picture's size."""
    class_id: NDArray[np.int64]
    """Shape (N,), number of the class in the data set's names."""
    crowd: NDArray[np.bool_]
    """Shape (N,): whether it stands for a crowd, where detections count neither way."""
    area: NDArray[np.float64] | None = None
    """Shape (N,), pixels; of the boxes if None."""
    in_shares: bool = False
    size: tuple[int, int] | None = None
    """Height, width in pixels, where the labels say."""

    def boxes(self, height: int, width: int) -> NDArray[np.float64]:
        """Return `xywh` in pixels of the picture, whose size this is.

        Raises:
            ConfigError: the labels are for a picture of another size.
        """
        if self.size not in (None, (height, width)):
            raise ConfigError(f"{self.path} is {width}x{height}, its labels are for {self.size[1]}x{self.size[0]}")
        return self.xywh * [width, height, width, height] if self.in_shares else self.xywh


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled pictures, in their order."""

    file: Path
    """That describes it."""
    names: tuple[str, ...]
    """Name of each class."""
    pictures: Sequence[Labelled]

    def checked(self) -> "Dataset":
        """Return itself.

        Raises:
            ConfigError: there is nothing to measure with: no picture, no object, or two classes of one name.
        """
        doubles = [name for name, count in Counter(self.names).items() if count > 1]
        if doubles:
            raise ConfigError(f"{self.file}: the class name {doubles[0]!r} stands there twice")
        if not self.pictures:
            raise ConfigError(f"{self.file}: holds no pictures")
        if not any(len(picture.crowd) > picture.crowd.sum() for picture in self.pictures):
            raise ConfigError(f"{self.file}: none of its {len(self.pictures)} pictures has a label: check the folders")
        return self
