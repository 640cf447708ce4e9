# SPDX-License-Identifier: MIT
"""What other sessions of MariaDB hold: all tables locked for a backup, ranges of an outbox, an old
snapshot."""

import time

from harness.timing import wait_for

from .nemesis import nemesis

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
