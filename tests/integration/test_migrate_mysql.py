# SPDX-License-Identifier: MIT
"""eventferryctl migrate on MariaDB and MySQL: what it makes, that it changes nothing twice, what it
leaves alone, whom it does not keep waiting, and that it says what it did before it failed."""

import os
import subprocess
import threading
import time

import pymysql
import pytest

from harness.daemon import Daemon, binary, ctl, merge
from harness.migration import (fingerprint_mysql, lines, make_eventferry_table, migrate_table)
from harness.mysql import PASSWORDS, MySql, quote
from harness.outbox import APPLICATION, OWNER_ROLE, RELAY
from harness.processes import command, program
from harness.timing import scaled, wait_for

GRANTS = ("--grant-to", RELAY, "--app-role", APPLICATION + "@%")
INSERT = ("INSERT INTO {} (message_id, aggregate_type, aggregate_id, topic, payload, headers) "
          "VALUES (UUID(), 'order', 'a-1', 't', '{{}}', '{{}}')")
OUR_TABLES = ("audit", "command", "fence", "hold", "lease", "outbox", "relay", "schema_version")


@pytest.fixture
def bare(bare_my_db):
    return bare_my_db


@pytest.fixture
def configured():
    """configured(database, {outbox settings}, ...) runs migrate with a configuration file."""
    made = []

    def run(database, *arguments, outboxes=({},), expect=0, **settings):
        config = Daemon({
            "kafka": {"brokers": ["127.0.0.1:1"]},
            "databases": {"db": merge({"driver": "mysql", "url": database.url(OWNER_ROLE)},
                                      settings)},
            "outboxes": [merge({"name": f"o{n}", "database": "db", "table": database.table}, each)
                         for n, each in enumerate(outboxes)]})
        made.append(config)
        return ctl("--config", config.config_path, "migrate", *arguments, expect=expect)

    yield run
    for config in made:
        config.discard()


def columns(database, table="outbox"):
    return [name for (name,) in database.run(
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s "
        "AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION", (database.name, table))]


def indexes(database, table="outbox"):
    """{name: (unique, columns)}"""
    return {name: (not other, tuple(names.split(","))) for name, other, names in database.run(
        "SELECT INDEX_NAME, MAX(NON_UNIQUE), GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX) "
        "FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s "
        "GROUP BY INDEX_NAME", (database.name, table))}


def own_tables(database):
    return [name for (name,) in database.run(r"SHOW TABLES LIKE 'eventferry\_%'")]


def denied(session, sql):
    """The statement is refused for want of a right (table, column, routine)."""
    with pytest.raises(pymysql.err.OperationalError) as caught:
        session.run(sql)
    return caught.value.args[0] in (1142, 1143, 1370)


def test_new_table_has_the_contracts_names(bare):
    done = migrate_table(bare, *GRANTS)
    assert columns(bare) == [
        "id", "message_id", "aggregate_type", "aggregate_id", "topic", "key", "payload", "headers",
        "trace_id", "kafka_partition", "status", "attempts", "next_retry_at", "claimed_at",
        "created_at", "processed_at", "last_error"]
    assert indexes(bare) == {"PRIMARY": (True, ("id",)),
                             "uq_outbox_message_id": (True, ("message_id",)),
                             "outbox_status_id": (False, ("status", "id"))}
    assert columns(bare, "outbox_archive") == columns(bare) + ["archived_at"]
    assert indexes(bare, "outbox_archive") == {"PRIMARY": (True, ("id", "archived_at"))}
    assert own_tables(bare) == ["eventferry_" + name for name in OUR_TABLES]
    assert bare.run("SELECT version FROM eventferry_schema_version") == ((1,),)
    assert bare.run("SELECT table_schema, table_name, archive_name, epoch, owner "
                    "FROM eventferry_outbox JOIN eventferry_lease USING (outbox_id)") == \
        ((bare.name, "outbox", "outbox_archive", 0, None),)
    assert set(lines(done).values()) == {"created", "granted"}
    assert done.stdout.splitlines()[-1] == \
        f"{bare.table} is ready: start eventferryd with a URL that connects as '{RELAY}'"
    assert done.stderr == ""


def test_lease_names_the_server_that_migrate_ran_on(bare):
    migrate_table(bare)
    expected = ("@@server_uuid" if bare.server.flavour == "mysql"
                else "CONCAT(@@server_id, '@', @@hostname, ':', @@port)")
    assert bare.one("SELECT server FROM eventferry_lease") == bare.one(f"SELECT {expected}")


