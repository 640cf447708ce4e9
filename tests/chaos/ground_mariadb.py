# SPDX-License-Identifier: MIT
"""MariaDB with a replica by its binary log, behind gates."""

import contextlib

import pymysql

from harness.my_replication import MyPair
from harness.outbox import RELAY

from .ground import Ground
from .my_application import MyApplication, MyBulk

SCHEMA = """
CREATE TABLE chaos_aggregate (name VARCHAR(100) PRIMARY KEY, version BIGINT NOT NULL)
    ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE TABLE chaos_history (message_id CHAR(36), outbox VARCHAR(100), id BIGINT,
    aggregate VARCHAR(100), version BIGINT, topic VARCHAR(100), digest CHAR(32),
    poison BOOLEAN, KEY (topic)) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
"""
# Commits are on disk before they are answered; ids are drawn one by one beside each other, as MySQL 8
# does; and the server knows its sessions by the names their programs give themselves.
OPTIONS = {"innodb_flush_log_at_trx_commit": 1, "innodb_autoinc_lock_mode": 2,
           "innodb_log_file_size": "96M", "innodb_lock_wait_timeout": 10,
           "max_allowed_packet": "64M", "performance_schema": "ON"}
SESSIONS = """SELECT PROCESSLIST_ID FROM performance_schema.session_connect_attrs
    WHERE ATTR_NAME = 'program_name' AND ATTR_VALUE LIKE %s"""
THERE = """SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
    WHERE CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) = %s)"""
BESIDE = "ALGORITHM = INPLACE, LOCK = NONE"  # the writers


class MariaDbGround(Ground):
    name, driver = "mariadb", "mysql"
    error = pymysql.err.Error
    lost = (pymysql.err.OperationalError, pymysql.err.InterfaceError)
    application, bulk = MyApplication, MyBulk
    schema = SCHEMA
    crashes = ("kill",)
    purposes = ("read", "settle", "lease")
    lock_timeout = "SET lock_wait_timeout = 1, innodb_lock_wait_timeout = 1"
    message_id = "message_id"
    event = ("id, message_id, aggregate_type, aggregate_id, topic, payload, "
             "JSON_VALUE(headers, '$.version')")

    def __init__(self):
        super().__init__(MyPair("mariadb", **OPTIONS))
        for _ in range(3):  # one for each relay
            self.pair.gate()

    def create_database(self):
        return self.server.create_database()

    def drop_database(self, name):
        with self.server.session() as session:
            session.run("SET lock_wait_timeout = 20")
            session.run(f"DROP DATABASE IF EXISTS {name}")

    def connections(self, name):
        """Three relays' ways: each straight to the server through a gate of its own."""
        return tuple({"url": self.server.url(name, RELAY, gate.port)} for gate in self.gates)

    @staticmethod
    def table(database, name):
        return f"{database}.{name}"

    @staticmethod
    def archive(table):
        return table + "_archive"

    def archive_all(self, table):
        columns = ("id, message_id, aggregate_type, aggregate_id, topic, headers, status, attempts, "
                   "created_at")
        return (f"INSERT INTO {self.archive(table)} ({columns}, archived_at) "
                f"SELECT {columns}, NOW(6) FROM {table}")

    @staticmethod
    def settings(on_delivered):
        del on_delivered
        return {}  # nothing rings

    def connect(self, name, label):
        return self.server.connect(name, autocommit=False, program_name=label)

    def session(self, name):
        return self.server.session(name, program_name="chaos")

    # what nemeses do

    def kill(self, scene, pattern, what):
        """KILL CONNECTION or QUERY of the sessions whose name is like this; returns how many."""
        numbers = scene.insist(SESSIONS, (pattern,))
        with scene.session() as session:
            for (number,) in numbers:
                with contextlib.suppress(self.error):  # it has ended by itself
                    session.run(f"KILL {what} {number}")
        return len(numbers)

    def end_sessions(self, scene, pattern):
        return self.kill(scene, pattern, "CONNECTION")

    @staticmethod
    def there(session, table):
        return session.one(THERE, (table,)) == 1

    @staticmethod
    def column(table, name, chance):
        """Instantly, or by a rebuild."""
        how = chance.choice(("ALGORITHM = INSTANT", BESIDE))
        default = chance.choice(("", "DEFAULT 'x'"))
        return (f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {name} TEXT {default}, {how}",
                f"ALTER TABLE {table} DROP COLUMN IF EXISTS {name}, {how}", how)

    @staticmethod
    def index(table, name, chance):
        del chance
        return (f"ALTER TABLE {table} ADD INDEX IF NOT EXISTS {name} (created_at), {BESIDE}",
                f"ALTER TABLE {table} DROP INDEX IF EXISTS {name}, {BESIDE}", BESIDE)

    @staticmethod
    def rename(table, name):
        return f"RENAME TABLE IF EXISTS {table} TO {name}"

    @staticmethod
    def rewrite(table, chance):
        """Beside the writers, or in their way, as a copy."""
        how = chance.choice((BESIDE, "ALGORITHM = COPY, LOCK = SHARED"))
        return f"ALTER TABLE {table} FORCE, {how}"
