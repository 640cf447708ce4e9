# SPDX-License-Identifier: MIT
"""The test's side of an outbox table of MariaDB or MySQL."""

import uuid

from .checker import Row
from .outbox import APPLICATION, DEFAULT_PAYLOAD, NOTHING, Outbox, _json


class MyOutbox(Outbox):
    """Applications write in the server's time zone: created_at is a DATETIME of that zone."""

    def __init__(self, database, topic=None, table=None, name="orders"):
        super().__init__(database, topic, table or database.table, name)
        self.archive = self.table + "_archive"

    def application(self, autocommit=True):
        session = self.database.session(APPLICATION, autocommit=autocommit)
        session.run("SET time_zone = @@GLOBAL.time_zone")
        return session

    def insert(self, aggregate="a-1", payload=NOTHING, session=None, text=None, **columns):
        """text: the payload as it is written, which need not be JSON."""
        values = {"message_id": str(uuid.uuid4()), "aggregate_type": "order",
                  "aggregate_id": aggregate, "topic": self.topic, "headers": "{}",
                  "payload": DEFAULT_PAYLOAD if payload is NOTHING else _json(payload), **columns}
        if text is not None:
            values["payload"] = text
        names = ", ".join(f'"{name}"' for name in values)
        sql = f"INSERT INTO {self.table} ({names}) VALUES ({', '.join(['%s'] * len(values))})"
        if session is not None:
            session.run(sql, list(values.values()))
        else:
            with self.application() as application:
                application.run(sql, list(values.values()))
        return values["message_id"]

    def insert_many(self, count, aggregates=10, topic=None, padding=0, hot=None, start=0):
        with self.application() as application, application.connection.cursor() as cursor:
            cursor.executemany(
                f'INSERT INTO {self.table} (message_id, aggregate_type, aggregate_id, topic, '
                "payload, headers) VALUES (%s, 'order', %s, %s, %s, '{}')",
                [(str(uuid.uuid4()), hot or f"a-{n % aggregates}", topic or self.topic,
                  f'{{"n": {n}, "pad": "{"x" * padding}"}}') for n in range(start, start + count)])

    def expected(self, where="true"):
        found = self.database.run(
            f'SELECT message_id, id, aggregate_id, topic, payload, "key" '
            f"FROM {self.table} WHERE {where} ORDER BY id")
        return [Row(m, i, a, t, p.encode() if p is not None else None, k)
                for m, i, a, t, p, k in found]
