# SPDX-License-Identifier: MIT
"""What happens to MariaDB as a whole: restarts, sessions and statements ended one by one, standing
still, read-only for a while, all tables locked for a backup."""

import contextlib
import time

from harness.timing import wait_for

from .nemesis import nemesis

PURPOSES = ("read", "settle", "lease")
SESSIONS = """SELECT PROCESSLIST_ID FROM performance_schema.session_connect_attrs
    WHERE ATTR_NAME = 'program_name' AND ATTR_VALUE LIKE %s"""


def pause_between(chance):
    seconds = chance.choice((0, chance.uniform(0, 5)))
    time.sleep(seconds)
    return f"down for {seconds:.1f} s"


@nemesis("database", on="mariadb")
def server_restarted(scene, chance):
    """In order, by SIGTERM: sessions end, and what they had open is rolled back."""
    scene.ground.server.stop()
    what = pause_between(chance)
    scene.ground.server.start()
    return what


@nemesis("database", on="mariadb")
def server_killed(scene, chance):
    """By SIGKILL. Commits are in the log before they are answered, so none of them may be gone."""
    scene.ground.server.kill()
    what = pause_between(chance)
    scene.ground.server.start()
    return what


@nemesis("database", on="mariadb")
def server_frozen(scene, chance):
    seconds = chance.uniform(0.5, 6)
    scene.ground.server.pause()
    time.sleep(seconds)
    scene.ground.server.resume()
    return f"for {seconds:.1f} s"


def end(scene, chance, what):
    """KILL what for each kind of the relays' connections, and the application's."""
    purposes = [*PURPOSES, "application"]
    chance.shuffle(purposes)
    counts = []
    for purpose in purposes * chance.randint(1, 2):
        pattern = "chaos application" if purpose == "application" else f"eventferryd/%/{purpose}"
        numbers = scene.insist(SESSIONS, (pattern,))
        with scene.session() as session:
            for (number,) in numbers:
                with contextlib.suppress(scene.ground.error):  # it has ended by itself
                    session.run(f"KILL {what} {number}")
        counts.append(f"{len(numbers)} {purpose}")
        time.sleep(chance.uniform(0, 0.6))
    return ", ".join(counts)


@nemesis("database", on="mariadb")
def connections_killed(scene, chance):
    return end(scene, chance, "CONNECTION")


@nemesis("database", on="mariadb")
def queries_killed(scene, chance):
    """The statement fails, and the transaction around it stays open."""
    for _ in range(chance.randint(1, 6)):
        what = end(scene, chance, "QUERY")
    return what


@nemesis("database", on="mariadb")
def server_read_only(scene, chance):
    """As when it is about to hand over to another one: accounts without a right to it are refused."""
    seconds = chance.uniform(0.5, 5)
    scene.insist("SET GLOBAL read_only = 1")
    time.sleep(seconds)
    scene.insist("SET GLOBAL read_only = 0")
    return f"for {seconds:.1f} s"


@nemesis("database", "table", on="mariadb")
def tables_locked(scene, chance):
    """FLUSH TABLES WITH READ LOCK, as a backup does: nothing is written anywhere. It waits for what is
    under way, so it gives up soon rather than hold everybody."""
    seconds = chance.uniform(0.2, 3)

    def attempt():
        try:
            with scene.session() as session:
                session.run(scene.ground.lock_timeout)
                session.run("FLUSH TABLES WITH READ LOCK")
                time.sleep(seconds)  # the lock ends with the session
                return True
        except scene.ground.error:
            return False

    wait_for(attempt, 60, "all tables are locked", interval=0.3)
    return f"for {seconds:.1f} s"


@nemesis("locks", on="mariadb")
def ranges_locked(scene, chance):
    """Somebody reads an outbox FOR UPDATE at REPEATABLE READ: rows and the gaps between them are locked
    against settling and against inserting."""
    outbox, seconds = chance.choice(scene.outboxes), chance.uniform(0.5, 4)
    try:
        with scene.session() as session:
            session.run("SET innodb_lock_wait_timeout = 3")
            session.run("START TRANSACTION")
            session.run(f"SELECT COUNT(*) FROM {outbox.table} FOR UPDATE")
            time.sleep(seconds)
            session.run("ROLLBACK")
    except scene.ground.error as error:
        return f"{outbox.table}, ended by {error.args[0]}"
    return f"{outbox.table} for {seconds:.1f} s"


@nemesis("history", on="mariadb")
def old_snapshot_held(scene, chance):
    """A report with a consistent snapshot: no version of a row after it can be purged."""
    seconds = chance.uniform(2, scene.hold_s)
    try:
        with scene.session() as session:
            session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            time.sleep(seconds)
            session.run("COMMIT")
    except scene.ground.error as error:
        return f"ended by {error.args[0]} within {seconds:.1f} s"
    return f"for {seconds:.1f} s"
