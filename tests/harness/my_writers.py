# SPDX-License-Identifier: MIT
"""The application of writers.py on MariaDB and MySQL: writers of one aggregate take turns by
GET_LOCK, and what InnoDB made them wait for or give up is counted."""

import time

import pymysql

from .writers import Writers

DEADLOCK, LOCK_WAIT_TIMEOUT = 1213, 1205
GONE = (0, 1053, 1927, 2003, 2006, 2013, 4031)  # the session or the server


class MyWriters(Writers):
    """connect() must give a new PyMySQL connection with autocommit off, of an account that may
    read what it wrote."""

    insert_sql = ("INSERT INTO {table} (message_id, aggregate_type, aggregate_id, topic, payload, "
                  "headers) VALUES (%s, 'order', %s, %s, %s, '{{}}')")
    lost_session = (pymysql.err.OperationalError, pymysql.err.InterfaceError)
    failure = pymysql.err.Error

    def __init__(self, connect, topics, table="outbox", **more):
        super().__init__(connect, topics, table, **more)
        self.select = f"SELECT id, payload FROM {table} WHERE message_id = %s"
        self.refused = []  # error numbers that ended a transaction
        self.insert_s = []  # how long each INSERT took

    def _goes_on_after(self, error):
        with self._lock:
            self.refused.append(error.args[0])
        return error.args[0] in (DEADLOCK, LOCK_WAIT_TIMEOUT, *GONE)

    @staticmethod
    def _closed(connection):
        return not connection.open

    @staticmethod
    def _discard(connection):
        if connection is not None and connection.open:
            connection.close()

    @staticmethod
    def _take_turn(cursor, aggregate):
        """The names of locks are the whole server's."""
        cursor.execute("SELECT GET_LOCK(CONCAT(DATABASE(), '/', %s), 30)", (aggregate,))
        assert cursor.fetchone()[0] == 1, f"no turn on {aggregate} within 30 s"

    @staticmethod
    def _end_turns(connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT RELEASE_ALL_LOCKS()")

    def _insert_row(self, cursor, message_id, *values):
        began = time.monotonic()
        cursor.execute(self.insert, (message_id, *values))
        took = time.monotonic() - began
        with self._lock:
            self.insert_s.append(took)
        cursor.execute(self.select, (message_id,))
        return cursor.fetchone()
