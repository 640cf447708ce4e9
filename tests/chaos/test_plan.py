# SPDX-License-Identifier: MIT
"""A seed is a plan: the same one draws the same nemeses, and these draw the same for themselves."""

from collections import Counter

import pytest

from .catalogue import CATALOGUE, DATABASES, nemeses_of
from .nemesis import chance_of, draw

ALL = nemeses_of("postgres")


def test_same_seed_same_plan():
    assert draw(7, 200, ALL) == draw(7, 200, ALL)
    assert draw(7, 200, ALL) != draw(8, 200, ALL)
    step = draw(7, 1, ALL)[0]
    assert chance_of(7, step).random() == chance_of(7, step).random()


def test_longer_run_begins_as_the_shorter_one():
    assert draw(7, 300, ALL)[:200] == draw(7, 200, ALL)


@pytest.mark.parametrize("database", DATABASES)
def test_every_nemesis_comes_before_any_comes_again(database):
    there = nemeses_of(database)
    names = [step.name for step in draw(3, len(there), there)]
    assert Counter(names) == Counter(there)
    assert len(there) > 40


def test_every_nemesis_is_of_some_database():
    assert set().union(*map(nemeses_of, DATABASES)) == set(CATALOGUE)


def test_plan_of_a_few_names_holds_only_those():
    assert {step.name for step in draw(3, 10, ["relay_killed", "slow_kafka"])} \
        == {"relay_killed", "slow_kafka"}
