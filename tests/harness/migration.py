# SPDX-License-Identifier: MIT
"""Running migrations, and seeing whether a database has changed."""

from .daemon import ctl
from .outbox import OWNER_ROLE

# A table as eventferry's own migration leaves it: its columns, indexes and their names.
EVENTFERRY_TABLE = """
    CREATE TABLE {table} (
        id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        message_id     uuid NOT NULL DEFAULT gen_random_uuid(),
        aggregate_type varchar(255) NOT NULL,
        aggregate_id   varchar(255) NOT NULL,
        topic          varchar(255) NOT NULL,
        key            text,
        payload        jsonb NOT NULL,
        headers        jsonb NOT NULL DEFAULT '{{}}',
        trace_id       varchar(64),
        status         smallint NOT NULL DEFAULT 0,
        attempts       int NOT NULL DEFAULT 0,
        next_retry_at  timestamptz,
        claimed_at     timestamptz,
        created_at     timestamptz NOT NULL DEFAULT now(),
        processed_at   timestamptz
    );
    CREATE INDEX idx_outbox_ready ON {table} (id) WHERE status IN (0, 1, 3);
    CREATE INDEX idx_outbox_agg_order ON {table} (aggregate_id, id) WHERE status IN (0, 1, 3);
    CREATE UNIQUE INDEX uq_outbox_message_id ON {table} (message_id);
"""

# Every write to these catalogs gives the row another xmin; autovacuum's do not.
_CATALOGS = {
    "pg_namespace": "nspname::text", "pg_class": "relname::text", "pg_attribute": "attname::text",
    "pg_attrdef": "adnum::text", "pg_index": "indexrelid::text", "pg_constraint": "conname::text",
    "pg_proc": "proname::text", "pg_trigger": "tgname::text", "pg_description": "description",
    "pg_sequence": "seqrelid::text", "pg_inherits": "inhrelid::text",
    "pg_partitioned_table": "partrelid::text", "pg_default_acl": "oid::text"}


def migrate_table(database, *arguments, table="public.outbox", user=OWNER_ROLE, expect=0, **more):
    """eventferryctl migrate on one table, without a configuration."""
    return ctl("migrate", "--url", database.url(user), "--table", table, *arguments, expect=expect,
               **more)


def make_eventferry_table(database, table="public.outbox"):
    with database.session(OWNER_ROLE) as owner:
        owner.run(EVENTFERRY_TABLE.format(table=table))


def fingerprint(database):
    """Equal as long as no statement has written a catalog or one of our own tables."""
    parts = [database.run(f"SELECT '{name}', {column}, ctid::text, xmin::text FROM {name} "
                          "ORDER BY 2, 3") for name, column in _CATALOGS.items()]
    if database.one("SELECT to_regclass('eventferry.outbox')"):
        for name in ("schema_version", "outbox", "lease"):
            parts.append(database.run(f"SELECT '{name}', ctid::text, xmin::text, t::text "
                                      f"FROM eventferry.{name} t ORDER BY 2"))
    return parts


def lines(done):
    """What each step of the report says: {"table eventferry.lease": "created", ...}."""
    steps = {}
    for line in done.stdout.splitlines():
        if line.startswith("  ") and not line.startswith(("  note: ", "  warning: ")):
            verb, _, what = line.strip().partition(" ")
            steps[what.strip()] = verb
    return steps
