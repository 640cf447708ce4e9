# SPDX-License-Identifier: MIT
"""Applications do not wait for the relay: whatever its statements hold, an INSERT goes on."""

from harness.checker import assert_intact
from harness.my_writers import MyWriters
from harness.timing import scaled, wait_for

INSERT_LIMIT_S = 2  # far below the 50 s that InnoDB waits for a lock by default


def repeatable_read(outbox):
    def connect():
        connection = outbox.database.connect(autocommit=False)
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return connection

    return connect


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
