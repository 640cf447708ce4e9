# SPDX-License-Identifier: MIT
"""/livez, /readyz, /status, /metrics and the control socket."""

import os
import re
import shutil
import socket
import stat
import subprocess
import time

import pytest
import requests

from harness import promql
from harness.daemon import REPOSITORY, Daemon
from harness.outbox import Outbox
from harness.setup import fresh_database, relay_config, retire
from harness.timing import wait_for

INTERFACES = {  # family -> labels, of the metrics table in interfaces.md
    "build_info": {"version", "build", "relay", "librdkafka", "libpq", "libmariadb", "features"},
    "rows_fetched_total": {"outbox"}, "rows_reaped_total": {"outbox"},
    "rows_purged_total": {"outbox"}, "id_regressions_total": {"outbox"},
    "dead_letters_delivered_total": {"outbox"}, "sweeps_total": {"outbox"},
    "fate_barriers_total": {"outbox"}, "gap_runs": {"outbox"}, "cursor_id": {"outbox"},
    "rows_settled_total": {"outbox", "result"}, "messages_produced_total": {"outbox", "topic"},
    "messages_delivered_total": {"outbox", "topic"},
    "messages_delivered_bytes_total": {"outbox", "topic"},
    "backlog_rows": {"outbox"}, "waiting_rows": {"outbox"}, "dead_rows": {"outbox"},
    "blocked_aggregates": {"outbox"}, "oldest_unfinished_age_seconds": {"outbox"},
    "in_flight_rows": {"outbox"}, "in_flight_bytes": {"outbox"}, "window_limit_bytes": {"outbox"},
    "outbox_state": {"outbox", "state"}, "outbox_ready": {"outbox"}, "lease_held": {"outbox"}, "lease_epoch": {"outbox"},
    "lease_acquired_total": {"outbox"}, "lease_lost_total": {"outbox"},
    "lease_renewal_age_seconds": {"outbox"}, "wakeups_total": {"outbox", "reason"},
    "database_up": {"database"}, "database_reconnects_total": {"database"},
    "kafka_up": {"cluster"}, "kafka_brokers_up": {"cluster"}, "kafka_queue_messages": {"cluster"},
    "kafka_queue_bytes": {"cluster"}, "archive_partitions": {"outbox"},
    "archive_bytes": {"outbox"}, "archive_default_rows": {"outbox"},
    "log_dropped_total": set(), "config_last_reload_successful": set(), "config_last_reload_success_timestamp_seconds": set(),
}
HISTOGRAMS = ["created_to_seen_seconds", "seen_to_acked_seconds", "acked_to_settled_seconds",
              "created_to_acked_seconds", "fetch_duration_seconds", "settle_duration_seconds"]
PROCESS = ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
           "process_max_fds", "process_start_time_seconds"]


@pytest.fixture(scope="module")
def busy(system_postgres, kafka):
    """A relay that has done something, failures included, and has looked at its lag since. The
    tests that share it only look."""
    database = fresh_database(system_postgres)
    outbox = Outbox(database, kafka.create_topic())
    database.run("INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload, status) "
                 "VALUES ('order', 'dead', %s, '{}', 4)", (outbox.topic,))
    outbox.insert_many(50)
    outbox.insert("dead", {"text": "x" * 1_200_000})
    process = Daemon(relay_config(database, kafka, instance="relay-1")).start()
    outbox.wait_finished()
    wait_for(lambda: process.metric("dead_rows") >= 1 and process.metric("backlog_rows") == 0
             and process.metrics().select("eventferry_kafka_queue_messages"), 30,
             "the lag was looked at since, and librdkafka gave its first statistics")
    yield process
    process.discard()
    retire(database)


def test_metrics_page_is_clean_and_has_every_name_of_the_table(busy):
    answer = busy.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    page = busy.metrics()
    assert page.lint() == []
    for family, labels in INTERFACES.items():
        samples = page.select("eventferry_" + family)
        assert samples, family
        assert set(samples[0].labels) >= labels, f"{family}: {samples[0].labels}"
    for family in HISTOGRAMS:
        assert page.types["eventferry_" + family] == "histogram"
        assert page.total(f"eventferry_{family}_count", outbox="orders") > 0
    for family in PROCESS:
        assert page.value(family) > 0, family


def test_metrics_page_passes_promtool(busy):
    """With Prometheus' own tool where it is installed; our strict reader above runs everywhere."""
    text = busy.get("/metrics").text
    tool = os.environ.get("EF_PROMTOOL") or shutil.which("promtool")
    if tool is None:
        assert busy.metrics().lint() == []
        return
    done = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# Exported once something went wrong, so not by a relay that is well.
