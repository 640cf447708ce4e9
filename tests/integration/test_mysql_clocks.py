# SPDX-License-Identifier: MIT
"""Clocks that differ: the server's zone is +05:00 (the fixtures' servers), the host's is UTC. A
relay that mixes them retries at once or hours later. next_retry_at is UTC, created_at and claimed_at
are the server's."""

import time

import pytest

from harness.outbox import FAILED, PROCESSING
from harness.timing import wait_for


def as_application(outbox, sql, *parameters):
    """In the server's zone, as another relay or an operator would write it."""
    with outbox.database.session() as session:
        session.run("SET time_zone = @@GLOBAL.time_zone")
        return session.run(sql, parameters)


def test_the_servers_zone_is_not_the_hosts(my_server):
    with my_server.session() as session:
        assert session.one("SELECT @@GLOBAL.time_zone") == "+05:00"


def test_retry_happens_at_its_time_and_not_before(my_outbox, relay, collect):
    row = my_outbox.insert("a")
    as_application(my_outbox, f"UPDATE {my_outbox.table} SET status = {FAILED}, attempts = 1, "
                   "next_retry_at = UTC_TIMESTAMP(3) + INTERVAL 3 SECOND")
    due = time.time() + 3
    relay(my_outbox)
    message = collect(my_outbox.topic).wait_ids([row], timeout=20)[0]
    assert message.seen_at >= due - 0.5


@pytest.mark.parametrize("hours", [1, 4, 6])
def test_retry_hours_ahead_is_not_taken_at_once(my_outbox, relay, collect, hours):
    row = my_outbox.insert("held")
    as_application(my_outbox, f"UPDATE {my_outbox.table} SET status = {FAILED}, attempts = 1, "
                   "next_retry_at = UTC_TIMESTAMP(3) + INTERVAL %s HOUR", hours)
    process = relay(my_outbox)
    process.wait_running()
    free = my_outbox.insert("free")
    collect(my_outbox.topic).wait_ids([free])
    assert my_outbox.row(row) == (FAILED, 1)


def test_row_claimed_by_another_relay_is_taken_when_its_claim_times_out(my_outbox, relay, collect):
    row = my_outbox.insert("a")
    as_application(my_outbox, f"UPDATE {my_outbox.table} SET status = {PROCESSING}, "
                   "claimed_at = NOW(3)")
    claimed = time.time()
    relay(my_outbox, {"claim_timeout": "4s"})
    message = collect(my_outbox.topic).wait_ids([row], timeout=20)[0]
    assert message.seen_at >= claimed + 3.5


def test_message_time_is_the_instant_of_created_at(my_outbox, relay, collect):
    my_outbox.insert("a")
    instant = as_application(my_outbox, "SELECT UNIX_TIMESTAMP(created_at) FROM "
                             f"{my_outbox.table}")[0][0]
    relay(my_outbox)
    assert abs(collect(my_outbox.topic).wait(1)[0].timestamp_ms - float(instant) * 1000) <= 1


def test_age_of_the_oldest_row_is_told_in_real_seconds(my_outbox, relay):
    my_outbox.insert("a")
    as_application(my_outbox, f"UPDATE {my_outbox.table} SET status = {FAILED}, attempts = 1, "
                   "created_at = NOW(3) - INTERVAL 600 SECOND, "
                   "next_retry_at = NOW(3) + INTERVAL 1 DAY")
    process = relay(my_outbox)
    age = wait_for(lambda: process.metric("oldest_unfinished_age_seconds"), 20, "an age is known")
    assert 590 < age < 900
