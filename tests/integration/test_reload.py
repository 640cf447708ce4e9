# SPDX-License-Identifier: MIT
"""Every option that the table marks as reloadable takes effect without a restart: it is changed in
the file, the daemon is told, and what it does from then on is looked at."""

import json
import os
import re
import time
import uuid

import pytest

from harness.daemon import run
from harness.outbox import DEAD, FAILED, Outbox
from harness.timing import stays, wait_for

SHOWN = {}  # option -> the tests that show it


def shows(*options):
    """Says which reloadable options a test shows."""
    def note(test):
        for option in options:
            SHOWN.setdefault(option, []).append(test.__name__)
        return test
    return note


def change(process, *named, outbox=None, **sections):
    """Writes the file anew (outbox: settings of the only outbox, by dotted name) and reloads it;
    the answer must name what was changed."""
    for path, value in (outbox or {}).items():
        place = process.config["outboxes"][0]
        *outer, last = path.split(".")
        for step in outer:
            place = place.setdefault(step, {})
        place[last] = value
        named = (*named, "outboxes.orders." + path)
    process.write_config(sections)
    answer = process.ctl("reload").stdout
    for name in named:
        assert f"changed: {name}\n" in answer, answer


@pytest.fixture(scope="module")
def reloadable():
    table = run("eventferryd", "--print-options=markdown").stdout
    return set(re.findall(r"^\| `([^`]+)` \|.*\| reload \|", table, re.MULTILINE))


def test_every_reloadable_option_is_shown_here(reloadable):
    assert len(reloadable) > 20
    assert set(SHOWN) == reloadable


@shows("shutdown_timeout")
def test_stop_deadline(breakable_kafka, outbox, relay):
    process = relay(outbox, shutdown_timeout="10m")
    process.wait_running()
    breakable_kafka.pause()
    outbox.insert("a")
    wait_for(lambda: process.outbox()["window"]["in_flight_rows"] == 1, 10, "in flight")
    change(process, "shutdown_timeout", shutdown_timeout="500ms")
    assert process.stop(expect=75, timeout=5) == 75


def polls(process):
    return process.metric("wakeups_total", reason="poll")


@shows("outboxes[].poll_interval")
def test_poll_interval(outbox, relay, collect):
    process = relay(outbox, {"poll_interval": "2ms"})
    process.wait_running()
    before = polls(process)
    wait_for(lambda: polls(process) > before + 100, 10, "it polls all the time")
    change(process, outbox={"poll_interval": "10m"})
    # each pause is twice as long as the one before, from 2 ms on
    before = polls(process)
    stays(lambda: polls(process) < before + 14, 4, "it polls ever more rarely")
    change(process, outbox={"poll_interval": "2ms"})
    collect(outbox.topic).wait_ids([outbox.insert("a")], timeout=1)
    before = polls(process)
    wait_for(lambda: polls(process) > before + 100, 10, "it polls all the time again")


def full_reads(process):
    return process.metric("wakeups_total", reason="full_batch")


@shows("outboxes[].batch.max_rows")
def test_rows_of_a_read(outbox, relay):
    process = relay(outbox, {"batch": {"max_rows": 10}})
    process.wait_running()
    before = full_reads(process)
    outbox.insert_many(100)
    outbox.wait_finished()
    assert full_reads(process) - before >= 9
    change(process, outbox={"batch.max_rows": 1000})
    before = full_reads(process)
    outbox.insert_many(100)
    outbox.wait_finished()
    assert full_reads(process) == before


