# SPDX-License-Identifier: MIT
"""A TCP proxy whose faults a test turns on and off: delay, slices, cut, refuse, silence in one
direction or both, and a peer that is gone without the other one knowing."""

import asyncio
import threading
import time

from .processes import free_port

CHUNK_BYTES = 65536
SLICE_PAUSE_S = 0.001  # between slices, so that the receiver sees each by itself
CLIENT, SERVER = "client", "server"


class Connection:
    """One client with its server side; both directions share the proxy's faults."""

    def __init__(self, proxy, reader, writer, upstream_reader, upstream_writer):
        self.proxy = proxy
        self.reader, self.writer = reader, writer
        self.upstream_reader, self.upstream_writer = upstream_reader, upstream_writer
        self.first_bytes = b""  # the client's, to tell connections apart (application_name)
        self.cut_at_reply = False
        self.forsaken = False
        for each in (writer, upstream_writer):  # written means gone: an end overtakes nothing
            each.transport.set_write_buffer_limits(high=0)

    async def run(self):
        there = asyncio.ensure_future(self._pump(self.reader, self.upstream_writer, True))
        back = asyncio.ensure_future(self._pump(self.upstream_reader, self.writer, False))
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
            if self.forsaken:  # the side that is left hears nothing, not even an end
                await self.proxy.mended.wait()
        finally:
            there.cancel()
            back.cancel()
            self.abort()

    async def _pump(self, source, target, from_client):
        """Reading and writing are two tasks, so that a delay does not become a lower rate."""
        queue = asyncio.Queue(64)

        async def read():
            while True:
                try:
                    data = await source.read(CHUNK_BYTES)
                except OSError:
                    data = b""  # a reset ends the connection as an end does
                await queue.put((time.monotonic() + self.proxy.latency, data))
                if not data:
                    return

        task = asyncio.ensure_future(read())
        flowing = self.proxy.to_server if from_client else self.proxy.to_client
        try:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await flowing.wait()
                if not data:
                    return
                if not self._admit(data, from_client):
                    self.abort()
                    return
                await self._write(target, data)
        except (ConnectionError, OSError):
            return
        finally:
            task.cancel()

    async def _write(self, target, data):
        """The size is looked at for each slice: it may be changed while one chunk goes out."""
        while data:
            size = self.proxy.slice_bytes
            target.write(data[:size] if size else data)
            data = data[size:] if size else b""
            await target.drain()
            if data:
                await asyncio.sleep(SLICE_PAUSE_S)

    def _admit(self, data, from_client):
        """False when this piece is where the connection must break."""
        if from_client:
            if len(self.first_bytes) < 4096:
                self.first_bytes += data[:4096]
            pattern = self.proxy.lost_reply_pattern
            if pattern and pattern in data:
                self.proxy.lost_reply_pattern = None
                self.cut_at_reply = True
            return True
        if self.cut_at_reply:
            self.proxy.lost_replies += 1
            return False
        return True

    def abort(self, side=None):
        """Breaks with a reset, as a lost peer would: both sides, or one."""
        for name, writer in ((CLIENT, self.writer), (SERVER, self.upstream_writer)):
            if side in (None, name):
                writer.transport.abort()


class Proxy:
    """Forwards 127.0.0.1:port to another local port. Runs a loop of its own in a thread."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.port = free_port()
        self.latency = 0.0  # seconds, each way
        self.slice_bytes = 0  # the most that is passed on at once; 0 is everything
        self.lost_reply_pattern = None
        self.lost_replies = 0
        self.attempts = []  # time.monotonic() of every connection a client opened
        self._connections = set()
        self._refusing = False
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="proxy", daemon=True)
        self._thread.start()
        self._ready.wait(10)

    def _serve(self):
        asyncio.set_event_loop(self._loop)
        self.to_server, self.to_client, self.mended = (asyncio.Event() for _ in range(3))
        self.to_server.set()
        self.to_client.set()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, "127.0.0.1", self.port))
        self._ready.set()
        self._loop.run_forever()
        self._server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _accept(self, reader, writer):
        self.attempts.append(time.monotonic())
        if self._refusing:
            writer.transport.abort()
            return
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        connection = Connection(self, reader, writer, *upstream)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    def _call(self, function):
        done = threading.Event()

        def run():
            function()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(10)

    def cut(self, marker=None):
        """Resets the open connections: all, or those whose client began with this marker."""
        def cut_all():
            for connection in list(self._connections):
                if marker is None or marker in connection.first_bytes:
                    connection.abort()
        self._call(cut_all)

    def forsake(self, side):
        """Half-open connections: this side's peer is gone with a reset, the other side goes on
        believing in it, until mend()."""
        def leave():
            self.mended.clear()
            for connection in list(self._connections):
                connection.forsaken = True
                connection.abort(side)
        self._call(leave)

    def mend(self):
        """Takes every fault back. Connections that were left half open end."""
        self.latency, self.slice_bytes, self.lost_reply_pattern = 0.0, 0, None
        self._refusing = False

        def flow():
            self.to_server.set()
            self.to_client.set()
            self.mended.set()
        self._call(flow)

    def retarget(self, port):
        """New connections lead to another port; the open ones are cut, as when an address moves."""
        self.target_port = port
        self.cut()

    def refuse(self, on=True):
        """New connections are accepted and reset at once, the open ones are cut."""
        self._refusing = on
        if on:
            self.cut()

    def blackhole(self, on=True, side=None):
        """Nothing passes any more to this side, or to none, and nobody is told: as when a cable is
        pulled."""
        def turn():
            for name, event in ((SERVER, self.to_server), (CLIENT, self.to_client)):
                if side in (None, name):
                    event.clear() if on else event.set()
        self._call(turn)

    def lose_reply_of(self, pattern):
        """The next request that contains these bytes reaches the server; its reply does not come
        back: the connection breaks instead."""
        self.lost_reply_pattern = pattern

    @property
    def open_connections(self):
        return len(self._connections)

    def attempts_since(self, moment):
        return sum(1 for at in self.attempts if at >= moment)

    def discard(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
