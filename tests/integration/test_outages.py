# SPDX-License-Identifier: MIT
"""Kafka away, as a whole: no row changes, no attempt is counted, and everything arrives after."""

import time

import pytest

from harness.checker import assert_intact
from harness.kafka import Kafka
from harness.outbox import Outbox
from harness.setup import LONG
from harness.timing import stays, wait_for
from harness.writers import Writers

OUTAGE_S = 60
STANDSTILL_S = 60 if LONG else 6


def settled(outbox, process):
    outbox.wait_finished()
    wait_for(lambda: process.outbox()["window"]["in_flight_rows"] == 0, 5, "nothing is in flight")


@pytest.mark.real_kafka
@pytest.mark.limit(180)
def test_broker_down_changes_no_row_and_everything_arrives_after(breakable_kafka, outbox, relay,
                                                                collect):
    outbox.insert_many(100, aggregates=10)
    before = outbox.expected()
    process = relay(outbox, {"dead_letter": {"topic": "${topic}.dlq"}, "ready_max_stall": "2s"})
    outbox.wait_finished()
    breakable_kafka.stop()
    outbox.insert_many(200, aggregates=10, start=100)
    during = outbox.expected()
    wait_for(lambda: process.metric("kafka_up") == 0, 20, "the outage is noticed")
    untouched = outbox.fingerprint()
    stays(lambda: outbox.fingerprint() == untouched and process.running, OUTAGE_S,
          "every row stays as it is", interval=0.5)
    assert process.get_code("/readyz") == 503 and process.get_code("/livez") == 200
    assert outbox.count("attempts <> 0 OR status <> 0") == 0
    breakable_kafka.start()
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in before + during], timeout=40)
    outbox.wait_finished()
    assert_intact(before + during, collector.drain(), repeats=0)
    wait_for(lambda: process.get_code("/readyz") == 200, 20, "ready again")
    assert process.metric("rows_dead_total") == 0 and process.metric("rows_retried_total") == 0


@pytest.mark.limit(180)
def test_broker_standing_still_under_load_loses_and_reorders_nothing(breakable_kafka, outbox, relay,
                                                                    collect):
    relay(outbox)
    with Writers(lambda: outbox.database.connect("test", autocommit=False), outbox.topic,
                 pause_s=(0.0, 0.02)) as writers:
        wait_for(lambda: writers.count > 50, 20, "writers are at work")
        breakable_kafka.pause()
        before = writers.count
        stays(lambda: True, STANDSTILL_S, "the broker stands still")
        assert writers.count > before, "the application must not notice"
        breakable_kafka.resume()
        wait_for(lambda: writers.count > before + 100, 20, "writers go on")
        rows = writers.stop()
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in rows], timeout=40)
    outbox.wait_finished(timeout=40)
    assert_intact(rows, collector.drain())


@pytest.mark.real_kafka
@pytest.mark.limit(180)
def test_start_without_kafka_waits_and_then_relays(breakable_kafka, outbox, relay, collect):
    breakable_kafka.stop()
    row = outbox.insert("a")
    process = relay(outbox, {"ready_max_stall": "1s"})
    wait_for(lambda: process.get_code("/readyz") == 503, 10, "not ready")
    wait_for(lambda: process.metric("kafka_up") == 0, 15, "it knows why")
    assert outbox.row(row) == (0, 0)
    breakable_kafka.start()
    collect(outbox.topic).wait_ids([row], timeout=40)


@pytest.mark.real_kafka
@pytest.mark.limit(180)
def test_stop_during_an_outage_ends_at_the_deadline_and_says_rows_remain(breakable_kafka, outbox,
                                                                        relay, collect):
    process = relay(outbox, shutdown_timeout="3s")
    process.wait_running()
    breakable_kafka.pause()
    row = outbox.insert("a")
    wait_for(lambda: process.outbox()["window"]["in_flight_rows"] == 1, 10, "the row is in flight")
    began = time.monotonic()
    assert process.stop(expect=75) == 75
    assert 2.5 < time.monotonic() - began < 8
    assert outbox.row(row) == (0, 0)
    breakable_kafka.resume()
    process.start()
    collect(outbox.topic).wait_ids([row], timeout=30)
    outbox.wait_finished()


