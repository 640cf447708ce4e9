# SPDX-License-Identifier: MIT
"""A backlog in which every aggregate waits behind its first row: what the relay needs meanwhile, how
soon a row of a free aggregate gets past, how soon it notices that they may go, and how fast they
leave then."""

import time

import usage
from drain import MIB, checks
from harness.outbox import OWNER_ROLE
from harness.timing import wait_for
from stand import TABLE, fill, insert_one

WATCH_S = 15  # blocked and watched: long enough for the relay's regular looks at the table
LOOK_EVERY_S = 0.05


def drain_blocked(stand, relay, case):
    """case.rows rows, of which the first of each aggregate waits; one free row comes behind."""
    relay = relay.with_settings(**case.settings)
    with stand.place() as place:
        fill(place, case.rows, case.aggregates, case.payload_bytes)
        _hold_back(place, case.aggregates)
        insert_one(place, case.rows + 1, case.aggregates + 1, case.payload_bytes)
        try:
            relay.prepare(place)
            return _measure(stand, relay, case, place)
        finally:
            relay.discard()


def _hold_back(place, aggregates):
    with place.database.session(OWNER_ROLE) as session:
        session.run(f"UPDATE {TABLE} SET status = 3, attempts = 1, next_retry_at = now() + "
                    "interval '1 hour' WHERE id <= %s", (aggregates,))
    place.watch.run(f"ANALYZE {TABLE}")


def _measure(stand, relay, case, place):
    usage.wait_calm(stand.options.patience)
    with stand.priority():
        pid = relay.start()
        began = time.monotonic()
        wait_for(lambda: not place.waits(case.rows), 60 + case.rows / 5000,
                 "the row behind all blocked ones is settled", interval=LOOK_EVERY_S)
        free_s = time.monotonic() - began
        before = usage.tree_cpu(pid), place.database_cpu()
        time.sleep(WATCH_S)
        after = usage.tree_cpu(pid), place.database_cpu()
        still = place.watch.one(f"SELECT count(*) FROM {TABLE} WHERE status IN (0, 1, 3)")
        blocked_mib = usage.peak_bytes(pid) / MIB
        with place.database.session(OWNER_ROLE) as session:
            session.run(f"UPDATE {TABLE} SET next_retry_at = now() WHERE status = 3")
        released = time.time()
        wait_for(lambda: place.watch.one(f"SELECT NOT EXISTS (SELECT FROM {TABLE} WHERE id = 1)"),
                 60, "the first row is settled", interval=LOOK_EVERY_S)
        began_to_leave = time.time()
        wait_for(lambda: not place.waits(), 120 + case.rows / 500,
                 "all rows are settled", interval=LOOK_EVERY_S)
        ended = time.time()
        peak_mib = usage.peak_bytes(pid) / MIB
    found = stand.reader(place, case.rows + 1, seconds=120 + case.rows / 20000).result()
    slow_callbacks, slow_where = relay.slow_callbacks(), relay.slow_where()
    relay.stop()
    return {"rows": case.rows, "events_s": case.rows / (ended - began_to_leave),
            "noticed_s": began_to_leave - released, "free_s": free_s,
            "blocked_mib": blocked_mib, "peak_mib": peak_mib, "still_blocked": still,
            "blocked_daemon_percent": (after[0] - before[0]) / WATCH_S * 100,
            "blocked_database_percent": (after[1] - before[1]) / WATCH_S * 100,
            "slow_callbacks": slow_callbacks, "slow_where": slow_where, "checks": checks(found)}
