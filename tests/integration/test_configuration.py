# SPDX-License-Identifier: MIT
"""What is said about a configuration file, and with which exit code."""

import json
import os
import stat

import pytest

from harness import yaml
from harness.daemon import run

GOOD = """\
kafka:
  brokers: [127.0.0.1:9092]
databases:
  shop:
    driver: postgres
    url: postgresql://relay@127.0.0.1/shop
outboxes:
  - name: orders
    database: shop
    table: public.outbox
"""


@pytest.fixture
def check(tmp_path):
    """check(text) runs --check-config on it; the file is called c.yaml."""
    path = tmp_path / "c.yaml"

    def make(text, expect=None, env=None):
        path.write_text(text, encoding="utf-8")
        done = run("eventferryd", "--config", path, "--check-config", env=env)
        if expect is not None:
            assert done.returncode == expect, done.stdout + done.stderr
        return done

    make.path = path
    return make


def test_good_file_passes_and_opens_nothing(check):
    check(GOOD, expect=0)


@pytest.mark.parametrize("old, new, line, column, words", [
    ("kafka:", "kafak:", 1, 1, ["kafak", "kafka"]),
    ("    table:", "    tabel:", 10, 5, ["tabel", "table"]),
    ("    driver: postgres", "    driver: postgers", 5, 13, ["postgers", "postgres", "mysql"]),
    ("    database: shop", "    database: shpo", 9, 15, ["shpo", "shop"]),
    ("  brokers:", "  broker:", 2, 3, ["broker", "brokers"]),
    ("    table: public.outbox", "    table: public.outbox\n    poll_interval: 50", 11, 20,
     ["50", "ms"]),
    ("    table: public.outbox", "    table: public.outbox\n    poll_interval: 50parsecs", 11, 20,
     ["50parsecs", "ms"]),
    ("    table: public.outbox", "    table: public.outbox\n    batch: {max_rows: many}", 11, 23,
     ["many"]),
    ("    table: public.outbox", "    table: public.outbox\n    batch: {max_rows: 0}", 11, 23,
     ["0"]),
    ("    table: public.outbox", "    table: public.outbox\n    on_delivered: keep", 11, 19,
     ["keep", "archive", "delete", "mark"]),
    ("    table: public.outbox", "    table: public.outbox\n    table: other", 11, 5, ["table"]),
    ("    table: public.outbox", "    table: a.b.c.d", 10, 12, ["a.b.c.d"]),
    ("    table: public.outbox", "    table: outbox", 10, 12, ["outbox", "public.outbox"]),
    ("    table: public.outbox", "    table: '\"unclosed'", 10, 12, ["unclosed", "double quotes"]),
    ("  brokers: [127.0.0.1:9092]", "  brokers: &x [127.0.0.1:9092]\n  client_id: *x", None, None,
     ["alias"]),
])
def test_mistakes_are_named_with_line_column_and_what_was_meant(check, old, new, line, column,
                                                               words):
    assert old in GOOD
    done = check(GOOD.replace(old, new, 1), expect=78)
    said = done.stdout + done.stderr
    if line is not None:
        assert f"c.yaml:{line}:{column}: " in said, said
    for word in words:
        assert word in said, said


def test_all_mistakes_are_named_at_once(check):
    said = check(GOOD.replace("kafka:", "kafak:").replace("table:", "tabel:"), expect=78)
    text = said.stdout + said.stderr
    assert "c.yaml:1:1" in text and "c.yaml:10:5" in text


@pytest.mark.parametrize("properties, words", [
    ({"enable.idempotence": "false"}, ["enable.idempotence"]),
    ({"acks": "1"}, ["acks"]),
    ({"partitioner": "random"}, ["partitioner"]),
    ({"plugin.library.paths": "/evil.so"}, ["plugin.library.paths"]),
    ({"sasl.kerberos.kinit.cmd": "rm -rf"}, ["sasl.kerberos.kinit.cmd"]),
    ({"test.mock.num.brokers": "3"}, ["test.mock"]),
    ({"linger.mss": "5"}, ["linger.mss"]),
    ({"linger.ms": "soon"}, ["linger.ms"]),
])
def test_kafka_properties_are_checked_at_their_line(check, properties, words):
    name = next(iter(properties))
    text = GOOD.replace("  brokers: [127.0.0.1:9092]", "  brokers: [127.0.0.1:9092]\n"
                        f"  properties:\n    {name}: \"{properties[name]}\"")
    done = check(text, expect=78)
    said = done.stdout + done.stderr
    assert "c.yaml:4:" in said, said
    for word in words:
        assert word in said, said


def test_unsafe_property_is_taken_where_it_is_allowed_by_name(check):
    check(GOOD.replace("  brokers: [127.0.0.1:9092]", "  brokers: [127.0.0.1:9092]\n"
                       "  allow_unsafe: [partitioner]\n  properties: {partitioner: random}"),
          expect=0)


def test_environment_and_files_fill_in(check, tmp_path):
    secret = tmp_path / "url"
    secret.write_text("postgresql://relay@127.0.0.1/shop\n")
    secret.chmod(0o600)
    text = GOOD.replace("postgresql://relay@127.0.0.1/shop", f"${{file:{secret}}}") \
        .replace("127.0.0.1:9092", '"${env:BROKER}"')
    check(text, expect=0, env={"BROKER": "127.0.0.1:1"})
    done = check(text, expect=78)
    assert "BROKER" in done.stdout + done.stderr


