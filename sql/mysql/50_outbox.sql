-- SPDX-License-Identifier: MIT
-- The outbox table itself. On a table that was there before only what InnoDB does online: its
-- writers go on meanwhile.

-- A table that eventferry's applications can go on inserting into: the same columns, with
-- kafka_partition and last_error besides, and a payload that may be null (a tombstone). created_at
-- is in the server's time zone, since that is what those applications write. Reads take unfinished
-- rows in the order of their ids, which (status, id) serves.
--@ step: table :"table_schema".:"table"
--@ if: new_table own_layout
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table')
CREATE TABLE :"table_schema".:"table" (
    id              BIGINT NOT NULL AUTO_INCREMENT,
    message_id      CHAR(36) NOT NULL,
    aggregate_type  VARCHAR(255) NOT NULL,
    aggregate_id    VARCHAR(255) NOT NULL,
    topic           VARCHAR(255) NOT NULL,
    "key"           TEXT,
    payload         JSON,
    headers         JSON NOT NULL,
    trace_id        VARCHAR(64),
    kafka_partition INT,
    status          TINYINT NOT NULL DEFAULT 0,
    attempts        INT NOT NULL DEFAULT 0,
    next_retry_at   DATETIME(3),
    claimed_at      DATETIME(3),
    created_at      DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    processed_at    DATETIME(3),
    last_error      TEXT,
    PRIMARY KEY (id),
    UNIQUE KEY :"index_message_id" (message_id),
    KEY :"index_status_id" (status, id)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

-- Nullable and without a default: the rows there are stay as they are. Where the server cannot do
-- it instantly the program asks for ALGORITHM = INPLACE, LOCK = NONE, and for nothing beyond that.
--@ step: column kafka_partition of :"table_schema".:"table"
--@ if: old_table own_layout
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table'
--@             AND COLUMN_NAME = 'kafka_partition')
ALTER TABLE :"table_schema".:"table" ADD COLUMN kafka_partition INT, ALGORITHM = INSTANT;

--@ step: column last_error of :"table_schema".:"table"
--@ if: old_table own_layout
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table'
--@             AND COLUMN_NAME = 'last_error')
ALTER TABLE :"table_schema".:"table" ADD COLUMN last_error TEXT, ALGORITHM = INSTANT;
