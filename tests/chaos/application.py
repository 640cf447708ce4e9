# SPDX-License-Identifier: MIT
"""The application: threads whose transactions insert events, some long, some rolled back, wholly or
to a savepoint. Each event takes its aggregate's lock, gets the aggregate's next version and is
written down in chaos.history, all in the transaction that inserts it."""

import json
import random
import threading
import time
import uuid

import psycopg2

from .ledger import ACKNOWLEDGED, ROLLED_BACK, UNKNOWN

SCHEMA = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.aggregate (name text PRIMARY KEY, version bigint NOT NULL);
CREATE TABLE chaos.history (message_id uuid, outbox text, id bigint, aggregate text, version bigint,
    topic text, digest text);
"""
NEXT = """INSERT INTO chaos.aggregate AS a VALUES (%s, %s)
    ON CONFLICT (name) DO UPDATE SET version = a.version + excluded.version RETURNING version"""
INSERT = """WITH new AS (
    INSERT INTO {table} (message_id, aggregate_type, aggregate_id, topic, payload, headers)
    VALUES (%s, %s, %s, %s, %s, json_build_object('version', %s::text))
    RETURNING message_id, id, payload::text)
INSERT INTO chaos.history SELECT message_id, %s, id, %s, %s, %s, md5(payload) FROM new"""

ROLLBACK, PARTLY, LONG = 0.08, 0.05, 0.02  # shares of the transactions
HOT = 0.3  # share of the events that go to the first two aggregates


class Application:
    """Ends with stop(). The same seed makes the same choices in each thread; how they meet is the
    machine's affair."""

    def __init__(self, connect, targets, ledger, seed, threads=5, aggregates=40,
                 pause_s=(0.01, 0.09)):
        """connect() gives a psycopg2 connection; targets: (outbox name, table, topics)."""
        self.connect = connect
        self.targets = targets
        self.ledger = ledger
        self.aggregates = aggregates
        self.pause_s = pause_s
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
            except psycopg2.Error as error:
                if not excusable(error):
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
        except psycopg2.Error:
            self.ledger.note(written + undone, ROLLED_BACK, sent_at)
            raise
        self.ledger.note(undone, ROLLED_BACK, sent_at)
        if written:
            commit(connection, self.ledger, written)

    def _draw(self, chance):
        """(aggregate, target): sorted, so that no two transactions wait for each other."""
        number = chance.randrange(2) if chance.random() < HOT else chance.randrange(self.aggregates)
        target = chance.randrange(len(self.targets))
        return f"{self.targets[target][0]}-{number}", number, target

    def _write(self, cursor, plan, written, chance):
        versions = {}
        for aggregate in sorted({each[0] for each in plan}):
            count = sum(each[0] == aggregate for each in plan)
            cursor.execute(NEXT, (aggregate, count))
            versions[aggregate] = cursor.fetchone()[0] - count
        for aggregate, number, target in plan:
            name, table, topics = self.targets[target]
            topic = topics[number % len(topics)]
            versions[aggregate] += 1
            message_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
            written.append(message_id)
            cursor.execute(INSERT.format(table=table), (
                message_id, name, aggregate, topic, payload_of(chance, versions[aggregate]),
                versions[aggregate], name, aggregate, versions[aggregate], topic))


def payload_of(chance, version):
    size = chance.choice((10, 40, 200, 200, 3000))
    return json.dumps({"version": version, "text": "ä" + "x" * size})


def commit(connection, ledger, message_ids):
    """A COMMIT without an answer may have happened."""
    sent_at = time.monotonic()
    try:
        connection.commit()
    except psycopg2.Error:
        ledger.note(message_ids, UNKNOWN, sent_at)
        raise
    ledger.note(message_ids, ACKNOWLEDGED, sent_at)


def excusable(error):
    """Lost connections, servers that start or end, and a table that has another name just now."""
    return (isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError,
                               psycopg2.errors.UndefinedTable))
            or error.pgcode in ("57P01", "57P02", "57P03", "55P03", "57014"))


def discard(connection):
    if connection is not None:
        connection.close()
