# SPDX-License-Identifier: MIT
"""PostgreSQL with a streaming standby and PgBouncer, behind gates."""

import psycopg2

from harness.outbox import APPLICATION, OWNER_ROLE, RELAY
from harness.pgbouncer import PgBouncer
from harness.postgres import Database, Session
from harness.replication import PgPair
from harness.setup import empty_database

from .application import PgApplication
from .bulk import PgBulk
from .ground import Ground

SCHEMA = """
CREATE TABLE chaos_aggregate (name text PRIMARY KEY, version bigint NOT NULL);
CREATE TABLE chaos_history (message_id uuid, outbox text, id bigint, aggregate text, version bigint,
    topic text, digest text, poison boolean);
"""


class PostgresGround(Ground):
    name = driver = "postgres"
    error = psycopg2.Error
    lost = (psycopg2.OperationalError, psycopg2.InterfaceError)  # no connection, or no lock
    application, bulk = PgApplication, PgBulk
    schema = SCHEMA
    crashes = ("immediate", "kill")
    purposes = ("read", "settle", "lease", "listen")  # of the relays' connections
    lock_timeout = "SET lock_timeout = '1s'"  # as anybody sets it who alters a table in use
    message_id = "message_id::text"
    event = ("id, message_id::text, aggregate_type, aggregate_id, topic, payload::text, "
             "headers->>'version'")

    def __init__(self):
        super().__init__(PgPair(max_locks_per_transaction="256"))
        self.pooler = None
        try:
            self.direct = self.pair.gate()  # of the first relay, and for LISTEN beside the pooler
            self.behind = self.pair.gate()  # of the pooler
            self.other = self.pair.gate()  # of the third relay
            self.pooler = PgBouncer(self.behind, users=(OWNER_ROLE, RELAY, APPLICATION))
        except BaseException:
            self.discard()
            raise

    def create_database(self):
        return empty_database(self.server)

    def drop_database(self, name):
        with Session(self.server, "postgres") as session:
            session.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def connections(self, name):
        """Three relays' ways: straight to the server; through the pooler; straight once more."""
        url = Database(self.server, name).url
        return ({"url": url(RELAY, self.direct.port)},
                {"url": url(RELAY, self.pooler.port), "pooler": "transaction",
                 "listen_url": url(RELAY, self.direct.port)},
                {"url": url(RELAY, self.other.port)})

    @staticmethod
    def table(database, name):
        return f"public.{name}"

    @staticmethod
    def archive(table):
        return "eventferry.archive_" + table.replace(".", "_")

    def archive_all(self, table):
        return (f"INSERT INTO {self.archive(table)} (id, message_id, topic, status, created_at) "
                f"SELECT id, message_id, topic, 2, created_at FROM {table}")

    @staticmethod
    def settings(on_delivered):
        return {"wake": "notify" if on_delivered == "archive" else "poll"}

    def connect(self, name, label):
        return self.server.connect(name, autocommit=False, application_name=label)

    def session(self, name):
        return Database(self.server, name).session(application_name="chaos")

    # what nemeses do

    @staticmethod
    def end_sessions(scene, pattern):
        """Of those whose name is like this; returns how many."""
        return scene.insist("SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM "
                            "pg_stat_activity WHERE application_name LIKE %s", (pattern,))[0][0]

    @staticmethod
    def there(session, table):
        return session.one("SELECT to_regclass(%s) IS NOT NULL", (table,))

    @staticmethod
    def column(table, name, chance):
        """SQL that adds it, SQL that drops it, and how it does."""
        default = chance.choice(("", "DEFAULT 'x'"))
        return (f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} text {default}",
                f"ALTER TABLE {table} DROP COLUMN IF EXISTS {name}", "")

    @staticmethod
    def index(table, name, chance):
        """As column(). One that was not finished is there, and of no use: drop it first."""
        how = chance.choice(("", "CONCURRENTLY"))
        return (f"CREATE INDEX {how} IF NOT EXISTS {name} ON {table} (created_at)",
                f"DROP INDEX IF EXISTS {name}", how)

    @staticmethod
    def rename(table, name):
        return f"ALTER TABLE IF EXISTS {table} RENAME TO {name.split('.')[1]}"

    @staticmethod
    def rewrite(table, chance):
        del chance
        return f"VACUUM FULL {table}"

    def discard(self):
        if self.pooler is not None:
            self.pooler.discard()
        super().discard()
