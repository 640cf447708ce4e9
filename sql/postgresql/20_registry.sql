-- SPDX-License-Identifier: MIT
-- The tables that relays share: which outboxes there are, who owns them, who stands by, and what
-- operators asked for. The relay's role may change rows here but not make or remove outboxes.

-- One row for each outbox table. Leases hang on it, never on the name an outbox has in a file.
-- archive_name and archive_stem are names in this schema: the archive and the beginning of its
-- partitions' names (null: no archive). The relay may write only the three paused columns.
--@ step: table :"schema".outbox
--@ unless: SELECT to_regclass(format('%I.outbox', :'schema')) IS NOT NULL
CREATE TABLE :"schema".outbox (
    outbox_id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_schema name NOT NULL,
    table_name   name NOT NULL,
    archive_name name,
    archive_stem name,
    paused_at    timestamptz,
    paused_by    text,
    pause_reason text,
    UNIQUE (table_schema, table_name)
);

-- One row for each outbox, made here because the relay's role cannot insert any. It is written
-- every few seconds, so half of each page is left free and every such write stays on its page.
-- Only the database's clock writes the times.
--@ step: table :"schema".lease
--@ unless: SELECT to_regclass(format('%I.lease', :'schema')) IS NOT NULL
CREATE TABLE :"schema".lease (
    outbox_id      int PRIMARY KEY REFERENCES :"schema".outbox ON DELETE CASCADE,
    epoch          bigint NOT NULL DEFAULT 0,
    owner          text,
    incarnation    uuid,
    token          uuid,
    server         text,
    server_seen_at timestamptz,
    acquired_at    timestamptz,
    expires_at     timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- Every live relay process says so here: owners and those who stand by.
--@ step: table :"schema".relay
--@ unless: SELECT to_regclass(format('%I.relay', :'schema')) IS NOT NULL
CREATE TABLE :"schema".relay (
    incarnation uuid PRIMARY KEY,
    instance    text NOT NULL,
    host        text,
    version     text,
    seen_at     timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

-- Whom a row stands for: without the column nobody knows who stands by which outbox. Added later,
-- so that older relays, which do not fill it, go on.
--@ step: column outbox_id of :"schema".relay
--@ unless: SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attname = 'outbox_id' AND NOT attisdropped
--@           AND attrelid = to_regclass(format('%I.relay', :'schema')))
ALTER TABLE :"schema".relay ADD COLUMN IF NOT EXISTS outbox_id int;

-- What operators ask for: retry, skip or edit rows. The owner of the outbox carries it out.
--@ step: table :"schema".command
--@ unless: SELECT to_regclass(format('%I.command', :'schema')) IS NOT NULL
CREATE TABLE :"schema".command (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    outbox_id int NOT NULL REFERENCES :"schema".outbox ON DELETE CASCADE,
    verb      text NOT NULL,
    args      jsonb NOT NULL DEFAULT '{}',
    actor     text NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    done_at   timestamptz,
    result    text
);
CREATE INDEX command_open ON :"schema".command (outbox_id, id) WHERE done_at IS NULL;

-- What operators hold back: a topic's or an aggregate's rows wait until they are released.
--@ step: table :"schema".hold
--@ unless: SELECT to_regclass(format('%I.hold', :'schema')) IS NOT NULL
CREATE TABLE :"schema".hold (
    outbox_id int NOT NULL REFERENCES :"schema".outbox ON DELETE CASCADE,
    kind      text NOT NULL CHECK (kind IN ('topic', 'aggregate')),
    name      text NOT NULL,
    actor     text NOT NULL,
    reason    text NOT NULL DEFAULT '',
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (outbox_id, kind, name)
);

-- What was done to rows and by whom; only ever added to. A payload appears as its SHA-256.
--@ step: table :"schema".audit
--@ unless: SELECT to_regclass(format('%I.audit', :'schema')) IS NOT NULL
CREATE TABLE :"schema".audit (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at             timestamptz NOT NULL DEFAULT now(),
    outbox_id      int,
    actor          text NOT NULL,
    verb           text NOT NULL,
    row_id         bigint,
    message_id     text,
    topic          text,
    payload_sha256 bytea,
    detail         jsonb NOT NULL DEFAULT '{}'
);
