# SPDX-License-Identifier: MIT
"""Messages as eventferry's contract and Debezium's Outbox Event Router have them, to the byte: key,
value, headers with their order, topic, partition. What is expected stands in tests/golden, with
where it comes from; this inserts the rows there and compares what a consumer gets."""

import json
import secrets
from pathlib import Path

import pytest

from harness.daemon import Daemon, ctl, merge
from harness.migration import make_eventferry_table
from harness.outbox import APPLICATION, OWNER_ROLE, RELAY
from harness.setup import migrate, relay_config
from harness.timing import wait_for

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
TYPES = {"postgres": {"json": "jsonb", "text": "text", "bytes": "bytea", "int": "int"},
         "mysql": {"json": "JSON", "text": "LONGTEXT", "bytes": "LONGBLOB", "int": "INT"}}


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def bare(request):
    """An empty database of each kind."""
    if request.param == "postgres":
        return request.getfixturevalue("bare_db")
    server = request.getfixturevalue("mariadb" if request.param == "mariadb" else "mysql80")
    database = server.create_database()
    request.addfinalizer(database.drop)
    return database


def insert(database, table, row):
    columns = ", ".join(f'"{name}"' for name in row)
    with database.session(APPLICATION) as application:
        application.run(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(row))})",
                        list(row.values()))


def as_bytes(value):
    return value if value is None or isinstance(value, bytes) else value.encode()


def assert_message(message, expected):
    """Everything but the value."""
    assert (message.topic, as_bytes(message.key)) == (expected["topic"], as_bytes(expected["key"]))
    assert message.headers == [(name, as_bytes(value)) for name, value in expected["headers"]]
    assert message.partition == expected["partition"]


def by_id(messages, header):
    found = {message.header(header): message for message in messages}
    assert len(found) == len(messages), "a message came twice"
    return found


def test_messages_of_eventferry(bare, kafka, collect, daemon):
    """On the table its own migration makes, with our additions."""
    expected = golden("eventferry")
    topic = kafka.create_topic(partitions=expected["partitions"])
    make_eventferry_table(bare)
    migrate(bare)
    daemon(relay_config(bare, kafka)).start()
    for case in expected["messages"]:
        row = {"headers": {}, **case["row"], "topic": topic}
        row["headers"], row["payload"] = json.dumps(row["headers"]), json.dumps(row["payload"])
        insert(bare, bare.table, row)
    collected = by_id(collect(topic).wait(len(expected["messages"])), "message-id")
    archive = "eventferry.archive_public_outbox" if bare.driver == "postgres" else "outbox_archive"
    for case in expected["messages"]:
        message_id = case["row"]["message_id"]
        message = collected[message_id]
        assert_message(message, {**case["message"], "topic": topic})
        assert json.loads(message.value) == case["message"]["value"], case["why"]
        wait_for(lambda: bare.run(f"SELECT 1 FROM {archive} WHERE message_id = %s", (message_id,)),
                 10, "archived")
        text = "payload::text" if bare.driver == "postgres" else "CAST(payload AS CHAR)"
        shown = bare.one(f"SELECT {text} FROM {archive} WHERE message_id = %s", (message_id,))
        assert message.value.decode() == shown, "byte for byte what the server shows"


def make_table(database, table, group):
    types = TYPES[database.driver]
    uuid = "uuid" if database.driver == "postgres" else "CHAR(36)"
    extra = "".join(f', "{name}" {types[kind]}' for name, kind in group["extra"].items())
    with database.session(OWNER_ROLE) as owner:
        owner.run(f'CREATE TABLE {table} (id {uuid} NOT NULL PRIMARY KEY, '
                  'aggregatetype varchar(255) NOT NULL, aggregateid varchar(255) NOT NULL, '
                  f'type varchar(255) NOT NULL, payload {types[group["payload"]]}{extra})')


def row_of(case, kind, run):
    """A row as an application writes it."""
    row = {name: value.replace("@", run) if isinstance(value, str) else value
           for name, value in case["row"].items()}
    if kind == "json" and row["payload"] is not None:
        row["payload"] = json.dumps(row["payload"])
    if kind == "bytes":
        row["payload"] = bytes.fromhex(row["payload"]["hex"])
    return row


def assert_value(message, case, kind):
    value = case["message"]["value"]
    if value is None:
        assert message.value is None, case["why"]
    elif kind == "json":
        assert json.loads(message.value) == value, case["why"]
    else:
        assert message.value == (bytes.fromhex(value["hex"]) if kind == "bytes"
                                 else value.encode()), case["why"]


def test_messages_of_debezium(bare, kafka, collect, daemon):
    """A table a group, all relayed by one daemon."""
    expected, run = golden("debezium"), secrets.token_hex(4)
    schema = "public" if bare.driver == "postgres" else bare.name
    outboxes = []
    for number, group in enumerate(expected["groups"]):
        table = f"{schema}.group_{number}"
        make_table(bare, table, group)
        outboxes.append({"name": f"g{number}", "database": "db", "table": table,
                         "layout": "debezium", "on_delivered": "mark", "lease_ttl": "3s",
                         **group["outbox"]})
    config = Daemon(merge(relay_config(bare, kafka), {
        "databases": {"db": {"url": bare.url(OWNER_ROLE)}}, "outboxes": outboxes}))
    ctl("--config", config.config_path, "migrate", "--grant-to", RELAY, "--app-role", APPLICATION)
    config.discard()
    cases = [(f"{schema}.group_{number}", group, case)
             for number, group in enumerate(expected["groups"]) for case in group["messages"]]
    topics = {case["message"]["topic"].replace("@", run) for _, _, case in cases}
    for topic in sorted(topics):
        kafka.create_topic(topic, partitions=expected["partitions"])
    daemon(merge(relay_config(bare, kafka), {"outboxes": outboxes})).start()
    for table, group, case in cases:
        insert(bare, table, row_of(case, group["payload"], run))
    collected = by_id(collect(*sorted(topics)).wait(len(cases)), "id")
    for _, group, case in cases:
        wanted = case["message"]
        message = collected[dict(wanted["headers"])["id"]]
        assert_message(message, {**wanted, "topic": wanted["topic"].replace("@", run)})
        assert_value(message, case, group["payload"])
