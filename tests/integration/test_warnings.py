# SPDX-License-Identifier: MIT
"""The doctor's checks that the daemon repeats: each finding provoked for real while it runs, seen
at every place that shows warnings, and gone again when its cause is. None of them is a reason not to
be ready."""

import json
import os
import re
import subprocess

import pytest

from harness.daemon import ctl
from harness.faketime import FakeClock
from harness.my_outbox import MyOutbox
from harness.outbox import OWNER_ROLE, Outbox
from harness.postgres import Postgres
from harness.setup import forget_template, fresh_database, migrate, relay_config
from harness.timing import stays, wait_for

QUICK = {"checks": {"interval": "1s", "old_transaction": "1s"}}
INSERT = ("INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload) "
          "VALUES ('o', 'a', 't', '{}')")


def warnings(process, check):
    return [each for each in process.status()["warnings"] if each["id"] == check]


def appears(process, check):
    """The only warning of that check; every place that shows warnings shows it."""
    found = wait_for(lambda: warnings(process, check), 20, f"{check} is a warning")
    assert len(found) == 1, found
    one = found[0]
    answer = process.get("/readyz")
    assert answer.status_code == 200 and answer.json()["reasons"] == []
    assert check in [each["id"] for each in answer.json()["warnings"]]
    assert process.metric("warnings", check=check, subject=one["subject"]) == 1
    assert one["subject"] in process.ctl("status").stdout
    assert one["mend"][0] in process.ctl("status").stdout
    assert f"<strong>{one['subject']}</strong>" in process.get("/").text
    logged = said(process, check)
    assert len(logged) == 1 and logged[0]["subject"] == one["subject"], logged
    return one


def disappears(process, check, subject):
    wait_for(lambda: not warnings(process, check), 20, f"{check} is no warning any more")
    assert process.metric("warnings", check=check, subject=subject) == 0
    wait_for(lambda: [line for line in process.log() if line.get("check") == check and
                      line["msg"] == "what a check had found is gone"], 10, "the log says so")
    assert len(said(process, check)) == 1, "it is told once, not at each look"


def said(process, check):
    return [line for line in process.log() if line.get("check") == check and
            line["msg"] == "a check found something that needs a look"]


def test_nothing_to_warn_of(outbox, relay):
    process = relay(outbox, {"wake": "notify"}, **QUICK)
    process.wait_running()
    wait_for(lambda: outbox.database.one(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'eventferryd/%/settle' "
        "AND query LIKE '%pg_notify%'"), 20, "an examination has come to its end")
    assert process.status()["warnings"] == []
    assert not process.log(level="warn"), process.log(level="warn")


def test_old_transaction(outbox, relay):
    process = relay(outbox, **QUICK)
    process.wait_running()
    outbox.database.run("GRANT pg_read_all_stats TO relay")
    open_one = outbox.database.connect(OWNER_ROLE, autocommit=False)
    try:
        cursor = open_one.cursor()
        cursor.execute(INSERT)
        cursor.execute("SELECT 'what others run is not shown', pg_backend_pid()")
        pid = cursor.fetchone()[1]
        one = appears(process, "db.transactions")
        assert one["subject"] == "database db" and f"process {pid} of role owner" in one["text"]
        assert "not shown" not in json.dumps(process.status()) + process.log_text()
        outbox.database.run(one["mend"][0])
        disappears(process, "db.transactions", one["subject"])
    finally:
        open_one.close()
        outbox.database.run("REVOKE pg_read_all_stats FROM relay")


def test_old_transaction_on_mysql(my_db, topic, relay):
    outbox = MyOutbox(my_db, topic)
    my_db.run("GRANT PROCESS ON *.* TO relay")
    try:
        process = relay(outbox, **QUICK)
        process.wait_running()
        application = outbox.application(autocommit=False)
        outbox.insert("a", session=application)
        one = appears(process, "db.transactions")
        my_db.run(one["mend"][0])
        disappears(process, "db.transactions", one["subject"])
    finally:
        my_db.run("REVOKE PROCESS ON *.* FROM relay")


