# SPDX-License-Identifier: MIT
"""An operator's day with eventferryctl: rows looked at, sent again, skipped, changed, held, purged;
by the daemon, by another daemon that owns the table, and where none runs."""

import json
import os
import pty
import pwd
import re
import signal
import subprocess
import termios
import time

import pytest

from harness.consumer import Collector
from harness.daemon import binary
from harness.outbox import DEAD, FAILED, RELAY
from harness.timing import scaled, wait_for

ME = pwd.getpwuid(os.getuid()).pw_name
BAD = "no such topic!"  # no name of Kafka's: the row is parked


def status_of(db, row):
    found = db.run("SELECT status FROM public.outbox WHERE id = %s", [row])
    return found[0][0] if found else None


def row_of(db, message):
    return db.run("SELECT id FROM public.outbox WHERE message_id = %s", [message])[0][0]


def dead_row(outbox, db, aggregate="a-1", **columns):
    """One row that has gone dead; its id."""
    message = outbox.insert(aggregate, **{"topic": BAD, **columns})
    row = row_of(db, message)
    wait_for(lambda: status_of(db, row) == DEAD, 20, f"row {row} is dead")
    return row


def audit(db):
    return db.run("SELECT actor, verb, row_id, detail->>'reason' FROM eventferry.audit "
                  "ORDER BY at, row_id")


def allow_edits(owner):
    owner.run("GRANT UPDATE (topic, key, headers, payload, kafka_partition) ON public.outbox "
              f"TO {RELAY}")


@pytest.fixture
def owner(db):
    with db.session() as session:
        yield session


def listed(daemon, *arguments):
    return json.loads(daemon.ctl("dead", "list", *arguments, "--json").stdout)


def test_dead_rows_are_listed_shown_and_exported(outbox, relay, owner, tmp_path):
    daemon = relay(outbox)
    daemon.wait_running()
    first = dead_row(outbox, owner, "a-1", payload={"n": 1}, headers='{"k": "v"}')
    second = dead_row(outbox, owner, "a-2", topic="another bad one!")
    said = daemon.ctl("dead", "list").stdout
    assert "ERROR" in said and BAD in said and f"{first}" in said
    assert [row["id"] for row in listed(daemon)] == [first, second]
    assert [row["id"] for row in listed(daemon, "--topic", BAD)] == [first]
    assert [row["id"] for row in listed(daemon, "--aggregate", "a-2")] == [second]
    assert [row["id"] for row in listed(daemon, "--class", "record TOPIC_INVALID")] == \
        [first, second]
    assert listed(daemon, "--class", "transient") == []
    assert listed(daemon, "--since", "1h") and not listed(daemon, "--until", "1h")
    assert listed(daemon, "--waiting") == []
    assert [row["id"] for row in listed(daemon, "--after", first)] == [second]
    assert "there are more" in daemon.ctl("dead", "list", "--limit", 1).stderr
    shown = daemon.ctl("dead", "show", "orders", first).stdout
    assert '{"n": 1}' in shown and '"k"' in shown and "dead" in shown
    daemon.ctl("dead", "show", 999999, expect=1)
    target = tmp_path / "rows"
    daemon.ctl("dead", "export", "--output", target)
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["id"] for line in lines] == [first, second]
    assert json.loads(lines[0]["payload"]) == {"n": 1}
    assert json.loads(lines[0]["headers"]) == {"k": "v"}


def test_changed_and_sent_again_in_order(outbox, relay, owner, collect, topic):
    daemon = relay(outbox)
    daemon.wait_running()
    first = dead_row(outbox, owner, "a-1", payload={"n": 1})
    second = dead_row(outbox, owner, "a-1", payload={"n": 2})
    outbox.insert("a-1", payload={"n": 3})
    reader = collect(topic)
    reader.wait(1)
    plan = daemon.ctl("dead", "retry", "--all", "--dry-run").stdout
    assert "retry 2 rows of 1 topic and 1 aggregate" in plan and "have gone already" in plan
    assert "--yes" in daemon.ctl("dead", "retry", "--all", expect=1).stderr
    daemon.ctl("dead", "retry", expect=64)
    assert {status_of(owner, row) for row in (first, second)} == {DEAD}
    assert audit(owner) == []
    refused = daemon.ctl("dead", "edit", first, "--set-topic", topic, expect=1).stderr
    assert 'run GRANT UPDATE ("topic") ON ' in refused
    allow_edits(owner)
    for row in (first, second):
        said = daemon.ctl("dead", "edit", row, "--set-topic", topic, "--reason", "typo").stdout
        assert f"dead retry orders {row}" in said
    said = daemon.ctl("dead", "retry", "--all", "--yes", "--reason", "mended").stdout
    assert "2 rows will be sent again" in said
    messages = reader.wait(3)
    assert [json.loads(m.value)["n"] for m in messages] == [3, 1, 2]
    acts = audit(owner)
    assert [(actor, verb, row) for actor, verb, row, _ in acts] == [
        (ME, "edit", first), (ME, "edit", second), (ME, "retry", first), (ME, "retry", second)]
    assert {reason for _, _, _, reason in acts} == {"typo", "mended"}


