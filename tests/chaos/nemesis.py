# SPDX-License-Identifier: MIT
"""What a nemesis is, how a plan of them is drawn from a seed, and how a plan is carried out."""

import random
import threading
import time
import traceback
from dataclasses import dataclass

AT_ONCE = 3  # nemeses at work at the same time


@dataclass(frozen=True)
class Nemesis:
    """act(scene, chance) does it and undoes it, and returns what it did in a few words. Two that
    share a resource never meet. databases: the grounds it is made for."""

    name: str
    act: callable
    resources: frozenset
    databases: tuple


@dataclass(frozen=True)
class Step:
    number: int
    after_s: float  # since the step before
    name: str


CATALOGUE = {}
DATABASES = ("postgres", "mariadb")


def nemesis(*resources, on=DATABASES):
    """Puts a function into the catalogue under its own name."""
    def enter(act):
        CATALOGUE[act.__name__] = Nemesis(act.__name__, act, frozenset(resources),
                                          (on,) if isinstance(on, str) else on)
        return act
    return enter


def nemeses_of(database):
    return {name for name, each in CATALOGUE.items() if database in each.databases}


def draw(seed, length, names):
    """The same seed and names draw the same steps. Each nemesis comes once before any comes
    again."""
    chance = random.Random(f"{seed}/plan")
    steps = []
    while len(steps) < length:
        deck = sorted(names)
        chance.shuffle(deck)
        steps += [Step(len(steps) + at, round(chance.uniform(0.2, 4), 2), name)
                  for at, name in enumerate(deck)]
    return steps[:length]


def chance_of(seed, step):
    """What a step draws for itself does not depend on when it comes."""
    return random.Random(f"{seed}/step/{step.number}/{step.name}")


class Director:
    """Carries out a plan, several nemeses at a time."""

    def __init__(self, scene, seed, say):
        self.scene, self.seed, self.say = scene, seed, say
        self.broken = []  # (name, traceback): the nemesis itself did not get through
        self.done = []  # names, in the order they ended
        self._busy = set()
        self._count = 0
        self._free = threading.Condition()
        self._threads = []
        self._began = time.monotonic()

    def run(self, steps, seconds):
        """Begins steps until the time is over; returns when the last one has been undone."""
        end = time.monotonic() + seconds
        for step in steps:
            time.sleep(max(0.0, min(step.after_s, end - time.monotonic())))
            if not self._take(CATALOGUE[step.name].resources, end):
                break
            thread = threading.Thread(target=self._act, args=(step,), name=step.name, daemon=True)
            self._threads.append(thread)
            thread.start()
        for thread in self._threads:
            thread.join()

    def _take(self, resources, end):
        with self._free:
            while self._busy & resources or self._count >= AT_ONCE:
                if time.monotonic() >= end:
                    return False
                self._free.wait(0.2)
            if time.monotonic() >= end:
                return False
            self._busy |= resources
            self._count += 1
        return True

    def _act(self, step):
        chosen = CATALOGUE[step.name]
        began = time.monotonic()
        self.say(f"{began - self._began:7.1f} s  {step.number:3} {step.name}")
        try:
            what = chosen.act(self.scene, chance_of(self.seed, step)) or ""
            self.done.append(step.name)
        except Exception:
            what = "BROKEN"
            self.broken.append((step.name, traceback.format_exc()))
        now = time.monotonic()
        self.say(f"{now - self._began:7.1f} s  {step.number:3} {step.name}: {what} "
                 f"({now - began:.1f} s)")
        with self._free:
            self._busy -= chosen.resources
            self._count -= 1
            self._free.notify_all()
