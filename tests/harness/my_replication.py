# SPDX-License-Identifier: MIT
"""A MariaDB or MySQL server with a semi-synchronous replica that can take its place: a COMMIT is
answered when the replica has the transaction, so nothing acknowledged is lost with the primary."""

from .mysql import MySql
from .timing import wait_for

ACCOUNT = "replication"  # its password is its name
FOREVER_MS = 2 ** 31  # without the replica a COMMIT waits, instead of going on alone


class MariaWords:
    """What is said to a MariaDB."""

    primary = {}
    replica = {"read_only": "ON", "rpl_semi_sync_slave_enabled": "ON"}
    follow = ("CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = "
              "'{user}', MASTER_PASSWORD = '{user}', MASTER_USE_GTID = slave_pos; START SLAVE")
    wait = ("SET GLOBAL rpl_semi_sync_master_timeout = {forever}, rpl_semi_sync_master_wait_point "
            "= 'AFTER_SYNC', rpl_semi_sync_master_enabled = ON")
    followers = "Rpl_semi_sync_master_clients"
    stop_receiving = "STOP SLAVE IO_THREAD"
    status = "SHOW SLAVE STATUS"
    received, applied = "Read_Master_Log_Pos", "Exec_Master_Log_Pos"
    applier_error = "Last_SQL_Error"
    promote = "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0"


class MySqlWords:
    """What is said to a MySQL."""

    primary = {"plugin_load_add": "semisync_source.so"}
    replica = {"plugin_load_add": "semisync_replica.so", "loose_rpl_semi_sync_replica_enabled": "ON",
               "replica_preserve_commit_order": "ON"}
    follow = ("SET GLOBAL super_read_only = 1; CHANGE REPLICATION SOURCE TO SOURCE_HOST = "
              "'127.0.0.1', SOURCE_PORT = {port}, SOURCE_USER = '{user}', SOURCE_PASSWORD = "
              "'{user}', SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 1; START REPLICA")
    wait = ("SET GLOBAL rpl_semi_sync_source_timeout = {forever}, rpl_semi_sync_source_wait_point "
            "= 'AFTER_SYNC', rpl_semi_sync_source_enabled = ON")
    followers = "Rpl_semi_sync_source_clients"
    stop_receiving = "STOP REPLICA IO_THREAD"
    status = "SHOW REPLICA STATUS"
    received, applied = "Read_Source_Log_Pos", "Exec_Source_Log_Pos"
    applier_error = "Last_SQL_Error"
    promote = ("STOP REPLICA; RESET REPLICA ALL; SET GLOBAL super_read_only = 0; "
               "SET GLOBAL read_only = 0")


class MyPair:
    """`primary` takes the writes, `replica` follows until it takes its place."""

    def __init__(self, flavour, **options):
        self.words = MySqlWords if flavour == "mysql" else MariaWords
        self._servers = []
        try:
            for number, own in enumerate((self.words.primary, self.words.replica), start=1):
                server = MySql(flavour, server_id=number, **own, **options)
                self._servers.append(server)
                with server.session() as admin:  # each has made the tests' accounts by itself
                    admin.run("RESET MASTER")
            self.primary, self.replica = self._servers
            self._follow()
        except BaseException:
            self.discard()
            raise

    def _follow(self):
        with self.primary.session() as admin:
            admin.run(f"CREATE USER {ACCOUNT} IDENTIFIED BY '{ACCOUNT}'")
            admin.run(f"GRANT REPLICATION SLAVE ON *.* TO {ACCOUNT}")
        with self.replica.session() as admin:
            admin.run(self.words.follow.format(port=self.primary.port, user=ACCOUNT))
        with self.primary.session() as admin:
            admin.run(self.words.wait.format(forever=FOREVER_MS))
            wait_for(lambda: admin.run(f"SHOW STATUS LIKE '{self.words.followers}'")[0][1] == "1",
                     20, "the replica follows")

    def _status(self, admin):
        with admin.connection.cursor() as cursor:
            cursor.execute(self.words.status)
            return dict(zip((column[0] for column in cursor.description), cursor.fetchone()))

    def fail_over(self):
        """SIGKILL for the primary; the replica applies what it has received, forgets that it was
        one, and takes writes. Returns it: the new primary."""
        self.primary.kill()
        with self.replica.session() as admin:
            admin.run(self.words.stop_receiving)

            def applied():
                now = self._status(admin)
                assert not now[self.words.applier_error], now
                return now[self.words.received] == now[self.words.applied]

            wait_for(applied, 30, "the replica has applied what it received")
            admin.run(self.words.promote)
        self.primary, self.replica = self.replica, None
        return self.primary

    def discard(self):
        for server in self._servers:
            server.discard()
