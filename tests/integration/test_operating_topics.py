# SPDX-License-Identifier: MIT
"""eventferryctl topics: what is there, what would stop delivery, and making what is missing."""

import json
import uuid

import pytest

from harness.setup import relay_config
from harness.timing import wait_for

pytestmark = pytest.mark.real_kafka


def fresh_name():
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def tool(kafka, daemon):
    """tool(outbox settings) gives a function that runs `topics`; no daemon runs."""
    def make(**outbox):
        config = relay_config(Nowhere, kafka, outbox)
        made = daemon(config)

        def topics(*arguments, expect=0):
            return made.ctl("topics", *arguments, expect=expect)

        topics.json = lambda *arguments, **more: json.loads(
            topics(*arguments, "--json", **more).stdout)
        return topics
    return make


class Nowhere:
    """The database is never asked."""
    driver = "postgres"
    table = "public.outbox"

    @staticmethod
    def url(_role, _port=None):
        return "postgresql://nobody@127.0.0.1:1/none"


def test_missing_topics_are_made_as_wished_and_only_then(tool):
    name = fresh_name()
    topics = tool(topics={"allow": [name, "other.*"]}, dead_letter={"topic": "${topic}.dlq"})
    missing = topics("validate", expect=1).stdout
    assert f'FAIL  topic "{name}" does not exist, rows of outbox orders go there' in missing
    assert f'FAIL  topic "{name}.dlq" does not exist, dead letters of outbox orders' in missing
    assert f"topics ensure --topic {name} --partitions 12 --replication-factor 1 --yes" in missing
    wish = ["ensure", "--partitions", 3, "--replication-factor", 1, "--setting",
            "retention.ms=3600000"]
    said = topics(*wish, "--dry-run").stdout
    assert f"{name}: make it with 3 partitions, 1 replicas, retention.ms=3600000" in said
    assert "--yes" in topics(*wish, expect=1).stderr  # nobody to ask
    assert not any(topic["exists"] for topic in topics.json("describe"))
    topics(*wish, "--yes")

    def exist():
        made = [topic for topic in topics.json("describe") if topic["exists"]]
        return made if len(made) == 2 else None

    made = wait_for(exist, 20, "both topics")
    assert {(t["topic"], t["dead_letters"]) for t in made} == {(name, False), (f"{name}.dlq", True)}
    assert all((t["partitions"], t["replicas"], t["retention_ms"]) == (3, 1, 3600000)
               for t in made)
    again = topics(*wish, "--yes").stdout
    assert f"{name}: is as wished" in again and "done" not in again


def test_partitions_grow_only_when_asked_and_never_shrink(tool):
    name = fresh_name()
    topics = tool(topics={"allow": [name]})
    topics("ensure", "--partitions", 2, "--replication-factor", 1, "--yes")
    left = topics("ensure", "--partitions", 4, "--yes", expect=2)
    assert "fewer than 4; --grow" in left.stderr
    grown = topics("ensure", "--partitions", 4, "--grow", "--yes")
    assert "keys go to other partitions" in grown.stderr and "drain orders first" in grown.stderr
    wait_for(lambda: topics.json("describe")[0]["partitions"] == 4, 20, "four partitions")
    kept = topics("ensure", "--partitions", 2, "--grow", "--yes", expect=2)
    assert "more than 2; Kafka takes none away" in kept.stderr
    assert topics.json("describe")[0]["partitions"] == 4


def test_what_would_stop_delivery_is_found(tool):
    name = fresh_name()
    topics = tool(topics={"allow": [name]})
    topics("ensure", "--partitions", 1, "--replication-factor", 1, "--setting",
           "cleanup.policy=compact", "--yes")
    said = topics("validate", expect=2).stdout  # one copy is all that one broker can have
    assert "WARN" in said and "cleanup.policy=compact" in said and "FAIL" not in said
    topics("ensure", "--setting", "max.message.bytes=1000", "--setting", "min.insync.replicas=2",
           "--yes")

    def found():
        found = {f["id"]: f for f in topics.json("validate", expect=None) if f["level"] != "OK"}
        return found if len(found) == 3 else None

    bad = wait_for(found, 20, "all findings")
    assert bad["kafka.replicas"]["level"] == "FAIL"
    assert "has 1 copies and wants 2 in sync" in bad["kafka.replicas"]["text"]
    # FAIL is a row that is too large, which the doctor looks for; this one is of rows that may come
    assert bad["kafka.message_size"]["level"] == "WARN"
    assert "takes 1000 (max.message.bytes)" in bad["kafka.message_size"]["text"]
    assert bad["kafka.message_size"]["topic"] == name and bad["kafka.message_size"]["mend"]
    assert bad["kafka.cleanup"]["level"] == "WARN"
    topics("validate", expect=1)
    # what was set before has stayed
    assert topics.json("describe")[0]["cleanup_policy"] == "compact"


def test_topics_can_be_named(tool):
    name = fresh_name()
    topics = tool()
    assert "say --topic NAME" in topics("validate", expect=1).stderr
    assert topics.json("describe", "--topic", name) == [
        {"topic": name, "exists": False, "outbox": "orders", "dead_letters": False}]
    assert "Kafka takes no such topic" in topics("validate", "--topic", "a b", expect=1).stdout
    topics("frobnicate", expect=64)
    topics("ensure", "--topic", name, "--setting", "nonsense", "--yes", expect=64)
