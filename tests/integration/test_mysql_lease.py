# SPDX-License-Identifier: MIT
"""The lease in MariaDB and MySQL, where a lock on a row holds up every other writer of it."""

import uuid

from harness.outbox import APPLICATION
from harness.setup import relay_config
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
