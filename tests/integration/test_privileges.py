# SPDX-License-Identifier: MIT
"""Three roles with only what they need, and what is said when something is missing.

Every other test runs the daemon as such a relay role, and inserts as such an application role."""

import re

import pytest

from harness.outbox import Outbox
from harness.timing import wait_for


def test_relay_role_has_only_the_documented_rights(outbox):
    """The list of interfaces.md, as the catalogue shows it."""
    found = set(outbox.database.run(
        "SELECT table_schema || '.' || table_name, privilege_type "
        "FROM information_schema.role_table_grants WHERE grantee = 'relay' "
        "AND table_name NOT LIKE 'archive_public_outbox_%'"))
    allowed = {
        "public.outbox": {"SELECT", "DELETE"},
        "eventferry.lease": {"SELECT", "UPDATE"}, 
        "eventferry.command": {"SELECT", "INSERT", "UPDATE"},
        "eventferry.hold": {"SELECT", "INSERT", "DELETE"},
        "eventferry.outbox": {"SELECT"},
        "eventferry.relay": {"SELECT", "INSERT", "UPDATE", "DELETE"},
        "eventferry.schema_version": {"SELECT"}, "eventferry.audit": {"INSERT"},
        "eventferry.archive_public_outbox": {"SELECT", "INSERT"}}
    for table, privilege in found:
        assert privilege in allowed.get(table, set()), f"{privilege} on {table}"


def test_relay_role_can_change_only_its_own_columns(outbox):
    columns = {c for (c,) in outbox.database.run(
        "SELECT column_name FROM information_schema.column_privileges WHERE grantee = 'relay' "
        "AND table_schema = 'public' AND table_name = 'outbox' AND privilege_type = 'UPDATE'")}
    assert columns == {"status", "attempts", "next_retry_at", "claimed_at", "processed_at",
                       "last_error"}


def rights_of_relay(database):
    """(object, privilege) of everything granted to the role."""
    return set(database.run("""
        SELECT name, (given).privilege_type FROM (
            SELECT oid::regclass::text AS name, aclexplode(relacl) AS given FROM pg_class
            UNION ALL SELECT attrelid::regclass || '.' || attname, aclexplode(attacl)
                FROM pg_attribute
            UNION ALL SELECT nspname, aclexplode(nspacl) FROM pg_namespace
            UNION ALL SELECT oid::regprocedure::text, aclexplode(proacl) FROM pg_proc) a
        WHERE (given).grantee = 'relay'::regrole"""))


@pytest.mark.parametrize("right", [
    "SELECT ON public.outbox", "DELETE ON public.outbox",
    "INSERT ON eventferry.archive_public_outbox", "UPDATE ON eventferry.lease",
    "SELECT ON eventferry.outbox", "SELECT ON eventferry.schema_version",
    "USAGE ON SCHEMA eventferry", "UPDATE (next_retry_at) ON public.outbox",
    "UPDATE (claimed_at, last_error) ON public.outbox",
    "EXECUTE ON FUNCTION eventferry.archive_maintain(int, interval, bigint)"])
def test_missing_privilege_is_named_with_the_grant_that_mends_it(outbox, relay, right):
    before = rights_of_relay(outbox.database)
    outbox.database.run(f"REVOKE {right} FROM relay")
    row = outbox.insert("a")
    reason = relay(outbox).wait_state("misconfigured")["reason"]
    grant = re.search(r"run (GRANT .*?), or `", reason)
    assert grant and right.split(" ON ", maxsplit=1)[0] in grant[1], reason
    assert outbox.row(row) == (0, 0)
    outbox.database.run(grant[1])
    assert rights_of_relay(outbox.database) >= before


def test_granted_privilege_is_noticed_without_a_restart(outbox, relay, collect):
    outbox.database.run("REVOKE DELETE ON public.outbox FROM relay")
    row = outbox.insert("a")
    relay(outbox).wait_state("misconfigured")
    outbox.database.run("GRANT DELETE ON public.outbox TO relay")
    collect(outbox.topic).wait_ids([row], timeout=20)


def test_row_level_security_is_noticed_and_the_given_sql_mends_it(outbox, relay, collect):
    """Rows hidden by a policy would be silently left behind."""
    outbox.database.run("ALTER TABLE outbox ENABLE ROW LEVEL SECURITY")
    outbox.database.run("CREATE POLICY app_inserts ON outbox FOR INSERT TO app WITH CHECK (true)")
    row = outbox.insert("a")
    process = relay(outbox)
    reason = process.wait_state("misconfigured")["reason"]
    assert "row" in reason and "security" in reason
    mend = re.search(r"run ((?:CREATE POLICY|ALTER ROLE).*?)(?: \(and|, or|;|$)", reason)
    assert mend, reason
    outbox.database.run(mend[1])
    collect(outbox.topic).wait_ids([row], timeout=20)


def test_wrong_password_is_waited_out_and_never_logged(own_postgres, topic, relay, collect,
                                                       tmp_path):
    """The password file is read again at each connection attempt."""
    database = own_postgres(password_encryption="scram-sha-256")
    server = database.server
    database.run("ALTER ROLE relay PASSWORD 'correct-horse'")
    with open(f"{server.data}/pg_hba.conf", "w", encoding="ascii") as rules:
        rules.write("host all relay 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
    database.run("SELECT pg_reload_conf()")
    secret = tmp_path / "password"
    secret.write_text("old-battery\n")
    secret.chmod(0o600)
    outbox = Outbox(database, topic)
    row = outbox.insert("a")
    process = relay(outbox, databases={"db": {"password_file": str(secret)}})
    wait_for(lambda: "password" in (process.outbox() or {}).get("reason", ""), 10, "it says why")
    secret.write_text("correct-horse\n")
    collect(topic).wait_ids([row], timeout=30)
    text = process.log_text() + process.get("/status").text
    assert "old-battery" not in text and "correct-horse" not in text


def test_daemon_tries_nothing_it_may_not(outbox, relay, collect):
    """No DDL, no probing that fails: the server's log has no error of a healthy relay's session."""
    server = outbox.database.server
    before = len(server.log())
    process = relay(outbox, {"wake": "notify"})
    collect(outbox.topic).wait_ids([outbox.insert("a")])
    process.stop()
    errors = [line for line in server.log()[before:].splitlines()
              if "eventferryd/" in line and ("ERROR" in line or "FATAL" in line)]
    assert errors == []
