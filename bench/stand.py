# SPDX-License-Identifier: MIT
"""The test stand: a database server, Kafka, the two helper programs, and a fresh place for each
run."""

import contextlib
import datetime
import json
import os
import shlex
import subprocess
import time

import databases
import usage
from harness.daemon import Daemon, merge
from harness.kafka import Kafka
from harness.processes import Process, command, remove, scratch
from harness.setup import relay_config, retire
from harness.timing import wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = databases.OnPostgres.table

HIGHEST = -20  # nice(2)
CALM_CORES = 0.2  # what another relay may use while it looks for rows in vain


class Failed(Exception):
    """The benchmark cannot go on; the text is for people."""


class InDaemon:
    """The broker embedded in the daemon under test. It keeps 5 MiB of a partition (librdkafka's
    rdkafka_mock.c), so that it takes many partitions to find everything there afterwards."""

    real = False
    partitions = 64
    bootstrap = "127.0.0.1:1"  # until the daemon has told its port


class Place:
    """One run's database and topic."""

    def __init__(self, stand, database, topic, broker):
        self.stand, self.database, self.topic, self.broker = stand, database, topic, broker
        self.table = stand.on.table
        self.watch = database.session()  # our own look-ups; its CPU is left out
        self.watch_id = stand.on.id_of(self.watch)

    def database_cpu(self, exact=False):
        return self.stand.on.cpu(self.watch_id, exact)

    def all_database_cpu(self):
        return self.stand.on.cpu(None)

    def waits(self, after=0):
        """Whether rows behind this id are still to be settled."""
        return self.watch.one(f"SELECT EXISTS (SELECT 1 FROM {self.table} WHERE id > %s "
                              "AND status IN (0, 1, 3))", (after,))

    def vacuum(self):
        """CPU seconds; None where nothing has to be done."""
        return self.stand.on.vacuum(self.watch, self.watch_id)

    def kafka_cpu(self):
        return self.stand.kafka_cpu() if self.broker.real else 0.0


