# SPDX-License-Identifier: MIT
"""From an INSERT to a message: what arrives, and with what in it."""

import json
import time

import pytest

from harness.outbox import RELAY, Outbox
from harness.partitioner import murmur2, partition_of
from harness.timing import wait_for

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STANDARD = ["content-type", "message-id", "aggregate-type", "aggregate-id"]


def test_committed_event_arrives_with_key_value_headers_and_time(each_db, topic, relay, collect):
    outbox = Outbox(each_db, topic)
    row = outbox.insert("order-1", {"total": 42}, trace_id="trace-7",
                        headers=json.dumps({"traceparent": TRACEPARENT, "tenant": "blue"}))
    created = each_db.one("SELECT (extract(epoch FROM created_at) * 1000)::bigint FROM outbox")
    relay(outbox)
    message = collect(topic).wait(1)[0]
    assert message.key == b"order-1"
    assert message.value == b'{"total": 42}'
    assert message.headers == [
        ("tenant", b"blue"), ("traceparent", TRACEPARENT.encode()),
        ("content-type", b"application/json"), ("message-id", row.encode()),
        ("aggregate-type", b"order"), ("aggregate-id", b"order-1"), ("trace-id", b"trace-7")]
    assert message.timestamp_is_create_time
    assert abs(message.timestamp_ms - created) <= 1
    outbox.wait_finished()
    assert outbox.count() == 0 and outbox.archived() == 1


def test_rolled_back_event_never_arrives(outbox, relay, collect):
    relay(outbox).wait_running()
    with outbox.database.session("app", autocommit=False) as application:
        kept_back = outbox.insert("order-1", session=application)
        application.connection.rollback()
        sent = outbox.insert("order-1", session=application)
        application.connection.commit()
    messages = collect(outbox.topic).wait_ids([sent])
    assert [m.message_id for m in messages] == [sent]
    assert kept_back not in [m.message_id for m in collect(outbox.topic).drain()]


def test_explicit_key_replaces_the_aggregate_id_as_key(outbox, relay, collect):
    outbox.insert("order-1", key="customer-9")
    relay(outbox)
    message = collect(outbox.topic).wait(1)[0]
    assert message.key == b"customer-9"
    assert message.header("aggregate-id") == "order-1"


def test_known_murmur2_values():
    # values of Kafka's own UtilsTest
    assert murmur2(b"21") & 0xFFFFFFFF == -973932308 & 0xFFFFFFFF
    assert murmur2(b"foobar") & 0xFFFFFFFF == -790332482 & 0xFFFFFFFF
    assert murmur2(b"a-little-bit-long-string") & 0xFFFFFFFF == -985981536 & 0xFFFFFFFF


def test_keys_land_where_the_java_client_puts_them(outbox, relay, collect):
    outbox.insert_many(60, aggregates=60)
    relay(outbox)
    for message in collect(outbox.topic).wait(60):
        assert message.partition == partition_of(message.key, 3)


def test_explicit_partition_column_decides(outbox, relay, collect):
    rows = [outbox.insert(f"a-{n}", kafka_partition=n % 3) for n in range(6)]
    relay(outbox)
    messages = collect(outbox.topic).wait(6)
    assert {m.message_id: m.partition for m in messages} == {
        row: n % 3 for n, row in enumerate(rows)}


def test_partition_that_does_not_exist_is_refused_alone(outbox, relay, collect):
    bad = outbox.insert("bad", kafka_partition=99)
    good = outbox.insert("good")
    relay(outbox)
    collect(outbox.topic).wait_ids([good])
    wait_for(lambda: outbox.row(bad)[0] in (3, 4), 10, "the bad row is set aside")
    assert outbox.row(bad, "last_error")[0]


@pytest.mark.real_kafka
def test_partition_added_while_the_topic_is_known_is_used(kafka, outbox, relay, collect):
    first = outbox.insert("a", kafka_partition=0)
    relay(outbox)
    collect(outbox.topic).wait_ids([first])
    kafka.grow_topic(outbox.topic, 6)
    row = outbox.insert("b", kafka_partition=5)
    wait_for(lambda: outbox.row(row) is None or outbox.row(row)[0] in (2, 4), 30, "the row is decided")
    messages = collect(outbox.topic).wait_ids([first, row])  # in no order between partitions
    assert [m.partition for m in messages if m.message_id == row] == [5]


@pytest.mark.parametrize("created_at", ["infinity", "-infinity", "0044-03-15 BC", "294000-01-01",
                                        "0001-01-01", "1969-12-31 23:59:59.999999+00"])
