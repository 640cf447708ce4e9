# SPDX-License-Identifier: MIT
"""eventferryctl doctor on PostgreSQL and on the host: each finding provoked for real, and what it
says mends it, carried out. The broker's side is in test_doctor_kafka.py, MySQL's in
test_doctor_mysql.py."""

import os
import re
import subprocess

import pytest

from harness.daemon import Daemon, ctl
from harness.doctor import Found, examine, warned
from harness.faketime import FakeClock
from harness.outbox import OWNER_ROLE, RELAY, Outbox
from harness.postgres import Postgres, Session
from harness.replication import PgPair
from harness.setup import fresh_database, forget_template, migrate, relay_config, retire
from harness.timing import wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NOBODY = ["127.0.0.1:1"]


@pytest.fixture(scope="module")
def server():
    """Durable, as the doctor wants it, and with room for prepared transactions."""
    made = Postgres(fsync="on", full_page_writes="on", max_prepared_transactions=5,
                    autovacuum="on")
    yield made
    forget_template(made)
    made.discard()


@pytest.fixture
def db(server):
    database = fresh_database(server)
    yield database
    retire(database)


@pytest.fixture
def doctor(db):
    """doctor(outbox settings, options..., section=...) examines the test's database."""
    made = []

    def make(settings=None, *arguments, port=None, env=None, database=None, **sections):
        made.append(Daemon(build(database or db, settings, port, sections)))
        return examine(made[-1], "--no-kafka", *arguments, env=env)

    yield make
    for each in made:
        each.discard()


class Nowhere:
    """A broker for configurations of which only the database is looked at."""

    bootstrap = NOBODY[0]


def build(database, settings, port, sections):
    return relay_config(database, Nowhere, settings, port, **sections)


def as_superuser(database, statements):
    """Each by itself: some of them cannot be in a transaction."""
    with database.session() as session:
        for statement in statements:
            session.run(statement)


def mended(doctor, database, found, identity, *arguments, settings=None):
    """What it said is carried out, and the next examination finds nothing."""
    as_superuser(database, found.mends(identity))
    wait_for(lambda: doctor(settings, *arguments).level(identity) == "OK", 15,
             f"{identity} is mended")


def test_all_is_well(db, server, kafka, daemon, topic):
    process = daemon(relay_config(db, kafka)).start()
    process.wait_state("running")
    done = process.ctl("doctor", "--quiet", expect=None)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("0 failed, 0 warned, "), done.stdout
    everything = process.ctl("doctor").stdout
    assert "OK    lease.owner" in everything and "kafka.connect" in everything
    found = examine(process)
    assert found.code == 0 and found.level("pg.plan") == "OK"
    process.stop()
    assert server.process.running


def test_nothing_reachable(daemon, server):
    config = build_unreachable()
    process = daemon(config)
    done = ctl("--config", process.config_path, "doctor", "--json", expect=69, timeout=60)
    found = Found(done)
    assert found.level("db.connect") == "FAIL" and found.level("kafka.connect") == "FAIL"
    assert "refused" in found.bad("db.connect")["text"]


def build_unreachable():
    return {"kafka": {"brokers": NOBODY},
            "databases": {"db": {"driver": "postgres", "url": "postgresql://relay@127.0.0.1:1/x"}},
            "outboxes": [{"name": "orders", "database": "db", "table": "public.outbox"}]}


def test_wrong_database_is_a_failure_of_connecting(doctor, db):
    found = doctor(None, databases={"db": {"url": db.url(RELAY) + "x"}})
    assert found.level("db.connect") == "FAIL" and "does not exist" in found.bad("db.connect")["text"]


def test_usage():
    assert "--old-transaction" in ctl("doctor", "--help").stdout
    assert ctl("doctor", "--colour", expect=64).stderr
    listed = ctl("doctor", "--list").stdout
    assert "pg.autovacuum" in listed


def test_unknown_outbox_is_an_error_of_usage(daemon, db):
    process = daemon(build(db, None, None, {}))
    done = ctl("--config", process.config_path, "doctor", "order", expect=64)
    assert "no outbox named 'order'" in done.stderr


# the table


@pytest.mark.parametrize("right", ["DELETE ON public.outbox", "UPDATE ON eventferry.lease",
                                   "USAGE ON SCHEMA eventferry"])
