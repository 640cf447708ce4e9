# SPDX-License-Identifier: MIT
"""The demo is a test: it must agree with itself, leave nothing behind, and work for anyone."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from harness.daemon import REPOSITORY, build_directory
from harness.processes import as_root, scratch
from harness.timing import scaled, wait_for

DEMO = os.path.join(REPOSITORY, "scripts", "demo")


def environment(scratch_directory):
    return {**os.environ, "EF_BUILD": build_directory(), "DEMO_SECONDS": "3",
            "EF_TEST_TMP": scratch_directory}


@pytest.fixture
def room():
    """A directory for all that the demo makes; what is left in it was left behind."""
    path = scratch("ef-room-")
    os.chmod(path, 0o777)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def processes_in(path):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as command:
                if path.encode() in command.read():
                    found.append(pid)
        except OSError:
            continue
    return found


def summary(text):
    return {name: int(number.replace(" ", "")) for name, number in
            re.findall(r"^  ([a-z ]+?) {2,}([\d ]*\d)  ", text, re.MULTILINE)}


def test_demo_agrees_with_itself_and_leaves_nothing(room):
    done = subprocess.run([DEMO], env=environment(room), capture_output=True, text=True,
                          timeout=scaled(60), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = summary(done.stdout)
    assert figures["committed"] == figures["delivered"] > 50, done.stdout
    assert figures["rolled back"] > 0
    assert [figures[name] for name in ("lost", "invented", "repeated", "out of order")] == [0] * 4
    assert "COMMIT" in done.stdout and "ROLLBACK" in done.stdout and "ARRIVED" in done.stdout
    assert os.listdir(room) == [] and processes_in(room) == []
    assert done.stderr == ""


def test_interrupted_demo_leaves_nothing(room):
    child = subprocess.Popen([DEMO], env={**environment(room), "DEMO_SECONDS": "60"},
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in child.stdout:
        if "ARRIVED" in line:
            break
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=scaled(20))
    assert child.returncode == 130
    wait_for(lambda: os.listdir(room) == [] and processes_in(room) == [], 10, "nothing is left")


def test_demo_works_for_an_ordinary_user(room):
    """As root: run as nobody, from a copy that nobody can read."""
    if not as_root():
        assert os.geteuid() != 0  # the first test ran as an ordinary user already
        return
    for name in ("scripts", "tests"):
        shutil.copytree(os.path.join(REPOSITORY, name), os.path.join(room, "copy", name))
    for name in ("eventferryd", "eventferryctl"):
        os.makedirs(os.path.join(room, "build"), exist_ok=True)
        shutil.copy(os.path.join(build_directory(), name), os.path.join(room, "build", name))
    work = os.path.join(room, "work")
    os.mkdir(work, 0o777)
    os.chmod(work, 0o777)
    done = subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--",
         os.path.join(room, "copy", "scripts", "demo")],
        env={**environment(work), "EF_BUILD": os.path.join(room, "build"), "HOME": "/nonexistent"},
        capture_output=True, text=True, timeout=scaled(60), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert os.listdir(work) == []
