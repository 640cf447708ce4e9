# SPDX-License-Identifier: MIT
"""eventferry.archive_maintain: partitions made ahead and dropped behind, rows that met none, locks
that are held, sizes that are limited. On the system's PostgreSQL and on 18."""

import threading
import time

import psycopg2
import pytest

from harness.migration import migrate_table
from harness.outbox import OWNER_ROLE, RELAY
from harness.setup import empty_database, retire
from harness.timing import wait_for

ARCHIVE = "eventferry.archive_public_outbox"
FIELDS = ("created", "dropped", "postponed", "deleted", "partitions", "bytes", "default_rows")


@pytest.fixture(params=["system", "18"])
def db(request):
    database = empty_database(request.getfixturevalue(
        "system_postgres" if request.param == "system" else "postgres18"))
    migrate_table(database, "--grant-to", RELAY)
    yield database
    retire(database)


@pytest.fixture(autouse=True)
def well_within_the_hour():
    """A test that sees the hour end would count from the wrong one."""
    wait_for(lambda: time.time() % 3600 < 3600 - 20, 25, "the next hour has begun", interval=0.5)


@pytest.fixture
def owner(db):
    with db.session(OWNER_ROLE) as session:
        session.run("SET timezone = 'Asia/Kathmandu'")  # bounds are in UTC all the same
        yield session


def maintain(db, retention="24 hours", max_bytes=None):
    """As the relay's role. due_s: seconds until next_due."""
    with db.session(RELAY) as relay:
        relay.run("SET timezone = 'America/St_Johns'")
        (row,) = relay.run(
            f"SELECT {', '.join(FIELDS)}, extract(epoch FROM next_due - clock_timestamp())::float8 "
            "FROM eventferry.archive_maintain(1, %s::interval, %s)", (retention, max_bytes))
    return dict(zip(FIELDS + ("due_s",), row))


def partitions(db):
    """[(name, begin, end)] in hours from the current one, without the default partition."""
    return db.run("""
        SELECT c.relname::text, extract(epoch FROM b[1]::timestamptz - h)::int / 3600,
               extract(epoch FROM b[2]::timestamptz - h)::int / 3600
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
             regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM .''(.*)''. TO .''(.*)''.') b,
             date_trunc('hour', now(), 'UTC') h
        WHERE i.inhparent = 'eventferry.archive_public_outbox'::regclass AND b IS NOT NULL
        ORDER BY 2""")


def add_partition(owner, name, begin, end):
    """Bounds in hours from the current one."""
    (bounds,) = owner.run(
        "SELECT (h + %s * interval '1 hour')::text, (h + %s * interval '1 hour')::text "
        "FROM date_trunc('hour', now(), 'UTC') h", (begin, end))
    owner.run(f"CREATE TABLE eventferry.{name} PARTITION OF {ARCHIVE} FOR VALUES FROM (%s) TO (%s)",
              bounds)


def archive_rows(owner, count, age):
    owner.run(f"INSERT INTO {ARCHIVE} (id, payload, archived_at) SELECT n, "
              "json_build_object('pad', repeat(md5(n::text), 10))::jsonb, now() - %s::interval "
              "FROM generate_series(1, %s) n", (age, count))


def drop_all(owner):
    for (name,) in owner.run(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = "
            f"'{ARCHIVE}'::regclass AND inhrelid <> '{ARCHIVE}_default'::regclass"):
        owner.run(f"DROP TABLE {name}")


def is_gapless(found):
    return all(a[2] == b[1] for a, b in zip(found, found[1:]))


def test_migration_makes_hours_ahead(db):
    found = partitions(db)
    assert found[0][1] <= 0 and found[-1][2] >= 4 and is_gapless(found)
    assert all(end - begin == 1 for _, begin, end in found)
    assert all(len(name) == len("archive_public_outbox_2026010203") for name, _, _ in found)


def test_nothing_to_do(db):
    maintain(db)
    result = maintain(db)
    assert all(result[field] == 0 for field in ("created", "dropped", "postponed", "deleted"))
    assert result["partitions"] == len(partitions(db)) + 1
    assert 0 < result["due_s"] <= 3600


def test_days_for_a_long_retention(db, owner):
    drop_all(owner)
    assert maintain(db, "30 days")["created"] in (2, 3)
    found = partitions(db)
    assert is_gapless(found) and all(end - begin == 24 for _, begin, end in found)
    assert all(len(name) == len("archive_public_outbox_20260102") for name, _, _ in found)
    assert found[0][1] <= 0 and found[-1][2] >= 48


def test_from_hours_to_days_and_back_without_a_gap(db):
    maintain(db, "30 days")
    found = partitions(db)
    assert is_gapless(found) and found[-1][2] >= 48
    assert maintain(db, "72 hours")["created"] == 0
    assert maintain(db, "30 days")["created"] == 0


@pytest.mark.parametrize("retention", [None, "0"])
def test_without_retention_nothing_is_dropped(db, owner, retention):
    add_partition(owner, "long_ago", -9000, -8999)
    archive_rows(owner, 10, "9001 hours")  # before it: in the default partition
    result = maintain(db, retention)
    assert result["dropped"] == 0 and result["deleted"] == 0 and result["default_rows"] == 10


def test_drops_what_is_wholly_behind(db, owner):
    add_partition(owner, "p50", -50, -49)
    add_partition(owner, "p26", -26, -25)
    add_partition(owner, "p25", -25, -23)  # a part of it is still to be kept
    archive_rows(owner, 5, "49.5 hours")
    result = maintain(db)
    assert result["dropped"] == 2
    assert [name for name, _, _ in partitions(db)][0] == "p25"
    assert result["due_s"] <= 3600


