# SPDX-License-Identifier: MIT
"""eventferry_archive_maintain of MariaDB and MySQL: partitions made ahead and dropped behind, rows
that met none, locks that are held, sizes that are limited, and what a caller's session keeps."""

import threading
import time

import pymysql
import pytest

from harness.migration import migrate_table
from harness.outbox import OWNER_ROLE, RELAY
from harness.timing import scaled, wait_for

FIELDS = ("created", "dropped", "postponed", "deleted", "partitions", "bytes", "default_rows")
HOUR_MS, DAY_MS = 3600 * 1000, 24 * 3600 * 1000


@pytest.fixture
def db(bare_my_db):
    migrate_table(bare_my_db, "--grant-to", RELAY)
    return bare_my_db


@pytest.fixture(autouse=True)
def well_within_the_hour():
    """A test that sees the hour end would count from the wrong one."""
    wait_for(lambda: time.time() % 3600 < 3600 - 20, 25, "the next hour has begun", interval=0.5)


def maintain(db, retention_ms=DAY_MS, max_bytes=None):
    """As the relay's account, in a session of the server's own time zone."""
    with db.session(RELAY) as relay:
        relay.run("SET time_zone = @@GLOBAL.time_zone")
        (row,) = relay.run("CALL eventferry_archive_maintain(1, %s, %s)", (retention_ms, max_bytes))
    return dict(zip(FIELDS, row))


def bounds(db):
    """[(name, hours from the current one to its end)], pmax left out."""
    return [(name, int(hours)) for name, hours in db.run(
        "SELECT PARTITION_NAME, TIMESTAMPDIFF(HOUR, DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%d %H:00'),"
        " CAST(TRIM(BOTH '''' FROM PARTITION_DESCRIPTION) AS DATETIME)) "
        "FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() "
        "AND TABLE_NAME = 'outbox_archive' AND PARTITION_DESCRIPTION <> 'MAXVALUE' "
        "ORDER BY PARTITION_ORDINAL_POSITION")]


def add_past(db, *hours):
    """Partitions that ended these hours before the current one, the oldest first."""
    first = db.one("SELECT PARTITION_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = "
                   "DATABASE() AND TABLE_NAME = 'outbox_archive' "
                   "AND PARTITION_ORDINAL_POSITION = 1")
    ends = [db.one("SELECT DATE_FORMAT(UTC_TIMESTAMP() - INTERVAL %s HOUR, '%%Y-%%m-%%d %%H:00:00')",
                   (hour,)) for hour in hours]
    bound = db.one("SELECT PARTITION_DESCRIPTION FROM information_schema.PARTITIONS WHERE "
                   "TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'outbox_archive' "
                   "AND PARTITION_NAME = %s", (first,))
    parts = [f"PARTITION past{hour} VALUES LESS THAN ('{end}')" for hour, end in zip(hours, ends)]
    parts.append(f"PARTITION {first} VALUES LESS THAN ({bound})")
    db.run(f"ALTER TABLE outbox_archive REORGANIZE PARTITION {first} INTO ({', '.join(parts)})")


def archive(db, hours_ago, count=1, payload="{}"):
    """Rows archived then, with ids of their own."""
    digits = " UNION ALL ".join(f"SELECT {n} AS n" for n in range(10))
    number = " + ".join(f"{10 ** place} * d{place}.n" for place in range(6))
    tables = ", ".join(f"({digits}) d{place}" for place in range(6))
    first = db.one("SELECT COALESCE(MAX(id), 0) + 1 FROM outbox_archive")
    db.run(f"INSERT INTO outbox_archive (id, payload, archived_at) SELECT {first} + {number}, %s, "
           f"UTC_TIMESTAMP(6) - INTERVAL %s SECOND FROM {tables} LIMIT %s",
           (payload, int(hours_ago * 3600), count))


def rows(db):
    return db.one("SELECT COUNT(*) FROM outbox_archive")


def partition_of(db, name):
    return db.one(f"SELECT COUNT(*) FROM outbox_archive PARTITION ({name})")


