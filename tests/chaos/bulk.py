# SPDX-License-Identifier: MIT
"""One transaction of the application with very many rows, very large ones, or a long life."""

import io
import time
import uuid

import psycopg2

from .application import commit, discard
from .ledger import ROLLED_BACK

AGGREGATES = 20
PIECE_ROWS = 20_000  # what is held in memory at a time
COLUMNS = "message_id, aggregate_type, aggregate_id, topic, payload, headers"


class Bulk:
    """Used with "with": commits at its end, or whatever the block raised ends it. Its aggregates
    (name-0, name-1, ...) are its own, so that it waits for nobody."""

    error = Exception  # of the database's client

    def __init__(self, connect, outbox, topics, ledger, name, chance):
        self.connect = connect
        self.outbox, self.topics, self.ledger = outbox, topics, ledger
        self.name, self.chance = name, chance
        self.message_ids = []
        self._connection = None
        self._began = time.monotonic()

    def __enter__(self):
        self._connection = self.connect()
        return self

    def load(self, count, size):
        """As a migration or an import would."""
        with self._connection.cursor() as cursor:
            for start in range(0, count, PIECE_ROWS):
                self._load(cursor, [self._row(number, size)
                                    for number in range(start, min(start + PIECE_ROWS, count))])
            self._remember(cursor)

    def insert(self, count, size):
        with self._connection.cursor() as cursor:
            for number in range(count):
                cursor.execute(f"INSERT INTO {self.outbox.table} ({COLUMNS}) "
                               "VALUES (%s, %s, %s, %s, %s, %s)", self._row(number, size))
            self._remember(cursor)

    def _row(self, number, size):
        message_id = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        self.message_ids.append(message_id)
        aggregate = number % AGGREGATES
        return (message_id, self.outbox.name, f"{self.name}-{aggregate}",
                self.topics[aggregate % len(self.topics)],
                f'{{"number": {number}, "text": "{"x" * size}"}}', f'{{"version": "{number}"}}')

    def _load(self, cursor, rows):
        raise NotImplementedError

    def _remember(self, cursor):
        """Writes down in chaos_history what was inserted."""
        raise NotImplementedError

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                commit(self._connection, self.ledger, self.message_ids, self.error)
            else:
                self.ledger.note(self.message_ids, ROLLED_BACK, self._began)
        except self.error:
            discard(self._connection)
            raise
        discard(self._connection)


class PgBulk(Bulk):
    error = psycopg2.Error

    def _load(self, cursor, rows):
        cursor.copy_expert(f"COPY {self.outbox.table} ({COLUMNS}) FROM STDIN",
                           io.StringIO("".join("\t".join(row) + "\n" for row in rows)))

    def _remember(self, cursor):
        cursor.execute(f"""INSERT INTO chaos_history
            SELECT message_id, aggregate_type, id, aggregate_id, (headers->>'version')::bigint,
                topic, md5(payload::text), false
            FROM {self.outbox.table} WHERE aggregate_id LIKE %s""", (self.name + "-%",))
