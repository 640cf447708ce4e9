# SPDX-License-Identifier: MIT
"""Transactions of the application that are long or large."""

import time

from harness.timing import scaled

from .nemesis import nemesis


@nemesis("snapshot")
def snapshot_held(scene, chance):
    """A transaction inserts, stays open and commits late: its ids are far below the others, and no
    transaction number after it becomes old meanwhile."""
    seconds = chance.uniform(4, scaled(scene.hold_s))
    try:
        with scene.bulk(f"held-{chance.getrandbits(32):08x}", chance) as bulk:
            bulk.insert(20, 40)
            time.sleep(seconds)
    except scene.ground.error as error:
        return f"ended by {type(error).__name__} within {seconds:.1f} s"
    return f"committed after {seconds:.1f} s"


@nemesis("bulk")
def rows_copied(scene, chance):
    what = attempt(scene, chance, "copy", scene.bulk_rows, 60)
    scene.copied = scene.copied or "ended" not in what
    return what


@nemesis("bulk")
def transaction_of_many_bytes(scene, chance):
    """Each of its rows is near the largest payload that is relayed."""
    size = 800_000
    return attempt(scene, chance, "large", max(1, scene.bulk_bytes // size), size)


def attempt(scene, chance, name, count, size):
    try:
        with scene.bulk(f"{name}-{chance.getrandbits(32):08x}", chance) as bulk:
            bulk.load(count, size)
    except scene.ground.error as error:
        return f"{count} rows, ended by {type(error).__name__}"
    return f"{count} rows"
