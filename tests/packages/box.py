# SPDX-License-Identifier: MIT
"""A Debian tree whose own systemd runs as process 1, in namespaces of its own: a machine to install
packages on, in a second and without a container manager. It wants root.

The tree is the machine's disk; what is on it stays over a boot. The network is the host's, so that
servers of the tests are at 127.0.0.1. Control groups are a branch of the host's version 2 tree,
which on some hosts has no controllers: limits can be seen in units, but need not act."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile

from harness.artifacts import cache
from harness.timing import scaled, wait_for

# What a machine has before our package comes: a service manager, its bus, and the tools that the
# tests themselves look with.
PACKAGES = ("systemd", "systemd-sysv", "dbus", "ca-certificates", "util-linux", "procps")

# A cgroup of our own first, so that the new cgroup namespace begins there.
OUTSIDE = """
mount --make-rprivate /
mount -t cgroup2 cgroup2 "$1/mnt"
mkdir "$1/mnt/$2"
echo $$ >"$1/mnt/$2/cgroup.procs"
exec unshare -fpmCiu --kill-child --propagation private bash -ec "$3" inside "$1"
"""
INSIDE = """
umount "$1/mnt"
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
# The kernel is the host's: nothing in here may set its variables.
mount --bind -o ro proc/sys proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    IFS=: read -r name major minor <<<"$node"
    mknod -m 666 "dev/$name" c "$major" "$minor"
done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/1 dev/stdout
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
hostname box
# As on a real machine (systemd leaves this to whoever makes a container): credentials of units are
# mounted by a helper in a name space of its own, and must be seen outside of it.
mount --make-rshared .
exec env -i container=box TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    chroot . /lib/systemd/systemd --system --log-target=journal --show-status=no
"""


def mirror():
    """Where this machine gets Debian's packages; None leaves it to mmdebstrap."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages",
         "Origin: Debian"], stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.split()[0] if done.stdout.split() else None


def make_tree(suite, *packages):
    """A clean tree of that suite in the cache, made when it is not there yet. Not to be changed."""
    wanted = (suite, *PACKAGES, *packages)
    name = f"{suite}-{hashlib.sha256(' '.join(wanted).encode()).hexdigest()[:10]}"
    tree = cache("trees", name)
    os.makedirs(cache("trees"), exist_ok=True)
    with open(cache("trees", name + ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(tree):
            part = tree + ".part"
            shutil.rmtree(part, ignore_errors=True)
            done = subprocess.run(
                ["mmdebstrap", "--quiet", "--variant=minbase",
                 "--include=" + ",".join(wanted[1:]), suite, part] + list(filter(None, [mirror()])),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            assert done.returncode == 0, done.stdout
            os.rename(part, tree)
    return tree


class Box:
    """A copy of a clean tree, switched on and off. All of it goes with discard()."""

    def __init__(self, suite, *packages):
        self.suite = suite
        self.directory = tempfile.mkdtemp(prefix="ef-box-", dir=os.environ.get("EF_TEST_TMP", "/tmp"))
        os.chmod(self.directory, 0o755)
        self.root = os.path.join(self.directory, "root")
        self.boots = 0
        self.process = None
        self.pid = None
        subprocess.run(["cp", "-a", "--reflink=auto", make_tree(suite, *packages), self.root],
                       check=True)
        shutil.copyfile("/etc/resolv.conf", self.path("/etc/resolv.conf"))
        self.write("/etc/hosts", "127.0.0.1 localhost box\n")
        # Nothing in here is the box's to load, to log in at, or to do by itself in the night.
        for unit in ("getty.target", "systemd-modules-load.service", "apt-daily.timer",
                     "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"):
            link = self.path("/etc/systemd/system", unit)
            if not os.path.lexists(link):
                os.symlink("/dev/null", link)

    @property
    def log_path(self):
        return os.path.join(self.directory, f"boot.{self.boots}.log")

    def boot(self):
        self.boots += 1
        group = f"ef-box-{os.getpid()}-{os.path.basename(self.directory)}-{self.boots}"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "bash", "-ec", OUTSIDE,
                 "outside", self.root, group, INSIDE], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT)
        self.group = group
        self.pid = wait_for(self._init, 10, f"the box's process 1: {self.log()}")
        wait_for(self._up, 60, "the box has booted", interval=0.1)

    def _init(self):
        assert self.process.poll() is None, self.log()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                      encoding="ascii") as children:
                for child in children.read().split():
                    with open(f"/proc/{child}/comm", encoding="ascii") as name:
                        if name.read().strip() == "systemd":
                            return int(child)
        return None

    def _up(self):
        assert self.process.poll() is None, self.log()
        return self.run("systemctl", "is-system-running", expect=None).stdout.strip() in (
            "running", "degraded")

    def shut_down(self):
        """As a machine goes down: every unit is stopped in order."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.run("systemctl", "--no-block", "poweroff", expect=None)
            try:
                self.process.wait(scaled(90))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"the box does not go down:\n{self.log()}") from None
        self._remove_group()
        self.process = self.pid = None

    def _remove_group(self):
        """The host's tree of control groups keeps nothing of the box."""
        subprocess.run(
            ["unshare", "-m", "bash", "-c",
             'mount --make-rprivate / && mount -t cgroup2 cgroup2 "$1/mnt" && '
             'find "$1/mnt/$2" -depth -type d -exec rmdir {} +', "remove", self.root,
             self.group], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def discard(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()  # the kernel ends what is in the namespaces with it
            self.process.wait()
            wait_for(lambda: not os.path.exists(f"/proc/{self.pid}"), 10, "the box has ended")
            self._remove_group()
        shutil.rmtree(self.directory)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as text:
            return text.read()

    def run(self, *command, expect=0, timeout=120, stdin=None):
        """A command inside, as root; expect None takes any exit code."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-p", "-i", "-u", "-C", "-r", "-w", "env", "-i",
             "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
             "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER=cat", *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, input=stdin,
            timeout=scaled(timeout))
        if expect is not None:
            assert done.returncode == expect, \
                f"{' '.join(command)}: exit {done.returncode}, expected {expect}\n" \
                f"{done.stdout}{done.stderr}\n{self.log()[-3000:]}"
        return done

    def out(self, *command, **more):
        return self.run(*command, **more).stdout.strip()

    def show(self, unit, *names):
        """Properties of a unit as a dictionary, or the only one's value."""
        text = self.out("systemctl", "show", unit, *[f"--property={name}" for name in names])
        found = dict(line.split("=", 1) for line in text.splitlines())
        return found if len(names) > 1 else found[names[0]]

    # the disk

    def path(self, *parts):
        return os.path.join(self.root, *[part.lstrip("/") for part in parts])

    def read(self, path):
        with open(self.path(path), encoding="utf-8") as text:
            return text.read()

    def write(self, path, text, mode=0o644):
        with open(self.path(path), "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(self.path(path), mode)

    def exists(self, path):
        return os.path.lexists(self.path(path))

    def owner_and_mode(self, path):
        """As in "root:eventferry 750", by the box's own names of accounts."""
        return self.out("stat", "-c", "%U:%G %a", path)
