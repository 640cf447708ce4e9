# SPDX-License-Identifier: MIT
"""PgBouncer in transaction mode before a PostgreSQL server."""

import os

from .processes import Process, free_port, listening, program, remove, scratch
from .timing import wait_for


class PgBouncer:
    """Start parameters it does not know are refused (its default), and a LISTEN sent through it
    stays behind on whatever server connection carried it: both are what relays trip over."""

    def __init__(self, server, users=("test",), pool_size=4):
        binary = program("pgbouncer")
        if binary is None:
            raise FileNotFoundError("pgbouncer is not installed")
        self.directory = scratch("ef-pgb-", for_server=True)
        self.process = None
        self.port = free_port()
        user_file = os.path.join(self.directory, "users.txt")
        with open(user_file, "w", encoding="utf-8") as out:
            out.writelines(f'"{user}" ""\n' for user in users)
        settings = os.path.join(self.directory, "pgbouncer.ini")
        with open(settings, "w", encoding="utf-8") as out:
            out.write(f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
                      "[pgbouncer]\nlisten_addr = 127.0.0.1\n"
                      f"listen_port = {self.port}\nunix_socket_dir =\nauth_type = trust\n"
                      f"auth_file = {user_file}\npool_mode = transaction\n"
                      f"default_pool_size = {pool_size}\nmax_client_conn = 200\n"
                      "server_login_retry = 0.2\n")
        self._command = [binary, settings]
        self.start()

    def start(self):
        self.process = Process(self._command, os.path.join(self.directory, "pgbouncer.log"),
                               drop_root=True, death_signal="INT")
        wait_for(lambda: listening(self.port), 10, "PgBouncer answers")

    def restart(self, how="stop"):
        """how: stop ends its connections in order, kill as a crash does."""
        self.process.stop() if how == "stop" else self.process.kill()
        self.start()

    def discard(self):
        if self.process is not None:
            self.process.stop()
        remove(self.directory)
