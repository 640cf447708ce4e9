# SPDX-License-Identifier: MIT
"""Stands where a PostgreSQL server should, lets everybody in, and answers each statement with the
beginning of a COPY (PostgreSQL, chapter "Frontend/Backend Protocol")."""

import socket
import struct
import threading

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


SETTINGS = {"server_version": "15.4", "default_transaction_read_only": "off", "in_hot_standby": "off"}
WELCOME = (message(b"R", struct.pack("!i", 0))
           + b"".join(message(b"S", f"{name}\0{value}\0".encode())
                      for name, value in SETTINGS.items())
           + message(b"K", struct.pack("!ii", 1, 1)) + message(b"Z", b"I"))
COPY_OUT = message(b"1") + message(b"2") + message(b"H", struct.pack("!bhh", 0, 1, 0))


class Copying:
    def __init__(self):
        self.sessions = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            with client:
                while True:
                    size, code = struct.unpack("!ii", client.recv(8, socket.MSG_WAITALL))
                    if code not in (SSL_REQUEST, GSS_REQUEST):
                        break
                    client.sendall(b"N")
                client.recv(size - 8, socket.MSG_WAITALL)
                client.sendall(WELCOME)
                self.sessions += 1
                while client.recv(65536):
                    client.sendall(COPY_OUT)
        except (OSError, struct.error):
            pass

    def discard(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # close() alone wakes no thread in accept()
        self.listener.close()
