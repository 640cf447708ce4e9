# SPDX-License-Identifier: MIT
"""The store contract (tests/unit/store_suite.c) against real servers; the program is Check's."""

import os
import re
import subprocess

import pytest

from conftest import from_maven
from harness.daemon import build_directory
from harness.outbox import RELAY
from harness.setup import fresh_database, retire
from harness.timing import scaled

PROGRAM = os.path.join(build_directory(), "tests", "contract", "contract")


def run_contract(variables):
    done = subprocess.run([PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=scaled(280), env={**os.environ, **variables})
    summary = re.search(r"Checks: (\d+), Failures: (\d+), Errors: (\d+)", done.stdout)
    assert summary, done.stdout
    assert done.returncode == 0, done.stdout
    assert int(summary.group(1)) > 70


@pytest.fixture(scope="module")
def postgres13():
    """The oldest that is served."""
    yield from from_maven(13)


@pytest.fixture(scope="module")
def postgres17():
    yield from from_maven(17)


@pytest.fixture(params=["postgres13", "system_postgres", "postgres17", "postgres18"])
def any_db(request):
    database = fresh_database(request.getfixturevalue(request.param))
    yield database
    retire(database)


@pytest.mark.limit(300)
def test_store_contract(any_db):
    run_contract({"EF_TEST_PG_URL": any_db.url(RELAY),
                  "EF_TEST_PG_ADMIN_URL": any_db.url(),
                  "EF_TEST_PG_SERVER_URL": any_db.server.url("postgres")})


@pytest.mark.limit(300)
def test_store_contract_on_mysql(my_db):
    run_contract({"EF_TEST_MYSQL_URL": my_db.url(RELAY), "EF_TEST_MYSQL_RELAY": RELAY,
                  "EF_TEST_MYSQL_SOCKET": my_db.server.socket,
                  "EF_TEST_MYSQL_DATABASE": my_db.name})
