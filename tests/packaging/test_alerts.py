# SPDX-License-Identifier: MIT
"""contrib/prometheus/alerts.yml by Prometheus' own promtool: every alert fires when it should, and
stays silent in the nearest case in which it should not. Each case says which alerts fire at a time,
all of them, so none fires by the way either."""

import json
import os
import re
import shutil
import subprocess

import pytest

from harness import promql

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
RULES = os.path.join(TOP, "contrib/prometheus/alerts.yml")
DASHBOARD = os.path.join(TOP, "contrib/grafana/eventferry.json")
RUNBOOK = os.path.join(TOP, "docs/runbook.md")
PROMTOOL = os.environ.get("EF_PROMTOOL") or shutil.which("promtool")

R1 = 'job="ef",instance="r1"'
R2 = 'job="ef",instance="r2"'
O1 = R1 + ',outbox="orders"'
O2 = R2 + ',outbox="orders"'
INFO = {f"eventferry_build_info{{{R1}}}": "1x1000"}


def gauge(name, values, labels=O1):
    return {f"eventferry_{name}{{{labels}}}": values}


def state(name, values, labels=O1):
    return gauge("outbox_state", values, f'{labels},state="{name}"')


def buckets(name, quick, slow):
    """A histogram whose quick observations take at most 5 s (or 1 s), slow ones 10 s."""
    return {f'eventferry_{name}_bucket{{{O1},le="1"}}': f"0+{quick}x120",
            f'eventferry_{name}_bucket{{{O1},le="5"}}': f"0+{quick}x120",
            f'eventferry_{name}_bucket{{{O1},le="10"}}': f"0+{quick + slow}x120",
            f'eventferry_{name}_bucket{{{O1},le="+Inf"}}': f"0+{quick + slow}x120"}


