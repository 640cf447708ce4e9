# SPDX-License-Identifier: MIT
"""Several outboxes and databases in one process: each on its own."""

from harness.checker import assert_intact
from harness.daemon import merge
from harness.outbox import RELAY, Outbox
from harness.setup import fresh_database, migrate, relay_config, retire
from harness.timing import wait_for
from harness.writers import Writers


def two(first, second, broker, **more):
    """A configuration with two outboxes."""
    config = relay_config(first.database, broker,
                          {"name": first.name, "table": first.table}, **more)
    config["outboxes"].append(merge(config["outboxes"][0],
                                    {"name": second.name, "table": second.table}))
    if second.database is not first.database:
        config["databases"]["db2"] = {"driver": "postgres", "url": second.database.url(RELAY)}
        config["outboxes"][1]["database"] = "db2"
    return config


def second_outbox(db, topic):
    migrate(db, table="public.outbox2")
    return Outbox(db, topic, table="public.outbox2", name="payments")


def test_two_outboxes_of_one_database_under_load(kafka, db, daemon, collect):
    outboxes = [Outbox(db, kafka.create_topic()), second_outbox(db, kafka.create_topic())]
    daemon(two(*outboxes, kafka)).start()
    both = [Writers(lambda: db.connect("test", autocommit=False), o.topic, table=o.table,
                    transactions=60, threads=3).start() for o in outboxes]
    for outbox, writers in zip(outboxes, both):
        rows = writers.join()
        collector = collect(outbox.topic)
        collector.wait_ids([r.message_id for r in rows])
        outbox.wait_finished()
        assert_intact(rows, collector.drain(), repeats=0)


def test_broken_table_does_not_stop_the_other(kafka, db, daemon, collect):
    good = Outbox(db, kafka.create_topic())
    missing = Outbox(db, table="public.no_such_table", name="payments")
    process = daemon(two(good, missing, kafka)).start()
    reason = process.wait_state("misconfigured", outbox="payments")["reason"]
    assert "no_such_table" in reason
    process.wait_running(outbox="orders")
    collect(good.topic).wait_ids([good.insert("a")])
    answer = process.get("/readyz")
    assert answer.status_code == 503 and "payments" in answer.text


def test_table_created_later_is_picked_up_without_a_restart(kafka, db, daemon, collect):
    good = Outbox(db, kafka.create_topic())
    late = Outbox(db, kafka.create_topic(), table="public.outbox2", name="payments")
    process = daemon(two(good, late, kafka)).start()
    process.wait_state("misconfigured", outbox="payments")
    migrate(db, table="public.outbox2")
    collect(late.topic).wait_ids([late.insert("a")], timeout=20)


def test_unreachable_database_does_not_stop_the_other(kafka, own_postgres, db, topic, daemon,
                                                      collect):
    away = own_postgres()
    first, second = Outbox(db, topic), Outbox(away, kafka.create_topic(), name="payments")
    process = daemon(two(first, second, kafka)).start()
    process.wait_running(outbox="payments")
    away.server.stop("immediate")
    collect(topic).wait_ids([first.insert("a")])
    wait_for(lambda: process.outbox("payments")["state"] == "connecting", 10, "it reconnects")
    assert process.outbox("orders")["state"] == "running"
    away.server.start()
    collect(second.topic).wait_ids([second.insert("b")], timeout=20)


def test_paused_outbox_does_not_stop_the_other(kafka, db, daemon, collect):
    outboxes = [Outbox(db, kafka.create_topic()), second_outbox(db, kafka.create_topic())]
    process = daemon(two(*outboxes, kafka)).start()
    for outbox in outboxes:
        process.wait_running(outbox=outbox.name)
    process.ctl("pause", "orders")
    process.wait_state("paused", outbox="orders")
    collect(outboxes[1].topic).wait_ids([outboxes[1].insert("a")])


def test_two_databases_of_one_server(kafka, system_postgres, db, topic, daemon, collect):
    other = fresh_database(system_postgres)
    try:
        first, second = Outbox(db, topic), Outbox(other, kafka.create_topic(), name="payments")
        daemon(two(first, second, kafka)).start()
        collect(first.topic).wait_ids([first.insert("a")])
        collect(second.topic).wait_ids([second.insert("a")])
    finally:
        retire(other)


def test_poison_of_one_outbox_does_not_disturb_the_other(kafka, db, daemon, collect):
    """They share a producer: an event that can never go must not take the other's with it."""
    topic = kafka.create_topic(config={"max.message.bytes": "20000"}) if kafka.real \
        else kafka.create_topic()
    poisoned, healthy = Outbox(db, topic), second_outbox(db, kafka.create_topic())
    process = daemon(two(poisoned, healthy, kafka)).start()
    process.wait_running(outbox="payments")
    writers = Writers(lambda: db.connect("test", autocommit=False), healthy.topic,
                      table=healthy.table, transactions=80, threads=3).start()
    bad = [poisoned.insert("p", {"text": "".join(map(chr, range(0x4E00, 0x9000)))})
           for _ in range(3)]
    rows = writers.join()
    collector = collect(healthy.topic)
    collector.wait_ids([r.message_id for r in rows])
    healthy.wait_finished()
    assert_intact(rows, collector.drain())
    if kafka.real:
        for row in bad:
            poisoned.wait_status(row, 4)
