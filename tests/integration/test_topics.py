# SPDX-License-Identifier: MIT
"""Topics that are missing, appear, disappear and return."""

import json

import pytest

from harness.checker import assert_intact
from harness.outbox import FAILED, Outbox
from harness.timing import wait_for
from harness.writers import Writers


@pytest.mark.real_kafka
def test_missing_topic_is_named_by_health_and_log(kafka, outbox, relay):
    missing = kafka.new_name("missing")
    row = outbox.insert("a", topic=missing)
    process = relay(outbox, {"ready_max_stall": "1s"})
    outbox.wait_status(row, FAILED)
    paused = wait_for(lambda: process.outbox()["paused_topics"], 10, "the topic is listed")
    assert paused[0]["topic"] == missing and paused[0]["reason"]
    assert missing in process.get("/readyz").text or missing in json.dumps(process.status())
    assert [line for line in process.log() if missing in str(line)]
    assert missing not in kafka.topic_names(), "asking must not create it"


@pytest.mark.real_kafka
def test_topic_created_later_is_found(kafka, outbox, relay, collect):
    missing = kafka.new_name("late")
    rows = [outbox.insert(f"a-{n}", topic=missing) for n in range(5)]
    relay(outbox)
    outbox.wait_status(rows[0], FAILED)
    kafka.create_topic(missing)
    collect(missing).wait_ids(rows, timeout=40)
    outbox.wait_finished()


@pytest.mark.real_kafka
@pytest.mark.limit(120)
def test_topic_deleted_and_made_again_under_load_loses_nothing_new(kafka, db, relay, collect):
    """What was in it is gone by the operator's own hand; what was not sent waits and comes."""
    topic, other = kafka.create_topic(), kafka.create_topic()
    outbox = Outbox(db, topic)
    relay(outbox)
    with Writers(lambda: db.connect("test", autocommit=False), other, aggregates=8,
                 pause_s=(0.0, 0.02), threads=2) as writers:
        collect(topic).wait_ids([outbox.insert("x")])
        kafka.delete_topic(topic)
        held = [outbox.insert(f"x-{n}") for n in range(10)]
        before = writers.count
        wait_for(lambda: writers.count > before + 50, 20, "the other topic goes on")
        kafka.create_topic(topic)
        collect(topic).wait_ids(held, timeout=60)
        rows = writers.stop()
    collector = collect(other)
    collector.wait_ids([r.message_id for r in rows], timeout=30)
    outbox.wait_finished(timeout=30)
    assert_intact(rows, collector.drain())


@pytest.mark.real_kafka
def test_many_topics_are_relayed_and_counted(kafka, db, relay, collect):
    topics = [kafka.create_topic(partitions=1) for _ in range(40)]
    outbox = Outbox(db)
    for number, topic in enumerate(topics):
        outbox.insert(f"a-{number}", topic=topic)
    process = relay(outbox)
    collect(*topics).wait(40)
    wait_for(lambda: len(process.metrics().select("eventferry_messages_delivered_total")) == 40, 5,
             "a series for each")
