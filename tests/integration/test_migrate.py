# SPDX-License-Identifier: MIT
"""eventferryctl migrate: what it makes, that it changes nothing twice, what it leaves alone, and
that it fails as a whole. On the system's PostgreSQL and on 18."""

import subprocess
import threading

import psycopg2
import pytest

from harness.daemon import Daemon, binary, ctl, merge
from harness.migration import (EVENTFERRY_TABLE, fingerprint, lines, make_eventferry_table,
                               migrate_table)
from harness.outbox import APPLICATION, OWNER_ROLE, RELAY
from harness.postgres import Session
from harness.processes import command, free_port
from harness.setup import empty_database, retire
from harness.timing import scaled, wait_for

GRANTS = ("--grant-to", RELAY, "--app-role", APPLICATION)
INSERT = ("INSERT INTO {} (aggregate_type, aggregate_id, topic, payload) "
          "VALUES ('order', 'a-1', 't', '{{}}')")


@pytest.fixture(params=["system", "18"])
def bare(request):
    """An empty database of the owner role, on each of the servers."""
    server = request.getfixturevalue(
        "system_postgres" if request.param == "system" else "postgres18")
    database = empty_database(server)
    yield database
    retire(database)


@pytest.fixture
def configured():
    """configured(database, {outbox settings}, ...) runs migrate with a configuration file."""
    made = []

    def run(database, *arguments, outboxes=({},), expect=0, **settings):
        config = Daemon({
            "kafka": {"brokers": ["127.0.0.1:1"]},
            "databases": {"db": merge({"driver": "postgres", "url": database.url(OWNER_ROLE)},
                                      settings)},
            "outboxes": [merge({"name": f"o{n}", "database": "db", "table": "public.outbox"}, each)
                         for n, each in enumerate(outboxes)]})
        made.append(config)
        return ctl("--config", config.config_path, "migrate", *arguments, expect=expect)

    yield run
    for config in made:
        config.discard()


def indexes(database, table="public.outbox"):
    return dict(database.run(
        "SELECT c.relname::text, i.indisvalid FROM pg_index i JOIN pg_class c "
        "ON c.oid = i.indexrelid WHERE i.indrelid = %s::regclass", (table,)))


def columns(database, table):
    return [name for (name,) in database.run(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
        "AND NOT attisdropped ORDER BY attnum", (table,))]


def has_own_schema(database):
    return database.one("SELECT to_regnamespace('eventferry') IS NOT NULL")


def test_new_table_has_the_contracts_names(bare):
    done = migrate_table(bare, *GRANTS)
    assert columns(bare, "public.outbox") == [
        "id", "message_id", "aggregate_type", "aggregate_id", "topic", "key", "payload", "headers",
        "trace_id", "kafka_partition", "status", "attempts", "next_retry_at", "claimed_at",
        "created_at", "processed_at", "last_error"]
    assert indexes(bare) == {"outbox_pkey": True, "outbox_unfinished": True,
                             "outbox_waiting": True, "outbox_message_id_key": True}
    assert columns(bare, "eventferry.archive_public_outbox") == \
        columns(bare, "public.outbox") + ["archived_at"]
    assert bare.run("SELECT version FROM eventferry.schema_version") == [(1,)]
    assert bare.run("SELECT table_schema::text, table_name::text, epoch, owner FROM "
                    "eventferry.outbox JOIN eventferry.lease USING (outbox_id)") == \
        [("public", "outbox", 0, None)]
    for name in ("relay", "command", "audit", "bell_public_outbox"):
        assert bare.one("SELECT to_regclass(%s) IS NOT NULL", ("eventferry." + name,)), name
    assert bare.one("SELECT reloptions::text FROM pg_class WHERE oid = 'eventferry.lease'::regclass"
                    ).count("fillfactor=50") == 1
    assert set(lines(done).values()) == {"created", "granted", "exists"}
    assert done.stdout.splitlines()[-1].startswith("public.outbox is ready: start eventferryd")
    assert done.stderr == ""


