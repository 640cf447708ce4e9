# SPDX-License-Identifier: MIT
"""Reads topics from their first message to their end, with everything a message carries."""

import threading
import time
from dataclasses import dataclass, field

from confluent_kafka import (TIMESTAMP_CREATE_TIME, Consumer, KafkaError, KafkaException,
                             TopicPartition)

from .timing import NotInTime, scaled, wait_for

NO_LEADER = (KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION,
             KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN)


@dataclass
class Message:
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: list = field(default_factory=list)  # (name, bytes or None), in the message's order
    timestamp_ms: int = None
    timestamp_is_create_time: bool = True
    seen_at: float = 0.0  # time.time() when the consumer got it

    def header(self, name):
        """The text of a header's last occurrence; None when it is absent or null."""
        found = None
        for key, value in self.headers:
            if key == name:
                found = value
        return found.decode() if found is not None else None

    def header_names(self):
        return [name for name, _ in self.headers]

    @property
    def message_id(self):
        return self.header("message-id")


class Collector:
    """Collects what topics hold, in the order of each partition. Meant for one thread."""

    def __init__(self, broker, *topics):
        self.broker = broker
        self.messages = []
        self._next = {}  # (topic, partition) -> offset to read next
        self._topics = list(topics)
        self._look_again_at = 0.0
        self._consumer = Consumer({
            "bootstrap.servers": broker.bootstrap, "group.id": "ef-collector",
            "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "enable.partition.eof": True, "fetch.wait.max.ms": 10, "fetch.error.backoff.ms": 20,
            "fetch.min.bytes": 1, "max.partition.fetch.bytes": 4 * 1024 * 1024,
            "topic.metadata.refresh.interval.ms": 2000, "log_level": 2})

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """librdkafka 2.0 now and then never ends one of its threads in close(): not waited for."""
        closing = threading.Thread(target=self._consumer.close, name="close", daemon=True)
        closing.start()
        closing.join(scaled(5))

    def follow(self, topic):
        self._topics.append(topic)

    def _partitions(self, topic):
        """Asked through the consumer itself, whose own picture of the cluster this refreshes."""
        try:
            known = self._consumer.list_topics(topic, timeout=scaled(5)).topics[topic]
        except (KafkaException, KeyError):
            return []
        return [] if known.error else list(known.partitions)

    def _assign(self, now=False):
        """Takes in partitions that have appeared since (a new topic, or a topic that grew)."""
        if not now and time.monotonic() < self._look_again_at:
            return
        self._look_again_at = time.monotonic() + 0.5
        grown = False
        for topic in self._topics:
            for number in self._partitions(topic):
                if (topic, number) not in self._next:
                    self._next[topic, number] = 0
                    grown = True
        if grown:
            self._consumer.assign([TopicPartition(topic, number, offset)
                                   for (topic, number), offset in self._next.items()])

    def poll(self, timeout=0.05):
        """Takes what has arrived; returns how many messages that were."""
        self._assign()
        if not self._next:
            time.sleep(timeout)
            return 0
        return self._take(timeout)

    def _take(self, timeout):
        count = 0
        for raw in self._consumer.consume(1000, timeout):
            if raw.error():
                if raw.error().code() != KafkaError._PARTITION_EOF and not raw.error().retriable():
                    raise KafkaException(raw.error())
                continue
            kind, stamp = raw.timestamp()
            self.messages.append(Message(
                raw.topic(), raw.partition(), raw.offset(), raw.key(), raw.value(),
                raw.headers() or [], stamp, kind == TIMESTAMP_CREATE_TIME, time.time()))
            self._next[raw.topic(), raw.partition()] = raw.offset() + 1
            count += 1
        return count

    def until(self, condition, timeout, what):
        """Reads until condition(self) holds; what was read stays in self.messages."""
        end = time.monotonic() + scaled(timeout)
        while True:
            value = condition(self)
            if value:
                return value
            if time.monotonic() >= end:
                raise NotInTime(f"not within {scaled(timeout):g} s: {what} "
                                f"({len(self.messages)} messages of {self._topics} read)")
            self.poll()

    def wait(self, count, timeout=20):
        """At least count messages; returns all read so far."""
        self.until(lambda c: len(c.messages) >= count, timeout, f"{count} messages")
        return self.messages

    def wait_ids(self, message_ids, timeout=20):
        """Until every one of these message-ids has been seen."""
        wanted = set(message_ids)
        seen, position = set(), 0

        def complete(collector):
            nonlocal position
            seen.update(m.message_id for m in collector.messages[position:])
            position = len(collector.messages)
            return wanted <= seen

        self.until(complete, timeout, f"{len(wanted)} message ids")
        return self.messages

    def end_of(self, topic, number):
        """The offset that the partition's next message will get."""
        return self._watermarks(topic, number)[1]

    def _watermarks(self, topic, number):
        """(first, next) offset; while a partition is without a leader nobody can tell."""
        def ask():
            try:
                return self._consumer.get_watermark_offsets(TopicPartition(topic, number),
                                                            timeout=scaled(10), cached=False)
            except KafkaException as error:
                if error.args[0].code() not in NO_LEADER and not error.args[0].retriable():
                    raise
                return None

        return wait_for(ask, 40, f"the offsets of partition {number} of {topic}", interval=0.2)

    def drain(self, timeout=30):
        """Reads to the end offsets as they stand at the call: after it nothing older is unread."""
        self._assign(now=True)
        ends = {}
        for topic, number in self._next:
            low, high = self._watermarks(topic, number)
            if high > low:
                ends[topic, number] = high
        self.until(lambda c: all(c._next[place] >= high for place, high in ends.items()),
                   timeout, f"reading to the ends {ends}")
        return self.messages


def read_all(broker, *topics):
    with Collector(broker, *topics) as collector:
        return collector.drain()