def test_privileges(doctor, db, right):
    db.run(f"REVOKE {right} FROM relay")
    found = doctor()
    assert found.code == 1 and found.level("table.privileges") == "FAIL"
    mended(doctor, db, found, "table.privileges")


def test_shape(doctor, db):
    db.run("ALTER TABLE outbox DROP COLUMN attempts")
    found = doctor()
    assert found.code == 1 and found.level("table.shape") == "FAIL"
    as_superuser(db, found.mends("table.shape"))
    db.run("GRANT UPDATE (attempts) ON outbox TO relay")
    assert doctor().level("table.shape") == "OK"


def test_migration(doctor, db):
    """A table without the index of waiting rows: reads get slower, not wrong."""
    db.run("DROP INDEX outbox_waiting")
    found = doctor()
    assert found.code == 2 and found.level("table.migration") == "WARN"
    assert "waiting rows" in found.bad("table.migration")["text"]
    assert re.match(r"eventferryctl --config \S+ migrate --outbox orders #",
                    found.mends("table.migration")[0])
    migrate(db)
    assert doctor().level("table.migration") == "OK"


def test_plan(doctor, db):
    """Without any index of unfinished rows the look at waiting rows reads the whole table."""
    db.run("DROP INDEX outbox_waiting")
    db.run("DROP INDEX outbox_unfinished")
    found = doctor()
    bad = [each for each in found.of("pg.plan") if each["level"] == "WARN"]
    assert bad and "whole table" in bad[0]["text"] and "migrate" in bad[0]["mend"][0]
    migrate(db)
    assert doctor().level("pg.plan") == "OK"


def test_sequence_cache(doctor, db):
    db.run("ALTER SEQUENCE outbox_id_seq CACHE 20")
    found = doctor()
    assert found.level("table.sequence_cache") == "WARN"
    as_superuser(db, found.mends("table.sequence_cache"))
    assert not [each for each in doctor().all if each["id"] == "table.sequence_cache"]


def test_payloads(doctor, db, server):
    Outbox(db, "t").insert("a", payload="x" * 3000)
    found = doctor({"max_payload": "2kB"})
    assert found.level("table.payloads") == "WARN"
    wanted = re.search(r"max_payload: (\S+)", found.mends("table.payloads")[0])[1]
    assert doctor({"max_payload": wanted}).level("table.payloads") == "OK"


# vacuum


def test_autovacuum_off_for_the_table(doctor, db):
    db.run("ALTER TABLE outbox SET (autovacuum_enabled = off)")
    found = doctor()
    assert found.code == 2 and found.level("pg.autovacuum") == "WARN"
    mended(doctor, db, found, "pg.autovacuum")


def test_autovacuum_that_comes_too_late(doctor, db):
    db.run("ALTER TABLE outbox SET (autovacuum_vacuum_threshold = 5000000)")
    mended(doctor, db, doctor(), "pg.autovacuum")


def test_autovacuum_off_on_the_server(doctor, db):
    as_superuser(db, ["ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"])
    try:
        wait_for(lambda: db.one("SHOW autovacuum") == "off", 10, "autovacuum is off")
        mended(doctor, db, doctor(), "pg.autovacuum")
    finally:
        as_superuser(db, ["ALTER SYSTEM SET autovacuum = on", "SELECT pg_reload_conf()"])


def test_dead_rows(doctor, db):
    db.run("ALTER TABLE outbox SET (autovacuum_enabled = off)")
    db.run("INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload) "
           "SELECT 'o', n::text, 't', '{}' FROM generate_series(1, 60000) n")
    db.run("DELETE FROM outbox")
    wait_for(lambda: db.one("SELECT n_dead_tup FROM pg_stat_user_tables "
                            "WHERE relid = 'public.outbox'::regclass") >= 60000, 15, "they are counted")
    mended(doctor, db, doctor(), "pg.dead_rows")


# transactions


def test_old_transaction(doctor, db):
    """Even where the role may see it: then with role, age and statement."""
    db.run("GRANT pg_read_all_stats TO relay")
    try:
        with db.connect(OWNER_ROLE, autocommit=False) as open_one:
            cursor = open_one.cursor()
            cursor.execute("INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload) "
                           "VALUES ('o', 'a', 't', '{}')")
            found = wait_for(lambda: warned(doctor(None, "--old-transaction", "1s"),
                                            "db.transactions"), 20, "it is old")
            text = found.bad("db.transactions")["text"]
            assert "owner" in text and "INSERT INTO outbox" in text
            mended(doctor, db, found, "db.transactions", "--old-transaction", "1s")
    except Exception as ended:  # the session was ended, which closing it notices
        assert "terminat" in str(ended) or "closed" in str(ended), ended
    finally:
        db.run("REVOKE pg_read_all_stats FROM relay")


