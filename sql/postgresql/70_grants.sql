-- SPDX-License-Identifier: MIT
-- What the relay's role and the application's role may do, and no more.

--@ step: USAGE on schema :"table_schema" for :"relay_role"
--@ if: relay_role
--@ unless: SELECT has_schema_privilege(:'relay_role',
--@           to_regnamespace(quote_ident(:'table_schema')), 'USAGE')
--@ verb: granted
GRANT USAGE ON SCHEMA :"table_schema" TO :"relay_role";

--@ step: USAGE on schema :"schema" for :"relay_role"
--@ if: relay_role
--@ unless: SELECT has_schema_privilege(:'relay_role',
--@           to_regnamespace(quote_ident(:'schema')), 'USAGE')
--@ verb: granted
GRANT USAGE ON SCHEMA :"schema" TO :"relay_role";

--@ step: SELECT, DELETE on :"table_schema".:"table" for :"relay_role"
--@ if: relay_role
--@ unless: SELECT has_table_privilege(:'relay_role', t, 'SELECT')
--@           AND has_table_privilege(:'relay_role', t, 'DELETE')
--@           FROM CAST(to_regclass(format('%I.%I', :'table_schema', :'table')) AS oid) t
--@ verb: granted
GRANT SELECT, DELETE ON :"table_schema".:"table" TO :"relay_role";

--@ step: UPDATE of its bookkeeping columns on :"table_schema".:"table" for :"relay_role"
--@ if: relay_role settle_columns
--@ unless: SELECT count(*) = :'settle_count' FROM pg_attribute
--@           WHERE attrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))
--@             AND attname IN (:{settle_literals}) AND NOT attisdropped
--@             AND has_column_privilege(:'relay_role', attrelid, attnum, 'UPDATE')
--@ verb: granted
GRANT UPDATE (:{settle_columns}) ON :"table_schema".:"table" TO :"relay_role";

--@ step: SELECT, UPDATE on :"schema".lease and command for :"relay_role"
--@ if: relay_role
--@ unless: SELECT bool_and(has_table_privilege(:'relay_role', t, p))
--@           FROM (VALUES ('lease'), ('command')) n(name), (VALUES ('SELECT'), ('UPDATE')) r(p),
--@                CAST(to_regclass(format('%I.%I', :'schema', name)) AS oid) t
--@ verb: granted
GRANT SELECT, UPDATE ON :"schema".lease, :"schema".command TO :"relay_role";

-- A daemon writes down what operators ask of it; whichever relay owns the table carries it out.
--@ step: INSERT on :"schema".command for :"relay_role"
--@ if: relay_role
--@ unless: SELECT has_table_privilege(:'relay_role',
--@           CAST(to_regclass(format('%I.command', :'schema')) AS oid), 'INSERT')
--@ verb: granted
GRANT INSERT ON :"schema".command TO :"relay_role";

--@ step: SELECT, INSERT, DELETE on :"schema".hold for :"relay_role"
--@ if: relay_role
--@ unless: SELECT bool_and(has_table_privilege(:'relay_role', t, p))
--@           FROM (VALUES ('SELECT'), ('INSERT'), ('DELETE')) r(p),
--@                CAST(to_regclass(format('%I.hold', :'schema')) AS oid) t
--@ verb: granted
GRANT SELECT, INSERT, DELETE ON :"schema".hold TO :"relay_role";

--@ step: SELECT, UPDATE of the pause mark on :"schema".outbox for :"relay_role"
--@ if: relay_role
--@ unless: SELECT count(*) = 3 FROM pg_attribute
--@           WHERE attrelid = to_regclass(format('%I.outbox', :'schema'))
--@             AND attname IN ('paused_at', 'paused_by', 'pause_reason')
--@             AND has_column_privilege(:'relay_role', attrelid, attnum, 'UPDATE')
--@             AND has_table_privilege(:'relay_role', attrelid, 'SELECT')
--@ verb: granted
GRANT SELECT, UPDATE (paused_at, paused_by, pause_reason) ON :"schema".outbox TO :"relay_role";

