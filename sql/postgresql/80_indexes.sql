-- SPDX-License-Identifier: MIT
-- Indexes that a table which was there before lacks, made without holding up its writers. That
-- cannot be done in a transaction, so this comes last, and what failed half-way is removed and made
-- again. Any valid index of the same shape serves, whatever its name, and only an unusable one of
-- our own name is ever dropped.

-- Pending, processing and waiting rows in id order: every read.
--@ step: index of unfinished rows by :"id" on :"table_schema".:"table"
--@ if: old_table can_index status
--@ index: :'index_unfinished'
--@ unless: SELECT EXISTS (SELECT FROM pg_index i
--@             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = :'id'
--@           WHERE i.indrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))
--@             AND i.indisvalid AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
--@             AND pg_get_expr(i.indpred, i.indrelid)
--@               = format('(%I = ANY (ARRAY[0, 1, 3]))', :'status'))
CREATE INDEX CONCURRENTLY :"index_unfinished" ON :"table_schema".:"table" (:"id")
    WHERE :"status" IN (0, 1, 3);

-- Waiting rows by aggregate: what holds later rows back. Almost always empty, and each read asks
-- it first; without it that question reads all unfinished rows (75 ms where 200 000 are pending,
-- against 0.02 ms), so eventferry's own indexes do not replace it.
--@ step: index of waiting rows by :"aggregate_id" on :"table_schema".:"table"
--@ if: old_table can_index status aggregate_id
--@ index: :'index_waiting'
--@ unless: SELECT EXISTS (SELECT FROM pg_index i
--@             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = :'aggregate_id'
--@             JOIN pg_attribute b ON b.attrelid = i.indrelid AND b.attname = :'id'
--@           WHERE i.indrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))
--@             AND i.indisvalid AND i.indnkeyatts = 2
--@             AND i.indkey[0] = a.attnum AND i.indkey[1] = b.attnum
--@             AND pg_get_expr(i.indpred, i.indrelid)
--@               = format('(%I = ANY (ARRAY[1, 3]))', :'status'))
CREATE INDEX CONCURRENTLY :"index_waiting" ON :"table_schema".:"table" (:"aggregate_id", :"id")
    WHERE :"status" IN (1, 3);

-- No event twice.
--@ step: unique index of message_id on :"table_schema".:"table"
--@ if: old_table can_index message_id
--@ index: :'index_message_id'
--@ unless: SELECT EXISTS (SELECT FROM pg_index i
--@             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = 'message_id'
--@           WHERE i.indrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))
--@             AND i.indisvalid AND i.indisunique AND i.indnkeyatts = 1
--@             AND i.indkey[0] = a.attnum AND i.indpred IS NULL)
CREATE UNIQUE INDEX CONCURRENTLY :"index_message_id" ON :"table_schema".:"table" (message_id);
