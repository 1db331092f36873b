"""The decoder's process."""

import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import structlog

from pipeline import process
from pipeline.broker import Broker
from pipeline.connect import open_broker, open_store, ring_folder
from pipeline.frame_store import FrameStore
from pipeline.memory import plan
from pipeline.registry import Registry
from pipeline.seal import Seal
from pipeline.settings import variables
from stages.decoder.cameras import Cameras
from stages.decoder.following import Following
from stages.decoder.pace import Pace, lanes_each, most_readers
from stages.decoder.recordings import Recordings
from stages.decoder.removal import Terms
from stages.decoder.room import Room
from stages.decoder.settings import DecoderRoot
from stages.decoder.sources.file import FileSource
from stages.decoder.stage import Decoder
from stages.decoder.watching import Watch, WatchSettings, check
from stages.decoder.wishes import wishes


def main(config: Path | None) -> int:
    """Decode the sources of a settings file, and the cameras of the registry, and return the exit code."""
    return process.run_stage("decoder", DecoderRoot, config, _run)


def _run(settings: DecoderRoot, stop: threading.Event) -> None:
    budget, wanted = plan(settings.memory_mb, ring_folder(settings)), settings.decoder
    recordings = wanted.recordings
    most = wanted.max_sources if wanted.serves else 0
    parallel = None if wanted.parallel == "auto" else wanted.parallel
    check(wanted.watch)
    watch = Watch(wanted.watch)
    readers = most_readers(parallel, len(recordings), watched=watch.on)
    lanes = lanes_each(None if wanted.lanes == "auto" else wanted.lanes, readers)
    room = Room(settings.flow, budget, readers, most, lanes)
    broker, store = open_broker(settings), open_store(settings)
    try:
        for removed in store.sweep():
            structlog.get_logger().info("swept", removed=removed)
        cameras = _cameras(settings, broker, store, room) if most else None
        following = Following(broker, store, room, settings.name, stop, hashes=wanted.hash)
        find = partial(_found, watch, wanted.watch) if watch.on else None
        Decoder(Recordings(following, Pace(parallel, readers), stop, find), cameras, stop).run(recordings)
    finally:
        store.close()
        broker.close()


def _found(watch: Watch, sampling: WatchSettings) -> Iterator[tuple[str, FileSource]]:
    return ((name, FileSource(path=path, **sampling.wish)) for name, path in watch.found())


def _cameras(settings: DecoderRoot, broker: Broker, store: FrameStore, room: Room) -> Cameras:
    registry, seal, wanted = Registry(broker), Seal(settings.secret_key), settings.decoder
    registry.seed(wishes(wanted.cameras, seal), seal)
    terms = Terms(settings.name, wanted.max_sources, wanted.lease_s)
    return Cameras(broker, store, registry, room, terms, seal, variables())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