@shows("outboxes[].window.max_rows", "outboxes[].window.max_bytes")
def test_window(breakable_kafka, outbox, relay, collect):
    process = relay(outbox, {"window": {"max_rows": 40, "max_bytes": "1MiB"}})
    outbox.insert_many(40)  # the partitions are known to take messages
    outbox.wait_finished()
    breakable_kafka.pause()
    outbox.insert_many(600, padding=2000)

    def rows():
        return process.outbox()["window"]["rows"]

    # nothing is read for less than a quarter of a batch, and a read with gaps asks for half the room
    wait_for(lambda: rows() > 30, 10, "the window is full")
    stays(lambda: 30 < rows() <= 40, 1, "no more is read")
    change(process, outbox={"window.max_rows": 80})
    wait_for(lambda: rows() > 60, 10, "the larger window is full")
    stays(lambda: 60 < rows() <= 80, 1, "no more is read")
    change(process, outbox={"window.max_rows": 1000})
    wait_for(lambda: process.outbox()["window"]["bytes"] >= 1024 * 1024, 10,
             "then the bytes are full")
    stays(lambda: 80 < rows() < 600, 1, "they bound it")
    assert process.metric("window_limit_bytes") == 1024 * 1024
    change(process, outbox={"window.max_bytes": "8MiB"})
    wait_for(lambda: rows() == 600, 10, "all rows are in the window")
    wait_for(lambda: process.outbox()["window"]["in_flight_rows"] == 600, 10,
             "all are on their way: no limit of the first file is left")
    assert process.metric("window_limit_bytes") == 8 * 1024 * 1024
    breakable_kafka.resume()
    collect(outbox.topic).wait(640)
    outbox.wait_finished()


@shows("outboxes[].ready_max_stall")
def test_readiness(breakable_kafka, outbox, relay):
    process = relay(outbox, {"ready_max_stall": "1h"})
    process.wait_running()
    breakable_kafka.pause()
    outbox.insert("a")
    wait_for(lambda: process.outbox()["window"]["in_flight_rows"] == 1, 10, "in flight")
    stays(lambda: process.get_code("/readyz") == 200, 1.5, "it is ready")
    change(process, outbox={"ready_max_stall": "1s"})
    wait_for(lambda: process.get_code("/readyz") == 503, 5, "it is not ready")
    change(process, outbox={"ready_max_stall": "1h"})
    assert process.get_code("/readyz") == 200


POISON = {"text": "x" * 2000}
SMALL = {"max_payload": "1KiB"}


@pytest.fixture
def refusing(kafka, db):
    """Whose rows name a partition that does not exist, which may change."""
    class Refused(Outbox):
        def insert(self, *arguments, **columns):
            return super().insert(*arguments, kafka_partition=99, **columns)

    return Refused(db, kafka.create_topic())


@pytest.mark.real_kafka
@shows("outboxes[].retry.strategy", "outboxes[].retry.base_delay", "outboxes[].retry.max_delay",
       "outboxes[].retry.jitter")
def test_pauses_between_attempts(refusing, relay):
    process = relay(refusing, {"retry": {"strategy": "fixed", "base_delay": "100s",
                                         "max_delay": "1h", "jitter": False}})

    def pauses(count=1):
        """What follows the fourth failed attempt of rows."""
        rows = [refusing.insert(str(uuid.uuid4()), attempts=3) for _ in range(count)]
        for row in rows:
            assert refusing.wait_status(row, FAILED) == (FAILED, 4)
        return [refusing.row(row, "extract(epoch FROM next_retry_at - now())::float")[0]
                for row in rows]

    def assert_pause(seconds):
        assert seconds - 10 <= pauses()[0] <= seconds

    assert_pause(100)
    change(process, outbox={"retry.base_delay": "200s"})
    assert_pause(200)
    change(process, outbox={"retry.strategy": "linear"})
    assert_pause(800)
    change(process, outbox={"retry.strategy": "exponential"})
    assert_pause(1600)
    change(process, outbox={"retry.max_delay": "1000s"})
    assert_pause(1000)
    change(process, outbox={"retry.jitter": True})
    drawn = pauses(8)
    assert max(drawn) - min(drawn) > 20 and 90 <= min(drawn) and max(drawn) <= 1000, drawn


@pytest.mark.real_kafka
@shows("outboxes[].topics.overrides.*.retry.max_attempts",
       "outboxes[].topics.overrides.*.retry.base_delay",
       "outboxes[].topics.overrides.*.retry.max_delay")
