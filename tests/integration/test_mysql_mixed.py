# SPDX-License-Identifier: MIT
"""One process relays an outbox of PostgreSQL and one of MariaDB to one Kafka."""

import os

import pytest

from harness.daemon import REPOSITORY, run
from harness.my_outbox import MyOutbox
from harness.mysql import MySql
from harness.outbox import RELAY, Outbox
from harness.setup import migrate, relay_config
from harness.timing import scaled, wait_for


@pytest.fixture
def own_server():
    server = MySql("mariadb")
    yield server
    server.discard()


def config_of(postgres, mysql, broker):
    config = relay_config(postgres.database, broker)
    config["databases"]["other"] = {"driver": "mysql", "url": mysql.database.url(RELAY)}
    config["outboxes"].append({**config["outboxes"][0], "name": "payments", "database": "other",
                               "table": mysql.table})
    return config


def delays(outbox, collector, count):
    """Seconds from the end of an INSERT to its message, the shortest first."""
    found = []
    for _ in range(count):
        row = outbox.insert("a")
        (sent,) = [m for m in collector.wait_ids([row]) if m.message_id == row]
        found.append(sent.seen_at - sent.timestamp_ms / 1000)
    return sorted(found)


@pytest.mark.limit(120)
def test_one_database_down_does_not_slow_the_other(own_server, db, kafka, daemon, collect):
    database = own_server.create_database()
    migrate(database)
    mine = MyOutbox(database, kafka.create_topic(), name="payments")
    theirs = Outbox(db, kafka.create_topic())
    process = daemon(config_of(theirs, mine, kafka)).start()
    process.wait_running(outbox="orders")
    process.wait_running(outbox="payments")
    collector = collect(theirs.topic)
    collect(mine.topic).wait_ids([mine.insert("a") for _ in range(10)])
    before = delays(theirs, collector, 20)
    own_server.pause()  # the worst kind of down: nothing answers
    try:
        during = delays(theirs, collector, 20)
    finally:
        own_server.resume()
    assert during[10] < 3 * before[10] + scaled(0.1), (before, during)
    own_server.kill()
    wait_for(lambda: process.outbox("payments")["state"] == "connecting", 20, "it is noticed")
    assert delays(theirs, collector, 20)[10] < 3 * before[10] + scaled(0.1)
    own_server.start()
    process.wait_running(outbox="payments", timeout=30)
    collect(mine.topic).wait_ids([mine.insert("a")])


def test_sample_configuration_of_both_is_accepted(tmp_path):
    with open(os.path.join(REPOSITORY, "conf", "mixed.yaml"), encoding="utf-8") as sample:
        text = sample.read()
    path = tmp_path / "mixed.yaml"
    path.write_text(text.replace("/etc/eventferry/", f"{tmp_path}/"))
    for name in ("shop.password", "billing.password", "db-ca.pem"):
        (tmp_path / name).write_text("secret\n")
        (tmp_path / name).chmod(0o600)
    done = run("eventferryd", "--check-config", "--config", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
