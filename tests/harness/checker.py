# SPDX-License-Identifier: MIT
"""Compares what was committed with what arrived. Every load and crash test ends here.

The unit of comparison is the message-id: each committed row carries one, each message must."""

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """A row as its writer knows it was committed."""

    message_id: str
    id: int
    aggregate_id: str
    topic: str
    value: bytes
    key: str = None
    committed_at: float = 0.0  # time.time() after the COMMIT came back


@dataclass
class Verdict:
    committed: int = 0
    delivered: int = 0
    lost: list = field(default_factory=list)
    invented: list = field(default_factory=list)
    repeated: int = 0
    out_of_order: list = field(default_factory=list)
    altered: list = field(default_factory=list)

    @property
    def intact(self):
        """What must hold after any fault: at least once, in order, nothing made up or changed."""
        return not (self.lost or self.invented or self.out_of_order or self.altered)

    def __str__(self):
        def some(items):
            return f"{len(items)}" + (f" {items[:5]}" if items else "")

        return (f"committed {self.committed}, delivered {self.delivered}, lost {some(self.lost)}, "
                f"invented {some(self.invented)}, repeated {self.repeated}, out of order "
                f"{some(self.out_of_order)}, altered {some(self.altered)}")


def check(rows, messages, maybe=()):
    """rows: committed; maybe: rows whose COMMIT got no answer, which may arrive or not."""
    expected = {row.message_id: row for row in rows}
    allowed = {row.message_id: row for row in maybe}
    verdict = Verdict(committed=len(expected))
    seen = set()
    first = defaultdict(list)  # (topic, partition, aggregate) -> ids, each at its first arrival
    for message in messages:
        row = expected.get(message.message_id) or allowed.get(message.message_id)
        if row is None:
            verdict.invented.append((message.topic, message.partition, message.offset))
            continue
        if _differs(row, message):
            verdict.altered.append(row.id)
        if row.message_id in seen:
            verdict.repeated += 1
            continue
        seen.add(row.message_id)
        first[message.topic, message.partition, row.aggregate_id].append(row.id)
    verdict.delivered = len(seen)
    verdict.lost = sorted(row.id for row in expected.values() if row.message_id not in seen)
    for (_, _, aggregate), ids in first.items():
        if aggregate is not None:
            verdict.out_of_order += [(aggregate, earlier, later) for earlier, later
                                     in zip(ids, ids[1:]) if later < earlier]
    return verdict


def _differs(row, message):
    key = row.key if row.key is not None else row.aggregate_id
    return (message.value != row.value or message.topic != row.topic
            or message.key != (key.encode() if key is not None else None)
            or message.header("aggregate-id") != row.aggregate_id)


def assert_intact(rows, messages, maybe=(), repeats=None):
    """Asserts the verdict and returns it; repeats: the most that may have come twice."""
    verdict = check(rows, messages, maybe)
    assert verdict.intact, str(verdict)
    if repeats is not None:
        assert verdict.repeated <= repeats, str(verdict)
    return verdict