def test_any_created_at_is_relayed_and_settled(outbox, relay, collect, created_at):
    rows = [outbox.insert("a", created_at=created_at), outbox.insert("a")]
    daemon = relay(outbox)
    assert [m.message_id for m in collect(outbox.topic).wait(2)] == rows
    wait_for(lambda: outbox.count() == 0, 10, "both rows are settled")
    assert daemon.outbox()["totals"]["settled"] == 2


@pytest.mark.parametrize("due, arrives", [("infinity", False), ("-infinity", True)])
def test_a_retry_at_no_time_stops_nothing_else(outbox, relay, collect, due, arrives):
    """Who may INSERT may write it, and the database cannot subtract it."""
    waits = outbox.insert("a", status=3, next_retry_at=due, created_at=due)
    row = outbox.insert("b")
    daemon = relay(outbox)
    wanted = [waits, row] if arrives else [row]
    assert sorted(m.message_id for m in collect(outbox.topic).wait(len(wanted))) == sorted(wanted)
    wait_for(lambda: outbox.count() == 2 - len(wanted), 10, "what went is settled")
    # asked by the owner at once, and every ten seconds
    wait_for(lambda: daemon.metric("waiting_rows") == 2 - len(wanted), 20, "the rows are counted")
    assert daemon.outbox()["state"] == "running"
    assert daemon.metric("errors_total", source="database") == 0
    listed = json.loads(daemon.ctl("dead", "list", "--waiting", "--json").stdout)
    assert [row["message_id"] for row in listed] == ([] if arrives else [waits])
    assert all(row["created_us"] == 2**63 - 1 and row["next_retry_in_ms"] > 0 for row in listed)


def test_of_several_hosts_the_one_that_answers_is_used(outbox, relay, collect):
    """Nothing listens on port 1."""
    url = outbox.database.url(RELAY).replace("127.0.0.1:", "127.0.0.1:1,localhost:", 1)
    outbox.insert_many(20)
    relay(outbox, databases={"db": {"url": url}})
    collect(outbox.topic).wait(20)
    wait_for(lambda: outbox.count() == 0, 10, "all are settled")


def test_null_payload_is_a_tombstone(outbox, relay, collect):
    outbox.insert("order-1")
    outbox.insert("order-1", payload=None)
    relay(outbox)
    first, second = collect(outbox.topic).wait(2)
    assert first.value is not None
    assert second.value is None
    assert second.header_names() == ["message-id", "aggregate-type", "aggregate-id"]


def test_payload_of_almost_a_megabyte_arrives_whole(outbox, relay, collect):
    text = "x" * 990_000
    outbox.insert("big", {"text": text})
    relay(outbox)
    assert json.loads(collect(outbox.topic).wait(1)[0].value)["text"] == text


@pytest.mark.real_kafka
def test_payload_of_two_megabytes_arrives_where_everything_allows_it(kafka, db, relay, collect):
    topic = kafka.create_topic(config={"max.message.bytes": "4000000"})
    outbox = Outbox(db, topic)
    outbox.insert("big", {"text": "y" * 2_000_000})
    relay(outbox, {"max_payload": "3MB"}, kafka={"properties": {"message.max.bytes": 4000000}})
    assert len(collect(topic).wait(1)[0].value) > 2_000_000


@pytest.mark.real_kafka
def test_properties_of_the_library_take_effect(kafka, outbox, relay, collect):
    """Seen in the size of the topic's log: it holds what the producer compressed."""
    outbox.insert_many(20, padding=50_000)
    relay(outbox, kafka={"client_id": "compressing", "properties": {"compression.type": "gzip"}})
    messages = collect(outbox.topic).wait(20)
    assert sum(len(m.value) for m in messages) > 1_000_000
    assert 0 < kafka.log_bytes(outbox.topic) < 200_000


def test_unicode_in_payload_headers_key_and_aggregate_id(outbox, relay, collect):
    aggregate, text = "ürün-🚢-日本", "zażółć 🎉 \u2028 \U0001F9EA"
    outbox.insert(aggregate, {"text": text}, headers=json.dumps({"größe": text}))
    relay(outbox)
    message = collect(outbox.topic).wait(1)[0]
    assert message.key == aggregate.encode()
    assert message.header("aggregate-id") == aggregate
    assert message.header("größe") == text
    assert json.loads(message.value) == {"text": text}


def test_nulls_and_exact_numbers_inside_the_payload_stay(outbox, relay, collect):
    with outbox.database.session("app") as application:
        application.run(
            "INSERT INTO outbox (aggregate_type, aggregate_id, topic, payload) VALUES "
            "('order', 'a', %s, '{\"a\": null, \"b\": 1.10, \"c\": 12345678901234567890, "
            "\"d\": [null]}')", (outbox.topic,))
    relay(outbox)
    value = collect(outbox.topic).wait(1)[0].value
    assert value == b'{"a": null, "b": 1.10, "c": 12345678901234567890, "d": [null]}'