def test_account_that_may_not_see_transactions_is_not_warned_of(my_db, topic, relay, collect):
    outbox = MyOutbox(my_db, topic)
    process = relay(outbox, **QUICK)
    process.wait_running()
    collect(topic).wait_ids([outbox.insert("a")])
    stays(lambda: process.status()["warnings"] == [] and
          not [line for line in process.log() if "examine" in line["msg"]], 3,
          "nothing is warned of, and nothing complained of")


def test_prepared_transaction_that_nobody_ends(daemon, kafka):
    server = Postgres(max_prepared_transactions=5)
    try:
        database = fresh_database(server)
        process = daemon(relay_config(database, kafka, **QUICK)).start()
        process.wait_running()
        with database.session() as session:
            session.run("BEGIN")
            session.run(INSERT)
            session.run("PREPARE TRANSACTION 'the app''s'")
        one = appears(process, "pg.xmin")
        with database.session() as session:
            session.run(one["mend"][0])
        disappears(process, "pg.xmin", one["subject"])
        process.stop()
    finally:
        forget_template(server)
        server.discard()


def test_table_without_autovacuum(outbox, relay):
    process = relay(outbox, **QUICK)
    process.wait_running()
    outbox.database.run("ALTER TABLE public.outbox SET (autovacuum_enabled = off)")
    one = appears(process, "pg.autovacuum")
    assert one["subject"] == "outbox orders"
    outbox.database.run(one["mend"][0])
    disappears(process, "pg.autovacuum", one["subject"])


def test_notifications_that_a_pooler_keeps(outbox, pgbouncer, relay):
    """It listens through PgBouncer; without it, after a restart, there is nothing to warn of."""
    pooler = pgbouncer(outbox.database.server)
    process = relay(outbox, {"wake": "notify"}, port=pooler.port,
                    databases={"db": {"pooler": "transaction"}}, **QUICK)
    process.wait_running()
    one = appears(process, "pg.notify")
    assert "listen_url" in one["mend"][0]
    process.stop()


def test_notifications_that_arrive_again(outbox, relay):
    """The one who listens is ended and may not come back; later it may."""
    database = outbox.database
    process = relay(outbox, {"wake": "notify"}, databases={"db": {
        "listen_url": database.url("owner")}}, **QUICK)
    process.wait_running()
    wait_for(lambda: listens(database), 20, "it listens")
    database.run("ALTER ROLE owner NOLOGIN")
    try:
        database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                     "WHERE application_name LIKE 'eventferryd/%/listen'")
        one = appears(process, "pg.notify")
    finally:
        database.run("ALTER ROLE owner LOGIN")
    disappears(process, "pg.notify", one["subject"])


def listens(database):
    return database.one("SELECT count(*) FROM pg_stat_activity "
                        "WHERE application_name LIKE 'eventferryd/%/listen'")


def test_table_that_looks_unusual(outbox, relay):
    with outbox.database.session(OWNER_ROLE) as owner:
        owner.run("DROP TRIGGER eventferry_bell ON outbox")
        owner.run("DROP SEQUENCE eventferry.bell_public_outbox")
    process = relay(outbox, {"wake": "notify"}, **QUICK)
    process.wait_running()
    wait_for(lambda: warnings(process, "pg.doorbell"), 20, "the check's warning is one")
    migrate(outbox.database, "--doorbell")


def test_certificate_that_ends(outbox, relay, tmp_path):
    """One that will last, one that ends soon, one that has ended, and one that was renewed."""
    path = tmp_path / "client.pem"
    make_certificate(path, 1000)
    process = relay(outbox, databases={"db": {"tls": {
        "mode": "disable", "cert": str(path), "key": str(path) + ".key"}}}, **QUICK)
    process.wait_running()
    assert process.status()["warnings"] == []
    make_certificate(path, 20)
    one = appears(process, "host.certificate")
    assert one["level"] == "WARN" and one["subject"] == "host"
    assert re.search("in (19|20) days", one["text"]), one
    make_certificate(path, 20, years_ago=1)
    wait_for(lambda: [each for each in warnings(process, "host.certificate")
                      if each["level"] == "FAIL"], 20, "it has ended")
    assert process.get("/readyz").status_code == 200
    wait_for(lambda: len(said(process, "host.certificate")) == 2, 10, "that it got worse is told")
    make_certificate(path, 1000)
    wait_for(lambda: not warnings(process, "host.certificate"), 20, "it was renewed")


