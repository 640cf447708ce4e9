# SPDX-License-Identifier: MIT
"""Compares the committed history with the topics, and counts each kind of wrong by itself.

Nothing here knows the relay. A stream is one life of one topic: order is looked at within each
partition of a stream, by the version that the application gave each event of an aggregate while it
held the aggregate's lock, not by the id the relay goes by."""

import hashlib
from collections import Counter, namedtuple
from dataclasses import dataclass, field

from harness.partitioner import partition_of

# What chaos_history holds of a committed event; digest: md5 of the payload as the server prints it;
# poison: it can never be delivered.
Event = namedtuple("Event", "outbox id aggregate version topic digest poison", defaults=(False,))


def digest_of(value):
    return hashlib.md5(value or b"").hexdigest()


def first_difference(expected):
    """Of (name, found, wanted)."""
    return next((name for name, found, wanted in expected if found != wanted), None)


@dataclass
class Verdict:
    """Everything but repeated, forgotten and gone must be empty; so must repeated_calm."""

    committed: int = 0
    delivered: int = 0
    dead: int = 0  # of the committed: as dead letters
    lost: list = field(default_factory=list)
    invented: list = field(default_factory=list)
    out_of_order: list = field(default_factory=list)
    altered: list = field(default_factory=list)
    misled: list = field(default_factory=list)  # poison that is no dead letter, or the other way
    repeated: int = 0
    repeated_calm: list = field(default_factory=list)  # while nothing but clean stops happened
    vanished: list = field(default_factory=list)  # acknowledged, but the database does not know it
    forgotten: int = 0  # acknowledged, lost by a failover to a standby that lacked it
    gone: int = 0  # on its way to a topic that was deleted at that moment
    left: list = field(default_factory=list)  # (outbox, what): rows not where they belong in the end

    @property
    def intact(self):
        return not any(self.faults().values())

    def faults(self):
        return {"lost": self.lost, "invented": self.invented, "out of order": self.out_of_order,
                "altered": self.altered, "misled": self.misled, "repeated in calm": self.repeated_calm,
                "vanished": self.vanished, "left": self.left}

    def __str__(self):
        parts = [f"committed {self.committed}", f"delivered {self.delivered}", f"dead {self.dead}"]
        for name, found in self.faults().items():
            parts.append(f"{name} {len(found)}" + (f" {found[:3]}" if found else ""))
        parts += [f"repeated {self.repeated}", f"forgotten by failovers {self.forgotten}",
                  f"gone with a topic {self.gone}"]
        return ", ".join(parts)


