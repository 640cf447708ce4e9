# SPDX-License-Identifier: MIT
"""What processes use, read from /proc: CPU seconds of a process with all its children, and memory."""

import os
import time

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat after the name; None when the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as text:
            return text.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def descendants(pid):
    """The process itself and all below it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(name)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += children.get(current, [])
    return found


def process_cpu(pid):
    """User and system seconds of one process, all its threads, without its children."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def tree_cpu(pid, without=()):
    """Of a process and all below it, those that have ended and were waited for included: what a
    server that forks has used. The processes in without are left out."""
    total = 0.0
    for each in descendants(pid):
        fields = _stat(each)
        if fields and each not in without:
            total += sum(int(value) for value in fields[11:15]) / TICKS
    return total


def machine_busy():
    """Seconds that the processors were not idle, what the hypervisor took away from them included
    (proc(5): user nice system idle iowait irq softirq steal)."""
    with open("/proc/stat", encoding="ascii") as text:
        fields = [int(value) for value in text.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


class Others:
    """How many cores were kept busy by what is not ours, since it was made."""

    def __init__(self, *ours):
        """ours: functions that give the CPU seconds used so far by a part of the measurement."""
        self.ours = ours
        self.began = self._now()

    def _now(self):
        own = sum(os.times()[:4]) + sum(look() for look in self.ours)
        return time.monotonic(), machine_busy(), own

    def cores(self):
        at, busy, own = (now - then for now, then in zip(self._now(), self.began))
        return max(0.0, (busy - own) / at)


def wait_calm(limit_s, cores=0.1):
    """Until little else runs on the machine, if that comes true within the limit."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        before = machine_busy()
        time.sleep(0.5)
        if machine_busy() - before < 0.5 * cores:
            return True
    return False


def threads(pid):
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except (FileNotFoundError, ProcessLookupError):
        return []


def thread_cpu(pid, thread):
    """Seconds of one thread, by the scheduler; 0 once it has ended."""
    try:
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as text:
            return int(text.read().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def exact_cpu(pid):
    """As process_cpu, in nanoseconds of the scheduler instead of ticks: for nearly idle processes.
    Threads that have ended are missing."""
    return sum(thread_cpu(pid, thread) for thread in threads(pid))


def exact_tree_cpu(pid, without=()):
    """Of the processes that are there now; one that ended since the last look is missing."""
    total = 0.0
    for each in descendants(pid):
        if each not in without:
            total += exact_cpu(each)
    return total


def _memory(pid, name):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as text:
            for line in text:
                if line.startswith(name + ":"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def resident_bytes(pid):
    return sum(_memory(each, "VmRSS") for each in descendants(pid))


def peak_bytes(pid):
    """The most that was resident since the process began; for several, the sum of their peaks."""
    return sum(_memory(each, "VmHWM") for each in descendants(pid))
