# SPDX-License-Identifier: MIT
"""eventferryctl doctor on MariaDB and MySQL: each finding provoked for real, and what it says mends
it, carried out."""

import os
import re

import pytest

from harness.daemon import Daemon
from harness.doctor import examine, warned
from harness.my_outbox import MyOutbox
from harness.setup import migrate, relay_config
from harness.timing import wait_for


class Nowhere:
    """A broker for configurations of which only the database is looked at."""

    bootstrap = "127.0.0.1:1"


@pytest.fixture
def doctor(my_db):
    made = []

    def make(settings=None, *arguments, more=()):
        config = relay_config(my_db, Nowhere, settings)
        config["outboxes"] += [{**config["outboxes"][0], "name": name, "table": f"{my_db.name}.x"}
                               for name in more]
        made.append(Daemon(config))
        os.chmod(made[-1].config_path, 0o600)  # its URL has a password
        return examine(made[-1], "--no-kafka", "orders", *arguments)

    yield make
    for each in made:
        each.discard()


@pytest.fixture
def set_global(my_db):
    """set_global(name, value) for this test; what mends it is run before it is put back."""
    before = {}

    def make(name, value):
        before.setdefault(name, my_db.one(f"SELECT @@global.{name}"))
        my_db.run(f"SET GLOBAL {name} = %s", [value])

    yield make
    for name, value in before.items():
        my_db.run(f"SET GLOBAL {name} = %s", [value])


def mended(doctor, my_db, found, identity, **more):
    for mend in found.mends(identity):
        my_db.run(mend)
    wait_for(lambda: doctor(**more).level(identity) == "OK", 15, f"{identity} is mended")


def test_all_is_well(doctor, set_global):
    set_global("innodb_flush_log_at_trx_commit", 1)
    found = doctor()
    bad = [each["id"] for each in found.all if each["level"] != "OK"]
    assert bad == ["lease.owner"], found.text  # no daemon runs here
    assert found.code == 2


def test_durability(doctor, my_db, set_global):
    set_global("innodb_flush_log_at_trx_commit", 2)
    found = doctor()
    assert found.code == 2 and found.level("db.durability") == "WARN"
    mended(doctor, my_db, found, "db.durability")


def test_binlog_format(doctor, my_db, set_global):
    set_global("binlog_format", "STATEMENT")
    if not my_db.one("SELECT @@global.log_bin"):
        pytest.fail("the test's servers write a binary log")
    found = doctor()
    assert found.code == 1 and found.level("my.binlog_format") == "FAIL"
    mended(doctor, my_db, found, "my.binlog_format")


def test_wait_timeout(doctor, my_db, set_global):
    set_global("wait_timeout", 20)
    found = doctor()
    assert found.level("my.timeouts") == "WARN"
    mended(doctor, my_db, found, "my.timeouts")


def test_connection_limit(doctor, my_db):
    my_db.run("ALTER USER relay WITH MAX_USER_CONNECTIONS 5")
    try:
        found = doctor(more=["other"])
        assert found.code == 1 and found.level("db.connections") == "FAIL"
        mended(doctor, my_db, found, "db.connections", more=["other"])
    finally:
        my_db.run("ALTER USER relay WITH MAX_USER_CONNECTIONS 0")


def test_old_transaction(doctor, my_db):
    """Seen with PROCESS; without it that is said, and is no fault."""
    outbox = MyOutbox(my_db, "t")
    application = outbox.application(autocommit=False)
    outbox.insert("a", session=application)
    assert "GRANT PROCESS" in doctor().of("db.transactions")[0]["text"]
    my_db.run("GRANT PROCESS ON *.* TO relay")
    try:
        found = wait_for(lambda: warned(doctor(None, "--old-transaction", "1s"),
                                        "db.transactions"), 20, "it is old")
        for mend in found.mends("db.transactions"):
            my_db.run(mend)
        wait_for(lambda: doctor(None, "--old-transaction", "1s").level("db.transactions") == "OK",
                 15, "it is gone")
    finally:
        my_db.run("REVOKE PROCESS ON *.* FROM relay")


def test_privileges(doctor, my_db):
    my_db.run(f"REVOKE DELETE ON {my_db.table} FROM relay")
    found = doctor()
    assert found.code == 1 and found.level("table.privileges") == "FAIL"
    assert "migrate --outbox orders --grant-to 'relay@%'" in found.mends("table.privileges")[0]
    migrate(my_db)
    assert doctor().level("table.privileges") == "OK"


def test_shape(doctor, my_db):
    my_db.run(f"ALTER TABLE {my_db.table} DROP COLUMN attempts")
    found = doctor()
    assert found.level("table.shape") == "FAIL"
    for mend in found.mends("table.shape"):
        my_db.run(mend)
    my_db.run(f"GRANT UPDATE (attempts) ON {my_db.table} TO relay")
    assert doctor().level("table.shape") == "OK"


def test_waiting_index_and_migration(doctor, my_db):
    my_db.run(f"ALTER TABLE {my_db.table} DROP INDEX outbox_status_id")
    found = doctor()
    assert found.level("table.waiting_index") == "WARN"
    assert found.level("table.migration") == "WARN"
    migrate(my_db)
    after = doctor()
    assert after.level("table.migration") == "OK"
    assert not [each for each in after.all if each["id"] == "table.waiting_index"]


def test_payloads(doctor, my_db):
    MyOutbox(my_db, "t").insert("a", payload="x" * 3000)
    found = doctor({"max_payload": "2kB"})
    assert found.level("table.payloads") == "WARN"
    wanted = re.search(r"max_payload: (\S+)", found.mends("table.payloads")[0])[1]
    assert doctor({"max_payload": wanted}).level("table.payloads") == "OK"