def make_certificate(path, days, years_ago=0):
    """Renamed into place, the key first: the daemon reads them at any time."""
    clock = FakeClock()
    try:
        clock.jump(-years_ago * 365 * 86400)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days), "-subj",
                        "/CN=test", "-keyout", str(path) + ".key", "-out", str(path) + ".new"],
                       check=True, capture_output=True, env={**os.environ, **clock.environment})
    finally:
        clock.discard()
    os.rename(str(path) + ".new", path)


def test_standby_says_nothing_and_an_owner_that_leaves_takes_its_findings_along(outbox, relay):
    outbox.database.run("ALTER TABLE public.outbox SET (autovacuum_enabled = off)")
    first = relay(outbox, **QUICK)
    first.wait_running()
    one = appears(first, "pg.autovacuum")
    second = relay(outbox, **QUICK)
    second.wait_state("standby")
    assert second.status()["warnings"] == []
    first.stop()
    second.wait_running()
    assert appears(second, "pg.autovacuum")["text"] == one["text"]


@pytest.mark.real_kafka
def test_topic_that_takes_less_than_the_outbox_lets_through(kafka, db, relay, collect):
    topic = kafka.create_topic(config={"max.message.bytes": "20000"})
    other = kafka.create_topic()
    outbox = Outbox(db, topic)
    process = relay(outbox, {"max_payload": "50kB"}, **QUICK)
    collect(topic).wait_ids([outbox.insert("a")])
    collect(other).wait_ids([outbox.insert("a", topic=other)])
    one = appears(process, "kafka.message_size")
    assert one["level"] == "WARN" and one["subject"] == "kafka"
    assert outbox.name in one["text"] and f'"{topic}" takes 20000' in one["text"]
    ctl(*one["mend"][0].split()[1:], timeout=60)
    disappears(process, "kafka.message_size", "kafka")


@pytest.mark.real_kafka
def test_topic_that_is_missing_has_no_limit(outbox, relay, kafka, collect):
    """That it is missing is told elsewhere."""
    process = relay(outbox, **QUICK)
    missing = kafka.new_name("missing")
    outbox.insert("a", topic=missing)
    wait_for(lambda: process.outbox()["paused_topics"], 20, "one topic is not there")
    collect(outbox.topic).wait_ids([outbox.insert("b")])
    stays(lambda: process.status()["warnings"] == [], 3, "no warning")


@pytest.mark.real_kafka
def test_owner_of_a_topic_that_stands_by_warns_no_more(kafka, db, relay, collect):
    """Its warning goes to the next owner with the table."""
    topic = kafka.create_topic(config={"max.message.bytes": "20000"})
    outbox = Outbox(db, topic)
    first = relay(outbox, {"max_payload": "50kB"}, **QUICK)
    collect(topic).wait_ids([outbox.insert("a")])
    appears(first, "kafka.message_size")
    second = relay(outbox, {"max_payload": "50kB"}, **QUICK)
    second.wait_state("standby")
    assert second.status()["warnings"] == []
    first.pause()
    second.wait_running(timeout=30)
    first.resume()
    wait_for(lambda: not warnings(first, "kafka.message_size"), 20, "the former owner has none")
    collect(topic).wait_ids([outbox.insert("a")])
    appears(second, "kafka.message_size")


@pytest.mark.real_kafka
def test_partitions_that_were_added(kafka, db, relay):
    """Told when it is seen, whatever the interval; an operator who reloads has seen it."""
    topic = kafka.create_topic(partitions=2)
    outbox = Outbox(db, topic)
    process = relay(outbox, kafka={"properties": {"topic.metadata.refresh.interval.ms": 500}})
    outbox.insert("a")
    outbox.wait_finished()
    assert process.status()["warnings"] == []
    kafka.grow_topic(topic, 5)

    def seen():
        outbox.insert("a")
        return warnings(process, "kafka.partitions")

    wait_for(seen, 30, "the producer has learned of it")
    one = appears(process, "kafka.partitions")
    assert one["level"] == "WARN" and f'"{topic}" has 5 partitions and had 2' in one["text"]
    outbox.insert("a")
    outbox.wait_finished()
    assert warnings(process, "kafka.partitions"), "it lasts"
    process.ctl("reload")
    disappears(process, "kafka.partitions", "kafka")
