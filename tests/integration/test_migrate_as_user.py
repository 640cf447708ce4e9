# SPDX-License-Identifier: MIT
"""eventferryctl migrate: makes what is missing, harms nothing that is there."""

import subprocess
import threading

import pytest

from harness.daemon import Daemon, ctl
from harness.outbox import Outbox
from harness.setup import migrate
from harness.timing import wait_for

OBJECTS = ["schema_version", "outbox", "lease", "relay", "command", "audit",
           "archive_public_outbox"]
# what eventferry 1.1's own migration makes
EVENTFERRY_TABLE = """
    CREATE TABLE outbox (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        message_id UUID NOT NULL DEFAULT gen_random_uuid(),
        aggregate_type VARCHAR(255) NOT NULL, aggregate_id VARCHAR(255) NOT NULL,
        topic VARCHAR(255) NOT NULL, "key" TEXT, payload JSONB NOT NULL,
        headers JSONB NOT NULL DEFAULT '{}', trace_id VARCHAR(64),
        status SMALLINT NOT NULL DEFAULT 0, attempts INT NOT NULL DEFAULT 0,
        next_retry_at TIMESTAMPTZ, claimed_at TIMESTAMPTZ,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(), processed_at TIMESTAMPTZ);
    CREATE INDEX idx_outbox_ready ON outbox (id) WHERE status IN (0, 1, 3);
    CREATE INDEX idx_outbox_agg_order ON outbox (aggregate_id, id) WHERE status IN (0, 1, 3);
    CREATE UNIQUE INDEX uq_outbox_message_id ON outbox (message_id)"""


def catalogue(database):
    """Everything a migration makes, to compare before and after."""
    return database.run("""
        SELECT 'table', c.oid::regclass::text, c.relkind::text, c.relfilenode::text
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('public', 'eventferry') AND c.relkind <> 'p'
        UNION ALL SELECT 'column', attrelid::regclass::text, attname::text, atttypid::regtype::text
        FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
        JOIN pg_namespace n ON n.oid = relnamespace
        WHERE n.nspname IN ('public', 'eventferry') AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT 'function', p.oid::regprocedure::text, md5(prosrc), prosecdef::text
        FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
        WHERE n.nspname IN ('public', 'eventferry')
        UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname::text, tgenabled::text
        FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2, 3""")


def owned(database):
    """The table as an owner who is no superuser made it."""
    database.run(f"SET ROLE owner; {EVENTFERRY_TABLE}; RESET ROLE")


def test_everything_is_made_by_an_owner_who_is_no_superuser(bare_db):
    assert bare_db.one("SELECT rolsuper FROM pg_roles WHERE rolname = 'owner'") is False
    migrate(bare_db)
    made = {name for (name,) in bare_db.run(
        "SELECT relname FROM pg_class WHERE relnamespace = 'eventferry'::regnamespace")}
    assert set(OBJECTS) <= made
    assert bare_db.one("SELECT count(*) FROM eventferry.schema_version") >= 1
    assert bare_db.run("SELECT table_schema, table_name FROM eventferry.outbox") == [
        ("public", "outbox")]
    columns = {c for (c,) in bare_db.run("SELECT column_name FROM information_schema.columns "
                                         "WHERE table_schema = 'public' AND table_name = 'outbox'")}
    assert {"kafka_partition", "last_error"} <= columns


def test_second_run_changes_nothing(bare_db):
    migrate(bare_db)
    before = catalogue(bare_db)
    migrate(bare_db)
    assert catalogue(bare_db) == before


