# SPDX-License-Identifier: MIT
"""Restarts under traffic, one after the other as systemctl restart does them, hand over cleanly.
bench/restarts measures how long nothing arrives meanwhile."""

import pytest

from harness.checker import assert_intact
from harness.timing import wait_for
from harness.writers import Writers

RESTARTS = 5


@pytest.mark.parametrize("standby", [False, True], ids=["alone", "with-a-standby"])
def test_restarts_in_a_row_lose_and_repeat_nothing(outbox, relay, collect, standby):
    relays = [relay(outbox)]
    relays[0].wait_running()
    if standby:
        relays.append(relay(outbox))
        relays[1].wait_state("standby")

    def owner():
        return next((each for each in relays if each.outbox()["state"] == "running"), None)

    with Writers(lambda: outbox.database.connect(autocommit=False), outbox.topic,
                 pause_s=(0.0, 0.002)) as writers:
        for _ in range(RESTARTS):
            before = writers.count
            wait_for(lambda: writers.count > before + 100, 20, "writers are at work")
            leaving = wait_for(owner, 20, "one of them relays")
            leaving.stop()
            leaving.start()
            wait_for(owner, 20, "one of them relays again")
        rows = writers.stop()
    collector = collect(outbox.topic)
    collector.wait_ids([row.message_id for row in rows])
    outbox.wait_finished()
    assert_intact(rows, collector.drain(), repeats=0)