def test_many_are_dropped_over_several_calls(db, owner):
    for n in range(40):
        add_partition(owner, f"old{n}", -100 - n, -99 - n)
    first = maintain(db)
    assert first["dropped"] == 32 and first["due_s"] <= 1
    assert maintain(db)["dropped"] == 8
    assert partitions(db)[0][1] == 0


def test_oldest_go_first_when_there_are_too_many_bytes(db, owner):
    for n in (3, 2, 1):
        add_partition(owner, f"back{n}", -n, 1 - n)
        archive_rows(owner, 2000, f"{n} hours")
    sizes = dict(db.run("SELECT relname::text, pg_total_relation_size(oid) FROM pg_class "
                        "WHERE relname IN ('back1', 'back2', 'back3')"))
    total = maintain(db)["bytes"]
    result = maintain(db, max_bytes=total - 1)
    assert result["dropped"] == 1 and result["bytes"] == total - sizes["back3"]
    result = maintain(db, max_bytes=0)
    assert result["dropped"] == 2, "the current partition and those ahead stay"
    assert partitions(db)[0][1] == 0 and result["due_s"] <= 300


def test_rows_that_met_no_partition_go_in_batches(db, owner):
    archive_rows(owner, 7000, "25 hours")
    archive_rows(owner, 100, "23 hours")
    first = maintain(db)
    assert first["deleted"] == 5000 and first["default_rows"] == 2100 and first["due_s"] <= 1
    second = maintain(db)
    assert second["deleted"] == 2000 and second["default_rows"] == 100
    assert maintain(db)["deleted"] == 0


def test_upkeep_that_comes_too_late_goes_on_with_the_next_hour(db, owner):
    """Rows of the current hour are in the default partition already, so it cannot get one."""
    drop_all(owner)
    archive_rows(owner, 3, "0")
    for retention, hours in (("24 hours", 1), ("30 days", 24)):
        drop_all(owner)
        result = maintain(db, retention)
        found = partitions(db)
        assert result["created"] >= 2 and result["postponed"] == 0 and result["default_rows"] == 3
        assert found[0][1] == 1 and is_gapless(found)
        assert found[-1][2] - found[-1][1] == hours, "whole hours or days again"
    assert maintain(db, "30 days")["created"] == 0


def test_held_lock_postpones_creation_and_is_tried_again(db, owner):
    drop_all(owner)
    holder = db.connect(OWNER_ROLE, autocommit=False)
    holder.cursor().execute(f"LOCK TABLE {ARCHIVE} IN SHARE UPDATE EXCLUSIVE MODE")
    result = maintain(db)
    assert result["created"] == 0 and result["postponed"] == 1 and 0 < result["due_s"] <= 10
    holder.rollback()
    holder.cursor().execute(f"LOCK TABLE {ARCHIVE}_default IN ACCESS SHARE MODE")
    result = maintain(db)
    assert result["created"] == 0 and result["postponed"] == 1 and 0 < result["due_s"] <= 10
    holder.close()
    assert maintain(db)["created"] >= 4


def test_reader_postpones_only_the_drop(db, owner):
    drop_all(owner)
    add_partition(owner, "old", -50, -49)
    holder = db.connect(RELAY, autocommit=False)
    holder.cursor().execute(f"SELECT count(*) FROM {ARCHIVE} WHERE archived_at > now()")
    result = maintain(db)
    assert result["dropped"] == 0 and result["postponed"] >= 1 and 0 < result["due_s"] <= 10
    holder.close()
    assert maintain(db)["dropped"] == 1


def test_inserts_go_on_while_partitions_are_made(db, owner):
    """Only the partition that receives them is locked by open inserts."""
    archive_insert = f"INSERT INTO {ARCHIVE} (id) VALUES (1)"
    owner.run(f"DROP TABLE eventferry.{partitions(db)[-1][0]}")
    holder = db.connect(RELAY, autocommit=False)
    holder.cursor().execute(archive_insert)
    assert maintain(db)["created"] >= 1
    holder.cursor().execute(archive_insert)
    holder.commit()
    holder.close()
    assert db.one(f"SELECT count(*) FROM {ARCHIVE}") == 2
    assert db.one(f"SELECT count(*) FROM {ARCHIVE}_default") == 0


def test_two_at_once(db, owner):
    """One of them makes the partitions, the other finds them or comes again; neither fails."""
    for _ in range(5):
        drop_all(owner)
        results = []
        calls = [threading.Thread(target=lambda: results.append(maintain(db))) for _ in range(3)]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
        assert len(results) == 3
        assert len([1 for r in results if r["created"] > 0]) == 1
        assert is_gapless(partitions(db)) and len(partitions(db)) >= 4


@pytest.mark.parametrize("call, why", [
    ("eventferry.archive_maintain(99)", "outbox 99 is not registered"),
    ("eventferry.archive_maintain(1, interval '-1 hour', NULL)", "cannot be negative"),
    ("eventferry.archive_maintain(1, NULL, -1)", "cannot be negative"),
])
def test_wrong_calls(db, call, why):
    with db.session(RELAY) as relay:
        with pytest.raises(psycopg2.Error, match=why):
            relay.run("SELECT " + call)


def test_longest_names_have_partitions(db, owner):
    table = "public." + "t" * 63
    migrate_table(db, "--grant-to", RELAY, table=table)
    with db.session(RELAY) as relay:
        (row,) = relay.run("SELECT m.created, m.partitions FROM eventferry.outbox, "
                           "eventferry.archive_maintain(outbox_id, interval '30 days', NULL) m "
                           "WHERE table_name LIKE 'ttt%'")
    assert row[0] >= 1 and row[1] >= 6
