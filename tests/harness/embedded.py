# SPDX-License-Identifier: MIT
"""The daemon's embedded broker, standing in where real Kafka cannot be had."""

from confluent_kafka import KafkaException

from . import artifacts
from .daemon import Daemon
from .kafka import Topics
from .timing import scaled, wait_for


class EmbeddedBroker(Topics):
    """A process of its own with `brokers: embedded`. Its topics come to be when first asked for,
    all with the same number of partitions, and cannot be deleted or grown; nothing is on disk."""

    real = False

    def __init__(self, partitions=3):
        super().__init__()
        self.daemon = Daemon({
            "kafka": {"brokers": "embedded", "embedded": {"partitions": partitions}},
            "databases": {"none": {"driver": "postgres", "url": "postgresql://u@127.0.0.1:1/none"}},
            "outboxes": [{"name": "none", "database": "none", "table": "public.outbox",
                          "on_delivered": "delete"}]})
        self.daemon.start()
        self.bootstrap = self.daemon.status()["kafka"]["brokers"]

    def create_topic(self, name=None, partitions=3, config=None, replication=1):
        name = name or self.new_name()
        if config:
            raise artifacts.Missing("the embedded broker has no topic settings")
        wait_for(lambda: self._ask_for(name), 10, f"topic {name} is there")
        return name

    def _ask_for(self, name):
        try:
            return not self.admin.list_topics(name, timeout=scaled(5)).topics[name].error
        except (KafkaException, KeyError):
            return False

    def pause(self):
        self.daemon.pause()

    def resume(self):
        self.daemon.resume()

    def log_tail(self):
        return self.daemon.process.log_tail(20)

    def discard(self):
        self.daemon.discard()
