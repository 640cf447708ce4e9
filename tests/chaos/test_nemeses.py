# SPDX-License-Identifier: MIT
"""Each nemesis by itself, so that a failure names its cause. A run of the whole (make chaos) lets
them meet. What tests/integration has alone already is only met there."""

import random

import pytest

from .catalogue import CATALOGUE, nemeses_of
from .conftest import SEED

# Database -> nemesis -> the integration test that holds it alone.
ELSEWHERE = {
    "postgres": {
        "relay_killed": "test_crash", "relay_stopped": "test_crash",
        "relay_frozen": "test_ownership", "relay_reloaded": "test_reload",
        "outbox_paused": "test_many_outboxes", "log_blocked": "test_life",
        "log_closed": "test_life", "broker_killed": "test_outages",
        "brokers_all_killed": "test_outages", "database_restarted_fast": "test_database_faults",
        "database_restarted_immediate": "test_database_faults",
        "database_frozen": "test_database_faults", "sessions_terminated": "test_database_faults",
        "pooler_restarted": "test_pooler", "slow_database": "test_database_faults",
        "silent_database": "test_database_faults", "refused_database": "test_database_faults"},
    "mariadb": {
        "database_restarted_fast": "test_mysql_faults",
        "database_restarted_immediate": "test_mysql_faults",
        "sessions_terminated": "test_mysql_faults", "server_read_only": "test_mysql_faults"},
}
OF_THE_GROUND = {"database", "table"}  # resources of nemeses that each database has in its own way


def alone():
    """(database, nemesis): what has nothing to do with the database is looked at on the first."""
    return [(database, name) for name, each in sorted(CATALOGUE.items())
            for database in each.databases[:None if each.resources & OF_THE_GROUND else 1]
            if name not in ELSEWHERE[database]]


@pytest.mark.parametrize("database, name", alone())
def test_alone(scene, name):
    scene.start()
    scene.write()
    scene.wait_written(60)
    scene.told = CATALOGUE[name].act(scene, random.Random(f"{SEED}/{name}"))
    scene.wait_written(60)
    verdict = scene.finish(calm=False)
    assert verdict.intact and not scene.findings, f"{scene.told}: {verdict} {scene.findings}"
    assert verdict.committed > 120


def test_clean_stops_repeat_nothing(scene):
    """The calm part of every run: each relay in turn is stopped and started under load."""
    scene.start()
    scene.write()
    scene.wait_written(100)
    verdict = scene.finish()
    assert verdict.intact and not scene.findings, f"{verdict} {scene.findings}"
    assert verdict.repeated == 0


def test_lists_name_what_there_is():
    for database, names in ELSEWHERE.items():
        assert set(names) <= nemeses_of(database)
