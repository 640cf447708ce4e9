# SPDX-License-Identifier: MIT
"""Tables of other shapes: mapped columns, constants, payload types, missing optional columns."""

import json

import pytest

from harness.outbox import APPLICATION, RELAY
from harness.setup import migrate, relay_config
from harness.timing import wait_for

EVENTS = """CREATE TABLE events (
    id bigserial PRIMARY KEY, message_id uuid DEFAULT gen_random_uuid(),
    aggregate_type text DEFAULT 't', aggregate_id text, topic text, payload jsonb,
    created_at timestamptz DEFAULT now(), status smallint DEFAULT 0, attempts int DEFAULT 0,
    next_retry_at timestamptz)"""


@pytest.fixture
def custom(bare_db, kafka, topic, daemon):
    """custom(ddl, settings) makes a table, migrates what belongs to it and starts a relay on it."""
    def make(ddl, table, settings):
        bare_db.run(f"SET ROLE owner; {ddl}; RESET ROLE")
        settings = {"layout": "custom", "on_delivered": "delete", **settings}
        migrate(bare_db, table=table, **settings)
        bare_db.run(f"GRANT INSERT ON {table} TO {APPLICATION}")
        bare_db.run(f"GRANT SELECT, UPDATE, DELETE ON {table} TO {RELAY}")
        return daemon(relay_config(bare_db, kafka, {"table": table, **settings})).start()

    make.database, make.topic = bare_db, topic
    return make


def test_columns_constants_and_schema_of_another_shape(custom, collect):
    custom.database.run("SET ROLE owner; CREATE SCHEMA sales; RESET ROLE; "
                        "GRANT USAGE ON SCHEMA sales TO relay, app")
    custom("CREATE TABLE sales.\"Events\" (seq bigserial PRIMARY KEY, event_id uuid NOT NULL "
           "DEFAULT gen_random_uuid(), entity text, body text, meta json, "
           "happened timestamptz DEFAULT now(), state smallint DEFAULT 0, "
           "tries int DEFAULT 0, due timestamptz)",
           'sales."Events"',
           {"columns": {"id": "seq", "message_id": "event_id", "aggregate_id": "entity",
                        "aggregate_type": {"value": "sale"}, "topic": {"value": custom.topic},
                        "payload": "body", "headers": "meta", "created_at": "happened",
                        "status": "state", "attempts": "tries", "next_retry_at": "due"}})
    custom.database.run("INSERT INTO sales.\"Events\" (entity, body, meta) VALUES "
                        "('e-1', 'plain text', '{\"b\": 1.10, \"a\": \"x\"}')")
    message = collect(custom.topic).wait(1)[0]
    assert message.value == b"plain text" and message.key == b"e-1"
    assert message.header("content-type") == "text/plain; charset=utf-8"
    assert message.header("aggregate-type") == "sale"
    assert message.headers[:2] == [("b", b"1.10"), ("a", b"x")]
    wait_for(lambda: custom.database.one('SELECT count(*) FROM sales."Events"') == 0, 10, "deleted")


@pytest.mark.parametrize("column, value, expected, content_type", [
    ("json", '{"a":  1,"a":2}', b'{"a":  1,"a":2}', "application/json"),
    ("jsonb", '{"b":1,"a":[1,2]}', b'{"a": [1, 2], "b": 1}', "application/json"),
    ("text", "naïve\ttext", "naïve\ttext".encode(), "text/plain; charset=utf-8"),
    ("bytea", "\\x00ff10", b"\x00\xff\x10", "application/octet-stream")])
def test_payload_types_pass_byte_for_byte(custom, collect, column, value, expected, content_type):
    custom(EVENTS.replace("payload jsonb", f"payload {column}"), "public.events", {})
    custom.database.run("INSERT INTO events (aggregate_id, topic, payload) VALUES ('a', %s, %s)",
                        (custom.topic, value))
    message = collect(custom.topic).wait(1)[0]
    assert message.value == expected
    assert message.header("content-type") == content_type


