# SPDX-License-Identifier: MIT
"""The checker finds each kind of wrong, names it, and nothing else."""

import dataclasses

import pytest

from harness.consumer import Message
from harness.partitioner import partition_of

from .ledger import ACKNOWLEDGED, ROLLED_BACK, UNKNOWN, Ledger
from .verdict import Event, Judge, digest_of

PARTITIONS = 3
NOTHING = {"lost": 0, "invented": 0, "out of order": 0, "altered": 0, "misled": 0,
           "repeated in calm": 0, "vanished": 0, "left": 0}


def identity(number):
    return f"00000000-0000-4000-8000-{number:012d}"


def message_of(number, event, offset):
    value = f'{{"n": {number}}}'.encode()
    return Message("t", partition_of(event.aggregate.encode(), PARTITIONS), offset,
                   event.aggregate.encode(), value,
                   [("version", str(event.version).encode()),
                    ("content-type", b"application/json"), ("message-id", identity(number).encode()),
                    ("aggregate-type", event.outbox.encode()),
                    ("aggregate-id", event.aggregate.encode())])


class World:
    """Twelve events of three aggregates, as a relay without a fault would send them."""

    def __init__(self):
        self.ledger = Ledger()
        self.history = {
            identity(n): Event("orders", n, f"a-{n % 3}", n // 3, "t",
                               digest_of(f'{{"n": {n}}}'.encode())) for n in range(12)}
        self.ledger.note(self.history, ACKNOWLEDGED, 0.0)
        self.messages = [message_of(n, event, n)
                         for n, event in enumerate(self.history.values())]
        self.tables = [("orders", [], list(self.history), [])]

    def verdict(self, messages=None, **more):
        judge = Judge(self.history, self.ledger, {"t": PARTITIONS}, **more)
        for message in self.messages if messages is None else messages:
            judge.take("t", message)
        return judge.finish(self.tables)

    def faults(self, *arguments, **more):
        return counts(self.verdict(*arguments, **more))


@pytest.fixture
def world():
    return World()


def counts(verdict):
    assert verdict.intact == (not any(verdict.faults().values()))
    return {name: len(found) for name, found in verdict.faults().items()}


def test_whole(world):
    verdict = world.verdict()
    assert verdict.intact and verdict.delivered == verdict.committed == 12
    assert verdict.repeated == verdict.forgotten == verdict.gone == 0


def test_lost(world):
    del world.messages[5]
    assert world.faults() == {**NOTHING, "lost": 1}


def test_lost_at_the_end(world):
    del world.messages[-1]
    assert world.faults() == {**NOTHING, "lost": 1}


def test_invented(world):
    event = Event("orders", 99, "a-1", 99, "t", "")
    world.messages.append(message_of(99, event, 12))
    assert world.faults() == {**NOTHING, "invented": 1}


@pytest.mark.parametrize("outcome, sent_at, invented", [
    (ROLLED_BACK, 5.0, 1), (UNKNOWN, 5.0, 0), (ACKNOWLEDGED, 5.0, 0), (UNKNOWN, 1e12, 1)])
def test_message_without_a_committed_row(world, outcome, sent_at, invented):
    """Only a commit of the time that a failover forgot may have a message and no row."""
    world.ledger.may_lose(0.0, 1e11)
    world.ledger.note([identity(99)], outcome, sent_at)
    world.messages.append(message_of(99, Event("orders", 99, "a-1", 99, "t", ""), 12))
    found = world.verdict()
    assert len(found.invented) == invented
    assert found.forgotten == (outcome == ACKNOWLEDGED)


def test_repeated_is_counted_and_allowed(world):
    world.messages += world.messages[3:6]
    verdict = world.verdict()
    assert verdict.intact and verdict.repeated == 3 and verdict.delivered == 12


def test_repeated_in_calm(world):
    again = dataclasses.replace(world.messages[4], offset=40)
    calm = {("t", n): 30 for n in range(PARTITIONS)}
    assert world.faults(world.messages + [again], calm=calm) == {**NOTHING, "repeated in calm": 1}


def test_repeat_of_a_former_life_is_not_of_the_calm(world):
    calm = {("t", n): 0 for n in range(PARTITIONS)}
    judge = Judge(world.history, world.ledger, {"t": PARTITIONS}, calm=calm)
    for stream in ("t (life 1)", "t (life 1)", "t"):
        for message in world.messages:
            judge.take(stream, message)
    verdict = judge.finish(world.tables)
    assert verdict.repeated == 24
    assert {place[0] for place in verdict.repeated_calm} == {"t"}


def test_out_of_order(world):
    first, second = world.messages[1], world.messages[4]
    world.messages[1], world.messages[4] = second, first
    assert world.faults() == {**NOTHING, "out of order": 1}


def test_repeat_does_not_count_as_order(world):
    world.messages.insert(8, world.messages[1])
    assert world.verdict().intact


