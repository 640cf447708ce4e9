# SPDX-License-Identifier: MIT
"""The tests of the Debian package share one box for each suite, and run in the order of the file:
what one leaves is where the next begins, as on a machine somebody owns.

Environment: EF_DEBS (directory with the packages), EF_PACKAGE_SUITES (bookworm; "bookworm trixie"),
EF_RPMS, EF_NEWER_RPMS (directories with RPM packages, whose tests are left out without them),
EF_BUILD (the build whose eventferryctl makes the tables), EF_TEST_TIMEOUT_SCALE."""

import glob
import os
import signal

import pytest

from box import Box
from stand import Stand

collect_ignore = [] if "EF_RPMS" in os.environ else ["test_rpm_package.py"]
SUITES = os.environ.get("EF_PACKAGE_SUITES", "bookworm").split()


def _end(_number, _frame):
    raise KeyboardInterrupt


def pytest_configure(config):
    signal.signal(signal.SIGTERM, _end)  # boxes and servers go away then, too
    if os.geteuid() != 0:
        raise pytest.UsageError("these tests boot systemd in namespaces of its own: run them as root")


@pytest.fixture(scope="session")
def deb():
    """The package under test, from make deb."""
    found = [path for path in glob.glob(os.path.join(os.environ["EF_DEBS"], "eventferry_*.deb"))]
    assert len(found) == 1, f"EF_DEBS={os.environ['EF_DEBS']} holds {found}"
    return found[0]


@pytest.fixture(scope="session")
def stand():
    """A database and a broker on the host, which every box can reach."""
    made = Stand()
    yield made
    made.discard()


@pytest.fixture(scope="module", params=SUITES)
def box(request):
    machine = Box(request.param)
    try:
        machine.boot()
        yield machine
    finally:
        machine.discard()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows what the box's journal says about our units."""
    outcome = yield
    report = outcome.get_result()
    machine = item.funcargs.get("box")
    if report.failed and machine is not None and machine.process is not None:
        done = machine.run("journalctl", "--no-pager", "-n", "25", "-u", "eventferryd*", "-u",
                           "init.scope", expect=None)
        report.sections.append(("the box's journal", done.stdout + done.stderr))
