# SPDX-License-Identifier: MIT
"""How long a row takes from its INSERT to the consumer, at a fixed rate of inserts."""

import json
import subprocess
import time

import usage
from drain import MIB, checks
from harness.processes import command
from stand import Failed, wait_running

WARM_S = 2  # at the beginning, not counted: prepared statements, caches, the JVM
LATE_MS = 5.0  # a generator that is later than this in 1 % of its transactions did not hold its rate


class Case:
    def __init__(self, name, rate, rows_a_transaction, seconds, payload_bytes=200, aggregates=1000,
                 **settings):
        self.name = name
        self.rate = rate
        self.rows_a_transaction = rows_a_transaction
        self.seconds = seconds
        self.payload_bytes = payload_bytes
        self.aggregates = aggregates
        self.poison_every = 0  # so many good rows to a bad one
        self.poison_bytes = 0  # of a bad one's payload; 0: its headers are bad
        self.settings = settings


def measure(stand, relay, case, **topic):
    relay = relay.with_settings(on_delivered="delete", **case.settings)
    reader = None
    with stand.place(**topic) as place:
        try:
            relay.prepare(place)
            pid = relay.start()
            wait_running(relay)
            rows = case.rate * (case.seconds + WARM_S)
            reader = stand.reader(place, rows, skip=case.rate * WARM_S + 1,
                                  seconds=case.seconds + WARM_S + 60)
            reader.wait_ready()
            usage.wait_calm(stand.options.patience)
            with stand.priority(pid, reader.pid):
                return _run(stand, relay, case, place, pid, reader, rows)
        finally:
            if reader is not None:
                reader.end()
            relay.discard()


def _run(stand, relay, case, place, pid, reader, rows):
    used = {"daemon": lambda: usage.tree_cpu(pid), "database": place.database_cpu,
            "kafka": place.kafka_cpu, "reader": lambda: usage.process_cpu(reader.pid)}
    before = {name: look() for name, look in used.items()}
    others = usage.Others(place.all_database_cpu, place.kafka_cpu, used["daemon"], used["reader"])
    began = time.monotonic()
    done = subprocess.run(
        command([stand.program("writer"), stand.on.writer_target(place.database), place.table, place.topic,
                 case.rate, case.rows_a_transaction, rows, case.aggregates, case.payload_bytes,
                 case.poison_every, case.poison_bytes]),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"the writer failed: {done.stderr}")
    after = {name: look() for name, look in used.items()}
    took = time.monotonic() - began
    others_cores = others.cores()
    writer = json.loads(done.stdout)
    found = reader.result()
    peak_bytes, counted = usage.peak_bytes(pid), relay.counted()
    relay.stop()
    result = {"rate": writer["rate"], "seconds": case.seconds, "writer": writer,
              "rate_held": writer["late_p99_ms"] <= LATE_MS, "others_cores": others_cores,
              "peak_mib": peak_bytes / MIB, "counted": counted, "checks": checks(found)}
    for name, value in before.items():
        result[f"{name}_core_percent"] = (after[name] - value) / took * 100
    result["writer_core_percent"] = writer["cpu_s"] / took * 100
    for name in ("latencies", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"):
        result[name] = found.get(name)
    return result
