# SPDX-License-Identifier: MIT
"""Moving in from eventferry and from Debezium, and back: the commands of docs/migrate-*.md, taken
out of these pages and run while an application writes. Stand-ins take the place of the others'
relays: they write, mark and send as those do."""

import collections
import json
import os
import re
import subprocess
import threading
import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Producer

from harness.daemon import build_directory
from harness.migration import make_eventferry_table
from harness.outbox import APPLICATION, OWNER_ROLE, RELAY
from harness.setup import relay_config
from harness.timing import scaled, wait_for

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
FIELD = re.compile(r"(\w+)\[[^\]]+\]:(?:'((?:[^']|'')*)'|(\S+))")


def steps_of(page):
    """Name -> commands: the sh blocks that begin with "# step: NAME"."""
    blocks = re.findall(r"```sh\n# step: (.*?)\n(.*?)```", (DOCS / page).read_text(), re.S)
    return dict(blocks)


class Page:
    """The commands of a page, with a test's database and configuration in place of the page's."""

    def __init__(self, page, database, daemon, **variables):
        self.steps = steps_of(page)
        self.run_ones = []
        self.daemon = daemon
        self.kept = os.path.join(daemon.directory, "kept")
        self.environment = {**os.environ, "OWNER_URL": database.url(OWNER_ROLE), **variables,
                            "PATH": f"{build_directory()}:{os.environ['PATH']}"}

    def run(self, name):
        """Variables that a step sets are there in the next, as in a person's shell."""
        commands = self.steps[name].replace("eventferry.yaml", self.daemon.config_path)
        commands = commands.replace("eventferry_relay", RELAY).replace("'pgoutput'",
                                                                       "'test_decoding'")
        self.run_ones.append(name)
        done = subprocess.run(
            ["bash", "-euc", f"touch {self.kept}; . {self.kept}\n{commands}\n"
             f"declare -p AFTER LAST >{self.kept} 2>/dev/null || true"],
            env=self.environment, capture_output=True, text=True, timeout=scaled(60), check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def assert_all_were_run(self):
        assert set(self.run_ones) == set(self.steps)


class Application:
    """Inserts numbered events of a few aggregates until it is told to stop, and notes them."""

    def __init__(self, database, insert):
        self.numbers = 0
        self._database, self._insert = database, insert
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        with self._database.session(APPLICATION) as session:
            while not self._end.is_set():
                self._insert(session, self.numbers, f"a-{self.numbers % 5}")
                self.numbers += 1
                time.sleep(0.005)

    def wait_more(self, count=40):
        start = self.numbers
        wait_for(lambda: self.numbers >= start + count, 20, "the application goes on")

    def stop(self):
        self._end.set()
        self._thread.join()


class Other:
    """Another's relay, on a thread of its own: _run() goes on until _end is set."""

    def __init__(self, database, broker):
        self.database = database
        self._producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all",
                                   "partitioner": "murmur2_random"})
        self._end = None

    def start(self):
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self):
        if self._end:
            self._end.set()
            self._thread.join()
        self._end = None


class Router(Other):
    """Debezium's part: reads a replication slot and sends what its Outbox Event Router would."""

    def __init__(self, database, broker, slot):
        super().__init__(database, broker)
        self.slot = slot
        self.sent = []

    def make_slot(self):
        self.database.run("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')",
                          (self.slot,))

    def _run(self):
        with self.database.session() as session:
            while not self._end.is_set():
                lines = session.run("SELECT data, lsn FROM pg_logical_slot_peek_changes"
                                    "(%s, NULL, 200)", (self.slot,))
                for line, _ in lines:
                    if line.startswith("table public.outbox: INSERT:"):
                        self._send({name: quoted.replace("''", "'") or bare for name, quoted, bare
                                    in FIELD.findall(line)})
                assert self._producer.flush(scaled(10)) == 0
                if lines:  # what was sent is acknowledged, as Connect commits its offsets after it
                    session.run("SELECT pg_replication_slot_advance(%s, %s)",
                                (self.slot, lines[-1][1]))
                time.sleep(0.02)

    def _send(self, row):
        self.sent.append(json.loads(row["payload"])["n"])
        self._producer.produce(f"outbox.event.{row['aggregatetype']}", row["payload"].encode(),
                               key=row["aggregateid"].encode(), headers=[("id", row["id"])])


def assert_delivered(messages, count, identity):
    """Every event, and per aggregate in order once repeats are removed."""
    numbers, seen = {}, set()
    for message in messages:
        name = message.header(identity)
        if name in seen:
            continue
        seen.add(name)
        numbers.setdefault(message.key, []).append(json.loads(message.value)["n"])
    assert sorted(n for each in numbers.values() for n in each) == list(range(count))
    for each in numbers.values():
        assert each == sorted(each)


@pytest.fixture
def running():
    """What has to be stopped, whatever happens in between."""
    made = []
    yield made.append
    for each in reversed(made):
        each.stop()


