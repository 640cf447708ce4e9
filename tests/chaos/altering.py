# SPDX-License-Identifier: MIT
"""Changing a table that is in use."""

from harness.timing import wait_for


def alter(scene, sql, done=None, timeout=40):
    """Repeats the statement until it gets its lock; done(session) tells that an attempt whose answer
    was lost has happened."""
    def attempt():
        try:
            with scene.session() as session:
                if done is not None and done(session):
                    return True
                session.run(scene.ground.lock_timeout)
                session.run(sql)
                return True
        except scene.ground.lost:  # no lock, or no server
            return False

    wait_for(attempt, timeout, sql, interval=0.2)
