# SPDX-License-Identifier: MIT
"""Running eventferryctl doctor, and reading what it found."""

import json
import re

from .daemon import ctl


class Found:
    def __init__(self, done):
        self.code = done.returncode
        self.text = done.stdout + done.stderr
        assert done.returncode in (0, 1, 2, 69), self.text
        self.all = json.loads(done.stdout)["findings"]

    def of(self, identity):
        found = [each for each in self.all if each["id"] == identity]
        assert found, f"nothing about {identity}:\n{self.text}"
        return found

    def level(self, identity):
        return max((each["level"] for each in self.of(identity)),
                   key=["OK", "WARN", "FAIL"].index)

    def bad(self, identity):
        """The only finding of that kind that is not well."""
        found = [each for each in self.of(identity) if each["level"] != "OK"]
        assert len(found) == 1, found
        return found[0]

    def mends(self, identity):
        found = self.bad(identity)
        assert found["mend"], found
        return found["mend"]


def examine(config, *arguments, env=None):
    return Found(ctl("--config", config.config_path, "doctor", "--json", *arguments, env=env,
                     expect=None, timeout=60))


def librdkafka():
    """The version that eventferryctl runs with, as (2, 0, 2)."""
    text = re.search(r"^librdkafka ([0-9.]+)", ctl("--version").stdout, re.M)[1]
    return tuple(map(int, text.split(".")))


def warned(found, identity):
    return found if found.level(identity) == "WARN" else None
