# SPDX-License-Identifier: MIT
"""The application: threads whose transactions insert events, some long, some rolled back, wholly or
to a savepoint. Each event takes its aggregate's lock, gets the aggregate's next version and is
written down in chaos_history, all in the transaction that inserts it."""

import json
import random
import threading
import time
import uuid

import psycopg2

from .ledger import ACKNOWLEDGED, ROLLED_BACK, UNKNOWN

NEXT = """INSERT INTO chaos_aggregate AS a VALUES (%s, %s)
    ON CONFLICT (name) DO UPDATE SET version = a.version + excluded.version RETURNING version"""
INSERT = """WITH new AS (
    INSERT INTO {table} (message_id, aggregate_type, aggregate_id, topic, payload, headers,
        kafka_partition)
    VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING message_id, id, payload::text)
INSERT INTO chaos_history SELECT message_id, %s, id, %s, %s, %s, md5(payload), %s FROM new"""

ROLLBACK, PARTLY, LONG = 0.08, 0.05, 0.02  # shares of the transactions
HOT = 0.3  # share of the events that go to the first two aggregates
POISON = 0.01  # share of the events that can never be delivered: they become dead letters
NO_PARTITION = 99
NO_HEADERS = "[1]"


class Application:
    """Ends with stop(). The same seed makes the same choices in each thread; how they meet is the
    machine's affair."""

    error = Exception  # of the database's client

    def __init__(self, connect, targets, ledger, seed, threads=5, aggregates=40,
                 pause_s=(0.01, 0.09), poison=POISON):
        """connect() gives a connection; targets: (outbox name, table, topics)."""
        self.connect = connect
        self.targets = targets
        self.ledger = ledger
        self.aggregates = aggregates
        self.pause_s, self.poison = pause_s, poison
        self.broken = []  # exceptions that no fault explains
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, name=f"application-{n}", daemon=True,
                                          args=(random.Random(f"{seed}/application/{n}"),))
                         for n in range(threads)]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self.broken, self.broken

    def _run(self, chance):
        connection = None
        while not self._stop.is_set():
            try:
                if connection is None:
                    connection = self.connect()
                self._transaction(connection, chance)
            except self.error as error:
                if not self._excusable(error):
                    self.broken.append(repr(error))
                connection = discard(connection)
                self._stop.wait(0.1)
            except Exception as error:
                self.broken.append(repr(error))
                break
            self._stop.wait(chance.uniform(*self.pause_s))
        discard(connection)

    def _transaction(self, connection, chance):
        plan = sorted(self._draw(chance) for _ in range(chance.choice((1, 1, 1, 2, 4, 8))))
        fate = chance.random()
        written, undone, sent_at = [], [], time.monotonic()
        try:
            with connection.cursor() as cursor:
                self._write(cursor, plan, written, chance)
                if ROLLBACK <= fate < ROLLBACK + PARTLY:
                    cursor.execute("SAVEPOINT half")
                    self._write(cursor, plan[:2], undone, chance)
                    cursor.execute("ROLLBACK TO SAVEPOINT half")
                self._stop.wait(chance.uniform(0.5, 3) if chance.random() < LONG
                                else chance.uniform(0, 0.01))
            if fate < ROLLBACK:
                connection.rollback()
                written, undone = [], written + undone
        except self.error:
            self.ledger.note(written + undone, ROLLED_BACK, sent_at)
            raise
        self.ledger.note(undone, ROLLED_BACK, sent_at)
        if written:
            commit(connection, self.ledger, written, self.error)

    def _draw(self, chance):
        """(aggregate, target): sorted, so that no two transactions wait for each other."""
        number = chance.randrange(2) if chance.random() < HOT else chance.randrange(self.aggregates)
        target = chance.randrange(len(self.targets))
        return f"{self.targets[target][0]}-{number}", number, target

    def _write(self, cursor, plan, written, chance):
        versions = {}
        for aggregate in sorted({each[0] for each in plan}):
            count = sum(each[0] == aggregate for each in plan)
            versions[aggregate] = self._reserve(cursor, aggregate, count) - count
        for aggregate, number, target in plan:
            name, table, topics = self.targets[target]
            versions[aggregate] += 1
            message_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
            written.append(message_id)
            poison = chance.random() < self.poison
            headers, partition = json.dumps({"version": str(versions[aggregate])}), None
            if poison:
                headers, partition = chance.choice(((headers, NO_PARTITION), (NO_HEADERS, None)))
            self._insert(cursor, table, (message_id, name, aggregate, topics[number % len(topics)],
                                         payload_of(chance, versions[aggregate]), headers, partition),
                         versions[aggregate], poison)

    # what differs between databases

    def _reserve(self, cursor, aggregate, count):
        """Locks the aggregate until the transaction ends; returns its version raised by count."""
        raise NotImplementedError

    def _insert(self, cursor, table, event, version, poison):
        """The event (message id, outbox, aggregate, topic, payload, headers, partition), and the same
        into history."""
        raise NotImplementedError

    def _excusable(self, error):
        """Whether a fault explains it."""
        raise NotImplementedError


class PgApplication(Application):
    error = psycopg2.Error

    def _reserve(self, cursor, aggregate, count):
        cursor.execute(NEXT, (aggregate, count))
        return cursor.fetchone()[0]

    def _insert(self, cursor, table, event, version, poison):
        _, name, aggregate, topic, *_ = event
        cursor.execute(INSERT.format(table=table), (*event, name, aggregate, version, topic, poison))

    def _excusable(self, error):
        """Lost connections, servers that start or end, and a table that has another name just
        now."""
        return (isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError,
                                   psycopg2.errors.UndefinedTable))
                or error.pgcode in ("57P01", "57P02", "57P03", "55P03", "57014"))


def payload_of(chance, version):
    size = chance.choice((10, 40, 200, 200, 3000))
    return json.dumps({"version": version, "text": "ä" + "x" * size})


def commit(connection, ledger, message_ids, error=psycopg2.Error):
    """A COMMIT without an answer may have happened."""
    sent_at = time.monotonic()
    try:
        connection.commit()
    except error:
        ledger.note(message_ids, UNKNOWN, sent_at)
        raise
    ledger.note(message_ids, ACKNOWLEDGED, sent_at)


def discard(connection):
    if connection is not None and getattr(connection, "open", True):  # PyMySQL closes only once
        connection.close()