def test_row_headers_of_every_json_kind(outbox, relay, collect):
    headers = ('{"text": "a\\u00e9\\n\\"", "number": 1.10, "big": 12345678901234567890, '
               '"yes": true, "none": null, "list": [1, "two"], "object": {"k": {"n": 1e2}}}')
    outbox.insert("a", headers=headers)
    relay(outbox)
    message = collect(outbox.topic).wait(1)[0]
    own = {name: value for name, value in message.headers if name not in STANDARD}
    assert own.pop("none") is None
    assert json.loads(own.pop("list")) == [1, "two"]
    assert json.loads(own.pop("object")) == {"k": {"n": 100}}
    assert own == {"text": 'aé\n"'.encode(), "number": b"1.10", "big": b"12345678901234567890",
                   "yes": b"true"}


def test_standard_headers_replace_row_headers_and_the_row_keeps_its_own(outbox, relay, collect):
    own = {"message-id": "forged", "content-type": "text/html", "tracestate": "v=1"}
    row = outbox.insert("a", headers=json.dumps(own))
    before = outbox.row(row, "headers")
    relay(outbox, {"on_delivered": "mark"})
    message = collect(outbox.topic).wait(1)[0]
    assert sorted(message.header_names()) == sorted(["tracestate"] + STANDARD)
    assert message.header("message-id") == row
    assert message.header("content-type") == "application/json"
    outbox.wait_finished()
    assert outbox.row(row, "headers") == before


def test_only_the_chosen_standard_headers_are_sent(outbox, relay, collect):
    outbox.insert("a", trace_id="t")
    relay(outbox, {"headers": ["message-id"]})
    assert collect(outbox.topic).wait(1)[0].header_names() == ["message-id"]


def test_trace_context_passes_untouched_and_values_decode(outbox, relay, collect):
    state = "vendor=abc,other=x%3D1"
    outbox.insert("a", {"k": [1, {"n": None}]},
                  headers=json.dumps({"traceparent": TRACEPARENT, "tracestate": state}))
    relay(outbox)
    message = collect(outbox.topic).wait(1)[0]
    assert message.header("traceparent") == TRACEPARENT
    assert message.header("tracestate") == state
    assert json.loads(message.value) == {"k": [1, {"n": None}]}


@pytest.mark.parametrize("age, kept", [("1 hour", True), ("3 days", False), ("-1 hour", False)])
def test_old_or_future_rows_get_the_send_time(outbox, relay, collect, age, kept):
    row = outbox.insert("a")
    outbox.database.run("UPDATE outbox SET created_at = now() - %s::interval", (age,))
    created = outbox.row(row, "extract(epoch FROM created_at)")[0]
    relay(outbox)
    message = collect(outbox.topic).wait(1)[0]
    assert (abs(message.timestamp_ms / 1000 - float(created)) < 0.01) == kept
    assert kept or abs(message.timestamp_ms / 1000 - time.time()) < 30
    assert (message.header("created-at") is None) == kept


def test_send_time_when_asked_for(outbox, relay, collect):
    outbox.insert("a")
    outbox.database.run("UPDATE outbox SET created_at = now() - interval '1 hour'")
    relay(outbox, {"timestamp": "send"})
    assert abs(collect(outbox.topic).wait(1)[0].timestamp_ms / 1000 - time.time()) < 30


def test_events_of_several_topics_go_where_their_rows_say(kafka, db, relay, collect):
    topics = [kafka.create_topic() for _ in range(3)]
    outbox = Outbox(db)
    for number in range(30):
        outbox.insert(f"a-{number}", topic=topics[number % 3])
    relay(outbox)
    messages = collect(*topics).wait(30)
    assert all(topics[int(m.key.decode()[2:]) % 3] == m.topic for m in messages)


def test_topic_names_of_kafka_itself_are_refused(outbox, relay, collect):
    inner = outbox.insert("a", topic="__consumer_offsets")
    good = outbox.insert("b")
    relay(outbox)
    collect(outbox.topic).wait_ids([good])
    outbox.wait_status(inner, 4)


def test_topics_outside_the_allowed_patterns_are_refused(kafka, db, relay, collect):
    allowed, other = kafka.create_topic(kafka.new_name("orders.a")), kafka.create_topic()
    outbox = Outbox(db, allowed)
    refused = outbox.insert("a", topic=other)
    sent = outbox.insert("b")
    relay(outbox, {"topics": {"allow": ["orders.*"]}})
    collect(allowed).wait_ids([sent])
    outbox.wait_status(refused, 4)
    assert collect(other).drain() == []
