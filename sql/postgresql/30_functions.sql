-- SPDX-License-Identifier: MIT
-- Partition upkeep of archives, and the doorbell's function.

-- Makes an archive's partitions ahead of time and drops those wholly behind the retention. It
-- runs with its owner's rights, so that the relay's role needs none on the partitions; the only
-- tables it touches are archives that the registry names, which that role cannot change.
--
-- retention  null or 0: nothing goes by age. Up to 72 hours a partition holds an hour, else a day
--            (UTC).
-- max_bytes  null: no limit. Otherwise the oldest past partitions go first, whole, until it holds.
--
-- It never waits longer than lock_timeout for a lock. What it could not do then is counted in
-- postponed and next_due is near: calling again at next_due is the retry. Rows are never moved:
-- those that met no partition stay in the default one until the retention has passed, then go in
-- batches. Making a partition is CREATE and ATTACH, which lets inserts go on; only dropping one
-- holds them up, and comes last, so that the lock on the archive is short.
--@ step: function :"schema".archive_maintain(int, interval, bigint)
--@ unless: SELECT obj_description(to_regprocedure(
--@           format('%I.archive_maintain(int, interval, bigint)', :'schema')), 'pg_proc')
--@           IS NOT DISTINCT FROM :'text_id'
CREATE OR REPLACE FUNCTION :"schema".archive_maintain(
    outbox_id int, retention interval, max_bytes bigint,
    OUT created int, OUT dropped int, OUT postponed int, OUT deleted bigint,
    OUT partitions int, OUT bytes bigint, OUT default_rows bigint, OUT next_due timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '250ms'
SET timezone = 'UTC'
SET datestyle = 'ISO'
AS $eventferry$
DECLARE
    batch_rows CONSTANT int := 5000;    -- of the default partition, a call
    batch_drops CONSTANT int := 32;     -- partitions, a call
    count_limit CONSTANT int := 100001; -- counting the default partition's rows stops here
    started timestamptz := clock_timestamp();
    keep interval := nullif(retention, interval '0');
    unit text := CASE WHEN keep <= interval '72 hours' THEN 'hour' ELSE 'day' END;
    width interval := ('1 ' || unit)::interval;
    ahead interval := CASE unit WHEN 'hour' THEN interval '4 hours' ELSE interval '2 days' END;
    entry record;
    archive regclass;
    fallback regclass;
    los timestamptz[]; his timestamptz[]; -- bounds of all partitions but the default one
    covered timestamptz := started;       -- up to here there are partitions, or there cannot be
    earliest timestamptz := '-infinity';  -- a new partition begins no sooner
    lo timestamptz; hi timestamptz; reach timestamptz;
    partition text;
    outcome text;
    more boolean := false;                -- a batch was full
    part record;
BEGIN
    created := 0; dropped := 0; postponed := 0; deleted := 0;
    partitions := 0; bytes := 0; default_rows := 0;
    IF retention < interval '0' OR max_bytes < 0 THEN
        RAISE EXCEPTION 'retention and max_bytes cannot be negative'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT o.archive_name, o.archive_stem INTO entry
        FROM :"schema".outbox o WHERE o.outbox_id = archive_maintain.outbox_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'outbox % is not registered', outbox_id
            USING ERRCODE = 'undefined_object', HINT = 'Run eventferryctl migrate.';
    END IF;
    archive := to_regclass(format('%I.%I', :'schema', entry.archive_name));
    IF archive IS NULL THEN
        RAISE EXCEPTION 'outbox % has no archive', outbox_id
            USING ERRCODE = 'undefined_table', HINT = 'Run eventferryctl migrate.';
    END IF;

    -- One upkeep at a time; inserts and reads are not held up by this.
    BEGIN
        EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', archive);
    EXCEPTION WHEN lock_not_available THEN
        postponed := 1;
        next_due := started + interval '10 seconds';
        RETURN;
    END;

    SELECT i.inhrelid::regclass INTO fallback
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = archive AND pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT';
    IF fallback IS NOT NULL THEN
        IF keep IS NOT NULL THEN
            EXECUTE format('DELETE FROM %1$s WHERE ctid = ANY (ARRAY('
                           'SELECT ctid FROM %1$s WHERE archived_at < $1 LIMIT $2))', fallback)
                USING started - keep, batch_rows;
            GET DIAGNOSTICS deleted = ROW_COUNT;
            more := deleted = batch_rows;
        END IF;
        EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT $1) r', fallback)
            INTO default_rows USING count_limit;
    END IF;

    SELECT coalesce(array_agg(b.lo), '{}'), coalesce(array_agg(b.hi), '{}') INTO los, his FROM (
        SELECT coalesce(substring(e FROM 'FROM \(''([^'']+)''\)')::timestamptz, '-infinity') AS lo,
               coalesce(substring(e FROM 'TO \(''([^'']+)''\)')::timestamptz, 'infinity') AS hi
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
                 pg_get_expr(c.relpartbound, c.oid) e
            WHERE i.inhparent = archive AND e <> 'DEFAULT') b;

    WHILE covered < started + ahead LOOP
        SELECT max(b.hi) INTO reach FROM unnest(los, his) b(lo, hi)
            WHERE b.lo <= covered AND covered < b.hi;
        IF reach IS NOT NULL THEN
            covered := reach;
            CONTINUE;
        END IF;
        lo := greatest(date_trunc(unit, covered), earliest,
                       (SELECT max(b.hi) FROM unnest(los, his) b(lo, hi) WHERE b.hi <= covered));
        hi := least(date_trunc(unit, covered) + width,
                    (SELECT min(b.lo) FROM unnest(los, his) b(lo, hi) WHERE b.lo > covered));
        partition := entry.archive_stem || '_' || to_char(
            lo, CASE WHEN hi = lo + interval '1 day' THEN 'YYYYMMDD' ELSE 'YYYYMMDDHH24' END);
        outcome := 'made';
        BEGIN
            EXECUTE format('CREATE TABLE %I.%I (LIKE %s)', :'schema', partition, archive);
            EXECUTE format('ALTER TABLE %s ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)',
                           archive, :'schema', partition, lo, hi);
        EXCEPTION
            WHEN lock_not_available THEN outcome := 'locked';
            WHEN check_violation THEN outcome := 'taken';
        END;
        IF outcome = 'locked' THEN
            postponed := postponed + 1;
            EXIT;
        ELSIF outcome = 'made' THEN
            created := created + 1;
            los := los || lo;
            his := his || hi;
            covered := hi;
        ELSE
            -- The default partition already has rows of this time: begin with the next full hour.
            earliest := least(date_trunc('hour', covered) + interval '1 hour', hi);
            covered := earliest;
        END IF;
    END LOOP;

    SELECT coalesce(sum(pg_total_relation_size(i.inhrelid)), 0), count(*) INTO bytes, partitions
        FROM pg_inherits i WHERE i.inhparent = archive;
    next_due := least(started + interval '1 hour', covered - ahead);
    FOR part IN
        SELECT c.oid::regclass AS name, pg_total_relation_size(c.oid) AS bytes,
               substring(e FROM 'TO \(''([^'']+)''\)')::timestamptz AS hi
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
                 pg_get_expr(c.relpartbound, c.oid) e
            WHERE i.inhparent = archive AND e <> 'DEFAULT'
            ORDER BY 3
    LOOP
        EXIT WHEN part.hi IS NULL OR part.hi > started;
        IF (part.hi > started - keep) IS NOT FALSE AND (bytes > max_bytes) IS NOT TRUE THEN
            next_due := least(next_due, part.hi + keep);
            EXIT;
        END IF;
        IF dropped = batch_drops THEN
            more := true;
            EXIT;
        END IF;
        BEGIN
            EXECUTE format('DROP TABLE %s', part.name);
        EXCEPTION WHEN lock_not_available THEN
            postponed := postponed + 1;
            EXIT;
        END;
        dropped := dropped + 1;
        partitions := partitions - 1;
        bytes := bytes - part.bytes;
    END LOOP;

    IF max_bytes IS NOT NULL THEN
        next_due := least(next_due, started + interval '5 minutes');
    END IF;
    IF postponed > 0 THEN
        next_due := least(next_due, started + interval '10 seconds');
    END IF;
    IF more THEN
        next_due := started;
    END IF;
    next_due := greatest(next_due, started + interval '1 second');
