# SPDX-License-Identifier: MIT
"""Three roles: the owner runs migrate, the relay and the application have only what it grants.

Every kind of statement that the relay sends, what must be denied to it, and that an INSERT-only
role can always insert. On the system's PostgreSQL and on 18."""

import psycopg2
import pytest

from harness.migration import make_eventferry_table, migrate_table
from harness.outbox import APPLICATION, OWNER_ROLE, RELAY
from harness.postgres import Session
from harness.setup import empty_database, retire
from harness.timing import stays, wait_for

INSERT = ("INSERT INTO public.outbox (aggregate_type, aggregate_id, topic, payload) "
          "VALUES ('order', 'a-1', 't', '{}')")
BELL = "'eventferry.bell_public_outbox'"
DENIED = psycopg2.errors.InsufficientPrivilege


@pytest.fixture(params=["system", "18"])
def server(request):
    return request.getfixturevalue(
        "system_postgres" if request.param == "system" else "postgres18")


@pytest.fixture(params=["new table", "eventferry's table"])
def database(request, server):
    """Migrated with the grants; the roles have no other rights, not even on schema public."""
    made = empty_database(server)
    made.run("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    if request.param != "new table":
        make_eventferry_table(made)
    migrate_table(made, "--grant-to", RELAY, "--app-role", APPLICATION)
    yield made
    retire(made)


@pytest.fixture
def relay(database):
    with database.session(RELAY) as session:
        session.run("SET search_path = pg_catalog; SET row_security = off")
        yield session


def insert(database, count=1):
    with database.session(APPLICATION) as application:
        for _ in range(count):
            application.run(INSERT)


LEASE = "WHERE outbox_id = 1 AND epoch = 1 AND server = 's'"

# What src/store sends, statement by statement, in other words.
STATEMENTS = {
    "who answers": "SELECT system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8), "
                   "pg_is_in_recovery() FROM pg_control_system()",
    "version": "SELECT max(version) FROM eventferry.schema_version",
    "registry": "SELECT outbox_id, paused_at, paused_by, pause_reason FROM eventferry.outbox",
    "row security": "SELECT row_security_active('public.outbox')",
    "acquire": "WITH l AS (SELECT outbox_id FROM eventferry.lease WHERE outbox_id = 1 "
               "FOR UPDATE SKIP LOCKED) UPDATE eventferry.lease u SET epoch = 1, owner = 'r', "
               "incarnation = gen_random_uuid(), token = gen_random_uuid(), server = 's', "
               "server_seen_at = clock_timestamp(), acquired_at = clock_timestamp(), "
               "expires_at = clock_timestamp() + interval '1 min' FROM l "
               "WHERE u.outbox_id = l.outbox_id RETURNING u.epoch",
    "renew": f"UPDATE eventferry.lease SET expires_at = clock_timestamp() {LEASE}",
    "announce": "INSERT INTO eventferry.relay (incarnation, instance, host, version) "
                "VALUES (gen_random_uuid(), 'r', 'h', '1') "
                "ON CONFLICT (incarnation) DO UPDATE SET seen_at = now()",
    "forget": "DELETE FROM eventferry.relay WHERE seen_at < now() - interval '1 day'",
    "fetch": f"WITH l AS MATERIALIZED (SELECT 1 FROM eventferry.lease {LEASE}) "
             "SELECT pg_snapshot_xmin(pg_current_snapshot()), o.* FROM public.outbox o "
             "WHERE EXISTS (SELECT FROM l) AND status IN (0, 3) AND id > 0 ORDER BY id LIMIT 10",
    "decide": f"WITH l AS MATERIALIZED (SELECT 1 FROM eventferry.lease {LEASE} FOR KEY SHARE) "
              "UPDATE public.outbox SET status = 3, attempts = 1, next_retry_at = now(), "
              "claimed_at = NULL, processed_at = NULL, last_error = 'why' "
              "WHERE EXISTS (SELECT FROM l) AND id = 1",
    "mark": f"WITH l AS MATERIALIZED (SELECT 1 FROM eventferry.lease {LEASE} FOR KEY SHARE) "
            "UPDATE public.outbox SET status = 2, processed_at = now() "
            "WHERE EXISTS (SELECT FROM l) AND id = 2",
    "archive": f"WITH l AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) "
               f"FROM eventferry.lease {LEASE} FOR KEY SHARE), "
               "d AS (DELETE FROM public.outbox o USING unnest('{1}'::bigint[], '{1}'::bigint[]) "
               "r(a, b) WHERE EXISTS (SELECT FROM l) AND id BETWEEN r.a AND r.b RETURNING o.*) "
               "INSERT INTO eventferry.archive_public_outbox (id, message_id, payload, "
               "archived_at) SELECT id, message_id, payload, clock_timestamp() FROM d",
    "purge": "DELETE FROM public.outbox WHERE status = 2 AND processed_at <= now()",
    "lag": "SELECT count(*), min(created_at), max(id) FROM public.outbox",
    "archive's size": "SELECT count(*), sum(pg_total_relation_size(inhrelid)) FROM pg_inherits "
                      "WHERE inhparent = 'eventferry.archive_public_outbox'::regclass",
    "archived rows": "SELECT count(*) FROM eventferry.archive_public_outbox",
    "upkeep": "SELECT * FROM eventferry.archive_maintain(1, interval '24 hours', NULL)",
    "upkeep with defaults": "SELECT * FROM eventferry.archive_maintain(1)",
    "pause": "UPDATE eventferry.outbox SET paused_at = now(), paused_by = 'p', pause_reason = 'w' "
             "WHERE outbox_id = 1",
    "commands": "SELECT id FROM eventferry.command WHERE outbox_id = 1 AND done_at IS NULL",
    "command written": "INSERT INTO eventferry.command (outbox_id, verb, args, actor) "
                       "VALUES (1, 'skip', '{}', 'me') RETURNING id",
    "holds": "SELECT kind, name, actor, reason, at FROM eventferry.hold WHERE outbox_id = 1",
    "hold": "INSERT INTO eventferry.hold (outbox_id, kind, name, actor, reason) "
            "VALUES (1, 'topic', 't', 'me', '') ON CONFLICT DO NOTHING",
    "hold released": "DELETE FROM eventferry.hold WHERE outbox_id = 1",
    "command done": "UPDATE eventferry.command SET done_at = now(), result = 'done'",
    "audit": "INSERT INTO eventferry.audit (outbox_id, actor, verb, row_id, payload_sha256) "
             "VALUES (1, 'p', 'skip', 1, sha256('x'))",
    "arm": f"SELECT setval({BELL}::text::regclass, 2::bigint)",
    "listen": 'LISTEN "outbox"',
    "disarm": f"SELECT setval({BELL}::text::regclass, 1::bigint)",
    "release": f"UPDATE eventferry.lease SET expires_at = NULL, owner = NULL {LEASE}",
}


def test_relay_can_do_all_its_work(database, relay):
    insert(database, 3)
    rows = {}
    for what, sql in STATEMENTS.items():
        try:
            rows[what] = relay.run(sql)
        except DENIED as error:
            raise AssertionError(f"{what}: {error}") from None
    assert rows["acquire"] == [(1,)] and rows["renew"] == 1
    assert len(rows["fetch"]) == 3
    assert rows["decide"] == 1 and rows["mark"] == 1 and rows["purge"] == 1
    assert rows["archive"] == 1 and rows["archived rows"] == [(1,)]
    assert rows["archive's size"][0][0] >= 5
    assert database.one("SELECT count(*) FROM public.outbox") == 1


DENIED_TO_RELAY = [
    INSERT,
    "TRUNCATE public.outbox",
    "UPDATE public.outbox SET payload = NULL",
    "UPDATE public.outbox SET aggregate_id = 'b'",
    "ALTER TABLE public.outbox ADD COLUMN x int",
    "DELETE FROM eventferry.archive_public_outbox",
    "UPDATE eventferry.archive_public_outbox SET payload = NULL",
    "TRUNCATE eventferry.archive_public_outbox",
    "SELECT * FROM eventferry.archive_public_outbox_default",
    "INSERT INTO eventferry.lease (outbox_id) VALUES (2)",
    "DELETE FROM eventferry.lease",
    "UPDATE eventferry.outbox SET archive_name = 'outbox'",
    "UPDATE eventferry.outbox SET table_name = 'other'",
    "INSERT INTO eventferry.outbox (table_schema, table_name) VALUES ('public', 'x')",
    "UPDATE eventferry.hold SET reason = 'none'",
    "DELETE FROM eventferry.command",
    "SELECT * FROM eventferry.audit",
    "DELETE FROM eventferry.audit",
    "UPDATE eventferry.schema_version SET version = 9",
    "CREATE TABLE eventferry.x ()",
    "CREATE TABLE public.x ()",
    "DROP TRIGGER eventferry_bell ON public.outbox",
]
DENIED_TO_APPLICATION = [
    "SELECT * FROM public.outbox",
    "UPDATE public.outbox SET status = 2",
    "DELETE FROM public.outbox",
    "SELECT * FROM eventferry.outbox",
    "SELECT eventferry.archive_maintain(1)",
    "SELECT eventferry.archive_maintain(1, interval '0', NULL)",
    "SELECT setval('eventferry.bell_public_outbox', 2)",
    "SELECT nextval('eventferry.bell_public_outbox')",
]


@pytest.mark.parametrize("role, statements", [
    (RELAY, DENIED_TO_RELAY), (APPLICATION, DENIED_TO_APPLICATION)])
def test_roles_can_do_no_more(database, role, statements):
    with database.session(role) as session:
        for sql in statements:
            with pytest.raises(DENIED):
                session.run(sql)
                pytest.fail(f"was not denied: {sql}")


def listener(database):
    session = database.session(RELAY)
    session.run("LISTEN outbox")
    return session


def rung(session):
    session.connection.poll()
    count = len(session.connection.notifies)
    session.connection.notifies.clear()
    return count


def test_insert_never_fails_and_rings_only_when_armed(database):
    """The sequence never used, disarmed, armed, disarmed again: the role has INSERT and no more."""
    assert not database.one("SELECT has_schema_privilege(%s, 'eventferry', 'USAGE')",
                            (APPLICATION,))
    with listener(database) as relay:
        insert(database)  # never used
        relay.run(f"SELECT setval({BELL}, 1)")
        insert(database)
        stays(lambda: rung(relay) == 0, 0.3, "a disarmed bell is silent")
        relay.run(f"SELECT setval({BELL}, 2)")
        insert(database)
        wait_for(lambda: rung(relay) == 1, 5, "the bell rings")
        with database.session(APPLICATION) as application:
            application.run("BEGIN")
            application.run(INSERT)
            application.run("ROLLBACK")
        stays(lambda: rung(relay) == 0, 0.3, "a rolled-back INSERT is silent")
        relay.run(f"SELECT setval({BELL}, 1)")
        insert(database)
        stays(lambda: rung(relay) == 0, 0.3, "silent again")
    assert database.one("SELECT count(*) FROM public.outbox") == 4


def test_insert_goes_on_while_the_bell_is_being_armed(database):
    """setval holds no lock that outlives it, even in a transaction that stays open."""
    arming = database.connect(RELAY, autocommit=False)
    arming.cursor().execute(f"SELECT setval({BELL}, 2)")
    with listener(database) as relay, database.session(APPLICATION) as application:
        application.run("SET lock_timeout = '2s'")
        application.run(INSERT)
        wait_for(lambda: rung(relay) == 1, 5, "the bell rings before setval's transaction ends")
    arming.close()


def test_bulk_insert_and_copy_ring_once(database):
    with listener(database) as relay, database.session(APPLICATION) as application:
        relay.run(f"SELECT setval({BELL}, 2)")
        application.run("INSERT INTO public.outbox (aggregate_type, aggregate_id, topic, payload) "
                        "SELECT 'order', n::text, 't', '{}' FROM generate_series(1, 500) n")
        wait_for(lambda: rung(relay) == 1, 5, "one statement rings once")


def test_upkeep_cannot_be_led_astray(database, relay):
    """It runs with the owner's rights: objects in front of its names must not be found."""
    relay.run("CREATE TEMP TABLE pg_inherits (inhrelid oid, inhparent oid)")
    relay.run("CREATE TEMP TABLE pg_class (oid oid)")
    relay.run("SET search_path = pg_temp, pg_catalog, public")
    found = relay.run("SELECT partitions, created FROM eventferry.archive_maintain(1)")
    assert found[0][0] >= 6


def test_roles_of_their_own_are_enough(server):
    """Two relays' roles on one outbox, and an owner who has no other rights in the cluster."""
    database = empty_database(server)
    with Session(server, "postgres") as admin:
        if not admin.one("SELECT count(*) FROM pg_roles WHERE rolname = 'relay2'"):
            admin.run("CREATE ROLE relay2 LOGIN")
    try:
        migrate_table(database, "--grant-to", RELAY, user=OWNER_ROLE)
        migrate_table(database, "--grant-to", "relay2", user=OWNER_ROLE)
        for role in (RELAY, "relay2"):
            with database.session(role) as session:
                assert session.run(STATEMENTS["acquire"]) == [(1,)]
    finally:
        retire(database)
