# SPDX-License-Identifier: MIT
"""A wall clock that jumps, for one process, by libfaketime. The monotonic clock stays true, as it
does on a machine whose time is set."""

import glob
import os

from .processes import remove, scratch

PLACES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")


def library():
    found = [path for place in PLACES for path in glob.glob(place)]
    if not found:
        raise FileNotFoundError("libfaketime is not installed")
    return found[0]


class FakeClock:
    def __init__(self):
        self.directory = scratch("ef-clock-")
        self._path = os.path.join(self.directory, "offset")
        self.jump(0)

    @property
    def environment(self):
        return {"LD_PRELOAD": library(), "FAKETIME_TIMESTAMP_FILE": self._path,
                "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1"}

    def jump(self, seconds):
        """The process's clock is so many seconds ahead of the machine's (behind: negative) within a
        second from now. Renamed into place: the library must not read half a number."""
        with open(self._path + ".new", "w", encoding="ascii") as out:
            out.write(f"{seconds:+d}\n")
        os.rename(self._path + ".new", self._path)

    def discard(self):
        remove(self.directory)