@pytest.mark.parametrize("headers", ["not JSON at all", '{"a": ', '{"a": "\\ud800"}', "{'a': 1}"])
def test_headers_that_cannot_be_read_stop_nothing_else(custom, collect, headers):
    """A column of another type holds whatever an application wrote into it."""
    custom(EVENTS.replace("payload jsonb", "payload jsonb, headers text"), "public.events",
           {"columns": {}, "on_delivered": "mark"})
    custom.database.run(
        "INSERT INTO events (aggregate_id, topic, payload, headers) VALUES ('a', %s, '1', %s), "
        "('a', %s, '2', '{\"ok\": 1}'), ('b', %s, '3', NULL)",
        (custom.topic, headers, custom.topic, custom.topic))
    messages = collect(custom.topic).wait(2)
    wait_for(lambda: custom.database.run("SELECT status FROM events ORDER BY id")
             == [(4,), (2,), (2,)], 10, "one dead, two done")
    assert {m.value for m in messages} == {b"2", b"3"}


def test_null_aggregate_means_no_order_and_no_key(custom, collect):
    custom(EVENTS, "public.events", {})
    custom.database.run("INSERT INTO events (topic, payload) SELECT %s, '{}' FROM "
                        "generate_series(1, 30)", (custom.topic,))
    messages = collect(custom.topic).wait(30)
    assert all(m.key is None and m.header("aggregate-id") is None for m in messages)


def test_order_column_stands_in_for_an_id_without_order(custom, collect):
    custom(EVENTS.replace("id bigserial PRIMARY KEY, message_id uuid DEFAULT gen_random_uuid()",
                          "id uuid PRIMARY KEY DEFAULT gen_random_uuid(), seq bigserial UNIQUE"),
           "public.events", {"order_column": "seq", "columns": {"message_id": "id"}})
    custom.database.run("INSERT INTO events (aggregate_id, topic, payload) SELECT 'a', %s, "
                        "json_build_object('n', n) FROM generate_series(1, 100) n", (custom.topic,))
    messages = collect(custom.topic).wait(100)
    assert [json.loads(m.value)["n"] for m in messages] == list(range(1, 101))
    assert len({m.message_id for m in messages}) == 100


def test_mapped_column_that_does_not_exist_is_named(outbox, relay):
    process = relay(outbox, {"layout": "custom", "columns": {"key": "no_such_column"}})
    assert "no_such_column" in process.wait_state("misconfigured")["reason"]


def test_view_is_refused_with_a_sentence(db, kafka, daemon):
    db.run("SET ROLE owner; CREATE VIEW v AS SELECT * FROM outbox; RESET ROLE; "
           "GRANT SELECT, DELETE ON v TO relay")
    process = daemon(relay_config(db, kafka, {"table": "public.v"})).start()
    assert "not a table" in process.wait_state("misconfigured")["reason"]


def test_unlogged_table_is_warned_about(bare_db, topic, kafka, daemon):
    migrate(bare_db)
    bare_db.run("ALTER TABLE outbox SET UNLOGGED")
    process = daemon(relay_config(bare_db, kafka)).start()
    wait_for(lambda: [line for line in process.log() if "unlogged" in str(line).lower()], 10,
             "it says what an unlogged table loses")


@pytest.mark.parametrize("change", [
    "ALTER TABLE outbox ALTER id SET CACHE 50",
    "ALTER TABLE outbox ALTER id DROP IDENTITY; CREATE SEQUENCE mine CACHE 50; "
    "GRANT USAGE ON mine TO app; ALTER TABLE outbox ALTER id SET DEFAULT nextval('mine')"])
def test_sequence_that_gives_ids_in_advance_is_warned_about(outbox, relay, change):
    outbox.database.run(change)
    line = relay(outbox).wait_log(level="warn", what="CACHE 50")
    assert "id" in str(line) and "CACHE 1" in str(line)


def test_sequence_without_cache_is_not_warned_about(outbox, relay):
    process = relay(outbox)
    process.wait_running()
    assert not process.log(what="CACHE")


def test_names_of_archived_columns_have_a_limit(custom):
    """Statements are bounded, and these stand in them twice."""
    wide = ", ".join(f"c{number:_<62} int" for number in range(450))
    process = custom(EVENTS[:-1] + ", " + wide + ")", "public.events", {"on_delivered": "archive"})
    process.wait_running()
    process.stop()
    added = wide.replace("c", "ADD COLUMN c")
    custom.database.run(f"SET ROLE owner; ALTER TABLE eventferry.archive_public_events {added};"
                        " RESET ROLE")
    process.start()
    reason = process.wait_state("misconfigured")["reason"]
    assert "columns that are archived take" in reason and "on_delivered: mark or delete" in reason
