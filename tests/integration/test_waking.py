# SPDX-License-Identifier: MIT
"""How the relay learns of a row: by polling, by its doorbell, by a trigger that always notifies."""

import time

import pytest

from harness.checker import assert_intact
from harness.timing import stays, wait_for
from harness.writers import Writers

SLOW_POLL = {"wake": "notify", "poll_interval": "60s"}


def bell(outbox):
    return outbox.database.one("SELECT last_value FROM eventferry.bell_public_outbox")


def armed(outbox):
    wait_for(lambda: bell(outbox) == 2, 15, "the bell is armed after a quiet second")


def test_doorbell_delivers_long_before_the_next_poll(outbox, relay, collect):
    process = relay(outbox, SLOW_POLL)
    process.wait_running()
    armed(outbox)
    collector = collect(outbox.topic)
    for number in range(3):
        began = time.monotonic()
        collector.wait_ids([outbox.insert("a", {"n": number})], timeout=3)
        assert time.monotonic() - began < 3
        armed(outbox)
    assert process.metric("wakeups_total", reason="notify") >= 1


def test_doorbell_is_disarmed_while_there_is_work(outbox, relay):
    relay(outbox, {"wake": "notify"}).wait_running()
    armed(outbox)
    with Writers(lambda: outbox.database.connect("test", autocommit=False),
                 outbox.topic) as writers:
        wait_for(lambda: writers.count > 50, 10, "writers are at work")
        wait_for(lambda: bell(outbox) == 1, 5, "the bell is disarmed")
        writers.stop()
    armed(outbox)


def test_doorbell_is_disarmed_where_nobody_listens(outbox, relay):
    """Each commit of the application would pay for it: during a pause, and after a clean stop."""
    process = relay(outbox, SLOW_POLL)
    process.wait_running()
    armed(outbox)
    process.ctl("pause", "orders")
    wait_for(lambda: bell(outbox) == 1, 15, "a pause disarms the bell")
    process.ctl("resume", "orders")
    armed(outbox)
    process.stop()
    assert bell(outbox) == 1


def test_no_row_is_overlooked_while_the_bell_is_being_armed(outbox, relay, collect):
    """Inserts fall into every moment of arming and disarming; a missed one would wait a minute."""
    relay(outbox, SLOW_POLL).wait_running()
    collector = collect(outbox.topic)
    for number in range(7):
        pause = time.monotonic() + 0.6 + number * 0.13
        wait_for(lambda end=pause: time.monotonic() >= end, 10, "a different moment each time")
        collector.wait_ids([outbox.insert("a")], timeout=10)


def test_trigger_that_always_notifies_works_too(outbox, relay, collect):
    """eventferry's own trigger, on the channel it uses."""
    outbox.database.run("""
        SET ROLE owner;
        DROP TRIGGER IF EXISTS eventferry_bell ON outbox;
        CREATE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_notify('outbox', ''); RETURN NULL; END $$;
        CREATE TRIGGER outbox_notify AFTER INSERT ON outbox FOR EACH STATEMENT
            EXECUTE FUNCTION outbox_notify();
        RESET ROLE""")
    process = relay(outbox, {**SLOW_POLL, "channel": "outbox"})
    process.wait_running()
    collect(outbox.topic).wait_ids([outbox.insert("a")], timeout=15)


def test_lost_listen_connection_is_replaced_and_nothing_waits_for_it(outbox, relay, collect):
    process = relay(outbox, SLOW_POLL)
    process.wait_running()
    armed(outbox)
    outbox.database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE application_name LIKE 'eventferryd/%/lease'")
    collect(outbox.topic).wait_ids([outbox.insert("a")], timeout=15)


@pytest.mark.limit(90)
def test_resume_does_not_wait_for_the_poll_before_the_pause(outbox, relay, collect):
    """After 17 quiet seconds polls are 16 s apart, and a resume disarms the bell."""
    process = relay(outbox, SLOW_POLL)
    process.wait_running()
    stays(lambda: True, 17, "the relay is idle", interval=1)
    process.ctl("pause", "orders")
    collector = collect(outbox.topic)
    rows = [outbox.insert("meanwhile")]
    process.ctl("resume", "orders")
    rows.append(outbox.insert("later"))
    collector.wait_ids(rows, timeout=8)


def test_retry_time_wakes_a_slow_poller(outbox, relay, collect):
    row = outbox.insert("a")
    outbox.database.run("UPDATE outbox SET status = 3, next_retry_at = now() + interval '3 s'")
    process = relay(outbox, {"poll_interval": "60s"})
    process.wait_running()
    collect(outbox.topic).wait_ids([row], timeout=10)
    assert process.metric("wakeups_total", reason="retry") >= 1


def test_polling_alone_finds_rows_within_its_interval(outbox, relay, collect):
    relay(outbox, {"wake": "poll", "poll_interval": "300ms"}).wait_running()
    stays(lambda: True, 1.5, "the relay is idle")
    began = time.monotonic()
    collect(outbox.topic).wait_ids([outbox.insert("a")], timeout=3)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("state", ["armed", "disarmed", "polling"])
def test_application_that_may_only_insert(outbox, relay, collect, state):
    """Its INSERT must not need anything more, whatever the bell does."""
    grants = outbox.database.run(
        "SELECT privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = 'app' AND table_name = 'outbox'")
    assert grants == [("INSERT",)]
    relay(outbox, {"wake": "poll" if state == "polling" else "notify"}).wait_running()
    if state == "armed":
        armed(outbox)
    elif state == "disarmed":
        outbox.database.run("SELECT setval('eventferry.bell_public_outbox', 1)")
    collect(outbox.topic).wait_ids([outbox.insert("a")])


def test_wake_by_notify_under_load_arrives_whole(outbox, relay, collect):
    relay(outbox, {"wake": "notify"}).wait_running()
    with Writers(lambda: outbox.database.connect("test", autocommit=False), outbox.topic,
                 pause_s=(0.0, 0.05), threads=2) as writers:
        wait_for(lambda: writers.count > 150, 20, "writers are at work")
        rows = writers.stop()
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in rows])
    assert_intact(rows, collector.drain(), repeats=0)
