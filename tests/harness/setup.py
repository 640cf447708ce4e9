# SPDX-License-Identifier: MIT
"""What a test needs before it begins: roles, migrated databases, the usual configuration."""

import os

from .daemon import Daemon, ctl, merge
from .outbox import APPLICATION, OWNER_ROLE, RELAY
from .postgres import Session

LONG = os.environ.get("EF_LONG") == "1"  # the long forms of some tests
ROLES = (OWNER_ROLE, RELAY, APPLICATION)


def migrate(database, *arguments, table=None, expect=0, **settings):
    """Runs eventferryctl migrate as the owner role, granting the relay's and application's rights;
    settings are further ones of the outbox."""
    config = Daemon({
        "kafka": {"brokers": ["127.0.0.1:1"]},
        "databases": {"db": {"driver": database.driver, "url": database.url(OWNER_ROLE)}},
        "outboxes": [{"name": "orders", "database": "db", "table": table or database.table,
                      **settings}]})
    try:
        return ctl("--config", config.config_path, "migrate", "--grant-to", RELAY,
                   "--app-role", APPLICATION, *arguments, expect=expect)
    finally:
        config.discard()


def make_roles(server):
    """Three roles, as interfaces.md has them: owner, relay, application."""
    with Session(server, "postgres") as admin:
        known = {name for (name,) in admin.run("SELECT rolname FROM pg_roles")}
        for role in ROLES:
            if role not in known:
                admin.run(f"CREATE ROLE {role} LOGIN")


_templates = {}


def template_of(server):
    """A database with public.outbox as migrate makes it, copied for each test."""
    if server not in _templates:
        make_roles(server)
        database = empty_database(server)
        migrate(database)
        _templates[server] = database.name
    return _templates[server]


def forget_template(server):
    _templates.pop(server, None)


_retired = []


def retire(database):
    """The test is done with it; it goes when the next one is made, for the test's daemons may still
    be connected while fixtures end one after the other."""
    _retired.append(database)


def _drop_retired():
    while _retired:
        database = _retired.pop()
        if database.server.process.running:
            database.drop()


def empty_database(server):
    """A database of the owner role, with nothing in it."""
    _drop_retired()
    make_roles(server)
    database = server.create_database()
    with Session(server, "postgres") as admin:
        admin.run(f"ALTER DATABASE {database.name} OWNER TO {OWNER_ROLE}")
    return database


def fresh_database(server):
    """A database whose public.outbox and our own objects are as migrate leaves them."""
    _drop_retired()
    database = server.create_database(template_of(server))
    with Session(server, "postgres") as admin:
        admin.run(f"ALTER DATABASE {database.name} OWNER TO {OWNER_ROLE}")
    return database


def relay_config(database, broker, outbox_settings=None, port=None, **sections):
    """What most tests begin with: one outbox named orders, quick to take over and to stop."""
    return merge({
        "kafka": {"brokers": broker.bootstrap.split(",")},
        "databases": {"db": {"driver": database.driver, "url": database.url(RELAY, port)}},
        "outboxes": [merge({"name": "orders", "database": "db", "table": database.table,
                            "lease_ttl": "3s"}, outbox_settings or {})],
        "shutdown_timeout": "5s"}, sections)
