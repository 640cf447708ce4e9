// SPDX-License-Identifier: MIT
/*
 * Texts of what operators ask: lists of rows as JSON, and commands, each one transaction that
 * fences, changes rows, writes the audit and ends the command. The ids of the rows it is about go
 * from statement to statement in @ef_ids, and rows are looked up by them one by one: none may wait
 * for what an application has inserted and not committed (see my_settle.c).
 */
#include "store/my_store.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SUCCESSORS_MAX = 1000 };

static void put_slice(struct ef_buf *b, struct ef_slice text)
{
    char *copy = text.p ? ef_xstrndup(text.p, text.len) : NULL;
    ef_my_sql_literal(b, copy);
    free(copy);
}

/* --- lists --- */

/* As text, whatever the type: MariaDB would put a JSON column in as JSON. */
static void put_field(struct ef_buf *b, const struct ef_my_store *s, const char *name,
                      enum ef_column col)
{
    ef_buf_printf(b, ", '%s', CAST(", name);
    ef_my_sql_text(s, col, b);
    ef_buf_puts(b, " AS CHAR CHARACTER SET utf8mb4)");
}

static void put_number(struct ef_buf *b, const struct ef_my_store *s, const char *name,
                       enum ef_column col)
{
    if (s->layout.has[col])
        ef_buf_printf(b, ", '%s', o.%s + 0", name, s->layout.column[col]);
    else
        ef_buf_printf(b, ", '%s', NULL", name);
}

/* Columns that others fill are in their server's zone (my_sql.c). */
static void put_time(struct ef_buf *b, const struct ef_my_store *s, const char *name,
                     enum ef_column col)
{
    if (!s->layout.has[col]) {
        ef_buf_printf(b, ", '%s', NULL", name);
        return;
    }
    ef_buf_printf(b, ", '%s', DATE_FORMAT(", name);
    if (col == EF_COL_CREATED_AT || col == EF_COL_CLAIMED_AT)
        ef_my_sql_instant(s, col, "o", b);
    else
        ef_buf_printf(b, "o.%s", s->layout.column[col]);
    ef_buf_puts(b, ", '%Y-%m-%dT%H:%i:%s.%fZ')");
}

static bool is_blob(const struct ef_my_store *s)
{
    const char *type = s->layout.type[EF_COL_PAYLOAD];
    return strstr(type, "blob") || strstr(type, "binary");
}

static void put_payload(struct ef_buf *b, const struct ef_my_store *s, bool whole)
{
    const char *p = s->layout.column[EF_COL_PAYLOAD];
    ef_buf_printf(b, ", 'payload_type', '%s', 'payload_bytes', LENGTH(o.%s)",
                  is_blob(s)                  ? "bytes"
                  : s->layout.payload_is_json ? "json"
                                              : "text",
                  p);
    if (!whole)
        return;
    put_field(b, s, "headers", EF_COL_HEADERS);
    ef_buf_printf(b,
                  ", 'payload_base64', CASE WHEN LENGTH(o.%s) <= %lld THEN"
                  " REPLACE(TO_BASE64(o.%s), '\\n', '') END",
                  p, (long long)s->outbox->max_payload_bytes, p);
}

static void put_same_aggregate(struct ef_buf *b, const struct ef_my_store *s)
{
    const struct ef_my_layout *l = &s->layout;
    const char *a = l->column[EF_COL_AGGREGATE_ID], *t = l->column[EF_COL_AGGREGATE_TYPE];
    if (!l->has[EF_COL_AGGREGATE_ID]) {
        ef_buf_puts(b, "TRUE"); /* a constant: every row is of one aggregate */
        return;
    }
    ef_buf_printf(b, "e.%s = o.%s AND CAST(e.%s AS BINARY) = CAST(o.%s AS BINARY)", a, a, a, a);
    if (s->outbox->order_by == EF_ORDER_AGGREGATE_TYPE_AND_ID && l->has[EF_COL_AGGREGATE_TYPE])
        ef_buf_printf(b, " AND CAST(e.%s AS BINARY) <=> CAST(o.%s AS BINARY)", t, t);
}