def test_from_debezium_and_back_and_again(bare_db, kafka, collect, daemon, running):
    kind, slot = "t" + uuid.uuid4().hex[:8], "s" + uuid.uuid4().hex[:8]
    topic = kafka.create_topic("outbox.event." + kind)
    with bare_db.session(OWNER_ROLE) as owner:
        owner.run("CREATE TABLE public.outbox (id uuid NOT NULL PRIMARY KEY, "
                  "aggregatetype varchar(255) NOT NULL, aggregateid varchar(255) NOT NULL, "
                  "type varchar(255) NOT NULL, payload jsonb)")
        owner.run(f"GRANT INSERT ON outbox TO {APPLICATION}")
    bare_db.run(f"ALTER ROLE {OWNER_ROLE} REPLICATION")
    relay = daemon(relay_config(bare_db, kafka, {"layout": "debezium", "on_delivered": "mark"}))
    page = Page("migrate-debezium.md", bare_db, relay, SLOT=slot)
    router = Router(bare_db, kafka, slot)
    router.make_slot()
    router.start()
    running(router)
    application = Application(bare_db, lambda session, n, aggregate: session.run(
        "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) VALUES "
        "(gen_random_uuid(), %s, %s, 'T', %s)", (kind, aggregate, json.dumps({"n": n}))))
    running(application)
    application.wait_more()

    both = [application.numbers]  # from here to there events may be sent by both
    page.run("migrate")
    page.run("wait for the connector")
    router.stop()
    both.append(application.numbers)
    of_router = bare_db.one("SELECT count(*) FROM outbox WHERE seq = 0")
    assert of_router >= 40 and router.sent[:of_router] == list(range(of_router))
    relay.start()
    relay.wait_running()
    application.wait_more()
    assert "orders" in page.run("look")
    page.run("drop the slot")

    both.append(application.numbers)
    page.run("make a slot")
    application.wait_more()
    page.run("wait for the relay")
    relay.stop()
    both.append(application.numbers)
    router.start()
    application.wait_more()

    both.append(application.numbers)
    page.run("set the border again")
    page.run("wait for the connector")
    router.stop()
    both.append(application.numbers)
    relay.start()
    relay.wait_running()
    application.wait_more()
    application.stop()
    wait_for(lambda: bare_db.one("SELECT count(*) FROM outbox WHERE status <> 2") == 0, 20,
             "everything is delivered")
    page.run("drop the slot")
    messages = collect(topic).drain()
    assert_delivered(messages, application.numbers, "id")
    page.assert_all_were_run()
    times = collections.Counter(json.loads(message.value)["n"] for message in messages)
    twice = sorted(n for n, count in times.items() if count > 1)
    assert max(times.values()) <= 2
    assert all(any(first <= n <= last for first, last in zip(both[::2], both[1::2]))
               for n in twice), f"only what lay between a border and a stop {both}: {twice}"


class NodeRelay(Other):
    """eventferry's part: claims a batch (status 1, claimed_at), sends it, marks it (status 2). When
    it is killed it leaves a claimed row that it has not sent."""

    def _claim(self, session):
        return sorted(session.run(
            "WITH due AS (SELECT id FROM outbox o WHERE status = 0 AND NOT EXISTS (SELECT 1 FROM "
            "outbox e WHERE e.aggregate_id = o.aggregate_id AND e.id < o.id AND e.status IN "
            "(0, 1, 3)) ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED) "
            "UPDATE outbox SET status = 1, claimed_at = now() FROM due WHERE outbox.id = due.id "
            "RETURNING outbox.id, message_id::text, aggregate_type, aggregate_id, topic, "
            "payload::text"))

    def _run(self):
        with self.database.session() as session:
            while not self._end.is_set():
                rows = self._claim(session)
                for _, message_id, kind, aggregate, topic, payload in rows:
                    compact = json.dumps(json.loads(payload), separators=(",", ":"))
                    self._producer.produce(
                        topic, compact.encode(), key=aggregate.encode(),
                        headers=[("content-type", "application/json"), ("message-id", message_id),
                                 ("aggregate-type", kind), ("aggregate-id", aggregate)])
                assert self._producer.flush(scaled(10)) == 0
                session.run("UPDATE outbox SET status = 2, processed_at = now() WHERE id = ANY(%s)",
                            ([row[0] for row in rows],))
                time.sleep(0.02)

    def die_with_rows_in_hand(self):
        self.stop()
        with self.database.session() as session:
            return wait_for(lambda: self._claim(session), 10, "rows to die with")


def test_from_eventferry_and_back(bare_db, kafka, topic, collect, daemon, running):
    make_eventferry_table(bare_db)
    bare_db.run(f"GRANT INSERT ON outbox TO {APPLICATION}")
    relay = daemon(relay_config(bare_db, kafka, {"on_delivered": "mark"}))
    page = Page("migrate-eventferry.md", bare_db, relay)
    node = NodeRelay(bare_db, kafka)
    node.start()
    running(node)
    application = Application(bare_db, lambda session, n, aggregate: session.run(
        "INSERT INTO outbox (topic, aggregate_type, aggregate_id, payload, headers) VALUES "
        "(%s, 'order', %s, %s, '{}')", (topic, aggregate, json.dumps({"n": n}))))
    running(application)
    application.wait_more()

    page.run("migrate")
    application.wait_more()
    left = node.die_with_rows_in_hand()
    relay.start()
    reason = wait_for(lambda: relay.outbox()["state"] == "foreign" and relay.outbox(), 20,
                      "the relay waits for the rows of the other")
    assert reason["reason"]
    assert bare_db.one("SELECT count(*) FROM outbox WHERE status = 1") == len(left)
    page.run("release what the old relay had claimed")
    relay.wait_running()
    application.wait_more()
    assert "orders" in page.run("look")

    relay.stop()
    page.run("remove the doorbell")
    node.start()
    application.wait_more()
    application.stop()
    wait_for(lambda: bare_db.one("SELECT count(*) FROM outbox WHERE status <> 2") == 0, 20,
             "everything is delivered")
    messages = collect(topic).drain()
    assert_delivered(messages, application.numbers, "message-id")
    assert len(messages) == application.numbers, "both stopped properly, so nothing went twice"
    page.assert_all_were_run()
