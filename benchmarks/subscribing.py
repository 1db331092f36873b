"""What `benchmarks.subscribers` runs in processes of its own: a publisher, and subscribers of two kinds."""

import asyncio
import os
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import hiredis
import msgpack
import numpy as np

from detstream import subscribe_async
from pipeline import keys
from pipeline.broker import Broker
from pipeline.messages import Detections, FrameMeta
from pipeline.redis_broker import RedisBroker
from pipeline.wire import encode_public

_RETAIN: Final = 400
_SAMPLED: Final = 20
"""A bare connection looks into one entry of so many."""
_AFTER_S: Final = 3.0
"""Nothing has come for so long: it is over."""
_NOBODY_S: Final = 60.0


@dataclass(frozen=True)
class Load:
    """What is published."""

    sources: int
    fps: float
    boxes: int
    seconds: float

    def name(self, number: int) -> str:
        return f"cam-{number % self.sources}"


@dataclass
class Counted:
    """What the subscribers of one process got."""

    handed: int = 0
    missed: int = 0
    latency_ms: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    cores: float = 0.0

    def take(self, published_ns: int) -> None:
        self.latency_ms.append((time.time_ns() - published_ns) / 1e6)


class _Stopwatch:
    """Tells how many cores this process has used since the first message."""

    def __init__(self) -> None:
        self._begun: tuple[float, float] | None = None
        self._last = (0.0, 0.0)

    def touch(self) -> None:
        self._last = time.monotonic(), time.process_time()
        self._begun = self._begun or self._last

    def note(self, counted: Counted) -> Counted:
        """Return the counts with the time and the cores that they took."""
        wall_s, used_s = (last - first for last, first in zip(self._last, self._begun or self._last, strict=True))
        return replace(counted, wall_s=wall_s, cores=used_s / wall_s if wall_s else 0.0)


def publish(url: str, load: Load, results: Any) -> None:
    """Publish at the rate of the load, late rather than not at all, and tell how many were published in time."""
    broker, count, watch = RedisBroker(url), 0, _Stopwatch()
    begun_s = time.monotonic()
    interval_s = 1 / (load.sources * load.fps)
    for number, found in enumerate(_frames(load)):
        due_s = begun_s + number * interval_s
        if due_s - begun_s >= load.seconds or time.monotonic() - begun_s >= load.seconds:
            break
        time.sleep(max(due_s - time.monotonic(), 0))
        _put(broker, replace(found, published_ns=time.time_ns()))
        count += 1
        watch.touch()
    broker.close()
    results.put(watch.note(Counted(handed=count)))


def subscribe_to_all(url: str, first: int, count: int, load: Load, nice: int, results: Any) -> None:
    """Follow all sources so many times in one event loop, until nothing comes any more."""
    os.nice(nice)
    counted, watch = Counted(), _Stopwatch()

    async def follow() -> None:
        async with subscribe_async(url, "cam-*") as frames:
            wait_s = _NOBODY_S
            while True:
                try:
                    frame = await asyncio.wait_for(anext(frames), wait_s)
                except TimeoutError:
                    return
                counted.take(frame.detections.published_ns)
                counted.handed += 1
                counted.missed += frame.missed_before
                watch.touch()
                wait_s = _AFTER_S

    async def all_of_them() -> None:
        await asyncio.gather(*(follow() for _ in range(count)))

    asyncio.run(all_of_them())
    results.put(watch.note(counted))


def bare(url: str, first: int, count: int, load: Load, nice: int, results: Any) -> None:
    """Follow one source by each of so many connections, until nothing comes any more."""
    os.nice(nice)
    counted, watch, wait_s = Counted(), _Stopwatch(), _NOBODY_S
    with selectors.DefaultSelector() as selector:
        connections = [_Connection(url, load.name(number)) for number in range(first, first + count)]
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        while ready := selector.select(wait_s):
            wait_s = _AFTER_S
            for key, _ in ready:
                key.data.read(counted)
            watch.touch()
        for connection in connections:
            connection.socket.close()
    results.put(watch.note(counted))


class _Connection:
    """One connection that waits for the next entries of a source."""

    def __init__(self, url: str, source: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(url.removeprefix("unix://"))
        self._reader, self._stream = hiredis.Reader(), keys.detections(source)
        self._ask("$")

    def read(self, counted: Counted) -> None:
        self._reader.feed(self.socket.recv(1 << 16))
        while (reply := self._reader.gets()) is not False:
            ((_, entries),) = reply
            for _, fields in entries:
                counted.handed += 1
                if counted.handed % _SAMPLED == 0:
                    counted.take(msgpack.unpackb(fields[-1])["published_ns"])
            self._ask(entries[-1][0].decode())

    def _ask(self, after: str) -> None:
        command: Any = ("XREAD", "BLOCK", "0", "STREAMS", self._stream, after)
        self.socket.sendall(hiredis.pack_command(command))


def _frames(load: Load) -> Iterator[Detections]:
    random = np.random.default_rng(0)
    count = load.boxes
    places = random.uniform(0, 900, (count, 2)).astype(np.float32)
    found = Detections(
        frame=FrameMeta("", 1, 0, 0.0, 1920, 1080),
        xyxy=np.hstack([places, places + 100]),
        confidence=np.sort(random.uniform(0.3, 1, count).astype(np.float32))[::-1].copy(),
        class_id=np.zeros(count, np.int32),
        class_name=("car",) * count,
        tracker_id=np.arange(1, count + 1),
    )
    number = 0
    while True:
        seq = number // load.sources
        meta = replace(found.frame, source=load.name(number), seq=seq, timestamp_s=time.time(), previous=seq - 1)
        yield replace(found, frame=meta)
        number += 1


def _put(broker: Broker, found: Detections) -> None:
    meta, at_s = found.frame, found.frame.timestamp_s or 0.0
    fields: dict[str, str | int] = {"v": 1, "source": meta.source, "seq": meta.seq, "ts": f"{at_s:.6f}"}
    fields["n"] = len(found)
    entry_id = f"{int(at_s * 1000)}-{meta.seq}"
    with broker.transaction() as transaction:
        transaction.publish(keys.detections(meta.source), entry_id, encode_public(found), fields, _RETAIN)
