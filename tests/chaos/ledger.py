# SPDX-License-Identifier: MIT
"""The application's own memory of its transactions, kept outside the database.

What the database holds in the end is the committed history (chaos.history, written in the same
transactions). The ledger says what the application was told, so that a row which is missing there
is judged: never committed, lost by a failover that may lose, or lost by a database that may not."""

import threading
import time
from dataclasses import dataclass

ACKNOWLEDGED, UNKNOWN, ROLLED_BACK = "acknowledged", "unknown", "rolled back"


@dataclass(frozen=True)
class Entry:
    outcome: str
    sent_at: float  # time.monotonic() before the COMMIT was sent
    answered_at: float  # and when its answer came, or the connection broke


class Ledger:
    def __init__(self):
        self.entries = {}  # message id -> Entry
        self._periods = []  # (from, to): commits of that time may have been lost by a failover
        self._lock = threading.Lock()

    def note(self, message_ids, outcome, sent_at):
        entry = Entry(outcome, sent_at, time.monotonic())
        with self._lock:
            self.entries.update((each, entry) for each in message_ids)

    def may_lose(self, began, ended):
        """A standby that had not received everything took over: the commits of this period may be
        gone, although they were acknowledged and their messages may have been sent."""
        with self._lock:
            self._periods.append((began, ended))

    def may_be_lost(self, message_id):
        """Whether the row may have been committed once and yet be missing in the history."""
        entry = self.entries.get(message_id)
        return entry is not None and entry.outcome != ROLLED_BACK and any(
            entry.sent_at <= ended and entry.answered_at >= began
            for began, ended in self._periods)

    def acknowledged(self):
        return (each for each, entry in self.entries.items() if entry.outcome == ACKNOWLEDGED)

    @property
    def count(self):
        """How many rows were acknowledged so far."""
        with self._lock:
            return sum(1 for _ in self.acknowledged())
