# SPDX-License-Identifier: MIT
"""How the relay reaches MariaDB and MySQL: encryption, sockets, ways to log in, and rights."""

import os

import pymysql
import pytest

from harness.my_outbox import MyOutbox
from harness.mysql import PASSWORDS
from harness.outbox import RELAY
from harness.setup import migrate
from harness.timing import wait_for


def ciphers(database):
    """Of the relay's sessions as the server sees them; '' is one without encryption. MariaDB keeps
    none of other sessions: test_mysql_tls.py proves it by the account's REQUIRE SSL."""
    return [cipher for (cipher,) in database.run(
        "SELECT s.VARIABLE_VALUE FROM performance_schema.status_by_thread s JOIN "
        "performance_schema.threads t USING (THREAD_ID) WHERE t.PROCESSLIST_USER = 'relay' "
        "AND t.PROCESSLIST_DB = %s AND s.VARIABLE_NAME = 'Ssl_cipher'", (database.name,))]


@pytest.fixture
def account(my_db):
    """account('...') changes the relay's account; what it was comes back afterwards."""
    def change(clause):
        my_db.run(f"ALTER USER 'relay'@'%' {clause}")

    yield change
    change(f"IDENTIFIED BY '{PASSWORDS[RELAY]}' REQUIRE NONE")


def reason_of(process):
    return wait_for(lambda: process.outbox().get("reason"), 20, "a reason")


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-full"])
def test_encryption_is_what_was_asked_for(my_outbox, relay, collect, mode):
    database = my_outbox.database
    tls = {"mode": mode}
    if mode in ("prefer", "verify-full"):
        tls["ca"] = database.server.ca
    process = relay(my_outbox, databases={"db": {"tls": tls}})
    collect(my_outbox.topic).wait_ids([my_outbox.insert("a")])
    process.wait_running()
    if database.server.flavour == "mysql":
        found = ciphers(database)
        assert len(found) >= 3 and all(bool(c) == (mode != "disable") for c in found), found


def test_another_name_and_another_authority_are_refused(my_outbox, relay, mariadb, mysql80):
    server = my_outbox.database.server
    other = mysql80 if server is mariadb else mariadb
    wrong_name = my_outbox.database.url(RELAY).replace("127.0.0.1", "127.0.0.2")
    for settings in ({"tls": {"mode": "verify-full", "ca": other.ca}},
                     {"url": wrong_name, "tls": {"mode": "verify-full", "ca": server.ca}}):
        process = relay(my_outbox, databases={"db": settings})
        reason_of(process)
        assert process.outbox()["state"] in ("connecting", "misconfigured")
        assert process.metric("rows_read_total") == 0
        process.stop()


def test_unix_socket(my_outbox, relay, collect):
    database = my_outbox.database
    url = f"mysql://relay:{PASSWORDS[RELAY]}@localhost/{database.name}" \
          f"?socket={database.server.socket}"
    relay(my_outbox, databases={"db": {"url": url}})
    collect(my_outbox.topic).wait_ids([my_outbox.insert("a")])


@pytest.mark.parametrize("mode", ["disable", "require"])
def test_password_that_the_server_has_not_cached(my_outbox, account, relay, mode):
    """caching_sha2_password asks for the whole of it then, encrypted in one way or another."""
    account(f"IDENTIFIED BY '{PASSWORDS[RELAY]}'")
    my_outbox.database.run("FLUSH PRIVILEGES")
    relay(my_outbox, databases={"db": {"tls": {"mode": mode}}}).wait_running()


def test_ed25519(mariadb, kafka, topic, relay, request):
    database = mariadb.create_database()
    request.addfinalizer(database.drop)
    migrate(database)
    try:
        database.run("INSTALL SONAME 'auth_ed25519'")
    except pymysql.err.Error as error:
        assert "already" in str(error) or error.args[0] == 1968, error
    database.run(f"ALTER USER 'relay'@'%' IDENTIFIED VIA ed25519 USING "
                 f"PASSWORD('{PASSWORDS[RELAY]}')")
    try:
        relay(MyOutbox(database, topic)).wait_running()
    finally:
        database.run(f"ALTER USER 'relay'@'%' IDENTIFIED BY '{PASSWORDS[RELAY]}'")


def test_password_file_is_read_again_and_no_secret_is_told(my_outbox, relay, collect, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("wrong-and-secret\n")
    os.chmod(secret, 0o600)
    url = my_outbox.database.url(RELAY).replace(f":{PASSWORDS[RELAY]}@", "@")
    process = relay(my_outbox, databases={"db": {"url": url, "password_file": str(secret)}})
    reason = wait_for(lambda: "denied" in (process.outbox()["reason"] or "")
                      and process.outbox()["reason"], 20, "the refusal is told")
    secret.write_text(PASSWORDS[RELAY] + "\n")
    collect(my_outbox.topic).wait_ids([my_outbox.insert("a")], timeout=30)
    for word in ("wrong-and-secret", PASSWORDS[RELAY]):
        assert word not in process.log_text() and word not in reason


@pytest.mark.parametrize("right, named", [
    ("DELETE ON {t}", "DELETE"), ("UPDATE ON {d}.eventferry_lease", "eventferry_lease"),
    ("UPDATE ON {d}.eventferry_fence", "eventferry_fence"),
    ("INSERT ON {t}_archive", "outbox_archive"),
    ("UPDATE (next_retry_at) ON {t}", "next_retry_at"),
    ("EXECUTE ON PROCEDURE {d}.eventferry_archive_maintain", "eventferry_archive_maintain")])
def test_missing_right_is_named(my_outbox, relay, right, named):
    database = my_outbox.database
    row = my_outbox.insert("a")
    database.run(f"REVOKE {right.format(t=my_outbox.table, d=database.name)} FROM 'relay'@'%'")
    reason = relay(my_outbox).wait_state("misconfigured")["reason"]
    assert named in reason and "migrate" in reason, reason
    assert my_outbox.row(row) == (0, 0)


def test_missing_index_is_warned_of(my_outbox, relay):
    my_outbox.database.run(f"ALTER TABLE {my_outbox.table} DROP INDEX " + my_outbox.database.one(
        "SELECT INDEX_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND "
        "TABLE_NAME = 'outbox' AND COLUMN_NAME = 'status' AND SEQ_IN_INDEX = 1"))
    process = relay(my_outbox)
    process.wait_running()
    process.wait_log(what="has no index on")
