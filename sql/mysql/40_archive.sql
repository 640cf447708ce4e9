-- SPDX-License-Identifier: MIT
-- What the outbox needs besides its own table: its place in the registry, its lease, its archive.

--@ step: registry entry of :"table_schema".:"table"
--@ unless: SELECT EXISTS (SELECT 1 FROM :"table_schema".eventferry_outbox
--@           WHERE table_schema = :'table_schema' AND table_name = :'table')
INSERT INTO :"table_schema".eventferry_outbox (table_schema, table_name)
    VALUES (:'table_schema', :'table');

--@ step: lease of :"table_schema".:"table"
--@ unless: SELECT EXISTS (SELECT 1 FROM :"table_schema".eventferry_lease l
--@           JOIN :"table_schema".eventferry_outbox o ON o.outbox_id = l.outbox_id
--@           WHERE o.table_schema = :'table_schema' AND o.table_name = :'table')
-- The server is recorded at once: should the first owner's lease be lost in a failover, the next one
-- notices that another server answers, and waits until the first has given up. Only MariaDB reads
-- the first of the two comments, only MySQL the second; 58 is a colon.
INSERT INTO :"table_schema".eventferry_lease (outbox_id, server)
    SELECT outbox_id,
           /*M!100000 CONCAT(@@server_id, '@', @@hostname, CHAR(58 USING utf8mb4), @@port) */
           /*!80000 @@server_uuid */
        FROM :"table_schema".eventferry_outbox
        WHERE table_schema = :'table_schema' AND table_name = :'table';

--@ step: fence of :"table_schema".:"table"
--@ unless: SELECT EXISTS (SELECT 1 FROM :"table_schema".eventferry_fence f
--@           JOIN :"table_schema".eventferry_outbox o ON o.outbox_id = f.outbox_id
--@           WHERE o.table_schema = :'table_schema' AND o.table_name = :'table')
INSERT INTO :"table_schema".eventferry_fence (outbox_id, epoch)
    SELECT l.outbox_id, l.epoch FROM :"table_schema".eventferry_lease l
        JOIN :"table_schema".eventferry_outbox o ON o.outbox_id = l.outbox_id
        WHERE o.table_schema = :'table_schema' AND o.table_name = :'table';

-- Delivered rows move here until the retention has passed. The columns are those of the outbox that
-- the relay knows, without default values or constraints: a row that was delivered must always fit.
-- The key has the moment of archiving in it, so that an id which came back fits as well.
--@ step: table :"table_schema".:"archive"
--@ if: archive
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'archive')
CREATE TABLE :"table_schema".:"archive" (
    :{archive_columns},
    archived_at DATETIME(6) NOT NULL,
    PRIMARY KEY (:"id", archived_at)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
    PARTITION BY RANGE COLUMNS (archived_at) (PARTITION pmax VALUES LESS THAN (MAXVALUE));

-- The outbox has gained columns since the archive was made.
--@ step: columns of :"table_schema".:"archive"
--@ if: archive archive_additions
ALTER TABLE :"table_schema".:"archive" :{archive_additions}, ALGORITHM = INSTANT;

--@ step: registry entry of the archive :"table_schema".:"archive"
--@ if: archive
--@ unless: SELECT EXISTS (SELECT 1 FROM :"table_schema".eventferry_outbox
--@           WHERE table_schema = :'table_schema' AND table_name = :'table'
--@             AND archive_name = :'archive')
UPDATE :"table_schema".eventferry_outbox SET archive_name = :'archive'
    WHERE table_schema = :'table_schema' AND table_name = :'table';

--@ step: partitions of :"table_schema".:"archive"
--@ if: archive
--@ unless: SELECT COUNT(*) > 1 FROM information_schema.PARTITIONS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = :'archive'
CALL :"table_schema".eventferry_archive_maintain(
    (SELECT outbox_id FROM :"table_schema".eventferry_outbox
        WHERE table_schema = :'table_schema' AND table_name = :'table'),
    :'retention_ms', :'max_bytes');
