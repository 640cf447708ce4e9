# SPDX-License-Identifier: MIT
"""Order within an aggregate, whatever the order of commits, the size of its backlog or a wait."""

import time

import pytest

from harness.checker import assert_intact
from harness.outbox import FAILED, Outbox
from harness.timing import stays, wait_for
from harness.writers import Writers

GAP_GRACE_S = 10  # how long a missing id is looked for in each read


def next_id(session):
    return session.one("SELECT nextval(pg_get_serial_sequence('public.outbox', 'id'))")


def insert_with_id(database, number, aggregate, topic):
    database.run("INSERT INTO outbox (id, aggregate_type, aggregate_id, topic, payload) "
                 "OVERRIDING SYSTEM VALUE VALUES (%s, 'order', %s, %s, '{\"late\": true}')",
                 (number, aggregate, topic))


def test_many_writers_with_rollbacks_arrive_whole_and_in_order(kafka, each_db, relay, collect):
    topics = [kafka.create_topic() for _ in range(2)]
    outbox = Outbox(each_db)
    relay(outbox)
    writers = Writers(lambda: each_db.connect("test", autocommit=False), topics, threads=6,
                      aggregates=25, transactions=120, seed=7).start()
    rows = writers.join()
    assert writers.rolled_back > 0
    messages = collect(*topics).wait_ids([r.message_id for r in rows])
    outbox.wait_finished()
    assert_intact(rows, messages, repeats=0)


def test_long_open_transaction_that_commits_late_is_neither_lost_nor_overtaken(
        outbox, relay, collect):
    """Its aggregate waits for its lock, so the later id of that aggregate commits after it."""
    relay(outbox).wait_running()
    database = outbox.database
    with database.session("app", autocommit=False) as slow, \
            database.session("app", autocommit=False) as second:
        slow.run("SELECT pg_advisory_xact_lock(1)")
        outbox.insert("slow", {"n": 1}, session=slow)
        others = [outbox.insert(f"o-{n}") for n in range(30)]
        collector = collect(outbox.topic)
        collector.wait_ids(others)
        more = [outbox.insert(f"o-{n}") for n in range(30)]
        collector.wait_ids(more)
        slow.connection.commit()
        second.run("SELECT pg_advisory_xact_lock(1)")
        outbox.insert("slow", {"n": 2}, session=second)
        second.connection.commit()
    collector.until(lambda c: sum(m.key == b"slow" for m in c.messages) == 2, 10, "both of slow")
    assert [m.value for m in collector.messages if m.key == b"slow"] == [b'{"n": 1}', b'{"n": 2}']
    assert len(collector.drain()) == 62


def test_late_commit_and_its_successor_seen_by_one_read_go_in_order(outbox, relay, collect):
    """Both commit while the relay stands still: the next read must give the earlier one first,
    though the cursor is beyond it."""
    process = relay(outbox)
    process.wait_running()
    with outbox.database.session("app", autocommit=False) as slow:
        outbox.insert("slow", {"n": 1}, session=slow)
        collect(outbox.topic).wait_ids([outbox.insert("other")])
        process.pause()
        slow.connection.commit()
        outbox.insert("slow", {"n": 2})
        process.resume()
    collector = collect(outbox.topic)
    collector.wait(3)
    assert [m.value for m in collector.messages if m.key == b"slow"] == [b'{"n": 1}', b'{"n": 2}']


def test_id_drawn_a_moment_before_its_insert_is_found_as_a_gap(outbox, relay, collect):
    relay(outbox).wait_running()
    number = next_id(outbox.database)
    collector = collect(outbox.topic)
    collector.wait_ids([outbox.insert(f"o-{n}") for n in range(20)])
    insert_with_id(outbox.database, number, "drawn", outbox.topic)
    collector.until(lambda c: any(m.key == b"drawn" for m in c.messages), 5, "the gap is filled")


@pytest.mark.limit(120)
def test_id_drawn_long_before_its_insert_is_found_by_a_sweep(outbox, relay, collect):
    """After its grace the gap is dropped: then only a sweep from zero finds the row."""
    process = relay(outbox)
    process.wait_running()
    number = next_id(outbox.database)
    collector = collect(outbox.topic)
    collector.wait_ids([outbox.insert("o")])
    wait_for(lambda: process.metric("gap_runs") == 0, GAP_GRACE_S + 20, "the gap is given up",
             interval=0.5)
    insert_with_id(outbox.database, number, "drawn", outbox.topic)
    collector.until(lambda c: any(m.key == b"drawn" for m in c.messages), 60, "a sweep finds it")


def test_waiting_row_holds_back_its_aggregate_only(outbox, relay, collect):
    first = outbox.insert("held", {"n": 1})
    outbox.insert("held", {"n": 2})
    outbox.insert("held", {"n": 3})
    free = [outbox.insert(f"o-{n}") for n in range(5)]
    outbox.database.run("UPDATE outbox SET status = 3, attempts = 2, next_retry_at = now() + "
                        "interval '3 s' WHERE message_id = %s", (first,))
    relay(outbox)
    collector = collect(outbox.topic)
    collector.wait_ids(free)
    began = time.monotonic()
    stays(lambda: collector.poll() == 0, 1, "nothing of the held aggregate")
    collector.wait(8)
    assert time.monotonic() - began > 1
    assert [m.value for m in collector.messages if m.key == b"held"] == [
        b'{"n": 1}', b'{"n": 2}', b'{"n": 3}']


