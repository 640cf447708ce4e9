# SPDX-License-Identifier: MIT
"""The wall clock jumps, as when a machine wakes up with a wrong one and is set right: whatever waits for
a time must wait by the monotonic clock."""

import time

import pytest

from harness.checker import assert_intact
from harness.faketime import FakeClock
from harness.timing import wait_for

MONTH_S = 30 * 86400
JUMPED_S = 3  # the library under the daemon looks at the file once a second


def insert(outbox, start):
    outbox.insert_many(20, aggregates=5, start=start)
    return outbox.expected(f"id > {start}")


@pytest.mark.real_kafka
@pytest.mark.limit(180)
@pytest.mark.parametrize("broker_away", [False, True], ids=["connected", "connecting"])
def test_a_month_ahead_and_back(breakable_kafka, outbox, relay, collect, broker_away):
    clock = FakeClock()
    try:
        process = relay(outbox, env=clock.environment)
        rows = insert(outbox, 0)
        outbox.wait_finished()
        if broker_away:
            breakable_kafka.stop()
            rows += insert(outbox, 20)
            wait_for(lambda: process.metric("kafka_up") == 0, 20, "the outage is noticed")
        clock.jump(MONTH_S)
        time.sleep(JUMPED_S)
        rows += insert(outbox, len(rows))
        time.sleep(JUMPED_S)
        clock.jump(0)
        time.sleep(JUMPED_S)
        if broker_away:
            breakable_kafka.start()
        rows += insert(outbox, len(rows))
        outbox.wait_finished(timeout=40)
        collector = collect(outbox.topic)
        collector.wait_ids([r.message_id for r in rows], timeout=40)
        assert_intact(rows, collector.drain())
        assert process.metric("kafka_up") == 1
    finally:
        clock.discard()
