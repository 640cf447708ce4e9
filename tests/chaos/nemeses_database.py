# SPDX-License-Identifier: MIT
"""What happens to the database as a whole: restarts, standing still, sessions and statements ended
one by one, a pooler that goes away, read-only for a while."""

import time

from .nemesis import nemesis


def restarted(scene, chance, mode):
    scene.ground.end(mode)
    seconds = chance.choice((0, chance.uniform(0, 5)))
    time.sleep(seconds)
    scene.ground.server.start()
    return f"{mode}, down for {seconds:.1f} s"


@nemesis("database")
def database_restarted_fast(scene, chance):
    """In order: sessions end, and what they had open is rolled back."""
    return restarted(scene, chance, "fast")


@nemesis("database")
def database_restarted_immediate(scene, chance):
    """As a crash. A commit is in the log before it is answered, so none may be gone."""
    return restarted(scene, chance, chance.choice(scene.ground.crashes))


@nemesis("database")
def database_frozen(scene, chance):
    seconds = chance.uniform(0.5, 6)
    scene.ground.server.pause()
    time.sleep(seconds)
    scene.ground.server.resume()
    return f"for {seconds:.1f} s"


def of_each_purpose(scene, chance, end):
    """end(pattern of session names) for each kind of the relays' connections, and the
    application's; it returns how many it met."""
    purposes = [*scene.ground.purposes, "application"]
    chance.shuffle(purposes)
    counts = []
    for purpose in purposes * chance.randint(1, 2):
        pattern = "chaos application" if purpose == "application" else f"eventferryd/%/{purpose}"
        counts.append(f"{end(pattern)} {purpose}")
        time.sleep(chance.uniform(0, 0.6))
    return ", ".join(counts)


@nemesis("database")
def sessions_terminated(scene, chance):
    return of_each_purpose(scene, chance,
                           lambda pattern: scene.ground.end_sessions(scene, pattern))


@nemesis("database", on="mariadb")
def queries_killed(scene, chance):
    """The statement fails, and the transaction around it stays open."""
    for _ in range(chance.randint(1, 6)):
        what = of_each_purpose(scene, chance,
                               lambda pattern: scene.ground.kill(scene, pattern, "QUERY"))
    return what


@nemesis("database", on="mariadb")
def server_read_only(scene, chance):
    """As when it is about to hand over to another one: accounts without a right to it are refused."""
    seconds = chance.uniform(0.5, 5)
    scene.insist("SET GLOBAL read_only = 1")
    time.sleep(seconds)
    scene.insist("SET GLOBAL read_only = 0")
    return f"for {seconds:.1f} s"


@nemesis("pooler", on="postgres")
def pooler_restarted(scene, chance):
    times = chance.randint(1, 3)
    for _ in range(times):
        scene.ground.pooler.restart(chance.choice(("stop", "kill")))
        time.sleep(chance.uniform(0, 2))
    return f"{times} times"
