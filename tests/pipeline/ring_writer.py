"""A process that writes frames as fast as it can until it is killed: `python -m tests.pipeline.ring_writer FOLDER`."""

import sys
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Pictures
from pipeline.messages import FrameMeta
from pipeline.ring_store import RingStore

SOURCE: Final = "gate"
OWNER: Final = "decoder-7"
SHAPE: Final = (400, 500, 3)
SLOTS: Final = 3


def picture(seq: int) -> NDArray[np.uint8]:
    return np.full(SHAPE, seq % 251, np.uint8)


def main() -> None:
    image = picture(0)
    writer = RingStore(Path(sys.argv[1]), OWNER).create(SOURCE, 0, SLOTS, image.nbytes)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for seq in count():
        image[...] = seq % 251
        writer.put(FrameMeta(SOURCE, 0, seq, 0.0, SHAPE[1], SHAPE[0]), Pictures(full=image))


if __name__ == "__main__":
    main()
