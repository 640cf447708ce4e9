# SPDX-License-Identifier: MIT
"""Killed under load, stopped under load: the checker says what came of it."""

import pytest

from harness.checker import assert_intact
from harness.setup import LONG
from harness.timing import wait_for
from harness.writers import Writers

KILLS = 30 if LONG else 5
WINDOW = 500


@pytest.fixture
def load(outbox):
    """Writers that end with the test."""
    made = []

    def make(**more):
        more.setdefault("pause_s", (0.0, 0.01))
        made.append(Writers(lambda: outbox.database.connect("test", autocommit=False),
                            outbox.topic, **more).start())
        return made[-1]

    yield make
    for writers in made:
        writers.stop()


def more_rows(writers, count):
    before = writers.count
    wait_for(lambda: writers.count > before + count, 20, "writers are at work")


@pytest.mark.limit(60 if not LONG else 600)
@pytest.mark.parametrize("choice", ["archive", "delete", "mark"])
def test_sigkill_under_load_loses_and_reorders_nothing(outbox, relay, collect, load, choice):
    """A killed relay may repeat what was in flight, at most its window each time."""
    process = relay(outbox, {"window": {"max_rows": WINDOW}, "batch": {"max_rows": 200},
                             "on_delivered": choice})
    writers = load(threads=6, aggregates=30)
    for _ in range(KILLS):
        more_rows(writers, 60)
        process.kill()
        more_rows(writers, 20)
        process.start()
    more_rows(writers, 60)
    rows = writers.stop()
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in rows])
    outbox.wait_finished()
    assert_intact(rows, collector.drain(), writers.maybe, repeats=KILLS * WINDOW)
    if choice == "archive":
        assert outbox.archived() == len(rows)


def test_sigkill_of_owner_with_a_standby_beside_it(outbox, relay, collect, load):
    relays = [relay(outbox), relay(outbox)]
    writers = load(threads=4)
    for number in range(3):
        more_rows(writers, 60)
        owner = wait_for(lambda: next((r for r in relays if r.running and
                                       r.outbox()["state"] == "running"), None), 20, "an owner")
        owner.kill()
        owner.start()
    more_rows(writers, 60)
    rows = writers.stop()
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in rows], timeout=30)
    outbox.wait_finished(timeout=30)
    assert_intact(rows, collector.drain())


def test_clean_stop_under_load_repeats_nothing(outbox, relay, collect, load):
    process = relay(outbox)
    writers = load(threads=6)
    for _ in range(4):
        more_rows(writers, 80)
        process.stop(expect=0)
        more_rows(writers, 20)
        process.start()
    rows = writers.stop()
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in rows])
    outbox.wait_finished()
    assert_intact(rows, collector.drain(), repeats=0)


def test_stop_settles_what_was_sent(outbox, relay, collect):
    """Whatever arrived before the end is no longer in the table: nothing would be repeated."""
    outbox.insert_many(30000, aggregates=100)
    process = relay(outbox, {"on_delivered": "delete"}, log={"level": "info"})
    wait_for(lambda: process.metric("messages_delivered_total") > 500, 20, "in mid backlog",
             interval=0.002)
    process.stop(expect=0)
    sent = {m.message_id for m in collect(outbox.topic).drain()}
    left = {r.message_id for r in outbox.expected()}
    assert sent and not sent & left
    assert len(sent) + len(left) == 30000