def test_migrate_makes_hours_ahead(db):
    assert [hours for _, hours in bounds(db)][:4] == [1, 2, 3, 4]
    name = bounds(db)[0][0]
    assert name == db.one("SELECT DATE_FORMAT(UTC_TIMESTAMP(), 'p%Y%m%d%H')")
    again = maintain(db)
    assert (again["created"], again["dropped"], again["postponed"]) == (0, 0, 0)
    assert again["partitions"] == len(bounds(db)) + 1 and again["bytes"] > 0


def test_long_retention_has_days(db):
    db.run("ALTER TABLE outbox_archive REORGANIZE PARTITION "
           + ", ".join(name for name, _ in bounds(db)) + ", pmax INTO "
           "(PARTITION pmax VALUES LESS THAN (MAXVALUE))")
    done = maintain(db, 30 * DAY_MS)
    today = db.one("SELECT DATE_FORMAT(UTC_TIMESTAMP(), 'p%Y%m%d')")
    assert bounds(db)[0][0] == today
    assert done["created"] in (2, 3) and bounds(db)[-1][1] >= 48


def test_hours_follow_days_when_the_retention_becomes_short(db):
    maintain(db, 30 * DAY_MS)
    before = bounds(db)
    assert maintain(db, DAY_MS)["created"] == 0  # the days reach far enough
    assert bounds(db) == before


def test_past_partitions_are_dropped_oldest_first(db):
    add_past(db, 27, 25, 2)
    archive(db, 27.5, 3)
    archive(db, 3, 2)
    done = maintain(db)
    assert (done["dropped"], done["postponed"]) == (2, 0)
    assert rows(db) == 2
    assert bounds(db)[0] == ("past2", -2)


def test_without_retention_nothing_goes(db):
    add_past(db, 500)
    archive(db, 501, 3)
    for retention in (0, None):
        assert maintain(db, retention)["dropped"] == 0
    assert rows(db) == 3


def test_the_open_partition_never_goes(db):
    archive(db, 0, 1000, '{"pad": "%s"}' % ("x" * 2000))
    db.run("ANALYZE TABLE outbox_archive")
    assert maintain(db, 1, 1)["dropped"] == 0
    assert rows(db) == 1000


def test_size_limit_drops_the_oldest_whole_partitions(db):
    add_past(db, 5, 4, 3)
    for hours in (5.5, 4.5, 3.5):
        archive(db, hours, 1000, '{"pad": "%s"}' % ("x" * 2000))
    db.run("ANALYZE TABLE outbox_archive")
    whole = maintain(db)
    assert whole["dropped"] == 0 and whole["bytes"] > 3 * 2000 * 1000
    done = maintain(db, DAY_MS, whole["bytes"] - 1)
    assert done["dropped"] == 1 and done["bytes"] < whole["bytes"]
    assert [name for name, _ in bounds(db)][:2] == ["past4", "past3"]
    assert maintain(db, DAY_MS, done["bytes"])["dropped"] == 0


def test_many_past_partitions_go_in_several_calls(db):
    add_past(db, *range(80, 40, -1))
    assert maintain(db)["dropped"] == 32
    assert maintain(db)["dropped"] == 8


def forget_partitions(db):
    """As if no upkeep had run for long: all rows meet pmax."""
    db.run("ALTER TABLE outbox_archive REORGANIZE PARTITION "
           + ", ".join(name for name, _ in bounds(db)) + ", pmax INTO "
           "(PARTITION pmax VALUES LESS THAN (MAXVALUE))")


def test_rows_that_met_no_partition_move_into_new_ones(db):
    forget_partitions(db)
    archive(db, 30, 4)
    archive(db, 0, 3)
    done = maintain(db)
    assert (done["deleted"], done["default_rows"], done["created"]) == (4, 0, 5)
    assert rows(db) == 3 and partition_of(db, "pmax") == 0
    assert partition_of(db, bounds(db)[0][0]) == 3


