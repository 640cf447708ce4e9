# SPDX-License-Identifier: MIT
"""What people do to an outbox table of MariaDB while it is in use: columns and indexes online, another
name, a rebuild."""

import time

from .altering import alter
from .nemesis import nemesis

THERE = """SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
    WHERE CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) = %s)"""


def there(name):
    return lambda session: session.one(THERE, (name,)) == 1


@nemesis("table", on="mariadb")
def column_added_online(scene, chance):
    """Instantly, or by a rebuild beside the writers."""
    outbox = chance.choice(scene.outboxes)
    name = f"extra_{chance.getrandbits(16):04x}"
    how = chance.choice(("ALGORITHM = INSTANT", "ALGORITHM = INPLACE, LOCK = NONE"))
    alter(scene, f"ALTER TABLE {outbox.table} ADD COLUMN IF NOT EXISTS {name} TEXT "
                 + chance.choice(("", "DEFAULT 'x'")) + f", {how}")
    time.sleep(chance.uniform(0.5, 2))
    alter(scene, f"ALTER TABLE {outbox.table} DROP COLUMN IF EXISTS {name}, {how}")
    return f"{outbox.table}.{name}, and dropped, {how}"


@nemesis("table", on="mariadb")
def index_added_online(scene, chance):
    outbox = chance.choice(scene.outboxes)
    name = f"extra_{chance.getrandbits(16):04x}"
    how = "ALGORITHM = INPLACE, LOCK = NONE"
    alter(scene, f"ALTER TABLE {outbox.table} ADD INDEX IF NOT EXISTS {name} (created_at), {how}",
          timeout=60)
    time.sleep(chance.uniform(0.5, 2))
    alter(scene, f"ALTER TABLE {outbox.table} DROP INDEX IF EXISTS {name}, {how}")
    return f"on {outbox.table}"


@nemesis("table", on="mariadb")
def table_renamed_away(scene, chance):
    """Under another name for a while: to the relay it is missing, to the application as well."""
    outbox = chance.choice(scene.outboxes)
    away = f"{outbox.table}_away"
    alter(scene, f"RENAME TABLE {outbox.table} TO {away}", done=there(away))
    try:
        time.sleep(chance.uniform(0.5, 4))
    finally:
        alter(scene, f"RENAME TABLE {away} TO {outbox.table}", done=there(outbox.table), timeout=90)
    return outbox.table


@nemesis("table", on="mariadb")
def table_rebuilt(scene, chance):
    """Beside the writers, or in their way, as a copy."""
    outbox = chance.choice(scene.outboxes)
    how = chance.choice(("INPLACE, LOCK = NONE", "COPY, LOCK = SHARED"))
    alter(scene, f"ALTER TABLE {outbox.table} FORCE, ALGORITHM = {how}", timeout=60)
    return f"{outbox.table}, {how}"
