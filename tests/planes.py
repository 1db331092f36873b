"""Planar pictures for tests."""

import numpy as np
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from pipeline.frame import Matrix, Planar


def planar(grey: int, width: int, height: int, matrix: Matrix = Matrix.BT601) -> Planar:
    """Return one of a single colour: all samples the same."""
    return Planar(np.full((height * 3 // 2, width), grey, np.uint8), matrix)


def noise(seed: int, width: int, height: int, matrix: Matrix = Matrix.BT601) -> Planar:
    samples: NDArray[np.uint8] = np.random.default_rng(seed).integers(0, 256, (height * 3 // 2, width), np.uint8)
    return Planar(samples, matrix)


def assert_same(found: Planar, expected: Planar) -> None:
    assert found.matrix is expected.matrix
    assert_array_equal(found.data, expected.data)
