# SPDX-License-Identifier: MIT
"""eventferryctl migrate with layout: debezium: what a table made for Debezium's Outbox Event Router
is given, that it is neither rewritten nor held up, and what becomes of the rows in it."""

import subprocess
import uuid

import pytest

from harness.daemon import Daemon, ctl
from harness.migration import fingerprint, lines
from harness.outbox import APPLICATION, OWNER_ROLE, RELAY
from harness.setup import empty_database, relay_config, retire
from harness.timing import wait_for

GRANTS = ("--grant-to", RELAY, "--app-role", APPLICATION)
TABLE = """CREATE TABLE public.outbox (
    id uuid NOT NULL PRIMARY KEY, aggregatetype varchar(255) NOT NULL,
    aggregateid varchar(255) NOT NULL, type varchar(255) NOT NULL, payload jsonb)"""
ADDED = ["status", "attempts", "next_retry_at", "last_error", "created_at", "seq"]


@pytest.fixture(params=["system", "18"])
def bare(request):
    database = empty_database(request.getfixturevalue(
        "system_postgres" if request.param == "system" else "postgres18"))
    yield database
    retire(database)


def debezium(database, *arguments, expect=0, user=OWNER_ROLE, **settings):
    config = Daemon({
        "kafka": {"brokers": ["127.0.0.1:1"]},
        "databases": {"db": {"driver": "postgres", "url": database.url(user)}},
        "outboxes": [{"name": "orders", "database": "db", "table": "public.outbox",
                      "layout": "debezium", **settings}]})
    try:
        return ctl("--config", config.config_path, "migrate", *arguments, expect=expect)
    finally:
        config.discard()


def make(database, rows=0):
    with database.session(OWNER_ROLE) as owner:
        owner.run(TABLE)
        owner.run("INSERT INTO outbox SELECT gen_random_uuid(), 'order', 'a-' || n % 3, 'T', "
                  f"json_build_object('n', n) FROM generate_series(1, {rows}) n")
        owner.run(f"GRANT INSERT ON outbox TO {APPLICATION}")


def insert(database, n, aggregate="a-1"):
    """As the application does that knows nothing of the relay."""
    with database.session(APPLICATION) as application:
        application.run("INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) VALUES "
                        "(%s, 'order', %s, 'T', json_build_object('n', %s::int))",
                        (str(uuid.uuid4()), aggregate, n))


def columns(database):
    return [name for (name,) in database.run(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'public.outbox'::regclass "
        "AND attnum > 0 AND NOT attisdropped ORDER BY attnum")]


def file_of(database):
    return database.one("SELECT pg_relation_filenode('public.outbox')")


def test_table_with_rows_is_not_rewritten_and_they_count_as_sent(bare):
    make(bare, rows=5000)
    before, places = file_of(bare), bare.run("SELECT ctid::text FROM outbox ORDER BY id")
    done = debezium(bare, *GRANTS)
    assert "count as sent" in done.stdout
    assert columns(bare)[5:] == ADDED
    assert file_of(bare) == before
    assert bare.run("SELECT ctid::text FROM outbox ORDER BY id") == places, "no row was touched"
    assert bare.run("SELECT DISTINCT status, seq, attempts FROM outbox") == [(2, 0, 0)]
    insert(bare, 1)
    insert(bare, 2)
    fresh = bare.run("SELECT seq, status, created_at > now() - interval '1 minute' FROM outbox "
                     "WHERE seq <> 0 ORDER BY seq")
    assert [(status, recent) for _, status, recent in fresh] == [(0, True)] * 2
    assert fresh[0][0] > 5000 and fresh[1][0] == fresh[0][0] + 1, "room for the rows before them"
    state = fingerprint(bare)
    again = debezium(bare, *GRANTS)
    assert "count as sent" not in again.stdout and set(lines(again).values()) == {"exists"}
    assert fingerprint(bare) == state


def test_application_needs_no_further_right(bare):
    """It has INSERT on the table and nothing else: an added default must not ask for more."""
    make(bare)
    debezium(bare, "--grant-to", RELAY)
    insert(bare, 1)
    assert bare.run("SELECT seq, status FROM outbox") == [(1, 0)]


def test_existing_rows_can_be_sent(bare):
    """In the order of their place in the table, before all new ones; also when it is wanted only
    later, and in several batches."""
    make(bare, rows=23000)
    debezium(bare, *GRANTS)
    insert(bare, 23001)
    done = debezium(bare, *GRANTS, "--existing", "pending")
    assert [word for what, word in lines(done).items() if "numbers" in what] == ["given"]
    assert bare.run("SELECT DISTINCT status FROM outbox") == [(0,)]
    order = [n for (n,) in bare.run("SELECT (payload->>'n')::int FROM outbox ORDER BY seq")]
    assert order == list(range(1, 23002))
    assert bare.one("SELECT count(DISTINCT seq) FROM outbox") == 23001
    assert set(lines(debezium(bare, *GRANTS, "--existing", "pending")).values()) == {"exists"}


