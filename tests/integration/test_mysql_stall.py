# SPDX-License-Identifier: MIT
"""A MariaDB or MySQL server that stands still while the relay connects, before its greeting or in the
TLS handshake: only its own outbox waits."""

import os

import pytest

from harness.my_outbox import MyOutbox
from harness.outbox import RELAY, Outbox
from harness.setup import relay_config
from harness.stall import GREETING, HANDSHAKE, Stall
from harness.timing import scaled, wait_for

SLOW_MS = 1000  # a busy machine makes a callback take a moment; a stall takes seconds


@pytest.fixture(params=[GREETING, HANDSHAKE])
def stall(request, my_db):
    made = Stall(my_db.server.port, request.param)
    yield made
    made.discard()


@pytest.mark.limit(120)
def test_a_server_that_stands_still_while_connecting(my_db, stall, db, kafka, daemon, collect):
    mine = MyOutbox(my_db, kafka.create_topic(), name="payments")
    theirs = Outbox(db, kafka.create_topic())
    config = relay_config(db, kafka)
    config["databases"]["other"] = {"driver": "mysql", "connect_timeout": "3s",
                                    "url": my_db.url(RELAY, stall.port), "tls": {"mode": "require"}}
    config["outboxes"].append({**config["outboxes"][0], "name": "payments", "database": "other",
                               "table": mine.table})
    process = daemon(config).start(timeout=20)
    process.wait_running(outbox="orders")
    collector = collect(theirs.topic)

    def delay():
        row = theirs.insert("a")
        (sent,) = [m for m in collector.wait_ids([row]) if m.message_id == row]
        return sent.seen_at - sent.timestamp_ms / 1000

    def tried_again():
        """Each attempt ends by its time-out, and the loop is looked at meanwhile."""
        delays.append(delay())
        threads.append(len(os.listdir(f"/proc/{process.pid}/task")))
        return stall.reached >= 12

    delays, threads = [], []
    wait_for(tried_again, 60, "several attempts stood still")
    assert max(threads) <= threads[0] + 2 * 3  # three connections: an attempt, and one that was left
    assert max(delays) < scaled(1.5), delays
    slow = [int(line["took_ms"]) for line in process.log(msg="slow callback")]
    assert not [ms for ms in slow if ms > scaled(SLOW_MS)]
    reason = process.outbox("payments")["reason"]
    assert "could not connect" in reason, reason
    process.stop()  # with an attempt under way


@pytest.mark.limit(120)
def test_eventferryctl_ends_beside_an_attempt_that_goes_on(my_db, kafka, daemon, tmp_path):
    """exit() would take OpenSSL's tables away below the attempt's thread, which stands here in the
    certificate authority's file. The dynamic linker tells whether exit() was called."""
    os.mkfifo(tmp_path / "ca.pem")
    config = relay_config(my_db, kafka)
    config["databases"]["db"].update(
        {"connect_timeout": "1s", "tls": {"mode": "verify-full", "ca": str(tmp_path / "ca.pem")}})
    process = daemon(config)
    done = process.ctl("dead", "list", expect=69, env={
        **os.environ, "LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(tmp_path / "linker")})
    assert "could not connect within" in done.stderr
    (told,) = tmp_path.glob("linker.*")
    told = told.read_text(encoding="utf-8")
    assert "calling init: " in told and "calling fini: " not in told
