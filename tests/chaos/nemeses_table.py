# SPDX-License-Identifier: MIT
"""What people do to an outbox table while it is in use: columns, indexes, another name, a rewrite. In
which way it can be done the ground knows."""

import time

from .altering import alter
from .nemesis import nemesis


def chosen(scene, chance):
    """An outbox, and a name for something that is added to it."""
    return chance.choice(scene.outboxes).table, f"extra_{chance.getrandbits(16):04x}"


@nemesis("table")
def column_added(scene, chance):
    table, name = chosen(scene, chance)
    add, drop, how = scene.ground.column(table, name, chance)
    alter(scene, add)
    time.sleep(chance.uniform(0.5, 2))
    alter(scene, drop)
    return f"{table}.{name}, and dropped {how}".strip()


@nemesis("table")
def index_added(scene, chance):
    table, name = chosen(scene, chance)
    add, drop, how = scene.ground.index(table, name, chance)
    alter(scene, drop)
    alter(scene, add, timeout=60)
    time.sleep(chance.uniform(0.5, 2))
    alter(scene, drop)
    return f"{how} on {table}".strip()


@nemesis("table")
def table_renamed(scene, chance):
    """Under another name for a while: to the relay it is missing, to the application as well."""
    table = chance.choice(scene.outboxes).table
    away = f"{table}_away"
    there = scene.ground.there
    alter(scene, scene.ground.rename(table, away), done=lambda session: there(session, away))
    try:
        time.sleep(chance.uniform(0.5, 4))
    finally:
        alter(scene, scene.ground.rename(away, table), done=lambda session: there(session, table),
              timeout=90)
    return table


@nemesis("table")
def table_rewritten(scene, chance):
    """The same rows in another file, as after TRUNCATE, but nothing is gone."""
    table = chance.choice(scene.outboxes).table
    rewrite = scene.ground.rewrite(table, chance)
    alter(scene, rewrite, timeout=60)
    return rewrite
