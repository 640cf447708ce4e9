# SPDX-License-Identifier: MIT
"""A pipe for a process's output with a reader of our own, which can stand still or go away."""

import os
import threading


class LogPipe:
    """What is read goes into a file. hold() leaves everything in the pipe, which fills up and then
    takes no more; hang_up() closes the reading end, so that every further write fails."""

    def __init__(self, path):
        self._reader, self._writer = os.pipe()
        self._reading = threading.Event()
        self._reading.set()
        self._gone = False
        self._thread = threading.Thread(target=self._copy, args=(path,), name="log", daemon=True)
        self._thread.start()

    def fileno(self):
        return self._writer

    def handed_over(self):
        """The child has its own copy of the writing end; with ours open we would never see it end."""
        os.close(self._writer)

    def _copy(self, path):
        with open(path, "ab") as out:
            while not self._gone:
                data = os.read(self._reader, 65536)
                if not data:
                    break
                out.write(data)
                out.flush()
                self._reading.wait()
        os.close(self._reader)

    def hold(self):
        self._reading.clear()

    def release(self):
        self._reading.set()

    def hang_up(self):
        """Takes effect with the next bytes that come."""
        self._gone = True
        self._reading.set()

    def close(self):
        """The child has ended: what is left in the pipe is still read."""
        self.release()
        self._thread.join(5)