static bool has_aggregates(const struct ef_my_store *s)
{
    return s->layout.has[EF_COL_AGGREGATE_ID] || s->outbox->columns[EF_COL_AGGREGATE_ID].value;
}

static void put_held_by(struct ef_buf *b, const struct ef_my_store *s)
{
    const struct ef_my_layout *l = &s->layout;
    if (!has_aggregates(s)) {
        ef_buf_puts(b, ", 'held_by', NULL");
        return;
    }
    ef_buf_printf(b, ", 'held_by', (SELECT MIN(e.%s) FROM %s e WHERE ", l->column[EF_COL_ID],
                  l->table);
    put_same_aggregate(b, s);
    ef_buf_printf(b, " AND e.%s < o.%s AND e.%s IN (1,3))", l->column[EF_COL_ID],
                  l->column[EF_COL_ID], l->column[EF_COL_STATUS]);
}

/* Counted in whole: a derived table that ends early cannot see the row it belongs to. */
static void put_successors(struct ef_buf *b, const struct ef_my_store *s, const char *name,
                           const char *table, const char *statuses)
{
    const struct ef_my_layout *l = &s->layout;
    ef_buf_printf(b, ", '%s', LEAST(%d, (SELECT COUNT(*) FROM %s e WHERE ", name, SUCCESSORS_MAX,
                  table);
    put_same_aggregate(b, s);
    ef_buf_printf(b, " AND e.%s > o.%s", l->column[EF_COL_ID], l->column[EF_COL_ID]);
    if (statuses) {
        ef_buf_printf(b, " AND e.%s IN (%s)", l->column[EF_COL_STATUS], statuses);
    } else { /* the archive's partitions are by this column */
        ef_buf_puts(b, " AND e.archived_at >= ");
        ef_my_sql_instant(s, EF_COL_CREATED_AT, "o", b);
    }
    ef_buf_puts(b, "))");
}

static void put_all_successors(struct ef_buf *b, const struct ef_my_store *s)
{
    const struct ef_my_layout *l = &s->layout;
    const char *gone = ef_operating_gone(s->outbox, l->table, l->archive);
    if (!has_aggregates(s))
        return;
    put_successors(b, s, "successors_waiting", l->table, "0,1,3");
    if (gone)
        put_successors(b, s, "successors_gone", gone, gone == l->table ? "2" : NULL);
    else
        ef_buf_puts(b, ", 'successors_gone', NULL");
}

static void put_row(struct ef_buf *b, const struct ef_my_store *s, const struct ef_row_filter *f)
{
    const struct ef_my_layout *l = &s->layout;
    ef_buf_printf(b, "SELECT JSON_OBJECT('id', o.%s + 0", l->column[EF_COL_ID]);
    put_field(b, s, "message_id", EF_COL_MESSAGE_ID);
    put_field(b, s, "aggregate_type", EF_COL_AGGREGATE_TYPE);
    put_field(b, s, "aggregate_id", EF_COL_AGGREGATE_ID);
    put_field(b, s, "topic", EF_COL_TOPIC);
    put_field(b, s, "key", EF_COL_KEY);
    put_field(b, s, "trace_id", EF_COL_TRACE_ID);
    put_number(b, s, "partition", EF_COL_PARTITION);
    put_number(b, s, "status", EF_COL_STATUS);
    put_number(b, s, "attempts", EF_COL_ATTEMPTS);
    put_time(b, s, "created_at", EF_COL_CREATED_AT);
    ef_buf_puts(b, ", 'created_us', TIMESTAMPDIFF(MICROSECOND, '1970-01-01', ");
    ef_my_sql_instant(s, EF_COL_CREATED_AT, "o", b);
    ef_buf_puts(b, ")");
    put_time(b, s, "next_retry_at", EF_COL_NEXT_RETRY_AT);
    ef_buf_printf(b,
                  ", 'next_retry_in_ms', CASE WHEN o.%s = 3 THEN TIMESTAMPDIFF(MICROSECOND, NOW(6),"
                  " o.%s) DIV 1000 END",
                  l->column[EF_COL_STATUS], l->column[EF_COL_NEXT_RETRY_AT]);
    put_time(b, s, "claimed_at", EF_COL_CLAIMED_AT);
    put_time(b, s, "processed_at", EF_COL_PROCESSED_AT);
    if (l->has[EF_COL_LAST_ERROR])
        put_field(b, s, "last_error", EF_COL_LAST_ERROR);
    else
        ef_buf_puts(b, ", 'last_error', NULL");
    put_held_by(b, s);
    put_payload(b, s, f->payload);
    if (f->successors)
        put_all_successors(b, s);
    ef_buf_printf(b, ") FROM %s o WHERE TRUE", l->table);
}

