# SPDX-License-Identifier: MIT
"""A table that eventferry made and migrate completed is relayed as it stands; a database that was
not prepared, or by a newer release, is named."""

import pytest

from harness.migration import make_eventferry_table
from harness.outbox import Outbox
from harness.setup import migrate


@pytest.mark.parametrize("choice", ["archive", "delete", "mark"])
def test_eventferry_table_is_relayed_after_its_upgrade(bare_db, topic, relay, collect, choice):
    make_eventferry_table(bare_db)
    migrate(bare_db)
    outbox = Outbox(bare_db, topic)
    outbox.insert_many(50)
    relay(outbox, {"on_delivered": choice})
    collect(topic).wait(50)
    outbox.wait_finished()


def test_newer_schema_is_refused_with_a_sentence(outbox, relay):
    outbox.database.run("INSERT INTO eventferry.schema_version (version, applied_at) "
                        "VALUES (1000, now())")
    reason = relay(outbox).wait_state("misconfigured")["reason"]
    assert "1000" in reason or "newer" in reason


def test_database_that_was_never_migrated_is_named_with_the_command(bare_db, topic, relay):
    reason = relay(Outbox(bare_db, topic)).wait_state("misconfigured")["reason"]
    assert "eventferryctl migrate" in reason
