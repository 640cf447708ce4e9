# SPDX-License-Identifier: MIT
"""Through PgBouncer in transaction mode: nothing may hang on a session."""

import psycopg2
import pytest

from harness.checker import assert_intact
from harness.outbox import Outbox
from harness.setup import migrate
from harness.timing import wait_for
from harness.writers import Writers


def pooled(pooler, **more):
    return {"databases": {"db": {"pooler": "transaction", **more}}, "port": pooler.port}


def test_load_through_a_transaction_pooler_arrives_whole(outbox, pgbouncer, relay, collect):
    pooler = pgbouncer(outbox.database.server)
    relay(outbox, **pooled(pooler)).wait_running()
    with Writers(lambda: outbox.database.connect("test", autocommit=False),
                 outbox.topic) as writers:
        wait_for(lambda: writers.count > 300, 20, "writers are at work")
        rows = writers.stop()
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in rows])
    outbox.wait_finished()
    assert_intact(rows, collector.drain(), repeats=0)


def test_settings_do_not_leak_to_the_application_behind_the_same_pooler(outbox, pgbouncer, relay):
    """A SET without LOCAL would stay on a server session that the application gets next."""
    pooler = pgbouncer(outbox.database.server, pool_size=2)
    relay(outbox, **pooled(pooler)).wait_running()
    outbox.insert_many(500)
    outbox.wait_finished()
    found = set()
    for _ in range(20):
        connection = psycopg2.connect(host="127.0.0.1", port=pooler.port,
                                      dbname=outbox.database.name, user="relay")
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('synchronous_commit'), "
                           "current_setting('search_path'), current_setting('row_security'), "
                           "current_setting('statement_timeout')")
            found.add(cursor.fetchone())
        connection.close()
    assert found == {("on", '"$user", public', "on", "0")}


def test_doorbell_rings_over_a_direct_connection(outbox, pgbouncer, relay, collect):
    pooler = pgbouncer(outbox.database.server)
    process = relay(outbox, {"wake": "notify", "poll_interval": "20s"},
                    **pooled(pooler, listen_url=outbox.database.url("relay")))
    process.wait_running()
    wait_for(lambda: bell(outbox) == 2, 10, "the bell is armed")
    collect(outbox.topic).wait_ids([outbox.insert("a")], timeout=3)


def test_listen_through_the_pooler_is_noticed_and_polling_goes_on(outbox, pgbouncer, relay,
                                                                  collect):
    pooler = pgbouncer(outbox.database.server)
    process = relay(outbox, {"wake": "notify", "poll_interval": "200ms"}, **pooled(pooler))
    process.wait_running()
    collect(outbox.topic).wait_ids([outbox.insert("a")], timeout=5)
    wait_for(lambda: [line for line in process.log() if "listen" in line["msg"].lower()], 10,
             "the log says that LISTEN does not work here")


def test_unannounced_pooler_is_noticed(outbox, pgbouncer, relay):
    """pooler: none, but it is one: start-up compares backend pids and warns."""
    pooler = pgbouncer(outbox.database.server)
    process = relay(outbox, port=pooler.port)
    wait_for(lambda: [line for line in process.log() if "pooler" in str(line)], 15, "a warning")


def bell(outbox):
    return outbox.database.one("SELECT last_value FROM eventferry.bell_public_outbox")


@pytest.mark.parametrize("break_it", ["pooler", "database"])
def test_pooler_or_database_behind_it_restarts_under_load(own_postgres, topic, pgbouncer, relay,
                                                         collect, break_it):
    database = own_postgres()
    outbox = Outbox(database, topic)
    pooler = pgbouncer(database.server)
    process = relay(outbox, **pooled(pooler))
    process.wait_running()
    with Writers(lambda: database.connect("test", autocommit=False), topic,
                 pause_s=(0.0, 0.01)) as writers:
        wait_for(lambda: writers.count > 100, 20, "writers are at work")
        pooler.restart() if break_it == "pooler" else database.server.restart("immediate")
        before = writers.count
        wait_for(lambda: writers.count > before + 100, 20, "writers go on")
        rows = writers.stop()
    collector = collect(topic)
    collector.wait_ids([r.message_id for r in rows], timeout=30)
    outbox.wait_finished(timeout=30)
    assert_intact(rows, collector.drain(), writers.maybe)


def test_migrate_needs_no_session_either(bare_db, pgbouncer):
    pooler = pgbouncer(bare_db.server)
    migrate(bare_db, "--url", bare_db.url("owner", pooler.port))
    assert bare_db.one("SELECT count(*) FROM outbox") == 0
