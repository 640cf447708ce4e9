# SPDX-License-Identifier: MIT
"""What relays in a box work for: a PostgreSQL server that wants a password, a Kafka broker, and an
application that writes."""

import os
import subprocess

from harness import yaml
from harness.consumer import Collector
from harness.daemon import merge
from harness.kafka import Kafka
from harness.outbox import Outbox, RELAY
from harness.postgres import Postgres, Session
from harness.processes import free_port
from harness.setup import fresh_database
from harness.writers import Writers

SECRET = "open-sesame.42"  # goes into a URL


class Stand:
    def __init__(self):
        self.postgres = Postgres()
        self.kafka = None
        try:
            self.kafka = Kafka()
        except BaseException:
            self.discard()
            raise

    def discard(self):
        if self.kafka is not None:
            self.kafka.discard()
        self.postgres.discard()

    def outbox(self):
        """A table in a database of its own, a topic, and a relay role that needs its password."""
        database = fresh_database(self.postgres)
        with Session(self.postgres, "postgres") as admin:
            admin.run(f"ALTER ROLE {RELAY} PASSWORD '{SECRET}'")
            self._ask_for_password()
            admin.run("SELECT pg_reload_conf()")
        return Outbox(database, self.kafka.create_topic())

    def _ask_for_password(self):
        rules = os.path.join(self.postgres.data, "pg_hba.conf")
        with open(rules, encoding="ascii") as text:
            before = text.read()
        rule = f"host all {RELAY} 127.0.0.1/32 scram-sha-256\n"
        if rule not in before:
            with open(rules, "w", encoding="ascii") as out:
                out.write(rule + before)

    def configuration(self, outbox, **changes):
        """The YAML of a relay whose password is systemd's credential ef_shop, and its HTTP port."""
        port = free_port()
        server = self.postgres.port
        url = f"postgresql://{RELAY}:${{credential:ef_shop}}@127.0.0.1:{server}/" \
              f"{outbox.database.name}"
        return yaml.dump(merge({
            "instance": "box",
            "kafka": {"brokers": self.kafka.bootstrap.split(",")},
            "databases": {"shop": {"url": url}},
            "outboxes": [{"name": "orders", "database": "shop", "table": "public.outbox",
                          "lease_ttl": "3s"}],
            "http": {"listen": f"127.0.0.1:{port}"}}, changes)), port

    def writers(self, outbox, **more):
        return Writers(lambda: outbox.database.connect(autocommit=False),
                       outbox.topic, **more)

    def collector(self, outbox):
        return Collector(self.kafka, outbox.topic)


def newer(deb, directory, version):
    """The same package under a higher version, as the next release would bring it."""
    tree = os.path.join(directory, "newer")
    path = os.path.join(directory, f"eventferry_{version}_newer.deb")
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = os.path.join(tree, "DEBIAN", "control")
    with open(control, encoding="utf-8") as text:
        lines = [f"Version: {version}\n" if line.startswith("Version:") else line for line in text]
    with open(control, "w", encoding="utf-8") as out:
        out.writelines(lines)
    sample = os.path.join(tree, "usr/share/eventferry/eventferry.yaml")
    with open(sample, "a", encoding="utf-8") as out:
        out.write("# a later release says more here\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, path], check=True,
                   stdout=subprocess.DEVNULL)
    return path
