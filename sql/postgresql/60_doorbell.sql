-- SPDX-License-Identifier: MIT
-- The doorbell: an INSERT wakes an idle relay. The sequence says whether it is armed: 1 no, 2 yes;
-- a sequence because setval is seen at once and belongs to no transaction. Disarmed, an INSERT pays
-- for one look at it; armed, its transaction carries a NOTIFY.

--@ step: sequence :"schema".:"bell"
--@ if: doorbell
--@ unless: SELECT to_regclass(format('%I.%I', :'schema', :'bell')) IS NOT NULL
CREATE SEQUENCE :"schema".:"bell" AS smallint MINVALUE 1 MAXVALUE 2;

-- The trigger's WHEN looks at the sequence with the rights of whoever inserts, and on the older
-- servers (15 does, 18 does not) an INSERT without this right fails. Nothing else is needed, not
-- even USAGE on the schema.
--@ step: SELECT on sequence :"schema".:"bell" for everyone
--@ if: doorbell
--@ unless: SELECT has_sequence_privilege('public',
--@           to_regclass(format('%I.%I', :'schema', :'bell')), 'SELECT')
GRANT SELECT ON SEQUENCE :"schema".:"bell" TO PUBLIC;

-- A trigger's channel cannot be changed.
--@ step: trigger eventferry_bell of another channel on :"table_schema".:"table"
--@ if: doorbell
--@ quiet
--@ verb: removed
--@ unless: SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'eventferry_bell'
--@           AND tgrelid = to_regclass(format('%I.%I', :'table_schema', :'table'))
--@           AND tgargs <> convert_to(:'channel', getdatabaseencoding()) || '\x00'::bytea)
DROP TRIGGER eventferry_bell ON :"table_schema".:"table";

--@ step: trigger eventferry_bell on :"table_schema".:"table"
--@ if: doorbell
--@ unless: SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'eventferry_bell'
--@           AND tgrelid = to_regclass(format('%I.%I', :'table_schema', :'table')))
CREATE TRIGGER eventferry_bell AFTER INSERT ON :"table_schema".:"table" FOR EACH STATEMENT
    WHEN (pg_sequence_last_value(:'bell_qualified'::regclass) = 2)
    EXECUTE FUNCTION :"schema".bell(:'channel');
