# SPDX-License-Identifier: MIT
"""What the relay uses while nothing happens, and how soon it begins."""

import time

import usage
from drain import MIB, checks
from harness.timing import wait_for
from stand import fill, wait_running

CALM_S = 5  # after the start, before idling is measured: the first looks are over
TRUSTED_S = 65  # with wake: notify: the bell is armed, and trusted (relay/pump.c)


def idle(stand, relay, seconds, **settings):
    relay = relay.with_settings(on_delivered="delete", **settings)
    with stand.place() as place:
        try:
            usage.wait_calm(stand.options.patience)
            nobody = _over(seconds, place.database_cpu)
            relay.prepare(place)
            pid = relay.start()
            wait_running(relay)
            time.sleep(TRUSTED_S if settings.get("wake") == "notify" else CALM_S)
            began, daemon, database = time.monotonic(), usage.exact_cpu(pid), place.database_cpu(True)
            time.sleep(seconds)
            took = time.monotonic() - began
            result = {"seconds": took,
                      "daemon_core_percent": (usage.exact_cpu(pid) - daemon) / took * 100,
                      "database_core_percent": (place.database_cpu(True) - database) / took * 100,
                      "database_alone_core_percent": nobody, "rss_mib": usage.resident_bytes(pid) / MIB}
            relay.stop()
            return result
        finally:
            relay.discard()


def _over(seconds, cpu):
    """Per cent of a core that the server uses with no relay at all."""
    began, before = time.monotonic(), cpu(True)
    time.sleep(min(seconds, 5))
    return (cpu(True) - before) / (time.monotonic() - began) * 100


def start(stand, relay, rows=10):
    """From the launch of the process to the broker's time on the first of a few waiting rows."""
    relay = relay.with_settings(on_delivered="delete")
    with stand.place() as place:
        fill(place, rows, rows, 200)
        try:
            relay.prepare(place)
            usage.wait_calm(stand.options.patience)
            with stand.priority():
                launched_at = time.time()
                relay.start()
                wait_for(lambda: not place.waits(), 30, "the rows are settled",
                         interval=0.005)
            found = stand.reader(place, rows, seconds=30).result()
            relay.stop()
            return {"first_message_s": found["first_append_ms"] / 1000 - launched_at,
                    "checks": checks(found)}
        finally:
            relay.discard()
