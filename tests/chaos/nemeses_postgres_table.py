# SPDX-License-Identifier: MIT
"""What people do to an outbox table while it is in use: columns, indexes, another name, a rewrite."""

import time

from .altering import alter
from .nemesis import nemesis


def there(name):
    return lambda session: session.one("SELECT to_regclass(%s) IS NOT NULL", (name,))


@nemesis("table", on="postgres")
def column_added(scene, chance):
    outbox = chance.choice(scene.outboxes)
    name = f"extra_{chance.getrandbits(16):04x}"
    alter(scene, f"ALTER TABLE {outbox.table} ADD COLUMN IF NOT EXISTS {name} text "
                 + chance.choice(("", "DEFAULT 'x'")))
    time.sleep(chance.uniform(0.5, 2))
    alter(scene, f"ALTER TABLE {outbox.table} DROP COLUMN IF EXISTS {name}")
    return f"{outbox.table}.{name}, and dropped"


@nemesis("table", on="postgres")
def index_added(scene, chance):
    outbox = chance.choice(scene.outboxes)
    name = f"extra_{chance.getrandbits(16):04x}"
    how = chance.choice(("", "CONCURRENTLY"))
    alter(scene, f"DROP INDEX IF EXISTS {name}")
    alter(scene, f"CREATE INDEX {how} IF NOT EXISTS {name} ON {outbox.table} (created_at)",
          timeout=60)
    time.sleep(chance.uniform(0.5, 2))
    alter(scene, f"DROP INDEX IF EXISTS {name}")
    return f"{how} on {outbox.table}".strip()


@nemesis("table", on="postgres")
def table_renamed(scene, chance):
    """Under another name for a while: to the relay it is missing, to the application as well."""
    outbox = chance.choice(scene.outboxes)
    away = f"{outbox.table}_away"
    alter(scene, f"ALTER TABLE {outbox.table} RENAME TO {away.split('.')[1]}", done=there(away))
    try:
        time.sleep(chance.uniform(0.5, 4))
    finally:
        alter(scene, f"ALTER TABLE IF EXISTS {away} RENAME TO {outbox.table.split('.')[1]}",
              done=there(outbox.table), timeout=90)
    return outbox.table


@nemesis("table", on="postgres")
def table_rewritten(scene, chance):
    """VACUUM FULL: the same rows in another file, as after TRUNCATE, but nothing is gone."""
    outbox = chance.choice(scene.outboxes)
    alter(scene, f"VACUUM FULL {outbox.table}", timeout=60)
    return outbox.table
