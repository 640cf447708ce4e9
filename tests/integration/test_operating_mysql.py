# SPDX-License-Identifier: MIT
"""An operator's day on MariaDB and MySQL: the same acts as on PostgreSQL (test_operating.py)."""

import json

from harness.outbox import DEAD, FAILED, RELAY
from harness.timing import wait_for

BAD = "no such topic!"  # no name of Kafka's: the row is parked


class Table:
    def __init__(self, database, outbox):
        self.database = database
        self.outbox = outbox

    def run(self, sql, *values):
        with self.database.session() as session:
            return session.run(sql.format(t=self.outbox.table), list(values))

    def status(self, row):
        found = self.run("SELECT status FROM {t} WHERE id = %s", row)
        return found[0][0] if found else None

    def row(self, message):
        return self.run("SELECT id FROM {t} WHERE message_id = %s", message)[0][0]

    def dead(self, aggregate, **columns):
        row = self.row(self.outbox.insert(aggregate, topic=BAD, **columns))
        wait_for(lambda: self.status(row) == DEAD, 20, f"row {row} is dead")
        return row


def test_an_operators_day(my_db, my_outbox, relay, collect, topic):
    table = Table(my_db, my_outbox)
    daemon = relay(my_outbox)
    daemon.wait_running()
    rows = [table.dead(f"a-{n}", payload={"n": n}) for n in range(4)]
    listed = json.loads(daemon.ctl("dead", "list", "--class", "record", "--json").stdout)
    assert [row["id"] for row in listed] == rows
    assert [row["aggregate_id"] for row in listed] == ["a-0", "a-1", "a-2", "a-3"]
    assert '{"n": 1}' in daemon.ctl("dead", "show", rows[1]).stdout
    assert "message" in daemon.ctl("explain", rows[1]).stdout

    daemon.ctl("dead", "skip", rows[0], "--reason", "not wanted")
    assert table.status(rows[0]) is None
    table.run(f"GRANT UPDATE ON {{t}} TO '{RELAY}'@'%%'")
    daemon.ctl("dead", "edit", rows[1], "--set-topic", topic, "--retry")
    sent = collect(topic).wait(1)[0]
    assert json.loads(sent.value) == {"n": 1}

    daemon.ctl("pause", "orders", "--topic", topic, "--reason", "consumers upgrade")
    held = table.row(my_outbox.insert("a-9"))
    wait_for(lambda: table.status(held) == FAILED, 20, "it waits")
    assert "consumers upgrade" in daemon.ctl("explain", held).stdout
    daemon.ctl("resume", "orders", "--topic", topic)
    wait_for(lambda: table.status(held) is None, 20, "it has gone")
    said = daemon.ctl("explain", held).stdout
    assert f"row {held}: archived" in said and "it was delivered, or skipped by an operator, at 20" in said

    daemon.stop()
    done = daemon.ctl("dead", "skip", rows[2])
    assert "no daemon runs here" in done.stderr and table.status(rows[2]) is None
    said = daemon.ctl("purge", "--dead", "--older-than", "1ms", "--yes").stdout
    assert "1 row removed" in said and table.status(rows[3]) is None
    verbs = [verb for (verb,) in table.run("SELECT verb FROM eventferry_audit ORDER BY at, row_id")]
    assert verbs[:3] == ["skip", "edit", "retry"] and verbs.count("skip") == 2
