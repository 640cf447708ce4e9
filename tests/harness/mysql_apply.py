# SPDX-License-Identifier: MIT
"""The steps of sql/mysql run from Python, with the default columns and every grant."""

import os
import re

import pymysql

SESSION = ("SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES,"
           "NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'")
FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "sql", "mysql")
SETTLED = ("status", "attempts", "next_retry_at", "claimed_at", "processed_at", "last_error")
COLUMNS = """id BIGINT NOT NULL, message_id CHAR(36), aggregate_type VARCHAR(255),
    aggregate_id VARCHAR(255), topic VARCHAR(255), "key" TEXT, payload JSON, headers JSON,
    trace_id VARCHAR(64), kafka_partition INT, status TINYINT, attempts INT,
    next_retry_at DATETIME(3), claimed_at DATETIME(3), created_at DATETIME(3),
    processed_at DATETIME(3), last_error TEXT"""


def _steps():
    for name in sorted(os.listdir(FOLDER)):
        if not name.endswith(".sql"):
            continue
        with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
            text = file.read()
        for part in re.split(r"(?m)^--@ step: ", text)[1:]:
            lines = ("step: " + part).splitlines()
            step, key, body = {}, None, []
            for line in lines:
                if line.startswith("step: "):
                    step["step"] = line[6:]
                elif line.startswith("--@  "):
                    step[key] += " " + line[5:].strip()
                elif line.startswith("--@ "):
                    key, _, value = line[4:].partition(":")
                    step[key] = value.strip()
                else:
                    body.append(line)
            step["sql"] = "\n".join(body)
            yield step


def apply(connection, database, table="outbox", relay=None, application=None):
    """connection: PyMySQL's, with CLIENT.MULTI_STATEMENTS. relay, application: "'u'@'h'"."""
    cursor = connection.cursor()
    cursor.execute(SESSION)
    cursor.execute("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s "
                   "AND TABLE_NAME = %s", (database, table))
    there = cursor.fetchone()[0]
    user, _, host = (relay or "''@''").replace("'", "").partition("@")
    values = {
        "table_schema": database, "table": table, "version": "1", "text_id": "00000000",
        "archive": table + "_archive", "archive_columns": COLUMNS, "archive_additions": None,
        "retention_ms": "86400000", "max_bytes": None, "id": "id", "status": "status",
        "message_id": "message_id", "index_status_id": table + "_status_id",
        "index_message_id": f"uq_{table}_message_id", "relay_account": relay,
        "app_account": application, "relay_user": user, "relay_host": host,
        "settle_columns": ", ".join(SETTLED),
        "settle_literals": ", ".join(f"'{name}'" for name in SETTLED), "settle_count": "6",
        "new_table": None if there else "yes", "old_table": "yes" if there else None,
        "own_layout": "yes"}

    def expand(text):
        def one(match):
            value = values[match[2]]
            if match[1] == "'":
                return "NULL" if value is None else "'" + value.replace("'", "''") + "'"
            return '"' + value.replace('"', '""') + '"' if match[1] == '"' else value
        return re.sub(r"""(?<!:):(["'{])(\w+)["'}]""", one, text)

    for step in _steps():
        if not all(values[name] for name in step.get("if", "").split()):
            continue
        if "unless" in step:
            try:
                cursor.execute(expand(step["unless"]))
                if cursor.fetchone()[0]:
                    continue
            except pymysql.err.OperationalError as error:
                if error.args[0] != 1142:  # may not look
                    raise
        cursor.execute(expand(step["sql"]))
        while cursor.nextset():
            pass
