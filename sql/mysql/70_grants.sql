-- SPDX-License-Identifier: MIT
-- What the relay's user and the application's user may do, and no more. Only who may read the
-- grant tables sees what others were granted; anybody else grants again, which changes nothing.
-- Each GRANT names one table, for that is all the statement takes.

--@ step: SELECT, DELETE on :"table_schema".:"table" for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT COUNT(DISTINCT PRIVILEGE_TYPE) = 2 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = :'table' AND PRIVILEGE_TYPE IN ('SELECT', 'DELETE')
GRANT SELECT, DELETE ON :"table_schema".:"table" TO :{relay_account};

--@ step: UPDATE of its bookkeeping columns on :"table_schema".:"table" for :'relay_account'
--@ if: relay_account settle_columns
--@ verb: granted
--@ unless: SELECT COUNT(DISTINCT COLUMN_NAME) = :'settle_count'
--@           FROM information_schema.COLUMN_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = :'table' AND PRIVILEGE_TYPE = 'UPDATE'
--@             AND COLUMN_NAME IN (:{settle_literals})
GRANT UPDATE (:{settle_columns}) ON :"table_schema".:"table" TO :{relay_account};

--@ step: SELECT, UPDATE on :"table_schema".eventferry_lease for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT COUNT(DISTINCT PRIVILEGE_TYPE) = 2 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = 'eventferry_lease' AND PRIVILEGE_TYPE IN ('SELECT', 'UPDATE')
GRANT SELECT, UPDATE ON :"table_schema".eventferry_lease TO :{relay_account};

--@ step: SELECT, UPDATE on :"table_schema".eventferry_fence for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT COUNT(DISTINCT PRIVILEGE_TYPE) = 2 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = 'eventferry_fence' AND PRIVILEGE_TYPE IN ('SELECT', 'UPDATE')
GRANT SELECT, UPDATE ON :"table_schema".eventferry_fence TO :{relay_account};

--@ step: SELECT, UPDATE on :"table_schema".eventferry_command for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT COUNT(DISTINCT PRIVILEGE_TYPE) = 2 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = 'eventferry_command' AND PRIVILEGE_TYPE IN ('SELECT', 'UPDATE')
GRANT SELECT, UPDATE ON :"table_schema".eventferry_command TO :{relay_account};

-- A daemon writes down what operators ask of it; whichever relay owns the table carries it out.
--@ step: INSERT on :"table_schema".eventferry_command for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = 'eventferry_command' AND PRIVILEGE_TYPE = 'INSERT')
GRANT INSERT ON :"table_schema".eventferry_command TO :{relay_account};

--@ step: SELECT, INSERT, DELETE on :"table_schema".eventferry_hold for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT COUNT(DISTINCT PRIVILEGE_TYPE) = 3 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = 'eventferry_hold'
--@             AND PRIVILEGE_TYPE IN ('SELECT', 'INSERT', 'DELETE')
GRANT SELECT, INSERT, DELETE ON :"table_schema".eventferry_hold TO :{relay_account};

--@ step: SELECT on :"table_schema".eventferry_outbox for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = 'eventferry_outbox' AND PRIVILEGE_TYPE = 'SELECT')
GRANT SELECT ON :"table_schema".eventferry_outbox TO :{relay_account};

--@ step: UPDATE of the pause mark on :"table_schema".eventferry_outbox for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT COUNT(DISTINCT COLUMN_NAME) = 3 FROM information_schema.COLUMN_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = 'eventferry_outbox' AND PRIVILEGE_TYPE = 'UPDATE'
--@             AND COLUMN_NAME IN ('paused_at', 'paused_by', 'pause_reason')
GRANT UPDATE (paused_at, paused_by, pause_reason) ON :"table_schema".eventferry_outbox
    TO :{relay_account};

--@ step: SELECT, INSERT, UPDATE, DELETE on :"table_schema".eventferry_relay for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT COUNT(DISTINCT PRIVILEGE_TYPE) = 4 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = 'eventferry_relay'
--@             AND PRIVILEGE_TYPE IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
GRANT SELECT, INSERT, UPDATE, DELETE ON :"table_schema".eventferry_relay TO :{relay_account};

--@ step: SELECT on :"table_schema".eventferry_schema_version for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = 'eventferry_schema_version' AND PRIVILEGE_TYPE = 'SELECT')
GRANT SELECT ON :"table_schema".eventferry_schema_version TO :{relay_account};

--@ step: INSERT on :"table_schema".eventferry_audit for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = 'eventferry_audit' AND PRIVILEGE_TYPE = 'INSERT')
GRANT INSERT ON :"table_schema".eventferry_audit TO :{relay_account};

--@ step: SELECT, INSERT on :"table_schema".:"archive" for :'relay_account'
--@ if: relay_account archive
--@ verb: granted
--@ unless: SELECT COUNT(DISTINCT PRIVILEGE_TYPE) = 2 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'relay_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = :'archive' AND PRIVILEGE_TYPE IN ('SELECT', 'INSERT')
GRANT SELECT, INSERT ON :"table_schema".:"archive" TO :{relay_account};

-- No view of information_schema has rights on routines.
--@ step: EXECUTE on :"table_schema".eventferry_archive_maintain for :'relay_account'
--@ if: relay_account
--@ verb: granted
--@ unless: SELECT EXISTS (SELECT 1 FROM mysql.procs_priv
--@           WHERE User = :'relay_user' AND Host = :'relay_host' AND Db = :'table_schema'
--@             AND Routine_name = 'eventferry_archive_maintain' AND Routine_type = 'PROCEDURE'
--@             AND FIND_IN_SET('Execute', Proc_priv) > 0)
GRANT EXECUTE ON PROCEDURE :"table_schema".eventferry_archive_maintain TO :{relay_account};

-- The application inserts, and that is all.
--@ step: INSERT on :"table_schema".:"table" for :'app_account'
--@ if: app_account
--@ verb: granted
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLE_PRIVILEGES
--@           WHERE GRANTEE = :'app_account' AND TABLE_SCHEMA = :'table_schema'
--@             AND TABLE_NAME = :'table' AND PRIVILEGE_TYPE = 'INSERT')
GRANT INSERT ON :"table_schema".:"table" TO :{app_account};