def test_second_run_changes_nothing_and_says_so(bare):
    migrate_table(bare, *GRANTS)
    before = fingerprint_mysql(bare)
    done = migrate_table(bare, *GRANTS)
    assert fingerprint_mysql(bare) == before
    # the owner may not read the grant tables, and so grants again
    assert {verb for what, verb in lines(done).items() if " for " not in what} == {"exists"}
    done = ctl("migrate", "--url", f"mysql://root@127.0.0.1?socket={bare.server.socket}", "--table",
               bare.table, *GRANTS)
    assert set(lines(done).values()) == {"exists"}
    assert done.stdout.splitlines()[-1] == \
        f"{bare.table}: everything was there, nothing was changed"
    assert fingerprint_mysql(bare) == before


def client(database, script):
    return subprocess.run(
        [program("mariadb"), "--no-defaults", "--protocol=socket",
         f"--socket={database.server.socket}", f"--user={OWNER_ROLE}",
         f"--password={PASSWORDS[OWNER_ROLE]}"],
        input=script, text=True, capture_output=True, check=False)


def test_printed_sql_does_the_same_in_the_client(bare):
    shown = ctl("migrate", "--print", "--driver", "mysql", "--table", bare.table, *GRANTS)
    done = client(bare, shown.stdout)
    assert done.returncode == 0, done.stderr
    before = fingerprint_mysql(bare)
    again = migrate_table(bare, "--print")
    assert again.stdout.splitlines()[-1] == "-- nothing to do"
    assert {verb for what, verb in lines(migrate_table(bare, *GRANTS)).items()
            if " for " not in what} == {"exists"}
    assert fingerprint_mysql(bare) == before


def test_print_with_url_shows_what_is_missing_and_runs_nothing(bare):
    make_eventferry_table(bare)
    before = fingerprint_mysql(bare)
    shown = migrate_table(bare, "--print").stdout
    assert fingerprint_mysql(bare) == before
    assert "ADD COLUMN last_error" in shown and "CREATE PROCEDURE" in shown
    assert "CREATE TABLE" in shown and f'CREATE TABLE "{bare.name}"."outbox" (' not in shown
    assert client(bare, shown).returncode == 0
    assert migrate_table(bare, "--print").stdout.splitlines()[-1] == "-- nothing to do"


def test_rights_of_the_relay_and_the_application(bare):
    migrate_table(bare, *GRANTS)
    with bare.session(APPLICATION) as application:
        application.run(INSERT.format("outbox"))
        for sql in ("SELECT * FROM outbox", "DELETE FROM outbox",
                    "SELECT * FROM eventferry_lease", "SELECT * FROM outbox_archive",
                    "CALL eventferry_archive_maintain(1, 0, 0)"):
            assert denied(application, sql), sql
    with bare.session(RELAY) as relay:
        for sql in ("SELECT * FROM outbox", "UPDATE outbox SET status = 3, attempts = 1, "
                    "next_retry_at = NOW(), claimed_at = NULL, processed_at = NULL, last_error = ''",
                    "INSERT INTO outbox_archive SELECT o.*, UTC_TIMESTAMP(6) FROM outbox o",
                    "DELETE FROM outbox", "SELECT * FROM eventferry_lease FOR UPDATE",
                    "UPDATE eventferry_lease SET epoch = epoch + 1",
                    "UPDATE eventferry_outbox SET paused_at = NULL", "SELECT * FROM outbox_archive",
                    "INSERT INTO eventferry_relay (incarnation, instance, seen_at) "
                    "VALUES (UUID(), 'x', UTC_TIMESTAMP(6))", "DELETE FROM eventferry_relay",
                    "SELECT * FROM eventferry_schema_version", "SELECT * FROM eventferry_command",
                    "UPDATE eventferry_command SET done_at = UTC_TIMESTAMP(6)",
                    "INSERT INTO eventferry_audit (actor, verb) VALUES ('x', 'y')",
                    "CALL eventferry_archive_maintain(1, 0, 0)"):
            relay.run(sql)
        for sql in (INSERT.format("outbox"), "UPDATE outbox SET payload = '{}'",
                    "UPDATE eventferry_outbox SET archive_name = 'outbox'",
                    "INSERT INTO eventferry_lease (outbox_id) VALUES (2)",
                    "DELETE FROM eventferry_audit", "DELETE FROM outbox_archive",
                    "ALTER TABLE outbox ADD x INT", "DROP TABLE outbox_archive"):
            assert denied(relay, sql), sql


