# SPDX-License-Identifier: MIT
"""The servers of a chaos run: three brokers each behind a proxy, a PostgreSQL pair behind gates, and
a pooler. They outlive single scenes, whatever was done to them."""

from harness.kafka import Kafka
from harness.outbox import APPLICATION, OWNER_ROLE, RELAY
from harness.pgbouncer import PgBouncer
from harness.replication import Pair

REPLICATION = 3
IN_SYNC = 2
SESSION_S = 5  # after which a silent broker loses its partitions
# The harness's cluster is quick to give up a broker; here a machine that is short of time must not
# look like one that has failed.
PATIENT = {"broker_session_timeout_ms": SESSION_S * 1000,
           "controller_quorum_election_timeout_ms": 1500}


class Servers:
    def __init__(self):
        self.kafka = self.pair = self.pooler = None
        try:
            self.pair = Pair(max_locks_per_transaction="256")
            self.direct = self.pair.gate()  # of the first relay, and for LISTEN beside the pooler
            self.behind = self.pair.gate()  # of the pooler
            self.other = self.pair.gate()  # of the third relay
            self.pooler = PgBouncer(self.behind, users=(OWNER_ROLE, RELAY, APPLICATION))
            self.kafka = Kafka(brokers=3, proxied=True, **PATIENT)
        except BaseException:
            self.discard()
            raise

    def create_topic(self, name=None, partitions=3):
        return self.kafka.create_topic(name, partitions, {"min.insync.replicas": str(IN_SYNC)},
                                       REPLICATION)

    @property
    def proxies(self):
        return [*self.kafka.proxies, *self.pair.gates, self.pair.link]

    def heal(self):
        """Everything runs, follows and flows again, whichever fault was left."""
        for proxy in self.proxies:
            proxy.mend()
        self.kafka.resume()
        self.kafka.start()
        self.pair.primary.resume()
        self.pair.primary.start()
        self.pair.follow()

    def discard(self):
        for each in (self.kafka, self.pooler, self.pair):
            if each is not None:
                each.discard()