static void put_ids(struct ef_buf *b, const int64_t *ids, int count)
{
    for (int i = 0; i < count; i++)
        ef_buf_printf(b, "%s%" PRId64, i ? "," : "", ids[i]);
}

static void put_text_is(struct ef_buf *b, const struct ef_my_store *s, enum ef_column col,
                        struct ef_slice text)
{
    if (!text.p)
        return;
    ef_buf_puts(b, " AND CAST(");
    ef_my_sql_text(s, col, b);
    ef_buf_puts(b, " AS BINARY) = CAST(");
    put_slice(b, text);
    ef_buf_puts(b, " AS BINARY)");
}

static void put_filter(struct ef_buf *b, const struct ef_my_store *s, const struct ef_row_filter *f)
{
    const struct ef_my_layout *l = &s->layout;
    if (f->statuses) {
        ef_buf_printf(b, " AND o.%s IN (-1", l->column[EF_COL_STATUS]);
        for (int status = 0; status < 32; status++)
            if (f->statuses >> status & 1)
                ef_buf_printf(b, ",%d", status);
        ef_buf_puts(b, ")");
    }
    if (f->ids) {
        ef_buf_printf(b, " AND o.%s IN (", l->column[EF_COL_ID]);
        put_ids(b, f->ids, f->id_count);
        ef_buf_puts(b, ")");
    }
    put_text_is(b, s, EF_COL_TOPIC, f->topic);
    put_text_is(b, s, EF_COL_AGGREGATE_ID, f->aggregate_id);
    if (f->error.p && l->has[EF_COL_LAST_ERROR]) {
        ef_buf_printf(b, " AND LEFT(o.%s, CHAR_LENGTH(", l->column[EF_COL_LAST_ERROR]);
        put_slice(b, f->error);
        ef_buf_puts(b, ")) = ");
        put_slice(b, f->error);
    } else if (f->error.p) {
        ef_buf_puts(b, " AND FALSE"); /* nothing is written down about errors */
    }
    for (int i = 0; i < 2; i++) {
        int64_t us = i ? f->created_to_us : f->created_from_us;
        if (!us)
            continue;
        ef_buf_puts(b, " AND ");
        ef_my_sql_instant(s, EF_COL_CREATED_AT, "o", b);
        ef_buf_puts(b, i ? " < " : " >= ");
        ef_my_sql_time(us, b);
    }
    if (f->after_id != INT64_MIN)
        ef_buf_printf(b, " AND o.%s > %" PRId64, l->column[EF_COL_ID], f->after_id);
}

/* Row o was finished so long ago, by the database's clock. */
static void put_is_old(struct ef_buf *b, const struct ef_my_store *s, int64_t older_than_ms)
{
    const struct ef_my_layout *l = &s->layout;
    const char *done = l->column[EF_COL_PROCESSED_AT];
    if (l->has[EF_COL_PROCESSED_AT])
        ef_buf_printf(b, "IF(o.%s IS NOT NULL, o.%s <= NOW(6) - INTERVAL %" PRId64 " MICROSECOND, ",
                      done, done, older_than_ms * 1000);
    ef_my_sql_instant(s, EF_COL_CREATED_AT, "o", b);
    ef_buf_printf(b, " <= NOW(6) - INTERVAL %" PRId64 " MICROSECOND%s", older_than_ms * 1000,
                  l->has[EF_COL_PROCESSED_AT] ? ")" : "");
}