def test_second_run_changes_nothing_and_says_so(bare):
    migrate_table(bare, *GRANTS)
    before = fingerprint(bare)
    done = migrate_table(bare, *GRANTS)
    assert fingerprint(bare) == before
    assert set(lines(done).values()) == {"exists"}
    assert done.stdout.splitlines()[-1] == \
        "public.outbox: everything was there, nothing was changed"


def test_second_run_leaves_the_same_dump(bare_db):
    def dump():
        text = subprocess.run(["pg_dump", "--schema-only", bare_db.url()], check=True,
                              capture_output=True, text=True).stdout
        # its lines that begin with a backslash carry a random word
        return [line for line in text.splitlines() if not line.startswith("\\")]

    migrate_table(bare_db, *GRANTS)
    before = dump()
    assert any("CREATE TRIGGER eventferry_bell" in line for line in before)
    migrate_table(bare_db, *GRANTS)
    assert dump() == before


def psql(database, script):
    return subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", database.url(OWNER_ROLE)],
                          input=script, text=True, capture_output=True, check=False)


def test_printed_sql_does_the_same_in_psql(bare):
    shown = ctl("migrate", "--print", "--table", "public.outbox", *GRANTS)
    done = psql(bare, shown.stdout)
    assert done.returncode == 0, done.stderr
    before = fingerprint(bare)
    assert set(lines(migrate_table(bare, *GRANTS)).values()) == {"exists"}
    assert fingerprint(bare) == before


def test_print_needs_neither_configuration_nor_database():
    shown = ctl("migrate", "--print", "--table", "shop.outbox")
    assert 'CREATE TABLE "shop"."outbox"' in shown.stdout
    assert "GRANT SELECT, DELETE" not in shown.stdout


def test_print_with_url_shows_what_is_missing_and_runs_nothing(bare):
    make_eventferry_table(bare)
    before = fingerprint(bare)
    shown = migrate_table(bare, "--print", *GRANTS).stdout
    assert fingerprint(bare) == before
    assert 'ADD COLUMN last_error' in shown and "CREATE INDEX CONCURRENTLY" in shown
    assert 'CREATE TABLE "public"."outbox"' not in shown and "outbox_unfinished" not in shown
    done = psql(bare, shown)
    assert done.returncode == 0, done.stderr
    assert "-- nothing to do" in migrate_table(bare, "--print", *GRANTS).stdout


def test_eventferry_table_gains_only_what_it_lacks(bare):
    make_eventferry_table(bare)
    with bare.session(OWNER_ROLE) as owner:
        owner.run(INSERT.format("public.outbox"))
    file = "SELECT pg_relation_filenode('public.outbox')"
    rows = "SELECT xmin::text, ctid::text, id FROM public.outbox"
    before = bare.one(file), bare.run(rows)
    old_indexes = bare.run("SELECT indexrelid, pg_relation_filenode(indexrelid) FROM pg_index "
                           "WHERE indrelid = 'public.outbox'::regclass ORDER BY 1")
    done = migrate_table(bare, *GRANTS)
    assert (bare.one(file), bare.run(rows)) == before
    assert columns(bare, "public.outbox")[-2:] == ["kafka_partition", "last_error"]
    assert set(old_indexes) <= set(bare.run(
        "SELECT indexrelid, pg_relation_filenode(indexrelid) FROM pg_index "
        "WHERE indrelid = 'public.outbox'::regclass"))
    assert set(indexes(bare)) == {"outbox_pkey", "idx_outbox_ready", "idx_outbox_agg_order",
                                  "uq_outbox_message_id", "outbox_waiting"}
    steps = lines(done)
    assert steps["index of unfinished rows by id on public.outbox"] == "exists"
    assert steps["index of waiting rows by aggregate_id on public.outbox"] == "created"
    assert steps["unique index of message_id on public.outbox"] == "exists"
    assert "note: column 'payload' is NOT NULL and stays so" in done.stdout
    assert bare.one("SELECT attnotnull FROM pg_attribute WHERE attname = 'payload' "
                    "AND attrelid = 'public.outbox'::regclass")
    # eventferry's own way of inserting goes on working
    with bare.session(OWNER_ROLE) as owner:
        owner.run(INSERT.format("public.outbox") + " RETURNING message_id")