def test_attempts_of_single_topics(refusing, relay):
    """The outbox's own numbers hold where an override names none."""
    process = relay(refusing, {"retry": {"base_delay": "100s", "max_delay": "1h",
                                         "jitter": False}})

    def override(**values):
        change(process, outbox={"topics.overrides": {refusing.topic: {"retry": values},
                                                     "another": {"retry": {"max_attempts": 1}}}})

    def assert_pause(seconds):
        """What follows the second failed attempt: twice the first pause."""
        row = refusing.insert(str(uuid.uuid4()), attempts=1)
        assert refusing.wait_status(row, FAILED) == (FAILED, 2)
        pause = refusing.row(row, "extract(epoch FROM next_retry_at - now())::float")[0]
        assert seconds - 10 <= pause <= seconds

    assert_pause(200)
    override(base_delay="200s")
    assert_pause(400)
    override(base_delay="200s", max_delay="300s")
    assert_pause(300)
    override(max_attempts=2)
    row = refusing.insert("a", attempts=1)
    refusing.wait_status(row, DEAD)


@pytest.mark.real_kafka
@shows("outboxes[].retry.max_attempts")
def test_attempts(refusing, relay):
    row = refusing.insert("a")
    process = relay(refusing, {"retry": {"max_attempts": 1000000, "strategy": "fixed",
                                         "base_delay": "50ms", "jitter": False}})
    wait_for(lambda: refusing.row(row)[1] > 5, 20, "it is tried again and again")
    change(process, outbox={"retry.max_attempts": 6})
    refusing.wait_status(row, DEAD)


@shows("outboxes[].batch.max_bytes", "outboxes[].retry.quota_multiplier",
       "outboxes[].retry.backpressure_delay")
def test_what_is_only_seen_from_within(outbox, relay, collect):
    """How much a read hands on at once, and two pauses that no broker here provokes: the daemon
    says that it took the values, and relays on with them."""
    process = relay(outbox)
    process.wait_running()
    for option, value in (("batch.max_bytes", "16KiB"), ("retry.quota_multiplier", 9),
                          ("retry.backpressure_delay", "7s")):
        change(process, outbox={option: value})
        assert process.log(msg="option changed", option="outboxes.orders." + option)
        assert process.ctl("reload").stdout == "nothing changed\n"
    outbox.insert_many(60, padding=2000)
    collect(outbox.topic).wait(60)
    outbox.wait_finished()


@shows("outboxes[].dead_letter.topic", "outboxes[].topics.overrides",
       "outboxes[].topics.overrides.*.dead_letter.topic")
def test_dead_letters(kafka, outbox, relay, collect):
    letters, special = [kafka.create_topic(kafka.new_name("letters"), partitions=1)
                        for _ in range(2)]
    process = relay(outbox, SMALL)

    def dead():
        row = outbox.insert("a", POISON)
        outbox.wait_status(row, DEAD)
        return row

    dead()
    change(process, outbox={"dead_letter.topic": letters})
    assert collect(letters).wait_ids([dead()])[0].topic == letters
    overrides = {outbox.topic: {"dead_letter": {"topic": special}}}
    change(process, outbox={"topics.overrides": overrides})
    assert len(collect(special).wait_ids([dead()])) == 1
    change(process, outbox={"topics.overrides": {
        outbox.topic: {"dead_letter": {"topic": letters}}}})
    assert len(collect(letters).wait_ids([dead()])) == 2


@shows("outboxes[].topics.allow")
def test_allowed_topics(outbox, relay, collect):
    process = relay(outbox)
    collector = collect(outbox.topic)
    collector.wait_ids([outbox.insert("a")])
    change(process, outbox={"topics.allow": ["other.*"]})
    outbox.wait_status(outbox.insert("a"), DEAD)
    change(process, outbox={"topics.allow": ["other.*", outbox.topic]})
    collector.wait_ids([outbox.insert("a")])


@shows("outboxes[].headers", "outboxes[].timestamp", "outboxes[].timestamp_max_age")
def test_messages(outbox, relay, collect):
    process = relay(outbox)
    collector = collect(outbox.topic)

    def message():
        row = outbox.insert("a", created_at=created)
        return next(m for m in collector.wait_ids([row]) if m.message_id == row)

    def age_s(message):
        return time.time() - message.timestamp_ms / 1000

    with outbox.database.session() as session:
        created = session.run("SELECT now() - interval '1 hour'")[0][0]
    first = message()
    assert "aggregate-type" in first.header_names() and 3590 < age_s(first) < 3700
    change(process, outbox={"headers": ["message-id"]})
    assert message().header_names() == ["message-id"]
    change(process, outbox={"timestamp": "send"})
    assert age_s(message()) < 60
    change(process, outbox={"timestamp": "created_at"})
    assert age_s(message()) > 3590
    change(process, outbox={"timestamp_max_age": "10m"})
    late = message()
    assert age_s(late) < 60 and late.header("created-at")


