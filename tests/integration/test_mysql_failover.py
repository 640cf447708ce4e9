# SPDX-License-Identifier: MIT
"""The primary is killed and its replica promoted: nothing acknowledged is lost, order holds, and
nobody relays on the new server before one lease ttl has passed on it."""

import pytest

from harness.checker import assert_intact
from harness.my_replication import MyPair
from harness.my_outbox import MyOutbox
from harness.my_writers import MyWriters
from harness.mysql import Database
from harness.outbox import RELAY
from harness.setup import migrate
from harness.timing import wait_for

TTL_S = 3  # relay_config's


@pytest.fixture(params=["mariadb", "mysql"])
def pair(request):
    """Of the test's own; name it before relay."""
    if request.param == "mysql":
        request.getfixturevalue("mysql80")  # skips where it cannot be had
    servers = MyPair(request.param)
    try:
        servers.synchronous()
        yield servers
    finally:
        servers.discard()


def lease(database):
    return database.run(
        "SELECT epoch, server, owner, TIMESTAMPDIFF(MICROSECOND, server_seen_at, acquired_at) / 1e6 "
        "FROM eventferry_lease")[0]


@pytest.mark.limit(150)
def test_replica_that_takes_the_primarys_place(pair, topic, relay, collect):
    database = pair.primary.create_database()
    migrate(database)
    outbox = MyOutbox(database, topic)
    url = database.url(RELAY).replace(
        f":{pair.primary.port}", f":{pair.primary.port},127.0.0.1:{pair.standby.port}")
    assert url.count("127.0.0.1") == 2
    processes = [relay(outbox, databases={"db": {"url": url}}) for _ in range(2)]
    wait_for(lambda: any(p.outbox()["state"] == "running" for p in processes), 20, "one relays")

    def delivered():
        return sum(p.metric("messages_delivered_total") for p in processes)

    def at_work():
        before = delivered()
        wait_for(lambda: delivered() > before + 100, 40, "they relay", interval=0.05)

    with MyWriters(lambda: pair.primary.connect(database.name, autocommit=False), topic,
                   pause_s=(0.0, 0.01)) as writers:
        at_work()
        former = lease(database)
        pair.fail_over("kill")
        promoted = MyOutbox(Database(pair.primary, database.name), topic)
        committed = writers.count
        wait_for(lambda: writers.count > committed + 50, 30, "the application goes on")
        at_work()
        rows = writers.stop()
    collector = collect(topic)
    collector.wait_ids([row.message_id for row in rows], timeout=60)
    promoted.wait_finished(timeout=60)
    assert_intact(rows, collector.drain(), writers.maybe)
    epoch, server, _, quiet_s = lease(promoted.database)
    assert epoch == former[0] + 1  # one takeover, and the replica had the lease's last state
    assert server != former[1]
    assert quiet_s >= TTL_S
    assert sum(p.metric("rows_dead_total") for p in processes) == 0
    assert [p.outbox()["state"] for p in processes].count("running") == 1
