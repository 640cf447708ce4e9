# SPDX-License-Identifier: MIT
"""How fast waiting rows leave, and what that costs every process that takes part."""

import time

import usage
from harness.timing import wait_for
from stand import InDaemon, fill, wait_running

MIB = 1024 * 1024
TAIL = 5000  # rows at the end of the table that are looked at; the rest is counted once, at the end
LOOK_EVERY_S = 0.005


CHECKS = ("messages", "lost", "repeated", "invented", "out_of_order", "headers_min", "headers_max")


def checks(found):
    """The part of the reader's answer that says whether a figure counts."""
    return {key: found[key] for key in CHECKS}


class Case:
    """What is drained and how; the names are those of the printed table."""

    def __init__(self, name, rows, payload_bytes=200, aggregates=1000, embedded=False, **settings):
        self.name = name
        self.rows = rows
        self.expected = rows  # how many of them are to arrive
        self.payload_bytes = payload_bytes
        self.aggregates = aggregates
        self.embedded = embedded
        self.settings = settings


def drain(stand, relay, case):
    broker = InDaemon() if case.embedded else None
    relay = relay.with_settings(**case.settings)
    with stand.place(broker=broker) as place:
        fill(place, case.rows, case.aggregates, case.payload_bytes)
        try:
            relay.prepare(place)
            return measure(stand, relay, case, place)
        finally:
            relay.discard()


def measure(stand, relay, case, place):
    usage.wait_calm(stand.options.patience)
    with stand.priority():
        before = place.database_cpu(), place.kafka_cpu()
        others = usage.Others(place.all_database_cpu, place.kafka_cpu)
        launched_at = time.time()
        pid = relay.start()
        reader = _wait_end(stand, relay, case, place)
        ended_at = time.time()
        daemon_s = usage.tree_cpu(pid)
        others_cores = max(0.0, others.cores() - daemon_s / (ended_at - launched_at))
        after = place.database_cpu(), place.kafka_cpu()
        peak_bytes = usage.peak_bytes(pid)
    if reader is None:
        if not place.broker.real:
            place.broker.bootstrap = relay.daemon.status()["kafka"]["brokers"]
        reader = stand.reader(place, case.expected, seconds=120 + case.rows / 20000)
    found = reader.result()
    running_at = relay.running_at()
    slow_callbacks, slow_where = relay.slow_callbacks(), relay.slow_where()
    counted = relay.counted()
    relay.stop()
    if relay.ends_by == "arrived":
        ended_at = found["last_append_ms"] / 1000
    vacuum_s = place.vacuum()
    first_at = found["first_append_ms"] / 1000 or None
    began_at = running_at or first_at
    return {
        "rows": case.rows, "events_s": case.rows / (ended_at - began_at),
        "seconds": ended_at - began_at,
        "events_s_from_first_message": case.rows / (ended_at - first_at) if first_at else None,
        "first_message_s": first_at - launched_at if first_at else None,
        "daemon_us": (daemon_s - relay.start_cost_s) * 1e6 / case.rows,
        "database_us": (after[0] - before[0]) * 1e6 / case.rows,
        "kafka_us": (after[1] - before[1]) * 1e6 / case.rows if place.broker.real else None,
        "others_cores": others_cores, "peak_mib": peak_bytes / MIB,
        "vacuum_us": vacuum_s * 1e6 / case.rows if vacuum_s is not None else None,
        "slow_callbacks": slow_callbacks, "slow_where": slow_where,
        "counted": counted, "checks": checks(found)}


def _wait_end(stand, relay, case, place):
    """Until no row waits. For a relay that leaves the rows as they are, until all have arrived:
    then the reader runs beside it, as it must for any such relay."""
    limit = 60 + case.rows / 500
    if relay.ends_by == "arrived":
        reader = stand.reader(place, case.expected, seconds=limit)
        reader.child.wait()
        return reader
    wait_for(lambda: not place.waits(case.rows - TAIL), limit, "the last rows are settled",
             interval=LOOK_EVERY_S)
    wait_for(lambda: not place.waits(), limit, "all rows are settled", interval=LOOK_EVERY_S)
    return None


def start_cost(stand, relay):
    """CPU seconds of a start with nothing to do, to be taken off what a drain used."""
    with stand.place() as place:
        try:
            relay.prepare(place)
            pid = relay.start()
            wait_running(relay)
            cost = usage.tree_cpu(pid)
            relay.stop()
            return cost
        finally:
            relay.discard()
