# SPDX-License-Identifier: MIT
"""Fixtures: servers for the whole session, a scene for each test. Real servers are required: there
is no chaos without them."""

import os
import signal

import pytest

from harness.kafka import have_real_kafka

from .nemesis import DATABASES
from .scene import Scene
from .servers import Servers

SEED = int(os.environ.get("CHAOS_SEED") or "0xef", 0)


def _end(_number, _frame):
    raise KeyboardInterrupt


def pytest_configure(config):
    signal.signal(signal.SIGTERM, _end)  # servers and directories go away then, too


@pytest.fixture(scope="session")
def servers():
    real, why_not = have_real_kafka()
    if not real:
        if os.environ.get("EF_REQUIRE_KAFKA") == "1":
            raise RuntimeError(f"EF_REQUIRE_KAFKA=1, but no real Kafka: {why_not}")
        pytest.skip(f"no real Kafka: {why_not}")
    made = Servers()
    yield made
    made.discard()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    scene = getattr(item, "ef_scene", None)
    if report.failed and scene is not None:
        for relay in scene.relays:
            if relay.process is not None and os.path.exists(relay.directory):
                tail = "\n".join(relay.log_text().splitlines()[-80:])
                report.sections.append((scene.name_of(relay), tail))


@pytest.fixture(params=DATABASES)
def database(request):
    return request.param


@pytest.fixture
def scene(servers, database, request):
    """Not started. Whatever a test leaves broken is mended for the next one."""
    made = request.node.ef_scene = Scene(servers, database, SEED, threads=4,
                                         pause_s=(0.005, 0.04))
    yield made
    try:
        servers.heal()
    finally:
        made.discard()