def test_eventferrys_own_table_keeps_its_rows_columns_and_indexes(bare):
    make_eventferry_table(bare)
    before, indexed = columns(bare), indexes(bare)
    bare.run(INSERT.format("outbox"))
    row = bare.run("SELECT * FROM outbox")[0]
    done = migrate_table(bare)
    assert columns(bare) == before + ["kafka_partition", "last_error"]
    assert indexes(bare) == indexed  # (status, id) and message_id are there, under its names
    assert bare.run("SELECT * FROM outbox")[0] == row + (None, None)
    assert "column 'payload' is NOT NULL and stays so" in done.stdout
    bare.run(INSERT.format("outbox"))


def test_indexes_that_an_old_table_lacks_are_built(bare):
    make_eventferry_table(bare)
    bare.run("DROP INDEX idx_outbox_ready ON outbox")
    bare.run("DROP INDEX uq_outbox_message_id ON outbox")
    migrate_table(bare)
    found = indexes(bare)
    assert found["outbox_status_id"] == (False, ("status", "id"))
    assert found["uq_outbox_message_id"] == (True, ("message_id",))


def test_rows_with_the_same_message_id_are_named(bare):
    make_eventferry_table(bare)
    bare.run("DROP INDEX uq_outbox_message_id ON outbox")
    for _ in range(2):
        bare.run(INSERT.format("outbox").replace("UUID()", "'twice'"))
    done = migrate_table(bare, expect=1)
    assert "could not make unique index of message_id" in done.stderr and "twice" in done.stderr
    assert "what is listed above is in place" in done.stderr
    bare.run("DELETE FROM outbox LIMIT 1")
    migrate_table(bare)


def test_writers_go_on_while_a_column_is_added(bare):
    """No insert waits for the migration to end, nor longer than it waits for a lock."""
    make_eventferry_table(bare)
    bare.run("INSERT INTO outbox (message_id, aggregate_type, aggregate_id, topic, payload, headers)"
             " SELECT UUID(), 'order', 'a', 't', '{}', '{}' FROM information_schema.COLUMNS a, "
             "information_schema.COLUMNS b LIMIT 50000")
    bare.run("DROP INDEX idx_outbox_ready ON outbox")
    slowest, ended = [0.0], threading.Event()

    def write():
        with bare.session(OWNER_ROLE) as session:
            while not ended.is_set():
                began = time.monotonic()
                session.run(INSERT.format("outbox"))
                slowest[0] = max(slowest[0], time.monotonic() - began)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        migrate_table(bare)
    finally:
        ended.set()
        writer.join()
    assert slowest[0] < scaled(3)
    assert "outbox_status_id" in indexes(bare)


def test_an_open_transaction_is_not_waited_for_for_long(bare):
    make_eventferry_table(bare)
    with bare.session(OWNER_ROLE) as holder, bare.session(OWNER_ROLE) as writer:
        holder.run("START TRANSACTION")
        holder.run("SELECT COUNT(*) FROM outbox")
        done = []
        migration = threading.Thread(target=lambda: done.append(
            migrate_table(bare, "--wait", "4s", expect=None)))
        migration.start()
        writer.run("SET innodb_lock_wait_timeout = 60, lock_wait_timeout = 60")
        while migration.is_alive():
            writer.run(INSERT.format("outbox"))  # may queue behind the migration, but gets through
        assert done[0].returncode == 1
        assert "could not make column kafka_partition" in done[0].stderr
        assert "what is listed above is in place; run migrate again" in done[0].stderr
        holder.run("ROLLBACK")
    assert "created" in set(lines(done[0]).values())
    assert columns(bare)[-1] == "processed_at"
    again = migrate_table(bare)
    assert lines(again)[f"table {bare.name}.eventferry_lease"] == "exists"
    assert columns(bare)[-1] == "last_error"


