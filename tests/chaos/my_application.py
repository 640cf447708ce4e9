# SPDX-License-Identifier: MIT
"""The application on MariaDB. Its sessions take turns between REPEATABLE READ, InnoDB's own level, and
READ COMMITTED; it meets deadlocks and lock timeouts, and does its transaction again as another."""

import itertools
import os
import tempfile

import pymysql

from .application import Application
from .bulk import COLUMNS, Bulk

LEVELS = ("REPEATABLE READ", "READ COMMITTED")
GONE = (0, 1053, 1927, 2002, 2003, 2006, 2013, 4031)  # the session or the server
# Interrupted, deadlock, lock wait timeout, no such table just now, a definition that changed under
# an open snapshot.
MET = (1317, 1213, 1205, 1146, 1412)

RAISE = """INSERT INTO chaos_aggregate VALUES (%s, %s)
    ON DUPLICATE KEY UPDATE version = version + VALUES(version)"""
INSERT = """INSERT INTO {table} (message_id, aggregate_type, aggregate_id, topic, payload, headers,
    kafka_partition) VALUES (%s, %s, %s, %s, %s, %s, %s)"""


class MyApplication(Application):
    error = pymysql.err.Error

    def __init__(self, connect, *arguments, **more):
        levels = itertools.cycle(LEVELS)

        def at_next_level():
            connection = connect()
            with connection.cursor() as cursor:
                cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {next(levels)}")
            return connection

        super().__init__(at_next_level, *arguments, **more)

    def _reserve(self, cursor, aggregate, count):
        cursor.execute(RAISE, (aggregate, count))
        cursor.execute("SELECT version FROM chaos_aggregate WHERE name = %s", (aggregate,))
        return cursor.fetchone()[0]

    def _insert(self, cursor, table, event, version, poison):
        message_id, name, aggregate, topic, *_ = event
        cursor.execute(INSERT.format(table=table), event)
        number = cursor.lastrowid
        cursor.execute(f"SELECT MD5(payload) FROM {table} WHERE id = %s", (number,))
        cursor.execute("INSERT INTO chaos_history VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                       (message_id, name, number, aggregate, version, topic, cursor.fetchone()[0],
                        poison))

    def _excusable(self, error):
        return error.args[0] in (*GONE, *MET)


class MyBulk(Bulk):
    """At READ COMMITTED, where INSERT ... SELECT locks nothing of what it reads: what is copied into
    the history is only what this transaction inserted."""

    error = pymysql.err.Error

    def __enter__(self):
        super().__enter__()
        with self._connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        return self

    def _load(self, cursor, rows):
        """The server reads the file: it runs under the test's own account."""
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".load") as out:
            out.write("".join("\t".join(row) + "\n" for row in rows))
            out.flush()
            os.chmod(out.name, 0o644)
            cursor.execute(f"LOAD DATA INFILE %s INTO TABLE {self.outbox.table} "
                           f"CHARACTER SET utf8mb4 FIELDS ESCAPED BY '' ({COLUMNS})", (out.name,))

    def _remember(self, cursor):
        cursor.execute(f"""INSERT INTO chaos_history
            SELECT message_id, aggregate_type, id, aggregate_id, JSON_VALUE(headers, '$.version'),
                topic, MD5(payload), FALSE
            FROM {self.outbox.table} WHERE aggregate_id LIKE %s""", (self.name + "-%",))
