# SPDX-License-Identifier: MIT
"""A PostgreSQL server with a streaming standby that can take its place."""

import os
import subprocess

from .postgres import OWNER, Postgres, Session
from .processes import command
from .proxy import Proxy
from .timing import wait_for

SYNC = "standby"  # the standby's application_name


class Standby(Postgres):
    """A copy of a running server that follows it through a proxy's port."""

    def __init__(self, primary, link_port):
        self.primary = primary
        self.link_port = link_port
        super().__init__(**primary.extra)

    def _initialise(self):
        done = subprocess.run(
            command([os.path.join(self.binaries, "pg_basebackup"), "-D", self.data, "-h",
                     "127.0.0.1", "-p", str(self.primary.port), "-U", OWNER, "-X", "stream", "-c",
                     "fast", "-R"], drop_root=True),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError("pg_basebackup failed:\n" + done.stdout)
        self.settings["primary_conninfo"] = (
            f"host=127.0.0.1 port={self.link_port} user={OWNER} application_name={SYNC} "
            "connect_timeout=5")
        self.settings["synchronous_standby_names"] = ""
        self._write_settings()


class Pair:
    """The primary, its standby, the link between them, and gates: proxies through which clients
    reach whichever is the primary."""

    def __init__(self, **settings):
        self.gates = []
        self.primary = Postgres(wal_keep_size="512MB", wal_receiver_timeout="5s",
                                wal_retrieve_retry_interval="200ms", **settings)
        self.link = Proxy(self.primary.port)
        self.standby = None
        self.follow()

    def gate(self):
        """A further address of the primary."""
        self.gates.append(Proxy(self.primary.port))
        return self.gates[-1]

    def follow(self):
        """Makes a standby where there is none, and waits until it follows."""
        if self.standby is None:
            self.standby = Standby(self.primary, self.link.port)
        self.wait_caught_up()

    def wait_caught_up(self, timeout=60):
        with Session(self.primary, "postgres") as session:
            there = session.one("SELECT pg_current_wal_lsn()")
            wait_for(lambda: session.run(
                "SELECT 1 FROM pg_stat_replication WHERE application_name = %s "
                "AND state = 'streaming' AND replay_lsn >= %s", (SYNC, there)), timeout,
                "the standby has caught up")

    def synchronous(self, on=True):
        """Whether a commit waits for the standby."""
        with Session(self.primary, "postgres") as session:
            session.run("ALTER SYSTEM SET synchronous_standby_names = "
                        + (f"'{SYNC}'" if on else "''"))
            session.run("SELECT pg_reload_conf()")
            wait_for(lambda: session.run("SELECT 1 FROM pg_stat_replication WHERE sync_state = %s",
                                         ("sync" if on else "async",)), 20, "the mode has changed")

    def fail_over(self, mode):
        """The primary ends (fast, immediate or kill), the standby takes its place and its address.
        Returns the new primary. Whatever the standby had not received is gone."""
        former = self.primary
        former.kill() if mode == "kill" else former.stop(mode)
        if mode == "fast" and former.process.exit_code != 0:
            raise RuntimeError(f"the primary did not end in order:\n{former.process.log_tail()}")
        successor, self.standby = self.standby, None
        with Session(successor, "postgres") as session:
            assert session.one("SELECT pg_promote(true, 60)"), successor.process.log_tail()
        successor.continue_names_of(former)
        self.primary = successor
        self.link.mend()
        self.link.retarget(successor.port)
        for gate in self.gates:
            gate.retarget(successor.port)
        former.discard()
        return successor

    def discard(self):
        for proxy in [self.link, *self.gates]:
            proxy.discard()
        for server in (self.standby, self.primary):
            if server is not None:
                server.resume()
                server.discard()