def test_blockers_are_named_to_who_may_see_them(bare):
    make_eventferry_table(bare)
    bare.run(f"GRANT PROCESS ON *.* TO '{OWNER_ROLE}'@'%'")
    try:
        with bare.session(OWNER_ROLE) as holder:
            holder.run("START TRANSACTION")
            holder.run(INSERT.format("outbox"))
            number = holder.one("SELECT CONNECTION_ID()")
            done = migrate_table(bare, "--wait", "1s", expect=1)
            assert f"held by session {number} ({OWNER_ROLE}, Sleep for " in done.stderr
    finally:
        bare.run(f"REVOKE PROCESS ON *.* FROM '{OWNER_ROLE}'@'%'")


def test_what_cannot_be_done_online_is_refused_with_the_statement(bare):
    """Neither server rebuilds a table with a full-text index while it is written to, and here the
    column cannot be added without: a hidden one came with the index."""
    make_eventferry_table(bare)
    bare.run("ALTER TABLE outbox ROW_FORMAT = COMPRESSED")
    bare.run("CREATE FULLTEXT INDEX words ON outbox (topic)")
    done = migrate_table(bare, expect=1)
    assert "the server cannot do it while the table is written to" in done.stderr
    statement = f'ALTER TABLE "{bare.name}"."outbox" ADD COLUMN kafka_partition INT'
    assert f"run it yourself in a quiet hour: {statement}\n" in done.stderr
    assert "kafka_partition" not in columns(bare)
    for name in ("kafka_partition INT", "last_error TEXT"):
        bare.run(f"ALTER TABLE outbox ADD COLUMN {name}")
    migrate_table(bare)


def test_a_table_that_cannot_be_changed_instantly_is_changed_in_place(bare):
    make_eventferry_table(bare)
    bare.run("ALTER TABLE outbox ROW_FORMAT = COMPRESSED")
    with pytest.raises(pymysql.err.OperationalError):
        bare.run("ALTER TABLE outbox ADD COLUMN kafka_partition INT, ALGORITHM = INSTANT")
    migrate_table(bare)
    assert columns(bare)[-2:] == ["kafka_partition", "last_error"]


