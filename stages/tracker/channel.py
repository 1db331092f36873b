"""A recording on its way into its public stream: every frame, in the order of their numbers."""

from dataclasses import replace
from functools import partial

from pipeline import keys
from pipeline.broker import Broker, Delivery, Transaction
from pipeline.messages import Detections, EndOfSource
from stages.tracker.publication import Publication
from stages.tracker.sequencer import Sequencer
from stages.tracker.settings import TrackerSettings


class Channel:
    """Orders, tracks and publishes one recording; nothing is left out, however long it is waited for."""

    def __init__(self, broker: Broker, source: str, settings: TrackerSettings, retain: int = 1000) -> None:
        """`retain`: about how many events stay for late readers."""
        self._open = partial(Publication, broker, source, settings, retain, live=False)
        self.source, self._out = source, self._open()
        self._sequencer: Sequencer[tuple[Delivery, Detections]] = Sequencer(self._out.following)
        self._end: tuple[Delivery, EndOfSource] | None = None
        self._settled: list[str] = []

    @property
    def ended(self) -> bool:
        """Whether the end has been published."""
        return self._out.ended

    @property
    def due(self) -> bool:
        """Whether something is to be published although nothing has come."""
        return False

    def accept(self, delivery: Delivery, message: Detections | EndOfSource) -> None:
        """Take a message; one of an older epoch, or a second one of a frame, only counts as dealt with."""
        epoch = message.frame.epoch if isinstance(message, Detections) else message.epoch
        if epoch > self._out.epoch:
            self._begin(epoch)
        if epoch < self._out.epoch or self.ended:
            self._settled.append(delivery.id)
        elif isinstance(message, EndOfSource):
            self._take_end(delivery, message)
        elif not self._sequencer.offer(message.frame.seq, (delivery, message)):
            self._settled.append(delivery.id)

    def publish(self, transaction: Transaction) -> None:
        """Publish the frames whose turn it is, and the end behind the last one."""
        for delivery, found in self._sequencer.ready():
            self._out.put(transaction, found)
            self._out.keep_state(transaction)
            self._settled.append(delivery.id)
        if self._end and self._out.following >= self._end[1].frames:
            # More than it says are published if the source was whole at first and is damaged now.
            self._out.put_end(transaction, replace(self._end[1], frames=self._out.following))
            self._settled.append(self._end[0].id)
            self._end = None
        self._out.save(transaction)
        transaction.ack(keys.RAW, keys.TRACKER, self._settled)
        self._settled.clear()

    def _begin(self, epoch: int) -> None:
        """Note a new epoch. What is stored counts: it differs if the broker lost its memory, and was told again."""
        self._settled.extend(delivery.id for delivery, _ in self._sequencer.forget())
        self._out = self._open()
        self._out.epoch, self._sequencer.following = epoch, self._out.following
        if self._end:
            self._settled.append(self._end[0].id)
        self._end = None

    def _take_end(self, delivery: Delivery, end: EndOfSource) -> None:
        if self._end:
            self._settled.append(delivery.id)
        else:
            self._end = (delivery, end)
