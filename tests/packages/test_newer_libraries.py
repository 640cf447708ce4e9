# SPDX-License-Identifier: MIT
"""What is compiled only with newer libraries than this machine's: built where they are, and run
against real brokers. Rights on one topic (librdkafka 2.3) are such a part."""

import os
import re
import subprocess
import sys

import pytest

from elsewhere import Elsewhere
from harness.daemon import REPOSITORY
from harness.timing import scaled

TESTS = ("tests/integration/test_doctor_kafka.py", "tests/integration/test_operating_topics.py")


@pytest.fixture(scope="module")
def trixie():
    made = Elsewhere("trixie")
    yield made
    made.discard()


def test_librdkafka_is_the_newer_one(trixie):
    said = subprocess.run([os.path.join(trixie.build, "eventferryctl"), "--version"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    version = re.search(r"^librdkafka (\d+)\.(\d+)", said, re.M)
    assert tuple(map(int, version.groups())) >= (2, 8), said


def test_daemon_starts_with_its_newer_libraries(trixie):
    """Every symbol is there: what the daemon was linked with is what it finds."""
    subprocess.run([os.path.join(trixie.build, "eventferryd"), "--version"], check=True,
                   env={**os.environ, "LD_BIND_NOW": "1"}, stdout=subprocess.DEVNULL)


def test_topics_and_rights_as_the_newer_library_tells_them(trixie):
    """The integration tests of what eventferryctl asks brokers; here none of them is skipped."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", *TESTS], cwd=REPOSITORY, check=False,
        env={**os.environ, "EF_BUILD": trixie.build}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=scaled(600))
    assert done.returncode == 0, done.stdout[-10000:]
    assert "skipped" not in done.stdout, done.stdout
