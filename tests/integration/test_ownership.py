# SPDX-License-Identifier: MIT
"""One owner at a time: standbys, takeovers, an owner that was asleep, and coming back."""

import socket
import time

import pytest

from harness.checker import assert_intact
from harness.setup import migrate
from harness.timing import stays, wait_for
from harness.writers import Writers

LEASE_S = 3


def writers_of(outbox, **more):
    return Writers(lambda: outbox.database.connect("test", autocommit=False), outbox.topic, **more)


def test_standby_takes_over_within_a_second_of_the_lease_after_sigkill(outbox, relay, collect):
    owner = relay(outbox)
    owner.wait_running()
    standby = relay(outbox)
    standby.wait_state("standby")
    assert standby.get_code("/readyz") == 200
    outbox.insert("a")
    outbox.wait_finished()
    killed = time.monotonic()
    owner.kill()
    row = outbox.insert("a")
    standby.wait_running(timeout=LEASE_S + 1)
    assert time.monotonic() - killed <= LEASE_S + 1
    collect(outbox.topic).wait_ids([row], timeout=2)
    assert standby.metric("lease_held") == 1


def test_standby_takes_over_at_once_after_sigterm(outbox, relay, collect):
    owner = relay(outbox, {"lease_ttl": "30s"})
    owner.wait_running()
    standby = relay(outbox, {"lease_ttl": "30s"})
    standby.wait_state("standby")
    owner.stop()
    stopped = time.monotonic()
    standby.wait_running(timeout=2)
    assert time.monotonic() - stopped < 1.5
    collect(outbox.topic).wait_ids([outbox.insert("a")])


def test_killed_relay_that_starts_again_takes_its_table_back_at_once(outbox, relay, collect):
    """It holds the lock of its own state directory, and the token there is the lease's."""
    process = relay(outbox, {"lease_ttl": "30s"})
    process.wait_running()
    process.kill()
    row = outbox.insert("a")
    process.start()
    began = time.monotonic()
    collect(outbox.topic).wait_ids([row], timeout=5)
    assert time.monotonic() - began < 5


def test_relay_with_another_state_directory_waits_for_the_lease(outbox, relay, collect):
    first = relay(outbox, {"lease_ttl": "4s"})
    first.wait_running()
    first.kill()
    row = outbox.insert("a")
    second = relay(outbox, {"lease_ttl": "4s"}, instance="relay-1")
    second.wait_state("standby", "running")
    stays(lambda: outbox.row(row) is not None, 1.5, "the dead owner's lease is respected")
    collect(outbox.topic).wait_ids([row], timeout=6)


def test_owner_asleep_past_its_lease_can_only_repeat(outbox, relay, collect):
    """SIGSTOP under load: another relay takes over; when the first wakes, it changes no row and
    sends nothing new out of turn."""
    window = 200
    sleeper = relay(outbox, {"window": {"max_rows": window}, "batch": {"max_rows": 100}})
    sleeper.wait_running()
    with writers_of(outbox, pause_s=(0.0, 0.01), aggregates=20) as writers:
        wait_for(lambda: sleeper.metric("messages_delivered_total") > 100, 20, "it is at work",
                 interval=0.005)
        sleeper.pause()
        successor = relay(outbox, {"window": {"max_rows": window}, "batch": {"max_rows": 100}})
        successor.wait_running(timeout=LEASE_S + 3)
        before = writers.count
        wait_for(lambda: writers.count > before + 100, 20, "the successor is at work")
        sleeper.resume()
        sleeper.wait_state("standby")
        before = writers.count
        wait_for(lambda: writers.count > before + 100, 20, "writers go on")
        rows = writers.stop()
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in rows])
    outbox.wait_finished()
    assert_intact(rows, collector.drain(), repeats=2 * window)
    assert sleeper.metric("lease_lost_total") >= 1
    assert successor.outbox()["state"] == "running"


def test_late_settle_of_a_former_owner_changes_no_row(outbox, relay, collect):
    """The rows of the first owner were delivered by the second and marked; the late first one must
    not touch them again."""
    first = relay(outbox, {"on_delivered": "mark"})
    first.wait_running()
    outbox.insert_many(200)
    first.pause()
    second = relay(outbox, {"on_delivered": "mark"})
    second.wait_running(timeout=LEASE_S + 3)
    outbox.wait_finished()
    marked = outbox.fingerprint()
    first.resume()
    first.wait_state("standby")
    stays(lambda: outbox.fingerprint() == marked, 1, "no row changes")
    assert {m.message_id for m in collect(outbox.topic).drain()} == {
        r.message_id for r in outbox.expected()}


