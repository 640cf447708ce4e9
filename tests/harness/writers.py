# SPDX-License-Identifier: MIT
"""An application: threads that insert events inside business transactions of mixed length, some of
which roll back. Writers of one aggregate take turns by an advisory lock before they insert, as
the relay's order guarantee asks."""

import json
import random
import threading
import time
import uuid

import psycopg2

from .checker import Row

INSERT = """INSERT INTO {table} (message_id, aggregate_type, aggregate_id, topic, payload)
    VALUES (%s, 'order', %s, %s, %s) RETURNING id, payload::text"""


class Writers:
    """On PostgreSQL; my_writers.py has MariaDB and MySQL. connect() must give a new psycopg2
    connection with autocommit off. The same seed gives the same choices per thread; the
    interleaving is the machine's."""

    insert_sql = INSERT
    lost_session = (psycopg2.OperationalError, psycopg2.InterfaceError)
    failure = psycopg2.Error

    def __init__(self, connect, topics, table="public.outbox", threads=4, aggregates=40,
                 rollback=0.1, rows=(1, 5), hold_s=(0.0, 0.02), pause_s=(0.0, 0.005), seed=1,
                 transactions=None, padding=40):
        self.connect = connect
        self.topics = [topics] if isinstance(topics, str) else list(topics)
        self.insert = self.insert_sql.format(table=table)
        self.aggregates = aggregates
        self.rollback = rollback
        self.rows, self.hold_s, self.pause_s = rows, hold_s, pause_s
        self.transactions = transactions
        self.padding = padding
        self.committed = []
        self.maybe = []  # the COMMIT got no answer
        self.rolled_back = 0
        self.errors = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n, random.Random(f"{seed}/{n}")),
                                          name=f"writer-{n}", daemon=True)
                         for n in range(threads)]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        self._stop.set()
        return self.join()

    def join(self):
        for thread in self._threads:
            thread.join()
        assert not self.errors, self.errors
        return self.committed

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *rest):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def count(self):
        return len(self.committed)

    def _run(self, number, chance):
        connection = None
        done = 0
        while not self._stop.is_set() and done != self.transactions:
            try:
                if connection is None or self._closed(connection):
                    connection = self.connect()
                self._transaction(connection, number, done, chance)
                done += 1
            except self.lost_session as error:
                if not self._goes_on_after(error):
                    self.errors.append(repr(error))
                    break
                # the server was restarted below us: what was open is gone, a new session goes on
                connection = self._discard(connection)
                self._stop.wait(0.05)
            except Exception as error:  # the test's failure, told by join()
                self.errors.append(repr(error))
                break
        self._discard(connection)

    def _goes_on_after(self, error):
        """False where the error is the test's mistake and would only come again."""
        return True

    @staticmethod
    def _closed(connection):
        return connection.closed

    @staticmethod
    def _discard(connection):
        if connection is not None:
            connection.close()

    def _transaction(self, connection, number, serial, chance):
        wanted = [f"a{chance.randrange(self.aggregates)}"
                  for _ in range(chance.randint(*self.rows))]
        give_up = chance.random() < self.rollback
        with connection.cursor() as cursor:
            for name in sorted(set(wanted)):  # one order for all, so that none deadlock
                self._take_turn(cursor, name)
            rows = [self._insert(cursor, aggregate, number, serial, chance)
                    for aggregate in wanted]
        self._stop.wait(chance.uniform(*self.hold_s))
        if give_up:
            connection.rollback()
            with self._lock:
                self.rolled_back += len(rows)
        else:
            self._commit(connection, rows)
        self._end_turns(connection)
        self._stop.wait(chance.uniform(*self.pause_s))

    @staticmethod
    def _take_turn(cursor, aggregate):
        """Until the transaction ends nobody else inserts events of this aggregate."""
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (aggregate,))

    @staticmethod
    def _end_turns(connection):
        """The locks have gone with the transaction."""

    def _insert(self, cursor, aggregate, number, serial, chance):
        message_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        topic = self.topics[hash_of(aggregate) % len(self.topics)]
        payload = json.dumps({"writer": number, "serial": serial, "pad": "x" * self.padding})
        row_id, text = self._insert_row(cursor, message_id, aggregate, topic, payload)
        return message_id, row_id, aggregate, topic, text.encode()

    def _insert_row(self, cursor, *values):
        """The row's id, and its payload as the server has it."""
        cursor.execute(self.insert, values)
        return cursor.fetchone()

    def _commit(self, connection, rows):
        """A COMMIT that breaks may have happened: those rows may arrive and need not."""
        try:
            connection.commit()
        except self.failure:
            with self._lock:
                self.maybe += [Row(*row) for row in rows]
            raise
        now = time.time()
        with self._lock:
            self.committed += [Row(*row, committed_at=now) for row in rows]


def hash_of(text):
    """Spreads aggregates over topics the same way in every run."""
    return sum(text.encode())
