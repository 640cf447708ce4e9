# SPDX-License-Identifier: MIT
"""eventferryctl migrate with layout: debezium on MariaDB and MySQL, where numbering the rows of a
table holds its writers up: only small tables are, of others it says what to do."""

import re
import uuid

import pytest

from harness.daemon import Daemon, ctl
from harness.migration import lines
from harness.outbox import APPLICATION, OWNER_ROLE, RELAY
from harness.setup import relay_config
from harness.timing import wait_for

GRANTS = ("--grant-to", RELAY, "--app-role", APPLICATION)
TABLE = """CREATE TABLE outbox (
    id CHAR(36) NOT NULL PRIMARY KEY, aggregatetype VARCHAR(255) NOT NULL,
    aggregateid VARCHAR(255) NOT NULL, type VARCHAR(255) NOT NULL, payload JSON)"""
ADDED = ["attempts", "next_retry_at", "last_error", "created_at", "status", "seq"]


@pytest.fixture
def bare(bare_my_db):
    return bare_my_db


def debezium(database, *arguments, expect=0, **settings):
    config = Daemon({
        "kafka": {"brokers": ["127.0.0.1:1"]},
        "databases": {"db": {"driver": "mysql", "url": database.url(OWNER_ROLE)}},
        "outboxes": [{"name": "orders", "database": "db", "table": database.table,
                      "layout": "debezium", **settings}]})
    try:
        return ctl("--config", config.config_path, "migrate", *arguments, expect=expect)
    finally:
        config.discard()


def make(database, rows=0):
    with database.session(OWNER_ROLE) as owner:
        owner.run(TABLE)
        if rows:
            owner.run("INSERT INTO outbox VALUES (UUID(), 'order', 'a-1', 'T', '{}')")
        have = 1
        while have < rows:
            have += owner.run("INSERT INTO outbox SELECT UUID(), aggregatetype, aggregateid, type, "
                              f"payload FROM outbox LIMIT {rows - have}")


def insert(database, kind="order"):
    """As the application does that knows nothing of the relay."""
    name = str(uuid.uuid4())
    with database.session(APPLICATION) as application:
        application.run("INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) VALUES "
                        "(%s, %s, 'a-1', 'T', '{}')", (name, kind))
    return name


def columns(database):
    return [name for (name,) in database.run(
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND "
        "TABLE_NAME = 'outbox' ORDER BY ORDINAL_POSITION", (database.name,))]


def test_rows_that_are_there_count_as_sent(bare, kafka, collect, daemon):
    make(bare, rows=100)
    done = debezium(bare, *GRANTS, on_delivered="mark")
    assert "count as sent" in done.stdout and columns(bare)[5:] == ADDED
    assert bare.run("SELECT DISTINCT status FROM outbox") == ((2,),)
    kind = "t" + uuid.uuid4().hex[:8]
    names = [insert(bare, kind) for _ in range(3)]
    assert "created" not in lines(debezium(bare, *GRANTS, on_delivered="mark")).values()
    topic = kafka.create_topic("outbox.event." + kind)
    daemon(relay_config(bare, kafka, {"layout": "debezium", "on_delivered": "mark"})).start()
    assert [m.header("id") for m in collect(topic).wait(3)] == names
    wait_for(lambda: bare.one("SELECT COUNT(*) FROM outbox WHERE status = 2") == 103, 10, "marked")


def test_rows_that_are_there_can_be_sent(bare):
    make(bare, rows=5)
    done = debezium(bare, *GRANTS, "--existing", "pending", expect=2)
    assert "order of its primary key" in done.stdout
    insert(bare)
    rows = bare.run("SELECT status FROM outbox ORDER BY seq")
    assert rows == ((0,),) * 6
    again = debezium(bare, *GRANTS, "--existing", "pending", expect=2)
    assert "changed nothing" in again.stdout


def test_large_table_is_refused_with_the_way_out(bare):
    make(bare, rows=10001)
    done = debezium(bare, *GRANTS, expect=1)
    assert "more than 10000 rows" in done.stderr and columns(bare)[5:] == []
    way = re.search(r"CREATE TABLE .*?; RENAME TABLE .*?;", done.stderr).group()
    with bare.session(OWNER_ROLE) as owner:
        owner.run(way)
    debezium(bare, *GRANTS)
    insert(bare)
    assert bare.run("SELECT status, seq FROM outbox") == ((0, 1),)
    assert bare.one("SELECT COUNT(*) FROM outbox_before") == 10001


def test_interrupted_migration_goes_on(bare):
    """Between the two statements that give the rows there and new ones different defaults."""
    make(bare, rows=2)
    with bare.session(OWNER_ROLE) as owner:
        owner.run("ALTER TABLE outbox ADD COLUMN attempts INT NOT NULL DEFAULT 0, "
                  "ADD COLUMN next_retry_at DATETIME(3), "
                  "ADD COLUMN status TINYINT NOT NULL DEFAULT 2")
    done = lines(debezium(bare, *GRANTS))
    assert done[f"default of status of {bare.table}"] == "set"
    insert(bare)
    assert bare.run("SELECT status FROM outbox ORDER BY seq") == ((2,), (2,), (0,))


def test_status_of_the_application_is_left_alone(bare):
    make(bare)
    with bare.session(OWNER_ROLE) as owner:
        owner.run("ALTER TABLE outbox ADD COLUMN status VARCHAR(9)")
    assert "map another name to status" in debezium(bare, expect=1).stderr


def test_table_can_be_made(bare):
    debezium(bare, *GRANTS)
    insert(bare)
    assert bare.run("SELECT seq, status FROM outbox") == ((1, 0),)
    assert "created" not in lines(debezium(bare, *GRANTS)).values()


def test_relay_says_what_to_run_on_a_table_that_was_not_migrated(bare, kafka, daemon):
    make(bare)
    bare.run(f"GRANT SELECT ON outbox TO {RELAY}")
    process = daemon(relay_config(bare, kafka, {"layout": "debezium"})).start()
    assert "eventferryctl migrate" in process.wait_state("misconfigured")["reason"]