def test_epoch_rises_with_every_owner(outbox, relay):
    def epoch():
        return outbox.database.one("SELECT epoch FROM eventferry.lease")

    first = relay(outbox)
    first.wait_running()
    before = epoch()
    second = relay(outbox)
    second.wait_state("standby")
    first.stop()
    second.wait_running()
    assert epoch() > before
    assert outbox.database.one("SELECT owner FROM eventferry.lease") == "relay-2"


def test_idle_owner_keeps_its_lease(outbox, relay):
    process = relay(outbox)
    process.wait_running()
    epoch = process.metric("lease_epoch")
    stays(lambda: process.outbox()["state"] == "running", 2 * LEASE_S, "it stays the owner",
          interval=0.2)
    assert process.metric("lease_epoch") == epoch
    assert process.metric("lease_lost_total") == 0


def test_rolling_restart_under_load_repeats_nothing(outbox, relay, collect):
    """A deploy: the old one drains and releases, the standby goes on."""
    relays = [relay(outbox)]
    relays[0].wait_running()
    with writers_of(outbox, pause_s=(0.0, 0.01)) as writers:
        for _ in range(3):
            relays.append(relay(outbox))
            relays[-1].wait_state("standby")
            before = writers.count
            wait_for(lambda: writers.count > before + 50, 20, "writers are at work")
            relays[-2].stop()
            relays[-1].wait_running()
        rows = writers.stop()
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in rows])
    outbox.wait_finished()
    assert_intact(rows, collector.drain(), repeats=0)


def standbys(process):
    return process.outbox()["lease"]["standbys"]


def test_every_relay_tells_who_stands_by(outbox, relay):
    owner = relay(outbox)
    owner.wait_running()
    assert standbys(owner) == []
    standby = relay(outbox)
    standby.wait_state("standby")
    wait_for(lambda: standbys(owner), 20, "the owner knows of the standby")
    wait_for(lambda: standbys(standby), 20, "the standby knows of itself")
    known = standbys(owner)
    assert known == standbys(standby) and len(known) == 1
    assert known[0]["instance"] == standby.status()["instance"] != owner.status()["instance"]
    assert known[0]["host"] == socket.gethostname()
    said = f"standing by: {known[0]['instance']} on {known[0]['host']}"
    for process, verb in ((owner, ["status"]), (standby, ["status"]), (owner, ["top", "--once"])):
        assert said in process.ctl(*verb).stdout
    assert f"<dd>{known[0]['instance']} on " in owner.get("/").text
    owner.stop()
    standby.wait_running(timeout=5)
    assert standbys(standby) == []
    assert outbox.database.one("SELECT count(*) FROM eventferry.relay") == 1


def test_relay_without_the_column_for_standbys_goes_on(outbox, relay, collect):
    """Tables of an older version: migrate adds the column later."""
    outbox.database.run("ALTER TABLE eventferry.relay DROP COLUMN outbox_id")
    owner = relay(outbox)
    owner.wait_running()
    collect(outbox.topic).wait_ids([outbox.insert("a")])
    assert standbys(owner) is None
    assert "standing by" not in owner.ctl("status").stdout
    migrate(outbox.database)
    standby = relay(outbox)
    standby.wait_state("standby")
    wait_for(lambda: standbys(standby), 20, "a relay of the new tables is known")
    owner.stop()
    standby.wait_running(timeout=5)


def test_two_names_for_one_table_still_have_one_owner(outbox, relay, collect):
    """The lease hangs on the table, not on the configuration's name for the outbox."""
    outbox.name = "first-name"
    first = relay(outbox)
    first.wait_running()
    outbox.name = "second-name"
    second = relay(outbox)
    second.wait_state("standby")
    outbox.insert_many(50)
    collector = collect(outbox.topic)
    collector.wait(50)
    outbox.wait_finished()
    assert len(collector.drain()) == 50


@pytest.mark.parametrize("signal", ["pause", "kill"])
def test_owner_gone_in_mid_batch_leaves_a_whole_ordered_topic(outbox, relay, collect, signal):
    outbox.insert_many(20000, aggregates=50)
    rows = outbox.expected()
    first = relay(outbox, log={"level": "info"})
    wait_for(lambda: first.metric("messages_produced_total") > 500, 20, "in mid batch",
             interval=0.002)
    getattr(first, signal)()
    second = relay(outbox, log={"level": "info"})
    second.wait_running(timeout=LEASE_S + 3)
    if signal == "pause":
        first.resume()
    outbox.wait_finished(timeout=40)
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in rows])
    assert_intact(rows, collector.drain())