def test_old_transaction_of_a_role_that_is_not_shown(doctor, db):
    """Without pg_read_all_stats there is no time, but how many transactions have overtaken it."""
    with db.session(OWNER_ROLE, autocommit=False) as open_one:
        open_one.run("INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload) "
                     "VALUES ('o', 'a', 't', '{}')")
        assert doctor().level("db.transactions") == "OK"
        db.run("SET synchronous_commit = off")
        db.run("DO $$ BEGIN FOR i IN 1..100100 LOOP PERFORM pg_current_xact_id(); COMMIT; "
               "END LOOP; END $$")
        found = doctor()
        assert "transactions of others" in found.bad("db.transactions")["text"]
        mended(doctor, db, found, "db.transactions")
        open_one.connection.close()


def test_prepared_transaction(doctor, db):
    with db.session() as session:
        session.run("BEGIN")
        session.run("INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload) "
                    "VALUES ('o', 'a', 't', '{}')")
        session.run("PREPARE TRANSACTION 'the app''s'")
    found = wait_for(lambda: warned(doctor(None, "--old-transaction", "1s"), "pg.xmin"), 20,
                     "it is old")
    mended(doctor, db, found, "pg.xmin", "--old-transaction", "1s")


# the server


@pytest.mark.parametrize("target", ["ROLE app", "DATABASE {name}", "ROLE app IN DATABASE {name}"])
def test_synchronous_commit_off_for_the_application(doctor, db, target):
    db.run(f"ALTER {target.format(name=db.name)} SET synchronous_commit = off")
    try:
        found = doctor()
        assert found.code == 2 and found.level("db.durability") == "WARN"
        mended(doctor, db, found, "db.durability")
    finally:
        db.run("ALTER ROLE app RESET synchronous_commit")


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit"])
def test_server_without_durability(doctor, db, setting):
    as_superuser(db, [f"ALTER SYSTEM SET {setting} = off", "SELECT pg_reload_conf()"])
    try:
        wait_for(lambda: db.one(f"SHOW {setting}") == "off", 10, "it is off")
        found = doctor()
        assert setting in found.bad("db.durability")["text"]
        mended(doctor, db, found, "db.durability")
    finally:
        as_superuser(db, [f"ALTER SYSTEM SET {setting} = on", "SELECT pg_reload_conf()"])


def test_connection_limit(doctor, db):
    """Two outboxes need six; the doctor itself lives with fewer."""
    db.run("ALTER ROLE relay CONNECTION LIMIT 5")
    try:
        config = build(db, None, None, {})
        config["outboxes"].append({**config["outboxes"][0], "name": "other",
                                   "table": "public.other"})
        process = Daemon(config)
        found = examine(process, "--no-kafka", "orders")
        assert found.code == 1 and found.level("db.connections") == "FAIL"
        as_superuser(db, found.mends("db.connections"))
        assert examine(process, "--no-kafka", "orders").level("db.connections") == "OK"
        process.discard()
    finally:
        db.run("ALTER ROLE relay CONNECTION LIMIT -1")


def test_idle_session_timeout(doctor, db):
    db.run("ALTER ROLE relay SET idle_session_timeout = '20s'")
    try:
        found = doctor()
        assert found.level("pg.timeouts") == "WARN"
        mended(doctor, db, found, "pg.timeouts")
    finally:
        db.run("ALTER ROLE relay RESET idle_session_timeout")


def test_statement_of_the_relay_that_takes_too_long(doctor, db):
    """transaction_timeout came with PostgreSQL 17; idle_session_timeout is told whatever it is."""
    db.run("ALTER ROLE relay SET idle_session_timeout = '2h'")
    try:
        assert "7200000 ms" in doctor().bad("pg.timeouts")["text"]
    finally:
        db.run("ALTER ROLE relay RESET idle_session_timeout")


