# SPDX-License-Identifier: MIT
"""The whole way of a verdict, from real tables and topics, with a relay that makes one mistake."""

import pytest
from confluent_kafka import Producer

from harness.timing import scaled


class FalseRelay:
    """Reads every row, sends its message, settles it: all at once and without any care."""

    def __init__(self, scene):
        self.scene = scene
        self.rows = []
        with scene.session() as session:
            for each in scene.outboxes:
                self.rows += session.run(
                    f"SELECT {scene.ground.event} FROM {each.table} ORDER BY id")
                if each.on_delivered == "mark":
                    session.run(f"UPDATE {each.table} SET status = 2")
                    continue
                if each.on_delivered == "archive":
                    session.run(scene.ground.archive_all(each.table))
                session.run(f"DELETE FROM {each.table}")

    def send(self):
        # Kafka's murmur2 and nothing in between that could change the order
        producer = Producer({"bootstrap.servers": self.scene.kafka.bootstrap,
                             "partitioner": "murmur2_random", "acks": "all",
                             "enable.idempotence": True})
        for _, message_id, kind, aggregate, topic, payload, version in self.rows:
            producer.produce(topic, payload.encode(), aggregate.encode(), headers=[
                ("version", version), ("content-type", "application/json"),
                ("message-id", message_id), ("aggregate-type", kind), ("aggregate-id", aggregate)])
        assert producer.flush(scaled(30)) == 0

    def two_of_one_aggregate(self):
        """Positions of two neighbours in the order of some aggregate and topic."""
        last = {}
        for position, row in enumerate(self.rows):
            if row[3] in last:
                return last[row[3]], position
            last[row[3]] = position
        raise AssertionError("no aggregate has two rows")


def lose(relay):
    del relay.rows[7]


def invent(relay):
    row = relay.rows[7]
    relay.rows.append((row[0], "11111111-1111-4111-8111-111111111111", *row[2:]))


def repeat(relay):
    relay.rows.append(relay.rows[7])


def reorder(relay):
    one, other = relay.two_of_one_aggregate()
    relay.rows[one], relay.rows[other] = relay.rows[other], relay.rows[one]


def alter(relay):
    row = relay.rows[7]
    relay.rows[7] = (*row[:5], row[5] + " ", row[6])


def nothing(relay):
    del relay


@pytest.mark.parametrize("mistake, name", [
    (nothing, None), (lose, "lost"), (invent, "invented"), (reorder, "out of order"),
    (alter, "altered"), (repeat, None)], ids=lambda value: getattr(value, "__name__", ""))
def test_one_mistake_is_one_finding(scene, mistake, name):
    scene.load["poison"] = 0  # it would send that as well
    scene.write()
    scene.wait_written(100)
    scene.rest()
    relay = FalseRelay(scene)
    mistake(relay)
    relay.send()
    verdict = scene.judge()
    found = {kind: len(items) for kind, items in verdict.faults().items() if items}
    assert found == ({name: 1} if name else {}), str(verdict)
    assert verdict.repeated == (1 if mistake is repeat else 0)