@pytest.fixture(scope="module")
def guarded_kafka(pytestconfig):
    """A broker with logins and access rights."""
    broker = Kafka(sasl=True)
    yield broker
    broker.discard()


def login(password):
    return {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
            "sasl.username": "relay", "sasl.password": password}


@pytest.mark.real_kafka
@pytest.mark.limit(120)
def test_rotated_password_costs_no_row_anything(guarded_kafka, db, relay, collect):
    """Nobody can take anything: an outage, not the fault of a row."""
    topic = guarded_kafka.create_topic()
    guarded_kafka.allow("relay", topic)
    outbox = Outbox(db, topic)
    rows = [outbox.insert(f"a-{n}") for n in range(20)]
    process = relay(outbox, {"dead_letter": {"topic": "${topic}.dlq"}, "ready_max_stall": "1s"},
                    shutdown_timeout="1s", kafka={"brokers": guarded_kafka.sasl_bootstrap,
                                                  "properties": login("outdated")})
    wait_for(lambda: process.get_code("/readyz") == 503, 15, "not ready")
    untouched = outbox.fingerprint()
    stays(lambda: outbox.fingerprint() == untouched, 4, "rows are untouched", interval=0.5)
    assert "uthentic" in process.status()["kafka"]["reason"]
    assert "outdated" not in process.log_text()
    process.stop(expect=75)  # the rows wait inside the producer: they stay in the table
    process.write_config({"kafka": {"properties": login("relay")}})
    process.start()
    collect(topic, broker=guarded_kafka).wait_ids(rows)
    outbox.wait_finished()


@pytest.mark.real_kafka
@pytest.mark.limit(120)
def test_topic_without_permission_waits_while_others_go_on(guarded_kafka, db, relay, collect):
    closed, open_topic = guarded_kafka.create_topic(), guarded_kafka.create_topic()
    guarded_kafka.allow("relay", open_topic)
    outbox = Outbox(db, open_topic)
    held = outbox.insert("held", topic=closed)
    free = [outbox.insert(f"a-{n}") for n in range(20)]
    process = relay(outbox, kafka={"brokers": guarded_kafka.sasl_bootstrap,
                                   "properties": login("relay")})
    collect(open_topic, broker=guarded_kafka).wait_ids(free)
    outbox.wait_status(held, 3)
    wait_for(lambda: process.metric("topic_paused", topic=closed) == 1, 10, "the topic is paused")
    stays(lambda: outbox.row(held) == (3, 0), 3, "it waits, no attempt is counted")
    guarded_kafka.allow("relay", closed)
    collect(closed, broker=guarded_kafka).wait_ids([held], timeout=40)
    outbox.wait_finished()


def delivered_by(process):
    return process.metric("messages_delivered_total")


@pytest.mark.real_kafka
@pytest.mark.limit(240)
def test_leader_that_moves_under_load_loses_and_reorders_nothing(db, relay, collect):
    """Three brokers; some leaders die, come back, and others die. Requests are refused, repeated
    and answered late."""
    cluster = Kafka(brokers=3)
    try:
        topic = cluster.create_topic(partitions=6, replication=3)
        outbox = Outbox(db, topic)
        process = relay(outbox, broker=cluster)
        with Writers(lambda: db.connect("test", autocommit=False), topic, aggregates=30,
                     pause_s=(0.0, 0.03)) as writers:
            wait_for(lambda: writers.count > 100, 30, "writers are at work")
            for broker in range(2 if LONG else 1):
                cluster.kill(broker)
                before, delivered = writers.count, delivered_by(process)
                wait_for(lambda: writers.count > before + 100, 30, "writers go on")
                cluster.launch(broker)
                wait_for(lambda: delivered_by(process) > delivered, 60, "deliveries go on")
            rows = writers.stop()
        collector = collect(topic, broker=cluster)
        collector.wait_ids([r.message_id for r in rows], timeout=60)
        outbox.wait_finished(timeout=60)
        assert_intact(rows, collector.drain())
    finally:
        cluster.discard()
