-- SPDX-License-Identifier: MIT
-- The outbox table itself: these steps come late in the transaction, because they lock it.

-- A table that eventferry's applications can go on inserting into: the same columns, with
-- kafka_partition and last_error besides, and a payload that may be null (a tombstone).
-- Rows come and go, so vacuum goes by a number of dead rows, whatever the size.
--@ step: table :"table_schema".:"table"
--@ if: new_table own_layout
CREATE TABLE :"table_schema".:"table" (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id      uuid NOT NULL DEFAULT gen_random_uuid(),
    aggregate_type  varchar(255) NOT NULL,
    aggregate_id    varchar(255) NOT NULL,
    topic           varchar(255) NOT NULL,
    key             text,
    payload         jsonb,
    headers         jsonb NOT NULL DEFAULT '{}',
    trace_id        varchar(64),
    kafka_partition int,
    status          smallint NOT NULL DEFAULT 0,
    attempts        int NOT NULL DEFAULT 0,
    next_retry_at   timestamptz,
    claimed_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    processed_at    timestamptz,
    last_error      text,
    CONSTRAINT :"index_message_id" UNIQUE (message_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
        autovacuum_vacuum_cost_delay = 0, toast.autovacuum_vacuum_scale_factor = 0,
        toast.autovacuum_vacuum_threshold = 10000, toast.autovacuum_vacuum_cost_delay = 0);
CREATE INDEX :"index_unfinished" ON :"table_schema".:"table" (id) WHERE status IN (0, 1, 3);
CREATE INDEX :"index_waiting" ON :"table_schema".:"table" (aggregate_id, id) WHERE status IN (1, 3);

-- Nullable and without a default: the rows there are stay as they are.
--@ step: column kafka_partition of :"table_schema".:"table"
--@ if: old_table own_layout
--@ unless: SELECT EXISTS (SELECT FROM pg_attribute
--@           WHERE attrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))
--@             AND attname = 'kafka_partition' AND NOT attisdropped)
ALTER TABLE :"table_schema".:"table" ADD COLUMN kafka_partition int;

--@ step: column last_error of :"table_schema".:"table"
--@ if: old_table own_layout
--@ unless: SELECT EXISTS (SELECT FROM pg_attribute
--@           WHERE attrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))
--@             AND attname = 'last_error' AND NOT attisdropped)
ALTER TABLE :"table_schema".:"table" ADD COLUMN last_error text;
