# SPDX-License-Identifier: MIT
"""Names of metrics and of their labels in PromQL expressions: as much of the language as the
project's dashboard and alert rules use."""

import json
import re

WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
METRIC = re.compile(r"\b(?:eventferry|process)_[a-z_]+\b|\bup\b(?!\()")
# Prometheus sets these itself; "le" belongs to buckets, "alertname" to alerts.
OF_PROMETHEUS = {"job", "instance", "le"}


def metrics(expression):
    """Pairs of a metric's name and the set of labels its selector matches on."""
    found = []
    text = GROUPING.sub(" ", expression)
    for match in METRIC.finditer(text):
        labels = set()
        if text[match.end():match.end() + 1] == "{":
            inside = text[match.end() + 1:text.index("}", match.end())]
            labels = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', inside)))
        found.append((match[0], labels - OF_PROMETHEUS))
    return found


def grouped_by(expression):
    """Every label that the expression groups or matches by."""
    return {label for inside in GROUPING.findall(expression)
            for label in WORD.findall(inside)} - OF_PROMETHEUS


def of_dashboard(path):
    """Every expression of a Grafana dashboard, annotations and variables included."""
    board = json.load(open(path, encoding="utf-8"))
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    found += [note["expr"] for note in board["annotations"]["list"]]
    found += [variable["definition"] for variable in board["templating"]["list"]
              if "definition" in variable]
    return found


def of_rules(path):
    """Every expression of a file of rules: on the line of "expr:", or folded below it."""
    text = open(path, encoding="utf-8").read()
    return [" ".join((one or folded).split()) for folded, one in
            re.findall(r"^ +expr: (?:>-\n((?: {10}.*\n)+)|(.+)$)", text, re.M)]
