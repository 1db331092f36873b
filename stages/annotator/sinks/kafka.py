"""Records in Kafka, or in what speaks its protocol (Redpanda …): JSON, keyed by the source, so that its order stays.

Guarantee: at least once, in order of each source. A record counts as taken when all in-sync replicas have it
(`acks=all`, an idempotent producer). After a time-out or a crash what was not confirmed is sent again, under the same
`id` (in the record and in its header). What is too large or invalid goes to the dead letters.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from pipeline.errors import PeerError, RefusedError
from pipeline.optional import need
from pipeline.references import expanded, only_named
from pipeline.settings import variables
from stages.annotator.couriers.parcel import Parcel
from stages.annotator.couriers.peer import Connect, Sending

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

_SECRET: Final = ("password", "secret", "key.pem", "oauthbearer.config")
_TOPIC: Final = r"^[A-Za-z0-9._-]+$"


def _without_secrets(options: Mapping[str, str | int | bool]) -> Mapping[str, str | int | bool]:
    for name, value in options.items():
        if any(part in name for part in _SECRET):
            only_named(str(value))
    return options


class KafkaSink(Sending):
    """Settings of the records in Kafka."""

    at_once: ClassVar = 200

    kind: Literal["kafka"] = "kafka"
    servers: str = Field(min_length=1)
    """`HOST:PORT`, several with commas between."""
    frames_topic: str = Field(default="detstream.frames", pattern=_TOPIC, max_length=249)
    events_topic: str = Field(default="detstream.events", pattern=_TOPIC, max_length=249)
    options: Annotated[Mapping[str, str | int | bool], AfterValidator(_without_secrets)] = Field(default={})
    """More of librdkafka's configuration, such as `security.protocol`; secrets as `${NAME}`."""
    timeout_s: float = Field(default=10.0, ge=1, le=300)
    """Longest wait for a confirmation."""

    def connector(self, folder: Path) -> Connect:
        """Put in what is named.

        Raises:
            ConfigError: the library is missing, or something that is named is not set.
        """
        need("confluent_kafka", "kafka", "the sink kafka")
        where, known = f"the sink {self.name or self.kind}", variables()
        texts = {name: expanded(str(value), known, where) for name, value in self.options.items()}
        options: dict[str, Any] = {
            "bootstrap.servers": self.servers,
            "client.id": "detstream",
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.timeout.ms": int(self.timeout_s * 1000),
            "log_level": 0,  # librdkafka writes to stderr; what matters comes as an error too
            **texts,
        }
        topics = {"frame": self.frames_topic, "event": self.events_topic}
        return lambda: Cluster(options, topics, self.timeout_s)


class Cluster:
    """One producer."""

    def __init__(self, options: Mapping[str, Any], topics: Mapping[str, str], timeout_s: float) -> None:
        from confluent_kafka import KafkaException, Producer

        self._topics, self._timeout_s = topics, timeout_s
        self._servers, self._trouble = str(options["bootstrap.servers"]), "no confirmation"
        try:
            self._producer = Producer({**options, "error_cb": self._note})
        except KafkaException as error:
            raise PeerError(f"Kafka: {error.args[0].str()}") from error

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Send all, and wait until all are confirmed.

        Raises:
            PeerError: some are not.
            RefusedError: one is too large, or invalid.
        """
        from confluent_kafka import KafkaException

        failures: list[KafkaError] = []

        def confirmed(error: "KafkaError | None", _: "Message") -> None:
            if error is not None:
                failures.append(error)

        for parcel in parcels:
            try:
                self._producer.produce(
                    self._topics[parcel.kind],
                    parcel.json(),
                    parcel.source,
                    headers=[("id", parcel.id.encode())],
                    on_delivery=confirmed,
                )
            except (KafkaException, BufferError) as error:
                raise self._failure(error.args[0]) from error
        if self._producer.flush(self._timeout_s + 1):
            raise PeerError(f"Kafka at {self._servers}: {self._trouble} within {self._timeout_s:g} s")
        if failures:
            raise self._failure(failures[0])

    def close(self) -> None:
        """Forget what is not confirmed: it is sent again, by another producer."""
        self._producer.purge()
        self._producer.flush(1)

    def _failure(self, error: Any) -> PeerError | RefusedError:
        from confluent_kafka import KafkaError

        text = f"Kafka at {self._servers}: {error.str() if isinstance(error, KafkaError) else error}"
        refused = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD)
        if isinstance(error, KafkaError) and error.code() in refused:
            return RefusedError(text)
        return PeerError(text)

    def _note(self, error: "KafkaError") -> None:
        self._trouble = error.str()