END
$eventferry$;
COMMENT ON FUNCTION :"schema".archive_maintain(int, interval, bigint) IS :'text_id';
REVOKE ALL ON FUNCTION :"schema".archive_maintain(int, interval, bigint) FROM PUBLIC;

-- The same with the defaults, for people: 24 hours, any size.
--@ step: function :"schema".archive_maintain(int)
--@ unless: SELECT obj_description(to_regprocedure(format('%I.archive_maintain(int)', :'schema')),
--@           'pg_proc') IS NOT DISTINCT FROM :'text_id'
CREATE OR REPLACE FUNCTION :"schema".archive_maintain(
    outbox_id int,
    OUT created int, OUT dropped int, OUT postponed int, OUT deleted bigint,
    OUT partitions int, OUT bytes bigint, OUT default_rows bigint, OUT next_due timestamptz)
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $eventferry$
    SELECT * FROM :"schema".archive_maintain(outbox_id, interval '24 hours', NULL)
$eventferry$;
COMMENT ON FUNCTION :"schema".archive_maintain(int) IS :'text_id';
REVOKE ALL ON FUNCTION :"schema".archive_maintain(int) FROM PUBLIC;

-- Rings: the relay listens on the channel, which is the trigger's argument. It runs with the
-- rights of whoever inserts, and needs none.
--@ step: function :"schema".bell()
--@ unless: SELECT obj_description(to_regprocedure(format('%I.bell()', :'schema')), 'pg_proc')
--@           IS NOT DISTINCT FROM :'text_id'
CREATE OR REPLACE FUNCTION :"schema".bell() RETURNS trigger
LANGUAGE plpgsql
AS $eventferry$
BEGIN
    PERFORM pg_catalog.pg_notify(TG_ARGV[0], '');
    RETURN NULL;
END
$eventferry$;
COMMENT ON FUNCTION :"schema".bell() IS :'text_id';
