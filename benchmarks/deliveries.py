"""What is lost and what is doubled on the way to each kind of peer while that fails: real peers, real faults.

    python -m benchmarks.deliveries [--items 400]

Events go through each sink; in the middle its peer is made to fail as written in the table.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from stages.annotator.couriers.peer import Sending
from stages.annotator.sinks.kafka import KafkaSink
from stages.annotator.sinks.mqtt import MqttSink
from stages.annotator.sinks.sql import SqlSink
from stages.annotator.sinks.webhook import WebhookSink
from tests.peers.http import receiving
from tests.peers.kafka import MockKafka
from tests.peers.listener import Listener
from tests.peers.mosquitto import Mosquitto
from tests.peers.postgres import Postgres
from tests.stages.annotator.couriers.parcels import event_parcel
from tests.stages.annotator.sinks.sending import sending

_FAILING_S = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    sink: str
    guarantee: str
    fault: str
    sent: int
    arrived: int
    lost: int
    doubled: int
    in_order: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """A sink, its peer in trouble and out of it again, and which items have arrived at last, copies too."""

    sink: Sending
    guarantee: str
    fault: str
    fail: Callable[[], None]
    recover: Callable[[], None]
    arrived: Callable[[], Sequence[int]]


def run(trial: Trial, items: int) -> Row:
    """Send half of the items, and the rest while the peer fails and after it."""
    with sending(trial.sink) as sender:
        sender.send(*(event_parcel(seq) for seq in range(items // 2)))
        trial.fail()
        sender.post(*(event_parcel(seq) for seq in range(items // 2, items)))
        until_s = time.monotonic() + _FAILING_S
        while not sender.courier.failing and sender.courier.outstanding("gate") and time.monotonic() < until_s:
            time.sleep(0.01)
        trial.recover()
        while sender.courier.outstanding("gate"):
            time.sleep(0.01)
    found = list(trial.arrived())
    firsts = list(dict.fromkeys(found))
    lost, doubled = items - len(firsts), sum(count - 1 for count in Counter(found).values())
    kind = trial.sink.kind
    return Row(kind, trial.guarantee, trial.fault, items, len(found), lost, doubled, firsts == sorted(firsts))


@contextmanager
def webhook() -> Iterator[Trial]:
    with receiving() as server:

        def fail() -> None:
            server.hang_up, server.answers = 3, [(503, {}), (429, {"retry-after": "1"}), (500, {})]

        arrived = lambda: [json.loads(request.body)["seq"] for request in server.got]  # noqa: E731
        fault = "3 answers cut off, then 503, 429, 500"
        yield Trial(WebhookSink(url=server.url), "at least once, a key each", fault, fail, lambda: None, arrived)


@contextmanager
def mqtt(folder: Path) -> Iterator[Trial]:
    broker = Mosquitto(folder)
    with Listener(broker.port) as listener:
        arrived = lambda: [item["seq"] for item in listener.at("detstream/gate/events")]  # noqa: E731
        sink = MqttSink(url=broker.url, timeout_s=1)
        yield Trial(sink, "at least once (QoS 1)", "broker frozen (SIGSTOP)", broker.freeze, broker.thaw, arrived)
    broker.kill()


@contextmanager
def kafka() -> Iterator[Trial]:
    broker = MockKafka()

    def arrived() -> list[int]:
        return [json.loads(value)["seq"] for _, _, value in broker.records("detstream.events", 1)]

    sink = KafkaSink(servers=broker.servers, timeout_s=1)
    yield Trial(sink, "at least once", "broker frozen (SIGSTOP)", broker.freeze, broker.thaw, arrived)
    broker.close()


@contextmanager
def sqlite(folder: Path) -> Iterator[Trial]:
    path = folder / "rows.sqlite"
    other = sqlite3.connect(path, isolation_level=None, timeout=30)

    def arrived() -> list[int]:
        return [seq for (seq,) in other.execute("SELECT seq FROM events ORDER BY rowid")]

    def lock() -> None:
        other.execute("BEGIN EXCLUSIVE")

    def free() -> None:
        other.execute("ROLLBACK")

    sink = SqlSink(url=f"sqlite:///{path}")
    yield Trial(sink, "exactly once", "file locked until the first try failed", lock, free, arrived)
    other.close()


@contextmanager
def postgresql(folder: Path) -> Iterator[Trial]:
    server = Postgres(folder)
    engine = create_engine(server.url.replace("postgresql:", "postgresql+psycopg:"))

    def arrived() -> list[int]:
        with engine.begin() as connection:
            return [seq for (seq,) in connection.execute(text("SELECT seq FROM events ORDER BY seq"))]

    sink = SqlSink(url=server.url)
    yield Trial(sink, "exactly once", "server killed, and started again", server.kill, server.start, arrived)
    engine.dispose()
    server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=400)
    items = parser.parse_args().items
    with tempfile.TemporaryDirectory(prefix="detstream-") as folder:
        for name in ("mqtt", "lite", "post"):
            (Path(folder) / name).mkdir()
        Path(folder).chmod(0o755)
        rows = []
        for opened in (
            webhook(),
            mqtt(Path(folder) / "mqtt"),
            kafka(),
            sqlite(Path(folder) / "lite"),
            postgresql(Path(folder) / "post"),
        ):
            with opened as trial:
                rows.append(run(trial, items))
    print("| sink | guarantee | fault tried | sent | arrived | lost | doubled | in order |")
    print("|---|---|---|--:|--:|--:|--:|---|")
    for row in rows:
        cells = {**asdict(row), "in_order": "yes" if row.in_order else "no"}
        print("| " + " | ".join(str(cell) for cell in cells.values()) + " |")
    print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()
