"""A Kafka cluster in memory: librdkafka's own mock broker, served to other processes; prints its address.

It speaks the protocol, and keeps records as long as it lives. It is no Kafka: nothing is replicated or on disk.
"""

import sys
import time

from confluent_kafka import Producer


def main() -> None:
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    sys.stdout.write(f"{broker.host}:{broker.port}\n")
    sys.stdout.flush()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
