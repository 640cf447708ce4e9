# SPDX-License-Identifier: MIT
"""What the daemon tells its service manager, by a socket that stands in for systemd's (sd_notify(3))
and has an opinion on the order: READY=1 once the endpoints answer, RELOADING=1 with its time and
READY=1 after it, STOPPING=1 last, WATCHDOG=1 often enough all the while.

The database cannot be reached here: neither readiness nor the watchdog may depend on it."""

import os
import socket
import threading
import time

import pytest

from harness.daemon import Daemon
from harness.processes import free_port, remove, scratch
from harness.timing import wait_for

WATCHDOG_US = 900_000


class OutOfOrder(AssertionError):
    """The daemon said what it must not say now."""


class Manager:
    """Takes notes of every datagram, with the time of its arrival."""

    def __init__(self):
        self.directory = scratch("ef-n-")
        self.path = os.path.join(self.directory, "notify")
        self.notes = []  # (monotonic time, {name: value})
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(0.1)
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while not self._ended.is_set():
            try:
                text = self.socket.recv(4096).decode()
            except socket.timeout:
                continue
            self.notes.append((time.monotonic(),
                               dict(line.split("=", 1) for line in text.splitlines())))

    def close(self):
        self._ended.set()
        self._reader.join()
        self.socket.close()
        remove(self.directory)

    def said(self, name):
        return [note[name] for _, note in list(self.notes) if name in note]

    def wait(self, name, count=1):
        wait_for(lambda: len(self.said(name)) >= count, 10, f"{name} for the {count}. time")

    def states(self):
        """The states in the order they were reported; raises OutOfOrder where one may not follow."""
        follows = {None: {"READY"}, "READY": {"RELOADING", "STOPPING"}, "RELOADING": {"READY"},
                   "STOPPING": set()}
        order, last = [], None
        for _, note in list(self.notes):
            for name in ("READY", "RELOADING", "STOPPING"):
                if name in note:
                    if note[name] != "1" or name not in follows[last]:
                        raise OutOfOrder(f"{name}={note[name]} after {order}")
                    order.append(name)
                    last = name
        return order

    def longest_silence(self):
        beats = [at for at, note in self.notes if "WATCHDOG" in note]
        return max(later - earlier for earlier, later in zip(beats, beats[1:]))


@pytest.fixture
def manager():
    made = Manager()
    yield made
    made.close()


@pytest.fixture
def relay(manager):
    made = Daemon({
        "kafka": {"brokers": "embedded"},
        "databases": {"db": {"url": f"postgresql://relay@127.0.0.1:{free_port()}/nowhere"}},
        "outboxes": [{"name": "orders", "database": "db", "table": "public.outbox"}],
        "shutdown_timeout": "90s"},
        env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(WATCHDOG_US)})
    yield made
    made.discard()


def test_ready_once_the_endpoints_answer(manager, relay):
    relay.launch()
    manager.wait("READY")
    assert relay.get_code("/livez") == 200
    manager.wait("STATUS")
    assert manager.states() == ["READY"]
    assert relay.stop() == 0
    assert manager.states() == ["READY", "STOPPING"]


def test_a_wrong_configuration_is_never_ready(manager, relay):
    relay.write_config(text="outboxes: 1\n")
    relay.launch()
    assert relay.process.wait(20) == 78
    assert manager.notes == []


def test_reload_is_told_from_its_beginning_to_its_end(manager, relay):
    relay.launch()
    manager.wait("READY")
    before = time.monotonic()
    relay.reload()
    manager.wait("READY", 2)
    told = int(manager.said("MONOTONIC_USEC")[0]) / 1e6
    assert before <= told <= time.monotonic()
    relay.write_config(text="outboxes: 1\n")
    relay.reload()
    manager.wait("READY", 3)
    assert manager.states() == ["READY", "RELOADING", "READY", "RELOADING", "READY"]
    assert relay.running


def test_a_stop_is_told_first_and_asks_for_its_time(manager, relay):
    relay.launch()
    manager.wait("READY")
    assert relay.stop() == 0
    assert manager.states()[-1] == "STOPPING"
    assert manager.said("EXTEND_TIMEOUT_USEC") == ["100000000"]


def test_the_watchdog_hears_the_loop(manager, relay):
    relay.launch()
    manager.wait("WATCHDOG", 6)
    assert manager.longest_silence() < WATCHDOG_US / 1e6 / 2 * 1.5
    relay.pause()
    count = len(manager.said("WATCHDOG"))
    try:
        end = time.monotonic() + WATCHDOG_US / 1e6
        wait_for(lambda: time.monotonic() > end, 5, "one period of the watchdog")
        assert len(manager.said("WATCHDOG")) <= count + 1  # one may have been on its way
    finally:
        relay.resume()
    assert relay.stop() == 0


def test_the_stand_in_refuses_a_wrong_order(manager):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as liar:
        for text in (b"READY=1", b"STOPPING=1", b"READY=1"):
            liar.sendto(text, manager.path)
    wait_for(lambda: len(manager.notes) == 3, 5, "three datagrams")
    with pytest.raises(OutOfOrder, match="READY=1 after"):
        manager.states()
