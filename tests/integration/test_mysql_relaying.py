# SPDX-License-Identifier: MIT
"""From an INSERT into MariaDB or MySQL to a message: what arrives, in which order, and what is left
in the table."""

import json
import time

import pytest

from harness.checker import assert_intact
from harness.my_writers import MyWriters
from harness.outbox import DEAD, DONE, FAILED, PENDING, RELAY
from harness.timing import stays, wait_for


def relayed(outbox, daemon):
    wait_for(lambda: outbox.unfinished() == 0, 20, "no row waits")
    return daemon.outbox()["totals"]


def test_committed_event_arrives_with_key_value_headers_and_time(my_outbox, relay, collect):
    row = my_outbox.insert("order-1", {"total": 42}, trace_id="trace-7",
                           headers=json.dumps({"tenant": "blue"}))
    began_ms = time.time() * 1000
    daemon = relay(my_outbox)
    (message,) = collect(my_outbox.topic).wait(1)
    assert (message.key, message.value) == (b"order-1", b'{"total": 42}')
    assert message.headers == [
        ("tenant", b"blue"), ("content-type", b"application/json"), ("message-id", row.encode()),
        ("aggregate-type", b"order"), ("aggregate-id", b"order-1"), ("trace-id", b"trace-7")]
    assert message.timestamp_is_create_time and abs(message.timestamp_ms - began_ms) < 30_000
    assert relayed(my_outbox, daemon)["settled"] == 1
    assert my_outbox.count() == 0 and my_outbox.archived() == 1


@pytest.mark.parametrize("way", ["mark", "delete", "archive"])
def test_each_way_to_settle_leaves_what_it_says(my_outbox, relay, collect, way):
    my_outbox.insert_many(50)
    daemon = relay(my_outbox, {"on_delivered": way})
    collect(my_outbox.topic).wait(50)
    assert relayed(my_outbox, daemon)["settled"] == 50
    assert my_outbox.count(f"status = {DONE} AND processed_at IS NOT NULL") == 50 * (way == "mark")
    assert my_outbox.count() == 50 * (way == "mark")
    assert my_outbox.archived() == 50 * (way == "archive")


def test_done_rows_are_not_passed_while_nothing_waits(my_outbox, relay):
    """An owner that has seen no unfinished row yet knows no place to read from."""
    done = 20000
    my_outbox.insert_many(done)
    my_outbox.database.run(f"UPDATE outbox SET status = {DONE}, processed_at = NOW()")
    process = relay(my_outbox, {"on_delivered": "mark", "poll_interval": "20ms"})
    process.wait_running()
    schema = "performance_schema" if my_outbox.database.server.flavour == "mysql" \
        else "information_schema"
    passed = (f"SELECT SUM(VARIABLE_VALUE) FROM {schema}.global_status WHERE VARIABLE_NAME IN "
              "('HANDLER_READ_NEXT', 'HANDLER_READ_RND_NEXT', 'HANDLER_READ_FIRST')")
    polls, before = process.metric("wakeups_total", reason="poll"), my_outbox.database.one(passed)
    wait_for(lambda: process.metric("wakeups_total", reason="poll") >= polls + 30, 20, "it polls")
    assert my_outbox.database.one(passed) - before < done


@pytest.mark.limit(120)
def test_table_in_which_nothing_happens_is_looked_at_less_often(my_outbox, relay, collect):
    process = relay(my_outbox, {"poll_interval": "10ms"})
    collect(my_outbox.topic).wait_ids([my_outbox.insert("a")])

    def looks():
        before = process.metric("wakeups_total", reason="poll")
        time.sleep(2)
        return process.metric("wakeups_total", reason="poll") - before

    assert looks() > 20, "each 10 ms, as far as the machine can"
    wait_for(lambda: looks() <= 12, 60, "every 200 ms after half a minute")
    collect(my_outbox.topic).wait_ids([my_outbox.insert("a")], timeout=5)


def test_rolled_back_event_and_its_id_are_passed_over(my_outbox, relay, collect):
    relay(my_outbox).wait_running()
    with my_outbox.application(autocommit=False) as application:
        my_outbox.insert("order-1", session=application)
        application.connection.rollback()
        sent = my_outbox.insert("order-1", session=application)
        application.connection.commit()
    collector = collect(my_outbox.topic)
    collector.wait_ids([sent])
    assert [m.message_id for m in collector.drain()] == [sent]


def test_json_is_relayed_as_the_server_returns_it(my_outbox, relay, collect):
    """MariaDB keeps the text that was written, MySQL its own form of it."""
    texts = ['{"b":1,  "a" : [1.50, 1e3]}', '"a string stays one"', '"123"', "null", "[]",
             '{"emoji": "\U0001f980 \\u00e9", "quote": "\\"\\\\"}']
    for n, text in enumerate(texts):
        my_outbox.insert(f"a-{n}", text=text)
    wanted = {row.message_id: row.value for row in my_outbox.expected()}
    if my_outbox.database.server.flavour == "mariadb":
        assert list(wanted.values()) == [text.encode() for text in texts]
    relay(my_outbox)
    got = collect(my_outbox.topic).wait(len(texts))
    assert {m.message_id: m.value for m in got} == wanted


def test_null_payload_is_a_tombstone(my_outbox, relay, collect):
    my_outbox.insert("order-1", payload=None)
    relay(my_outbox)
    assert collect(my_outbox.topic).wait(1)[0].value is None


@pytest.mark.parametrize("column, payload", [("LONGBLOB", bytes(range(256))),
                                             ("LONGTEXT", "not { JSON '\\ \U0001f980")],
                         ids=["LONGBLOB", "LONGTEXT"])
