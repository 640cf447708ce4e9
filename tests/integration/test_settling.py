# SPDX-License-Identifier: MIT
"""What becomes of delivered rows: archived, deleted or marked, and what is purged when."""

import pytest

from harness.outbox import DEAD, DONE, FAILED, PENDING, Outbox
from harness.setup import migrate
from harness.timing import stays, wait_for


@pytest.mark.parametrize("choice, left, archived", [
    ("archive", [], 20), ("delete", [], 0), ("mark", [(DONE, 20)], 0)])
def test_delivered_rows_are(outbox, relay, collect, choice, left, archived):
    outbox.insert_many(20)
    process = relay(outbox, {"on_delivered": choice})
    collect(outbox.topic).wait(20)
    outbox.wait_finished()
    assert outbox.database.run("SELECT status, count(*) FROM outbox GROUP BY 1") == left
    assert outbox.archived() == archived
    result = {"archive": "archived", "delete": "deleted", "mark": "marked"}[choice]
    wait_for(lambda: process.metric("rows_settled_total", result=result) == 20, 5, "counted")
    assert process.metric("messages_delivered_total", topic=outbox.topic) == 20


def test_archived_row_keeps_everything_and_the_time(outbox, relay):
    row = outbox.insert("order-1", {"n": 7}, key="k", headers='{"h": "1"}', trace_id="t")
    relay(outbox)
    outbox.wait_finished()
    found = outbox.database.run(
        f"SELECT id, message_id::text, aggregate_type, aggregate_id, topic, key, payload::text, "
        f"headers::text, trace_id, archived_at >= created_at FROM {outbox.archive}")
    assert found == [(1, row, "order", "order-1", outbox.topic, "k", '{"n": 7}', '{"h": "1"}', "t",
                      True)]


def test_marked_row_has_its_time_of_processing(outbox, relay):
    row = outbox.insert("a")
    relay(outbox, {"on_delivered": "mark"})
    outbox.wait_status(row, DONE)
    assert outbox.row(row, "processed_at >= created_at") == (True,)


def test_waiting_row_that_is_delivered_at_last_is_settled_like_any_other(outbox, relay):
    row = outbox.insert("a")
    outbox.database.run("UPDATE outbox SET status = 3, attempts = 2, next_retry_at = now()")
    relay(outbox, {"on_delivered": "mark"})
    assert outbox.wait_status(row, DONE) == (DONE, 2)


def test_archive_without_its_table_does_not_start_and_says_what_to_do(bare_db, kafka, topic, relay):
    migrate(bare_db, on_delivered="delete")
    bare_db.run("DROP TABLE IF EXISTS eventferry.archive_public_outbox CASCADE")
    outbox = Outbox(bare_db, topic)
    process = relay(outbox)
    reason = process.wait_state("misconfigured")["reason"]
    assert "eventferryctl migrate" in reason and "on_delivered" in reason
    outbox.insert("a")
    stays(lambda: outbox.count("status = 0") == 1, 1, "the row is untouched")


def test_archive_that_refuses_rows_stops_the_outbox_and_deletes_nothing(outbox, relay, collect):
    outbox.database.run(f"ALTER TABLE {outbox.archive} ADD CONSTRAINT no_more "
                        "CHECK (aggregate_id <> 'refused') NOT VALID")
    row = outbox.insert("refused")
    process = relay(outbox)
    collect(outbox.topic).wait_ids([row])
    wait_for(lambda: process.outbox()["reason"], 15, "the outbox says why it stands")
    assert process.get_code("/livez") == 200
    assert outbox.row(row) is not None
    outbox.database.run(f"ALTER TABLE {outbox.archive} DROP CONSTRAINT no_more")
    outbox.wait_finished(timeout=30)
    assert outbox.archived() == 1


def test_purge_takes_only_old_done_rows(outbox, relay):
    kinds = {"old": (DONE, "10 days"), "recent": (DONE, "1 minute"), "dead": (DEAD, "10 days"),
             "failed": (FAILED, "10 days"), "pending": (PENDING, "10 days")}
    rows = {name: outbox.insert(name) for name in kinds}
    for name, (status, age) in kinds.items():
        outbox.database.run("UPDATE outbox SET status = %s, created_at = now() - %s::interval "
                            "WHERE message_id = %s", (status, age, rows[name]))
    outbox.database.run("UPDATE outbox SET processed_at = created_at WHERE status IN (2, 4)")
    outbox.database.run("UPDATE outbox SET next_retry_at = now() + interval '1 day' "
                        "WHERE status = 3")
    process = relay(outbox, {"on_delivered": "mark", "retention": "1h"})
    wait_for(lambda: outbox.row(rows["old"]) is None, 30, "the old done row is purged")
    outbox.wait_status(rows["pending"], DONE)
    assert outbox.row(rows["recent"])[0] == DONE
    assert outbox.row(rows["dead"])[0] == DEAD
    assert outbox.row(rows["failed"])[0] == FAILED
    wait_for(lambda: process.metric("rows_purged_total") >= 1, 5, "counted")


def test_nothing_is_purged_without_retention_in_the_file(outbox, relay):
    row = outbox.insert("a")
    outbox.database.run("UPDATE outbox SET status = 2, processed_at = now() - interval '1 year', "
                        "created_at = now() - interval '1 year'")
    process = relay(outbox, {"on_delivered": "mark"})
    process.wait_running()
    stays(lambda: outbox.row(row) is not None, 2, "the old row stays")


def partitions(outbox):
    return [name for (name,) in outbox.database.run(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass",
        (outbox.archive,))]


def test_archive_partitions_are_made_ahead_and_dropped_behind(outbox, relay):
    """An old partition is one whose whole range lies behind the retention."""
    database = outbox.database
    begin, stamp = database.run("SELECT date_trunc('hour', now() - interval '5 days'), to_char("
                                "now() - interval '5 days', 'YYYYMMDDHH24')")[0]
    old = f"{outbox.archive}_{stamp}"
    database.run("SET ROLE owner")
    database.run(f"CREATE TABLE {old} PARTITION OF {outbox.archive} FOR VALUES FROM (%s) TO "
                 "(%s::timestamptz + interval '1 hour')", (begin, begin))
    database.run("RESET ROLE")
    outbox.insert("a")
    database.run(f"INSERT INTO {outbox.archive} SELECT *, %s::timestamptz + interval '1 minute' "
                 "FROM outbox", (begin,))
    database.run("DELETE FROM outbox")
    process = relay(outbox, {"retention": "24h"})
    process.wait_running()
    wait_for(lambda: old not in partitions(outbox), 30, "the old partition is dropped")
    assert outbox.archived() == 0
    ahead = database.one("SELECT to_char(now() + interval '1 hour', 'YYYYMMDDHH24')")
    assert f"{outbox.archive}_{ahead}" in partitions(outbox)


def test_delivered_rows_of_a_big_backlog_leave_gaps_of_others_alone(outbox, relay, collect):
    """Runs of delivered ids never span a row that is not ours to take."""
    outbox.insert_many(500)
    database = outbox.database
    database.run("UPDATE outbox SET status = 4 WHERE id % 7 = 0")
    database.run("UPDATE outbox SET status = 3, next_retry_at = now() + interval '1 day', "
                 "aggregate_id = 'waits' WHERE id % 11 = 0 AND status = 0")
    expected = outbox.count("status = 0")
    relay(outbox)
    collect(outbox.topic).wait(expected)
    wait_for(lambda: outbox.count("status = 0") == 0, 10, "all pending rows are gone")
    assert outbox.count("status = 4") == 500 // 7
    assert outbox.archived() == expected