def test_clock(doctor, db):
    """This host's clock is an hour ahead of the database's; then it is set."""
    clock = FakeClock()
    try:
        clock.jump(3600)
        found = doctor(env=clock.environment)
        assert found.code == 1 and found.level("db.clock") == "FAIL"
        assert "3600.0 s behind" in found.bad("db.clock")["text"] and found.mends("db.clock")
        clock.jump(0)
        assert doctor(env=clock.environment).level("db.clock") == "OK"
    finally:
        clock.discard()


@pytest.mark.limit(120)
def test_standby_and_the_slot_it_leaves_behind(doctor):
    pair = PgPair(hot_standby_feedback="on")
    try:
        database = fresh_database(pair.primary)
        as_superuser(database, ["SELECT pg_create_physical_replication_slot('side_1')"])
        with Session(pair.standby, "postgres") as session:
            session.run("ALTER SYSTEM SET primary_slot_name = 'side_1'")
            session.run("ALTER SYSTEM SET wal_receiver_status_interval = '1s'")
            session.run("SELECT pg_reload_conf()")
        pair.wait_caught_up()
        url = pair.standby.url(database.name, RELAY)
        found = doctor(database=database, databases={"db": {"url": url}})
        assert found.code == 1 and found.level("pg.standby") == "FAIL"
        found = doctor(database=database)
        assert found.level("pg.standby") == "OK" and found.level("pg.xmin") == "OK"
        wait_for(lambda: database.one("SELECT xmin IS NOT NULL FROM pg_replication_slots"), 30,
                 "the standby has told what it needs")
        pair.standby.stop()
        found = wait_for(lambda: warned(doctor(database=database), "pg.xmin"), 30,
                         "nobody uses the slot")
        assert "'side_1'" in found.bad("pg.xmin")["text"]
        as_superuser(database, found.mends("pg.xmin"))
        assert doctor(database=database).level("pg.xmin") == "OK"
    finally:
        forget_template(pair.primary)
        pair.discard()


# what is in between


def test_pooler_in_between(doctor, db, server, pgbouncer):
    """LISTEN through it is never heard, and the relay's sessions are shared out."""
    pooler = pgbouncer(server)
    found = doctor({"wake": "notify"}, port=pooler.port)
    assert found.level("pg.pooler") == "WARN" and found.level("pg.notify") == "WARN"
    better = doctor({"wake": "notify"}, port=pooler.port, databases={"db": {
        "pooler": "transaction", "listen_url": db.url(RELAY)}})
    assert better.level("pg.notify") == "OK"
    assert not [each for each in better.all if each["id"] == "pg.pooler"]


def test_doorbell(doctor, db):
    with db.session(OWNER_ROLE) as owner:
        owner.run("DROP TRIGGER eventferry_bell ON outbox")
        owner.run("DROP SEQUENCE eventferry.bell_public_outbox")
    found = doctor({"wake": "notify"})
    assert found.level("pg.doorbell") == "WARN"
    assert "migrate --outbox orders --doorbell" in found.mends("pg.doorbell")[0]
    migrate(db, "--doorbell")
    assert not [each for each in doctor({"wake": "notify"}).all if each["id"] == "pg.doorbell"]


# owner


def test_owner(doctor, db, kafka, daemon):
    found = doctor()
    assert found.level("lease.owner") == "WARN"
    assert found.mends("lease.owner") == ["systemctl start eventferryd"]
    process = daemon(relay_config(db, kafka, instance="relay-7")).start()
    process.wait_running()
    assert "relay-7" in doctor().of("lease.owner")[0]["text"]
    process.ctl("pause", "orders", "--reason", "stock-taking")
    paused = wait_for(lambda: warned(doctor(), "outbox.paused"), 10, "it is paused")
    assert "stock-taking" in paused.bad("outbox.paused")["text"]
    mend = paused.mends("outbox.paused")[0].split()
    assert mend[0] == "eventferryctl"
    process.ctl(*mend[1:])
    wait_for(lambda: doctor().level("outbox.paused") == "OK", 10, "it goes on")


def test_lease_of_another_server(doctor, db, kafka, daemon):
    db.run("UPDATE eventferry.lease SET server = '1234/00000001', owner = 'relay-1', "
           "expires_at = now() - interval '1 hour'")
    found = doctor()
    assert found.code == 2 and "1234/00000001" in found.bad("lease.server")["text"]
    daemon(relay_config(db, kafka)).start().wait_running()  # what it says mends it
    assert doctor().level("lease.server") == "OK"


# the host


