# SPDX-License-Identifier: MIT
"""MariaDB and MySQL restart, end sessions, become read-only, refuse a commit, or lie behind a
network that breaks: nothing is lost, and order holds."""

import contextlib

import pymysql
import pytest

from harness.checker import assert_intact
from harness.my_outbox import MyOutbox
from harness.my_writers import MyWriters
from harness.mysql import MySql
from harness.setup import migrate
from harness.timing import scaled, wait_for


def writers_of(outbox, **more):
    return MyWriters(lambda: outbox.database.connect(autocommit=False), outbox.topic,
                     table=outbox.table, **{"pause_s": (0.0, 0.01), **more})


def finish(outbox, collector, writers, **more):
    rows = writers.stop()
    collector.wait_ids([r.message_id for r in rows], timeout=40)
    outbox.wait_finished(timeout=40)
    return assert_intact(rows, collector.drain(), writers.maybe, **more)


def at_work(process, writers, more=60):
    before = process.metric("messages_delivered_total")
    wait_for(lambda: process.metric("messages_delivered_total") > before + more, 30, "it relays",
             interval=0.05)


@pytest.fixture
def own_server():
    """A server of the test's own, to be stopped and killed; name it before relay."""
    server = MySql("mariadb")
    yield server
    server.discard()


@pytest.mark.limit(150)
def test_server_is_restarted_and_killed_at_work(own_server, topic, relay, collect):
    database = own_server.create_database()
    migrate(database)
    outbox = MyOutbox(database, topic)
    process = relay(outbox)
    process.wait_running()
    with writers_of(outbox) as writers:
        for kill in (False, True):
            at_work(process, writers)
            if kill:
                own_server.kill()
            else:
                own_server.stop()
            own_server.start()
            process.wait_running(timeout=30)
        at_work(process, writers)
        finish(outbox, collect(topic), writers)
    assert process.metric("rows_dead_total") == 0


def sessions(database):
    return [number for (number,) in database.run(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'relay' AND DB = %s "
        "ORDER BY ID", (database.name,))]


def test_each_connection_is_ended_by_the_server(my_outbox, relay, collect):
    process = relay(my_outbox)
    process.wait_running()
    with writers_of(my_outbox) as writers:
        at_work(process, writers)
        count = len(sessions(my_outbox.database))
        assert count >= 3
        for place in range(count):
            number = wait_for(lambda: len(sessions(my_outbox.database)) == count
                              and sessions(my_outbox.database)[place], 30, "all are there")
            with contextlib.suppress(pymysql.err.Error):  # it has ended by itself
                my_outbox.database.run(f"KILL CONNECTION {number}")
            process.wait_running(timeout=30)
            at_work(process, writers, more=20)
        finish(my_outbox, collect(my_outbox.topic), writers)
    assert process.metric("rows_dead_total") == 0


def test_settle_refused_as_a_deadlock_is_tried_again(my_outbox, relay, collect):
    """As Galera refuses a commit that another node's transaction came before."""
    database = my_outbox.database
    database.run("CREATE TABLE refusals (n INT)")
    database.run("INSERT INTO refusals VALUES (1)")
    database.run(
        f"CREATE TRIGGER refuse BEFORE DELETE ON {my_outbox.table} FOR EACH ROW "
        "IF EXISTS (SELECT 1 FROM refusals) THEN SIGNAL SQLSTATE '40001' "
        "SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'; END IF")
    rows = [my_outbox.insert("a", {"n": n}) for n in range(20)]
    process = relay(my_outbox, {"on_delivered": "delete"})
    collector = collect(my_outbox.topic)
    collector.wait_ids(rows)
    process.wait_log(error="Deadlock found", timeout=20)
    assert my_outbox.count() == 20
    database.run("DELETE FROM refusals")
    my_outbox.wait_finished()
    assert [m.message_id for m in collector.drain()][:20] == rows
    assert process.metric("rows_dead_total") == 0


def read_only(server, on):
    """super_read_only on MySQL; MariaDB's read_only does not bind accounts with a right to it."""
    with server.session() as admin:
        if server.flavour == "mysql":
            admin.run(f"SET GLOBAL super_read_only = {on}")
        admin.run(f"SET GLOBAL read_only = {on}")


def test_read_only_server_is_an_outage_with_that_reason(my_outbox, relay, collect):
    server = my_outbox.database.server
    process = relay(my_outbox)
    process.wait_running()
    row = my_outbox.insert("a")
    collect(my_outbox.topic).wait_ids([row])
    my_outbox.wait_finished()
    try:
        read_only(server, 1)
        wait_for(lambda: process.get_code("/readyz") == 503, 30, "it is not ready")
        wait_for(lambda: "read-only" in (process.outbox().get("reason") or ""), 30,
                 "the reason is told")
        assert process.get_code("/livez") == 200
    finally:
        read_only(server, 0)
    process.wait_running(timeout=40)
    collect(my_outbox.topic).wait_ids([my_outbox.insert("a")], timeout=30)


@pytest.mark.limit(120)
def test_connections_that_break_or_fall_silent_lose_nothing(my_outbox, relay, collect, proxy):
    between = proxy(my_outbox.database.server.port)
    process = relay(my_outbox, port=between.port,
                    databases={"db": {"statement_timeout": "2s"}})
    process.wait_running()
    with writers_of(my_outbox) as writers:
        for fault in (between.cut, lambda: between.forsake("client"),
                      lambda: between.forsake("server")):
            at_work(process, writers, more=20)
            fault()
            wait_for(lambda: process.metric("database_up") == 1, int(scaled(20)), "it is back")
            process.wait_running(timeout=30)
            between.mend()
        at_work(process, writers, more=20)
        finish(my_outbox, collect(my_outbox.topic), writers)
    assert process.metric("rows_dead_total") == 0
