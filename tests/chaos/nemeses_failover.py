# SPDX-License-Identifier: MIT
"""A standby takes over: with everything, or without the last transactions."""

import time

from .nemesis import nemesis


@nemesis("database", "topic", on="postgres")
def standby_promoted(scene, chance):
    """In order: the primary ends, having sent everything; nothing may be missing."""
    scene.ground.pair.wait_caught_up()
    scene.ground.pair.fail_over("fast")
    scene.ground.pair.follow()
    return "with everything"


@nemesis("database", "topic", on="postgres")
def standby_promoted_after_crash(scene, chance):
    """With synchronous replication. The relays' settles do not wait for the standby: those of the
    last moments are lost, and their rows are back."""
    scene.ground.pair.synchronous()
    time.sleep(chance.uniform(0.5, 2))
    scene.ground.pair.fail_over(chance.choice(scene.ground.crashes))
    scene.ground.pair.follow()
    return "with every acknowledged commit"


@nemesis("database", "topic", on="postgres")
def standby_promoted_behind(scene, chance):
    """The link is cut first: the last transactions are gone, and their ids are given out again.
    Their messages may exist; that is the one thing the guarantees except."""
    pair = scene.ground.pair
    began = time.monotonic()
    pair.wait_caught_up()
    pair.link.blackhole()
    before, seconds = scene.ledger.count, chance.uniform(1, 3)
    time.sleep(seconds)
    pair.fail_over("kill")
    scene.ledger.may_lose(began, time.monotonic())
    lost = scene.ledger.count - before
    pair.follow()
    return f"without the last {seconds:.1f} s, some {lost} rows"