def test_missing_secret_file_is_exit_77(check):
    done = check(GOOD.replace("postgresql://relay@127.0.0.1/shop", "${file:/nonexistent/secret}"),
                 expect=77)
    assert "/nonexistent/secret" in done.stdout + done.stderr


def test_secret_file_that_others_may_read_is_refused(check, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    secret.chmod(0o644)
    text = GOOD.replace("    driver: postgres",
                        f"    driver: postgres\n    password_file: {secret}")
    done = check(text)
    said = done.stdout + done.stderr
    assert done.returncode in (77, 78) and str(secret) in said, said
    assert "s3cret" not in said
    os.chmod(secret, stat.S_IRUSR)
    check(text, expect=0)


def test_missing_file_is_exit_77(tmp_path):
    done = run("eventferryd", "--config", tmp_path / "none.yaml")
    assert done.returncode == 77
    assert "none.yaml" in done.stdout + done.stderr


def test_broken_yaml_names_the_place(check):
    done = check(GOOD + "  - name: [unclosed\n", expect=78)
    assert "c.yaml:1" in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["--config"], ["surplus"]])
def test_usage_mistakes_are_exit_64(arguments):
    assert run("eventferryd", *arguments).returncode == 64


@pytest.mark.parametrize("arguments", [["no-such-verb"], []])
def test_usage_mistakes_of_the_operators_tool_are_exit_64(arguments):
    assert run("eventferryctl", *arguments).returncode == 64


@pytest.mark.parametrize("program", ["eventferryd", "eventferryctl"])
def test_version_and_help_are_exit_0(program):
    version = run(program, "--version")
    assert version.returncode == 0 and program in version.stdout
    assert run(program, "--help").returncode == 0


def test_effective_configuration_is_printed_without_secrets(check):
    check.path.write_text(GOOD.replace("relay@", "relay:hunter2@"))
    done = run("eventferryd", "--config", check.path, "--print-config")
    assert done.returncode == 0
    assert "hunter2" not in done.stdout and "********" in done.stdout
    assert "poll_interval: 50ms" in done.stdout  # defaults are written out
    check.path.write_text(done.stdout.replace("********", "x"))
    again = run("eventferryd", "--config", check.path, "--check-config")
    assert again.returncode == 0, again.stdout + again.stderr


def test_options_are_listed_each_with_its_help():
    done = run("eventferryd", "--print-options")
    assert done.returncode == 0
    for option in ("poll_interval", "on_delivered", "lease_ttl", "shutdown_timeout"):
        assert option in done.stdout


def test_start_with_a_bad_file_is_exit_78(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(GOOD.replace("kafka:", "kafak:"))
    done = run("eventferryd", "--config", path)
    assert done.returncode == 78 and "c.yaml:1:1" in done.stdout + done.stderr


def test_reload_with_an_option_that_needs_a_restart_applies_nothing(outbox, relay):
    process = relay(outbox, {"poll_interval": "60ms"}, kafka={"client_id": "one"})
    process.wait_running()
    process.config["outboxes"][0]["table"] = "public.other"
    process.write_config({"log": {"level": "warn"}, "kafka": {"client_id": "two"}})
    process.reload()
    line = process.wait_log(level="error", msg="reload refused")
    for said in ("nothing was applied", "restart", "kafka.client_id", "outboxes.orders.table"):
        assert said in str(line), line
    done = process.ctl("reload", expect=1)
    for said in ("nothing was applied", "kafka.client_id", "outboxes.orders.table"):
        assert said in done.stderr, done
    assert not process.log(msg="configuration reloaded")
    assert process.metric("config_reloads_total", result="failure") == 2
    assert process.metric("config_reloads_total", result="success") == 0
    process.config["outboxes"][0]["table"] = "public.outbox"
    process.write_config({"kafka": {"client_id": "one"}})
    done = process.ctl("reload")
    assert "log.level" in done.stdout and "needs" not in done.stdout, done.stdout


def test_reload_of_a_bad_file_changes_nothing_and_says_why(outbox, relay, collect):
    process = relay(outbox)
    process.wait_running()
    good = yaml.dump(process.config)
    process.write_config(text=good.replace("kafka:", "kafak:"))
    process.reload()
    line = process.wait_log(level="error")
    assert ":1:1" in str(line) or "kafak" in str(line)
    collect(outbox.topic).wait_ids([outbox.insert("a")])
    assert process.metric("config_reloads_total", result="failure") == 1


def test_reload_of_a_bad_file_names_every_mistake_in_the_form_of_the_log(outbox, relay):
    process = relay(outbox, log={"format": "json"})
    process.wait_running()
    process.write_config({"log": {"colour": "red"}, "shutdown_timeout": "soon"})
    answer = process.ctl("reload", "--socket", process.config["control"]["socket"], config=False,
                         expect=78).stdout
    assert '"colour"' in answer and "shutdown_timeout" in answer
    lines = [json.loads(line) for line in process.log_text().splitlines()]
    told = [line["what"] for line in lines if line["msg"] == "option is wrong"]
    assert len(told) == 2 and '"colour"' in told[0] and "shutdown_timeout" in told[1], told


def test_reload_through_the_control_socket_answers(outbox, relay):
    process = relay(outbox)
    process.wait_running()
    process.ctl("reload")
    process.write_config(text="nonsense: true\n")
    done = process.ctl("reload", expect=None)
    assert done.returncode in (1, 78)
    assert "nonsense" in done.stdout + done.stderr
