# SPDX-License-Identifier: MIT
"""The tests' own tools: a checker that overlooks a fault would make every other test worthless."""

import time

import psycopg2
import pytest

from harness import metrics, yaml
from harness.checker import Row, check
from harness.consumer import Message
from harness.daemon import parse_logfmt
from harness.postgres import Postgres
from harness.timing import NotInTime, wait_for
from harness.writers import Writers


def row(number, aggregate="a"):
    return Row(f"m{number}", number, aggregate, "t", b"v%d" % number)


def message(number, offset, aggregate="a", value=None, topic="t", message_id=None):
    return Message(topic, 0, offset, aggregate.encode(), value or b"v%d" % number,
                   [("message-id", (message_id or f"m{number}").encode()),
                    ("aggregate-id", aggregate.encode())])


def test_checker_accepts_repeats_that_begin_again():
    rows = [row(1), row(2), row(3)]
    verdict = check(rows, [message(n, o) for o, n in enumerate([1, 2, 1, 2, 3])])
    assert verdict.intact and verdict.repeated == 2 and verdict.delivered == 3


@pytest.mark.parametrize("messages, fault", [
    ([message(1, 0)], "lost"),
    ([message(1, 0), message(2, 1), message(9, 2)], "invented"),
    ([message(2, 0), message(1, 1)], "out_of_order"),
    ([message(1, 0), message(2, 1, value=b"other")], "altered"),
    ([message(1, 0), message(2, 1, topic="u")], "altered"),
    ([message(1, 0), message(2, 1, aggregate="b")], "altered"),
])
def test_checker_finds(messages, fault):
    verdict = check([row(1), row(2)], messages)
    assert not verdict.intact
    assert getattr(verdict, fault)


def test_checker_allows_either_for_a_commit_without_an_answer():
    assert check([row(1)], [message(1, 0)], maybe=[row(2)]).intact
    assert check([row(1)], [message(1, 0), message(2, 1)], maybe=[row(2)]).intact


def test_checker_lets_aggregates_pass_each_other():
    assert check([row(1), row(2, "b")], [message(2, 0, "b"), message(1, 1)]).intact


def test_wait_for_gives_up_with_the_last_value():
    with pytest.raises(NotInTime, match="the moon.*last seen: 0"):
        wait_for(lambda: 0, 0.05, "the moon")


def test_logfmt_lines_are_read_back():
    assert parse_logfmt('level=info msg="a \\"b\\"\\nc" n=3') == {
        "level": "info", "msg": 'a "b"\nc', "n": "3"}
    assert parse_logfmt("==1==ERROR: something else") is None


def test_yaml_quotes_what_would_change_its_type():
    assert yaml.dump({"a": "10", "b": "10s", "c": "off", "d": ["x:1"], "e": {}}) == \
        'a: "10"\nb: 10s\nc: "off"\nd:\n  - "x:1"\ne: {}\n'


@pytest.mark.parametrize("page", [
    "x_total 1\n", "# TYPE x_total counter\nx_total 1\nx_total 1\n", "# TYPE x gauge\nx one\n",
    "# TYPE x gauge\nx 1", '# TYPE x gauge\nx{a="1",a="2"} 1\n', '# TYPE x gauge\nx{a=1} 1\n',
    "# TYPE x gauge\n# TYPE y gauge\nx 1\ny 1\nx{a=\"1\"} 1\n"])
def test_metrics_reader_refuses_broken_pages(page):
    with pytest.raises(metrics.BadPage):
        metrics.Page(page)


def test_metrics_reader_complains_as_promtool_does():
    page = metrics.Page('# TYPE a counter\na 1\n# HELP h h\n# TYPE h histogram\n'
                        'h_bucket{le="1"} 3\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\n')
    assert len(page.lint()) == 3  # no help, no _total, buckets that do not add up


def test_writers_report_what_they_committed(bare_server_table):
    database = bare_server_table
    writers = Writers(lambda: database.connect(autocommit=False), "t", table="events", seed=3,
                      transactions=30)
    writers.start().join()
    found = {r[0] for r in database.run("SELECT message_id::text FROM events")}
    assert found == {r.message_id for r in writers.committed}
    assert writers.rolled_back > 0 and not writers.maybe
    assert database.one("SELECT max(id) FROM events") > len(found)  # rollbacks leave gaps


def test_writers_survive_a_restart_of_the_server(own_server_table):
    database = own_server_table
    with Writers(lambda: database.connect(autocommit=False), "t", table="events") as writers:
        wait_for(lambda: writers.count > 20, 10, "writers are at work")
        database.server.restart("immediate")
        before = writers.count
        wait_for(lambda: writers.count > before + 20, 10, "writers are at work again")
        writers.stop()
    found = {r[0] for r in database.run("SELECT message_id::text FROM events")}
    committed = {r.message_id for r in writers.committed}
    assert committed <= found <= committed | {r.message_id for r in writers.maybe}


TABLE = """CREATE TABLE events (id bigserial PRIMARY KEY, message_id uuid, aggregate_type text,
    aggregate_id text, topic text, payload jsonb)"""


@pytest.fixture
def bare_server_table(system_postgres):
    database = system_postgres.create_database()
    database.run(TABLE)
    yield database
    database.drop()


@pytest.fixture
def own_server_table():
    server = Postgres()
    database = server.create_database()
    database.run(TABLE)
    yield database
    server.discard()


def test_proxy_delays_cuts_and_holds(system_postgres, proxy):
    between = proxy(system_postgres.port)

    def connect():
        connection = psycopg2.connect(host="127.0.0.1", port=between.port, dbname="postgres",
                                      user="test", connect_timeout=5)
        connection.autocommit = True
        return connection

    def timed():
        start = time.monotonic()
        with connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return time.monotonic() - start

    assert timed() < 0.2
    between.latency = 0.1
    assert timed() > 0.4  # start-up and query, each there and back
    between.latency = 0.0
    connection = connect()
    between.cut()
    with pytest.raises(psycopg2.OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    between.refuse()
    with pytest.raises(psycopg2.OperationalError):
        connect()
    between.refuse(False)
    assert timed() < 0.2
    assert len(between.attempts) == 5


def test_proxy_loses_one_reply(system_postgres, proxy):
    between = proxy(system_postgres.port)
    database = system_postgres.create_database()
    database.run("CREATE TABLE x (a int)")
    connection = psycopg2.connect(host="127.0.0.1", port=between.port, dbname=database.name,
                                  user="test")
    connection.autocommit = True
    between.lose_reply_of(b"INSERT INTO x")
    with pytest.raises(psycopg2.OperationalError), connection.cursor() as cursor:
        cursor.execute("INSERT INTO x VALUES (1)")
    assert between.lost_replies == 1
    wait_for(lambda: database.one("SELECT count(*) FROM x") == 1, 5, "the row is there")
    database.drop()


def test_collector_reads_to_the_end(kafka, collect, topic):
    kafka.produce(topic, b"one", key=b"k", headers=[("a", b"1"), ("b", None)])
    kafka.produce(topic, None, key=b"k")
    first, second = collect(topic).drain()
    assert (first.key, first.value, first.headers) == (b"k", b"one", [("a", b"1"), ("b", None)])
    assert second.value is None and (second.partition, second.offset) == (first.partition, 1)


def test_paused_broker_comes_back(breakable_kafka, collect, topic):
    breakable_kafka.pause()
    breakable_kafka.resume()
    breakable_kafka.produce(topic, b"x")
    assert len(collect(topic).drain()) == 1
