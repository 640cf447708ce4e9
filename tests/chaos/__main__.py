# SPDX-License-Identifier: MIT
"""The runner: python3 -m chaos [--database NAME] [--seed N] [--seconds N] [--rows N] [--bytes N]

Prints its seed first and the verdict last. Exit status 1: a promise was broken (the logs are kept,
the last lines say where); 2: the run itself did not get through."""

import argparse
import os
import random
import secrets
import signal
import sys
import time
import traceback

from harness.kafka import have_real_kafka

from .catalogue import CATALOGUE, DATABASES, nemeses_of
from .nemesis import Director, draw
from .scene import Scene
from .servers import Servers

LONGEST_PLAN = 100_000


def say(text):
    print(text, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=lambda text: int(text, 0))
    parser.add_argument("--database", choices=DATABASES, default=DATABASES[0])
    parser.add_argument("--seconds", type=int, default=300, help="while faults happen")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of one COPY")
    parser.add_argument("--bytes", type=int, default=200_000_000, help="of one large transaction")
    parser.add_argument("--only", help="draw from these nemeses only, separated by commas")
    parser.add_argument("--without", help="leave these nemeses out, separated by commas")
    parser.add_argument("--keep", default="build/chaos", help="where logs go when it fails")
    parser.add_argument("--plan", action="store_true", help="show what a seed draws, and end")
    given = parser.parse_args()
    if given.seed is None:
        given.seed = secrets.randbits(64)
    only, without = (set((text or "").split(",")) - {""} for text in (given.only, given.without))
    there = nemeses_of(given.database)
    unknown = (only - there) | (without - set(CATALOGUE))
    if unknown:
        parser.error(f"no such nemesis on {given.database}: {', '.join(sorted(unknown))}; there are "
                     f"{', '.join(sorted(there))}")
    given.nemeses = (only or there) - without
    return given


def copy_once(scene, given):
    """A run in which rows_copied was not drawn, or met a fault each time, has its copy now."""
    if "rows_copied" in given.nemeses and not scene.copied:
        scene.heal()
        say(f"no fault: {CATALOGUE['rows_copied'].act(scene, random.Random(given.seed))} are copied")


def play(scene, given, plan):
    """Returns what went wrong, as sentences; empty when every promise was kept."""
    director = Director(scene, given.seed, say)
    scene.start()
    scene.write()
    scene.wait_written(50)
    director.run(plan, given.seconds)
    ended = time.monotonic()
    copy_once(scene, given)
    say("faults end; everything has to drain")
    verdict = scene.finish()
    say(f"drained and stopped in {time.monotonic() - ended:.0f} s after the last of "
        f"{len(director.done)} nemeses ({len(set(director.done))} of {len(given.nemeses)} kinds)")
    say(f"verdict: {verdict}")
    wrong = [f"{name}: {found}" for name, all_found in verdict.faults().items()
             for found in all_found[:40]]
    wrong += scene.findings
    wrong += [f"nemesis {name} did not get through:\n{text}" for name, text in director.broken]
    return wrong


def run(given):
    plan = draw(given.seed, LONGEST_PLAN if not given.plan else 60, given.nemeses)
    if given.plan:
        for step in plan:
            say(f"{step.number:4}  after {step.after_s:4.1f} s  {step.name}")
        return 0
    servers, scene = Servers(), None
    try:
        scene = Scene(servers, given.database, given.seed, given.rows, given.bytes,
                      hold_s=max(25, given.seconds / 2))
        try:
            wrong, code = play(scene, given, plan), 1
        except Exception:
            wrong, code = [traceback.format_exc()], 2
        if wrong:
            target = os.path.join(given.keep, f"{given.seed:#018x}")
            scene.keep_evidence(target)
            say("\n".join(wrong))
            say(f"FAILED with seed {given.seed:#018x}; logs are in {target}")
            return code
        say(f"passed with seed {given.seed:#018x}")
        return 0
    finally:
        if scene is not None:
            scene.discard()
        servers.discard()


def main():
    given = arguments()
    real, why_not = have_real_kafka()
    if not real and not given.plan:
        say(f"chaos needs a real Kafka: {why_not}")
        return 2 if os.environ.get("EF_REQUIRE_KAFKA") == "1" else 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    say(f"chaos seed {given.seed:#018x} (again: make chaos CHAOS_SEED={given.seed:#018x} "
        f"CHAOS_SECONDS={given.seconds} CHAOS_DATABASE={given.database})")
    return run(given)


if __name__ == "__main__":
    sys.exit(main())
