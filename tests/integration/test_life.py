# SPDX-License-Identifier: MIT
"""Start and stop: signals, exit codes, systemd's notifications."""

import os
import signal
import socket
import subprocess
import time

import pytest

from harness.daemon import binary
from harness.processes import free_port
from harness.setup import relay_config
from harness.timing import scaled, wait_for


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains_releases_and_exits_0(outbox, relay, number):
    process = relay(outbox)
    process.wait_running()
    outbox.insert_many(100)
    process.process.send(number)
    assert process.process.wait(10) == 0
    assert outbox.database.one("SELECT expires_at <= now() FROM eventferry.lease")


def test_stop_of_an_idle_relay_takes_no_time(outbox, relay):
    process = relay(outbox)
    process.wait_running()
    began = time.monotonic()
    process.stop()
    assert time.monotonic() - began < 1


def test_stop_while_everything_hangs_ends_at_the_deadline(breakable_kafka, outbox, relay, proxy):
    between = proxy(outbox.database.server.port)
    process = relay(outbox, port=between.port, shutdown_timeout="2s")
    process.wait_running()
    between.blackhole()
    breakable_kafka.pause()
    began = time.monotonic()
    code = process.stop(expect=None)
    assert code in (0, 75)
    assert time.monotonic() - began < 4


def test_second_signal_stops_at_once(breakable_kafka, outbox, relay):
    process = relay(outbox, shutdown_timeout="60s")
    process.wait_running()
    breakable_kafka.pause()
    outbox.insert("a")
    wait_for(lambda: process.outbox()["window"]["in_flight_rows"] == 1, 10, "in flight")
    process.process.send(signal.SIGTERM)
    process.wait_log(msg="stop")
    assert process.process.wait(1) is None, "it waits for the ack"
    process.process.send(signal.SIGTERM)
    assert process.process.wait(3) == 75
    assert outbox.count() == 1


def test_hangup_is_a_reload_and_no_end(outbox, relay):
    process = relay(outbox)
    process.wait_running()
    process.reload()
    wait_for(lambda: process.metric("config_reloads_total", result="success") == 1, 10, "reloaded")
    assert process.running


def test_occupied_port_is_exit_73(outbox, relay):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = relay(outbox, start=False, http={"listen": address}).launch()
        assert process.process.wait(10) == 73
    assert address in process.log_text()


def test_control_socket_of_a_living_daemon_is_not_stolen(outbox, relay):
    first = relay(outbox)
    second = relay(outbox, start=False, control=first.config["control"]).launch()
    assert second.process.wait(10) == 73
    assert "orders" in first.ctl("status").stdout


def test_control_socket_left_by_a_killed_daemon_is_replaced(outbox, relay):
    process = relay(outbox)
    process.kill()
    assert os.path.exists(process.config["control"]["socket"])
    process.start()
    assert "orders" in process.ctl("status").stdout


def test_state_directory_that_cannot_be_written_is_said_and_relaying_goes_on(outbox, relay):
    """It only serves to take a table back quickly after a crash."""
    process = relay(outbox, state_dir="/proc/nonexistent/state")
    process.wait_running()
    assert "/proc/nonexistent/state" in process.log_text()


class Notifications:
    """The socket systemd would listen on."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(0.2)
        self.seen = []

    def wait(self, text, timeout=10):
        end = time.monotonic() + scaled(timeout)
        while time.monotonic() < end:
            if any(text in each for each in self.seen):
                return
            try:
                self.seen.append(self.socket.recv(4096).decode())
            except socket.timeout:
                continue
        raise AssertionError(f"no {text!r} in {self.seen}")


def test_systemd_is_told_of_every_turn(outbox, relay, tmp_path):
    told = Notifications(str(tmp_path / "n"))
    process = relay(outbox, env={"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "600000"})
    told.wait("READY=1")
    told.wait("STATUS=")
    told.wait("WATCHDOG=1")
    process.reload()
    told.wait("RELOADING=1")
    told.seen.clear()
    told.wait("READY=1")
    process.process.send(signal.SIGTERM)
    told.wait("STOPPING=1")
    assert process.process.wait(10) == 0


def test_no_core_dumps_and_no_writable_surprises(outbox, relay):
    process = relay(outbox)
    with open(f"/proc/{process.pid}/limits", encoding="ascii") as limits:
        core = next(line for line in limits if line.startswith("Max core file size"))
    assert core.split()[4] == "0"


def test_secrets_are_not_in_the_command_line_or_title(outbox, relay):
    process = relay(outbox)
    with open(f"/proc/{process.pid}/cmdline", "rb") as command:
        assert b"postgresql://" not in command.read()


def test_port_zero_is_announced_in_the_port_file(outbox, daemon, kafka, tmp_path):
    path = tmp_path / "ports"
    process = daemon(relay_config(outbox.database, kafka, http={"listen": "127.0.0.1:0"}),
                     arguments=["--port-file", str(path)])
    process.launch()
    text = wait_for(lambda: path.exists() and path.read_text(), 10, "the port file")
    process.port = int(text.rsplit(":", 1)[1].split()[0]) if "http" in text else 0
    process.wait_live()


def test_closed_log_does_not_stop_the_relay(outbox, relay, collect):
    """The reader of standard error goes away or stands still: lines are dropped, rows are not."""
    process = relay(outbox, start=False, log={"level": "debug"})
    reader, writer = os.pipe()
    child = subprocess.Popen([binary("eventferryd"), "--config", process.config_path],
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer)
    try:
        os.close(writer)
        wait_for(lambda: process.get_code("/livez") == 200, 10, "it lives")
        for _ in range(5):
            outbox.insert_many(500)
        outbox.wait_finished()
        os.close(reader)
        outbox.insert_many(500)
        outbox.wait_finished()
        assert len(collect(outbox.topic).drain()) == 3000
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(scaled(10)) == 0


def test_free_port_is_free():
    port = free_port()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
