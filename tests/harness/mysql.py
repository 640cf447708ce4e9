# SPDX-License-Identifier: MIT
"""Throwaway MariaDB and MySQL servers: MariaDB from the system, MySQL 8.0 from the Maven cache."""

import contextlib
import os
import subprocess
import threading

import pymysql
from pymysql.constants import CLIENT

from . import artifacts
from .outbox import APPLICATION, OWNER_ROLE, RELAY
from .processes import Process, free_port, listening, program, remove, scratch
from .timing import wait_for

FLAVOURS = ("mariadb", "mysql")
ADMIN = "root"  # over the Unix socket, without a password
PASSWORDS = {name: name + "-secret" for name in (OWNER_ROLE, RELAY, APPLICATION)}


class Unavailable(Exception):
    """The server cannot be had on this machine."""


def quote(name):
    return "`" + name.replace("`", "``") + "`"


def make_certificates(directory):
    """A certificate authority of the server's own and a certificate for the loopback."""
    def openssl(*arguments):
        done = subprocess.run(["openssl", *arguments], cwd=directory, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]} failed:\n{done.stdout}")

    key = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl("req", "-x509", *key, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=test CA")
    openssl("req", *key, "-keyout", "server-key.pem", "-out", "server.csr", "-subj",
            "/CN=localhost")
    with open(os.path.join(directory, "names"), "w", encoding="ascii") as names:
        names.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.pem")


class MySql:
    """One server, flavour "mariadb" or "mysql". It does not fsync: a committed row survives every
    signal, and only a power cut could take it. Options are the server's, with underscores:
    default_time_zone="+05:00", transaction_isolation="REPEATABLE-READ". environment: further
    variables of its process."""

    def __init__(self, flavour="mariadb", environment=None, **options):
        self.flavour = flavour
        self.environment = environment or {}
        self.extra = options
        self.tree = artifacts.mysql80() if flavour == "mysql" else None
        self.directory = scratch("ef-my-")
        self.data = os.path.join(self.directory, "data")
        self.socket = os.path.join(self.directory, "sock")
        self.ca = os.path.join(self.directory, "ca.pem")
        self.port = free_port()
        self.process = None
        self._counter = 0
        self._lock = threading.Lock()
        self.options = {
            "datadir": self.data, "socket": self.socket, "port": self.port,
            "tmpdir": self.directory,  # a server that starts removes what others have in the same
            "bind_address": "127.0.0.1", "pid_file": os.path.join(self.directory, "pid"),
            "secure_file_priv": "", "user": _account(), "server_id": 1, "log_bin": "binlog",
            "binlog_format": "ROW", "sync_binlog": 0, "innodb_flush_log_at_trx_commit": 2,
            "innodb_buffer_pool_size": "64M", "max_connections": 200, "ssl_ca": self.ca,
            "ssl_cert": os.path.join(self.directory, "server.pem"),
            "ssl_key": os.path.join(self.directory, "server-key.pem"), **self._own_options(),
            **options}
        try:
            make_certificates(self.directory)
            self._initialise()
            self.start()
            self._make_accounts()
        except BaseException:
            self.discard()
            raise

    def _own_options(self):
        if self.tree is None:
            return {"innodb_log_file_size": "16M"}
        return {"basedir": self.tree, "mysqlx": "OFF", "gtid_mode": "ON",
                "enforce_gtid_consistency": "ON", "innodb_redo_log_capacity": "32M"}

    def _command(self, *more):
        if self.tree is not None:
            binary = os.path.join(self.tree, "bin", "mysqld")
        else:
            binary = program("mariadbd")
            if binary is None:
                raise Unavailable("no MariaDB server is installed")
        return [binary, "--no-defaults",
                *(f"--{name.replace('_', '-')}={value}" for name, value in self.options.items()),
                *more]

    def _environment(self):
        own = {"LD_LIBRARY_PATH": os.path.join(self.tree, "lib", "private")} if self.tree else {}
        return {**own, **self.environment}

    def _initialise(self):
        if self.tree is not None:
            command = self._command("--initialize-insecure")
        else:
            installer = program("mariadb-install-db")
            if installer is None:
                raise Unavailable("no MariaDB server is installed")
            command = [installer, "--no-defaults", f"--user={_account()}",
                       f"--datadir={self.data}", f"--tmpdir={self.directory}",
                       "--auth-root-authentication-method=normal", "--skip-test-db"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, env={**os.environ, **self._environment()})
        if done.returncode != 0:
            raise RuntimeError("the server could not be initialised:\n" + done.stdout)

    def continue_names_of(self, server):
        """This one holds a copy of that one's databases: new ones need other names."""
        self._counter = server._counter

    def start(self):
        """TCP answers last, so that a test may connect at once."""
        if self.process is None or not self.process.running:
            self.process = Process(self._command(), os.path.join(self.directory, "server.log"),
                                   env=self._environment())

        def come_up():
            assert self.process.running, self.process.log_tail()
            if not listening(self.port):
                return False
            try:
                self.connect().close()
            except pymysql.err.OperationalError:
                return False
            return True

        wait_for(come_up, 60, f"{self.flavour} answers", interval=0.05)

    def _make_accounts(self):
        with self.session() as admin:
            for user, password in PASSWORDS.items():
                admin.run(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'")

    def stop(self, mode="fast"):
        """In order; there is no other way but kill()."""
        assert mode == "fast"
        self.process.stop(timeout=60)

    def restart(self):
        self.stop()
        self.start()

    def kill(self):
        self.process.kill()

    def pause(self):
        self.process.pause()

    def resume(self):
        if self.process.running:
            self.process.resume()

    def discard(self):
        if self.process is not None and self.process.running:
            self.process.resume()
            self.process.kill()  # its data goes as well
        remove(self.directory)

    def log(self):
        return self.process.log()

    def url(self, database, user=OWNER_ROLE, port=None):
        return f"mysql://{user}:{PASSWORDS[user]}@127.0.0.1:{port or self.port}/{database}"

    def connect(self, database=None, user=ADMIN, autocommit=True, **more):
        """Over the Unix socket, where every way to log in works without TLS. Several statements may
        be sent as one."""
        return pymysql.connect(unix_socket=self.socket, user=user, database=database,
                               password=PASSWORDS.get(user, ""), autocommit=autocommit,
                               connect_timeout=10, charset="utf8mb4",
                               client_flag=CLIENT.MULTI_STATEMENTS, **more)

    def session(self, database=None, user=ADMIN, **more):
        return Session(self, database, user, **more)

    def create_database(self):
        """A fresh database in which the owner's account has all rights."""
        with self._lock:
            self._counter += 1
            name = f"t{self._counter}"
        with self.session() as admin:
            admin.run(f"CREATE DATABASE {name}")
            admin.run(f"GRANT ALL ON {name}.* TO '{OWNER_ROLE}'@'%' WITH GRANT OPTION")
        return Database(self, name)


def _account():
    """As root the server keeps running as root: it refuses only when it is not told so."""
    return "root" if os.geteuid() == 0 else str(os.geteuid())


class Session:
    """An autocommit connection with two short verbs. Times are UTC, double quotes quote names."""

    def __init__(self, server, database=None, user=ADMIN, **more):
        self.connection = server.connect(database, user, **more)
        self.run("SET time_zone = '+00:00', sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')")

    def run(self, sql, parameters=None):
        """The rows of the last statement that gave some, else how many rows were changed."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            result = cursor.fetchall() if cursor.description else cursor.rowcount
            while cursor.nextset():
                if cursor.description:
                    result = cursor.fetchall()
            return result

    def one(self, sql, parameters=None):
        return self.run(sql, parameters)[0][0]

    def close(self):
        with contextlib.suppress(pymysql.err.Error):
            self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class Database:
    """One database of a server, with a session of root's kept open for the test's look-ups."""

    driver = "mysql"

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.table = name + ".outbox"  # of most tests
        self._session = None

    def url(self, user=OWNER_ROLE, port=None):
        return self.server.url(self.name, user, port)

    def connect(self, user=ADMIN, autocommit=True, **more):
        return self.server.connect(self.name, user, autocommit, **more)

    def session(self, user=ADMIN, **more):
        return Session(self.server, self.name, user, **more)

    def _own(self):
        if self._session is None or not self._session.connection.open:
            self._session = self.session()
        return self._session

    def run(self, sql, parameters=None):
        """Runs on the kept session; one lost to a server restart is opened again, since the text
        of a test's look-up may be repeated but an INSERT may not: those are only sent once."""
        try:
            return self._own().run(sql, parameters)
        except (pymysql.err.OperationalError, pymysql.err.InterfaceError) as error:
            if error.args[0] not in (0, 1927, 2006, 2013, 4031):  # the connection is gone
                raise
            self._session = None
            if not sql.lstrip().upper().startswith("SELECT"):
                raise
            return self._own().run(sql, parameters)

    def one(self, sql, parameters=None):
        return self.run(sql, parameters)[0][0]

    def drop(self):
        """Ends the sessions in it first: one of them might hold it."""
        if self._session is not None:
            self._session.close()
        with self.server.session() as admin:
            for (number,) in admin.run("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = %s",
                                       (self.name,)):
                with contextlib.suppress(pymysql.err.Error):  # it has ended by itself
                    admin.run(f"KILL {number}")
            admin.run("SET lock_wait_timeout = 20")
            admin.run(f"DROP DATABASE IF EXISTS {quote(self.name)}")