static void put_count(const struct ef_my_store *s, const struct ef_row_filter *filter,
                      struct ef_buf *out)
{
    const struct ef_my_layout *l = &s->layout;
    const char *id = l->column[EF_COL_ID];
    ef_buf_printf(out,
                  "SELECT JSON_OBJECT('id', MAX(x.id), 'count', CAST(COALESCE(SUM(x.old), 0) AS"
                  " SIGNED), 'looked', COUNT(*)) FROM (SELECT o.%s + 0 AS id, ",
                  id);
    put_is_old(out, s, filter->older_than_ms);
    ef_buf_printf(out, " AS old FROM %s o WHERE TRUE", l->table);
    put_filter(out, s, filter);
    ef_buf_printf(out, " ORDER BY o.%s LIMIT %d) x", id, EF_ROWS_COUNTED_MAX);
}

static void put_archived(const struct ef_my_store *s, const struct ef_row_filter *filter,
                         struct ef_buf *out)
{
    const struct ef_my_layout *l = &s->layout;
    const char *id = l->column[EF_COL_ID];
    if (s->outbox->on_delivered != EF_ON_DELIVERED_ARCHIVE) {
        ef_buf_puts(out, "SELECT NULL FROM DUAL WHERE FALSE");
        return;
    }
    ef_buf_printf(out,
                  "SELECT JSON_OBJECT('id', o.%s + 0, 'status', o.%s + 0, 'archived_at',"
                  " DATE_FORMAT(o.archived_at, '%%Y-%%m-%%dT%%H:%%i:%%s.%%fZ')) FROM %s o WHERE"
                  " o.%s IN (",
                  id, l->column[EF_COL_STATUS], l->archive, id);
    put_ids(out, filter->ids, filter->id_count);
    ef_buf_printf(out, ") ORDER BY o.%s, o.archived_at LIMIT %d", id, filter->limit + 1);
}

void ef_my_rows_sql(const struct ef_my_store *s, const struct ef_row_filter *filter,
                    struct ef_buf *out)
{
    if (filter->archived) {
        put_archived(s, filter, out);
        return;
    }
    if (filter->count) {
        put_count(s, filter, out);
        return;
    }
    put_row(out, s, filter);
    put_filter(out, s, filter);
    ef_buf_printf(out, " ORDER BY o.%s%s LIMIT %d", s->layout.column[EF_COL_ID],
                  filter->newest ? " DESC" : "", filter->limit + 1);
}

/* --- commands --- */

/* @ef_command is 1 if it is open and the lease is ours. */
static void put_command(struct ef_buf *b, const struct ef_my_store *s, int64_t epoch,
                        const struct ef_command *c)
{
    ef_my_sql_fence(s, epoch, b);
    ef_buf_printf(b,
                  /* MariaDB cuts JSON_ARRAYAGG there */
                  "SET SESSION group_concat_max_len = 1048576, @ef_command = 0, @ef_ids = '[]',"
                  " @ef_rows = 0;"
                  "SELECT 1 INTO @ef_command FROM %s.eventferry_command WHERE id = %" PRId64
                  " AND outbox_id = %d AND done_at IS NULL AND @ef_owner = 1 FOR UPDATE;",
                  s->layout.database, c->number, s->layout.outbox_id);
}

/* Rows whose ids are in @ef_ids, or in this list. */
static void put_rows(struct ef_buf *b, const struct ef_my_store *s, const struct ef_command *list)
{
    const struct ef_my_layout *l = &s->layout;
    ef_buf_puts(b, "JSON_TABLE(");
    if (list) {
        ef_buf_puts(b, "'[");
        put_ids(b, list->ids, list->id_count);
        ef_buf_puts(b, "]'");
    } else {
        ef_buf_puts(b, "@ef_ids");
    }
    ef_buf_printf(b,
                  ", '$[*]' COLUMNS (ef_id BIGINT PATH '$')) v STRAIGHT_JOIN %s o FORCE INDEX (%s)"
                  " ON o.%s = v.ef_id",
                  l->table, l->id_index, l->column[EF_COL_ID]);
}

