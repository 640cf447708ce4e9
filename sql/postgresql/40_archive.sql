-- SPDX-License-Identifier: MIT
-- What the outbox needs outside its own table: its place in the registry, its lease, its archive.

--@ step: registry entry of :"table_schema".:"table"
--@ unless: SELECT EXISTS (SELECT FROM :"schema".outbox
--@           WHERE table_schema = :'table_schema' AND table_name = :'table')
INSERT INTO :"schema".outbox (table_schema, table_name) VALUES (:'table_schema', :'table');

--@ step: lease of :"table_schema".:"table"
--@ unless: SELECT EXISTS (SELECT FROM :"schema".lease JOIN :"schema".outbox USING (outbox_id)
--@           WHERE table_schema = :'table_schema' AND table_name = :'table')
-- The server is recorded at once: should the first owner's lease be lost in a failover, the next one
-- notices that another server answers, and waits until the first has given up.
INSERT INTO :"schema".lease (outbox_id, server)
    SELECT outbox_id, (SELECT system_identifier FROM pg_catalog.pg_control_system()) || '/'
            || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)
        FROM :"schema".outbox
        WHERE table_schema = :'table_schema' AND table_name = :'table';

-- Delivered rows move here until the retention has passed. The columns are those of the outbox that
-- the relay knows, without limits on length, default values or constraints: a row that was
-- delivered must always fit. No unique id, so that a repeated move cannot fail.
--@ step: table :"schema".:"archive"
--@ if: archive
--@ unless: SELECT to_regclass(format('%I.%I', :'schema', :'archive')) IS NOT NULL
CREATE TABLE :"schema".:"archive" (
    :{archive_columns},
    archived_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (archived_at);
CREATE INDEX ON :"schema".:"archive" USING brin (archived_at) WITH (autosummarize = on);

--@ step: table :"schema".:"archive_default"
--@ if: archive
--@ unless: SELECT to_regclass(format('%I.%I', :'schema', :'archive_default')) IS NOT NULL
CREATE TABLE :"schema".:"archive_default" PARTITION OF :"schema".:"archive" DEFAULT;

-- The outbox has gained columns since the archive was made.
--@ step: columns of :"schema".:"archive"
--@ if: archive archive_additions
ALTER TABLE :"schema".:"archive" :{archive_additions};

--@ step: registry entry of the archive :"schema".:"archive"
--@ if: archive
--@ unless: SELECT EXISTS (SELECT FROM :"schema".outbox
--@           WHERE table_schema = :'table_schema' AND table_name = :'table'
--@             AND archive_name = :'archive' AND archive_stem = :'archive_stem')
UPDATE :"schema".outbox SET archive_name = :'archive', archive_stem = :'archive_stem'
    WHERE table_schema = :'table_schema' AND table_name = :'table';

--@ step: partitions of :"schema".:"archive"
--@ if: archive
--@ unless: SELECT count(*) > 1 FROM pg_inherits
--@           WHERE inhparent = to_regclass(format('%I.%I', :'schema', :'archive'))
SELECT m.* FROM :"schema".outbox o,
    :"schema".archive_maintain(o.outbox_id, :'retention'::interval, :'max_bytes'::bigint) m
    WHERE o.table_schema = :'table_schema' AND o.table_name = :'table';
