# SPDX-License-Identifier: MIT
"""One database, its outboxes, topics, relays and application on servers that are there: from the
start over the faults to the verdict."""

import itertools
import os
import shutil
from collections import namedtuple

from confluent_kafka import KafkaException

from harness.daemon import Daemon
from harness.faketime import FakeClock
from harness.setup import migrate
from harness.timing import stays, wait_for

from .ledger import Ledger
from .reading import read_topic, topic_ends
from .verdict import Event, Judge

Table = namedtuple("Table", "name table on_delivered")
OUTBOXES = (("orders", "archive"), ("shipments", "delete"), ("invoices", "mark"))
LEASE_TTL = "3s"
# After the last fault everything has to be delivered and settled within this, and a second more for
# so many rows that wait then: a COPY of a million rows is no fault of the relay's.
DRAIN_S = 180
DRAIN_ROWS_PER_S = 2000
_numbers = itertools.count(1)


class Scene:
    """servers: a Servers; database: "postgres" or "mariadb". The scene ends with discard(); the
    servers stay."""

    def __init__(self, servers, database, seed, bulk_rows=5000, bulk_bytes=8_000_000, hold_s=12,
                 **load):
        self.servers, self.seed, self.load = servers, seed, load
        self.kafka, self.ground = servers.kafka, servers.ground(database)
        self.bulk_rows, self.bulk_bytes, self.hold_s = bulk_rows, bulk_bytes, hold_s
        self.ledger = Ledger()
        self.findings = []  # sentences: what a process did that it must not do
        self.gone = set()
        self.calm = None
        self.copied = False  # rows_copied has committed once
        self._lives = {}  # stream name -> messages of a topic's life that has ended
        self.relays = []
        number = next(_numbers)
        self.steady = [self.servers.create_topic(f"steady-{number}-{n}") for n in range(2)]
        self.volatile = self.servers.create_topic(f"volatile-{number}")
        self.topics = [*self.steady, self.volatile]
        self.dead_letters = self.servers.create_topic(f"dead-{number}")
        self._name = self._make_database()
        self.clock = FakeClock()
        self.relays = self._make_relays()
        self.talker = self.relays[0]
        self._applications = []

    def _make_database(self):
        database = self.ground.create_database()
        self.outboxes = tuple(Table(name, self.ground.table(database.name, name), on_delivered)
                              for name, on_delivered in OUTBOXES)
        for each in self.outboxes:
            migrate(database, table=each.table, on_delivered=each.on_delivered)
        database.run(self.ground.schema)
        return database.name

    def _make_relays(self):
        """One with its log in a pipe; one through the pooler, where there is one; one whose clock
        can jump. Each reaches Kafka through the proxies only."""
        first, second, third = self.ground.connections(self._name)
        return [
            Daemon(self._config("relay-1", first), piped_log=True),
            Daemon(self._config("relay-2", second)),
            Daemon(self._config("relay-3", third), env=self.clock.environment)]

    def _config(self, instance, database):
        return {
            "instance": instance,
            "kafka": {"brokers": self.kafka.proxied_bootstrap.split(",")},
            "databases": {"db": {"driver": self.ground.driver, **database}},
            "outboxes": [
                {"name": each.name, "database": "db", "table": each.table, "lease_ttl": LEASE_TTL,
                 "on_delivered": each.on_delivered, "window": {"max_rows": 4000},
                 "dead_letter": {"topic": self.dead_letters},
                 **self.ground.settings(each.on_delivered)}
                for each in self.outboxes],
            "shutdown_timeout": "10s"}

    # life

    def start(self):
        for relay in self.relays:
            relay.start()
        return self

    def write(self, label="first"):
        """Starts an application; it ends with rest()."""
        self._applications.append(self.ground.application(
            lambda: self.connect("chaos application"),
            [(each.name, each.table, self.topics) for each in self.outboxes], self.ledger,
            f"{self.seed}/{label}", **self.load).start())

    def rest(self):
        for application in self._applications:
            application.stop()
        self._applications = []

    def wait_written(self, count, timeout=60):
        before = self.ledger.count
        wait_for(lambda: self.ledger.count >= before + count, timeout, "the application is at work",
                 interval=0.1)

    def heal(self):
        """No fault is left; every relay runs."""
        self.servers.heal()
        self.clock.jump(0)
        for relay in self.relays:
            if not relay.running:
                self.find(f"{self.name_of(relay)} had ended by itself with "
                          f"{relay.process.exit_code}")
                relay.start()
            relay.resume()
            if relay.log_pipe:
                relay.log_pipe.release()
        for each in self.outboxes:
            self.operate("resume", each.name)

    def operate(self, verb, name, insist=True):
        """eventferryctl from whichever relay answers; a database that is away makes it fail."""
        def attempt():
            return any(relay.running and relay.ctl(verb, name, expect=None).returncode == 0
                       for relay in self.relays)

        if insist:
            wait_for(attempt, 60, f"{verb} {name} is accepted", interval=0.5)
        else:
            attempt()

    def drain(self):
        """Everything committed is delivered and settled, and nothing is under way any more."""
        timeout = DRAIN_S + max(self._unfinished(), 0) / DRAIN_ROWS_PER_S
        wait_for(lambda: not self._unfinished(), timeout, "everything is settled", interval=0.25)
        wait_for(lambda: not self._in_flight(), 60, "nothing is in flight", interval=0.25)
        ends = self._ends()
        try:
            stays(lambda: self._ends() == ends, 2, "no more messages", interval=0.5)
        except AssertionError:  # a producer that was cut off handed over its last messages
            self.drain()

    def _unfinished(self):
        counts = " + ".join(f"(SELECT count(*) FROM {each.table} WHERE status IN (0, 1, 3))"
                            for each in self.outboxes)
        try:
            with self.session() as session:
                return session.one(f"SELECT {counts}")
        except self.ground.error:
            return -1

    def _ends(self):
        return topic_ends(self.kafka, [*self.topics, self.dead_letters])

    def _in_flight(self):
        return sum(each["window"]["in_flight_rows"] for relay in self.relays
                   for each in relay.status()["outboxes"])

    def rolling_restart(self):
        """The calm phase: clean stops under load, each with exit 0, repeat nothing."""
        self.calm = self._ends()
        self.write("calm")
        for relay in self.relays:
            self.wait_written(60)
            self._stop_clean(relay)
            relay.start()
        self.wait_written(60)
        self.rest()
        self.drain()

    def stop(self):
        for relay in self.relays:
            self._stop_clean(relay)

    def _stop_clean(self, relay):
        code = relay.stop(expect=None)
        if code != 0:
            self.find(f"{self.name_of(relay)} ended with {code}, not 0, when nothing was wrong")

    def finish(self, calm=True):
        """From the last fault to the verdict."""
        self.heal()
        self.rest()
        self.drain()
        if calm:
            self.rolling_restart()
        self.stop()
        return self.judge()

    def proxies(self, side):
        return self.ground.gates if side == "database" else self.kafka.proxies

    def find(self, sentence):
        self.findings.append(sentence)

    def name_of(self, relay):
        return relay.config["instance"]

    # the database, as the test sees it

    def connect(self, name="chaos"):
        return self.ground.connect(self._name, name)

    def session(self):
        return self.ground.session(self._name)

    def insist(self, sql, parameters=None, timeout=60):
        """Rows of a statement that may be repeated, as soon as the database answers."""
        def attempt():
            try:
                with self.session() as session:
                    return (session.run(sql, parameters),)
            except self.ground.error:
                return None
        return wait_for(attempt, timeout, sql, interval=0.2)[0]

    def bulk(self, name, chance):
        return self.ground.bulk(self.connect, chance.choice(self.outboxes), self.steady, self.ledger, name,
                    chance)

    def committed_of(self, topic):
        rows = self.insist(f"SELECT {self.ground.message_id} FROM chaos_history WHERE topic = %s",
                           (topic,))
        return {message_id for (message_id,) in rows}

    def settled_of(self, topic):
        """Committed and no longer waiting, in one snapshot."""
        waiting = " UNION ALL ".join(f"SELECT message_id FROM {each.table} WHERE status IN (0, 1, 3)"
                                     for each in self.outboxes)
        rows = self.insist(f"SELECT {self.ground.message_id} FROM chaos_history WHERE topic = %s "
                           f"AND message_id NOT IN ({waiting})", (topic,))
        return {message_id for (message_id,) in rows}

    # the verdict

    def keep_life(self, topic):
        """Reads a topic that is about to be deleted."""
        messages = []
        read_topic(self.kafka, topic, messages.append)
        self._lives[f"{topic} (life {len(self._lives) + 1})"] = messages

    def history(self):
        rows = self.insist(f"SELECT {self.ground.message_id}, outbox, id, aggregate, version, topic, "
                           "digest, poison FROM chaos_history")
        return {message_id: Event(*event) for message_id, *event in rows}

    def judge(self):
        judge = Judge(self.history(), self.ledger,
                      {topic: len(self.kafka.partitions(topic))
                       for topic in (*self.topics, self.dead_letters)},
                      self.gone, self.calm)
        for stream, messages in self._lives.items():
            for message in messages:
                judge.take(stream, message)
        for topic in self.topics:
            read_topic(self.kafka, topic, lambda message, topic=topic: judge.take(topic, message))
        read_topic(self.kafka, self.dead_letters, judge.take_dead)
        return judge.finish([self._table(each) for each in self.outboxes])

    def _table(self, each):
        unfinished = self.insist(f"SELECT concat_ws(' ', message_id, 'has status', status, topic, "
                                 f"last_error) FROM {each.table} WHERE status NOT IN (2, 4)")
        dead = self.insist(f"SELECT {self.ground.message_id} FROM {each.table} WHERE status = 4")
        settled = {"archive": self.ground.archive(each.table), "mark": each.table, "delete": None}[each.on_delivered]
        kept = None
        if settled is not None:
            kept = [message_id for (message_id,) in self.insist(
                f"SELECT {self.ground.message_id} FROM {settled} WHERE status <> 4"
                if each.on_delivered == "mark" else f"SELECT {self.ground.message_id} FROM {settled}")]
        return (each.name, [text for (text,) in unfinished], kept,
                [message_id for (message_id,) in dead])

    # afterwards

    def keep_evidence(self, target):
        """Logs of every relay and server, for a run that found something."""
        os.makedirs(target, exist_ok=True)
        for relay in self.relays:
            with open(os.path.join(target, f"{self.name_of(relay)}.log"), "w",
                      encoding="utf-8") as out:
                out.write(relay.log_text())
            shutil.copy(relay.config_path, os.path.join(target, f"{self.name_of(relay)}.yaml"))
        for name, path in self.ground.logs().items():
            shutil.copy(path, os.path.join(target, name))
        for number, broker in enumerate(self.kafka.processes):
            shutil.copy(broker.log_path, os.path.join(target, f"kafka-{number}.log"))

    def discard(self):
        self._quietly(self.rest)
        for relay in self.relays:
            self._quietly(relay.resume if relay.process else None)
            relay.discard()
        self.clock.discard()
        self._quietly(self._forget)

    def _forget(self):
        """A standby that is made anew, and brokers that start, should not find what is over."""
        self.ground.drop_database(self._name)
        for topic in (*self.topics, self.dead_letters):
            self.kafka.delete_topic(topic)

    def _quietly(self, action):
        if action is not None:
            try:
                action()
            except (AssertionError, OSError, self.ground.error, KafkaException):
                pass
