# SPDX-License-Identifier: MIT
"""A PostgreSQL server with a streaming standby that can take its place."""

import os
import subprocess

from .pair import Pair
from .postgres import OWNER, Postgres, Session
from .processes import command
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


class PgPair(Pair):
    def __init__(self, **settings):
        super().__init__(Postgres(wal_keep_size="512MB", wal_receiver_timeout="5s",
                                  wal_retrieve_retry_interval="200ms", **settings))

    def follow(self):
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

    def synchronous(self):
        with Session(self.primary, "postgres") as session:
            session.run(f"ALTER SYSTEM SET synchronous_standby_names = '{SYNC}'")
            session.run("SELECT pg_reload_conf()")
            wait_for(lambda: session.run("SELECT 1 FROM pg_stat_replication WHERE sync_state = "
                                         "'sync'"), 20, "the mode has changed")

    def _end(self, former, mode):
        former.kill() if mode == "kill" else former.stop(mode)

    def _promote(self, successor):
        with Session(successor, "postgres") as session:
            assert session.one("SELECT pg_promote(true, 60)"), successor.process.log_tail()
