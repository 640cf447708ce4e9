# SPDX-License-Identifier: MIT
"""Applications do not wait for the relay: whatever its statements hold, an INSERT goes on."""

from harness.checker import assert_intact
from harness.my_writers import MyWriters
from harness.timing import scaled, wait_for

INSERT_LIMIT_S = 2  # far below the 50 s that InnoDB waits for a lock by default


def open_transactions(database):
    """Those of the relay that hold locks on rows."""
    return database.one(
        "SELECT COUNT(*) FROM information_schema.INNODB_TRX t JOIN information_schema.PROCESSLIST p "
        "ON p.ID = t.trx_mysql_thread_id WHERE p.USER = 'relay' AND t.trx_rows_locked > 0")


def repeatable_read(outbox):
    def connect():
        connection = outbox.database.connect(autocommit=False)
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return connection

    return connect


def test_settle_that_stands_still_holds_up_no_insert(my_outbox, relay, collect):
    """Its transaction has locked the rows it deletes, and waits for one that somebody has. Inserts
    at either end of the table and of the index by status go on meanwhile."""
    rows = [my_outbox.insert(f"a-{n}") for n in range(20)]
    database = my_outbox.database
    process = relay(my_outbox, {"on_delivered": "delete"}, start=False)
    with database.session() as holder, \
            my_outbox.application(autocommit=False) as application:
        # at REPEATABLE READ its own gap lock on message_id would hold inserts up
        holder.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        holder.run("SET autocommit = 0")
        holder.run(f"SELECT id FROM {my_outbox.table} WHERE message_id = %s FOR UPDATE",
                   (rows[-1],))
        process.start()
        collector = collect(my_outbox.topic)
        collector.wait_ids(rows)
        wait_for(lambda: open_transactions(database) > 0, 20, "a settle waits with its locks")
        process.pause()
        application.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        application.run(f"SET innodb_lock_wait_timeout = {int(scaled(INSERT_LIMIT_S))}")
        more = []
        for n in range(20):
            more.append(my_outbox.insert(f"a-{n}", session=application))
            application.connection.commit()
        holder.run("ROLLBACK")
        process.resume()
    collector.wait_ids(more)
    my_outbox.wait_finished()


def test_settle_does_not_wait_for_the_uncommitted_row_behind_its_run(my_outbox, relay, collect):
    process = relay(my_outbox, {"on_delivered": "delete"})
    process.wait_running()
    with my_outbox.application(autocommit=False) as application:
        rows = [my_outbox.insert(f"a-{n}") for n in range(5)]
        open_row = my_outbox.insert("open", session=application)
        rows += [my_outbox.insert(f"a-{n}") for n in range(5)]
        collect(my_outbox.topic).wait_ids(rows)
        wait_for(lambda: my_outbox.count() == 0, 10, "all that was committed is settled")
        application.connection.commit()
    collect(my_outbox.topic).wait_ids([open_row])


def test_eight_writers_under_load_meet_no_deadlock_and_no_long_wait(my_outbox, relay, collect):
    process = relay(my_outbox, {"on_delivered": "delete"})
    process.wait_running()
    writers = MyWriters(repeatable_read(my_outbox), my_outbox.topic, table=my_outbox.table,
                        threads=8, aggregates=40, transactions=40, rollback=0.2,
                        hold_s=(0.0, 0.01), pause_s=(0.0, 0.0), seed=11).start()
    rows = writers.join()
    assert writers.rolled_back > 0
    assert writers.refused == []  # neither a deadlock nor a lock wait that ran out
    collector = collect(my_outbox.topic)
    collector.wait_ids([r.message_id for r in rows], timeout=40)
    my_outbox.wait_finished()
    assert_intact(rows, collector.drain(), repeats=0)
    assert max(writers.insert_s) < scaled(INSERT_LIMIT_S)