# name of the case, series, [(minutes, alerts that fire)]; one value a minute.
CASES = [
    ("no relay at all", {'eventferry_build_info{job="ef",instance="r1"}': "1x5 stale"},
     [("4m", []), ("15m", ["EventferryAbsent"])]),
    ("a relay that is scraped", INFO, [("30m", [])]),
    ("a relay that went away, while another is there",
     {f"up{{{R1}}}": "1x10 0x20", f"eventferry_build_info{{{R1}}}": "1x10 stale",
      f"up{{{R2}}}": "1x30", f"eventferry_build_info{{{R2}}}": "1x30"},
     [("9m", []), ("12m", []), ("14m", ["EventferryDown"])]),
    ("another program that is down", {**INFO, 'up{job="db",instance="x"}': "0x60"}, [("30m", [])]),
    ("starts in a loop",
     {**INFO, f"process_start_time_seconds{{{R1}}}": "100x5 200x5 300x5 400x5 500x60"},
     [("17m", []), ("25m", ["EventferryRestarting"]), ("60m", [])]),
    ("another program starts in a loop",
     {**INFO, 'process_start_time_seconds{job="db",instance="x"}': "0+100x60"}, [("30m", [])]),
    ("not ready", {**INFO, **gauge("outbox_ready", "1x5 0x10 1x20")},
     [("5m", []), ("7m", []), ("9m", ["EventferryNotReady"]), ("17m", [])]),
    ("not ready for a moment", {**INFO, **gauge("outbox_ready", "1x5 0 1x20")}, [("7m", []), ("9m", [])]),
    ("misconfigured", {**INFO, **state("misconfigured", "0x5 1x10 0x9")},
     [("5m", []), ("8m", ["EventferryMisconfigured"]), ("17m", [])]),
    ("another kind of relay", {**INFO, **state("foreign", "0x5 1x20")},
     [("9m", []), ("12m", ["EventferryForeignRelay"])]),
    ("another kind of relay ends", {**INFO, **state("foreign", "1x3 0x20")}, [("10m", [])]),
    ("paused", {**INFO, **state("paused", "0x5 1x90")},
     [("60m", []), ("67m", ["EventferryPausedLong"])]),
    ("paused for half an hour", {**INFO, **state("paused", "1x30 0x90")}, [("70m", [])]),
    ("no owner", {**INFO, **gauge("lease_held", "1x5 0x20"), **gauge("lease_held", "0x25", O2)},
     [("5m", []), ("7m", []), ("9m", ["EventferryNoOwner"])]),
    ("the standby takes over",
     {**INFO, **gauge("lease_held", "1x5 0x20"), **gauge("lease_held", "0x6 1x19", O2)},
     [("9m", []), ("20m", [])]),
    ("leases are lost", {**INFO, **gauge("lease_lost_total", "0x5 1 2 3 4x30")},
     [("6m", []), ("10m", ["EventferryLeaseLost"]), ("35m", [])]),
    ("one failover", {**INFO, **gauge("lease_lost_total", "0x5 1x30")}, [("10m", [])]),
    ("an old event", {**INFO, **gauge("oldest_unfinished_age_seconds", "0x5 30+60x90")},
     [("6m", []), ("10m", ["EventferryOldEvents"]),
      ("30m", ["EventferryOldEvents", "EventferryVeryOldEvents"])]),
    ("events as they come", {**INFO, **gauge("oldest_unfinished_age_seconds", "55x90")}, [("30m", [])]),
    ("old events of a paused outbox",
     {**INFO, **gauge("oldest_unfinished_age_seconds", "0+60x50"), **state("paused", "1x50")},
     [("40m", [])]),
    ("a growing backlog", {**INFO, **gauge("backlog_rows", "10x10 1000+300x40")},
     [("15m", []), ("35m", ["EventferryBacklogGrowing"])]),
    ("a backlog that is worked off", {**INFO, **gauge("backlog_rows", "90000-2000x40")},
     [("20m", []), ("30m", [])]),
    ("a backlog that stays small", {**INFO, **gauge("backlog_rows", "0+15x50")}, [("40m", [])]),
    ("a huge backlog", {**INFO, **gauge("backlog_saturated", "0x5 1x20")},
     [("9m", []), ("12m", ["EventferryBacklogHuge"])]),
    ("a peak of the backlog", {**INFO, **gauge("backlog_saturated", "0x5 1x3 0x20")}, [("12m", [])]),
    ("slow acknowledgements", {**INFO, **buckets("seen_to_acked_seconds", 900, 100)},
     [("5m", []), ("25m", ["EventferrySlowAcknowledgements"])]),
    ("a few slow acknowledgements", {**INFO, **buckets("seen_to_acked_seconds", 9990, 10)}, [("25m", [])]),
    ("slow settles", {**INFO, **buckets("settle_duration_seconds", 90, 10)},
     [("5m", []), ("25m", ["EventferrySlowSettles"])]),
    ("a few slow settles", {**INFO, **buckets("settle_duration_seconds", 9990, 10)}, [("25m", [])]),
    ("a row dies", {**INFO, **gauge("rows_dead_total", "0x5 1x40", O1 + ',class="record"')},
     [("5m", []), ("7m", ["EventferryDeadRows"]), ("30m", [])]),
    ("rows that died before", {**INFO, **gauge("rows_dead_total", "7x40", O1 + ',class="record"')},
     [("20m", [])]),
    ("dead rows stay", {**INFO, **gauge("dead_rows", "0x5 3x1000")},
     [("700m", []), ("730m", ["EventferryDeadRowsWaiting"])]),
    ("dead rows are seen to", {**INFO, **gauge("dead_rows", "3x300 0x500")}, [("750m", [])]),
    ("many retries", {**INFO, **gauge("rows_retried_total", "0+600x40", O1 + ',class="transient"'),
                      **gauge("rows_settled_total", "0+6000x40", O1 + ',result="archived"')},
     [("5m", []), ("15m", ["EventferryManyRetries"])]),
    ("few retries", {**INFO, **gauge("rows_retried_total", "0+60x40", O1 + ',class="transient"'),
                     **gauge("rows_settled_total", "0+6000x40", O1 + ',result="archived"')},
     [("20m", [])]),
    ("a topic on hold", {**INFO, **gauge("topic_paused", "0x5 1x20 0x9", O1 + ',topic="orders"')},
     [("9m", []), ("12m", ["EventferryTopicPaused"]), ("28m", [])]),
    ("a topic on hold for a minute", {**INFO, **gauge("topic_paused", "1x1 0x20", O1 + ',topic="a"')},
     [("8m", [])]),
    ("ids go back", {**INFO, **gauge("id_regressions_total", "0x5 2x30")},
     [("5m", []), ("7m", ["EventferryIdRegressions"]), ("30m", [])]),
    ("ids went back once", {**INFO, **gauge("id_regressions_total", "9x30")}, [("20m", [])]),
    ("Kafka is down", {**INFO, **gauge("kafka_up", "1x5 0x10 1x9", R1)},
     [("5m", []), ("8m", ["EventferryKafkaDown"]), ("17m", [])]),
    ("producers are replaced",
     {**INFO, **gauge("kafka_producer_recreations_total", "0x5 1 3 5x40", R1 + ',reason="fate"')},
     [("5m", []), ("10m", ["EventferryProducerReplaced"]), ("30m", [])]),
    ("a producer is replaced",
     {**INFO, **gauge("kafka_producer_recreations_total", "1x5 2x40", R1 + ',reason="fate"')},
     [("10m", [])]),
    ("the database is down", {**INFO, **gauge("database_up", "1x5 0x10 1x9", R1 + ',database="shop"')},
     [("5m", []), ("8m", ["EventferryDatabaseDown"]), ("17m", [])]),
    ("rows in the default partition", {**INFO, **gauge("archive_default_rows", "0x5 8x30")},
     [("15m", []), ("22m", ["EventferryArchiveDefaultRows"])]),
    ("rows in the default partition for a while", {**INFO, **gauge("archive_default_rows", "8x9 0x30")},
     [("30m", [])]),
    ("many gaps", {**INFO, **gauge("gap_runs", "9999x5 10001x30")},
     [("5m", []), ("8m", []), ("13m", ["EventferryManyGaps"])]),
    ("some gaps", {**INFO, **gauge("gap_runs", "10000x60")}, [("30m", [])]),
    ("slow callbacks", {**INFO, **gauge("loop_slow_callbacks_total", "0+3x30", R1 + ',room="store"')},
     [("2m", []), ("15m", ["EventferrySlowCallbacks"])]),
    ("a slow callback now and then",
     {**INFO, **gauge("loop_slow_callbacks_total", "0x5 3x30", R1 + ',room="store"')}, [("10m", [])]),
    ("log lines are lost", {**INFO, **gauge("log_dropped_total", "0x5 40x30", R1)},
     [("5m", []), ("7m", ["EventferryLogDropped"]), ("25m", [])]),
    ("log lines were lost", {**INFO, **gauge("log_dropped_total", "40x30", R1)}, [("20m", [])]),
    ("a refused reload", {**INFO, **gauge("config_last_reload_successful", "1x5 0x10 1x9", R1)},
     [("5m", []), ("7m", ["EventferryReloadFailed"]), ("17m", [])]),
    ("a certificate that ends soon", {**INFO, **gauge(
        "warnings", "0x5 1x40 0x9", R1 + ',check="host.certificate",subject="host"')},
     [("15m", []), ("22m", ["EventferryWarning"]), ("50m", [])]),
    ("a transaction that was long", {**INFO, **gauge(
        "warnings", "0x5 1x10 0x40", R1 + ',check="db.transactions",subject="database db"')},
     [("18m", []), ("30m", [])]),
    ("a table that has no order", {**INFO, **gauge(
        "warnings", "1x60", R1 + ',check="table.order",subject="outbox orders"')},
     [("40m", [])]),
    ("few descriptors left", {**INFO, f"process_open_fds{{{R1}}}": "900x30",
                              f"process_max_fds{{{R1}}}": "1024x30"},
     [("4m", []), ("7m", ["EventferryFileDescriptors"])]),
    ("enough descriptors", {**INFO, f"process_open_fds{{{R1}}}": "700x30",
                            f"process_max_fds{{{R1}}}": "1024x30"}, [("10m", [])]),
    ("few descriptors of another program",
     {**INFO, 'process_open_fds{job="db",instance="x"}': "900x30",
      'process_max_fds{job="db",instance="x"}': "1024x30"}, [("10m", [])]),
]


