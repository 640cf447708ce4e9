-- SPDX-License-Identifier: MIT
-- Partition upkeep of archives.

-- Makes an archive's partitions ahead of time and drops those wholly behind the retention. It runs
-- with the rights of whoever made it, so that the relay's user needs none beyond EXECUTE; the only
-- tables it touches are archives that the registry names, which that user cannot change.
--
-- retention_ms  null or 0: nothing goes by age. Up to 72 hours a partition holds an hour, else a
--               day (UTC).
-- max_bytes     null or 0: no limit. Otherwise the oldest past partitions go first, whole, until it
--               holds. Sizes are InnoDB's own statistics.
--
-- No statement waits longer than a second for a lock; what could not be done then is counted in
-- postponed, and calling again is the retry. Only the relay writes to an archive, so applications
-- never meet these locks. Rows that came later than every partition lie in pmax until there are
-- partitions again: making those moves them, unless they are too many for a moment's work. Then
-- they stay, and go in batches once the retention has passed.
--@ step: procedure :"table_schema".eventferry_archive_maintain
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.ROUTINES
--@           WHERE ROUTINE_SCHEMA = :'table_schema' AND ROUTINE_TYPE = 'PROCEDURE'
--@             AND ROUTINE_NAME = 'eventferry_archive_maintain' AND ROUTINE_COMMENT = :'text_id')
DROP PROCEDURE IF EXISTS :"table_schema".eventferry_archive_maintain;
CREATE PROCEDURE :"table_schema".eventferry_archive_maintain(
    IN outbox_id INT, IN retention_ms BIGINT, IN max_bytes BIGINT)
    MODIFIES SQL DATA SQL SECURITY DEFINER COMMENT :'text_id'
