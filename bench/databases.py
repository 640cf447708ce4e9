# SPDX-License-Identifier: MIT
"""The database servers a benchmark can run on, with the same verbs: a fresh database, its backlog, a
session for looking at it, and what the server uses."""

import usage
from harness.mysql import MySql
from harness.outbox import OWNER_ROLE
from harness.postgres import Postgres, Session
from harness.setup import forget_template, fresh_database, migrate

AROUND_BYTES = len('{"e": ""}')  # of a payload, around its text


class OnPostgres:
    title = "PostgreSQL"
    table = "public.outbox"
    writer = ("writer_pg", "libpq")
    # None of this is tuning for the benchmark's sake: buffers that hold the table, and no checkpoint
    # or vacuum by chance in one run and not in the other (what vacuum costs is measured by itself).
    SETTINGS = {"shared_buffers": "256MB", "wal_level": "replica", "max_wal_size": "4GB",
                "checkpoint_timeout": "30min", "autovacuum_naptime": "1h"}
    INSERT = (f"INSERT INTO {table} (aggregate_type, aggregate_id, topic, payload, trace_id) "
              "SELECT 'order', 'order-' || {aggregate}, %s, ('{{\"e\": \"' || rpad('#n:' || n || "
              "';a:' || {aggregate} || ';t:0#', %s, 'x') || '\"}}')::jsonb, lpad(n::text, 32, '0') "
              "FROM generate_series(%s, %s) n")

    def __init__(self, options):
        sync = "on" if options.fsync else "off"
        settings = {**self.SETTINGS, "fsync": sync, "full_page_writes": sync}
        settings.update(item.split("=", 1) for item in options.pg)
        self.server = Postgres(options.postgres, **settings)

    def describe(self):
        with Session(self.server, "postgres") as session:
            version = session.one("SHOW server_version")
        settings = self.server.settings
        return (f"PostgreSQL {version} (fsync {settings['fsync']}, synchronous_commit on, "
                f"shared_buffers {settings['shared_buffers']})")

    def fresh(self):
        return fresh_database(self.server)

    def writer_target(self, database):
        return database.url(OWNER_ROLE)

    @staticmethod
    def id_of(watch):
        """What the operating system calls the backend or thread of a session."""
        return watch.one("SELECT pg_backend_pid()")

    def cpu(self, watch_id, exact=False):
        measure = usage.exact_tree_cpu if exact else usage.tree_cpu
        return measure(self.server.process.pid, without=(watch_id,))

    def insert(self, place, first, last, aggregate, payload_bytes):
        with place.database.session(OWNER_ROLE) as session:
            session.run(self.INSERT.format(aggregate=aggregate),
                        (place.topic, payload_bytes - AROUND_BYTES, first, last))

    def calm_down(self, watch):
        watch.run(f"VACUUM (ANALYZE) {self.table}")
        watch.run("CHECKPOINT")

    def vacuum(self, watch, watch_id):
        """CPU seconds of the vacuum that a drained table needs sooner or later."""
        before = usage.process_cpu(watch_id)
        watch.run(f"VACUUM {self.table}")
        return usage.process_cpu(watch_id) - before

    def discard(self):
        forget_template(self.server)
        self.server.discard()


class OnMySql:
    """MariaDB of the system, or MySQL 8.0: rows leave by purge threads of the server's, whose work is
    in its CPU time."""

    table = "outbox"
    writer = ("writer_my", "libmariadb")
    SETTINGS = {"innodb_buffer_pool_size": "256M", "default_time_zone": "+00:00"}
    LOGS = {"mariadb": {"innodb_log_file_size": "512M"},
            "mysql": {"innodb_redo_log_capacity": "512M"}}
    # the statement must give ids in the order of n
    NUMBERS = {"mariadb": "seq_{first}_to_{last}",
               "mysql": "(WITH RECURSIVE s (seq) AS (SELECT {first} UNION ALL SELECT seq + 1 FROM s "
                        "WHERE seq < {last}) SELECT seq FROM s) AS s"}
    THREAD = {"mariadb": "SELECT TID FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()",
              "mysql": "SELECT THREAD_OS_ID FROM performance_schema.threads "
                       "WHERE PROCESSLIST_ID = CONNECTION_ID()"}
    INSERT = ("INSERT INTO outbox (message_id, aggregate_type, aggregate_id, topic, payload, headers, "
              "trace_id) SELECT UUID(), 'order', CONCAT('order-', {aggregate}), %s, CONCAT("
              "'{{\"e\": \"', RPAD(CONCAT('#n:', seq, ';a:', {aggregate}, ';t:0#'), %s, 'x'), "
              "'\"}}'), '{{}}', LPAD(seq, 32, '0') FROM {numbers} ORDER BY seq")

    def __init__(self, options):
        self.flavour = "mariadb" if options.database == "mariadb" else "mysql"
        self.title = "MariaDB" if self.flavour == "mariadb" else "MySQL"
        sync = {"innodb_flush_log_at_trx_commit": 1, "sync_binlog": 1} if options.fsync else {}
        settings = {**self.SETTINGS, **self.LOGS[self.flavour], **sync}
        settings.update(item.split("=", 1) for item in options.my)
        self.server = MySql(self.flavour, **settings)

    def describe(self):
        with self.server.session() as session:
            version = session.one("SELECT VERSION()")
        options = self.server.options
        return (f"{self.title} {version} (innodb_flush_log_at_trx_commit "
                f"{options['innodb_flush_log_at_trx_commit']}, sync_binlog {options['sync_binlog']}, "
                f"innodb_buffer_pool_size {options['innodb_buffer_pool_size']}, binary log on)")

    def fresh(self):
        database = self.server.create_database()
        migrate(database)
        return database

    def writer_target(self, database):
        return f"{self.server.socket}:{database.name}"

    def id_of(self, watch):
        return watch.one(self.THREAD[self.flavour])

    def cpu(self, watch_id, exact=False):
        pid = self.server.process.pid
        total = usage.exact_tree_cpu(pid) if exact else usage.tree_cpu(pid)
        return total - (usage.thread_cpu(pid, watch_id) if watch_id else 0.0)

    def insert(self, place, first, last, aggregate, payload_bytes):
        sql = self.INSERT.format(aggregate=aggregate.replace("n ", "seq "),
                                 numbers=self.NUMBERS[self.flavour].format(first=first, last=last))
        with place.database.session(OWNER_ROLE) as session:
            if self.flavour == "mysql":
                session.run(f"SET cte_max_recursion_depth = {last + 1}")
            session.run(sql, (place.topic, payload_bytes - AROUND_BYTES))

    def calm_down(self, watch):
        watch.run(f"ANALYZE TABLE {self.table}")

    @staticmethod
    def vacuum(_watch, _watch_id):
        return None

    def discard(self):
        self.server.discard()


def start(options):
    return OnPostgres(options) if options.database == "postgres" else OnMySql(options)