def test_waiting_row_holds_back_rows_inserted_later_too(outbox, relay, collect):
    first = outbox.insert("held", {"n": 1})
    outbox.database.run("UPDATE outbox SET status = 3, attempts = 1, next_retry_at = now() + "
                        "interval '1 day' WHERE message_id = %s", (first,))
    process = relay(outbox)
    process.wait_running()
    outbox.insert("held", {"n": 2})
    collector = collect(outbox.topic)
    collector.wait_ids([outbox.insert("free")])
    assert outbox.row(first)[0] == FAILED
    outbox.database.run("UPDATE outbox SET next_retry_at = now() WHERE message_id = %s", (first,))
    collector.wait(3, timeout=15)
    assert [m.value for m in collector.messages if m.key == b"held"] == [b'{"n": 1}', b'{"n": 2}']


def test_dead_row_lets_its_aggregate_go_on_and_is_never_taken_again(outbox, relay, collect):
    dead = outbox.insert("a", {"n": 1})
    outbox.database.run("UPDATE outbox SET status = 4, claimed_at = now() - interval '1 day' "
                        "WHERE message_id = %s", (dead,))
    relay(outbox)
    collector = collect(outbox.topic)
    collector.wait_ids([outbox.insert("a", {"n": 2})])
    collector.wait_ids([outbox.insert("a", {"n": 3})])
    assert len(collector.drain()) == 2
    assert outbox.row(dead)[0] == 4


def test_aggregates_that_differ_only_in_case_do_not_wait_for_each_other(outbox, relay, collect):
    held = outbox.insert("Order-1")
    outbox.database.run("UPDATE outbox SET status = 3, next_retry_at = now() + interval '1 day' "
                        "WHERE message_id = %s", (held,))
    relay(outbox)
    collect(outbox.topic).wait_ids([outbox.insert("order-1")])
    assert outbox.row(held)[0] == FAILED


def test_order_by_type_and_id_separates_equal_ids_of_two_types(outbox, relay, collect):
    held = outbox.insert("1", aggregate_type="order")
    outbox.database.run("UPDATE outbox SET status = 3, next_retry_at = now() + interval '1 day' "
                        "WHERE message_id = %s", (held,))
    relay(outbox, {"order_by": "aggregate_type_and_id"})
    collect(outbox.topic).wait_ids([outbox.insert("1", aggregate_type="user")])
    assert outbox.row(held)[0] == FAILED


@pytest.mark.real_kafka
def test_growing_topic_does_not_break_the_order_of_a_partition(kafka, outbox, relay, collect):
    """Keys move to other partitions; what counts is the order in each, and that nothing is lost."""
    relay(outbox)
    with Writers(lambda: outbox.database.connect("test", autocommit=False), outbox.topic,
                 aggregates=10, pause_s=(0.0, 0.01)) as writers:
        wait_for(lambda: writers.count > 100, 20, "writers are at work")
        kafka.grow_topic(outbox.topic, 6)
        before = writers.count
        wait_for(lambda: writers.count > before + 100, 20, "writers go on")
        rows = writers.stop()
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in rows])
    assert_intact(rows, collector.drain(), repeats=0)


def drain_seconds(outbox, relay, count, **rows):
    """How long a relay takes for a backlog, from its first settled row to the empty table."""
    outbox.insert_many(count, **rows)
    process = relay(outbox, {"on_delivered": "delete"}, log={"level": "info"})
    wait_for(lambda: process.metric("rows_settled_total") > 0, 30, "the first row is settled",
             interval=0.005)
    start = time.monotonic()
    wait_for(lambda: outbox.unfinished() == 0, 60, "the backlog is gone", interval=0.01)
    took = time.monotonic() - start
    process.stop()
    return took


@pytest.mark.limit(180)
def test_aggregate_whose_rows_wait_for_each_other_leaves_room_for_others(kafka, outbox, relay,
                                                                           collect):
    """Each of its rows goes to another topic than the one before, so one at a time is on its way."""
    crowd = 3000
    other = kafka.create_topic()
    for part in range(0, crowd, 500):
        outbox.database.run(
            "INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload) SELECT 'order', "
            "'crowd', CASE WHEN n %% 2 = 0 THEN %s ELSE %s END, json_build_object('n', n)::jsonb "
            "FROM generate_series(%s, %s) n", (outbox.topic, other, part, part + 499))
    late = [outbox.insert(f"late-{n}") for n in range(40)]
    rows = outbox.expected()
    daemon = relay(outbox, {"window": {"max_rows": 200}, "batch": {"max_rows": 50}})
    collector = collect(outbox.topic, other)
    collector.wait_ids(late)
    assert daemon.outbox()["totals"]["delivered"] < crowd // 2
    outbox.wait_finished(60)
    assert_intact(rows, collector.drain(), repeats=0)


def test_hot_aggregate_of_100000_rows_is_drained_as_fast_as_many_aggregates(kafka, db, relay,
                                                                            collect):
    """Within a factor of two; the machine's own swings get three tries."""
    ratios = []
    for _ in range(3):
        hot_topic = kafka.create_topic()
        hot = drain_seconds(Outbox(db, hot_topic), relay, 100_000, hot="hot")
        wide = drain_seconds(Outbox(db, kafka.create_topic()), relay, 100_000, aggregates=1000)
        ratios.append(hot / wide)
        if ratios[-1] <= 2:
            break
    assert min(ratios) <= 2, ratios
    numbers = [int(m.value[6:m.value.index(b",")]) for m in collect(hot_topic).drain()]
    assert numbers == list(range(100_000))