static void put_found(struct ef_buf *b)
{
    ef_buf_puts(b, "SELECT COALESCE(JSON_ARRAYAGG(x.id), JSON_ARRAY()), COUNT(*) INTO @ef_ids,"
                   " @ef_rows FROM (");
}

/* Not locked: a row that somebody inserts just now would be waited for. Only the owner changes the
 * status of those that are there. */
static void put_named_rows(struct ef_buf *b, const struct ef_my_store *s,
                           const struct ef_command *c)
{
    const struct ef_my_layout *l = &s->layout;
    put_found(b);
    ef_buf_printf(b, "SELECT o.%s AS id FROM ", l->column[EF_COL_ID]);
    put_rows(b, s, c);
    ef_buf_printf(b, " WHERE @ef_command = 1 AND o.%s IN (3,4)) x;", l->column[EF_COL_STATUS]);
}

static void put_old_rows(struct ef_buf *b, const struct ef_my_store *s, const struct ef_command *c)
{
    const struct ef_my_layout *l = &s->layout;
    put_found(b);
    ef_buf_printf(b, "SELECT o.%s AS id FROM %s o WHERE @ef_command = 1 AND o.%s = %d AND ",
                  l->column[EF_COL_ID], l->table, l->column[EF_COL_STATUS],
                  c->purge_dead ? EF_STATUS_DEAD : EF_STATUS_DONE);
    put_is_old(b, s, c->older_than_ms);
    ef_buf_printf(b, " ORDER BY o.%s LIMIT %d FOR UPDATE SKIP LOCKED) x;", l->column[EF_COL_ID],
                  c->limit);
}

static void put_delete(struct ef_buf *b, const struct ef_my_store *s)
{
    ef_buf_puts(b, "DELETE o FROM ");
    put_rows(b, s, NULL);
    ef_buf_puts(b, ";");
}

static void put_retry(struct ef_buf *b, const struct ef_my_store *s)
{
    const struct ef_my_layout *l = &s->layout;
    const char *attempts = l->column[EF_COL_ATTEMPTS], *status = l->column[EF_COL_STATUS];
    ef_buf_puts(b, "UPDATE ");
    put_rows(b, s, NULL);
    /* assignments happen from left to right: attempts looks at the former status */
    ef_buf_printf(b, " SET o.%s = IF(o.%s = 4, 0, o.%s), o.%s = 3, o.%s = NOW(6)", attempts, status,
                  attempts, status, l->column[EF_COL_NEXT_RETRY_AT]);
    if (l->has[EF_COL_PROCESSED_AT])
        ef_buf_printf(b, ", o.%s = NULL", l->column[EF_COL_PROCESSED_AT]);
    ef_buf_puts(b, ";");
}

static void put_skip(struct ef_buf *b, const struct ef_my_store *s)
{
    const struct ef_my_layout *l = &s->layout;
    if (s->outbox->on_delivered == EF_ON_DELIVERED_MARK) {
        ef_buf_puts(b, "UPDATE ");
        put_rows(b, s, NULL);
        ef_buf_printf(b, " SET o.%s = 2", l->column[EF_COL_STATUS]);
        if (l->has[EF_COL_PROCESSED_AT])
            ef_buf_printf(b, ", o.%s = NOW(6)", l->column[EF_COL_PROCESSED_AT]);
        ef_buf_puts(b, ";");
        return;
    }
    if (s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE) {
        ef_buf_printf(b, "INSERT INTO %s (%s, archived_at) SELECT %s, NOW(6) FROM ", l->archive,
                      l->archive_columns, l->archive_columns);
        put_rows(b, s, NULL);
        /* what is copied is what is deleted. MySQL cannot lock the JSON_TABLE, MariaDB does not try
         * and knows no OF */
        ef_buf_puts(b, s->settle.session.mariadb ? " FOR UPDATE;" : " FOR UPDATE OF o;");
    }
    put_delete(b, s);
}

