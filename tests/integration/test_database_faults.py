# SPDX-License-Identifier: MIT
"""PostgreSQL restarts, breaks connections, loses replies, hangs, or has its table emptied."""

import time

import pytest

from harness.checker import assert_intact, check
from harness.outbox import Outbox
from harness.timing import stays, wait_for
from harness.writers import Writers


def writers_of(outbox, **more):
    return Writers(lambda: outbox.database.connect("test", autocommit=False), outbox.topic, **more)


def finish(outbox, collector, writers, **more):
    rows = writers.stop()
    collector.wait_ids([r.message_id for r in rows], timeout=30)
    outbox.wait_finished(timeout=30)
    return assert_intact(rows, collector.drain(), writers.maybe, **more)


@pytest.mark.parametrize("mode", ["fast", "immediate", "kill"])
def test_database_restarted_in_mid_batch(own_postgres, topic, relay, collect, mode):
    database = own_postgres()
    outbox = Outbox(database, topic)
    process = relay(outbox)
    process.wait_running()
    with writers_of(outbox, pause_s=(0.0, 0.01)) as writers:
        wait_for(lambda: process.metric("messages_delivered_total") > 100, 20, "it is at work",
                 interval=0.005)
        if mode == "kill":
            database.server.kill()
            database.server.start()
        else:
            database.server.restart(mode)
        before = writers.count
        wait_for(lambda: writers.count > before + 100, 20, "writers go on")
        process.wait_running(timeout=20)
        finish(outbox, collect(topic), writers)
    wait_for(lambda: process.metric("database_reconnects_total") >= 1, 10, "it is counted")
    assert process.metric("rows_dead_total") == 0


def test_start_without_database_waits_and_then_relays(own_postgres, topic, relay, collect):
    database = own_postgres()
    outbox = Outbox(database, topic)
    row = outbox.insert("a")
    database.server.stop()
    process = relay(outbox)
    wait_for(lambda: process.metric("database_up") == 0, 5, "it knows")
    assert process.outbox()["state"] == "connecting"
    assert process.outbox()["reason"]
    assert process.get_code("/livez") == 200
    database.server.start()
    collect(topic).wait_ids([row], timeout=20)
    wait_for(lambda: process.get_code("/readyz") == 200, 10, "ready")


@pytest.mark.parametrize("purpose", ["read", "settle", "lease"])
def test_any_connection_may_break_at_any_time(outbox, relay, collect, purpose):
    process = relay(outbox)
    process.wait_running()
    with writers_of(outbox, pause_s=(0.0, 0.01)) as writers:
        for _ in range(5):
            before = writers.count
            wait_for(lambda: writers.count > before + 30, 20, "writers are at work")
            wait_for(lambda: outbox.database.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name "
                "LIKE %s AND datname = current_database()", (f"eventferryd/%/{purpose}",)), 10,
                f"the {purpose} connection is there")
        finish(outbox, collect(outbox.topic), writers)
    assert process.metric("rows_dead_total") == 0


def test_refused_connections_are_tried_with_backoff_one_at_a_time(outbox, relay, proxy, collect):
    """The LISTEN connection is killed again and again, then everything is refused: attempts do not
    multiply, and afterwards there are no more sessions than before."""
    between = proxy(outbox.database.server.port)
    process = relay(outbox, {"wake": "notify"}, port=between.port)
    process.wait_running()
    normal = between.open_connections
    assert 1 <= normal <= 4
    began = time.monotonic()
    for _ in range(10):
        between.cut()
        wait_for(lambda: between.open_connections >= 1, 10, "it connects again")
    assert between.attempts_since(began) <= 10 * normal + 10
    refused = time.monotonic()
    between.refuse()
    stays(lambda: process.get_code("/livez") == 200, 6, "it lives", interval=0.5)
    attempts = between.attempts_since(refused)
    assert 2 <= attempts <= 45, f"{attempts} attempts in 6 s"
    between.refuse(False)
    process.wait_running(timeout=30)
    wait_for(lambda: between.open_connections == normal, 10, "as many sessions as before")
    collect(outbox.topic).wait_ids([outbox.insert("a")])