class Stand:
    def __init__(self, options):
        self.options = options
        self.directory = scratch("ef-bench-")
        self.on = self._kafka = None
        self.runs = 0
        try:
            self.on = databases.start(options)
            self._compile()
        except BaseException:
            self.discard()
            raise

    def describe(self):
        return self.on.describe()

    @property
    def kafka(self):
        """Started when first wanted, and warmed by nothing: run() does that with rows of its own."""
        if self._kafka is None:
            self._kafka = Kafka()
        return self._kafka

    def kafka_cpu(self):
        return sum(usage.process_cpu(p.pid) for p in self.kafka.processes)

    def _compile(self):
        """The reader and the writer, with the system's compiler and pkg-config."""
        library = self.on.writer
        for name, package, sources in (("reader", "rdkafka", ("reader.c",)),
                                       ("writer", library[1], ("writer.c", library[0] + ".c"))):
            flags = subprocess.run(["pkg-config", "--cflags", "--libs", package], check=True,
                                   capture_output=True, text=True).stdout
            done = subprocess.run(
                [os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-o",
                 self.program(name), *(os.path.join(HERE, source) for source in sources),
                 *shlex.split(flags)], stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode != 0:
                raise Failed(f"could not compile bench/{name}.c:\n{done.stderr}")

    def program(self, name):
        return os.path.join(self.directory, name)

    @contextlib.contextmanager
    def place(self, partitions=3, broker=None, **topic):
        """A fresh database and topic, whose settings may be given with underscores. The broker stamps
        messages with its own time: first and last append are read from them."""
        self.runs += 1
        broker = broker or self.kafka
        database = self.on.fresh()
        name = f"bench-{self.runs}"
        config = {"message.timestamp.type": "LogAppendTime",
                  **{key.replace("_", "."): str(value) for key, value in topic.items()}}
        if broker.real:
            broker.create_topic(name, partitions, config=config)
        place = Place(self, database, name, broker)
        try:
            yield place
        finally:
            place.watch.close()
            if database.driver == "mysql":
                database.drop()
            else:
                retire(database)
            if broker.real:
                broker.delete_topic(name)

    @contextlib.contextmanager
    def priority(self, *more):
        """With --priority: the servers, whatever is started meanwhile and the processes in more run
        with the highest priority, so that other work on the machine takes little part. Not in a
        real-time class: Linux stops that for 50 ms of each second in which it uses a processor up."""
        if not self.options.priority:
            yield
            return
        servers = [self.on.server.process.pid]
        if self._kafka is not None:
            servers += [process.pid for process in self._kafka.processes]
        pids = [os.getpid(), *servers, *more]
        with _no_autogroups():
            _schedule(pids, HIGHEST)
            try:
                yield
            finally:
                _schedule(pids, 0)

    def reader(self, place, expected, skip=1, seconds=120):
        return Reader(self, place, expected, skip, seconds)

    def discard(self):
        if self._kafka is not None:
            self._kafka.discard()
        if self.on is not None:
            self.on.discard()
        remove(self.directory)


@contextlib.contextmanager
def _no_autogroups():
    """With autogroups each session has an equal share, and niceness is within it: sched(7)."""
    path = "/proc/sys/kernel/sched_autogroup_enabled"
    if not os.path.exists(path):
        yield
        return
    with open(path, encoding="ascii") as file:
        former = file.read()
    try:
        _set(path, "0")
        yield
    finally:
        _set(path, former)


def _set(path, value):
    with open(path, "w", encoding="ascii") as file:  # a second write would not be at its beginning
        file.write(value)
    with open(path, encoding="ascii") as file:
        if file.read().strip() != value.strip():
            raise Failed(f"{path} does not take {value.strip()}")


def _schedule(pids, nice):
    """All threads of the processes and of those below them."""
    for pid in pids:
        for each in [pid] if pid == os.getpid() else usage.descendants(pid):
            for thread in usage.threads(each):
                with contextlib.suppress(ProcessLookupError):
                    os.setpriority(os.PRIO_PROCESS, thread, nice)


class Reader:
    """The checking consumer."""

    def __init__(self, stand, place, expected, skip, seconds):
        self.child = subprocess.Popen(
            command([stand.program("reader"), place.broker.bootstrap, place.topic, expected, skip,
                     seconds]), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @property
    def pid(self):
        return self.child.pid

    def wait_ready(self):
        line = self.child.stdout.readline()
        if line != "ready\n":
            raise Failed(f"the reader did not start: {line}{self.child.stderr.read()}")

    def result(self):
        out, err = self.child.communicate()
        if self.child.returncode != 0:
            raise Failed(f"the reader failed: {err}")
        return json.loads(out.splitlines()[-1])

    def end(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()


def fill(place, rows, aggregates, payload_bytes):
    """Rows with numbers 1 to rows, as many aggregates in turn; payloads are exactly so long."""
    place.stand.on.insert(place, 1, rows, f"n %% {aggregates}", payload_bytes)
    place.stand.on.calm_down(place.watch)


def insert_one(place, number, aggregate, payload_bytes):
    place.stand.on.insert(place, number, number, str(aggregate), payload_bytes)


class OurRelay:
    """eventferryd of one build directory."""

    def __init__(self, name, build, settings=None, kafka=None, env=None):
        self.name = name
        self.build = build
        self.settings = settings or {}
        self.kafka = kafka or {}
        self.env = env or {}
        self.start_cost_s = 0.0
        self.daemon = None
        self.ends_by = "settled"

    def with_settings(self, **settings):
        changed = OurRelay(self.name, self.build, merge(settings, self.settings), self.kafka,
                           self.env)
        changed.start_cost_s = self.start_cost_s
        return changed

    def prepare(self, place):
        os.environ["EF_BUILD"] = self.build
        sections = {"kafka": self.kafka, "log": {"level": "info"}, "shutdown_timeout": "10s"}
        if not place.broker.real:
            sections["kafka"] = {**self.kafka, "brokers": "embedded",
                                 "embedded": {"partitions": place.broker.partitions}}
        config = relay_config(place.database, place.broker,
                              merge({"lease_ttl": "10s"}, self.settings), **sections)
        self.daemon = Daemon(config, env=self.env)

    def start(self):
        self.daemon.launch()
        return self.daemon.pid

    def running_at(self):
        """time.time() when it began to read, from its log."""
        for line in self.daemon.log(outbox="orders"):
            if line.get("to") == "running" and "ts" in line:
                return datetime.datetime.fromisoformat(
                    line["ts"].replace("Z", "+00:00")).timestamp()
        return None

    def slow_callbacks(self):
        """How often something held the event loop for 50 ms or longer."""
        return int(self.daemon.metric("loop_slow_callbacks_total"))

    def slow_where(self):
        """The room of each that was told, how long it took and worked for."""
        return [f"{line['where']} {line['took_ms']} ms ({line['cpu_ms']} of CPU)"
                for line in self.daemon.log(msg="slow callback")]

    def counted(self):
        """What failures have cost so far."""
        return {name: int(self.daemon.metric(name + "_total")) for name in
                ("fate_barriers", "kafka_producer_recreations", "rows_dead",
                 "dead_letters_delivered", "rows_retried", "rows_fetched")}

    def stop(self):
        code = self.daemon.stop(expect=None)
        text = self.daemon.log_text()
        self.daemon.discard()
        if code != 0:
            raise Failed(f"eventferryd ended with {code}:\n{text[-4000:]}")

    def discard(self):
        if self.daemon is not None:
            self.daemon.discard()


class OtherRelay:
    """Any program that relays the same table: a command line with {url} and the like in it."""

    def __init__(self, text, ends_by):
        self.name = os.path.basename(shlex.split(text)[0])
        self.text = text
        self.ends_by = ends_by
        self.start_cost_s = 0.0
        self.directory = self.process = self.args = None

    def with_settings(self, **_settings):
        return self

    def prepare(self, place):
        server = place.stand.on.server
        self.directory = scratch("ef-other-")
        values = {"url": place.database.url(), "host": "127.0.0.1", "port": server.port,
                  "database": place.database.name, "user": "test", "table": TABLE,
                  "brokers": place.broker.bootstrap, "topic": place.topic,
                  "directory": self.directory}
        self.args = [part.format(**values) for part in shlex.split(self.text)]

    def start(self):
        self.process = Process(self.args, os.path.join(self.directory, "log"), cwd=self.directory)
        return self.process.pid

    def running_at(self):
        return None

    def slow_callbacks(self):
        return None

    def slow_where(self):
        return []

    def counted(self):
        return None

    def stop(self):
        self.process.stop()

    def discard(self):
        if self.process is not None and self.process.running:
            self.process.kill()
        if self.directory is not None:
            remove(self.directory)
            self.directory = None


def wait_running(relay, timeout=30):
    """Until our relay has the table; another one is given until its process has come to rest."""
    if isinstance(relay, OurRelay):
        relay.daemon.wait_running(timeout=timeout)
        return
    def calm():
        before = usage.tree_cpu(relay.process.pid)
        time.sleep(1)
        return usage.tree_cpu(relay.process.pid) - before < CALM_CORES

    wait_for(calm, timeout, "the relay is at rest", interval=0)
