# SPDX-License-Identifier: MIT
"""One event in a hundred can never be delivered: none of the others notices. What that costs in time
is measured by bench/poison; here it is counted what a bad event may set in motion."""

import pytest

from harness.checker import assert_intact
from harness.outbox import APPLICATION, DEAD, DONE, Outbox
from harness.timing import wait_for

GOOD, EVERY = 4000, 100
LIMIT = 20000  # max.message.bytes of a topic
TOO_LARGE = "x" * (LIMIT + 1000)


@pytest.fixture
def dead_letters(kafka, topic):
    return kafka.create_topic(topic + ".dlq", partitions=1)


# Marked rows stay: they can be compared after they were delivered.
SETTINGS = {"dead_letter": {"topic": "${topic}.dlq"}, "on_delivered": "mark"}


def insert_mixed(outbox, poison, count=GOOD):
    """Good events, and behind every hundred of them a bad one of the same aggregates, all of them in
    one transaction. Returns the bad ones."""
    bad = []
    with outbox.database.session(APPLICATION) as session:
        session.run("BEGIN")
        for start in range(0, count, EVERY):
            session.run(
                f"INSERT INTO {outbox.table} (aggregate_type, aggregate_id, topic, payload) "
                "SELECT 'order', 'a-' || (n %% 50), %s, json_build_object('n', n)::jsonb "
                "FROM generate_series(%s, %s) n", (outbox.topic, start, start + EVERY - 1))
            bad.append(outbox.insert(f"a-{start // EVERY % 50}", session=session, **poison))
        session.run("COMMIT")
    return bad


def counted(process, name):
    return int(process.metric(name + "_total"))


def assert_only_the_bad_are_dead(outbox, bad, messages, letters):
    """Each good event once and in order, each bad one dead behind its letter."""
    assert_intact(outbox.expected("status <> 4"), messages, repeats=0)
    assert {row for (row,) in outbox.rows("message_id::text", f"status = {DEAD}")} == set(bad)
    assert sorted(letter.message_id for letter in letters) == sorted(bad)


def test_bad_rows_found_before_kafka_stop_no_read_and_no_producer(outbox, dead_letters, relay,
                                                                  collect):
    bad = insert_mixed(outbox, {"headers": "[1]"})
    process = relay(outbox, SETTINGS)
    messages = collect(outbox.topic).wait(GOOD, timeout=40)
    letters = collect(dead_letters).wait(len(bad))
    outbox.wait_finished()
    assert_only_the_bad_are_dead(outbox, bad, messages, letters)
    assert counted(process, "rows_dead") == len(bad)
    assert counted(process, "fate_barriers") == 0
    assert counted(process, "kafka_producer_recreations") == 0
    # each row was taken in once: nothing was dropped to be read again
    assert counted(process, "rows_fetched") == GOOD + len(bad)


@pytest.mark.real_kafka
def test_rows_the_broker_refuses_replace_the_producer_for_the_first_of_them_only(kafka, db, relay,
                                                                                collect):
    topic = kafka.create_topic(config={"max.message.bytes": str(LIMIT)})
    letters_topic = kafka.create_topic(topic + ".dlq", partitions=1)
    outbox = Outbox(db, topic)
    # else batches of good rows pass the limit, too
    process = relay(outbox, SETTINGS,
                    kafka={"properties": {"batch.size": "16384"}})
    first = outbox.insert("first", {"text": TOO_LARGE})
    outbox.wait_status(first, DEAD)
    replaced = counted(process, "kafka_producer_recreations")
    assert replaced > 0, "the first one was not found by the broker"
    bad = insert_mixed(outbox, {"payload": {"text": TOO_LARGE}})
    messages = collect(topic).wait(GOOD, timeout=40)
    letters = collect(letters_topic).wait(len(bad) + 1)
    outbox.wait_finished()
    assert_only_the_bad_are_dead(outbox, [first, *bad], messages, letters)
    assert counted(process, "kafka_producer_recreations") == replaced
    assert counted(process, "fate_barriers") == 0


@pytest.mark.real_kafka
def test_what_was_refused_once_goes_when_the_topic_takes_larger_ones(kafka, db, relay, collect):
    """Rows that look like a refused one only go another way; the broker decides about each."""
    topic = kafka.create_topic(config={"max.message.bytes": str(LIMIT)})
    outbox = Outbox(db, topic)
    process = relay(outbox)
    first = outbox.insert("a", {"text": TOO_LARGE})
    outbox.wait_status(first, DEAD)
    replaced = counted(process, "kafka_producer_recreations")
    kafka.configure_topic(topic, max_message_bytes=10 * LIMIT)
    collector = collect(topic)

    def taken():  # the broker may take a moment to hear of its new setting
        row = outbox.insert("a", {"text": TOO_LARGE})
        wait_for(lambda: (outbox.row(row) or (None,))[0] in (None, DEAD), 10, "its fate is known")
        return outbox.row(row) is None and row

    row = wait_for(taken, 20, "a row of that size is delivered", interval=0.1)
    others = [outbox.insert("a", {"text": TOO_LARGE + "y" * n}) for n in range(3)]
    collector.wait_ids([row, *others])
    assert counted(process, "kafka_producer_recreations") == replaced


@pytest.mark.real_kafka
@pytest.mark.limit(120)
def test_row_that_goes_alone_to_a_partition_added_since_is_delivered(kafka, db, relay, collect):
    """Rows like a refused one go by a producer of their own, which learns of partitions by itself."""
    topic = kafka.create_topic(partitions=1, config={"max.message.bytes": str(LIMIT)})
    outbox = Outbox(db, topic)
    process = relay(outbox, {"on_delivered": "mark"}, kafka={"properties": {"batch.size": "16384"}})
    outbox.insert("small", {"n": 0})
    outbox.wait_status(outbox.insert("large", {"text": "x" * (LIMIT + 200)}), DEAD)
    outbox.wait_status(outbox.insert("as-large-0", {"text": "y" * (LIMIT - 500)}), DONE)
    kafka.grow_topic(topic, 8)
    outbox.wait_status(outbox.insert("there", {"n": 1}, kafka_partition=7), DONE, timeout=30)
    rows = [outbox.insert(f"as-large-{n}", {"text": "y" * (LIMIT - 500)})
            for n in range(1, 13)]
    for row in rows:
        outbox.wait_status(row, DONE, timeout=30)
    assert counted(process, "rows_dead") == 1
