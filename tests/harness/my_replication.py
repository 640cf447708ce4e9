# SPDX-License-Identifier: MIT
"""A MariaDB or MySQL server with a replica by its binary log that can take its place. When the
replication is semi-synchronous, a COMMIT is answered when the replica has the transaction: nothing
acknowledged is lost with the primary then."""

import contextlib
import itertools
import os
import shutil

from .mysql import MySql
from .pair import Pair
from .timing import wait_for

ACCOUNT = "replication"  # its password is its name
APPLY_S = 240  # one thread does again what many have written, a million rows at once among it
FOREVER_MS = 2 ** 31  # without the replica a COMMIT waits, instead of going on alone


class MariaWords:
    """What is said to a MariaDB."""

    # A replica that starts again waits to be told, and a link that is silent is given up.
    options = {"log_slave_updates": "ON", "skip_slave_start": "ON", "slave_net_timeout": 5}
    lead = ("STOP SLAVE; RESET SLAVE ALL; SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos; CHANGE "
            "MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = '{user}', "
            "MASTER_PASSWORD = '{user}', MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos")
    start = "SET GLOBAL read_only = 1, rpl_semi_sync_slave_enabled = 1; START SLAVE"
    wait = ("SET GLOBAL rpl_semi_sync_master_timeout = {forever}, rpl_semi_sync_master_wait_point "
            "= 'AFTER_SYNC', rpl_semi_sync_master_enabled = ON")
    followers = "Rpl_semi_sync_master_clients"
    written, reached = "@@gtid_binlog_pos", "MASTER_GTID_WAIT(%s, 0.2)"
    stop_receiving = "STOP SLAVE IO_THREAD"
    status = "SHOW ALL SLAVES STATUS"
    received, applied = "Gtid_IO_Pos", "Gtid_Slave_Pos"  # whole transactions
    promote = ("STOP SLAVE; RESET SLAVE ALL; SET GLOBAL rpl_semi_sync_slave_enabled = 0, "
               "read_only = 0")


class MySqlWords:
    """What is said to a MySQL."""

    options = {"plugin_load_add": "semisync_source.so;semisync_replica.so",
               "skip_replica_start": "ON", "replica_preserve_commit_order": "ON",
               "replica_net_timeout": 5}
    lead = ("STOP REPLICA; RESET REPLICA ALL; CHANGE REPLICATION SOURCE TO SOURCE_HOST = "
            "'127.0.0.1', SOURCE_PORT = {port}, SOURCE_USER = '{user}', SOURCE_PASSWORD = "
            "'{user}', SOURCE_CONNECT_RETRY = 1, SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 1")
    start = "SET GLOBAL super_read_only = 1, rpl_semi_sync_replica_enabled = 1; START REPLICA"
    wait = ("SET GLOBAL rpl_semi_sync_source_timeout = {forever}, rpl_semi_sync_source_wait_point "
            "= 'AFTER_SYNC', rpl_semi_sync_source_enabled = ON")
    followers = "Rpl_semi_sync_source_clients"
    written, reached = "@@gtid_executed", "WAIT_FOR_EXECUTED_GTID_SET(%s, 0.2)"
    stop_receiving = "STOP REPLICA IO_THREAD"
    status = "SHOW REPLICA STATUS"
    received, applied = "Read_Source_Log_Pos", "Exec_Source_Log_Pos"
    promote = ("STOP REPLICA; RESET REPLICA ALL; SET GLOBAL super_read_only = 0; "
               "SET GLOBAL read_only = 0")


class Copy(MySql):
    """Another server with the files that one has while it stands still: it starts again then."""

    def __init__(self, origin, number):
        self._origin = origin
        super().__init__(origin.flavour, **{**origin.extra, "server_id": number})

    def _initialise(self):
        self._origin.stop()
        try:
            shutil.copytree(self._origin.data, self.data)
        finally:
            self._origin.start()
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(self.data, "auto.cnf"))  # MySQL's server_uuid

    def _make_accounts(self):
        """They came with the files."""


class MyPair(Pair):
    """Only MariaDB ends in order, having sent everything ("fast")."""

    def __init__(self, flavour, **options):
        self.words = MySqlWords if flavour == "mysql" else MariaWords
        self.spare = None  # follows nobody yet
        self._numbers = itertools.count(1)
        super().__init__(MySql(flavour, server_id=next(self._numbers), **self.words.options,
                               **options))

    def prepare(self):
        """The next standby is a copy of the present one, which may stand still for it as the primary
        may not. What the copy lacks later is in the new primary's log."""
        if self.spare is not None:
            self.spare.discard()
        with self.standby.session() as admin:  # older logs need not be copied
            admin.run("FLUSH BINARY LOGS; PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 HOUR")
        self.spare = Copy(self.standby, next(self._numbers))
        with self.standby.session() as admin:
            admin.run(self.words.start)
        self.wait_caught_up()

    def follow(self):
        if self.standby is None:
            if self.spare is None:
                with self.primary.session() as admin:
                    admin.run(f"CREATE USER IF NOT EXISTS {ACCOUNT} IDENTIFIED BY '{ACCOUNT}'")
                    admin.run(f"GRANT REPLICATION SLAVE ON *.* TO {ACCOUNT}")
                self.spare = Copy(self.primary, next(self._numbers))
            with self.spare.session() as admin:
                admin.run(self.words.lead.format(port=self.link.port, user=ACCOUNT))
                admin.run(self.words.start)
            self.standby, self.spare = self.spare, None
        self.wait_caught_up()

    def wait_caught_up(self, timeout=APPLY_S):
        with self.primary.session() as admin:
            there = admin.one(f"SELECT {self.words.written}")
        with self.standby.session() as admin:
            def reached():
                self._status(admin)
                return admin.one(f"SELECT {self.words.reached}", (there,)) == 0

            wait_for(reached, timeout, "the replica has caught up")

    def synchronous(self):
        with self.primary.session() as admin:
            admin.run(self.words.wait.format(forever=FOREVER_MS))
            wait_for(lambda: admin.run(f"SHOW STATUS LIKE '{self.words.followers}'")[0][1] == "1",
                     20, "the replica follows")

    def _status(self, admin):
        with admin.connection.cursor() as cursor:
            cursor.execute(self.words.status)
            now = dict(zip((column[0] for column in cursor.description), cursor.fetchone()))
        assert not now["Last_SQL_Error"], now
        return now

    def _end(self, former, mode):
        if mode == "kill":
            former.kill()
            return
        with former.session() as admin:
            admin.run("SHUTDOWN WAIT FOR ALL SLAVES")
        wait_for(lambda: not former.process.running, APPLY_S, "the primary has ended")
        with self.standby.session() as admin:  # what was sent may still be on its way
            wait_for(lambda: self._status(admin)["Slave_IO_Running"] != "Yes", APPLY_S,
                     "the replica has noticed")

    def _promote(self, successor):
        """It applies what it has received, forgets that it was a replica, and takes writes."""
        with successor.session() as admin:
            admin.run(self.words.stop_receiving)

            def applied():
                now = self._status(admin)
                return now[self.words.received] == now[self.words.applied]

            wait_for(applied, APPLY_S, "the replica has applied what it received")
            admin.run(self.words.promote)

    @property
    def servers(self):
        return [*super().servers, *([self.spare] if self.spare is not None else [])]
