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

-- layout: debezium: rows by number, for settling. Rows from before there were numbers share the 0,
-- so that it cannot be unique; the identity column sees to that.
--@ step: index of :"table_schema".:"table" by :"id"
--@ if: old_table can_index debezium
--@ index: :'index_id'
--@ unless: SELECT EXISTS (SELECT FROM pg_index i
--@             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = :'id'
--@           WHERE i.indrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))
--@             AND i.indisvalid AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
--@             AND i.indpred IS NULL)
CREATE INDEX CONCURRENTLY :"index_id" ON :"table_schema".:"table" (:"id");

-- --existing pending: numbers for the rows that were there before, in the order of created_at and
-- then of their place in the table, and with its number each becomes pending. Ten thousand at a
-- time; the same statement again and again until none has the number 0.
--@ step: numbers of the rows that were in :"table_schema".:"table" before
--@ if: old_table debezium existing_pending
--@ verb: given
--@ repeat
--@ unless: SELECT NOT EXISTS (SELECT FROM :"table_schema".:"table" WHERE :"id" = 0)
UPDATE :"table_schema".:"table" o SET :"id" = n.number, :"status" = 0
    FROM (SELECT e.ctid AS place, row_number() OVER (ORDER BY e.:"created_at", e.ctid)
            + (SELECT coalesce(max(:"id"), 0) FROM :"table_schema".:"table"
                WHERE :"id" < (SELECT seqstart FROM pg_sequence WHERE seqrelid
                    = pg_get_serial_sequence(format('%I.%I', :'table_schema', :'table'),
                                             :'id')::regclass)) AS number
        FROM :"table_schema".:"table" e WHERE e.:"id" = 0
        ORDER BY e.:"created_at", e.ctid LIMIT 10000) n
    WHERE o.ctid = n.place AND o.:"id" = 0;
