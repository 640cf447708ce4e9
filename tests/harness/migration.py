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

EVENTFERRY_TABLE_MYSQL = """
    CREATE TABLE {table} (
        id             BIGINT NOT NULL AUTO_INCREMENT,
        message_id     CHAR(36) NOT NULL,
        aggregate_type VARCHAR(255) NOT NULL,
        aggregate_id   VARCHAR(255) NOT NULL,
        topic          VARCHAR(255) NOT NULL,
        `key`          TEXT NULL,
        payload        JSON NOT NULL,
        headers        JSON NOT NULL,
        trace_id       VARCHAR(64) NULL,
        status         TINYINT NOT NULL DEFAULT 0,
        attempts       INT NOT NULL DEFAULT 0,
        next_retry_at  DATETIME(3) NULL,
        claimed_at     DATETIME(3) NULL,
        created_at     DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
        processed_at   DATETIME(3) NULL,
        PRIMARY KEY (id),
        UNIQUE KEY uq_outbox_message_id (message_id),
        KEY idx_outbox_ready (status, id),
        KEY idx_outbox_agg_order (aggregate_id, id)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""

# Every write to these catalogs gives the row another xmin; autovacuum's do not.
_CATALOGS = {
    "pg_namespace": "nspname::text", "pg_class": "relname::text", "pg_attribute": "attname::text",
    "pg_attrdef": "adnum::text", "pg_index": "indexrelid::text", "pg_constraint": "conname::text",
    "pg_proc": "proname::text", "pg_trigger": "tgname::text", "pg_description": "description",
    "pg_sequence": "seqrelid::text", "pg_inherits": "inhrelid::text",
    "pg_partitioned_table": "partrelid::text", "pg_default_acl": "oid::text"}


def migrate_table(database, *arguments, table=None, user=OWNER_ROLE, expect=0, **more):
    """eventferryctl migrate on one table, without a configuration."""
    return ctl("migrate", "--url", database.url(user), "--table", table or database.table,
               *arguments, expect=expect, **more)


def make_eventferry_table(database, table=None):
    text = EVENTFERRY_TABLE if database.driver == "postgres" else EVENTFERRY_TABLE_MYSQL
    with database.session(OWNER_ROLE) as owner:
        owner.run(text.format(table=table or database.table))


def fingerprint(database):
    """Equal as long as no statement has written a catalog or one of our own tables."""
    parts = [database.run(f"SELECT '{name}', {column}, ctid::text, xmin::text FROM {name} "
                          "ORDER BY 2, 3") for name, column in _CATALOGS.items()]
    if database.one("SELECT to_regclass('eventferry.outbox')"):
        for name in ("schema_version", "outbox", "lease"):
            parts.append(database.run(f"SELECT '{name}', ctid::text, xmin::text, t::text "
                                      f"FROM eventferry.{name} t ORDER BY 2"))
    return parts


def fingerprint_mysql(database):
    """Every table and procedure of the database, as the server says it was made, with its grants,
    and the rows of our own tables."""
    parts = []
    for kind, query in (("TABLE", "SELECT TABLE_NAME FROM information_schema.TABLES "
                                  "WHERE TABLE_SCHEMA = %s ORDER BY 1"),
                        ("PROCEDURE", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES "
                                      "WHERE ROUTINE_SCHEMA = %s ORDER BY 1")):
        for (name,) in database.run(query, (database.name,)):
            parts.append(database.run(f"SHOW CREATE {kind} `{name}`"))
    for name in ("schema_version", "outbox", "lease"):
        if database.run("SHOW TABLES LIKE %s", ("eventferry_" + name,)):
            parts.append(database.run(f"SELECT * FROM eventferry_{name} ORDER BY 1"))
    parts.append(database.run(
        "SELECT User, Host, Table_name, Table_priv, Column_priv FROM mysql.tables_priv "
        "WHERE Db = %s ORDER BY 1, 2, 3", (database.name,)))
    parts.append(database.run("SELECT User, Host, Routine_name, Proc_priv FROM mysql.procs_priv "
                              "WHERE Db = %s ORDER BY 1, 2, 3", (database.name,)))
    return parts


def lines(done):
    """What each step of the report says: {"table eventferry.lease": "created", ...}."""
    steps = {}
    for line in done.stdout.splitlines():
        if line.startswith("  ") and not line.startswith(("  note: ", "  warning: ")):
            verb, _, what = line.strip().partition(" ")
            steps[what.strip()] = verb
    return steps
