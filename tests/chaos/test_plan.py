# SPDX-License-Identifier: MIT
"""A seed is a plan: the same one draws the same nemeses, and these draw the same for themselves."""

from collections import Counter

from .catalogue import CATALOGUE
from .nemesis import chance_of, draw

def test_same_seed_same_plan():
    assert draw(7, 200) == draw(7, 200)
    assert draw(7, 200) != draw(8, 200)
    step = draw(7, 1)[0]
    assert chance_of(7, step).random() == chance_of(7, step).random()


def test_longer_run_begins_as_the_shorter_one():
    assert draw(7, 300)[:200] == draw(7, 200)


def test_every_nemesis_comes_before_any_comes_again():
    names = [step.name for step in draw(3, len(CATALOGUE))]
    assert Counter(names) == Counter(CATALOGUE.keys())
    assert len(CATALOGUE) > 40


def test_plan_of_a_few_names_holds_only_those():
    assert {step.name for step in draw(3, 10, ["relay_killed", "slow_kafka"])} \
        == {"relay_killed", "slow_kafka"}
