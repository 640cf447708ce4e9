# SPDX-License-Identifier: MIT
"""tls.mode means what it says on MariaDB and MySQL: libmariadb by itself goes on without TLS."""

import os

import pytest

from harness.mysql import MySql, make_certificates
from harness.outbox import RELAY
from harness.setup import migrate, relay_config
from harness.timing import wait_for


class NoBroker:
    bootstrap = "127.0.0.1:1"


def with_tls(database, host="127.0.0.1", **tls):
    config = relay_config(database, NoBroker)
    url = database.url(RELAY).replace("127.0.0.1", host)
    config["databases"]["db"].update(url=url, tls=tls)
    return config


def end_of(process, words):
    """What the log says first: of a lease, or of a connection that could not be made."""
    process.start()
    return wait_for(lambda: next((word for word in words if word in process.log_text()), None), 20,
                    "the daemon is connected or says why not")


CONNECTED = "lease acquired"


@pytest.fixture
def tls_db(my_db):
    """The server lets the relay in over TLS only: that is its view of the connection."""
    with my_db.server.session() as admin:
        admin.run(f"ALTER USER '{RELAY}'@'%' REQUIRE SSL")
    yield my_db
    with my_db.server.session() as admin:
        admin.run(f"ALTER USER '{RELAY}'@'%' REQUIRE NONE")


@pytest.mark.parametrize("mode, host", [
    ("prefer", "127.0.0.1"), ("require", "127.0.0.1"), ("verify-full", "127.0.0.1"),
    ("verify-full", "localhost")])
def test_connections_are_encrypted(tls_db, daemon, mode, host):
    process = daemon(with_tls(tls_db, host, mode=mode, ca=tls_db.server.ca))
    assert end_of(process, [CONNECTED, "could not connect"]) == CONNECTED


def test_an_authority_alone_means_verification(tls_db, daemon, tmp_path):
    assert end_of(daemon(with_tls(tls_db, ca=tls_db.server.ca)),
                  [CONNECTED, "could not connect"]) == CONNECTED
    make_certificates(str(tmp_path))
    other = os.path.join(str(tmp_path), "ca.pem")
    assert end_of(daemon(with_tls(tls_db, ca=other)), [CONNECTED, "TLS/SSL error"]) == \
        "TLS/SSL error"


def test_without_tls_where_it_is_switched_off(tls_db, daemon):
    process = daemon(with_tls(tls_db, mode="disable"))
    assert end_of(process, [CONNECTED, "Access denied"]) == "Access denied"


def test_a_server_without_tls(daemon):
    server = MySql("mariadb", skip_ssl=1)
    try:
        database = server.create_database()
        migrate(database)
        assert end_of(daemon(with_tls(database, mode="prefer")),
                      [CONNECTED, "could not connect"]) == CONNECTED
        for mode in ("require", "verify-full"):
            process = daemon(with_tls(database, mode=mode))
            assert end_of(process, [CONNECTED, "could not connect"]) == "could not connect"
            assert "TLS" in process.log_text() or "SSL" in process.log_text()
            process.stop()
    finally:
        server.discard()


def test_a_server_that_takes_small_statements_only_is_refused(daemon):
    server = MySql("mariadb", max_allowed_packet="1M")
    try:
        database = server.create_database()
        migrate(database)
        process = daemon(relay_config(database, NoBroker))
        assert end_of(process, [CONNECTED, "max_allowed_packet is 1048576"]) != CONNECTED
    finally:
        server.discard()
