# SPDX-License-Identifier: MIT
"""The programs as a newer Debian builds them: its compiler, its headers, its libraries. They run on
this machine, with the libraries they were built with.

The tree (box.make_tree) stays as it is: the sources are a copy that is mounted into it, in a name
space of its own, and what is built lies in that copy."""

import glob
import os
import re
import shutil
import subprocess
import tempfile

from box import make_tree
from harness.daemon import REPOSITORY

COMPILING = ("binutils", "gcc", "libc6-dev", "make")
# What dpkg-buildpackage wants beside what the programs are made of.
PACKAGING = ("debhelper-compat", "dh-sequence-installsysusers", "check", "systemd-dev")
PROGRAMS = ("eventferryctl", "eventferryd")
BUILD = """
mount --make-rprivate /
mount --bind "$2" "$1/mnt"
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
tree=$1
shift 2
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 WERROR=1 \
    chroot "$tree" sh -ec 'cd /mnt && exec make -j"$(nproc)" "$@"' make "$@"
"""


def build_depends():
    """Of debian/control, the first of alternatives each."""
    with open(os.path.join(REPOSITORY, "debian/control"), encoding="utf-8") as control:
        field = re.search(r"^Build-Depends:(.*(?:\n .*)*)", control.read(), re.M)[1]
    named = [re.match(r"\s*([a-z0-9.+-]+)", each)[1] for each in field.split(",")]
    assert "librdkafka-dev" in named, named
    return [name for name in named if name not in PACKAGING]


class Elsewhere:
    """build: a directory for EF_BUILD. All of it goes with discard(), the tree stays."""

    def __init__(self, suite):
        self.tree = make_tree(suite, *COMPILING, *build_depends())
        self.directory = tempfile.mkdtemp(prefix="ef-elsewhere-",
                                          dir=os.environ.get("EF_TEST_TMP", "/tmp"))
        self.sources = os.path.join(self.directory, "sources")
        self.build = os.path.join(self.directory, "build")
        try:
            self._copy()
            self._make()
            self._wrap()
        except BaseException:
            self.discard()
            raise

    def _copy(self):
        listed = subprocess.run(["scripts/list-files"], cwd=REPOSITORY, check=True, text=True,
                                stdout=subprocess.PIPE).stdout.split("\n")
        for path in filter(None, listed):
            target = os.path.join(self.sources, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(os.path.join(REPOSITORY, path), target)

    def _make(self):
        """With warnings as errors, as ours."""
        done = subprocess.run(
            ["unshare", "-m", "bash", "-ec", BUILD, "build", self.tree, self.sources,
             *[f"build/{program}" for program in PROGRAMS]],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout[-5000:]

    def _wrap(self):
        """The tree's own loader and C library, too: they may be newer than this machine's."""
        loader = os.path.realpath(glob.glob(os.path.join(self.tree, "usr/lib*/ld-linux*.so.*"))[0])
        libraries = os.path.dirname(
            glob.glob(os.path.join(self.tree, "usr/lib/*/librdkafka.so.1"))[0])
        os.makedirs(self.build)
        for program in PROGRAMS:
            path = os.path.join(self.build, program)
            with open(path, "w", encoding="utf-8") as out:
                out.write(f"#!/bin/sh\nexec '{loader}' --library-path '{libraries}' "
                          f"'{self.sources}/build/{program}' \"$@\"\n")
            os.chmod(path, 0o755)

    def discard(self):
        shutil.rmtree(self.directory)