@pytest.mark.parametrize("change", [
    {"value": b'{"n": 1 }'}, {"value": None}, {"key": b"a-2"}, {"key": None}, {"partition": 7},
    {"topic": "u"}, {"headers": [("message-id", identity(4).encode())]}],
    ids=lambda change: next(iter(change)))
def test_altered(world, change):
    world.messages[4] = dataclasses.replace(world.messages[4], **change)
    assert world.faults() == {**NOTHING, "altered": 1}


def test_acknowledged_row_that_the_database_does_not_know(world):
    world.ledger.note([identity(50)], ACKNOWLEDGED, 0.0)
    assert world.faults() == {**NOTHING, "vanished": 1}


def test_unfinished_row(world):
    world.tables = [("orders", ["x has status 3"], list(world.history), [])]
    assert world.faults() == {**NOTHING, "left": 1}


@pytest.mark.parametrize("change", [lambda ids: ids[1:], lambda ids: ids + ids[:1],
                                    lambda ids: ids + [identity(77)]],
                         ids=["not kept", "kept twice", "kept without a commit"])
def test_settled_rows_are_kept_once(world, change):
    world.tables = [("orders", [], change(list(world.history)), [])]
    assert world.faults() == {**NOTHING, "left": 1}


def test_gone_with_its_topic(world):
    del world.messages[5]
    verdict = world.verdict(gone={identity(5)})
    assert verdict.intact and verdict.gone == 1


def test_lives_of_a_topic_are_ordered_each_by_itself(world):
    """The second life of a topic may begin with what the first one showed already."""
    judge = Judge(world.history, world.ledger, {"t": PARTITIONS})
    for message in world.messages[6:]:
        judge.take("t (life 1)", message)
    for message in world.messages[:6]:
        judge.take("t", message)
    assert judge.finish(world.tables).intact


class PoisonWorld(World):
    """The fifth event can never be delivered: it went aside, as it should."""

    def __init__(self):
        super().__init__()
        name = identity(5)
        event = self.history[name] = self.history[name]._replace(poison=True)
        message = self.messages.pop(5)
        self.letter = dataclasses.replace(
            message, topic="dead", partition=partition_of(event.aggregate.encode(), 2), offset=0,
            headers=[("message-id", name.encode()), ("original-topic", b"t"),
                     ("dlq-error-kind", b"poison")])
        self.letters = [self.letter]
        self.tables = [("orders", [], [each for each in self.history if each != name], [name])]

    def verdict(self, messages=None, **more):
        judge = Judge(self.history, self.ledger, {"t": PARTITIONS, "dead": 2}, **more)
        for message in self.messages if messages is None else messages:
            judge.take("t", message)
        for letter in self.letters:
            judge.take_dead(letter)
        return judge.finish(self.tables)


@pytest.fixture
def poisoned():
    return PoisonWorld()


def test_dead_letters(poisoned):
    verdict = poisoned.verdict()
    assert verdict.intact and verdict.delivered == 11 and verdict.dead == 1


def test_dead_letter_that_is_missing(poisoned):
    poisoned.letters = []
    assert poisoned.faults() == {**NOTHING, "misled": 1}


def test_dead_letter_of_a_good_row(poisoned):
    poisoned.letters.append(dataclasses.replace(
        poisoned.letter, offset=1, headers=[("message-id", identity(2).encode()),
                                            *poisoned.letter.headers[1:]],
        value=b'{"n": 2}'))
    assert poisoned.faults()["misled"] == 1


def test_poison_that_was_delivered(poisoned):
    poisoned.messages.insert(5, message_of(5, poisoned.history[identity(5)], 12))
    assert poisoned.faults() == {**NOTHING, "misled": 1}


def test_dead_letter_twice_is_counted_and_allowed(poisoned):
    poisoned.letters.append(dataclasses.replace(poisoned.letter, offset=1))
    verdict = poisoned.verdict()
    assert verdict.intact and verdict.repeated == 1
    assert poisoned.faults(calm={("dead", poisoned.letter.partition): 1}) \
        == {**NOTHING, "repeated in calm": 1}


def test_dead_letter_without_a_row(poisoned):
    poisoned.letters.append(dataclasses.replace(
        poisoned.letter, headers=[("message-id", identity(77).encode())]))
    assert poisoned.faults() == {**NOTHING, "invented": 1}


@pytest.mark.parametrize("change", [
    {"value": b"{}"}, {"key": b"a-1"}, {"partition": 7}, {"headers": [
        ("message-id", identity(5).encode()), ("dlq-error-kind", b"poison")]}],
    ids=lambda change: next(iter(change)))
def test_altered_dead_letter(poisoned, change):
    poisoned.letters = [dataclasses.replace(poisoned.letter, **change)]
    assert poisoned.faults() == {**NOTHING, "altered": 1}


@pytest.mark.parametrize("dead", [[], [identity(5), identity(6)]], ids=["not dead", "another"])
def test_dead_rows_are_the_poison(poisoned, dead):
    name, unfinished, kept, _ = poisoned.tables[0]
    poisoned.tables = [(name, unfinished, kept, dead)]
    assert poisoned.faults() == {**NOTHING, "left": 1}
