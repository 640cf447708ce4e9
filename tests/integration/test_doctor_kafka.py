# SPDX-License-Identifier: MIT
"""eventferryctl doctor and the brokers: each finding provoked for real, and what it says mends it,
carried out."""

import pytest

from harness.daemon import Daemon, ctl
from harness.doctor import examine, librdkafka
from harness.kafka import Kafka
from harness.outbox import Outbox
from harness.setup import relay_config
from harness.timing import stays, wait_for

pytestmark = pytest.mark.real_kafka


@pytest.fixture(scope="module")
def cluster():
    """Three brokers: two copies at each acknowledgement are then what is well."""
    made = Kafka(brokers=3, sasl=True, proxied=True)
    yield made
    made.discard()


@pytest.fixture
def doctor(db, cluster):
    """doctor(section=...) examines the cluster as the daemon of that configuration would."""
    made = []

    def make(settings=None, **sections):
        made.append(Daemon(relay_config(db, cluster, settings, **sections)))
        return examine(made[-1])

    yield make
    for each in made:
        each.discard()


def carry_out(found, identity):
    for mend in found.mends(identity):
        words = mend.split()
        assert words[0] == "eventferryctl", mend
        ctl(*words[1:], timeout=60)


def mended(doctor, found, identity, *arguments):
    carry_out(found, identity)
    wait_for(lambda: doctor(*arguments).level(identity) == "OK", 20, f"{identity} is mended")


def test_missing_topic(doctor, db, cluster):
    Outbox(db, cluster.new_name("absent")).insert("a")
    found = doctor()
    assert found.code == 1 and found.level("kafka.topic") == "FAIL"
    mended(doctor, found, "kafka.topic")


def test_missing_topic_of_dead_letters(doctor, db, cluster):
    """Where the letters of a row's topic would go is looked at before there is one."""
    topic = cluster.create_topic(partitions=1, replication=3)
    Outbox(db, topic).insert("a")
    found = doctor({"dead_letter": {"topic": "${topic}.dlq"}})
    assert f'"{topic}.dlq"' in found.bad("kafka.topic")["text"]
    mended(doctor, found, "kafka.topic", {"dead_letter": {"topic": "${topic}.dlq"}})


def test_compacted_topic(doctor, db, cluster):
    topic = cluster.create_topic(partitions=1, replication=3,
                                 config={"cleanup.policy": "compact"})
    Outbox(db, topic).insert("a")
    found = doctor()
    assert found.level("kafka.cleanup") == "WARN" and topic in found.bad("kafka.cleanup")["text"]


def test_topic_without_leader(doctor, db, cluster):
    """The only copy is on a broker that is away. Then it comes back."""
    topic = cluster.create_topic(partitions=1)
    Outbox(db, topic).insert("a")
    away = cluster.leader(topic)
    assert doctor().level("kafka.topic") == "OK"
    cluster.kill(away)
    try:
        wait_for(lambda: doctor().level("kafka.topic") == "FAIL", 30, "nobody leads it")
    finally:
        cluster.start(away)
    wait_for(lambda: doctor().level("kafka.topic") == "OK", 30, "it is led again")


@pytest.mark.parametrize("replication, wanted, level", [(1, 2, "FAIL"), (3, 3, "WARN"),
                                                        (3, 1, "WARN")])
def test_copies(doctor, db, cluster, replication, wanted, level):
    """More than there are, all of them, a single one."""
    topic = cluster.create_topic(partitions=1, replication=replication,
                                 config={"min.insync.replicas": str(wanted)})
    Outbox(db, topic).insert("a")
    found = doctor()
    assert found.level("kafka.replicas") == level
    carry_out(found, "kafka.replicas")
    after = wait_for(lambda: doctor().of("kafka.replicas")[0]["text"] != found.bad(
        "kafka.replicas")["text"] and doctor(), 20, "it is set")
    # one copy is all that a topic of one can have: what is said next is to give it more
    assert after.level("kafka.replicas") == ("OK" if replication == 3 else "WARN")


def test_copies_out_of_sync(doctor, db, cluster):
    topic = cluster.create_topic(partitions=1, replication=3, config={"min.insync.replicas": "3"})
    Outbox(db, topic).insert("a")
    cluster.kill(2)
    try:
        wait_for(lambda: doctor().level("kafka.replicas") == "FAIL", 40, "a copy is missing")
    finally:
        cluster.start(2)
    wait_for(lambda: doctor().level("kafka.replicas") == "WARN", 40, "all are in sync")


def test_message_size(doctor, db, cluster):
    topic = cluster.create_topic(partitions=1, replication=3,
                                 config={"max.message.bytes": "20000"})
    outbox = Outbox(db, topic)
    outbox.insert("a")
    found = doctor({"max_payload": "50kB"})
    assert found.level("kafka.message_size") == "WARN"
    outbox.insert("b", payload="x" * 30000)
    found = doctor({"max_payload": "50kB"})
    assert found.code == 1 and found.level("kafka.message_size") == "FAIL"
    mended(doctor, found, "kafka.message_size", {"max_payload": "50kB"})


@pytest.fixture
def login(cluster):
    """Sections for a relay whose role may do what was granted, and a topic of its own."""
    return {"kafka": {"brokers": cluster.sasl_bootstrap.split(","), "properties": {
        "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
        "sasl.username": "relay", "sasl.password": "relay"}}}


def about(found, identity, topic):
    return [each for each in found.of(identity) if f'"{topic}"' in each["text"]]


