# SPDX-License-Identifier: MIT
"""Tables of other shapes on MariaDB and MySQL: every column is named by a reserved word, and the order
comes from another column than the primary key."""

import json

import pytest

from harness.mysql import quote
from harness.outbox import APPLICATION, DEAD, DONE, FAILED, OWNER_ROLE, PENDING, PROCESSING
from harness.setup import migrate, relay_config
from harness.timing import wait_for

TABLE = """CREATE TABLE `table` (
    `primary` CHAR(36) PRIMARY KEY DEFAULT (UUID()),
    `order` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE,
    `group` VARCHAR(200) NOT NULL, `desc` VARCHAR(200) NOT NULL DEFAULT 'sale',
    `select` VARCHAR(200) NOT NULL, `key` VARCHAR(200), `from` JSON, `where` TEXT,
    `trigger` VARCHAR(64), `partition` INT,
    `condition` INT NOT NULL DEFAULT 0, `read` INT NOT NULL DEFAULT 0,
    `limit` DATETIME(3), `when` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    `lock` DATETIME(3), `update` DATETIME(3), `match` TEXT)"""
COLUMNS = {"message_id": "primary", "aggregate_id": "group", "aggregate_type": "desc",
           "topic": "select", "key": "key", "payload": "from", "headers": "where",
           "trace_id": "trigger", "kafka_partition": "partition", "status": "condition",
           "attempts": "read", "next_retry_at": "limit", "created_at": "when",
           "claimed_at": "lock", "processed_at": "update", "last_error": "match"}
AGGREGATES, ROWS = 5, 200


class Reserved:
    """The table and the relay on it."""

    def __init__(self, database, topic, way, dead_topic):
        self.database, self.topic = database, topic
        self.name = f"{database.name}.table"
        self.settings = {"layout": "custom", "columns": COLUMNS, "order_column": "order",
                         "on_delivered": way, "dead_letter": {"topic": dead_topic}}

    def migrate(self, *arguments):
        return migrate(self.database, *arguments, table=self.name, **self.settings)

    def insert(self, *groups, **columns):
        """One transaction; their order numbers."""
        with self.database.session(APPLICATION, autocommit=False) as session:
            for number, group in enumerate(groups):
                values = {"group": group, "select": self.topic, "key": "k-" + group,
                          "from": json.dumps({"n": number}), "where": '{"h": "x"}', **columns}
                session.run(f"INSERT INTO `table` ({', '.join(map(quote, values))}) VALUES "
                            f"({', '.join(['%s'] * len(values))})", list(values.values()))
            session.connection.commit()

    def states(self):
        """{status: rows}, of what is in the table."""
        return dict(self.database.run("SELECT `condition`, COUNT(*) FROM `table` GROUP BY 1"))

    def wait_states(self, **wanted):
        wait_for(lambda: self.states() == wanted["states"], 20, f"rows by status {wanted}")


@pytest.fixture(params=["archive", "mark", "delete"])
def reserved(request, bare_my_db, topic, kafka):
    with bare_my_db.session(OWNER_ROLE) as owner:
        owner.run(TABLE)
    made = Reserved(bare_my_db, topic, request.param, kafka.create_topic())
    made.migrate()
    return made


@pytest.fixture
def running(reserved, kafka, daemon):
    settings = {"table": reserved.name, **reserved.settings}
    process = daemon(relay_config(reserved.database, kafka, settings)).start()
    process.wait_running()
    return process


def test_migration_makes_what_the_table_lacks_once(reserved):
    """The owner cannot see which rights were granted, so GRANTs are there again."""
    indexed = {names for (names,) in reserved.database.run(
        "SELECT GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX) FROM information_schema.STATISTICS "
        "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = 'table' GROUP BY INDEX_NAME",
        (reserved.database.name,))}
    assert "condition,order" in indexed
    again = reserved.migrate("--print", "--url", reserved.database.url()).stdout
    words = {line.split()[0] for line in again.splitlines() if line}
    assert "GRANT" in words and not words & {"ALTER", "CREATE", "INSERT", "CALL"}


def test_rows_go_in_the_order_of_their_column_and_are_settled(reserved, running, collect):
    way = reserved.settings["on_delivered"]
    reserved.insert(*(f"g-{n % AGGREGATES}" for n in range(ROWS)))
    messages = collect(reserved.topic).wait(ROWS)
    for place in range(AGGREGATES):
        mine = [m for m in messages if m.header("aggregate-id") == f"g-{place}"]
        assert [json.loads(m.value)["n"] for m in mine] == list(range(place, ROWS, AGGREGATES))
        assert {m.key for m in mine} == {b"k-g-%d" % place}
    assert messages[0].header("aggregate-type") == "sale" and messages[0].header("h") == "x"
    assert len({m.message_id for m in messages}) == ROWS
    reserved.wait_states(states={DONE: ROWS} if way == "mark" else {})
    if way == "mark":
        assert reserved.database.one("SELECT COUNT(*) FROM `table` WHERE `update` IS NULL") == 0
    if way == "archive":
        kept = reserved.database.run(
            "SELECT `order`, `group`, `primary` FROM table_archive ORDER BY `order`")
        assert [row[1] for row in kept] == [f"g-{n % AGGREGATES}" for n in range(ROWS)]
        assert {row[2] for row in kept} == {m.message_id for m in messages}


def test_rows_that_wait_were_claimed_or_cannot_go(reserved, running, collect, kafka):
    """next_retry_at, claimed_at, attempts and last_error have other names, too."""
    reserved.insert("waits", condition=FAILED, read=2, limit="2100-01-01")
    reserved.insert("waits")
    reserved.insert("claimed", condition=PROCESSING, lock="2001-01-01")
    reserved.insert("due", condition=FAILED, read=1, limit="2001-01-01")
    reserved.insert("bad", where="no object")
    letter = collect(reserved.settings["dead_letter"]["topic"]).wait(1)[0]
    assert letter.key == b"k-bad"
    gone = collect(reserved.topic).wait(2)
    assert {m.header("aggregate-id") for m in gone} == {"claimed", "due"}
    done = {DONE: 2} if reserved.settings["on_delivered"] == "mark" else {}
    reserved.wait_states(states={PENDING: 1, FAILED: 1, DEAD: 1, **done})
    said, attempts = reserved.database.run(
        f"SELECT `match`, `read` FROM `table` WHERE `condition` = {DEAD}")[0]
    assert "headers" in said and attempts == 1


def test_operators_acts(reserved, running, collect):
    reserved.insert("bad", where="no object")
    (number,) = wait_for(lambda: reserved.database.run(
        f"SELECT `order` FROM `table` WHERE `condition` = {DEAD}"), 20, "it is dead")[0]
    listed = json.loads(running.ctl("dead", "list", "--json").stdout)
    assert [(row["id"], row["aggregate_id"]) for row in listed] == [(number, "bad")]
    assert "headers" in running.ctl("explain", number).stdout
    reserved.database.run("UPDATE `table` SET `where` = '{}'")
    running.ctl("dead", "retry", number)
    assert collect(reserved.topic).wait(1)[0].key == b"k-bad"
    wait_for(lambda: reserved.states().get(DEAD) is None, 20, "it has left")
