# SPDX-License-Identifier: MIT
"""One bad event, one bad topic: each stops nothing but itself, and nothing is given up too soon."""

import json
import time

import pytest

from harness.checker import assert_intact
from harness.outbox import DEAD, FAILED, Outbox
from harness.partitioner import partition_of
from harness.timing import stays, wait_for

DLQ_HEADERS = ["original-topic", "dlq-original-topic", "dlq-reason", "dlq-error-class",
               "dlq-error-kind", "dlq-error-code", "dlq-attempts", "dlq-failed-at",
               "dlq-original-aggregate-id", "dlq-original-message-id"]


@pytest.fixture
def dead_letters(kafka, topic):
    return kafka.create_topic(topic + ".dlq", partitions=1)


WITH_DLQ = {"dead_letter": {"topic": "${topic}.dlq"}}


def test_one_oversize_row_in_a_batch_goes_alone(outbox, dead_letters, relay, collect):
    outbox.insert_many(50)
    row = outbox.insert("a-3", {"text": "x" * 1_200_000})
    after = outbox.insert("a-3", {"n": "after"})
    outbox.insert_many(50, start=50)
    good = outbox.expected(f"message_id <> '{row}'")
    relay(outbox, WITH_DLQ)
    messages = collect(outbox.topic).wait_ids([r.message_id for r in good])
    assert_intact(good, messages, repeats=0)
    letter = collect(dead_letters).wait(1)[0]
    assert outbox.wait_status(row, DEAD)[0] == DEAD
    assert after in {m.message_id for m in messages}
    assert letter.value == b"" and int(letter.header("dlq-payload-omitted")) > 1_200_000
    assert letter.message_id == row and letter.key == b"a-3"
    outbox.wait_finished()


def test_dead_letters_go_to_the_partition_of_their_key(kafka, outbox, topic, relay, collect):
    letters = kafka.create_topic(topic + ".dlq", partitions=6)
    rows = [outbox.insert(f"a-{n}", headers="[1]") for n in range(20)]
    relay(outbox, WITH_DLQ)
    found = collect(letters).wait_ids(rows)
    assert [(letter.key, letter.partition) for letter in found] \
        == [(letter.key, partition_of(letter.key, 6)) for letter in found]


def test_dead_letter_carries_where_it_came_from_and_why(outbox, dead_letters, relay, collect):
    row = outbox.insert("a", {"text": "x" * 1_200_000}, headers='{"tenant": "blue"}')
    relay(outbox, WITH_DLQ)
    letter = collect(dead_letters).wait(1)[0]
    for name in DLQ_HEADERS:
        assert letter.header(name) is not None, name
    assert letter.header("tenant") == "blue"
    assert letter.header("original-topic") == outbox.topic
    assert letter.header("dlq-original-topic") == outbox.topic
    assert letter.header("dlq-original-aggregate-id") == "a"
    assert letter.header("dlq-original-message-id") == row
    assert letter.header("dlq-error-kind") == "poison"
    assert letter.header("dlq-error-class").lower() == "record"
    assert letter.header("dlq-failed-at").startswith("20") and "T" in letter.header("dlq-failed-at")
    assert abs(letter.timestamp_ms / 1000 - time.time()) < 30
    outbox.wait_status(row, DEAD)
    assert outbox.row(row, "last_error")[0]


@pytest.mark.real_kafka
def test_row_the_broker_finds_too_large_is_singled_out_of_its_batch(kafka, db, relay, collect):
    """The topic takes less than the client thinks: the broker refuses the whole request."""
    topic = kafka.create_topic(config={"max.message.bytes": "20000"}, partitions=1)
    outbox = Outbox(db, topic)
    outbox.insert_many(40)
    row = outbox.insert("a-3", {"text": "".join(map(chr, range(0x4E00, 0x9000)))})
    outbox.insert_many(40, start=40)
    good = outbox.expected(f"message_id <> '{row}'")
    process = relay(outbox)
    messages = collect(topic).wait_ids([r.message_id for r in good], timeout=30)
    outbox.wait_status(row, DEAD)
    outbox.wait_finished()
    assert_intact(good, messages)
    assert "too large" in outbox.row(row, "last_error")[0]
    assert "\u4e00\u4e01" not in outbox.row(row, "last_error")[0] + process.log_text()


def test_without_a_dead_letter_topic_the_row_is_parked(outbox, relay, collect):
    row = outbox.insert("a", {"text": "x" * 1_200_000})
    after = outbox.insert("a")
    process = relay(outbox)
    outbox.wait_status(row, DEAD)
    collect(outbox.topic).wait_ids([after])
    assert outbox.row(row, "last_error")[0]
    assert process.metric("rows_dead_total") == 1


