# SPDX-License-Identifier: MIT
"""Throwaway PostgreSQL servers: Debian's newest, and versions 13, 17 and 18 from the Maven cache."""

import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import threading

import psycopg2

from . import artifacts
from .processes import (Process, as_root, children_of, command, free_port, listening, remove,
                        scratch)
from .timing import wait_for

OWNER = "test"  # superuser made by initdb; authentication is trust unless a test says otherwise


class Unavailable(Exception):
    """The server cannot be had on this machine."""


def _system_binaries():
    found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    if found:
        return os.path.dirname(max(found, key=lambda p: int(re.findall(r"/(\d+)/bin/", p)[0])))
    for name in ("/usr/bin/postgres", "/usr/local/pgsql/bin/postgres"):
        if os.path.exists(name):
            return os.path.dirname(name)
    raise Unavailable("no PostgreSQL server is installed")


_reachable = {}


def _reachable_by_server(binaries):
    """As root the server runs under another account, which cannot look into root's home: such a
    tree is copied once beside the data."""
    if not as_root():
        return binaries
    test = subprocess.run(command([os.path.join(binaries, "postgres"), "--version"], True),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if test.returncode == 0:
        return binaries
    if binaries not in _reachable:
        home = scratch("ef-pgbin-")
        os.chmod(home, 0o755)
        shutil.copytree(os.path.dirname(binaries), os.path.join(home, "tree"), symlinks=True)
        _reachable[binaries] = home
    return os.path.join(_reachable[binaries], "tree", "bin")


def forget_copy(version):
    home = _reachable.pop(binaries_of(version), None)
    if home is not None:
        remove(home)


def binaries_of(version):
    """The directory with initdb and postgres; version None means the system's newest."""
    override = os.environ.get(f"EF_PG{version}_BIN")
    if override:
        return override
    if version is not None:
        return artifacts.postgresql(version)
    return _system_binaries()


class Postgres:
    """One server. fsync is off, but commits are synchronous: a committed row survives every signal,
    as the relay's preconditions demand, and only a power cut could take it."""

    def __init__(self, version=None, **settings):
        self.binaries = _reachable_by_server(binaries_of(version))
        self.directory = scratch("ef-pg-", for_server=True)
        self.data = os.path.join(self.directory, "data")
        self.port = free_port()
        self.process = None
        self.extra = settings
        self._counter = 0
        self._lock = threading.Lock()
        self.settings = {
            "listen_addresses": "127.0.0.1", "port": self.port,
            "unix_socket_directories": self.directory, "fsync": "off", "full_page_writes": "off",
            "max_connections": 200, "shared_buffers": "64MB", "wal_level": "logical",
            "autovacuum_naptime": "5s", "max_wal_size": "2GB", "log_min_messages": "log",
            "log_line_prefix": "%m [%p] %u %a ", "jit": "off", **settings}
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.discard()
            raise

    def _initialise(self):
        done = subprocess.run(
            command([os.path.join(self.binaries, "initdb"), "-D", self.data, "-U", OWNER, "-A",
                     "trust", "-E", "UTF8", "--locale=C", "-N"], drop_root=True),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError("initdb failed:\n" + done.stdout)
        self._write_settings()

    def _write_settings(self):
        """Appended: of several lines with one name the last counts."""
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a", encoding="ascii") as conf:
            for name, value in self.settings.items():
                conf.write(f"{name} = '{value}'\n")

    def continue_names_of(self, server):
        """This one holds a copy of that one's databases: new ones need other names."""
        self._counter = server._counter

    def start(self):
        """A server whose predecessor was killed may find shared memory still in use: once more."""
        def come_up():
            if self.process is None or not self.process.running:
                self.process = Process(
                    [os.path.join(self.binaries, "postgres"), "-D", self.data],
                    os.path.join(self.directory, "server.log"), drop_root=True, death_signal="INT")
            if not listening(self.port):
                return False
            try:
                self.connect("postgres").close()
            except psycopg2.OperationalError:
                return False
            return True

        try:
            wait_for(come_up, 30, "PostgreSQL answers", interval=0.05)
        except AssertionError as error:
            raise RuntimeError(f"{error}\n{self.process.log_tail()}") from None

    def stop(self, mode="fast"):
        """fast ends the sessions with a rollback; immediate is as good as a crash."""
        number = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        self.process.stop(number, timeout=30)

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def kill(self):
        self.process.kill()

    def pause(self):
        """Stops the postmaster first, so that no new backend slips through, then every backend."""
        self.process.pause()
        for pid in children_of(self.process.pid):
            os.kill(pid, signal.SIGSTOP)

    def resume(self):
        if self.process.running:
            for pid in children_of(self.process.pid):
                with contextlib.suppress(ProcessLookupError):  # some end of themselves meanwhile
                    os.kill(pid, signal.SIGCONT)
            self.process.resume()

    def discard(self):
        if self.process is not None and self.process.running:
            self.stop("immediate")
        remove(self.directory)

    @property
    def version(self):
        with open(os.path.join(self.data, "PG_VERSION"), encoding="ascii") as text:
            return int(text.read())

    def log(self):
        return self.process.log()

    def url(self, database, user=OWNER, port=None):
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def connect(self, database, user=OWNER, autocommit=True, **more):
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, dbname=database, user=user,
                                      connect_timeout=10, **more)
        connection.autocommit = autocommit
        return connection

    def create_database(self, template=None):
        """A fresh database; from a template it is a file copy, much quicker than a migration."""
        with self._lock:
            self._counter += 1
            name = f"t{self._counter}"
        source = f" TEMPLATE {template}" if template else ""
        if template and self.version >= 15:  # older servers know no other
            source += " STRATEGY file_copy"
        with Session(self, "postgres") as admin:
            admin.run(f"CREATE DATABASE {name}{source}")
        return Database(self, name)


class Session:
    """An autocommit connection with two short verbs."""

    def __init__(self, server, database, user=OWNER, **more):
        self.connection = server.connect(database, user, **more)

    def run(self, sql, parameters=None):
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    def one(self, sql, parameters=None):
        return self.run(sql, parameters)[0][0]

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class Database:
    """One database of a server, with a session of its owner kept open for the test's look-ups."""

    driver = "postgres"
    table = "public.outbox"  # of most tests

    def __init__(self, server, name):
        self.server = server
        self.name = name
        self._session = None

    def url(self, user=OWNER, port=None):
        return self.server.url(self.name, user, port)

    def connect(self, user=OWNER, autocommit=True, **more):
        return self.server.connect(self.name, user, autocommit, **more)

    def session(self, user=OWNER, **more):
        return Session(self.server, self.name, user, **more)

    def _own(self):
        if self._session is None or self._session.connection.closed:
            self._session = self.session()
        return self._session

    def run(self, sql, parameters=None):
        """Runs on the kept session; one lost to a server restart is opened again, since the text
        of a test's look-up may be repeated but an INSERT may not: those are only sent once."""
        try:
            return self._own().run(sql, parameters)
        except psycopg2.OperationalError:
            self._session = None
            if not sql.lstrip().upper().startswith("SELECT"):
                raise
            return self._own().run(sql, parameters)

    def one(self, sql, parameters=None):
        return self.run(sql, parameters)[0][0]

    def drop(self):
        if self._session is not None:
            self._session.close()
        with Session(self.server, "postgres") as admin:
            admin.run(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