static void put_bytes(struct ef_buf *b, struct ef_slice value)
{
    ef_buf_puts(b, "x'");
    for (size_t i = 0; i < value.len; i++)
        ef_buf_printf(b, "%02x", (unsigned char)value.p[i]);
    ef_buf_puts(b, "'");
}

static bool put_edit(struct ef_buf *b, struct ef_my_store *s, const struct ef_command *c,
                     struct ef_error *err)
{
    const struct ef_my_layout *l = &s->layout;
    const char *separator = "";
    ef_buf_puts(b, "UPDATE ");
    put_rows(b, s, NULL);
    ef_buf_puts(b, " SET ");
    for (enum ef_edit_column i = 0; i < EF_EDIT_COUNT; i++) {
        enum ef_column column = ef_operating_column(i);
        if (!c->edits[i].set)
            continue;
        if (!ef_operating_edit(&s->operate.line, c->edits, i, l->has[column], l->column[column],
                               l->table, is_blob(s) ? NULL : l->type[EF_COL_PAYLOAD], err))
            return false;
        ef_buf_printf(b, "%so.%s = ", separator, l->column[column]);
        if (i == EF_EDIT_PAYLOAD && is_blob(s) && c->edits[i].value.p)
            put_bytes(b, c->edits[i].value);
        else
            put_slice(b, c->edits[i].value);
        separator = ", ";
    }
    ef_buf_puts(b, ";");
    return true;
}

static bool put_hold(struct ef_buf *b, const struct ef_my_store *s, const struct ef_command *c,
                     struct ef_error *err)
{
    const struct ef_my_layout *l = &s->layout;
    const char *kind = c->topic ? "topic" : "aggregate", *retry = l->column[EF_COL_NEXT_RETRY_AT];
    if (!l->has_hold)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "table %s.eventferry_hold is missing, or this user has no right on it;"
                            " run `eventferryctl migrate`",
                            l->database);
    if (c->verb == EF_COMMAND_HOLD) {
        ef_buf_printf(b,
                      "INSERT IGNORE INTO %s.eventferry_hold (outbox_id, kind, name, actor, reason)"
                      " SELECT %d, '%s', ",
                      l->database, l->outbox_id, kind);
        put_slice(b, c->name);
        ef_buf_puts(b, ", ");
        ef_my_sql_literal(b, c->actor);
        ef_buf_puts(b, ", ");
        ef_my_sql_literal(b, c->reason);
        ef_buf_puts(b, " FROM DUAL WHERE @ef_command = 1;");
        return true;
    }
    ef_buf_printf(b,
                  "DELETE FROM %s.eventferry_hold WHERE outbox_id = %d AND kind = '%s' AND"
                  " @ef_command = 1 AND name = CAST(",
                  l->database, l->outbox_id, kind);
    put_slice(b, c->name);
    ef_buf_printf(b, " AS BINARY);UPDATE %s o%s%s%s SET o.%s = NOW(6) WHERE @ef_command = 1",
                  l->table, l->status_index[0] ? " FORCE INDEX (" : "", l->status_index,
                  l->status_index[0] ? ")" : "", retry);
    ef_buf_printf(b, " AND o.%s = 3 AND o.%s > NOW(6)", l->column[EF_COL_STATUS], retry);
    put_text_is(b, s, c->topic ? EF_COL_TOPIC : EF_COL_AGGREGATE_ID, c->name);
    ef_buf_puts(b, ";SET @ef_rows = ROW_COUNT();");
    return true;
}