def test_rows_are_skipped_and_purged(outbox, relay, owner, topic):
    daemon = relay(outbox)
    daemon.wait_running()
    rows = [dead_row(outbox, owner, f"a-{n}") for n in range(3)]
    daemon.ctl("dead", "skip", rows[0], "--reason", "not wanted")
    assert status_of(owner, rows[0]) is None  # archived
    assert owner.run(f"SELECT count(*) FROM {outbox.archive} WHERE id = %s", [rows[0]]) == [(1,)]
    assert "2 dead rows older than" in \
        daemon.ctl("purge", "--dead", "--older-than", "1ms", "--dry-run").stdout
    assert status_of(owner, rows[1]) == DEAD
    assert "0 dead rows" in daemon.ctl("purge", "--dead", "--older-than", "1h", "--yes").stdout
    daemon.ctl("purge", "--dead", expect=64)
    said = daemon.ctl("purge", "--dead", "--older-than", "1ms", "--yes").stdout
    assert "2 rows removed" in said
    assert [status_of(owner, row) for row in rows] == [None] * 3


def test_a_topic_and_an_aggregate_can_be_held(outbox, relay, owner, collect, kafka, topic):
    other = kafka.create_topic()
    daemon = relay(outbox)
    daemon.wait_running()
    reader = collect(topic, other)
    daemon.ctl("pause", "orders", "--topic", topic, "--reason", "consumers upgrade")
    daemon.ctl("pause", "orders", "--aggregate", "a-9")
    held = row_of(owner, outbox.insert("a-1"))
    held_too = row_of(owner, outbox.insert("a-9", topic=other))
    outbox.insert("a-2", topic=other)
    reader.wait(1)
    wait_for(lambda: status_of(owner, held) == FAILED and status_of(owner, held_too) == FAILED, 20,
             "both rows wait")
    said = daemon.ctl("status").stdout
    assert f"topic {topic} held by {ME}" in said and "consumers upgrade" in said
    assert "aggregate a-9 held by" in said
    assert {row["id"] for row in listed(daemon, "--waiting")} == {held, held_too}
    daemon.ctl("resume", "orders", "--topic", topic)
    daemon.ctl("resume", "orders", "--aggregate", "a-9")
    reader.wait(3)
    wait_for(lambda: daemon.outbox()["holds"] == [], 20, "nothing is held")
    daemon.ctl("pause", "orders", "--topic", topic, "--aggregate", "a-1", expect=64)


def test_without_a_daemon_the_tool_does_it(outbox, relay, owner, collect, topic):
    daemon = relay(outbox)
    daemon.wait_running()
    row = dead_row(outbox, owner)
    daemon.stop()
    assert [found["id"] for found in listed(daemon)] == [row]
    allow_edits(owner)
    done = daemon.ctl("dead", "edit", row, "--set-topic", topic, "--retry")
    assert "no daemon runs here" in done.stderr and "will be sent again" in done.stdout
    assert status_of(owner, row) == FAILED  # it waits for a relay; the tool sends nothing
    assert [(actor, verb) for actor, verb, _, _ in audit(owner)] == [(ME, "edit"), (ME, "retry")]
    assert owner.run("SELECT count(*) FROM eventferry.lease WHERE expires_at > now()") == [(0,)]
    daemon.start()
    collect(topic).wait(1)


def test_questions_without_a_daemon_take_no_lease(outbox, relay, owner, tmp_path):
    """So they never make a daemon's start wait."""
    daemon = relay(outbox)
    daemon.wait_running()
    row = dead_row(outbox, owner)
    daemon.stop()
    before = owner.run("SELECT * FROM eventferry.lease")
    assert [found["id"] for found in listed(daemon)] == [row]
    for words in (["dead", "show", row], ["explain", "--no-kafka", row],
                  ["dead", "export", "--output", tmp_path / "rows"], ["dead", "skip", row, "--dry-run"],
                  ["purge", "--dead", "--older-than", "1h", "--dry-run"]):
        daemon.ctl(*words)
    assert owner.run("SELECT * FROM eventferry.lease") == before
    assert owner.run("SELECT count(*) FROM eventferry.relay") == [(0,)]