--@ step: SELECT, INSERT, UPDATE, DELETE on :"schema".relay for :"relay_role"
--@ if: relay_role
--@ unless: SELECT bool_and(has_table_privilege(:'relay_role', t, p))
--@           FROM (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) r(p),
--@                CAST(to_regclass(format('%I.relay', :'schema')) AS oid) t
--@ verb: granted
GRANT SELECT, INSERT, UPDATE, DELETE ON :"schema".relay TO :"relay_role";

--@ step: SELECT on :"schema".schema_version for :"relay_role"
--@ if: relay_role
--@ unless: SELECT has_table_privilege(:'relay_role',
--@           CAST(to_regclass(format('%I.schema_version', :'schema')) AS oid), 'SELECT')
--@ verb: granted
GRANT SELECT ON :"schema".schema_version TO :"relay_role";

--@ step: INSERT on :"schema".audit for :"relay_role"
--@ if: relay_role
--@ unless: SELECT has_table_privilege(:'relay_role',
--@           CAST(to_regclass(format('%I.audit', :'schema')) AS oid), 'INSERT')
--@ verb: granted
GRANT INSERT ON :"schema".audit TO :"relay_role";

--@ step: SELECT, INSERT on :"schema".:"archive" for :"relay_role"
--@ if: relay_role archive
--@ unless: SELECT has_table_privilege(:'relay_role', t, 'SELECT')
--@           AND has_table_privilege(:'relay_role', t, 'INSERT')
--@           FROM CAST(to_regclass(format('%I.%I', :'schema', :'archive')) AS oid) t
--@ verb: granted
GRANT SELECT, INSERT ON :"schema".:"archive" TO :"relay_role";

--@ step: SELECT, UPDATE on sequence :"schema".:"bell" for :"relay_role"
--@ if: relay_role doorbell
--@ unless: SELECT has_sequence_privilege(:'relay_role', s, 'SELECT')
--@           AND has_sequence_privilege(:'relay_role', s, 'UPDATE')
--@           FROM CAST(to_regclass(format('%I.%I', :'schema', :'bell')) AS oid) s
--@ verb: granted
GRANT SELECT, UPDATE ON SEQUENCE :"schema".:"bell" TO :"relay_role";

--@ step: EXECUTE on :"schema".archive_maintain for :"relay_role"
--@ if: relay_role
--@ unless: SELECT bool_and(has_function_privilege(:'relay_role', f, 'EXECUTE'))
--@           FROM (VALUES ('(int)'), ('(int, interval, bigint)')) a(args),
--@                CAST(to_regprocedure(format('%I.archive_maintain%s', :'schema', args)) AS oid) f
--@ verb: granted
GRANT EXECUTE ON FUNCTION :"schema".archive_maintain(int),
    :"schema".archive_maintain(int, interval, bigint) TO :"relay_role";

-- The application inserts, and that is all. The doorbell asks nothing more of it.
--@ step: USAGE on schema :"table_schema" for :"app_role"
--@ if: app_role
--@ unless: SELECT has_schema_privilege(:'app_role',
--@           to_regnamespace(quote_ident(:'table_schema')), 'USAGE')
--@ verb: granted
GRANT USAGE ON SCHEMA :"table_schema" TO :"app_role";

--@ step: INSERT on :"table_schema".:"table" for :"app_role"
--@ if: app_role
--@ unless: SELECT has_table_privilege(:'app_role',
--@           CAST(to_regclass(format('%I.%I', :'table_schema', :'table')) AS oid), 'INSERT')
--@ verb: granted
GRANT INSERT ON :"table_schema".:"table" TO :"app_role";

-- Identity columns need nothing; a default that calls nextval does.
--@ step: USAGE on the sequences behind column defaults for :"app_role"
--@ if: app_role app_sequences
--@ unless: SELECT bool_and(has_sequence_privilege(:'app_role', s::oid, 'USAGE'))
--@           FROM unnest(ARRAY[:{app_sequence_literals}]::regclass[]) s
--@ verb: granted
GRANT USAGE ON SEQUENCE :{app_sequences} TO :"app_role";
