-- SPDX-License-Identifier: MIT
-- Indexes that a table which was there before lacks, built online: writers wait only for a moment at
-- the beginning and at the end. Any index of the same columns serves, whatever its name.

-- Unfinished rows in id order: every read.
--@ step: index of :"table_schema".:"table" by :"status" and :"id"
--@ if: old_table status
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.STATISTICS a
--@           JOIN information_schema.STATISTICS b ON b.TABLE_SCHEMA = a.TABLE_SCHEMA
--@             AND b.TABLE_NAME = a.TABLE_NAME AND b.INDEX_NAME = a.INDEX_NAME
--@           WHERE a.TABLE_SCHEMA = :'table_schema' AND a.TABLE_NAME = :'table'
--@             AND a.SEQ_IN_INDEX = 1 AND a.COLUMN_NAME = :'status'
--@             AND b.SEQ_IN_INDEX = 2 AND b.COLUMN_NAME = :'id')
ALTER TABLE :"table_schema".:"table" ADD INDEX :"index_status_id" (:"status", :"id"),
    ALGORITHM = INPLACE, LOCK = NONE;

-- No event twice.
--@ step: unique index of message_id on :"table_schema".:"table"
--@ if: old_table own_layout message_id
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.STATISTICS a
--@           WHERE a.TABLE_SCHEMA = :'table_schema' AND a.TABLE_NAME = :'table'
--@             AND a.SEQ_IN_INDEX = 1 AND a.COLUMN_NAME = 'message_id' AND a.NON_UNIQUE = 0
--@             AND a.SUB_PART IS NULL AND NOT EXISTS (SELECT 1 FROM information_schema.STATISTICS b
--@               WHERE b.TABLE_SCHEMA = a.TABLE_SCHEMA AND b.TABLE_NAME = a.TABLE_NAME
--@                 AND b.INDEX_NAME = a.INDEX_NAME AND b.SEQ_IN_INDEX = 2))
ALTER TABLE :"table_schema".:"table" ADD UNIQUE INDEX :"index_message_id" (message_id),
    ALGORITHM = INPLACE, LOCK = NONE;