def test_rights(doctor, db, cluster, login):
    """The role of the broker may see nothing; then what is said is granted."""
    topic = cluster.create_topic(partitions=1, replication=3)
    Outbox(db, topic).insert("a")
    found = doctor(**login)
    assert found.code == 1 and found.level("kafka.rights") == "FAIL"
    denied = about(found, "kafka.rights", topic)
    assert f"--topic {topic}" in denied[0]["mend"][0] and "User:relay" in denied[0]["mend"][0]
    cluster.allow("relay", topic)
    wait_for(lambda: doctor(**login).level("kafka.rights") == "OK", 20, "it may")


def test_right_to_write(doctor, db, cluster, login):
    """The role may write somewhere and see this topic, but not write to it; what is said grants it.
    The topic's settings are not for it, which is no fault."""
    if librdkafka() < (2, 3):
        pytest.skip("rights on one topic are told to librdkafka 2.3 and later, eventferryctl runs "
                    f"with {'.'.join(map(str, librdkafka()))}")
    topic, other = (cluster.create_topic(partitions=1, replication=3) for _ in range(2))
    Outbox(db, topic).insert("a")
    cluster.allow("relay", other)
    cluster.allow("relay", topic, "Describe")
    found = wait_for(lambda: (now := doctor(**login)).level("kafka.topic") == "OK" and now, 20,
                     "it may see the topic")
    assert found.code == 1
    denied = found.bad("kafka.rights")
    assert denied["level"] == "FAIL"
    assert denied["text"] == f'the daemon may not write to topic "{topic}"'
    program, where, _, *grant = found.mends("kafka.rights")[0].split()
    assert (program, where) == ("kafka-acls.sh", "--bootstrap-server")
    cluster.acls(*grant)
    after = wait_for(lambda: (now := doctor(**login)).level("kafka.rights") == "OK" and now, 20,
                     "it may write to it")
    assert [each["text"] for each in about(after, "kafka.rights", topic)] == \
        [f'the daemon may see and write to topic "{topic}"']
    assert after.level("kafka.replicas") == "OK"
    assert "DescribeConfigs" in about(after, "kafka.replicas", topic)[0]["text"]


def test_running_relay_without_the_right_to_read_settings(doctor, db, cluster, login):
    """DescribeConfigs is no right that it needs: what it may not see it does not warn of. Who grants
    it has the warning."""
    topic = cluster.create_topic(partitions=1, replication=3,
                                 config={"max.message.bytes": "20000"})
    cluster.allow("relay", topic)
    outbox = Outbox(db, topic)
    process = Daemon(relay_config(db, cluster, {"max_payload": "50kB"},
                                  checks={"interval": "1s"}, **login))
    try:
        process.start().wait_running()
        outbox.insert("a")
        outbox.wait_finished()
        stays(lambda: process.status()["warnings"] == [], 3, "nothing is known of its limit")
        cluster.allow("relay", topic, "DescribeConfigs")
        found = wait_for(lambda: process.status()["warnings"], 20, "the limit is known")
        assert [each["id"] for each in found] == ["kafka.message_size"]
    finally:
        process.discard()


def test_right_to_create(doctor, db, cluster, login):
    """A relay need not have it: the doctor says what is missing, and `ensure` that it may not."""
    topic = cluster.new_name("absent")
    Outbox(db, topic).insert("a")
    cluster.allow("relay", topic)
    found = wait_for(lambda: (now := doctor(**login)).level("kafka.topic") == "FAIL" and now, 20,
                     "its absence may be seen")
    assert "does not exist" in found.bad("kafka.topic")["text"]
    words = found.mends("kafka.topic")[0].split()[1:]
    refused = ctl(*words, expect=None, timeout=60)
    assert refused.returncode != 0 and "uthorization" in refused.stderr
    cluster.allow("relay", topic, "Create")
    wait_for(lambda: ctl(*words, expect=None, timeout=60).returncode == 0, 20, "it may be made")
    wait_for(lambda: doctor(**login).level("kafka.topic") == "OK", 20, "it is there")


def test_wrong_password(doctor, cluster):
    found = doctor(kafka={"brokers": cluster.sasl_bootstrap.split(","), "properties": {
        "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
        "sasl.username": "relay", "sasl.password": "mistaken"}})
    assert found.code == 1 and found.level("kafka.connect") == "FAIL"
    assert "uthentication" in found.bad("kafka.connect")["text"]
    assert "mistaken" not in found.text


def test_broker_that_is_not_where_it_says(doctor, cluster):
    proxied = {"kafka": {"brokers": cluster.proxied_bootstrap.split(",")[:1]}}
    assert doctor(**proxied).level("kafka.broker") == "OK"
    cluster.proxies[1].refuse()
    try:
        found = doctor(**proxied)
        assert found.code == 1 and "broker 1" in found.bad("kafka.broker")["text"]
        assert str(cluster.proxies[1].port) in found.mends("kafka.broker")[0]
    finally:
        cluster.proxies[1].refuse(False)
    assert doctor(**proxied).level("kafka.broker") == "OK"


def test_librdkafka(doctor, cluster):
    """What is wrong depends on the version that is installed: before 2.8 SCRAM is."""
    properties = {"sasl.mechanisms": "SCRAM-SHA-256", "sasl.username": "u", "sasl.password": "p"}
    old = librdkafka() < (2, 8)
    found = doctor(kafka={"brokers": cluster.bootstrap.split(","), "properties": properties})
    assert found.level("kafka.library") == ("WARN" if old else "OK")
    assert doctor().level("kafka.library") == "OK"