/* One line for each row it is about, before it is changed; else one in all, afterwards. */
static void put_audit(struct ef_buf *b, const struct ef_my_store *s, const struct ef_command *c)
{
    const struct ef_my_layout *l = &s->layout;
    ef_buf_printf(b, "INSERT INTO %s.eventferry_audit (outbox_id, actor, verb, ", l->database);
    ef_buf_puts(b, ef_command_is_about_rows(c)
                       ? "row_id, message_id, topic, payload_sha256, detail)"
                       : "detail)");
    ef_buf_printf(b, " SELECT %d, ", l->outbox_id);
    ef_my_sql_literal(b, c->actor);
    ef_buf_printf(b, ", '%s', ", ef_command_verb_name(c->verb));
    if (ef_command_is_about_rows(c)) {
        ef_buf_printf(b, "o.%s, ", l->column[EF_COL_ID]);
        ef_my_sql_text(s, EF_COL_MESSAGE_ID, b);
        ef_buf_puts(b, ", ");
        ef_my_sql_text(s, EF_COL_TOPIC, b);
        ef_buf_printf(b, ", UNHEX(SHA2(o.%s, 256)), ", l->column[EF_COL_PAYLOAD]);
    }
    ef_buf_printf(b, "JSON_OBJECT('command', %" PRId64 ", 'reason', ", c->number);
    ef_my_sql_literal(b, c->reason);
    if (ef_command_is_about_rows(c)) {
        ef_buf_printf(b, ", 'from_status', o.%s + 0) FROM ", l->column[EF_COL_STATUS]);
        put_rows(b, s, NULL);
        ef_buf_puts(b, ";");
    } else {
        ef_buf_printf(b, ", 'rows', @ef_rows + 0, 'args', c.args) FROM %s.eventferry_command c",
                      l->database);
        ef_buf_printf(b, " WHERE c.id = %" PRId64 " AND @ef_command = 1;", c->number);
    }
}

static bool put_act(struct ef_buf *b, struct ef_my_store *s, const struct ef_command *c,
                    struct ef_error *err)
{
    switch (c->verb) {
    case EF_COMMAND_RETRY:
        put_retry(b, s);
        return true;
    case EF_COMMAND_SKIP:
        put_skip(b, s);
        return true;
    case EF_COMMAND_EDIT:
        return put_edit(b, s, c, err);
    case EF_COMMAND_PURGE:
        put_delete(b, s);
        return true;
    case EF_COMMAND_HOLD:
    case EF_COMMAND_RELEASE:
        return put_hold(b, s, c, err);
    case EF_COMMAND_REFUSED:
        break;
    }
    return true;
}

/* Its result, and what this answers: is the lease ours, and rows. */
static void put_end(struct ef_buf *b, const struct ef_my_store *s, const struct ef_command *c)
{
    ef_buf_printf(b, "UPDATE %s.eventferry_command SET done_at = UTC_TIMESTAMP(6), result = ",
                  s->layout.database);
    if (c->verb == EF_COMMAND_REFUSED) {
        char *result = ef_command_result(c, 0, NULL, 0);
        ef_my_sql_literal(b, result);
        free(result);
    } else if (ef_command_needs_barrier(c)) {
        ef_buf_puts(b, "CONCAT('{\"rows\":', @ef_rows, ',\"ids\":', @ef_ids, '}')");
    } else {
        ef_buf_puts(b, "CONCAT('{\"rows\":', @ef_rows, '}')");
    }
    ef_buf_printf(b,
                  " WHERE id = %" PRId64 " AND @ef_command = 1;SELECT @ef_owner, @ef_rows;COMMIT",
                  c->number);
}

bool ef_my_carry_out_sql(struct ef_my_store *s, int64_t epoch, const struct ef_command *c,
                         struct ef_buf *out, struct ef_error *err)
{
    put_command(out, s, epoch, c);
    if (ef_command_needs_barrier(c))
        put_named_rows(out, s, c);
    else if (c->verb == EF_COMMAND_PURGE)
        put_old_rows(out, s, c);
    if (ef_command_is_about_rows(c))
        put_audit(out, s, c);
    if (!put_act(out, s, c, err))
        return false;
    if (!ef_command_is_about_rows(c) && c->verb != EF_COMMAND_REFUSED)
        put_audit(out, s, c);
    put_end(out, s, c);
    return true;
}
