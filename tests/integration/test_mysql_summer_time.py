# SPDX-License-Identifier: MIT
"""The server's zone has summer time: MariaDB's by its zone tables, MySQL's by its host's. created_at and
claimed_at are of that zone, each value by its own date; a relay that runs on over the change goes on
telling right times."""

import datetime
import subprocess
import time

import pytest

from harness.faketime import FakeClock
from harness.my_outbox import MyOutbox
from harness.mysql import MySql
from harness.outbox import FAILED, PROCESSING
from harness.processes import program
from harness.setup import migrate
from harness.timing import scaled, wait_for

ZONE = "Europe/Berlin"
UTC = datetime.timezone.utc
CLAIM_TIMEOUT_S = 8
TWICE = "2026-10-25 02:30:00"


def load_zone(server):
    """Into the server's tables, and as its default."""
    made = subprocess.run([program("mariadb-tzinfo-to-sql"), f"/usr/share/zoneinfo/{ZONE}", ZONE],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    with server.session("mysql") as admin:
        admin.run(made)
        admin.run(f"SET GLOBAL time_zone = '{ZONE}'")


class Clocked(MySql):
    """A MariaDB whose wall clock can jump. (MySQL 8.0 does not run under libfaketime.)"""

    def __init__(self):
        self.clock = FakeClock()
        super().__init__("mariadb", environment=self.clock.environment)
        load_zone(self)

    def now(self):
        with self.session() as session:
            return session.one("SELECT UTC_TIMESTAMP(6)").replace(tzinfo=UTC)

    def jump_to(self, moment):
        """Until the clock has come there; the library looks once a second."""
        ahead = moment - datetime.datetime.now(UTC)
        self.clock.jump(round(ahead.total_seconds()))
        wait_for(lambda: abs(self.now() - moment) < datetime.timedelta(seconds=3), 20,
                 "the server's clock has jumped")

    def discard(self):
        super().discard()
        self.clock.discard()


@pytest.fixture(scope="module")
def clocked():
    server = Clocked()
    yield server
    server.discard()


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def there(request):
    if request.param == "mysql":
        request.getfixturevalue("mysql80")  # skips where it cannot be had
        server = MySql("mysql", environment={"TZ": ZONE})
        yield server
        server.discard()
    else:
        yield request.getfixturevalue("clocked")


def outbox_on(server, topic):
    database = server.create_database()
    migrate(database)
    yield MyOutbox(database, topic)
    database.drop()


@pytest.fixture
def outbox(there, topic):
    yield from outbox_on(there, topic)


@pytest.fixture
def moved(clocked, topic):
    yield from outbox_on(clocked, topic)
    clocked.clock.jump(0)


def instant(message):
    """Of created_at: the message's time, or the header of one that is too far away."""
    text = message.header("created-at")
    if text is not None:
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return datetime.datetime.fromtimestamp(message.timestamp_ms / 1000, UTC)


def utc(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_servers_zone_has_summer_time(there):
    with there.session() as session:
        for month, hours in (("01", 1), ("07", 2)):
            assert session.one("SELECT TIMESTAMPDIFF(HOUR, CONVERT_TZ(%s, @@GLOBAL.time_zone, "
                               "'+00:00'), %s)", [f"2026-{month}-15"] * 2) == hours


@pytest.mark.parametrize("way", ["archive", "delete", "mark"])
def test_each_value_by_its_own_date(outbox, relay, collect, way):
    """Also the hour that is left out, of which no time is right, and the hour that comes twice, of
    which the server takes one: such rows are sent and settled like others."""
    times = {"2026-01-15 12:00:00.25": "2026-01-15 11:00:00.250",
             "2026-07-15 12:00:00.25": "2026-07-15 10:00:00.250",
             "2026-03-29 01:59:59.9": "2026-03-29 00:59:59.900",
             "2026-03-29 02:30:00": "2026-03-29 01:00:00",
             "2026-03-29 03:00:00": "2026-03-29 01:00:00",
             "2026-10-25 01:59:59.9": "2026-10-24 23:59:59.900",
             TWICE: "2026-10-25 00:30:00",
             "2026-10-25 03:00:00": "2026-10-25 02:00:00"}
    wanted = {}
    for _ in range(3):  # long runs of ids are settled in another way than short ones
        for local, when in times.items():
            wanted[outbox.insert("a", created_at=local)] = utc(when)
    relay(outbox, {"on_delivered": way})
    found = {m.message_id: instant(m) for m in collect(outbox.topic).wait(len(wanted))}
    for row, when in wanted.items():
        if when == utc(times[TWICE]) and found[row] == when + datetime.timedelta(hours=1):
            continue  # MySQL's SYSTEM zone: by the season the server was started in
        assert found[row] == when
    outbox.wait_finished()


def next_change(now, month):
    """01:00 UTC of the last Sunday of that month that is to come."""
    for year in (now.year, now.year + 1):
        last = datetime.datetime(year, month, 31, 1, tzinfo=UTC)
        change = last - datetime.timedelta(days=(last.weekday() + 1) % 7)
        if change - datetime.timedelta(hours=1) > now:
            return change
    raise AssertionError("every year has one")


def claim(outbox):
    """By another relay, now; returns the row and when (time.time())."""
    with outbox.application() as application:
        row = outbox.insert("claimed", session=application, status=PROCESSING,
                            claimed_at=application.one("SELECT NOW(3)"))
    return row, time.time()


@pytest.mark.limit(120)
def test_relay_that_runs_on_over_the_change(clocked, moved, relay, collect):
    process = relay(moved, {"claim_timeout": f"{CLAIM_TIMEOUT_S}s"})
    process.wait_running()
    collector = collect(moved.topic)
    reconnects = process.metric("database_reconnects_total")
    change = next_change(datetime.datetime.now(UTC), 3)
    clocked.jump_to(change - datetime.timedelta(seconds=8))
    claimed, claimed_at = claim(moved)
    waiting = moved.insert("waiting", status=FAILED, attempts=1, next_retry_at="2100-01-01")
    moved.database.run(f"UPDATE {moved.table} SET next_retry_at = NOW(3) + INTERVAL 20 SECOND "
                       "WHERE message_id = %s", (waiting,))
    due_at = time.time() + 20
    times = {}
    for when in ("before", "after"):
        began = clocked.now()
        times[moved.insert(when)] = began
        assert (began < change) == (when == "before")
        wait_for(lambda: clocked.now() > change, 20, "the clocks are put forward", interval=0.2)
    messages = {m.message_id: m for m in collector.wait(4, timeout=40)}
    for row, began in times.items():
        assert abs(instant(messages[row]) - began) < datetime.timedelta(seconds=scaled(2))
    assert messages[claimed].seen_at >= claimed_at + CLAIM_TIMEOUT_S - 0.5
    assert messages[waiting].seen_at >= due_at - 0.5
    assert process.metric("database_reconnects_total") == reconnects


@pytest.mark.limit(120)
def test_age_of_the_oldest_row_over_the_change(clocked, moved, relay):
    change = next_change(datetime.datetime.now(UTC), 3)
    clocked.jump_to(change - datetime.timedelta(seconds=8))
    moved.insert("waiting", status=FAILED, attempts=1, next_retry_at="2100-01-01")
    assert clocked.now() < change
    wait_for(lambda: clocked.now() > change, 20, "the clocks are put forward", interval=0.2)
    process = relay(moved)
    age = wait_for(lambda: process.metric("oldest_unfinished_age_seconds"), 20, "an age is known")
    assert age < scaled(60)


@pytest.mark.limit(120)
def test_claim_of_the_hour_that_comes_twice_is_not_taken_early(clocked, moved, relay, collect):
    """02:30 for the second time: read as the first, the claim would be an hour old."""
    change = next_change(datetime.datetime.now(UTC), 10)
    clocked.jump_to(change + datetime.timedelta(minutes=30))
    row, claimed_at = claim(moved)
    collector = collect(moved.topic)
    relay(moved, {"claim_timeout": f"{CLAIM_TIMEOUT_S}s"})
    (message,) = collector.wait_ids([row], timeout=40)
    assert message.seen_at >= claimed_at + CLAIM_TIMEOUT_S - 0.5
