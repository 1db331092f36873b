"""A sink that sends, with its courier, and what was buried."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stages.annotator.couriers.courier import Courier
from stages.annotator.couriers.parcel import Parcel
from stages.annotator.couriers.pauses import Pauses
from stages.annotator.couriers.peer import Sending
from tests.pipeline.broker_steps import wait_for


@dataclass
class Sender:
    """Sends, and tells what became of it."""

    courier: Courier
    buried: list[tuple[Parcel, str]] = field(default_factory=list)

    def post(self, *parcels: Parcel) -> None:
        self.courier.post(parcels, droppable=False)

    def all_settled(self) -> bool:
        return self.courier.outstanding("gate") == 0

    def send(self, *parcels: Parcel) -> None:
        """Post them, and wait until all are settled."""
        self.post(*parcels)
        wait_for(self.all_settled)


@contextmanager
def sending(sink: Sending, folder: Path = Path()) -> Iterator[Sender]:
    """Start a sink's courier; its pauses are short."""
    buried: list[tuple[Parcel, str]] = []
    courier = Courier(
        sink, sink.connector(folder), lambda _, parcel, why: buried.append((parcel, why)), Pauses(lambda: -0.9)
    )
    try:
        yield Sender(courier, buried)
    finally:
        courier.close(10)


def ids(parcels: Sequence[Parcel]) -> list[str]:
    return [parcel.id for parcel in parcels]
