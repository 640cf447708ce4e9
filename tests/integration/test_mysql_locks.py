# SPDX-License-Identifier: MIT
"""Settles that meet another session's locks, become the victim of a deadlock, or lose the answer to their
COMMIT: each delivered row is archived once, and nothing is lost."""

import contextlib

import pytest

from harness.timing import wait_for

ROWS = 20


@pytest.fixture
def held(my_outbox):
    """A session of somebody else in an open transaction; it ends before the test's daemon does."""
    with my_outbox.database.session(autocommit=False) as session:
        yield session
        with contextlib.suppress(Exception):
            session.connection.rollback()


def insert(outbox):
    return [outbox.insert("a", {"n": n}) for n in range(ROWS)]


def lock(session, outbox, row):
    session.run(f"SELECT id FROM {outbox.table} WHERE message_id = %s FOR UPDATE", (row,))


def assert_archived_once(outbox, collector, rows):
    outbox.wait_finished()
    assert outbox.archived() == ROWS
    first = list(dict.fromkeys(m.message_id for m in collector.drain()))
    assert first == rows


def assert_it_goes_on(outbox, held, process, collector, rows):
    """Once the other transaction lets go; until then nothing was done by half."""
    assert outbox.archived() + outbox.count() == ROWS, "a settle happens whole or not at all"
    held.connection.rollback()
    assert_archived_once(outbox, collector, rows)
    assert process.metric("rows_dead_total") == 0


def test_lock_that_is_held_too_long(my_outbox, held, relay, collect):
    rows = insert(my_outbox)
    lock(held, my_outbox, rows[ROWS // 2])
    process = relay(my_outbox, databases={"db": {"statement_timeout": "2s"}})
    collector = collect(my_outbox.topic)
    collector.wait_ids(rows)
    process.wait_log(error="Lock wait timeout", timeout=20)
    assert_it_goes_on(my_outbox, held, process, collector, rows)


def test_deadlock_whose_victim_is_the_settle(my_outbox, held, relay, collect):
    """The other transaction has changed more rows, so the server gives up the settle."""
    database = my_outbox.database
    database.run("CREATE TABLE weight (n INT)")
    rows = insert(my_outbox)
    with held.connection.cursor() as cursor:
        cursor.executemany("INSERT INTO weight VALUES (%s)", [(n,) for n in range(500)])
    lock(held, my_outbox, rows[-1])
    process = relay(my_outbox)
    collector = collect(my_outbox.topic)
    collector.wait_ids(rows)
    wait_for(lambda: database.one("SELECT COUNT(*) FROM information_schema.INNODB_TRX "
                                  "WHERE trx_state = 'LOCK WAIT'"), 20, "the settle waits",
             interval=0.3)  # what is asked for more often is not looked at anew
    lock(held, my_outbox, rows[0])  # which the settle has locked
    process.wait_log(error="Deadlock found", timeout=20)
    assert_it_goes_on(my_outbox, held, process, collector, rows)


def test_answer_to_a_commit_is_lost(my_outbox, relay, collect, proxy):
    """The server has committed, the relay does not know: it repeats, and nothing happens twice."""
    between = proxy(my_outbox.database.server.port)
    between.lose_reply_of(b"_archive\" (")
    process = relay(my_outbox, port=between.port, databases={"db": {"tls": {"mode": "disable"}}})
    process.wait_running()
    rows = insert(my_outbox)
    collector = collect(my_outbox.topic)
    collector.wait_ids(rows)
    wait_for(lambda: between.lost_replies == 1, 20, "the answer is lost")
    assert_archived_once(my_outbox, collector, rows)
    assert process.metric("rows_dead_total") == 0
