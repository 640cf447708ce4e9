# SPDX-License-Identifier: MIT
"""A standby takes over: with everything, or without the last transactions."""

import time

from .nemesis import nemesis


@nemesis("database", "topic")
def standby_promoted(scene, chance):
    """In order: the primary ends, having sent everything; nothing may be missing."""
    pair = scene.ground.pair
    pair.prepare()
    pair.wait_caught_up()
    pair.fail_over("fast")
    pair.follow()
    return "with everything"


@nemesis("database", "topic")
def standby_promoted_after_crash(scene, chance):
    """With synchronous replication. On PostgreSQL the relays' settles do not wait for the standby:
    those of the last moments are lost, and their rows are back."""
    pair = scene.ground.pair
    pair.prepare()
    pair.synchronous()
    time.sleep(chance.uniform(0.5, 2))
    pair.fail_over(chance.choice(scene.ground.crashes))
    pair.follow()
    return "with every acknowledged commit"


@nemesis("database", "topic", "table")
def standby_promoted_behind(scene, chance):
    """The link is cut first: the last transactions are gone, and their ids are given out again.
    Their messages may exist; that is the one thing the guarantees except. No table gets its name
    back meanwhile: nobody would do it again on the new primary."""
    pair = scene.ground.pair
    pair.prepare()
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