def test_secret_file_that_others_may_read(doctor, tmp_path, db):
    make_certificate(tmp_path / "client.pem", 1000)
    key = tmp_path / "client.pem.key"
    key.chmod(0o644)
    sections = tls_of(tmp_path / "client.pem")
    found = doctor(None, "--no-database", **sections)
    assert found.code == 1 and found.level("host.secret") == "FAIL"
    subprocess.run(found.mends("host.secret")[0], shell=True, check=True)
    assert doctor(None, "--no-database", **sections).level("host.secret") == "OK"


def test_configuration_with_a_secret_that_others_may_read(db, tmp_path):
    config = Daemon(build(db, None, None, {}))
    config.write_config(text=f"databases:\n  db:\n    url: postgresql://relay:x@127.0.0.1:1/d\n"
                        f"kafka:\n  brokers: [\"{NOBODY[0]}\"]\n"
                        "outboxes:\n  - {name: orders, database: db, table: public.outbox}\n")
    os.chmod(config.config_path, 0o644)
    found = examine(config, "--no-kafka", "--no-database")
    assert "line 3" in found.bad("host.secret")["text"]
    subprocess.run(found.mends("host.secret")[0], shell=True, check=True)
    assert examine(config, "--no-kafka", "--no-database").level("host.secret") == "OK"
    config.discard()


def test_credential_that_only_the_unit_has(db, tmp_path):
    config = Daemon(build(db, None, None, {"databases": {"db": {
        "url": db.url(RELAY).replace("relay@", "relay:${credential:pw}@")}}}))
    found = examine(config, "--no-kafka")
    assert found.code == 1 and "credential" in found.bad("host.secret")["text"]
    assert found.mends("host.secret")[0].startswith("CREDENTIALS_DIRECTORY=")
    (tmp_path / "pw").write_text("secret\n")
    (tmp_path / "pw").chmod(0o600)
    found = examine(config, "--no-kafka", env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found.level("db.connect") == "OK"
    config.discard()


@pytest.mark.parametrize("days, level", [(400, "OK"), (20, "WARN"), (-1, "FAIL")])
def test_certificate(doctor, tmp_path, days, level):
    """The same certificate, looked at by a host whose clock is as many days before its end."""
    path = tmp_path / "client.pem"
    make_certificate(path, 1000)
    clock = FakeClock()
    try:
        clock.jump((1000 - days) * 86400 - 43200)
        found = doctor(None, "--no-database", env=clock.environment, **tls_of(path))
        assert found.level("host.certificate") == level
        assert f"in {days} days" in found.text or level == "FAIL"
        if level != "OK":
            assert f"-in '{path}'" in found.mends("host.certificate")[0]
    finally:
        clock.discard()


def test_certificate_of_an_authority_among_several(doctor, tmp_path):
    """The one that ends last counts: bundles hold some that have ended. One that is none is told."""
    path = tmp_path / "ca.pem"
    make_certificate(path, 1000)
    make_certificate(tmp_path / "soon.pem", 20)
    make_certificate(tmp_path / "sooner.pem", 10)
    soon = (tmp_path / "soon.pem").read_text()
    sections = {"databases": {"db": {"tls": {"mode": "disable", "ca": str(path)}}}}
    path.write_text(soon + path.read_text())
    assert doctor(None, "--no-database", **sections).level("host.certificate") == "OK"
    path.write_text(soon + (tmp_path / "sooner.pem").read_text())
    assert re.search("in (19|20) days",
                     doctor(None, "--no-database", **sections).bad("host.certificate")["text"])
    path.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    assert "cannot be read" in \
        doctor(None, "--no-database", **sections).bad("host.certificate")["text"]


def tls_of(path):
    return {"databases": {"db": {"tls": {"mode": "disable", "cert": str(path),
                                         "key": str(path) + ".key"}}}}


def make_certificate(path, days):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(days), "-subj",
                    "/CN=test", "-keyout", str(path) + ".key", "-out", str(path)], check=True,
                   capture_output=True)


def test_every_finding_is_in_its_document():
    """A section in docs/doctor.md for each, in the same order, and none too many."""
    listed = [line.split()[0] for line in ctl("doctor", "--list").stdout.splitlines()]
    with open(os.path.join(ROOT, "docs", "doctor.md"), encoding="utf-8") as document:
        described = re.findall(r"^### `([a-z_.]+)`", document.read(), re.M)
    assert described == listed