def executed(statement):
    """What a Bind message of the unnamed portal to this prepared statement holds."""
    return b"\0" + statement.encode() + b"\0"


RENEWAL = b"current_setting('synchronous_commit')"  # not prepared: its text is sent each time


@pytest.mark.parametrize("statement", [executed("ef_settle"), executed("ef_fetch"), RENEWAL],
                         ids=["settle", "fetch", "renewal"])
def test_lost_reply_takes_no_row_that_was_not_sent(outbox, relay, proxy, collect, statement):
    """It happened, but nobody was told. Asked again, it must change nothing more."""
    between = proxy(outbox.database.server.port)
    process = relay(outbox, {"on_delivered": "delete"}, port=between.port)
    process.wait_running()
    with writers_of(outbox, pause_s=(0.0, 0.01)) as writers:
        for _ in range(4):
            lost = between.lost_replies
            between.lose_reply_of(statement)
            wait_for(lambda: between.lost_replies > lost, 10, "a reply is lost")
            process.wait_running(timeout=20)
        finish(outbox, collect(outbox.topic), writers)


def test_lost_reply_of_an_archiving_settle_archives_once(outbox, relay, proxy, collect):
    between = proxy(outbox.database.server.port)
    relay(outbox, port=between.port).wait_running()
    between.lose_reply_of(executed("ef_settle"))
    outbox.insert_many(100)
    outbox.wait_finished()
    assert between.lost_replies == 1
    wait_for(lambda: outbox.archived() == 100, 10, "each row is archived")
    assert outbox.database.one(f"SELECT count(DISTINCT id) FROM {outbox.archive}") == 100


def test_slow_network_to_the_database_keeps_lease_and_order(outbox, relay, proxy, collect):
    """A quarter of a second each way: a read takes as long as some claims last."""
    between = proxy(outbox.database.server.port)
    between.latency = 0.25
    process = relay(outbox, {"lease_ttl": "10s"}, port=between.port)
    process.wait_running(timeout=30)
    with writers_of(outbox, pause_s=(0.0, 0.02)) as writers:
        wait_for(lambda: writers.count > 300, 20, "writers are at work")
        finish(outbox, collect(outbox.topic), writers, repeats=0)
    assert process.metric("lease_lost_total") == 0


def test_silent_network_makes_the_owner_stop_in_time_and_come_back(outbox, relay, proxy, collect):
    """Nothing is refused, nothing answers. The owner must stop producing before its lease ends, and
    its endpoints keep answering."""
    between = proxy(outbox.database.server.port)
    first = relay(outbox, port=between.port)
    first.wait_running()
    between.blackhole()
    second = relay(outbox)
    second.wait_running(timeout=8)
    assert first.outbox()["state"] != "running"
    assert first.get_code("/livez") == 200
    row = outbox.insert("a")
    collect(outbox.topic).wait_ids([row])
    between.blackhole(False)
    between.cut()
    first.wait_state("standby", timeout=20)
    assert len(collect(outbox.topic).drain()) == 1


def test_database_standing_still_is_survived(own_postgres, topic, relay, collect):
    database = own_postgres()
    outbox = Outbox(database, topic)
    process = relay(outbox)
    process.wait_running()
    database.server.pause()
    began = time.monotonic()
    wait_for(lambda: process.outbox()["state"] != "running", 10, "it gives up its lease")
    assert time.monotonic() - began < 5
    assert process.get_code("/livez") == 200
    database.server.resume()
    process.wait_running(timeout=30)
    collect(topic).wait_ids([outbox.insert("a")])