def alerts():
    """Name of each alert to the text of its rule."""
    text = open(RULES, encoding="ascii").read()
    return {part.split("\n", 1)[0].strip(): part
            for part in re.split(r"^ *- alert: ", text, flags=re.M)[1:]}


def promtool(*arguments):
    if PROMTOOL is None and not os.environ.get("CI"):
        pytest.skip('no promtool here; "make deps" installs it')
    assert PROMTOOL, "promtool is missing, which make deps should have installed"
    return subprocess.run([PROMTOOL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120, check=False)


def run_cases(path, tests):
    path.write_text(json.dumps({  # JSON is YAML
        "rule_files": [RULES], "evaluation_interval": "1m",
        "tests": [{"interval": "1m", **test} for test in tests]}), encoding="ascii")
    return promtool("test", "rules", str(path))


def series(values):
    return [{"series": name, "values": text} for name, text in values.items()]


FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'


def case(name, values, expected):
    return {"name": name, "input_series": series(values), "promql_expr_test": [
        {"expr": FIRING, "eval_time": at, "exp_samples": [
            {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in firing]}
        for at, firing in expected]}


def test_rules_are_well_formed():
    done = promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stdout


def test_alerts_fire_when_they_should_and_only_then(tmp_path):
    done = run_cases(tmp_path / "cases.json", [case(*one) for one in CASES])
    assert done.returncode == 0, done.stdout


def test_promtool_would_have_noticed(tmp_path):
    done = run_cases(tmp_path / "cases.json", [case("nothing fires", gauge("kafka_up", "0x9", R1), [
        ("8m", [])])])
    assert done.returncode != 0 and "EventferryKafkaDown" in done.stdout


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent():
    seen = set()
    for _, _, expected in CASES:
        for _, firing in expected:
            seen.update(firing)
    assert seen == set(alerts())
    silent = {alert for _, _, expected in CASES for alert in alerts()
              if any(alert in firing for _, firing in expected)
              and any(alert not in firing for _, firing in expected)}
    assert silent == set(alerts())


def test_texts_of_alerts_can_be_filled_in(tmp_path):
    """promtool shows them only when they are not what it was told to expect."""
    tests = [{"name": name, "input_series": series(values), "alert_rule_test": [
        {"eval_time": at, "alertname": alert, "exp_alerts": [{"exp_labels": {}}]} for alert in firing]}
        for name, values, expected in CASES for at, firing in expected if firing]
    shown = run_cases(tmp_path / "texts.json", tests).stdout
    for alert in alerts():
        texts = re.findall(rf'got:(?:(?!exp:).)*alertname="{alert}"(.*?)\n\s*\]', shown, re.S)
        assert texts, f"{alert} was not shown: {shown[:2000]}"
        assert 'summary="' in texts[0], texts[0]
    assert "error expanding" not in shown and "no value" not in shown
    assert not re.search(r'(summary|description)="[^"]*(  | ")', shown), "a label that is empty"


@pytest.mark.parametrize("alert", sorted(alerts()))
def test_rule_says_how_bad_it_is_and_where_to_read_on(alert):
    rule = alerts()[alert]
    assert re.search(r"severity: (critical|warning|info)\}", rule)
    assert re.search(r"^ +summary: \S", rule, re.M) and re.search(r"^ +description: \S", rule, re.M)
    anchor = re.search(r"^ +runbook_url: docs/runbook\.md#(\S+)$", rule, re.M)[1]
    assert anchor == alert.lower()
    runbook = open(RUNBOOK, encoding="utf-8").read()
    assert f"\n## {alert}\n" in runbook


def test_runbook_has_no_alert_that_is_none():
    runbook = open(RUNBOOK, encoding="utf-8").read()
    assert set(re.findall(r"^## (Eventferry\w+)$", runbook, re.M)) == set(alerts())


def test_expressions_of_the_dashboard_can_be_read(tmp_path):
    """As rules, with Grafana's variables filled in."""
    expressions = [re.sub(r"\$__rate_interval", "5m", text) for text in
                   promql.of_dashboard(DASHBOARD) if not text.startswith("label_values(")]
    rules = tmp_path / "dashboard.json"
    rules.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": [
        {"record": f"panel:{number}", "expr": re.sub(r'"\$[a-z]+"', '".+"', text)}
        for number, text in enumerate(expressions)]}]}), encoding="ascii")
    done = promtool("check", "rules", str(rules))
    assert done.returncode == 0 and f"{len(expressions)} rules found" in done.stdout, done.stdout
