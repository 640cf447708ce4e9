-- SPDX-License-Identifier: MIT
-- eventferryctl migrate --remove-doorbell: INSERTs cost what they did before; the relay polls.

--@ step: trigger eventferry_bell on :"table_schema".:"table"
--@ if: remove_doorbell
--@ unless: SELECT NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'eventferry_bell'
--@           AND tgrelid = to_regclass(format('%I.%I', :'table_schema', :'table')))
--@ verb: removed
DROP TRIGGER eventferry_bell ON :"table_schema".:"table";

--@ step: sequence :"schema".:"bell"
--@ if: remove_doorbell
--@ unless: SELECT to_regclass(format('%I.%I', :'schema', :'bell')) IS NULL
--@ verb: removed
DROP SEQUENCE :"schema".:"bell";