@shows("outboxes[].tombstone_on_empty")
def test_payloads_of_nothing(outbox, relay, collect):
    outbox.database.run(f"ALTER TABLE {outbox.table} ALTER payload TYPE text")
    process = relay(outbox, {"on_delivered": "delete"})
    collector = collect(outbox.topic)

    def value():
        row = str(uuid.uuid4())
        outbox.database.run(
            f"INSERT INTO {outbox.table} (message_id, aggregate_type, aggregate_id, topic, payload)"
            f" VALUES ('{row}', 'order', 'a', '{outbox.topic}', '  ')")
        return next(m for m in collector.wait_ids([row]) if m.message_id == row).value

    assert value() == b"  "
    change(process, outbox={"tombstone_on_empty": True})
    assert value() is None
    change(process, outbox={"tombstone_on_empty": False})
    assert value() == b"  "


@shows("http.token_file", "http.basic_file")
def test_who_may_look(outbox, relay):
    process = relay(outbox)

    def written(name, text):
        path = os.path.join(process.directory, name)
        with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as out:
            out.write(text)
        return path

    def answers(**headers):
        return process.get("/status", headers=headers).status_code

    assert answers() == 200
    change(process, "http.token_file", http={"token_file": written("token", "0123456789abcdef\n")})
    assert answers() == 401 and answers(Authorization="Bearer 0123456789abcdef") == 200
    change(process, "http.basic_file", http={"basic_file": written("users", "ann:se cret\n")})
    assert process.get("/status", auth=("ann", "wrong")).status_code == 401
    assert process.get("/status", auth=("ann", "se cret")).status_code == 200


@shows("http.hosts")
def test_hosts(outbox, relay):
    process = relay(outbox)

    def answer():
        return process.get("/livez", headers={"Host": f"relay.example:{process.port}"}).status_code

    assert answer() == 421
    change(process, "http.hosts", http={"hosts": ["relay.example"]})
    assert answer() == 200
    change(process, "http.hosts", http={"hosts": ["another.example"]})
    assert answer() == 421


@shows("checks.interval", "checks.old_transaction")
def test_checks(outbox, relay):
    """A transaction that is old by the new limit; one that is ended is noticed at the next look."""
    process = relay(outbox, checks={"interval": "1h", "old_transaction": "1h"})
    process.wait_running()
    outbox.database.run("GRANT pg_read_all_stats TO relay")
    try:
        application = outbox.database.connect("app", autocommit=False)
        application.cursor().execute("SELECT txid_current()")
        began = time.monotonic()
        wait_for(lambda: time.monotonic() - began > 1.5, 10, "it is a little old")
        assert process.status()["warnings"] == []
        change(process, "checks.old_transaction", checks={"old_transaction": "1s"})
        wait_for(lambda: process.status()["warnings"], 10, "it is old by the new limit")
        change(process, "checks.interval", checks={"interval": "1s"})
        application.close()
        wait_for(lambda: not process.status()["warnings"], 10, "the next look is soon")
    finally:
        outbox.database.run("REVOKE pg_read_all_stats FROM relay")


@shows("log.level", "log.format", "log.identifiers")
def test_log(outbox, relay):
    process = relay(outbox, SMALL, log={"level": "error"})

    def said_of(aggregate):
        """What is logged while a row of it becomes dead: its end is certain to be logged before
        the row's status changes, if at all."""
        before = len(process.log_text())
        outbox.wait_status(outbox.insert(aggregate, POISON), DEAD)
        return process.log_text()[before:]

    assert said_of("first") == ""
    change(process, "log.level", log={"level": "warn"})
    assert "level=warn" in said_of("second") and "second" not in process.log_text()
    change(process, "log.identifiers", log={"identifiers": True})
    assert "aggregate_id=third" in said_of("third")
    change(process, "log.format", log={"format": "json"})
    lines = [json.loads(line) for line in said_of("fourth").splitlines()]
    assert "fourth" in [line.get("aggregate_id") for line in lines]
    change(process, "log.level", log={"level": "error"})
    assert said_of("fifth") == ""