def test_printed_sql_needs_no_server_and_does_the_same(bare_db, own_postgres):
    migrate(bare_db)
    by_hand = own_postgres().server.create_database()
    config = Daemon({"kafka": {"brokers": ["127.0.0.1:1"]},
                     "databases": {"db": {"driver": "postgres",
                                          "url": "postgresql://nobody@127.0.0.1:1/none"}},
                     "outboxes": [{"name": "orders", "database": "db", "table": "public.outbox"}]})
    try:
        text = ctl("--config", config.config_path, "migrate", "--print", "--grant-to", "relay",
                   "--app-role", "app").stdout
    finally:
        config.discard()
    done = subprocess.run(["psql", "-X", "-v", "ON_ERROR_STOP=1", "-q", by_hand.url(), "-f", "-"],
                          input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    def shape(database):
        return [(kind, name, third) for kind, name, third, _ in catalogue(database)
                if "archive_public_outbox_" not in name]

    assert shape(by_hand) == shape(bare_db)


def test_eventferry_table_is_upgraded_by_adding_only_what_it_lacks(bare_db):
    owned(bare_db)
    bare_db.run("INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload) "
                "SELECT 't', 'a', 't', '{}' FROM generate_series(1, 1000)")

    def contents():
        return bare_db.run(
            "SELECT (SELECT relfilenode FROM pg_class WHERE oid = 'outbox'::regclass), "
            "md5(string_agg(o.id || o.message_id::text, '' ORDER BY id)) FROM outbox o")

    before = contents()
    migrate(bare_db)
    assert contents() == before, "the table was rewritten"
    indexes = {i for (i,) in bare_db.run("SELECT indexname FROM pg_indexes "
                                         "WHERE schemaname = 'public' AND tablename = 'outbox'")}
    assert {"idx_outbox_ready", "idx_outbox_agg_order", "uq_outbox_message_id"} <= indexes
    assert len(indexes) <= 5


@pytest.mark.parametrize("choice", ["archive", "delete", "mark"])
def test_eventferry_table_is_relayed_after_its_upgrade(bare_db, topic, relay, collect, choice):
    owned(bare_db)
    migrate(bare_db)
    outbox = Outbox(bare_db, topic)
    outbox.insert_many(50)
    relay(outbox, {"on_delivered": choice})
    collect(topic).wait(50)
    outbox.wait_finished()


def test_applications_go_on_while_an_index_is_built(bare_db):
    """No lock that stops an INSERT for longer than a moment."""
    owned(bare_db)
    bare_db.run("DROP INDEX idx_outbox_ready, idx_outbox_agg_order")
    bare_db.run("INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload) "
                "SELECT 't', 'a' || n, 't', '{}' FROM generate_series(1, 200000) n")
    blocker = bare_db.session(autocommit=False)
    blocker.run("INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload) "
                "VALUES ('t', 'a', 't', '{}')")
    migration = threading.Thread(target=migrate, args=(bare_db,))
    migration.start()
    try:
        with bare_db.session() as application:
            application.run("SET lock_timeout = '2s'")
            wait_for(lambda: bare_db.one(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                "usename = 'owner' AND wait_event_type = 'Lock'") or not migration.is_alive(), 20,
                "the migration waits for the open transaction")
            for _ in range(20):
                application.run("INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload) "
                                "VALUES ('t', 'a', 't', '{}')")
    finally:
        blocker.connection.rollback()
        blocker.close()
        migration.join()


def test_owner_without_rights_is_told_what_is_missing(bare_db):
    bare_db.run(f"ALTER DATABASE {bare_db.name} OWNER TO test")
    done = migrate(bare_db, expect=None)
    assert done.returncode == 1
    assert "permission" in (done.stdout + done.stderr).lower()


def test_no_database_is_exit_69(bare_db):
    done = migrate(bare_db, "--url", "postgresql://nobody@127.0.0.1:1/none", expect=69)
    assert "127.0.0.1" in done.stdout + done.stderr


def test_names_that_need_quotes_and_are_too_long(bare_db, topic, relay, collect):
    table = 'public."Bestellungen, die sehr lange Namen haben und Kommas, 2026 usw"'
    migrate(bare_db, table=table)
    outbox = Outbox(bare_db, topic, table=table)
    with bare_db.session() as session:
        outbox.insert("a", session=session)
    relay(outbox)
    collect(topic).wait(1)
    outbox.wait_finished()
    assert bare_db.one("SELECT max(length(relname)) FROM pg_class") <= 63


def test_doorbell_can_be_removed(bare_db, topic, relay, collect):
    migrate(bare_db)
    migrate(bare_db, "--remove-doorbell")
    assert bare_db.one("SELECT count(*) FROM pg_trigger WHERE tgname = 'eventferry_bell'") == 0
    outbox = Outbox(bare_db, topic)
    relay(outbox, {"wake": "poll"})
    collect(topic).wait_ids([outbox.insert("a")])


def test_newer_schema_is_refused_with_a_sentence(outbox, relay):
    outbox.database.run("INSERT INTO eventferry.schema_version (version, applied_at) "
                        "VALUES (1000, now())")
    reason = relay(outbox).wait_state("misconfigured")["reason"]
    assert "1000" in reason or "newer" in reason


def test_database_that_was_never_migrated_is_named_with_the_command(bare_db, topic, relay):
    reason = relay(Outbox(bare_db, topic)).wait_state("misconfigured")["reason"]
    assert "eventferryctl migrate" in reason
