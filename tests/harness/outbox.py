# SPDX-License-Identifier: MIT
"""The test's side of an outbox table: inserting as the application, looking as its owner."""

import json
import uuid

from .checker import Row
from .timing import wait_for

PENDING, PROCESSING, DONE, FAILED, DEAD = range(5)
APPLICATION = "app"  # the role that may only INSERT
RELAY = "relay"  # the role the daemon connects as
OWNER_ROLE = "owner"  # the role that runs migrations
NOTHING = object()
DEFAULT_PAYLOAD = '{"n": 1}'


def _json(payload):
    """None is SQL's NULL, a tombstone; everything else is JSON."""
    return None if payload is None else json.dumps(payload)


class Outbox:
    """One table of one database; topic is where its events go unless a call says otherwise."""

    def __init__(self, database, topic=None, table="public.outbox", name="orders"):
        self.database = database
        self.topic = topic
        self.table = table
        self.name = name
        self.archive = "eventferry.archive_" + table.replace(".", "_")

    def insert(self, aggregate="a-1", payload=NOTHING, session=None, **columns):
        """One event; as the application role in a transaction of its own unless given a session
        whose transaction the caller ends. Returns what must arrive."""
        values = {"message_id": str(uuid.uuid4()), "aggregate_type": "order",
                  "aggregate_id": aggregate, "topic": self.topic,
                  "payload": DEFAULT_PAYLOAD if payload is NOTHING else _json(payload), **columns}
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join(["%s"] * len(values))
        sql = f"INSERT INTO {self.table} ({names}) VALUES ({marks})"
        if session is not None:
            session.run(sql, list(values.values()))
        else:
            with self.database.session(APPLICATION) as application:
                application.run(sql, list(values.values()))
        return values["message_id"]

    def insert_many(self, count, aggregates=10, topic=None, padding=0, hot=None, start=0):
        """count events in one statement, spread over aggregates in turn (or all on one)."""
        aggregate = f"'{hot}'" if hot else f"'a-' || (n %% {aggregates})"
        with self.database.session(APPLICATION) as application:
            application.run(
                f"INSERT INTO {self.table} (aggregate_type, aggregate_id, topic, payload) "
                f"SELECT 'order', {aggregate}, %s, "
                "json_build_object('n', n, 'pad', repeat('x', %s))::jsonb "
                "FROM generate_series(%s, %s) n",
                (topic or self.topic, padding, start, start + count - 1))

    def expected(self, where="true"):
        """Rows that are in the table now, as the checker wants them."""
        found = self.database.run(
            f"SELECT message_id::text, id, aggregate_id, topic, payload::text, key "
            f"FROM {self.table} WHERE {where} ORDER BY id")
        return [Row(m, i, a, t, p.encode() if p is not None else None, k)
                for m, i, a, t, p, k in found]

    def rows(self, columns, where="true"):
        return self.database.run(f"SELECT {columns} FROM {self.table} WHERE {where} ORDER BY id")

    def row(self, message_id, columns="status, attempts"):
        """The row's columns as a tuple; None when it is no longer in the table."""
        found = self.database.run(f"SELECT {columns} FROM {self.table} WHERE message_id = %s",
                                  (message_id,))
        return found[0] if found else None

    def count(self, where="true"):
        return self.database.one(f"SELECT count(*) FROM {self.table} WHERE {where}")

    def unfinished(self):
        return self.count("status IN (0, 1, 3)")

    def archived(self, where="true"):
        return self.database.one(f"SELECT count(*) FROM {self.archive} WHERE {where}")

    def wait_finished(self, timeout=20):
        """Until no row of the table waits for anything any more."""
        wait_for(lambda: self.unfinished() == 0, timeout, f"{self.table} has no unfinished row")

    def wait_status(self, message_id, status, timeout=20):
        """Returns (status, attempts) once the row has this status."""
        return wait_for(lambda: (self.row(message_id) or (None,))[0] == status
                        and self.row(message_id), timeout, f"row in status {status}")

    def fingerprint(self):
        """Changes when anything about any row does: the system columns tell of every update."""
        return self.database.run(f"SELECT id, xmin::text, ctid::text, status, attempts, "
                                 f"next_retry_at FROM {self.table} ORDER BY id")