def test_the_tool_is_no_standby(outbox, relay, owner):
    daemon, idle = relay(outbox), relay(outbox, start=False)
    daemon.wait_running()
    row = dead_row(outbox, owner)
    idle.ctl("dead", "skip", row)  # no daemon at its socket: it waits for the lease itself meanwhile
    assert status_of(owner, row) is None
    assert owner.run("SELECT instance FROM eventferry.relay") == [("relay-1",)]
    assert daemon.outbox()["lease"]["standbys"] == []


def test_another_daemon_owns_the_table(outbox, relay, owner):
    first = relay(outbox)
    first.wait_running()
    second = relay(outbox)
    second.wait_state("standby")
    row = dead_row(outbox, owner)
    began = time.monotonic()
    second.ctl("dead", "skip", row)  # lease_ttl is 3 s, renewed every second
    assert time.monotonic() - began < 5
    assert status_of(owner, row) is None
    second.stop()
    other = dead_row(outbox, owner, "a-2")
    # no daemon at second's socket, but first owns the table
    assert "1 row skipped" in second.ctl("dead", "skip", other).stdout
    assert status_of(owner, other) is None


def test_while_kafka_is_down(outbox, relay, owner, breakable_kafka):
    daemon = relay(outbox, broker=breakable_kafka)
    daemon.wait_running()
    row = dead_row(outbox, owner)
    later = dead_row(outbox, owner, "a-2")
    breakable_kafka.pause()
    daemon.ctl("dead", "skip", row)  # nothing is under way, so nothing has to be waited for
    assert status_of(owner, row) is None
    outbox.insert("a-3")
    wait_for(lambda: daemon.outbox()["window"]["in_flight_rows"] == 1, 20, "a row is in flight")
    asking = subprocess.Popen([binary("eventferryctl"), "--config", daemon.config_path, "dead",
                               "skip", str(later)], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: owner.run("SELECT count(*) FROM eventferry.command WHERE done_at IS NULL")
             == [(1,)], 20, "the command is written down")
    assert "1 operators' commands wait" in daemon.ctl("status").stdout
    breakable_kafka.resume()
    assert asking.wait(scaled(40)) == 0, asking.stderr.read()
    assert status_of(owner, later) is None


def test_the_database_is_down(outbox, daemon, relay, own_postgres):
    idle = relay(outbox, start=False)
    idle.write_config({"databases": {"db": {"url": "postgresql://relay@127.0.0.1:1/none"}}})
    assert "has no database now" in idle.ctl("dead", "list", expect=69, timeout=60).stderr


def test_rows_are_explained(outbox, relay, owner, kafka, topic):
    daemon = relay(outbox)
    daemon.wait_running()
    dead = dead_row(outbox, owner, "a-1")
    said = daemon.ctl("explain", dead).stdout
    assert "it was given up at" in said and "TOPIC_INVALID" in said and "message" in said
    daemon.ctl("pause", "orders", "--reason", "a look")
    wait_for(lambda: daemon.outbox()["state"] == "paused", 20, "paused")
    message = outbox.insert("käse", payload={"n": 1}, headers='{"x": 1.10, "y": null}')
    row = row_of(owner, message)
    said = daemon.ctl("explain", "orders", row).stdout
    assert f"the outbox is paused: paused by {ME}: a look" in said and "murmur2 of the key" in said
    explained = json.loads(daemon.ctl("explain", "--last", 1, "--json").stdout)
    assert [one["id"] for one in explained] == [row]
    expected = explained[0]["message"]
    assert "not committed" in daemon.ctl("explain", 999999).stdout
    daemon.ctl("resume", "orders")
    with Collector(kafka, topic) as reader:
        sent = reader.wait(1)[0]
    assert (sent.topic, sent.partition, sent.key.decode()) == \
        (expected["topic"], expected["partition"], expected["key"])
    assert expected["partitions"] == 3 and sent.value.decode() == expected["value"]
    assert sent.headers == [(header["name"], header["value"] and header["value"].encode())
                            for header in expected["headers"]]
    wait_for(lambda: status_of(owner, row) is None, 20, "it is archived")
    said = daemon.ctl("explain", row).stdout
    at = owner.run("SELECT to_char(archived_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
                   " FROM eventferry.archive_public_outbox WHERE id = %s", [row])[0][0]
    assert f"row {row}: archived" in said and f"it was delivered at {at}" in said
    assert "is not in the archive" in daemon.ctl("explain", 999999).stdout
    daemon.stop()
    late = row_of(owner, outbox.insert("a-5"))
    assert "no daemon runs here" in daemon.ctl("explain", late).stdout


