# SPDX-License-Identifier: MIT
"""Child processes: started so that they die with the test run, ended by their own id only."""

import concurrent.futures
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from .timing import scaled, wait_for

SERVER_USER = "postgres"  # what PostgreSQL and PgBouncer run as when the tests run as root


def as_root():
    return os.geteuid() == 0


def server_account():
    """(uid, gid) that servers refusing root run under; None when we are no root."""
    if not as_root():
        return None
    entry = pwd.getpwnam(SERVER_USER)
    return entry.pw_uid, entry.pw_gid


def command(args, drop_root=False, death_signal="TERM"):
    """The command line that runs args with the kernel's promise to signal it when we die
    (PR_SET_PDEATHSIG), so that an interrupted run leaves no server behind."""
    prefix = ["setpriv", "--pdeathsig", death_signal]
    if drop_root and as_root():
        prefix += [f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--init-groups"]
    return prefix + ["--"] + [str(a) for a in args]


def scratch(prefix="ef-", for_server=False):
    """A short path (Unix socket names end at 107 bytes) that a dropped server can reach."""
    path = tempfile.mkdtemp(prefix=prefix, dir=os.environ.get("EF_TEST_TMP", "/tmp"))
    account = server_account()
    if for_server and account:
        os.chown(path, *account)
    return path


# The kernel sends the death signal when the thread that started the child ends, not the process: one
# thread that lives as long as we do starts them all.
_spawner = concurrent.futures.ThreadPoolExecutor(1, "spawner")


def _ports():
    """In blocks that no other test program has: a socket without a file holds each of them as long
    as this one lives. Outside the range the kernel hands out itself, so that an outgoing connection
    of another test does not sit on one when its server starts."""
    for block in range(20000, 32000, 100):
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            holder.bind(f"\0eventferry-test-ports-{block}")
        except OSError:
            holder.close()
            continue
        _held.append(holder)
        yield from range(block, block + 100)


_held = []
_unused = _ports()
_one_at_a_time = threading.Lock()


def free_port():
    """A port nobody listens on now, and that was never given before."""
    with _one_at_a_time:
        for port in _unused:
            with socket.socket() as probe:
                with contextlib.suppress(OSError):
                    probe.bind(("127.0.0.1", port))
                    return port
    raise RuntimeError("no free port between 20000 and 32000")


class Process:
    """One child with its output in a file."""

    def __init__(self, args, log_path, drop_root=False, death_signal="TERM", env=None, cwd=None,
                 output=None):
        """output: where it writes instead of log_path (a LogPipe, which fills that file)."""
        self.log_path = str(log_path)
        self._log = output or open(self.log_path, "ab")
        environment = None
        if env is not None:
            environment = {**os.environ, **env}
        self.child = _spawner.submit(
            subprocess.Popen, command(args, drop_root, death_signal), stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=subprocess.STDOUT, env=environment, cwd=cwd,
            start_new_session=True).result()

    @property
    def pid(self):
        return self.child.pid

    @property
    def running(self):
        return self.child.poll() is None

    @property
    def exit_code(self):
        return self.child.poll()

    def send(self, number):
        if self.running:
            self.child.send_signal(number)

    def wait(self, timeout):
        try:
            return self.child.wait(scaled(timeout))
        except subprocess.TimeoutExpired:
            return None

    def stop(self, number=signal.SIGTERM, timeout=20):
        """Asks with a signal; after the limit SIGKILL, which the caller sees as code -9."""
        self.send(signal.SIGCONT)
        self.send(number)
        if self.wait(timeout) is None:
            self.kill()
        self._log.close()
        return self.child.returncode

    def kill(self):
        self.send(signal.SIGKILL)
        self.child.wait()

    def pause(self):
        self.send(signal.SIGSTOP)
        wait_for(lambda: self.state() == "T", 5, f"process {self.pid} stopped")

    def resume(self):
        self.send(signal.SIGCONT)

    def state(self):
        """The letter of /proc: R running, S sleeping, T stopped, Z ended."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0]

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as text:
            return text.read()

    def log_tail(self, lines=60):
        return "\n".join(self.log().splitlines()[-lines:])


def children_of(pid):
    """The ids of a process's children (PostgreSQL's backends are sessions of their own)."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        return [int(child) for child in children.read().split()]


def listening(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def program(name, *more_directories):
    """The path of a program, looking where Debian and Fedora put servers too."""
    places = os.environ.get("PATH", "").split(":") + ["/usr/sbin", "/sbin", *more_directories]
    return shutil.which(name, path=":".join(places))


def remove(path):
    """Removes a scratch directory; a server that was just killed may still be letting go of it."""
    for _ in range(20):
        shutil.rmtree(path, ignore_errors=True)
        if not os.path.exists(path):
            return
        time.sleep(0.05)
