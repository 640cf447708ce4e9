# SPDX-License-Identifier: MIT
"""A way to a MariaDB or MySQL server that stands still while a client connects: before the server's
greeting, or in the TLS handshake after it, when the client's first words of TLS have come."""

import contextlib
import socket
import threading

from .processes import free_port

GREETING, HANDSHAKE = "greeting", "handshake"
SSL_REQUEST_BYTES = 36  # what asks for TLS; more than that is TLS itself


class Stall:
    def __init__(self, target_port, where):
        self.target_port, self.where = target_port, where
        self.port = free_port()
        self.reached = 0  # how many connections stand still there
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._serve, name="stall", daemon=True)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):  # it is closed at the end
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                if self.where == GREETING:
                    self.reached += 1
                else:
                    threading.Thread(target=self._handshake, args=(client,), daemon=True).start()

    def _handshake(self, client):
        with contextlib.suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self.target_port))
            self._sockets.append(server)
            client.sendall(server.recv(4096))
            said = b""
            while len(said) <= SSL_REQUEST_BYTES:
                more = client.recv(4096)
                if not more:
                    return
                said += more
            self.reached += 1

    def discard(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for each in [self._listener, *self._sockets]:
            each.close()