def test_eventferrys_notify_trigger_stays(bare):
    make_eventferry_table(bare)
    with bare.session(OWNER_ROLE) as owner:
        owner.run("""
            CREATE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_notify('outbox', ''); RETURN NULL; END $$;
            CREATE TRIGGER outbox_notify_trg AFTER INSERT ON outbox
            FOR EACH STATEMENT EXECUTE FUNCTION outbox_notify()""")
    migrate_table(bare)
    assert {name for (name,) in bare.run("SELECT tgname::text FROM pg_trigger WHERE tgrelid = "
                                         "'public.outbox'::regclass AND NOT tgisinternal")} == \
        {"outbox_notify_trg", "eventferry_bell"}


@pytest.mark.parametrize("mode", ["ACCESS EXCLUSIVE", "ROW EXCLUSIVE"])
def test_held_lock_ends_in_a_message_and_nothing_half_applied(bare, mode):
    make_eventferry_table(bare)
    before = fingerprint(bare)
    holder = bare.connect(OWNER_ROLE, autocommit=False, application_name="nightly-report")
    holder.cursor().execute(f"LOCK TABLE public.outbox IN {mode} MODE")
    done = migrate_table(bare, "--wait", "1s", expect=1)
    assert "lock timeout" in done.stderr and "nothing was changed" in done.stderr
    assert "nightly-report, idle in transaction for" in done.stderr
    assert done.stdout == ""
    assert fingerprint(bare) == before and not has_own_schema(bare)
    holder.close()
    migrate_table(bare)


def test_waits_for_a_lock_and_then_goes_on(bare):
    make_eventferry_table(bare)
    holder = bare.connect(OWNER_ROLE, autocommit=False)
    holder.cursor().execute("LOCK TABLE public.outbox IN ROW EXCLUSIVE MODE")
    result = []
    run = threading.Thread(target=lambda: result.append(
        migrate_table(bare, "--wait", f"{scaled(25):g}s", expect=None)))
    run.start()
    wait_for(lambda: bare.one("SELECT count(*) FROM pg_locks WHERE NOT granted "
                              "AND relation = 'public.outbox'::regclass"), 10,
             "the migration waits for its lock")
    # Writers do not queue behind it for long: it gives way again and again.
    with bare.session(OWNER_ROLE) as writer:
        writer.run(INSERT.format("public.outbox"))
    holder.rollback()
    run.join()
    holder.close()
    assert result[0].returncode == 0, result[0].stderr


def test_old_snapshot_holds_up_only_the_index(bare):
    make_eventferry_table(bare)
    holder = bare.connect(OWNER_ROLE, autocommit=False)
    holder.set_session("REPEATABLE READ")
    holder.cursor().execute("SELECT 1")
    done = migrate_table(bare, "--wait", "1s", expect=1)
    assert "index of waiting rows" in done.stderr and "everything but that index" in done.stderr
    assert has_own_schema(bare)
    assert all(indexes(bare).values()), "an unusable index was left behind"
    holder.close()
    done = migrate_table(bare)
    assert {what for what, verb in lines(done).items() if verb == "created"} == \
        {"index of waiting rows by aggregate_id on public.outbox"}
    assert indexes(bare)["outbox_waiting"]


def test_unusable_index_is_made_again(bare):
    make_eventferry_table(bare)
    with bare.session(OWNER_ROLE) as owner:
        owner.run("DROP INDEX uq_outbox_message_id")
        owner.run("INSERT INTO outbox (message_id, aggregate_type, aggregate_id, topic, payload) "
                  "SELECT '00000000-0000-0000-0000-000000000001', 'o', 'a', 't', '{}' "
                  "FROM generate_series(1, 2)")
    done = migrate_table(bare, expect=1)
    assert "could not create unique index" in done.stderr
    assert "outbox_message_id_key" not in indexes(bare), "the failed index was left behind"
    with bare.session(OWNER_ROLE) as owner:
        with pytest.raises(psycopg2.errors.UniqueViolation):
            owner.run("CREATE UNIQUE INDEX CONCURRENTLY outbox_message_id_key "
                      "ON outbox (message_id)")
        assert indexes(bare)["outbox_message_id_key"] is False
        owner.run("DELETE FROM outbox WHERE id = (SELECT max(id) FROM outbox)")
    assert "  removed  unique index" in migrate_table(bare).stdout
    assert indexes(bare)["outbox_message_id_key"] is True


