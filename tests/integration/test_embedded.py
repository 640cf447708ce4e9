# SPDX-License-Identifier: MIT
"""The embedded broker: for trying things out, and loud about what it is."""

import re

import pytest
from confluent_kafka import Producer

from harness.consumer import Collector
from harness.outbox import Outbox
from harness.setup import relay_config
from harness.timing import wait_for


class Address:
    """What a Collector asks of a broker."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap


@pytest.fixture
def embedded(db, daemon, tmp_path):
    port_file = tmp_path / "ports"
    config = relay_config(db, Address("unused"), kafka={"brokers": "embedded"})
    process = daemon(config, arguments=["--port-file", str(port_file)])
    process.start()
    process.port_file = port_file
    return process


def test_orders_travel_through_the_embedded_broker(db, embedded):
    address = re.search(r"127\.0\.0\.1:\d+", embedded.status()["kafka"]["brokers"])[0]
    assert address in embedded.port_file.read_text()
    assert [line for line in embedded.log() if address in str(line)], "the log names the address"
    outbox = Outbox(db, "orders")
    outbox.insert_many(200)
    outbox.wait_finished()
    with Collector(Address(address), "orders") as collector:
        assert len(collector.wait(200)) == 200


def test_embedded_broker_warns_that_it_keeps_nothing(embedded):
    assert [line for line in embedded.log(level="warn") if "embedded" in str(line).lower()]


def test_embedded_broker_takes_other_producers_too(embedded):
    address = re.search(r"127\.0\.0\.1:\d+", embedded.status()["kafka"]["brokers"])[0]
    producer = Producer({"bootstrap.servers": address})
    producer.produce("t", b"x")
    assert producer.flush(10) == 0


def test_embedded_partitions_are_as_configured(db, daemon):
    process = daemon(relay_config(db, Address("unused"), kafka={
        "brokers": "embedded", "embedded": {"partitions": 5}})).start()
    outbox = Outbox(db, "orders")
    outbox.insert_many(50, aggregates=50)
    outbox.wait_finished()
    address = wait_for(lambda: process.status()["kafka"]["brokers"], 5, "the address")
    producer = Producer({"bootstrap.servers": address})
    assert len(producer.list_topics("orders", timeout=10).topics["orders"].partitions) == 5
