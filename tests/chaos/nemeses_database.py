# SPDX-License-Identifier: MIT
"""What happens to PostgreSQL as a whole: restarts, sessions ended one by one, standing still, and a
standby that takes over, with everything or without the last transactions."""

import time

import psycopg2

from harness.timing import scaled

from .nemesis import nemesis

PURPOSES = ("read", "settle", "lease", "listen")


def restart(scene, mode):
    server = scene.pair.primary
    server.kill() if mode == "kill" else server.stop(mode)
    return server


def restarted(mode):
    def act(scene, chance):
        server = restart(scene, mode)
        seconds = chance.choice((0, chance.uniform(0, 5)))
        time.sleep(seconds)
        server.start()
        return f"down for {seconds:.1f} s"
    return act


@nemesis("database")
def database_restarted_fast(scene, chance):
    return restarted("fast")(scene, chance)


@nemesis("database")
def database_restarted_immediate(scene, chance):
    return restarted(chance.choice(("immediate", "kill")))(scene, chance)


@nemesis("database")
def database_frozen(scene, chance):
    seconds = chance.uniform(0.5, 6)
    scene.pair.primary.pause()
    time.sleep(seconds)
    scene.pair.primary.resume()
    return f"for {seconds:.1f} s"


@nemesis("database")
def sessions_terminated(scene, chance):
    """Each kind of the relays' connections, and the application's."""
    purposes = [*PURPOSES, "application"]
    chance.shuffle(purposes)
    counts = []
    for purpose in purposes * chance.randint(1, 2):
        pattern = "chaos application" if purpose == "application" else f"eventferryd/%/{purpose}"
        ended = scene.insist("SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM "
                             "pg_stat_activity WHERE application_name LIKE %s", (pattern,))
        counts.append(f"{ended[0][0]} {purpose}")
        time.sleep(chance.uniform(0, 0.6))
    return ", ".join(counts)


@nemesis("pooler")
def pooler_restarted(scene, chance):
    times = chance.randint(1, 3)
    for _ in range(times):
        scene.servers.pooler.restart(chance.choice(("stop", "kill")))
        time.sleep(chance.uniform(0, 2))
    return f"{times} times"


@nemesis("database", "topic")
def standby_promoted(scene, chance):
    """In order: the primary ends, having sent everything; nothing may be missing."""
    scene.pair.wait_caught_up()
    scene.pair.fail_over("fast")
    scene.pair.follow()
    return "with everything"


@nemesis("database", "topic")
def standby_promoted_after_crash(scene, chance):
    """With synchronous replication. The relays' settles do not wait for the standby: those of the
    last moments are lost, and their rows are back."""
    scene.pair.synchronous()
    time.sleep(chance.uniform(0.5, 2))
    scene.pair.fail_over(chance.choice(("immediate", "kill")))
    scene.pair.follow()
    return "with every acknowledged commit"


@nemesis("database", "topic")
def standby_promoted_behind(scene, chance):
    """The link is cut first: the last transactions are gone, and their ids are given out again.
    Their messages may exist; that is the one thing the guarantees except."""
    pair = scene.pair
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


@nemesis("snapshot")
def snapshot_held(scene, chance):
    """A transaction inserts, stays open and commits late: its ids are far below the others, and no
    transaction number after it becomes old meanwhile."""
    seconds = chance.uniform(4, scaled(scene.hold_s))
    try:
        with scene.bulk(f"held-{chance.getrandbits(32):08x}", chance) as bulk:
            bulk.insert(20, 40)
            time.sleep(seconds)
    except psycopg2.Error as error:
        return f"ended by {type(error).__name__} within {seconds:.1f} s"
    return f"committed after {seconds:.1f} s"


@nemesis("bulk")
def rows_copied(scene, chance):
    return load(scene, chance, "copy", scene.bulk_rows, 60)


@nemesis("bulk")
def transaction_of_many_bytes(scene, chance):
    """Each of its rows is near the largest payload that is relayed."""
    size = 800_000
    return load(scene, chance, "large", max(1, scene.bulk_bytes // size), size)


def load(scene, chance, name, count, size):
    try:
        with scene.bulk(f"{name}-{chance.getrandbits(32):08x}", chance) as bulk:
            bulk.copy(count, size)
    except psycopg2.Error as error:
        return f"{count} rows, ended by {type(error).__name__}"
    return f"{count} rows"