@pytest.mark.real_kafka
def test_missing_topic_delays_no_other_and_its_rows_wait_without_losing_attempts(
        kafka, outbox, relay, collect):
    missing = kafka.new_name("missing")
    held = [outbox.insert("m-1", {"n": 1}, topic=missing), outbox.insert("m-2", topic=missing)]
    behind = outbox.insert("m-1", {"n": 2})
    outbox.insert_many(100)
    process = relay(outbox, WITH_DLQ)
    began = time.monotonic()
    collector = collect(outbox.topic)
    collector.wait(100)
    assert time.monotonic() - began < 8, "good topics waited for the missing one"
    for row in held:
        outbox.wait_status(row, FAILED)
    wait_for(lambda: process.metric("topic_paused", topic=missing) == 1, 5, "metric says so")
    assert missing in process.status()["outboxes"][0]["reason"] or \
        missing in json.dumps(process.status())
    # longer than the whole retry budget of five attempts with a small backoff
    stays(lambda: all(outbox.row(row) == (FAILED, 0) for row in held), 4, "they only wait")
    assert behind not in {m.message_id for m in collector.drain()}
    kafka.create_topic(missing)
    collect(missing).wait_ids(held, timeout=40)
    collector.wait_ids([behind], timeout=10)
    outbox.wait_finished()
    assert process.metric("topic_paused", topic=missing) == 0


@pytest.mark.parametrize("headers", ["[1, 2]", '"text"', "17"])
def test_headers_that_are_no_object_are_dead_lettered_alone(outbox, dead_letters, relay, collect,
                                                            headers):
    row = outbox.insert("a", headers=headers)
    after = outbox.insert("a")
    outbox.insert_many(20)
    relay(outbox, WITH_DLQ)
    messages = collect(outbox.topic).wait(21)
    assert after in {m.message_id for m in messages}
    letter = collect(dead_letters).wait(1)[0]
    assert letter.message_id == row and letter.value == b'{"n": 1}'
    assert json.loads(letter.header("dlq-original-headers")) == json.loads(headers)
    outbox.wait_status(row, DEAD)


def test_more_headers_than_allowed_are_dead_lettered_alone(outbox, dead_letters, relay, collect):
    row = outbox.insert("a", headers=json.dumps({f"h{n}": "v" for n in range(65)}))
    most = outbox.insert("b", headers=json.dumps({f"h{n}": "v" for n in range(64)}))
    relay(outbox, WITH_DLQ)
    collect(outbox.topic).wait_ids([most])
    assert collect(dead_letters).wait(1)[0].message_id == row


@pytest.mark.real_kafka
def test_poison_with_unreachable_dead_letter_topic_waits_and_is_not_dead(kafka, outbox, relay,
                                                                        collect):
    letters = outbox.topic + ".dlq"
    row = outbox.insert("a", {"text": "x" * 1_200_000})
    behind = outbox.insert("a")
    free = outbox.insert("b")
    relay(outbox, WITH_DLQ)
    collector = collect(outbox.topic)
    collector.wait_ids([free])
    outbox.wait_status(row, FAILED)
    stays(lambda: outbox.row(row)[0] == FAILED, 3, "the row is not given up")
    assert behind not in {m.message_id for m in collector.drain()}
    kafka.create_topic(letters, partitions=1)
    assert collect(letters).wait(1, timeout=40)[0].message_id == row
    outbox.wait_status(row, DEAD)
    collector.wait_ids([behind])


@pytest.mark.real_kafka
def test_successors_of_a_dead_row_go_only_after_its_dead_letter(kafka, outbox, relay, collect):
    letters = kafka.create_topic(outbox.topic + ".dlq", partitions=1)
    dead = [outbox.insert("a", {"text": "x" * 1_200_000}) if n % 5 == 0
            else outbox.insert("a", {"n": n}) and None for n in range(20)]
    dead = [row for row in dead if row]
    relay(outbox, WITH_DLQ)
    messages = collect(outbox.topic).wait(16)
    assert [json.loads(m.value)["n"] for m in messages] == [n for n in range(20) if n % 5]
    assert [m.message_id for m in collect(letters).wait(4)] == dead
    outbox.wait_finished()
    assert outbox.count("status = 4") == 4


