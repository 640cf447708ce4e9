-- SPDX-License-Identifier: MIT
-- layout: debezium: a table as Debezium's Outbox Event Router documents it, with what a relay needs
-- besides.

--@ step: table :"table_schema".:"table"
--@ if: new_table debezium
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table')
CREATE TABLE :"table_schema".:"table" (
    :"event_id"      CHAR(36) NOT NULL,
    :"event_type"    VARCHAR(255) NOT NULL,
    :"aggregate_id"  VARCHAR(255) NOT NULL,
    type             VARCHAR(255) NOT NULL,
    :"payload"       JSON,
    :"id"            BIGINT NOT NULL AUTO_INCREMENT,
    :"status"        TINYINT NOT NULL DEFAULT 0,
    :"attempts"      INT NOT NULL DEFAULT 0,
    :"next_retry_at" DATETIME(3),
    :"last_error"    TEXT,
    :"created_at"    DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (:"event_id"),
    UNIQUE KEY :"index_id" (:"id"),
    KEY :"index_status_id" (:"status", :"id")
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

--@ step: column :"attempts" of :"table_schema".:"table"
--@ if: old_table debezium
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table'
--@             AND COLUMN_NAME = :'attempts')
ALTER TABLE :"table_schema".:"table" ADD COLUMN :"attempts" INT NOT NULL DEFAULT 0,
    ALGORITHM = INSTANT;

--@ step: column :"next_retry_at" of :"table_schema".:"table"
--@ if: old_table debezium
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table'
--@             AND COLUMN_NAME = :'next_retry_at')
ALTER TABLE :"table_schema".:"table" ADD COLUMN :"next_retry_at" DATETIME(3) NULL,
    ALGORITHM = INSTANT;

--@ step: column :"last_error" of :"table_schema".:"table"
--@ if: old_table debezium last_error
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table'
--@             AND COLUMN_NAME = :'last_error')
ALTER TABLE :"table_schema".:"table" ADD COLUMN :"last_error" TEXT, ALGORITHM = INSTANT;

--@ step: column :"created_at" of :"table_schema".:"table"
--@ if: old_table debezium
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table'
--@             AND COLUMN_NAME = :'created_at')
ALTER TABLE :"table_schema".:"table" ADD COLUMN :"created_at" DATETIME(3) NOT NULL
    DEFAULT CURRENT_TIMESTAMP(3), ALGORITHM = INSTANT;

-- A default given with the column is what the rows there are show, without being rewritten; the
-- default set after it is for new rows. So the rows there are count as done: they were Debezium's to
-- send. Nothing is inserted between the two, or it would count as done as well.
--@ step: column :"status" of :"table_schema".:"table"
--@ if: old_table debezium existing_sent
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table'
--@             AND COLUMN_NAME = :'status')
LOCK TABLES :"table_schema".:"table" WRITE;
ALTER TABLE :"table_schema".:"table" ADD COLUMN :"status" TINYINT NOT NULL DEFAULT 2,
    ALGORITHM = INSTANT;
ALTER TABLE :"table_schema".:"table" ALTER COLUMN :"status" SET DEFAULT 0, ALGORITHM = INSTANT;
UNLOCK TABLES;

--@ step: column :"status" of :"table_schema".:"table"
--@ if: old_table debezium existing_pending
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table'
--@             AND COLUMN_NAME = :'status')
ALTER TABLE :"table_schema".:"table" ADD COLUMN :"status" TINYINT NOT NULL DEFAULT 0,
    ALGORITHM = INSTANT;

-- Where the one before last was interrupted in its middle.
--@ step: default of :"status" of :"table_schema".:"table"
--@ if: old_table debezium
--@ quiet
--@ verb: set
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table'
--@             AND COLUMN_NAME = :'status' AND COLUMN_DEFAULT = '0')
ALTER TABLE :"table_schema".:"table" ALTER COLUMN :"status" SET DEFAULT 0, ALGORITHM = INSTANT;

-- Neither server can do this while the table is written to: it is rebuilt, and its writers wait. So
-- the program does it only where that is over in a moment, and this comes last, because no relay
-- runs on the table without it.
--@ step: column :"id" of :"table_schema".:"table"
--@ if: old_table debezium
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'table'
--@             AND COLUMN_NAME = :'id')
ALTER TABLE :"table_schema".:"table" ADD COLUMN :"id" BIGINT NOT NULL AUTO_INCREMENT,
    ADD UNIQUE INDEX :"index_id" (:"id"), ALGORITHM = INPLACE, LOCK = SHARED;