def test_rows_of_pmax_past_the_retention_go_in_batches(db):
    forget_partitions(db)
    archive(db, 30, 7000)
    assert maintain(db)["deleted"] == 5000
    assert rows(db) == 2000  # by now in a partition, which goes when it is past


def test_too_many_rows_in_pmax_are_not_moved(db):
    forget_partitions(db)
    archive(db, 1, 100001)
    done = maintain(db)
    assert (done["created"], done["default_rows"]) == (0, 100001)
    assert bounds(db) == []
    db.run("DELETE FROM outbox_archive LIMIT 1")
    assert maintain(db)["created"] == 5


def test_a_held_lock_postpones(db):
    """Whoever reads the archive for long only postpones upkeep, for a moment's waiting."""
    add_past(db, 30)
    with db.session(OWNER_ROLE) as reader:
        reader.run("START TRANSACTION")
        reader.run("SELECT COUNT(*) FROM outbox_archive")
        began = time.monotonic()
        done = maintain(db)
        assert time.monotonic() - began < scaled(6)
        assert (done["dropped"], done["postponed"]) == (0, 1)
        reader.run("ROLLBACK")
    assert maintain(db)["dropped"] == 1


def test_a_moving_row_is_waited_for_only_a_moment(db):
    """The relay's insert into the archive is not deadlocked by upkeep, and upkeep comes back."""
    forget_partitions(db)
    with db.session(RELAY) as relay:
        relay.run("START TRANSACTION")
        relay.run("INSERT INTO outbox_archive (id, archived_at) VALUES (1, UTC_TIMESTAMP(6))")
        done = maintain(db)
        assert (done["created"], done["postponed"]) == (0, 1)
        relay.run("COMMIT")
    assert maintain(db)["created"] == 5 and rows(db) == 1


def test_two_at_once_do_not_fail(db):
    forget_partitions(db)
    add = []
    threads = [threading.Thread(target=lambda: add.append(maintain(db))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(add) == 4
    assert maintain(db)["postponed"] == 0
    assert [hours for _, hours in bounds(db)][:4] == [1, 2, 3, 4]


def settings(session):
    names = ["lock_wait_timeout", "innodb_lock_wait_timeout", "sql_mode", "time_zone"]
    if session.one("SELECT VERSION() NOT LIKE '%MariaDB%'"):
        names.append("information_schema_stats_expiry")
    return session.run("SELECT " + ", ".join("@@SESSION." + name for name in names))


def test_the_callers_settings_stay(db):
    with db.session(RELAY) as relay:
        relay.run("SET lock_wait_timeout = 77, innodb_lock_wait_timeout = 78, sql_mode = ''")
        before = settings(relay)
        relay.run("CALL eventferry_archive_maintain(1, 1000, 1)")
        assert settings(relay) == before
        with pytest.raises(pymysql.err.MySQLError):
            relay.run("CALL eventferry_archive_maintain(2, 1000, 1)")
        assert settings(relay) == before
        db.run("DROP TABLE outbox_archive")
        with pytest.raises(pymysql.err.MySQLError) as caught:
            relay.run("CALL eventferry_archive_maintain(1, 1000, 1)")
        assert caught.value.args[0] == 1146
        assert settings(relay) == before


@pytest.mark.parametrize("arguments, reason", [
    ("2, 0, 0", "the outbox is not registered: run eventferryctl migrate"),
    ("1, -1, 0", "cannot be negative"),
    ("1, 0, -1", "cannot be negative"),
])
def test_wrong_arguments(db, arguments, reason):
    with pytest.raises(pymysql.err.MySQLError) as caught:
        db.run(f"CALL eventferry_archive_maintain({arguments})")
    assert reason in caught.value.args[1]


def test_an_outbox_without_archive(db):
    db.run("UPDATE eventferry_outbox SET archive_name = NULL")
    with pytest.raises(pymysql.err.MySQLError) as caught:
        maintain(db)
    assert "the outbox has no archive: run eventferryctl migrate" in caught.value.args[1]