def test_dead_letter_topic_can_differ_per_topic(kafka, db, relay, collect):
    first, second = kafka.create_topic(), kafka.create_topic()
    special = kafka.create_topic(kafka.new_name("special"), partitions=1)
    outbox = Outbox(db, first)
    parked = outbox.insert("a", {"text": "x" * 1_200_000})
    lettered = outbox.insert("b", {"text": "x" * 1_200_000}, topic=second)
    relay(outbox, {"topics": {"overrides": {second: {"dead_letter": {"topic": special}}}}})
    outbox.wait_status(parked, DEAD)
    outbox.wait_status(lettered, DEAD)
    assert [m.message_id for m in collect(special).wait(1)] == [lettered]


def test_empty_or_impossible_topic_name_is_refused_alone(outbox, relay, collect):
    bad = [outbox.insert("a", topic="no/such name"), outbox.insert("b", topic=""),
           outbox.insert("c", topic="x" * 250)]
    good = outbox.insert("d")
    relay(outbox)
    collect(outbox.topic).wait_ids([good])
    for row in bad:
        outbox.wait_status(row, DEAD)


@pytest.mark.real_kafka
def test_time_a_topic_refuses_is_replaced_and_never_deadly(kafka, db, relay, collect):
    topic = kafka.create_topic(config={"message.timestamp.before.max.ms": "60000"})
    outbox = Outbox(db, topic)
    row = outbox.insert("a")
    outbox.database.run("UPDATE outbox SET created_at = now() - interval '2 hours'")
    relay(outbox)
    message = collect(topic).wait_ids([row])[0]
    assert abs(message.timestamp_ms / 1000 - time.time()) < 60
    outbox.wait_finished()
    assert outbox.count() == 0


@pytest.mark.real_kafka
def test_row_that_fails_again_and_again_is_dead_after_its_attempts(kafka, db, relay, collect):
    """Its partition does not exist, which may change."""
    lacking = kafka.create_topic()
    letters = kafka.create_topic(lacking + ".dlq", partitions=1)
    good = kafka.create_topic()
    outbox = Outbox(db, good)
    row = outbox.insert("a", topic=lacking, kafka_partition=99)
    behind = outbox.insert("a")
    others = [outbox.insert(f"b-{n}") for n in range(20)]
    process = relay(outbox, {**WITH_DLQ, "retry": {"max_attempts": 4, "base_delay": "300ms",
                                                   "strategy": "fixed", "jitter": False}})
    collector = collect(good)
    collector.wait_ids(others)
    seen = set()

    def dead():
        seen.add(outbox.row(row)[1])
        return outbox.row(row)[0] == DEAD

    wait_for(dead, 20, "the row is dead")
    assert {1, 2, 3} <= seen and outbox.row(row)[1] == 4
    assert process.metric("rows_retried_total") == 3
    collector.wait_ids([behind])
    letter = collect(letters).wait(1)[0]
    assert letter.message_id == row and letter.header("dlq-attempts") == "4"
    outbox.wait_finished()


@pytest.mark.real_kafka
def test_topic_that_refuses_every_time_is_paused_and_nothing_goes_dead(kafka, db, relay, collect):
    """By the time a message arrives its time has passed: the clock's or the topic's fault."""
    refusing = kafka.create_topic(config={"message.timestamp.before.max.ms": "0"})
    good = kafka.create_topic()
    outbox = Outbox(db, good)
    rows = [outbox.insert("a", topic=refusing), outbox.insert("b", topic=refusing)]
    others = [outbox.insert(f"c-{n}") for n in range(20)]
    process = relay(outbox, {"retry": {"max_attempts": 2, "base_delay": "10ms"}})
    collect(good).wait_ids(others)
    paused = wait_for(lambda: process.outbox()["paused_topics"], 20, "the topic is paused")
    assert paused[0]["topic"] == refusing and "clock" in paused[0]["reason"]
    for row in rows:
        assert outbox.wait_status(row, FAILED)[1] == 0
    kafka.configure_topic(refusing, message_timestamp_before_max_ms=10**12)
    assert {m.message_id for m in collect(refusing).wait_ids(rows, timeout=40)} == set(rows)
    outbox.wait_finished()
    assert process.metric("rows_dead_total") == 0


def test_crash_loop_costs_a_row_no_attempts_and_no_order(outbox, relay, collect):
    """The relay dies again and again with rows in flight: they are simply sent again."""
    outbox.insert_many(3000)
    rows = outbox.expected()
    process = relay(outbox, {"on_delivered": "mark"}, start=False)
    for _ in range(3):
        process.start()
        wait_for(lambda: process.metric("messages_produced_total") > 0, 10, "it is at work",
                 interval=0.002)
        process.kill()
    process.start()
    messages = collect(outbox.topic).wait_ids([r.message_id for r in rows])
    assert_intact(rows, messages)
    outbox.wait_finished()
    assert outbox.count("attempts <> 0") == 0
