# SPDX-License-Identifier: MIT
"""Who takes rows: relays beside each other, rows other relays left behind, nothing to do."""

from harness.checker import assert_intact
from harness.outbox import FAILED, PROCESSING
from harness.timing import stays, wait_for


def test_three_relays_on_one_table_deliver_each_row_once(outbox, relay, collect):
    """Thirty aggregates; one relay owns the table, the others stand by."""
    outbox.insert_many(300, aggregates=30)
    rows = outbox.expected()
    relays = [relay(outbox, start=False).launch() for _ in range(3)]
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in rows])
    outbox.wait_finished()
    wait_for(lambda: sorted((r.outbox() or {}).get("state", "") for r in relays) ==
             ["running", "standby", "standby"], 10, "one owner, two standbys")
    assert_intact(rows, collector.drain(), repeats=0)


def test_rows_left_in_processing_long_ago_are_taken(outbox, relay, collect):
    row = outbox.insert("a", {"n": 1})
    outbox.database.run("UPDATE outbox SET status = 1, claimed_at = now() - interval '1 hour'")
    process = relay(outbox)
    collect(outbox.topic).wait_ids([row])
    outbox.wait_finished()
    assert process.metric("rows_reaped_total") == 1


def test_first_start_waits_while_another_relay_still_works(outbox, relay, collect):
    """A row claimed a moment ago belongs to a living relay of another make: nothing is fetched
    until none is left, then order is kept from that row on."""
    first = outbox.insert("a", {"n": 1})
    outbox.insert("a", {"n": 2})
    outbox.insert("b", {"n": 3})
    outbox.database.run("UPDATE outbox SET status = 1, claimed_at = now() WHERE message_id = %s",
                        (first,))
    process = relay(outbox, {"claim_timeout": "4s"})
    process.wait_state("foreign")
    answer = process.get("/readyz")
    assert answer.status_code == 503 and "orders" in answer.text
    collector = collect(outbox.topic)
    stays(lambda: collector.poll() == 0, 1, "nothing is taken")
    collector.wait(3, timeout=15)
    assert [m.value for m in collector.messages if m.key == b"a"] == [b'{"n": 1}', b'{"n": 2}']


def test_other_relay_that_finishes_its_rows_lets_us_begin(outbox, relay, collect):
    first = outbox.insert("a", {"n": 1})
    second = outbox.insert("a", {"n": 2})
    outbox.database.run("UPDATE outbox SET status = 1, claimed_at = now() WHERE message_id = %s",
                        (first,))
    process = relay(outbox)
    process.wait_state("foreign")
    outbox.database.run("UPDATE outbox SET status = 2, processed_at = now() WHERE message_id = %s",
                        (first,))
    collector = collect(outbox.topic)
    collector.wait_ids([second], timeout=15)
    assert [m.message_id for m in collector.drain()] == [second]


def test_row_claimed_by_another_relay_later_holds_back_its_aggregate(outbox, relay, collect):
    """A relay of another make was started beside us: its claimed row and what follows stay."""
    process = relay(outbox, {"poll_interval": "5s", "wake": "poll"})
    process.wait_running()
    process.pause()
    claimed = outbox.insert("a", {"n": 1})
    later = outbox.insert("a", {"n": 2})
    free = outbox.insert("b")
    outbox.database.run("UPDATE outbox SET status = 1, claimed_at = now() WHERE message_id = %s",
                        (claimed,))
    process.resume()
    collector = collect(outbox.topic)
    collector.wait_ids([free])
    assert later not in {m.message_id for m in collector.drain()}
    assert outbox.row(claimed)[0] == PROCESSING
    outbox.database.run("UPDATE outbox SET status = 0, claimed_at = NULL WHERE message_id = %s",
                        (claimed,))
    collector.wait_ids([claimed, later], timeout=30)
    assert [m.value for m in collector.messages if m.key == b"a"] == [b'{"n": 1}', b'{"n": 2}']


def test_failed_rows_of_another_relay_are_retried_when_due(outbox, relay, collect):
    due, not_due = outbox.insert("a"), outbox.insert("b")
    no_time = outbox.insert("c")
    database = outbox.database
    database.run("UPDATE outbox SET status = 3, attempts = 3, next_retry_at = now() - "
                 "interval '1 s' WHERE message_id = %s", (due,))
    database.run("UPDATE outbox SET status = 3, attempts = 3, next_retry_at = now() + "
                 "interval '1 h' WHERE message_id = %s", (not_due,))
    database.run("UPDATE outbox SET status = 3, attempts = 1 WHERE message_id = %s", (no_time,))
    relay(outbox)
    collector = collect(outbox.topic)
    collector.wait_ids([due, no_time])
    wait_for(lambda: outbox.count() == 1, 10, "only the row that is not due is left")
    assert outbox.row(not_due) == (FAILED, 3)
    assert len(collector.drain()) == 2


def test_finished_rows_are_left_alone(outbox, relay, collect):
    done = outbox.insert("a")
    outbox.database.run("UPDATE outbox SET status = 2, processed_at = now() - interval '9 days'")
    relay(outbox)
    collector = collect(outbox.topic)
    sent = outbox.insert("a")
    collector.wait_ids([sent])
    assert [m.message_id for m in collector.drain()] == [sent]
    assert outbox.row(done)[0] == 2


def test_empty_table_is_ready_and_quiet(outbox, relay):
    process = relay(outbox)
    process.wait_running()
    assert process.get_code("/readyz") == 200
    database = outbox.database

    def transactions():
        database.run("SELECT pg_stat_clear_snapshot()")
        return database.one("SELECT xact_commit FROM pg_stat_database "
                            "WHERE datname = current_database()")

    before, cpu = transactions(), process.process.cpu_seconds()
    stays(lambda: process.running, 3, "the daemon runs", interval=1)
    polls = transactions() - before
    assert polls < 3 * 60, f"{polls} transactions in 3 s of nothing to do"
    assert process.process.cpu_seconds() - cpu < 0.3
    assert process.log(level="warn") == [] and process.log(level="error") == []


def test_rows_taken_away_by_hand_do_not_disturb(outbox, relay, collect):
    """A row deleted by its application before the relay came to it: nothing else changes."""
    outbox.insert_many(50)
    outbox.database.run("DELETE FROM outbox WHERE id % 2 = 0")
    relay(outbox)
    collect(outbox.topic).wait(25)
    outbox.wait_finished()


def test_instance_is_seen_in_the_sessions_of_the_database(outbox, relay):
    relay(outbox, instance="ship-7").wait_running()
    names = [name for (name,) in outbox.database.run(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database()")]
    for purpose in ("read", "settle", "lease"):
        assert f"eventferryd/ship-7/orders/{purpose}" in names
    assert not [n for n in names if "password" in n]