def test_payload_columns_of_other_types_pass_through(my_outbox, relay, collect, column, payload):
    my_outbox.database.run(f"ALTER TABLE {my_outbox.table} MODIFY payload {column}")
    my_outbox.insert("a", text=payload)
    relay(my_outbox)
    wanted = payload if isinstance(payload, bytes) else payload.encode()
    assert collect(my_outbox.topic).wait(1)[0].value == wanted


def test_four_byte_characters_arrive_in_every_column(my_outbox, relay, collect):
    crab = "\U0001f980-\u00e9-\u6f22"
    my_outbox.insert(crab, {"text": crab}, key=crab + "-key", trace_id=crab,
                     headers=json.dumps({"name": crab}, ensure_ascii=False))
    relay(my_outbox)
    (message,) = collect(my_outbox.topic).wait(1)
    assert message.key == (crab + "-key").encode()
    assert json.loads(message.value) == {"text": crab}
    assert [message.header(name) for name in ("aggregate-id", "trace-id", "name")] == [crab] * 3


def test_payload_beyond_the_limit_is_dead_and_others_go_on(my_outbox, relay, collect):
    big = my_outbox.insert("a", {"pad": "x" * 600_000})
    good = my_outbox.insert("a")
    relay(my_outbox, {"max_payload": "512KiB"})
    collect(my_outbox.topic).wait_ids([good])
    my_outbox.wait_status(big, DEAD)
    assert "exceeds max_payload" in my_outbox.row(big, "last_error")[0]


def test_one_megabyte_payload_arrives(my_outbox, relay, collect):
    """Below what a broker takes by default, which counts the key and the headers too."""
    my_outbox.insert("a", {"pad": "x" * 900_000})
    relay(my_outbox)
    assert len(collect(my_outbox.topic).wait(1)[0].value) > 900_000


@pytest.mark.parametrize("held, free", [("Order-1", "order-1"), ("a", "a "), ("e", "\u00e9")])
def test_aggregates_that_the_collation_calls_equal_do_not_wait_for_each_other(
        my_outbox, relay, collect, held, free):
    waiting = my_outbox.insert(held)
    my_outbox.database.run(f"UPDATE {my_outbox.table} SET status = {FAILED}, "
                           "next_retry_at = NOW(3) + INTERVAL 2 DAY")
    second = my_outbox.insert(held)
    relay(my_outbox)
    collect(my_outbox.topic).wait_ids([my_outbox.insert(free)])
    assert my_outbox.row(waiting)[0] == FAILED
    assert my_outbox.row(second)[0] == PENDING


def test_waiting_row_holds_back_its_aggregate_only(my_outbox, relay, collect):
    first = my_outbox.insert("held", {"n": 1})
    my_outbox.insert("held", {"n": 2})
    free = my_outbox.insert("free")
    my_outbox.database.run(f"UPDATE {my_outbox.table} SET status = {FAILED}, attempts = 2, "
                           "next_retry_at = NOW(3) + INTERVAL 2 DAY WHERE message_id = %s", (first,))
    relay(my_outbox)
    collector = collect(my_outbox.topic)
    collector.wait_ids([free])
    stays(lambda: collector.poll() == 0, 0.5, "nothing of the held aggregate")
    my_outbox.database.run(f"UPDATE {my_outbox.table} SET next_retry_at = NOW(3) - INTERVAL 2 DAY "
                           "WHERE message_id = %s", (first,))
    collector.wait(3)
    assert [m.value for m in collector.messages if m.key == b"held"] == [b'{"n": 1}', b'{"n": 2}']


def test_late_commits_are_found_behind_the_cursor_in_their_order(my_outbox, relay, collect):
    """A transaction holds its ids open for long; what was committed above them goes on."""
    relay(my_outbox).wait_running()
    collector = collect(my_outbox.topic)
    with my_outbox.application(autocommit=False) as slow:
        my_outbox.insert("slow", {"n": 1}, session=slow)
        collector.wait_ids([my_outbox.insert(f"o-{n}") for n in range(20)])
        my_outbox.insert("slow", {"n": 2}, session=slow)
        collector.wait_ids([my_outbox.insert(f"o-{n}") for n in range(20)])
        slow.connection.commit()
    my_outbox.insert("slow", {"n": 3})
    collector.wait(43)
    assert [m.value for m in collector.drain() if m.key == b"slow"] == [
        b'{"n": 1}', b'{"n": 2}', b'{"n": 3}']
    assert len(collector.messages) == 43


def test_eight_writers_at_repeatable_read_arrive_whole_and_in_order(kafka, my_db, my_outbox, relay,
                                                                    collect):
    topics = [kafka.create_topic() for _ in range(2)]
    relay(my_outbox)

    def connect():
        return my_db.connect(autocommit=False,
                             init_command="SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    writers = MyWriters(connect, topics, threads=8, aggregates=25, transactions=40, seed=7).start()
    rows = writers.join()
    assert writers.rolled_back > 0 and writers.refused == []
    messages = collect(*topics).wait_ids([r.message_id for r in rows], timeout=40)
    my_outbox.wait_finished()
    assert_intact(rows, messages, repeats=0)


def test_of_several_hosts_the_one_that_answers_is_used(my_outbox, relay, collect):
    """Nothing listens on port 1."""
    url = my_outbox.database.url(RELAY).replace("127.0.0.1:", "127.0.0.1:1,localhost:", 1)
    my_outbox.insert_many(20)
    relay(my_outbox, databases={"db": {"url": url}})
    collect(my_outbox.topic).wait(20)
    my_outbox.wait_finished()
