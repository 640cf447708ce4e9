# SPDX-License-Identifier: MIT
"""The commands of docs/runbook.md, run as they stand there: on a relay that is well they all work, so an
operator at night needs to think about the answer only."""

import os
import re
import shlex
import subprocess

import pytest

from harness.daemon import REPOSITORY, Daemon, build_directory
from harness.outbox import Outbox
from harness.setup import fresh_database, relay_config, retire
from harness.timing import scaled, wait_for

RUNBOOK = open(os.path.join(REPOSITORY, "docs/runbook.md"), encoding="utf-8").read()
# What belongs to a machine with systemd, a cluster or somebody else's process.
ELSEWHERE = ("systemctl", "journalctl", "kcat", "psql", "ls", "ss", "cat")
# doctor and validate end with 1 or 2 when they have found something, and drain is not for a test.
FINDINGS = ("doctor", "topics validate")
SUBCOMMANDS = {"dead", "topics"}


def commands():
    """Lines of code blocks, comments taken off, each once."""
    blocks = re.findall(r"^    (\S.*)$", RUNBOOK, re.M)
    inline = re.findall(r"`((?:eventferryctl|eventferryd|SELECT) [^`…]+)`", RUNBOOK.replace("\n", " "))
    return list(dict.fromkeys(re.sub(r"  +#.*$", "", line) for line in blocks + inline))


def of(*programs):
    return [line for line in commands() if line.startswith(tuple(f"{name} " for name in programs))]


@pytest.fixture(scope="module")
def well(system_postgres, kafka):
    """A relay of an outbox "orders" that has sent something, and has a dead row."""
    database = fresh_database(system_postgres)
    outbox = Outbox(database, kafka.create_topic())
    process = Daemon(relay_config(database, kafka, instance="relay-1")).start()
    process.wait_running()
    outbox.insert_many(20)
    outbox.wait_finished()
    wait_for(lambda: process.metrics().select("eventferry_kafka_queue_messages"), 30,
             "librdkafka gave its first statistics")
    process.database = database
    process.dead = database.one(
        "INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload, status, attempts, processed_at, "
        "last_error) VALUES ('order', 'a', %s, '{}', 4, 5, now(), 'transient MSG_TIMED_OUT: too late') "
        "RETURNING id", (outbox.topic,))
    process.topic = outbox.topic
    yield process
    process.discard()
    retire(database)


def test_every_command_is_of_a_kind_that_is_checked():
    assert len(commands()) > 50
    known = ELSEWHERE + ("eventferryctl", "eventferryd", "curl", "SELECT")
    assert [line for line in commands() if not line.startswith(tuple(f"{name} " for name in known))] == []


@pytest.mark.parametrize("sql", of("SELECT"))
def test_sql(well, sql):
    well.database.run(sql.rstrip(";"))


@pytest.mark.parametrize("line", of("curl"))
def test_requests(well, line):
    line = line.replace("http://127.0.0.1:9464", well.url(""))
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True,
                          timeout=scaled(30), check=False, stdin=subprocess.DEVNULL)
    # nothing but zeros is left out by a grep -v at the end
    assert done.returncode == 0 or "grep -v" in line, done.stderr
    assert done.stdout or "grep -v" in line


@pytest.mark.parametrize("line", of("eventferryctl", "eventferryd"))
def test_programs_take_the_command(well, line):
    """What changes nothing is run; of the rest the verb and its options are looked up."""
    program, *words = shlex.split(line)
    url = well.database.url()
    words = [url if word.startswith("postgresql://") else word for word in words]
    environment = {**os.environ, "PATH": f"{build_directory()}:{os.environ['PATH']}"}

    def run(*arguments):
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=False,
                              timeout=scaled(60), env=environment, stdin=subprocess.DEVNULL)

    if program == "eventferryd":
        assert words == ["--check-config"]
        assert run("--config", well.config_path, *words).returncode == 0
        return
    told = run(words[0], "--help").stdout
    for word in words[1:]:
        if word.startswith("--"):
            assert re.search(rf"{word}(?![\w-])", told), f"{word}: {told}"
    if words[0] in SUBCOMMANDS:
        assert re.search(rf"\b{words[1]}\b", told), told
    verb = " ".join(words[:2 if words[0] in SUBCOMMANDS else 1])
    if verb in ("status", "lag", "reload", "doctor", "topics validate", "topics describe", "log-level",
                "dead list", "dead show", "explain", "resume") or "--dry-run" in words and words[0] != "topics" or "--print" in words or "--once" in words:
        known = {"NAME": well.topic, "4711": str(well.dead)}
        words = [known.get(word, word) for word in words]
        done = run("--config", well.config_path, *words)
        assert done.returncode in ((0, 1, 2) if verb in FINDINGS else (0,)), done.stdout + done.stderr
        assert done.stdout


def test_words_that_are_looked_for_in_the_log_are_in_its_messages():
    messages = open(os.path.join(REPOSITORY, "docs/log-messages.md"), encoding="utf-8").read()
    looked_for = [re.search(r"grep (?:-\w+ )*'?([^'|]+)'?$", line)[1]
                  for line in of("journalctl") if "grep" in line and "grep -E" not in line]
    assert len(looked_for) > 4
    for words in looked_for:
        assert words.lower() in messages.lower() or f"### {words.split('=')[-1]}\n" in messages, words
