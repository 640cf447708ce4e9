# SPDX-License-Identifier: MIT
"""The lease in MariaDB and MySQL, where a lock on a row holds up every other writer of it."""

import uuid

from harness.outbox import APPLICATION
from harness.setup import migrate, relay_config
from harness.timing import wait_for


def insert(db, topic):
    with db.session(APPLICATION) as application:
        application.run(
            "INSERT INTO outbox (message_id, aggregate_type, aggregate_id, topic, payload, headers) "
            "VALUES (%s, 'order', 'a-1', %s, '{}', '{}')", (str(uuid.uuid4()), topic))


def lease(db):
    return db.run("SELECT epoch, owner FROM eventferry_lease")[0]


def test_renewals_go_on_while_a_settle_waits_for_a_row(my_db, kafka, topic, daemon):
    process = daemon(relay_config(my_db, kafka, {"on_delivered": "delete"}))
    process.start()
    wait_for(lambda: lease(my_db)[1], 20, "somebody owns the outbox")
    epoch = lease(my_db)[0]
    with my_db.session() as other:
        other.run("SET autocommit = 0")
        insert(my_db, topic)
        other.run("SELECT id FROM outbox FOR UPDATE")
        renewed = my_db.one("SELECT MAX(expires_at) FROM eventferry_lease")
        # two times the lease's life: without renewals it would have been lost
        wait_for(lambda: (my_db.one("SELECT MAX(expires_at) FROM eventferry_lease")
                          - renewed).total_seconds() > 6, 30, "the lease is renewed")
        assert my_db.one("SELECT COUNT(*) FROM outbox") == 1
        other.run("ROLLBACK")
    wait_for(lambda: my_db.one("SELECT COUNT(*) FROM outbox") == 0, 20, "the row is settled")
    assert lease(my_db)[0] == epoch
    assert "lease lost" not in process.log_text()


def test_relays_tell_who_stands_by(my_db, kafka, topic, daemon):
    """Also where migrate has not added the column for it yet: then nobody knows, and all goes on."""
    my_db.run("ALTER TABLE eventferry_relay DROP COLUMN outbox_id")
    old = daemon(relay_config(my_db, kafka, instance="relay-old"))
    old.start()
    old.wait_running()
    assert old.outbox()["lease"]["standbys"] is None
    migrate(my_db)
    old.stop()
    owner, standby = (daemon(relay_config(my_db, kafka, instance=name))
                      for name in ("relay-a", "relay-b"))
    owner.start()
    owner.wait_running()
    standby.start()
    standby.wait_state("standby")
    for process in (owner, standby):
        wait_for(lambda p=process: [s["instance"] for s in p.outbox()["lease"]["standbys"]]
                 == ["relay-b"], 20, "the standby is known")
    insert(my_db, topic)
    wait_for(lambda: my_db.one("SELECT COUNT(*) FROM outbox") == 0, 20, "the row is settled")
    owner.stop()
    standby.wait_running()
    assert standby.outbox()["lease"]["standbys"] == []