SELDOM = {"eventferry_topic_paused": {"outbox", "topic"},
          "eventferry_loop_slow_callbacks_total": {"room"},
          "eventferry_kafka_producer_recreations_total": {"cluster", "reason"}}


@pytest.mark.parametrize("path,read", [("contrib/grafana/eventferry.json", promql.of_dashboard),
                                       ("contrib/prometheus/alerts.yml", promql.of_rules)])
def test_dashboard_and_alerts_ask_for_what_is_exported(busy, path, read):
    exported = {name: set(labels) for name, labels in SELDOM.items()}
    for sample in busy.metrics().samples:
        exported.setdefault(sample.name, set()).update(sample.labels)
    exported["up"] = set()
    expressions = read(os.path.join(REPOSITORY, path))
    assert len(expressions) > 25
    for expression in expressions:
        known = set()
        found = promql.metrics(expression)
        assert found, expression
        for name, labels in found:
            assert name in exported, f"{name}: {expression}"
            assert labels <= exported[name], f"{name}: {expression}"
            known |= exported[name]
        assert promql.grouped_by(expression) <= known, expression


def test_every_metric_is_on_the_dashboard(busy):
    shown = {name for expression in promql.of_dashboard(
        os.path.join(REPOSITORY, "contrib/grafana/eventferry.json"))
        for name, _ in promql.metrics(expression)}
    left_out = {"eventferry_backlog_saturated", "eventferry_config_last_reload_success_timestamp_seconds"}
    for name in busy.metrics().types:
        assert {name, name + "_bucket"} & shown or name in left_out, name


def test_counters_agree_with_what_happened(busy):
    page = busy.metrics()
    assert page.total("eventferry_messages_delivered_total") == 50
    assert page.total("eventferry_rows_settled_total", result="archived") == 50
    assert page.total("eventferry_rows_dead_total") == 1
    assert page.total("eventferry_backlog_rows") == 0
    assert page.total("eventferry_in_flight_rows") == 0
    assert page.total("eventferry_outbox_state", state="running") == 1
    assert page.total("eventferry_outbox_state") == 1
    assert page.total("eventferry_database_up") == 1 and page.total("eventferry_kafka_up") == 1


def test_status_tells_the_state_of_everything(busy, system_postgres):
    status = busy.status()
    assert status["instance"] == "relay-1"
    found = status["outboxes"][0]
    assert found["name"] == "orders" and found["state"] == "running"
    assert found["table"] == "public.outbox"
    assert f"PostgreSQL {system_postgres.version}" in found["server_version"]
    assert "kafka" in status


def test_backlog_and_age_are_measured_by_the_owner(outbox, relay):
    outbox.insert("a")
    outbox.database.run("UPDATE outbox SET status = 3, next_retry_at = now() + interval '1 hour', "
                        "created_at = now() - interval '90 s'")
    outbox.insert("a")
    process = relay(outbox)
    process.wait_running()
    wait_for(lambda: process.metric("waiting_rows") == 1, 15, "the waiting row is counted")
    assert process.metric("blocked_aggregates") == 1
    assert 85 < process.metric("oldest_unfinished_age_seconds") < 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/status", "/"])
def test_get_and_head_answer_alike(outbox, relay, path):
    process = relay(outbox)
    process.wait_running()
    get, head = process.get(path), requests.head(process.url(path), timeout=5)
    assert get.status_code == head.status_code == 200
    assert head.content == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(outbox, relay, method):
    process = relay(outbox)
    answer = requests.request(method, process.url("/status"), data=b"x", timeout=5)
    assert answer.status_code == 405
    assert "GET" in answer.headers.get("Allow", "")
    assert process.get_code("/livez") == 200


def test_unknown_path_is_404(outbox, relay):
    assert relay(outbox).get_code("/nothing-here") == 404


@pytest.mark.parametrize("host, code", [
    ("127.0.0.1", 200), ("localhost", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421)])
def test_host_header_is_checked(outbox, relay, host, code):
    """A web page elsewhere must not read it through a name that it points at this address."""
    process = relay(outbox)
    answer = process.get("/status", headers={"Host": f"{host}:{process.port}"})
    assert answer.status_code == code


def test_request_without_host_or_with_rubbish_is_refused(outbox, relay):
    process = relay(outbox)
    for request in (b"GET /status HTTP/1.1\r\n\r\n", b"\x00\x01\x02\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", process.port), timeout=30) as client:
            try:
                client.sendall(request)
                answer = client.recv(4096)
            except ConnectionError:
                answer = b""
        assert b" 200 " not in answer.split(b"\r\n")[0]
    assert process.get_code("/livez") == 200


