# SPDX-License-Identifier: MIT
"""What happens to PostgreSQL as a whole: restarts, sessions ended one by one, standing still, and a
standby that takes over, with everything or without the last transactions."""

import time

from .nemesis import nemesis

PURPOSES = ("read", "settle", "lease", "listen")


def restart(scene, mode):
    server = scene.ground.server
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


@nemesis("database", on="postgres")
def database_restarted_fast(scene, chance):
    return restarted("fast")(scene, chance)


@nemesis("database", on="postgres")
def database_restarted_immediate(scene, chance):
    return restarted(chance.choice(("immediate", "kill")))(scene, chance)


@nemesis("database", on="postgres")
def database_frozen(scene, chance):
    seconds = chance.uniform(0.5, 6)
    scene.ground.server.pause()
    time.sleep(seconds)
    scene.ground.server.resume()
    return f"for {seconds:.1f} s"


@nemesis("database", on="postgres")
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


@nemesis("pooler", on="postgres")
def pooler_restarted(scene, chance):
    times = chance.randint(1, 3)
    for _ in range(times):
        scene.ground.pooler.restart(chance.choice(("stop", "kill")))
        time.sleep(chance.uniform(0, 2))
    return f"{times} times"


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
    scene.ground.pair.fail_over(chance.choice(("immediate", "kill")))
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