def test_two_migrations_at_once_both_succeed(bare):
    runs = [subprocess.Popen(
        command([binary("eventferryctl"), "migrate", "--url", bare.url(), "--table", bare.table,
                 *GRANTS]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)]
    outputs = [run.communicate(timeout=scaled(40))[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert bare.one("SELECT COUNT(*) FROM eventferry_lease") == 1


def test_interrupted_migration_goes_on(bare):
    """As after a lost connection: some steps are done, others not, one only half."""
    migrate_table(bare, *GRANTS)
    tables = bare.run("SHOW TABLES")
    bare.run("DROP TABLE eventferry_command")
    bare.run("DROP PROCEDURE eventferry_archive_maintain")
    bare.run("UPDATE eventferry_outbox SET archive_name = NULL")
    bare.run("ALTER TABLE outbox_archive DROP COLUMN last_error")
    done = migrate_table(bare, *GRANTS)
    made = {what for what, verb in lines(done).items() if verb == "created"}
    assert made == {f"table {bare.name}.eventferry_command",
                    f"procedure {bare.name}.eventferry_archive_maintain",
                    f"columns of {bare.name}.outbox_archive",
                    f"registry entry of the archive {bare.name}.outbox_archive"}
    assert bare.run("SHOW TABLES") == tables
    assert columns(bare, "outbox_archive")[-1] == "last_error"
    assert bare.one("SELECT archive_name FROM eventferry_outbox") == "outbox_archive"


def test_a_replaced_procedure_must_be_granted_again(bare):
    migrate_table(bare, *GRANTS)
    bare.run("ALTER PROCEDURE eventferry_archive_maintain COMMENT 'older'")
    done = migrate_table(bare, expect=2)
    assert "run migrate --grant-to for the account of eventferryd" in done.stdout
    with bare.session(RELAY) as relay:
        assert denied(relay, "CALL eventferry_archive_maintain(1, 0, 0)")
        migrate_table(bare, *GRANTS)
        relay.run("CALL eventferry_archive_maintain(1, 0, 0)")


@pytest.mark.parametrize("make, reason", [
    ("CREATE TABLE outbox (id BIGINT PRIMARY KEY) ENGINE = MyISAM", "its engine is MyISAM"),
    ("CREATE VIEW outbox AS SELECT 1 AS id", "it is a view"),
    ("CREATE TABLE outbox (id BIGINT PRIMARY KEY)", "it has no column 'aggregate_id', 'topic'"),
])
def test_what_cannot_be_an_outbox_is_refused(bare, make, reason):
    bare.run(make)
    done = migrate_table(bare, expect=1)
    assert reason in done.stderr and "nothing was changed" in done.stderr
    assert own_tables(bare) == []


def test_database_that_does_not_exist(bare):
    done = migrate_table(bare, table="nowhere.outbox", expect=1)
    assert "database 'nowhere' does not exist" in done.stderr


def test_account_that_does_not_exist(bare):
    """The owner learns it from the GRANT, who may read the accounts before anything is changed."""
    done = migrate_table(bare, "--grant-to", "nobody@10.%", expect=1)
    assert "that account does not exist: create it first" in done.stderr
    root = f"mysql://root@127.0.0.1?socket={bare.server.socket}"
    done = ctl("migrate", "--url", root, "--table", bare.table, "--app-role", "nobody", expect=1)
    assert "account 'nobody'@'%' does not exist" in done.stderr
    assert "nothing was changed" in done.stderr
    assert bare.one("SELECT COUNT(*) FROM mysql.user WHERE User = 'nobody'") == 0


def test_wrong_password_is_unreachable_and_not_shown(bare):
    done = ctl("migrate", "--url", f"mysql://{OWNER_ROLE}:hunter2@127.0.0.1:{bare.server.port}",
               "--table", bare.table, expect=69)
    assert "could not connect to the database" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_password_from_the_environment(bare):
    ctl("migrate", "--url", f"mysql://{OWNER_ROLE}@127.0.0.1:{bare.server.port}", "--table",
        bare.table, env={"MYSQL_PWD": PASSWORDS[OWNER_ROLE]})
    assert "outbox" in str(bare.run("SHOW TABLES"))


def test_read_only_server_is_said(bare):
    bare.run("SET GLOBAL read_only = 1")
    try:
        done = migrate_table(bare, expect=1)
    finally:
        bare.run("SET GLOBAL read_only = 0")
    assert "read-only" in done.stderr and "nothing was changed" in done.stderr


def test_strange_names(bare):
    """Reserved words, quotes, capitals, a name of 64 characters of two bytes each."""
    long = "é" * 64
    for name in ("select", "Out\"box's", long):
        table = f"{bare.name}.{quote(name)}"
        migrate_table(bare, "--grant-to", RELAY, table=table)
        with bare.session(OWNER_ROLE) as owner:
            owner.run(INSERT.format(table))
        assert migrate_table(bare, "--print", table=table).stdout.endswith("-- nothing to do\n")
    names = {name: archive for name, archive in bare.run(
        "SELECT table_name, archive_name FROM eventferry_outbox")}
    assert names["select"] == "select_archive" and names["Out\"box's"] == "Out\"box's_archive"
    assert len(names[long]) == 64 and names[long].endswith("_archive")
    for archive in names.values():
        assert bare.one(f"SELECT COUNT(*) FROM {quote(archive)}") == 0


def test_custom_layout(bare, configured):
    done = configured(bare, outboxes=({"layout": "custom", "columns": {"id": "Seq"}},), expect=1)
    assert "with layout 'custom' the application makes it" in done.stderr
    bare.run("CREATE TABLE outbox (seq BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, "
             "entity VARCHAR(40) CHARACTER SET latin1 NOT NULL, `order` ENUM('a', 'b') NOT NULL, "
             "body MEDIUMBLOB NOT NULL, state INT NOT NULL DEFAULT 0, tries INT NOT NULL DEFAULT 0, "
             "again_at TIMESTAMP NULL, size INT AS (LENGTH(body)) STORED, rest TEXT)")
    mapping = {"id": "seq", "aggregate_id": "entity", "topic": "order", "payload": "body",
               "status": "state", "attempts": "tries", "next_retry_at": "again_at"}
    configured(bare, *GRANTS, outboxes=({"layout": "custom", "columns": mapping},))
    assert columns(bare)[-2:] == ["size", "rest"]
    assert columns(bare, "outbox_archive") == \
        ["seq", "entity", "order", "body", "state", "tries", "again_at", "archived_at"]
    assert indexes(bare)["outbox_status_id"] == (False, ("state", "seq"))
    bare.run("INSERT INTO outbox (seq, entity, `order`, body) VALUES (18446744073709551615, 'x', "
             "'b', 'y')")
    with bare.session(RELAY) as relay:
        relay.run("UPDATE outbox SET state = 3, tries = 1, again_at = NOW()")
        relay.run("INSERT INTO outbox_archive SELECT seq, entity, `order`, body, state, tries, NULL,"
                  " UTC_TIMESTAMP(6) FROM outbox")
        assert denied(relay, "UPDATE outbox SET rest = ''")


def test_several_outboxes_of_one_database(bare, configured):
    both = ({}, {"table": bare.name + ".other", "on_delivered": "delete"})
    configured(bare, outboxes=both)
    assert bare.run("SELECT table_name, archive_name FROM eventferry_outbox ORDER BY 1") == \
        (("other", None), ("outbox", "outbox_archive"))
    shown = configured(bare, "--print", "--url", bare.url(), outboxes=both).stdout
    assert shown.count("-- nothing to do") == 2


def test_without_archive_none_is_made(bare, configured):
    configured(bare, outboxes=({"on_delivered": "mark"},))
    assert bare.run("SHOW TABLES LIKE 'outbox_archive'") == ()


def test_tls(bare, configured, tmp_path):
    """verify-full with the server's own authority connects; with another it does not."""
    bare.run("DROP USER IF EXISTS encrypted")
    bare.run("CREATE USER encrypted IDENTIFIED BY 'x' REQUIRE SSL")
    bare.run(f"GRANT ALL ON {bare.name}.* TO encrypted WITH GRANT OPTION")
    url = f"mysql://encrypted:x@127.0.0.1:{bare.server.port}"
    configured(bare, url=url, tls={"mode": "verify-full", "ca": bare.server.ca})
    configured(bare, url=url, tls={"mode": "require"})
    done = configured(bare, url=url, tls={"mode": "disable"}, expect=69)
    assert "could not connect" in done.stderr
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=other CA", "-keyout", os.devnull, "-out", str(other)],
                   check=True, capture_output=True)
    done = configured(bare, url=url, tls={"mode": "verify-full", "ca": str(other)}, expect=69)
    assert "could not connect" in done.stderr


def test_tls_that_is_asked_for_is_never_done_without():
    server = MySql("mariadb", ssl_ca="", ssl_cert="", ssl_key="", ssl="OFF")
    try:
        database = server.create_database()
        config = Daemon({
            "kafka": {"brokers": ["127.0.0.1:1"]},
            "databases": {"db": {"driver": "mysql", "url": database.url(),
                                 "tls": {"mode": "require"}}},
            "outboxes": [{"name": "orders", "database": "db", "table": database.table}]})
        try:
            done = ctl("--config", config.config_path, "migrate", expect=69)
        finally:
            config.discard()
        assert "TLS" in done.stderr or "SSL" in done.stderr
        assert database.run("SHOW TABLES") == ()
    finally:
        server.discard()


@pytest.mark.parametrize("arguments, reason", [
    (("--grant-to", "a'b"), "is no account"),
    (("--table", "outbox"), "needs its database"),
    (("--driver", "oracle"), "is neither postgres nor mysql"),
])
def test_wrong_arguments(arguments, reason):
    done = ctl("migrate", "--url", "mysql://u@127.0.0.1:1", "--table", "shop.outbox", *arguments,
               expect=64)
    assert reason in done.stderr


def test_there_is_no_doorbell(bare):
    done = migrate_table(bare, "--remove-doorbell", expect=1)
    assert "there is no doorbell in MySQL or MariaDB" in done.stderr


def test_url_of_the_other_kind(bare, configured):
    done = configured(bare, "--url", "postgresql://x@127.0.0.1/x", expect=64)
    assert "--url is not of the driver of database 'db'" in done.stderr


def test_server_lost_in_between(bare):
    """A lock is waited for when the session ends: what there is stays, and is said."""
    make_eventferry_table(bare)
    with bare.session(OWNER_ROLE) as holder:
        holder.run("START TRANSACTION")
        holder.run("SELECT 1 FROM outbox")
        run = subprocess.Popen(
            command([binary("eventferryctl"), "migrate", "--url", bare.url(), "--table",
                     bare.table]), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        found = wait_for(lambda: bare.run(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE STATE LIKE "
            "'Waiting for table metadata lock'"), 20, "the migration waits")
        bare.run(f"KILL {found[0][0]}")
        output, errors = run.communicate(timeout=scaled(20))
    assert run.returncode == 69
    assert "could not talk to the database" in errors
    assert "what is listed above is in place; run migrate again for the rest" in errors
    assert f"created  table {bare.name}.eventferry_lease" in output