def test_two_migrations_at_once(bare):
    results = []
    runs = [threading.Thread(target=lambda: results.append(
        migrate_table(bare, *GRANTS, expect=None))) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [done.returncode for done in results] == [0, 0, 0], [done.stderr for done in results]
    assert len([1 for done in results if "nothing was changed" in done.stdout]) == 2


def test_two_tables_in_one_database(bare, configured):
    with bare.session(OWNER_ROLE) as owner:
        owner.run("CREATE SCHEMA billing")
    done = configured(bare, *GRANTS, outboxes=[{}, {"table": "billing.outbox"}])
    assert done.stdout.count("is ready") == 2
    assert bare.run("SELECT table_schema::text, archive_name::text FROM eventferry.outbox JOIN "
                    "eventferry.lease USING (outbox_id) ORDER BY 1") == \
        [("billing", "archive_billing_outbox"), ("public", "archive_public_outbox")]
    done = configured(bare, "--outbox", "o1", *GRANTS,
                      outboxes=[{}, {"table": "billing.outbox"}])
    assert "public.outbox" not in done.stdout and "nothing was changed" in done.stdout
    shown = configured(bare, "--print", outboxes=[{}, {"table": "billing.outbox"}])
    assert shown.stdout.count("CREATE SCHEMA") == 1


def test_archives_of_one_name_are_refused(bare):
    with bare.session(OWNER_ROLE) as owner:
        owner.run("CREATE SCHEMA a; CREATE SCHEMA a_b")
    migrate_table(bare, table="a.b_c")
    before = fingerprint(bare)
    done = migrate_table(bare, table="a_b.c", expect=1)
    assert "its name is taken by that of a.b_c" in done.stderr
    assert fingerprint(bare) == before


def test_odd_names(bare, configured):
    schema, table, ours, role = 'my "odd" schema', "Out'box; --", "event $$ ferry", 're"lay \\ 1'
    with Session(bare.server, "postgres") as admin:
        if not admin.one("SELECT count(*) FROM pg_roles WHERE rolname = %s", (role,)):
            admin.run('CREATE ROLE "re""lay \\ 1" LOGIN')
    with bare.session(OWNER_ROLE) as owner:
        owner.run('CREATE SCHEMA "my ""odd"" schema"')
    quoted = '"my ""odd"" schema"."Out\'box; --"'
    arguments = ("--grant-to", role, "--app-role", role)
    done = configured(bare, *arguments, outboxes=[{"table": quoted}], schema=ours)
    assert f"{quoted} is ready" in done.stdout
    assert bare.run('SELECT table_schema::text, table_name::text FROM "event $$ ferry".outbox') == \
        [(schema, table)]
    before = fingerprint(bare)
    done = configured(bare, *arguments, outboxes=[{"table": quoted}], schema=ours)
    assert set(lines(done).values()) == {"exists"} and fingerprint(bare) == before
    with bare.session(role) as relay:
        relay.run(f'SELECT setval(\'"event $$ ferry"."bell_{schema.replace(chr(34), chr(34) * 2)}'
                  f'_Out\'\'box; --"\', 2)')
        relay.run(f"LISTEN \"{table}\"")
        relay.run(INSERT.format(quoted))
        wait_for(lambda: relay.connection.poll() or relay.connection.notifies, 5, "the bell rings")
        relay.run('SELECT "event $$ ferry".archive_maintain(1)')


@pytest.mark.parametrize("schema, table", [
    ("public", "t" * 63), ("s" * 63, "t" * 63), ("s" * 63, "Ü" * 31)])
def test_longest_names(bare, schema, table):
    quoted = f'"{schema}"."{table}"'
    if schema != "public":
        with bare.session(OWNER_ROLE) as owner:
            owner.run(f'CREATE SCHEMA "{schema}"')
    migrate_table(bare, *GRANTS, table=quoted)
    before = fingerprint(bare)
    migrate_table(bare, *GRANTS, table=quoted)
    assert fingerprint(bare) == before
    names = [name for (name,) in bare.run(
        "SELECT relname::text FROM pg_class WHERE relname ~ '^(archive|bell)_'")]
    assert len(names) >= 8 and all(len(name.encode()) <= 63 for name in names)
    with bare.session(APPLICATION) as application:
        application.run(INSERT.format(quoted))


def test_existing_table_of_the_longest_name(bare):
    table = "t" * 63
    with bare.session(OWNER_ROLE) as owner:
        owner.run("CREATE TABLE public." + table + " (id bigint, aggregate_id text, topic text, "
                  "payload text, status int, attempts int, next_retry_at timestamptz, "
                  "message_id text)")
    migrate_table(bare, table="public." + table)
    names = indexes(bare, "public." + table)
    assert len(names) == 3 and all(names.values())
    assert {name[-8:] for name in names} == {"finished", "_waiting", "e_id_key"}
    before = fingerprint(bare)
    migrate_table(bare, table="public." + table)
    assert fingerprint(bare) == before


def test_custom_layout(bare, configured):
    with bare.session(OWNER_ROLE) as owner:
        owner.run("CREATE TABLE public.events (seq bigserial PRIMARY KEY, uid uuid, entity text, "
                  "body bytea, state int NOT NULL DEFAULT 0, tries int, due timestamptz, "
                  "code char(40), "
                  "secret_note text)")
    outbox = {"table": "public.events", "layout": "custom", "columns": {
        "id": "seq", "message_id": "uid", "aggregate_id": "entity", "payload": "body",
        "status": "state", "attempts": "tries", "next_retry_at": "due", "key": "code",
        "topic": {"value": "orders"}}}
    done = configured(bare, *GRANTS, outboxes=[outbox])
    assert columns(bare, "eventferry.archive_public_events") == [
        "seq", "uid", "entity", "code", "body", "state", "tries", "due", "archived_at"]
    assert "secret_note" not in done.stdout
    assert set(indexes(bare, "public.events")) == \
        {"events_pkey", "events_unfinished", "events_waiting"}
    assert columns(bare, "public.events")[-1] == "secret_note", "no column may be added"
    with bare.session(APPLICATION) as application:  # the sequence behind bigserial is granted too
        application.run("INSERT INTO events (entity, body) VALUES ('a', 'x')")
    with bare.session(RELAY) as relay:
        relay.run("UPDATE events SET state = 3, tries = 1, due = now()")
        relay.run("INSERT INTO eventferry.archive_public_events (code) VALUES (repeat('x', 40))")
    done = configured(bare, *GRANTS, outboxes=[outbox])
    assert set(lines(done).values()) == {"exists"}


def test_archive_follows_new_columns(bare, configured):
    with bare.session(OWNER_ROLE) as owner:
        owner.run("CREATE TABLE public.events (id bigint PRIMARY KEY, aggregate_id text, "
                  "topic text, payload text, status int, attempts int, next_retry_at timestamptz)")
    mapping = {name: name for name in ("id", "aggregate_id", "topic", "payload", "status",
                                       "attempts", "next_retry_at")}
    outbox = {"table": "public.events", "layout": "custom", "columns": mapping}
    configured(bare, outboxes=[outbox])
    done = configured(bare, expect=1,
                      outboxes=[merge(outbox, {"columns": {"trace_id": "trace"}})])
    assert "has no column 'trace'" in done.stderr
    with bare.session(OWNER_ROLE) as owner:
        owner.run("ALTER TABLE public.events ADD COLUMN trace varchar(9)")
    done = configured(bare, outboxes=[merge(outbox, {"columns": {"trace_id": "trace"}})])
    assert lines(done)["columns of eventferry.archive_public_events"] == "created"
    assert columns(bare, "eventferry.archive_public_events")[-2:] == ["archived_at", "trace"]


@pytest.mark.parametrize("on_delivered", ["delete", "mark"])
def test_no_archive_where_none_is_wanted(bare, configured, on_delivered):
    configured(bare, *GRANTS, outboxes=[{"on_delivered": on_delivered}])
    assert not bare.run("SELECT 1 FROM pg_class WHERE relname LIKE 'archive%'")
    assert bare.one("SELECT archive_name FROM eventferry.outbox") is None
    configured(bare, *GRANTS)  # and later it is made
    assert bare.one("SELECT archive_name::text FROM eventferry.outbox") == "archive_public_outbox"


def test_doorbell_can_be_left_out_changed_and_removed(bare, configured):
    def bell():
        return [(definition.rpartition("EXECUTE")[2],) for (definition,) in bare.run(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'eventferry_bell'")]

    migrate_table(bare, "--no-doorbell", *GRANTS)
    assert bell() == [] and not bare.one("SELECT to_regclass('eventferry.bell_public_outbox')")
    migrate_table(bare, "--doorbell", *GRANTS)
    assert "bell('outbox')" in bell()[0][0]
    migrate_table(bare, "--no-doorbell")  # leaves alone what is there
    assert "bell('outbox')" in bell()[0][0]
    done = configured(bare, outboxes=[{"wake": "notify", "channel": "my-channel"}])
    assert "bell('my-channel')" in bell()[0][0] and len(bell()) == 1
    assert "removed  trigger eventferry_bell of another channel" in done.stdout
    done = migrate_table(bare, "--remove-doorbell")
    assert bell() == [] and not bare.one("SELECT to_regclass('eventferry.bell_public_outbox')")
    assert list(lines(done).values()) == ["removed", "removed"]
    assert "there was no doorbell" in migrate_table(bare, "--remove-doorbell").stdout
    with bare.session(APPLICATION) as application:
        application.run(INSERT.format("public.outbox"))


def test_an_older_function_is_replaced(bare):
    migrate_table(bare, *GRANTS)
    with bare.session(OWNER_ROLE) as owner:
        owner.run("COMMENT ON FUNCTION eventferry.archive_maintain(int) IS 'older'")
    changed = {what for what, verb in lines(migrate_table(bare, *GRANTS)).items()
               if verb != "exists"}
    assert changed == {"function eventferry.archive_maintain(int)"}
    with bare.session(RELAY) as relay:  # its grants are still there
        relay.run("SELECT eventferry.archive_maintain(1)")


REFUSALS = {
    "a view": ("CREATE VIEW public.outbox AS SELECT 1 AS id", "it is a view"),
    "a materialized view": ("CREATE MATERIALIZED VIEW public.outbox AS SELECT 1 AS id",
                            "it is a materialized view"),
    "another table": ("CREATE TABLE public.outbox (id int, name text);"
                      f"ALTER TABLE public.outbox OWNER TO {OWNER_ROLE}",
                      "it has no column 'aggregate_id', 'topic', 'payload', 'status'"),
    "somebody else's": (EVENTFERRY_TABLE.format(table="public.outbox") +
                        f"; ALTER TABLE public.outbox OWNER TO {RELAY}",
                        f"it belongs to role '{RELAY}'"),
    "newer objects": ("CREATE SCHEMA eventferry; "
                      "CREATE TABLE eventferry.schema_version (version int, applied_at date);"
                      "INSERT INTO eventferry.schema_version VALUES (1), (2);"
                      f"ALTER SCHEMA eventferry OWNER TO {OWNER_ROLE};"
                      f"ALTER TABLE eventferry.schema_version OWNER TO {OWNER_ROLE}",
                      "are of version 2, this program knows 1"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refused_before_anything_is_changed(bare, case):
    sql, why = REFUSALS[case]
    bare.run(sql)
    before = fingerprint(bare)
    done = migrate_table(bare, *GRANTS, expect=1)
    assert why in done.stderr and "nothing was changed" in done.stderr
    assert fingerprint(bare) == before


def test_missing_role_and_schema_are_refused(bare):
    assert "role 'nobody-here' does not exist" in \
        migrate_table(bare, "--grant-to", "nobody-here", expect=1).stderr
    assert "schema 'nowhere' does not exist" in \
        migrate_table(bare, table="nowhere.outbox", expect=1).stderr
    assert not has_own_schema(bare)


def test_role_without_rights_on_the_database(bare):
    done = migrate_table(bare, user=APPLICATION, expect=1)
    assert "could not make schema eventferry: permission denied for database" in done.stderr
    assert not has_own_schema(bare)


def test_warnings_have_their_exit_code(bare):
    bare.run("CREATE UNLOGGED " + EVENTFERRY_TABLE.format(table="public.outbox").strip()[7:] +
             f"; ALTER TABLE public.outbox OWNER TO {OWNER_ROLE}")
    done = migrate_table(bare, expect=2)
    assert "warning: the table is unlogged" in done.stdout
    assert "note: run by a superuser" not in done.stdout
    assert "note: run by a superuser" in migrate_table(bare, user="test", expect=2).stdout


def test_partitioned_table_keeps_its_indexes(bare):
    with bare.session(OWNER_ROLE) as owner:
        owner.run("CREATE TABLE outbox (id bigint, aggregate_id text, topic text, payload text, "
                  "status int, attempts int, next_retry_at timestamptz) "
                  "PARTITION BY HASH (aggregate_id)")
    done = migrate_table(bare, expect=2)
    assert "warning: the table is partitioned" in done.stdout
    assert indexes(bare) == {}


def test_exit_codes(bare, tmp_path):
    unreachable = f"postgresql://owner@127.0.0.1:{free_port()}/x"
    assert "could not connect" in ctl("migrate", "--url", unreachable, "--table", "public.outbox",
                                      expect=69).stderr
    for arguments in (["--table", "outbox"], ["--table", "a.b", "--outbox", "c"], ["surplus"],
                      ["--unknown"], ["--wait", "soon", "--table", "a.b"],
                      ["--doorbell", "--no-doorbell", "--table", "a.b"],
                      ["--table", "a.b", "--grant-to", "x" * 64]):
        assert ctl("migrate", "--url", unreachable, *arguments, expect=64).stderr, arguments
    assert "did you mean 'migrate'" in ctl("migrat", expect=64).stderr
    assert "usage" in ctl(expect=64).stderr
    assert "usage" in ctl("migrate", "--help").stdout and "usage" in ctl("--help").stdout
    ctl("--config", str(tmp_path / "none.yaml"), "migrate", expect=77)
    broken = tmp_path / "broken.yaml"
    broken.write_text("outboxes: 1\n", encoding="ascii")
    assert f"{broken}:1:" in ctl("--config", str(broken), "migrate", expect=78).stderr
    assert not has_own_schema(bare)


def test_channel_that_would_break_inserts(bare, configured):
    done = configured(bare, expect=1, outboxes=[{"wake": "notify", "channel": "c" * 64}])
    assert "every INSERT would fail" in done.stderr
    assert not has_own_schema(bare)


def test_outbox_must_be_in_the_configuration(bare, configured):
    assert "has no outbox named 'other'" in configured(bare, "--outbox", "other", expect=64).stderr


def test_password_is_nowhere_to_be_seen(bare):
    """On the command line only until it is read, never in a message."""
    make_eventferry_table(bare)
    holder = bare.connect(OWNER_ROLE, autocommit=False)
    holder.cursor().execute("LOCK TABLE public.outbox IN ACCESS EXCLUSIVE MODE")
    url = bare.url(OWNER_ROLE).replace("owner@", "owner:hunter2@")
    child = subprocess.Popen(
        command([binary("eventferryctl"), "migrate", "--table", "public.outbox", "--wait", "2s",
                 "--url", url]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: bare.one("SELECT count(*) FROM pg_locks WHERE NOT granted "
                              "AND relation = 'public.outbox'::regclass"), 10, "it waits")
    with open(f"/proc/{child.pid}/cmdline", encoding="utf-8") as text:
        seen = text.read()
    said, _ = child.communicate(timeout=scaled(20))
    holder.close()
    assert "--wait" in seen and "hunter2" not in seen
    assert child.returncode == 1 and "hunter2" not in said
