-- SPDX-License-Identifier: MIT
-- Where eventferry's own objects live. README.md explains the comments that begin with "@" and
-- the names after a colon.

--@ step: schema :"schema"
--@ unless: SELECT to_regnamespace(quote_ident(:'schema')) IS NOT NULL
CREATE SCHEMA :"schema";
COMMENT ON SCHEMA :"schema" IS 'eventferry: relays outbox tables to Kafka';

-- The major version of these objects: a change that an older relay cannot live with raises it,
-- and a relay refuses a number it does not know. Other changes are seen object by object.
--@ step: table :"schema".schema_version
--@ unless: SELECT to_regclass(format('%I.schema_version', :'schema')) IS NOT NULL
CREATE TABLE :"schema".schema_version (
    version    int PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

--@ step: version :'version'
--@ unless: SELECT EXISTS (SELECT FROM :"schema".schema_version WHERE version = :'version'::int)
INSERT INTO :"schema".schema_version (version) VALUES (:'version'::int);
