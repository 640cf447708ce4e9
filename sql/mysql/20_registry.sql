-- SPDX-License-Identifier: MIT
-- The tables that relays share: which outboxes there are, who owns them, who stands by, and what
-- operators asked for. The relay's user may change rows here but not make or remove outboxes.
-- README.md explains the comments that begin with "@" and the names after a colon.

-- The major version of these objects: a change that an older relay cannot live with raises it,
-- and a relay refuses a number it does not know. Other changes are seen object by object.
--@ step: table :"table_schema".eventferry_schema_version
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = 'eventferry_schema_version')
CREATE TABLE :"table_schema".eventferry_schema_version (
    version    INT PRIMARY KEY,
    applied_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

--@ step: version :'version'
--@ unless: SELECT EXISTS (SELECT 1 FROM :"table_schema".eventferry_schema_version
--@           WHERE version = :'version')
INSERT INTO :"table_schema".eventferry_schema_version (version) VALUES (:'version');

-- One row for each outbox table. Leases hang on it, never on the name an outbox has in a file.
-- archive_name is a table of this database (null: no archive). The relay may write only the three
-- paused columns. No foreign keys among these tables: they would tie their metadata locks together.
--@ step: table :"table_schema".eventferry_outbox
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = 'eventferry_outbox')
CREATE TABLE :"table_schema".eventferry_outbox (
    outbox_id    INT AUTO_INCREMENT PRIMARY KEY,
    table_schema VARCHAR(64) NOT NULL,
    table_name   VARCHAR(64) NOT NULL,
    archive_name VARCHAR(64),
    paused_at    DATETIME(6),
    paused_by    VARCHAR(128),
    pause_reason VARCHAR(255),
    UNIQUE KEY eventferry_outbox_table (table_schema, table_name)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row for each outbox, made here because the relay's user cannot insert any. Only the
-- database's clock writes the times.
--@ step: table :"table_schema".eventferry_lease
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = 'eventferry_lease')
CREATE TABLE :"table_schema".eventferry_lease (
    outbox_id      INT PRIMARY KEY,
    epoch          BIGINT NOT NULL DEFAULT 0,
    owner          VARCHAR(128),
    incarnation    CHAR(36),
    token          CHAR(36),
    server         VARCHAR(120),
    server_seen_at DATETIME(6),
    acquired_at    DATETIME(6),
    expires_at     DATETIME(6)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The epoch once more, in a row of its own: whoever settles rows locks it against a takeover, as
-- long as that lasts. On the lease's own row that would hold up the owner's renewals (PostgreSQL
-- has a lock that does not).
--@ step: table :"table_schema".eventferry_fence
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = 'eventferry_fence')
CREATE TABLE :"table_schema".eventferry_fence (
    outbox_id INT PRIMARY KEY,
    epoch     BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Every live relay process says so here: owners and those who stand by.
--@ step: table :"table_schema".eventferry_relay
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = 'eventferry_relay')
CREATE TABLE :"table_schema".eventferry_relay (
    incarnation CHAR(36) PRIMARY KEY,
    instance    VARCHAR(128) NOT NULL,
    host        VARCHAR(255),
    version     VARCHAR(64),
    seen_at     DATETIME(6) NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Whom a row stands for: without the column nobody knows who stands by which outbox. Added later,
-- so that older relays, which do not fill it, go on.
--@ step: column outbox_id of :"table_schema".eventferry_relay
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.COLUMNS
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = 'eventferry_relay'
--@             AND COLUMN_NAME = 'outbox_id')
ALTER TABLE :"table_schema".eventferry_relay ADD COLUMN outbox_id INT,
    ADD KEY eventferry_relay_outbox (outbox_id);

-- What operators ask for: retry, skip or edit rows. The owner of the outbox carries it out.
--@ step: table :"table_schema".eventferry_command
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = 'eventferry_command')
CREATE TABLE :"table_schema".eventferry_command (
    id        BIGINT AUTO_INCREMENT PRIMARY KEY,
    outbox_id INT NOT NULL,
    verb      VARCHAR(64) NOT NULL,
    args      JSON NOT NULL DEFAULT ('{}'),
    actor     VARCHAR(255) NOT NULL,
    at        DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
    done_at   DATETIME(6),
    result    TEXT,
    KEY eventferry_command_open (outbox_id, done_at)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What operators hold back: a topic's or an aggregate's rows wait until they are released. Names are
-- compared byte by byte.
--@ step: table :"table_schema".eventferry_hold
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = 'eventferry_hold')
CREATE TABLE :"table_schema".eventferry_hold (
    outbox_id INT NOT NULL,
    kind      VARCHAR(16) NOT NULL,
    name      VARBINARY(1024) NOT NULL,
    actor     VARCHAR(255) NOT NULL,
    reason    TEXT NOT NULL,
    at        DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
    PRIMARY KEY (outbox_id, kind, name)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was done to rows and by whom; only ever added to. A payload appears as its SHA-256.
--@ step: table :"table_schema".eventferry_audit
--@ unless: SELECT EXISTS (SELECT 1 FROM information_schema.TABLES
--@           WHERE TABLE_SCHEMA = :'table_schema' AND TABLE_NAME = 'eventferry_audit')
CREATE TABLE :"table_schema".eventferry_audit (
    id             BIGINT AUTO_INCREMENT PRIMARY KEY,
    at             DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
    outbox_id      INT,
    actor          VARCHAR(255) NOT NULL,
    verb           VARCHAR(64) NOT NULL,
    row_id         BIGINT,
    message_id     TEXT,
    topic          TEXT,
    payload_sha256 BINARY(32),
    detail         JSON NOT NULL DEFAULT ('{}')
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