@pytest.mark.parametrize("kept,said", [("delete", "it may have been delivered"),
                                        ("mark", "it was delivered at 20")])
def test_delivered_rows_are_explained(outbox, relay, owner, kept, said):
    daemon = relay(outbox, {"on_delivered": kept})
    daemon.wait_running()
    row = row_of(owner, outbox.insert("a-1"))
    wait_for(lambda: status_of(owner, row) in (None, 2), 20, "it is delivered")
    assert said in daemon.ctl("explain", "--no-kafka", row).stdout


def test_the_page_lists_the_latest_dead_rows(outbox, relay, owner):
    daemon = relay(outbox)
    daemon.wait_running()
    rows = [dead_row(outbox, owner, f"customer-{n}", payload={"n": "private"}) for n in range(6)]
    daemon.stop()
    daemon.start()  # they are counted at its first look, and then once a minute
    wait_for(lambda: "Latest dead rows" in daemon.get("/").text, 30, "they are counted and listed")
    page = daemon.get("/").text
    listed_rows = page[page.index("Latest dead rows"):]
    listed_rows = listed_rows[:listed_rows.index("</ul>")]
    assert [int(row) for row in re.findall(r"<strong>(\d+)</strong>", listed_rows)] == rows[:0:-1]
    assert "TOPIC_INVALID" in listed_rows and "and 1 more" in listed_rows
    assert "private" not in page and "customer-" not in page


def test_lag_top_and_the_level_of_the_log(outbox, relay, topic):
    daemon = relay(outbox, log={"level": "info"})
    daemon.wait_running()
    outbox.insert_many(50)
    wait_for(lambda: daemon.outbox()["totals"]["settled"] == 50, 20, "all is settled")
    lag = json.loads(daemon.ctl("lag", "--json").stdout)
    assert [(one["outbox"], one["known"]) for one in lag] == [("orders", True)]
    assert "DRAINED IN" in daemon.ctl("lag").stdout
    frame = daemon.ctl("top", "--once").stdout
    assert "orders  running" in frame and "acked" in frame and "\x1b" not in frame

    assert not daemon.log(level="debug")
    said = daemon.ctl("log-level", "store", "debug", "--for", "2s").stdout
    assert "store: debug for another" in said
    assert "log of store at debug" in daemon.ctl("status").stdout
    wait_for(lambda: daemon.status()["log"]["overrides"] == [], 20, "it has ended by itself")
    daemon.ctl("log-level", "debug")
    daemon.ctl("reload")
    assert daemon.status()["log"]["overrides"] == []
    assert "no room is named" in daemon.ctl("log-level", "attic", "debug", expect=1).stderr


def test_topics_that_rows_name_can_be_made(outbox, relay, kafka, collect):
    name = kafka.new_name()
    daemon = relay(outbox)
    daemon.wait_running()
    outbox.insert("a-1", topic=name)
    wait_for(lambda: daemon.outbox()["paused_topics"], 30, "the missing topic is told")
    assert "say --topic NAME or --from-rows" in daemon.ctl("topics", "validate", expect=1).stderr
    assert f'FAIL  topic "{name}" does not exist' in \
        daemon.ctl("topics", "validate", "--from-rows", expect=1).stdout
    daemon.ctl("topics", "ensure", "--from-rows", "--partitions", 1, "--replication-factor", 1,
               "--yes")
    collect(name).wait(1, timeout=40)


def test_top_leaves_the_terminal_as_it_was(outbox, relay):
    daemon = relay(outbox)
    daemon.wait_running()
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    top = subprocess.Popen([binary("eventferryctl"), "--config", daemon.config_path, "top",
                            "--interval", "100ms"], stdin=theirs, stdout=theirs, stderr=theirs,
                           env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"})
    seen = b""

    def drawn():
        nonlocal seen
        seen += os.read(ours, 65536)
        return seen.count(b"\x1b[H") >= 3

    try:
        wait_for(drawn, 20, "three frames")
        assert not termios.tcgetattr(theirs)[3] & termios.ECHO
        top.send_signal(signal.SIGINT)
        assert top.wait(scaled(10)) == 0
        seen += os.read(ours, 65536)
        assert termios.tcgetattr(theirs) == before
        assert seen.count(b"\x1b[?1049h") == 1 and seen.count(b"\x1b[?1049l") == 1
        assert b"\x1b[?25h\x1b[?1049l" in seen
    finally:
        top.kill()
        os.close(ours)
        os.close(theirs)