def test_many_idle_connections_do_not_shut_out_a_scrape(outbox, relay):
    """Slow clients hold their connections; there is a limit, and it does not stop the relay."""
    process = relay(outbox)
    process.wait_running()
    idle = []
    for _ in range(60):
        client = socket.socket()
        client.settimeout(2)
        try:
            client.connect(("127.0.0.1", process.port))
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: local")
        except OSError:
            pass
        idle.append(client)
    outbox.insert("a")
    outbox.wait_finished()
    for client in idle:
        client.close()
    wait_for(lambda: process.get_code("/livez") == 200, 15, "scrapes work again")


def test_endpoints_answer_at_once_while_database_and_kafka_hang(breakable_kafka, outbox, relay,
                                                               proxy):
    between = proxy(outbox.database.server.port)
    process = relay(outbox, port=between.port)
    process.wait_running()
    between.blackhole()
    breakable_kafka.pause()
    for _ in range(10):
        for path in ("/livez", "/readyz", "/metrics", "/status"):
            began = time.monotonic()
            assert process.get_code(path) in (200, 503)
            assert time.monotonic() - began < 0.5


def test_log_carries_no_identifiers_or_payloads_unless_told_to(outbox, relay, collect):
    process = relay(outbox, {"dead_letter": {"topic": "${topic}.dlq"}})
    outbox.insert("secret-aggregate", {"pin": "secret-pin"}, key="secret-key")
    outbox.insert("secret-aggregate", {"pin": "secret-pin" * 120_000}, key="secret-key")
    collect(outbox.topic).wait(1)
    wait_for(lambda: outbox.count("status IN (3, 4)") == 1, 10, "the large one is set aside")
    assert "secret-" not in process.log_text()


def test_every_line_of_the_log_has_an_id_that_is_explained(busy):
    page = open(os.path.join(REPOSITORY, "docs/log-messages.md"), encoding="utf-8").read()
    explained = set(re.findall(r"^### (\w+)$", page, re.M))
    lines = busy.log()
    assert lines and [line for line in lines if line.get("event") not in explained] == []
    assert {"starting", "lease_acquired", "relaying", "row_dead"} <= {line["event"] for line in lines}


def test_control_socket_is_for_its_owner_and_group_only(outbox, relay):
    process = relay(outbox)
    mode = os.stat(process.config["control"]["socket"])
    assert stat.S_ISSOCK(mode.st_mode) and not mode.st_mode & 0o007


def test_operator_sees_the_status(outbox, relay):
    process = relay(outbox)
    process.wait_running()
    text = process.ctl("status").stdout
    assert "orders" in text and "running" in text


def test_operator_pauses_and_resumes_an_outbox(outbox, relay, collect):
    process = relay(outbox)
    process.wait_running()
    process.ctl("pause", "orders")
    process.wait_state("paused")
    assert process.get_code("/readyz") == 200
    row = outbox.insert("a")
    wait_for(lambda: process.metric("outbox_state", state="paused") == 1, 5, "metric")
    assert collect(outbox.topic).drain() == [] and outbox.row(row) == (0, 0)
    process.ctl("resume", "orders")
    collect(outbox.topic).wait_ids([row])


def test_pause_outlives_a_restart_and_a_takeover(outbox, relay, collect):
    process = relay(outbox)
    process.wait_running()
    process.ctl("pause", "orders")
    process.wait_state("paused")
    process.stop()
    other = relay(outbox)
    other.wait_state("paused")
    row = outbox.insert("a")
    other.ctl("resume", "orders")
    collect(outbox.topic).wait_ids([row])


def test_operator_drains_an_outbox(outbox, relay, collect):
    outbox.insert_many(2000)
    process = relay(outbox)
    process.wait_running()
    process.ctl("drain", "orders")
    assert process.metric("in_flight_rows") == 0
    left = outbox.unfinished()
    row = outbox.insert("a")
    assert outbox.unfinished() == left + 1
    process.ctl("resume", "orders")
    collect(outbox.topic).wait_ids([row])


def test_operator_without_a_daemon_is_told_so(outbox, relay):
    process = relay(outbox, start=False)
    done = process.ctl("pause", "orders", expect=None)
    assert done.returncode in (0, 69)  # through the database, or nobody is reachable


def test_unknown_outbox_is_refused_with_the_names_there_are(outbox, relay):
    process = relay(outbox)
    done = process.ctl("pause", "odrers", expect=None)
    assert done.returncode in (1, 64)
    assert re.search("orders", done.stdout + done.stderr)
