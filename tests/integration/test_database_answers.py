# SPDX-License-Identifier: MIT
"""A PostgreSQL server, or whatever stands in its place, that answers otherwise than it is asked."""

import pytest

from harness.copying import Copying
from harness.outbox import RELAY, Outbox
from harness.setup import relay_config
from harness.timing import wait_for


@pytest.fixture
def copying():
    server = Copying()
    yield server
    server.discard()


@pytest.mark.limit(60)
def test_server_that_answers_with_copy_stops_nothing_else(copying, db, kafka, daemon, collect):
    mine = Outbox(db, kafka.create_topic())
    config = relay_config(db, kafka)
    config["databases"]["other"] = {
        "driver": "postgres", "url": f"postgresql://{RELAY}@127.0.0.1:{copying.port}/shop"}
    config["outboxes"].append({**config["outboxes"][0], "name": "payments", "database": "other"})
    process = daemon(config).start(timeout=20)
    process.wait_running(outbox="orders")
    wait_for(lambda: "COPY" in process.outbox("payments")["reason"], 30, "it has answered with COPY")
    collect(mine.topic).wait_ids([mine.insert("a")])
    sessions = copying.sessions
    wait_for(lambda: copying.sessions >= sessions + 3, 30, "all three connections are made again")
    assert process.stop() == 0
