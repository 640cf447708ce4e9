# SPDX-License-Identifier: MIT
"""Topics read from their first offset to their end, without holding them in memory."""

from confluent_kafka import KafkaException

from harness.consumer import Collector
from harness.timing import wait_for


class _Stream(Collector):
    """Gives each message to a function instead of collecting it."""

    def __init__(self, kafka, topic, take):
        super().__init__(kafka, topic)
        self._give = take

    def _take(self, timeout):
        count = super()._take(timeout)
        for message in self.messages:
            self._give(message)
        self.messages.clear()
        return count


def read_topic(kafka, topic, take):
    """take(message) for everything up to the end offsets as they stand now, each partition's in its
    order."""
    with _Stream(kafka, topic, take) as stream:
        stream.drain(timeout=240)


def topic_ends(kafka, topics):
    """(topic, partition) -> the offset the next message will have."""
    with Collector(kafka) as asking:
        def ends():
            try:
                return {(topic, number): asking.end_of(topic, number)
                        for topic in topics for number in kafka.partitions(topic)}
            except KafkaException:
                return None
        return wait_for(ends, 60, "the brokers tell the end offsets")
