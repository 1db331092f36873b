"""A process that writes frames as fast as it can until it is killed: `python -m tests.pipeline.ring_writer FOLDER`."""

import sys
from itertools import count
from pathlib import Path
from typing import Final

from pipeline.frame import Pictures, Planar
from pipeline.messages import FrameMeta
from pipeline.ring_store import RingStore
from tests.planes import planar

SOURCE: Final = "gate"
OWNER: Final = "decoder-7"
WIDTH, HEIGHT = 500, 400
SLOTS: Final = 3


def picture(seq: int) -> Planar:
    return planar(seq % 251, WIDTH, HEIGHT)


def main() -> None:
    image = picture(0)
    writer = RingStore(Path(sys.argv[1]), OWNER).create(SOURCE, 0, SLOTS, image.data.nbytes)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for seq in count():
        image.data[...] = seq % 251
        writer.put(FrameMeta(SOURCE, 0, seq, 0.0, WIDTH, HEIGHT), Pictures(full=image))


if __name__ == "__main__":
    main()
