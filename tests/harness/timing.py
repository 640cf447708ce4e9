# SPDX-License-Identifier: MIT
"""Deadlines and waiting. Nothing here sleeps for a guessed time: a condition is looked at until
it holds, and every limit is multiplied by EF_TEST_TIMEOUT_SCALE (slow machines, sanitizers)."""

import os
import time

SCALE = float(os.environ.get("EF_TEST_TIMEOUT_SCALE", "1"))


class NotInTime(AssertionError):
    """A condition did not come true before its deadline."""


def scaled(seconds):
    return seconds * SCALE


def wait_for(condition, timeout, what, interval=0.02):
    """Returns the first true value of condition(). Exceptions of condition() pass through."""
    end = time.monotonic() + scaled(timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise NotInTime(f"not within {scaled(timeout):g} s: {what} (last seen: {value!r})")
        time.sleep(interval)


def stays(condition, seconds, what, interval=0.05):
    """Asserts that condition() holds all through a period. The period is the thing under test,
    so it is not scaled."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if not value:
            raise AssertionError(f"did not stay so for {seconds:g} s: {what} (now: {value!r})")
        time.sleep(interval)
