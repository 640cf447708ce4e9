# SPDX-License-Identifier: MIT
"""The servers of a chaos run: three brokers each behind a proxy, and the ground: the database and
what lies before it. They outlive single scenes, whatever was done to them."""

from harness.kafka import Kafka

from .ground_mariadb import MariaDbGround
from .ground_postgres import PostgresGround

GROUNDS = {each.name: each for each in (PostgresGround, MariaDbGround)}
REPLICATION = 3
IN_SYNC = 2
SESSION_S = 5  # after which a silent broker loses its partitions
# The harness's cluster is quick to give up a broker; here a machine that is short of time must not
# look like one that has failed.
PATIENT = {"broker_session_timeout_ms": SESSION_S * 1000,
           "controller_quorum_election_timeout_ms": 1500}


class Servers:
    def __init__(self):
        self._grounds = {}
        self.kafka = Kafka(brokers=3, proxied=True, **PATIENT)

    def ground(self, name):
        """Made when it is first asked for."""
        if name not in self._grounds:
            self._grounds[name] = GROUNDS[name]()
        return self._grounds[name]

    def create_topic(self, name=None, partitions=3):
        return self.kafka.create_topic(name, partitions, {"min.insync.replicas": str(IN_SYNC)},
                                       REPLICATION)

    def heal(self):
        """Everything runs, follows and flows again, whichever fault was left."""
        for ground in self._grounds.values():
            for proxy in ground.proxies:
                proxy.mend()
        for proxy in self.kafka.proxies:
            proxy.mend()
        self.kafka.resume()
        self.kafka.start()
        for ground in self._grounds.values():
            ground.heal()

    def discard(self):
        for each in (self.kafka, *self._grounds.values()):
            each.discard()
