# SPDX-License-Identifier: MIT
"""A strict reader of Prometheus' text format (exposition format 0.0.4): what it accepts, a scraper
accepts, and what promtool complains about in a page, it complains about too."""

import math
import re
from collections import namedtuple

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)\Z")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|\Z)')
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}

Sample = namedtuple("Sample", "name labels value")


class BadPage(AssertionError):
    """The page breaks the format."""


def _labels(text, line):
    found, position = {}, 0
    while position < len(text):
        match = LABEL.match(text, position)
        if not match:
            raise BadPage(f"unreadable labels: {line!r}")
        if match[1] in found:
            raise BadPage(f"label {match[1]} twice: {line!r}")
        found[match[1]] = re.sub(r'\\(["\\n])', lambda m: {"n": "\n"}.get(m[1], m[1]), match[2])
        position = match.end()
    return found


def _family_of(name, types):
    """The family a sample belongs to: histograms and summaries add suffixes to their name."""
    if name in types:
        return name
    for suffix in ("_bucket", "_sum", "_count"):
        stem = name[:-len(suffix)]
        if name.endswith(suffix) and types.get(stem) in ("histogram", "summary"):
            return stem
    raise BadPage(f"sample {name} has no TYPE line before it")


class Page:
    def __init__(self, text):
        self.types, self.helps, self.samples = {}, {}, []
        if not text.endswith("\n"):
            raise BadPage("the page does not end with a line feed")
        finished, current, seen = set(), None, set()
        for line in text.splitlines():
            if line.startswith("# "):
                self._comment(line)
                continue
            if not line:
                continue
            sample = self._sample(line)
            family = _family_of(sample.name, self.types)
            if family != current:
                if family in finished:
                    raise BadPage(f"samples of {family} are not together")
                finished.add(family)
                current = family
            identity = (sample.name, frozenset(sample.labels.items()))
            if identity in seen:
                raise BadPage(f"twice: {line!r}")
            seen.add(identity)
            self.samples.append(sample)

    def _comment(self, line):
        kind, name, rest = (line.split(" ", 3) + ["", "", ""])[1:4]
        if kind == "HELP":
            if name in self.helps:
                raise BadPage(f"second HELP for {name}")
            self.helps[name] = rest
        elif kind == "TYPE":
            if name in self.types or rest not in TYPES:
                raise BadPage(f"bad TYPE line: {line!r}")
            self.types[name] = rest

    @staticmethod
    def _sample(line):
        match = SAMPLE.match(line)
        if not match:
            raise BadPage(f"unreadable: {line!r}")
        try:
            value = float(match[3])
        except ValueError:
            raise BadPage(f"no number: {line!r}") from None
        return Sample(match[1], _labels(match[2] or "", line), value)

    def lint(self):
        """The complaints promtool would have, as a list of sentences."""
        complaints = []
        for name, kind in self.types.items():
            if not self.helps.get(name):
                complaints.append(f"{name}: no help text")
            if kind == "counter" and not name.endswith("_total"):
                complaints.append(f"{name}: counter without _total")
            if kind != "counter" and name.endswith("_total"):
                complaints.append(f"{name}: _total on a {kind}")
            if re.search(r"_(ms|milliseconds|us|kilobytes|mib)(_|\Z)", name):
                complaints.append(f"{name}: not a base unit")
            if re.search("[A-Z]", name):
                complaints.append(f"{name}: capital letters")
            if kind == "histogram":
                complaints += self._lint_histogram(name)
        for sample in self.samples:
            if {"instance", "job"} & set(sample.labels):
                complaints.append(f"{sample.name}: label that Prometheus sets itself")
        return complaints

    def _lint_histogram(self, name):
        complaints, series = [], {}
        for sample in self.samples:
            if sample.name == name + "_bucket":
                rest = {k: v for k, v in sample.labels.items() if k != "le"}
                series.setdefault(frozenset(rest.items()), []).append(
                    (float(sample.labels["le"]), sample.value))
        for labels, buckets in series.items():
            bounds, counts = [b for b, _ in buckets], [c for _, c in buckets]
            if bounds != sorted(set(bounds)) or bounds[-1] != math.inf:
                complaints.append(f"{name}: buckets out of order or no +Inf")
            if counts != sorted(counts):
                complaints.append(f"{name}: buckets do not add up")
            if self.value(name + "_count", **dict(labels)) != counts[-1]:
                complaints.append(f"{name}: _count is not the last bucket")
        return complaints

    def select(self, name, **labels):
        return [s for s in self.samples if s.name == name
                and all(s.labels.get(key) == value for key, value in labels.items())]

    def value(self, name, **labels):
        """The sum over the matching series; None when there is none."""
        found = self.select(name, **labels)
        return sum(sample.value for sample in found) if found else None

    def total(self, name, **labels):
        return self.value(name, **labels) or 0.0