def test_slow_look_before_a_takeover_does_not_hold_up_the_next(own_postgres, topic, relay,
                                                               collect):
    """A look for waiting rows is rationed by the time the last one took: not when the table was
    just acquired. This one is asked for while the server stands still."""
    database = own_postgres()
    outbox = Outbox(database, topic)
    row = outbox.insert("a")
    process = relay(outbox, start=False)
    database.run("UPDATE outbox SET status = 3, next_retry_at = now() + interval '1500 ms'")
    process.start()
    process.wait_running()
    database.server.pause()
    wait_for(lambda: process.outbox()["state"] != "running", 10, "it gives up its lease")
    database.server.resume()
    process.wait_running(timeout=5)
    collect(topic).wait_ids([row], timeout=10)


def test_truncate_restart_identity_under_load_loses_nothing_that_came_after(outbox, relay, collect):
    """Ids begin again at 1 while old ones are in flight: a late settle of the old id 5 must not
    take the new row 5 away unsent."""
    process = relay(outbox)
    process.wait_running()
    database = outbox.database
    rounds = []
    for number in range(4):
        with writers_of(outbox, seed=number, threads=3, pause_s=(0.0, 0.002),
                        hold_s=(0.0, 0.002)) as writers:
            wait_for(lambda: writers.count > 150, 20, "writers are at work")
            rounds.append(writers.stop())
        database.run("TRUNCATE outbox RESTART IDENTITY")
    with writers_of(outbox, seed=99) as writers:
        wait_for(lambda: writers.count > 150, 20, "writers are at work")
        last = writers.stop()
    collector = collect(outbox.topic)
    collector.wait_ids([r.message_id for r in last], timeout=30)
    outbox.wait_finished()
    truncated = [row for each in rounds for row in each]
    verdict = check(last, collector.drain(), maybe=truncated)
    assert not verdict.lost and not verdict.invented and not verdict.altered, str(verdict)
    for each in rounds + [last]:
        ids = {r.message_id for r in each}
        order = check(each, [m for m in collector.messages if m.message_id in ids])
        assert not order.out_of_order, str(order)
    assert process.metric("rows_dead_total") == 0


def test_time_zones_of_host_and_database_do_not_matter(outbox, relay, collect):
    """Retry times are the database's business alone."""
    database = outbox.database
    database.run(f"ALTER DATABASE {database.name} SET timezone = 'Asia/Karachi'")
    soon, late = outbox.insert("a"), outbox.insert("b")
    database.run("UPDATE outbox SET status = 3, next_retry_at = now() + interval '2 s' "
                 "WHERE message_id = %s", (soon,))
    database.run("UPDATE outbox SET status = 3, next_retry_at = now() + interval '1 hour' "
                 "WHERE message_id = %s", (late,))
    created = outbox.row(soon, "extract(epoch FROM created_at)")[0]
    began = time.monotonic()
    relay(outbox, env={"TZ": "America/Los_Angeles"})
    message = collect(outbox.topic).wait_ids([soon])[0]
    assert 0.5 < time.monotonic() - began < 10
    assert abs(message.timestamp_ms / 1000 - float(created)) < 0.01
    stays(lambda: outbox.row(late) is not None, 1, "the later one waits")


def test_statement_that_hangs_on_a_lock_is_given_up_and_tried_again(outbox, relay, collect):
    process = relay(outbox, databases={"db": {"statement_timeout": "1s"}})
    process.wait_running()
    with outbox.database.session(autocommit=False) as locker:
        locker.run("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
        stays(lambda: process.get_code("/livez") == 200, 3, "it lives", interval=0.5)
        locker.connection.rollback()
    collect(outbox.topic).wait_ids([outbox.insert("a")])
    assert process.metric("errors_total", source="database") >= 1


def test_table_that_disappears_and_returns_is_relayed_again(outbox, relay, collect):
    process = relay(outbox)
    process.wait_running()
    outbox.database.run("ALTER TABLE outbox RENAME TO elsewhere")
    assert "outbox" in process.wait_state("misconfigured")["reason"]
    assert process.get_code("/livez") == 200 and process.get_code("/readyz") == 503
    outbox.database.run("ALTER TABLE elsewhere RENAME TO outbox")
    process.wait_running(timeout=20)
    collect(outbox.topic).wait_ids([outbox.insert("a")])