@pytest.mark.parametrize("existing, expected", [("sent", [4, 5]), ("pending", [1, 2, 3, 4, 5])])
def test_relaying_begins_where_it_was_told(bare_db, kafka, collect, daemon, existing, expected):
    make(bare_db, rows=3)
    debezium(bare_db, *GRANTS, "--existing", existing, on_delivered="mark")
    kind = "t" + uuid.uuid4().hex[:8]
    bare_db.run("UPDATE outbox SET aggregatetype = %s, aggregateid = 'a-1'", (kind,))
    for n in (4, 5):
        with bare_db.session(APPLICATION) as application:
            application.run("INSERT INTO outbox VALUES (gen_random_uuid(), %s, 'a-1', 'T', "
                            "json_build_object('n', %s::int))", (kind, n))
    topic = kafka.create_topic("outbox.event." + kind)
    daemon(relay_config(bare_db, kafka, {"layout": "debezium", "on_delivered": "mark"})).start()
    messages = collect(topic).wait(len(expected))
    assert [m.value.decode() for m in messages] == ['{"n": %d}' % n for n in expected]
    wait_for(lambda: bare_db.one("SELECT count(*) FROM outbox WHERE status = 2") == 5, 10, "marked")
    assert bare_db.one("SELECT count(*) FROM outbox WHERE seq = 0") == 5 - len(expected)
    assert len(collect(topic).drain()) == len(expected)


def test_writers_wait_for_no_longer_than_a_lock_is_waited_for(bare):
    """A transaction that has written holds the migration up; nothing is changed then."""
    make(bare, rows=10)
    with bare.connect(APPLICATION, autocommit=False) as busy:
        busy.cursor().execute("INSERT INTO outbox VALUES (gen_random_uuid(), 'a', 'b', 'c', '1')")
        done = debezium(bare, "--wait", "1s", expect=1)
    assert "nothing was changed" in done.stderr and len(columns(bare)) == 5


def test_table_can_be_made(bare):
    debezium(bare, *GRANTS)
    assert columns(bare) == ["id", "aggregatetype", "aggregateid", "type", "payload", "seq",
                             *ADDED[:5]]
    insert(bare, 1)
    assert bare.run("SELECT seq, status FROM outbox") == [(1, 0)]
    assert set(lines(debezium(bare, *GRANTS)).values()) == {"exists"}


def test_mapped_names_are_added(bare):
    make(bare, rows=1)
    with bare.session(OWNER_ROLE) as owner:
        owner.run("ALTER TABLE outbox ADD COLUMN status text, ADD COLUMN at timestamptz")
    done = debezium(bare, expect=1)
    assert "map another name to status" in done.stderr and columns(bare)[5:] == ["status", "at"]
    debezium(bare, columns={"status": "relay_status", "created_at": "at", "id": "nr"})
    assert columns(bare)[5:] == ["status", "at", "relay_status", "attempts", "next_retry_at",
                                 "last_error", "nr"]


@pytest.mark.parametrize("change, settings, reason", [
    ("DROP COLUMN payload", {}, "it has no column 'payload'"),
    ("DROP COLUMN type", {"columns": {"key": "customer"}}, "it has no column 'customer'")])
def test_what_no_migration_can_add(bare, change, settings, reason):
    make(bare)
    with bare.session(OWNER_ROLE) as owner:
        owner.run(f"ALTER TABLE outbox {change}")
    assert reason in debezium(bare, expect=1, **settings).stderr


def test_partitioned_table_is_refused(bare):
    with bare.session(OWNER_ROLE) as owner:
        owner.run(TABLE.replace("PRIMARY KEY", "") + " PARTITION BY LIST (type)")
    assert "partitioned" in debezium(bare, expect=1).stderr


def test_printed_sql_does_the_same(bare, tmp_path):
    make(bare, rows=3)
    script = tmp_path / "migrate.sql"
    done = debezium(bare, *GRANTS, "--existing", "pending", "--print", "--url",
                    bare.url(OWNER_ROLE))
    script.write_text(done.stdout)
    subprocess.run(["psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", "-f", script,
                    bare.url(OWNER_ROLE)], check=True, capture_output=True)
    assert bare.run("SELECT status, seq FROM outbox ORDER BY seq") == [(0, 1), (0, 2), (0, 3)]
    assert set(lines(debezium(bare, *GRANTS)).values()) == {"exists"}


def test_relay_says_what_to_run_on_a_table_that_was_not_migrated(bare_db, kafka, daemon):
    make(bare_db)
    process = daemon(relay_config(bare_db, kafka, {"layout": "debezium"})).start()
    reason = process.wait_state("misconfigured")["reason"]
    assert "eventferryctl migrate" in reason