class Judge:
    """Takes messages one at a time, each partition's in its order, and gives the verdict."""

    def __init__(self, history, ledger, partitions, gone=frozenset(), calm=None):
        """history: message id -> Event. partitions: topic -> their number. gone: ids that may be
        missing because their topic was deleted. calm: (stream, partition) -> first offset
        from which on nothing may come twice."""
        self.history = history
        self.ledger = ledger
        self.partitions = partitions
        self.gone = gone
        self.calm = calm
        self.verdict = Verdict(committed=len(history))
        self._seen, self._dead = set(), set()
        self._last = {}  # (stream, partition, outbox, aggregate) -> version last seen first
        self._homes = {}

    def take(self, stream, message):
        place = (stream, message.partition, message.offset)
        event = self.history.get(message.message_id)
        if event is None:
            if not self.ledger.may_be_lost(message.message_id):
                self.verdict.invented.append((*place, message.message_id))
            return
        if event.poison:
            self.verdict.misled.append((*place, event.id, "poison was delivered"))
        difference = self._difference(event, message)
        if difference:
            self.verdict.altered.append((*place, event.id, difference))
        if message.message_id in self._seen:
            self._repeat(place, event)
            return
        self._seen.add(message.message_id)
        line = (stream, message.partition, event.outbox, event.aggregate)
        former = self._last.get(line)
        if former is not None and event.version < former:
            self.verdict.out_of_order.append((*place, event.aggregate, former, event.version))
        else:
            self._last[line] = event.version

    def take_dead(self, message):
        """A message of the dead-letter topic. Order is nothing that is promised there."""
        place = (message.topic, message.partition, message.offset)
        event = self.history.get(message.message_id)
        if event is None:
            if not self.ledger.may_be_lost(message.message_id):
                self.verdict.invented.append((*place, message.message_id))
            return
        if not event.poison:
            self.verdict.misled.append((*place, event.id, message.header("dlq-reason")))
        difference = first_difference((
            ("value", digest_of(message.value), event.digest),
            ("key", message.key, event.aggregate.encode()),
            ("partition", message.partition, self._home(event, message.topic)),
            ("original-topic", message.header("original-topic"), event.topic),
            ("dlq-error-kind", message.header("dlq-error-kind"), "poison")))
        if difference:
            self.verdict.altered.append((*place, event.id, difference))
        if message.message_id in self._dead:
            self._repeat(place, event)
        self._dead.add(message.message_id)

    def _repeat(self, place, event):
        self.verdict.repeated += 1
        stream, partition, offset = place
        begin = (self.calm or {}).get((stream, partition))
        if begin is not None and offset >= begin:
            self.verdict.repeated_calm.append((*place, event.id))

    def _difference(self, event, message):
        """The name of what is not as it was committed; None when all is."""
        expected = (
            ("topic", message.topic, event.topic),
            ("value", digest_of(message.value), event.digest),
            ("key", message.key, event.aggregate.encode()),
            ("partition", message.partition, self._home(event, event.topic)),
            ("aggregate-id", message.header("aggregate-id"), event.aggregate),
            ("aggregate-type", message.header("aggregate-type"), event.outbox),
            ("version", message.header("version"), str(event.version)),
            ("content-type", message.header("content-type"), "application/json"))
        return first_difference(expected)

    def _home(self, event, topic):
        key = (topic, event.aggregate)
        if key not in self._homes:
            self._homes[key] = partition_of(event.aggregate.encode(), self.partitions[topic])
        return self._homes[key]

    def finish(self, tables=()):
        """tables: (outbox, unfinished ids, ids that were settled, or None where a settled row
        leaves nothing behind, ids of dead rows)."""
        verdict = self.verdict
        verdict.delivered, verdict.dead = len(self._seen), len(self._dead)
        for message_id, event in self.history.items():
            if message_id in (self._dead if event.poison else self._seen):
                continue
            if event.poison:
                verdict.misled.append((event.outbox, event.id, event.topic, "no dead letter"))
                continue
            if message_id in self.gone:
                verdict.gone += 1
            else:
                verdict.lost.append((event.outbox, event.id, event.topic, message_id))
        for message_id in self.ledger.acknowledged():
            if message_id not in self.history:
                if self.ledger.may_be_lost(message_id):
                    verdict.forgotten += 1
                else:
                    verdict.vanished.append(message_id)
        for outbox, unfinished, settled, dead in tables:
            self._look_at_table(outbox, unfinished, settled)
            self._look_at_dead(outbox, dead)
        return verdict

    def _look_at_table(self, outbox, unfinished, settled):
        left = self.verdict.left
        left += [(outbox, f"{message_id} is unfinished") for message_id in unfinished]
        if settled is None:
            return
        count = Counter(settled)
        for message_id, event in self.history.items():
            if event.outbox == outbox and count[message_id] != (0 if event.poison else 1):
                left.append((outbox, f"{message_id} was kept {count[message_id]} times"))
        left += [(outbox, f"{message_id} was kept, but never committed")
                 for message_id in count if message_id not in self.history]

    def _look_at_dead(self, outbox, dead):
        """Rows of status 4 are the poison of this outbox, each of them."""
        poison = {message_id for message_id, event in self.history.items()
                  if event.poison and event.outbox == outbox}
        self.verdict.left += [(outbox, f"{message_id} is dead") for message_id in dead
                              if message_id not in poison]
        self.verdict.left += [(outbox, f"{message_id} is poison and not dead")
                              for message_id in poison - set(dead)]