BEGIN
    DECLARE batch_rows INT DEFAULT 5000;   -- of pmax, a call
    DECLARE batch_drops INT DEFAULT 32;    -- partitions, a call
    DECLARE move_limit INT DEFAULT 100000; -- rows that making a partition may move out of pmax
    DECLARE started DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE saved_wait BIGINT DEFAULT @@SESSION.lock_wait_timeout;
    DECLARE saved_row_wait BIGINT DEFAULT @@SESSION.innodb_lock_wait_timeout;
    DECLARE hourly BOOLEAN DEFAULT IFNULL(retention_ms BETWEEN 1 AND 72 * 3600000, FALSE);
    DECLARE keep_after DATETIME(6);        -- archived before: past the retention; null: keep all
    DECLARE wanted DATETIME(6);            -- partitions reach to here
    DECLARE archive VARCHAR(64);
    DECLARE qualified VARCHAR(512);
    DECLARE covered, upper DATETIME(6);
    DECLARE part, first_new VARCHAR(64);
    DECLARE part_bytes BIGINT;
    DECLARE list LONGTEXT DEFAULT '';
    DECLARE busy, finished, fresh_sizes BOOLEAN DEFAULT FALSE;
    DECLARE created, dropped, postponed, partitions INT DEFAULT 0;
    DECLARE deleted, bytes, default_rows BIGINT DEFAULT 0;
    DECLARE parts CURSOR FOR
        SELECT PARTITION_NAME, CAST(TRIM(BOTH '''' FROM PARTITION_DESCRIPTION) AS DATETIME(6)),
               DATA_LENGTH + INDEX_LENGTH
            FROM information_schema.PARTITIONS
            WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = archive
              AND PARTITION_DESCRIPTION <> 'MAXVALUE'
            ORDER BY PARTITION_ORDINAL_POSITION;
    -- 1205: no lock within the time. 1507, 1517: another upkeep was there first.
    DECLARE CONTINUE HANDLER FOR 1205, 1507, 1517 SET busy = TRUE;
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET finished = TRUE;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        SET SESSION lock_wait_timeout = saved_wait;
        SET SESSION innodb_lock_wait_timeout = saved_row_wait;
        IF fresh_sizes THEN
            SET @eventferry_sql =
                'SET SESSION information_schema_stats_expiry = @eventferry_expiry';
            PREPARE eventferry_upkeep FROM @eventferry_sql;
            EXECUTE eventferry_upkeep;
        END IF;
        RESIGNAL;
    END;

    IF retention_ms < 0 OR max_bytes < 0 THEN
        SIGNAL SQLSTATE '45000'
            SET MESSAGE_TEXT = 'retention_ms and max_bytes cannot be negative';
    END IF;
    SELECT o.archive_name INTO archive FROM eventferry_outbox o WHERE o.outbox_id = outbox_id;
    IF finished THEN
        SIGNAL SQLSTATE '45000'
            SET MESSAGE_TEXT = 'the outbox is not registered: run eventferryctl migrate';
    ELSEIF archive IS NULL THEN
        SIGNAL SQLSTATE '45000'
            SET MESSAGE_TEXT = 'the outbox has no archive: run eventferryctl migrate';
    END IF;
    SET qualified = CONCAT('`', REPLACE(DATABASE(), '`', '``'), '`.`', REPLACE(archive, '`', '``'),
                           '`');
    SET keep_after = started - INTERVAL NULLIF(retention_ms, 0) * 1000 MICROSECOND;
    SET wanted = started + INTERVAL IF(hourly, 4, 48) HOUR;
    SET SESSION lock_wait_timeout = 1;
    SET SESSION innodb_lock_wait_timeout = 1;

    -- MySQL keeps table sizes for a day unless told otherwise; MariaDB has no such setting.
    IF VERSION() NOT LIKE '%MariaDB%' THEN
        SET @eventferry_sql = 'SET @eventferry_expiry = @@SESSION.information_schema_stats_expiry';
        PREPARE eventferry_upkeep FROM @eventferry_sql;
        EXECUTE eventferry_upkeep;
        SET @eventferry_sql = 'SET SESSION information_schema_stats_expiry = 0';
        PREPARE eventferry_upkeep FROM @eventferry_sql;
        EXECUTE eventferry_upkeep;
        SET fresh_sizes = TRUE;
    END IF;

    IF keep_after IS NOT NULL THEN
        SET @eventferry_before = keep_after;
        SET @eventferry_sql = CONCAT('DELETE FROM ', qualified, ' PARTITION (pmax)'
            ' WHERE archived_at < ? LIMIT ', batch_rows);
        PREPARE eventferry_upkeep FROM @eventferry_sql;
        EXECUTE eventferry_upkeep USING @eventferry_before;
        IF NOT busy THEN
            SET deleted = ROW_COUNT();
        END IF;
    END IF;
    SET @eventferry_sql = CONCAT('SELECT COUNT(*) INTO @eventferry_count FROM (SELECT 1 FROM ',
        qualified, ' PARTITION (pmax) LIMIT ', move_limit + 1, ') r');
    PREPARE eventferry_upkeep FROM @eventferry_sql;
    EXECUTE eventferry_upkeep;
    SET default_rows = @eventferry_count;

    -- Ahead. A new partition begins where the last one ends.
    SELECT MAX(CAST(TRIM(BOTH '''' FROM PARTITION_DESCRIPTION) AS DATETIME(6))) INTO covered
        FROM information_schema.PARTITIONS
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = archive
          AND PARTITION_DESCRIPTION <> 'MAXVALUE';
    SET covered = GREATEST(IFNULL(covered, started), started);
    WHILE NOT busy AND covered < wanted AND default_rows <= move_limit DO
        SET upper = IF(hourly, CAST(DATE_FORMAT(covered, '%Y-%m-%d %H:00:00') AS DATETIME)
                                   + INTERVAL 1 HOUR,
                       CAST(DATE(covered) AS DATETIME) + INTERVAL 1 DAY);
        SET part = DATE_FORMAT(covered, IF(hourly, 'p%Y%m%d%H', 'p%Y%m%d'));
        SET list = CONCAT(list, 'PARTITION ', part, ' VALUES LESS THAN (''',
                          DATE_FORMAT(upper, '%Y-%m-%d %H:%i:%s'), '''), ');
        SET created = created + 1;
        SET covered = upper;
    END WHILE;
    IF created > 0 THEN
        SET @eventferry_sql = CONCAT('ALTER TABLE ', qualified, ' REORGANIZE PARTITION pmax INTO (',
            list, 'PARTITION pmax VALUES LESS THAN (MAXVALUE))');
        PREPARE eventferry_upkeep FROM @eventferry_sql;
        EXECUTE eventferry_upkeep;
        IF busy THEN
            SET created = 0;
        ELSE
            SET default_rows = 0;
        END IF;
    END IF;

    SELECT COUNT(*), SUM(DATA_LENGTH + INDEX_LENGTH) INTO partitions, bytes
        FROM information_schema.PARTITIONS
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = archive;

    -- Behind, the oldest first. The open partition never goes.
    SET finished = busy;
    OPEN parts;
    drops: LOOP
        IF finished OR busy OR dropped = batch_drops THEN
            LEAVE drops;
        END IF;
        FETCH parts INTO part, upper, part_bytes;
        IF finished OR upper > started
           OR NOT (IFNULL(upper <= keep_after, FALSE)
                   OR IFNULL(bytes > NULLIF(max_bytes, 0), FALSE)) THEN
            LEAVE drops;
        END IF;
        SET @eventferry_sql = CONCAT('ALTER TABLE ', qualified, ' DROP PARTITION ', part);
        PREPARE eventferry_upkeep FROM @eventferry_sql;
        EXECUTE eventferry_upkeep;
        IF NOT busy THEN
            SET dropped = dropped + 1, partitions = partitions - 1, bytes = bytes - part_bytes;
        END IF;
    END LOOP;
    CLOSE parts;
    SET postponed = busy;

    IF fresh_sizes THEN
        SET @eventferry_sql = 'SET SESSION information_schema_stats_expiry = @eventferry_expiry';
        PREPARE eventferry_upkeep FROM @eventferry_sql;
        EXECUTE eventferry_upkeep;
    END IF;
    DEALLOCATE PREPARE eventferry_upkeep;
    SET SESSION lock_wait_timeout = saved_wait;
    SET SESSION innodb_lock_wait_timeout = saved_row_wait;
    SELECT created, dropped, postponed, deleted, partitions, bytes, default_rows;
END;
