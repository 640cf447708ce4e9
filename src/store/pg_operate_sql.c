// SPDX-License-Identifier: MIT
/*
 * Texts of what operators ask: lists of rows as JSON, and commands, each one statement that fences,
 * changes rows, writes the audit and ends the command.
 */
#include "store/pg_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "store/pg_session.h"

enum { SUCCESSORS_MAX = 1000 };

/* "$7", the parameter added last */
static const char *param(const struct ef_pg_request *req, char out[8])
{
    snprintf(out, 8, "$%d", req->param_count);
    return out;
}

static void add_slice(struct ef_pg_request *req, struct ef_slice text)
{
    ef_pg_param_owned(req, text.p ? ef_xstrndup(text.p, text.len) : NULL);
}

static void add_ids(struct ef_pg_request *req, const int64_t *ids, int count)
{
    struct ef_buf b;
    ef_buf_init(&b, EF_COMMAND_IDS_MAX * 24);
    ef_buf_puts(&b, "{");
    for (int i = 0; i < count; i++)
        ef_buf_printf(&b, "%s%lld", i ? "," : "", (long long)ids[i]);
    ef_buf_puts(&b, "}");
    ef_pg_param_owned(req, b.data);
}

/* --- lists --- */

static void put_field(struct ef_buf *b, const struct ef_pg_store *s, const char *name,
                      enum ef_column col)
{
    ef_buf_printf(b, ", '%s', ", name);
    ef_pg_sql_text(b, s, col);
}

static void put_number(struct ef_buf *b, const struct ef_pg_store *s, const char *name,
                       enum ef_column col)
{
    if (s->layout.has[col])
        ef_buf_printf(b, ", '%s', o.%s", name, s->layout.column[col]);
    else
        ef_buf_printf(b, ", '%s', NULL", name);
}

static void put_time(struct ef_buf *b, const struct ef_pg_store *s, const char *name,
                     enum ef_column col)
{
    if (!s->layout.has[col])
        ef_buf_printf(b, ", '%s', NULL", name);
    else
        ef_buf_printf(b,
                      ", '%s', to_char(o.%s::timestamptz AT TIME ZONE 'UTC',"
                      " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
                      name, s->layout.column[col]);
}

static bool is_bytea(const struct ef_pg_store *s)
{
    return strcmp(s->layout.payload_type, "bytea") == 0;
}

static void put_payload(struct ef_buf *b, const struct ef_pg_store *s, bool whole)
{
    const char *p = s->layout.column[EF_COL_PAYLOAD];
    bool json = strncmp(s->layout.payload_type, "json", 4) == 0;
    const char *cast = is_bytea(s) ? "" : "::text";
    ef_buf_printf(b, ", 'payload_type', '%s', 'payload_bytes', octet_length(o.%s%s)",
                  is_bytea(s) ? "bytes"
                  : json      ? "json"
                              : "text",
                  p, cast);
    if (!whole)
        return;
    put_field(b, s, "headers", EF_COL_HEADERS);
    ef_buf_printf(b,
                  ", 'payload_base64', CASE WHEN octet_length(o.%s%s) <= %lld THEN"
                  " translate(encode(%s(o.%s%s%s), 'base64'), E'\\n', '') END",
                  p, cast, (long long)s->outbox->max_payload_bytes, is_bytea(s) ? "" : "convert_to",
                  p, cast, is_bytea(s) ? "" : ", 'UTF8'");
}

static bool has_aggregates(const struct ef_pg_store *s)
{
    return s->layout.has[EF_COL_AGGREGATE_ID] || s->outbox->columns[EF_COL_AGGREGATE_ID].value;
}

static void put_held_by(struct ef_buf *b, const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    if (!has_aggregates(s)) {
        ef_buf_puts(b, ", 'held_by', NULL");
        return;
    }
    ef_buf_printf(b, ", 'held_by', (SELECT min(e.%s) FROM %s e WHERE ", l->column[EF_COL_ID],
                  l->table);
    ef_pg_sql_same_aggregate(b, s);
    ef_buf_printf(b, " AND e.%s < o.%s AND e.%s IN (1,3))", l->column[EF_COL_ID],
                  l->column[EF_COL_ID], l->column[EF_COL_STATUS]);
}

static void put_successors(struct ef_buf *b, const struct ef_pg_store *s, const char *name,
                           const char *table, const char *statuses)
{
    const struct ef_pg_layout *l = &s->layout;
    ef_buf_printf(b, ", '%s', (SELECT count(*) FROM (SELECT 1 FROM %s e WHERE ", name, table);
    ef_pg_sql_same_aggregate(b, s);
    ef_buf_printf(b, " AND e.%s > o.%s", l->column[EF_COL_ID], l->column[EF_COL_ID]);
    if (statuses)
        ef_buf_printf(b, " AND e.%s IN (%s)", l->column[EF_COL_STATUS], statuses);
    else /* the archive's partitions and its index are by this column */
        ef_buf_printf(b, " AND e.archived_at >= o.%s::timestamptz", l->column[EF_COL_CREATED_AT]);
    ef_buf_printf(b, " LIMIT %d) n)", SUCCESSORS_MAX);
}

static void put_all_successors(struct ef_buf *b, const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *gone = ef_operating_gone(s->outbox, l->table, l->archive);
    if (!has_aggregates(s))
        return;
    put_successors(b, s, "successors_waiting", l->table, "0,1,3");
    if (gone)
        put_successors(b, s, "successors_gone", gone, gone == l->table ? "2" : NULL);
    else
        ef_buf_puts(b, ", 'successors_gone', NULL");
}

static void put_row(struct ef_buf *b, const struct ef_pg_store *s, const struct ef_row_filter *f)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *created = l->column[EF_COL_CREATED_AT], *retry = l->column[EF_COL_NEXT_RETRY_AT];
    ef_buf_printf(b, "SELECT json_build_object('id', o.%s::bigint", l->column[EF_COL_ID]);
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
    ef_buf_printf(b,
                  ", 'created_us', CASE o.%s::timestamptz WHEN 'infinity' THEN %" PRId64
                  " WHEN '-infinity' THEN '%" PRId64
                  "'::bigint ELSE round(extract(epoch FROM o.%s::timestamptz) * 1000000)::bigint"
                  " END",
                  created, INT64_MAX, INT64_MIN, created);
    put_time(b, s, "next_retry_at", EF_COL_NEXT_RETRY_AT);
    ef_buf_printf(b,
                  ", 'next_retry_in_ms', CASE WHEN o.%s = 3 AND o.%s IS NOT NULL THEN"
                  " round(extract(epoch FROM least(greatest(o.%s, timestamptz 'epoch'),"
                  " timestamptz '9999-01-01') - clock_timestamp()) * 1000)::bigint END",
                  l->column[EF_COL_STATUS], retry, retry);
    put_time(b, s, "claimed_at", EF_COL_CLAIMED_AT);
    put_time(b, s, "processed_at", EF_COL_PROCESSED_AT);
    if (l->has[EF_COL_LAST_ERROR])
        ef_buf_printf(b, ", 'last_error', o.%s", l->column[EF_COL_LAST_ERROR]);
    else
        ef_buf_puts(b, ", 'last_error', NULL");
    put_held_by(b, s);
    put_payload(b, s, f->payload);
    if (f->successors)
        put_all_successors(b, s);
    ef_buf_printf(b, ")::text FROM %s o WHERE true", l->table);
}

static void put_statuses(struct ef_buf *b, const char *column, unsigned statuses)
{
    const char *separator = "";
    ef_buf_printf(b, " AND o.%s IN (", column);
    for (int status = 0; status < 32; status++)
        if (statuses >> status & 1) {
            ef_buf_printf(b, "%s%d", separator, status);
            separator = ",";
        }
    ef_buf_puts(b, ")");
}

/* A bound of created_at: microseconds since 1970 UTC. */
static void put_created(struct ef_buf *b, const struct ef_pg_store *s, const char *compare,
                        int64_t us, struct ef_pg_request *req)
{
    char p[8];
    if (!us)
        return;
    ef_pg_param_int(req, us);
    ef_buf_printf(b, " AND o.%s %s timestamptz 'epoch' + %s::bigint * interval '1 microsecond'",
                  s->layout.column[EF_COL_CREATED_AT], compare, param(req, p));
}

static void put_text_is(struct ef_buf *b, const struct ef_pg_store *s, enum ef_column col,
                        struct ef_slice text, struct ef_pg_request *req)
{
    char p[8];
    if (!text.p)
        return;
    add_slice(req, text);
    ef_buf_puts(b, " AND ");
    ef_pg_sql_text(b, s, col);
    ef_buf_printf(b, " = %s::text", param(req, p));
}

static void put_filter(struct ef_buf *b, const struct ef_pg_store *s, const struct ef_row_filter *f,
                       struct ef_pg_request *req)
{
    const struct ef_pg_layout *l = &s->layout;
    char p[8];
    if (f->statuses)
        put_statuses(b, l->column[EF_COL_STATUS], f->statuses);
    if (f->ids) {
        add_ids(req, f->ids, f->id_count);
        ef_buf_printf(b, " AND o.%s = ANY (%s::bigint[])", l->column[EF_COL_ID], param(req, p));
    }
    put_text_is(b, s, EF_COL_TOPIC, f->topic, req);
    put_text_is(b, s, EF_COL_AGGREGATE_ID, f->aggregate_id, req);
    if (f->error.p && l->has[EF_COL_LAST_ERROR]) {
        add_slice(req, f->error);
        ef_buf_printf(b, " AND starts_with(o.%s, %s::text)", l->column[EF_COL_LAST_ERROR],
                      param(req, p));
    } else if (f->error.p) {
        ef_buf_puts(b, " AND false"); /* nothing is written down about errors */
    }
    put_created(b, s, ">=", f->created_from_us, req);
    put_created(b, s, "<", f->created_to_us, req);
    if (f->after_id != INT64_MIN) {
        ef_pg_param_int(req, f->after_id);
        ef_buf_printf(b, " AND o.%s > %s::bigint", l->column[EF_COL_ID], param(req, p));
    }
}

/* Row o was finished so long ago, by the database's clock. */
static void put_is_old(struct ef_buf *b, const struct ef_pg_store *s, int64_t older_than_ms,
                       struct ef_pg_request *req)
{
    const struct ef_pg_layout *l = &s->layout;
    char p[8];
    const char *when =
        l->has[EF_COL_PROCESSED_AT] ? l->column[EF_COL_PROCESSED_AT] : l->column[EF_COL_CREATED_AT];
    ef_pg_param_int(req, older_than_ms);
    ef_buf_printf(
        b, "coalesce(o.%s, o.%s) <= clock_timestamp() - %s::bigint * interval '1 millisecond'",
        when, l->column[EF_COL_CREATED_AT], param(req, p));
}

static void put_count(struct ef_buf *b, const struct ef_pg_store *s,
                      const struct ef_row_filter *filter, struct ef_pg_request *req)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *id = l->column[EF_COL_ID];
    ef_buf_printf(
        b,
        "SELECT json_build_object('id', max(x.id), 'count', count(*) FILTER (WHERE x.old),"
        " 'looked', count(*))::text FROM (SELECT o.%s::bigint AS id, ",
        id);
    put_is_old(b, s, filter->older_than_ms, req);
    ef_buf_printf(b, " AS old FROM %s o WHERE o.%s > 0", l->table, id);
    put_filter(b, s, filter, req);
    ef_buf_printf(b, " ORDER BY o.%s LIMIT %d) x", id, EF_ROWS_COUNTED_MAX);
}

/* The archive has no index by id: this reads all of it, which statement_timeout ends. */
static void put_archived(struct ef_buf *b, const struct ef_pg_store *s,
                         const struct ef_row_filter *filter, struct ef_pg_request *req)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *id = l->column[EF_COL_ID];
    char p[8];
    if (s->outbox->on_delivered != EF_ON_DELIVERED_ARCHIVE) {
        ef_buf_puts(b, "SELECT NULL WHERE false");
        return;
    }
    add_ids(req, filter->ids, filter->id_count);
    ef_buf_printf(b,
                  "SELECT json_build_object('id', o.%s::bigint, 'status', o.%s, 'archived_at',"
                  " to_char(o.archived_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))"
                  "::text FROM %s o WHERE o.%s = ANY (%s::bigint[]) ORDER BY o.%s, o.archived_at"
                  " LIMIT %d",
                  id, l->column[EF_COL_STATUS], l->archive, id, param(req, p), id,
                  filter->limit + 1);
}

char *ef_pg_rows_sql(const struct ef_pg_store *s, const struct ef_row_filter *filter,
                     struct ef_pg_request *req)
{
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    if (filter->archived) {
        put_archived(&b, s, filter, req);
        return ef_pg_sql_finish(&b);
    }
    if (filter->count) {
        put_count(&b, s, filter, req);
        return ef_pg_sql_finish(&b);
    }
    put_row(&b, s, filter);
    put_filter(&b, s, filter, req);
    ef_buf_printf(&b, " ORDER BY o.%s%s LIMIT %d", s->layout.column[EF_COL_ID],
                  filter->newest ? " DESC" : "", filter->limit + 1);
    return ef_pg_sql_finish(&b);
}

/* --- commands --- */

/* k: the command, if it is open and the lease is ours. $4 its number, $5 who, $6 why. */
static void put_command(struct ef_buf *b, const struct ef_pg_store *s)
{
    ef_buf_printf(b,
                  "WITH l AS MATERIALIZED (SELECT " EF_PG_RAISE_SYNC
                  " FROM %s.lease WHERE " EF_PG_LEASE_MATCH
                  " FOR KEY SHARE), k AS MATERIALIZED (SELECT c.id FROM %s.command c WHERE"
                  " c.id = $4::bigint AND c.outbox_id = $1::int AND c.done_at IS NULL"
                  " AND EXISTS (SELECT 1 FROM l) FOR UPDATE)",
                  s->layout.ours, s->layout.ours);
}

/* t: the rows it is about, locked. */
static void put_rows(struct ef_buf *b, const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *p = l->column[EF_COL_PAYLOAD];
    ef_buf_printf(b, ", t AS MATERIALIZED (SELECT o.%s AS id, o.%s AS status, ",
                  l->column[EF_COL_ID], l->column[EF_COL_STATUS]);
    ef_pg_sql_text(b, s, EF_COL_MESSAGE_ID);
    ef_buf_puts(b, " AS message_id, ");
    ef_pg_sql_text(b, s, EF_COL_TOPIC);
    ef_buf_printf(
        b, " AS topic, sha256(%s(o.%s%s)) AS sum FROM %s o WHERE EXISTS (SELECT 1 FROM k)",
        is_bytea(s) ? "" : "convert_to", p, is_bytea(s) ? "" : "::text, 'UTF8'", l->table);
}

static void put_named_rows(struct ef_buf *b, const struct ef_pg_store *s,
                           const struct ef_command *c, struct ef_pg_request *req)
{
    char p[8];
    put_rows(b, s);
    add_ids(req, c->ids, c->id_count);
    ef_buf_printf(b, " AND o.%s = ANY (%s::bigint[]) AND o.%s IN (3,4) FOR UPDATE)",
                  s->layout.column[EF_COL_ID], param(req, p), s->layout.column[EF_COL_STATUS]);
}

static void put_update_of_rows(struct ef_buf *b, const struct ef_pg_store *s)
{
    ef_buf_printf(b, " FROM t WHERE o.%s = t.id)", s->layout.column[EF_COL_ID]);
}

static void put_retry(struct ef_buf *b, const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *attempts = l->column[EF_COL_ATTEMPTS];
    ef_buf_printf(b,
                  ", u AS (UPDATE %s o SET %s = 3, %s = CASE WHEN t.status = 4 THEN 0 ELSE o.%s"
                  " END, %s = clock_timestamp()",
                  l->table, l->column[EF_COL_STATUS], attempts, attempts,
                  l->column[EF_COL_NEXT_RETRY_AT]);
    if (l->has[EF_COL_PROCESSED_AT])
        ef_buf_printf(b, ", %s = NULL", l->column[EF_COL_PROCESSED_AT]);
    put_update_of_rows(b, s);
}

static void put_skip(struct ef_buf *b, const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    if (s->outbox->on_delivered == EF_ON_DELIVERED_MARK) {
        ef_buf_printf(b, ", u AS (UPDATE %s o SET %s = 2", l->table, l->column[EF_COL_STATUS]);
        if (l->has[EF_COL_PROCESSED_AT])
            ef_buf_printf(b, ", %s = clock_timestamp()", l->column[EF_COL_PROCESSED_AT]);
        put_update_of_rows(b, s);
        return;
    }
    ef_buf_printf(b, ", d AS (DELETE FROM %s o USING t WHERE o.%s = t.id RETURNING o.*)", l->table,
                  l->column[EF_COL_ID]);
    if (s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE)
        ef_buf_printf(b,
                      ", r AS (INSERT INTO %s (%s, archived_at) SELECT %s, clock_timestamp()"
                      " FROM d)",
                      l->archive, l->archive_columns, l->archive_columns);
}

/* bytea takes bytes as \x and two digits each (PostgreSQL, 8.4.1). */
static void add_bytes(struct ef_pg_request *req, struct ef_slice payload)
{
    char *hex = ef_xmalloc(payload.len * 2 + 3);
    snprintf(hex, 3, "\\x");
    for (size_t i = 0; i < payload.len; i++)
        snprintf(hex + 2 + i * 2, 3, "%02x", (unsigned char)payload.p[i]);
    ef_pg_param_owned(req, hex);
}

static bool put_edit(struct ef_buf *b, struct ef_pg_store *s, const struct ef_command *c,
                     struct ef_pg_request *req, struct ef_error *err)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *separator = "";
    char p[8];
    ef_buf_printf(b, ", u AS (UPDATE %s o SET ", l->table);
    for (enum ef_edit_column i = 0; i < EF_EDIT_COUNT; i++) {
        enum ef_column column = ef_operating_column(i);
        if (!c->edits[i].set)
            continue;
        if (!ef_operating_edit(&s->operate.line, c->edits, i, l->has[column], l->column[column],
                               l->table, is_bytea(s) ? NULL : l->payload_type, err))
            return false;
        if (i == EF_EDIT_PAYLOAD && is_bytea(s) && c->edits[i].value.p)
            add_bytes(req, c->edits[i].value);
        else
            add_slice(req, c->edits[i].value);
        /* without a cast it is read as of the column's own type */
        ef_buf_printf(b, "%s%s = %s", separator, l->column[column], param(req, p));
        separator = ", ";
    }
    put_update_of_rows(b, s);
    return true;
}

static void put_purge(struct ef_buf *b, const struct ef_pg_store *s, const struct ef_command *c,
                      struct ef_pg_request *req)
{
    const struct ef_pg_layout *l = &s->layout;
    put_rows(b, s);
    /* rows of before a migration share the id 0 (layout debezium) and are not the relay's */
    ef_buf_printf(b, " AND o.%s = %d AND o.%s > 0 AND ", l->column[EF_COL_STATUS],
                  c->purge_dead ? EF_STATUS_DEAD : EF_STATUS_DONE, l->column[EF_COL_ID]);
    put_is_old(b, s, c->older_than_ms, req);
    ef_buf_printf(b,
                  " ORDER BY o.%s LIMIT %d FOR UPDATE SKIP LOCKED),"
                  " d AS (DELETE FROM %s o USING t WHERE o.%s = t.id)",
                  l->column[EF_COL_ID], c->limit, l->table, l->column[EF_COL_ID]);
}

static bool put_hold(struct ef_buf *b, const struct ef_pg_store *s, const struct ef_command *c,
                     struct ef_pg_request *req, struct ef_error *err)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *kind = c->topic ? "topic" : "aggregate";
    char p[8];
    if (!l->has_hold)
        return ef_error_set(err, EF_CLASS_CONFIG,
                            "table %s.hold is missing; run `eventferryctl migrate`", l->ours);
    add_slice(req, c->name);
    param(req, p);
    if (c->verb == EF_COMMAND_HOLD) {
        ef_buf_printf(b,
                      ", h AS (INSERT INTO %s.hold (outbox_id, kind, name, actor, reason)"
                      " SELECT $1::int, '%s', %s::text, $5::text, $6::text FROM k"
                      " ON CONFLICT DO NOTHING), t AS (SELECT NULL::bigint AS id WHERE false)",
                      l->ours, kind, p);
        return true;
    }
    ef_buf_printf(b,
                  ", h AS (DELETE FROM %s.hold WHERE outbox_id = $1::int AND kind = '%s' AND name ="
                  " %s::text AND EXISTS (SELECT 1 FROM k)), t AS (UPDATE %s o SET %s ="
                  " clock_timestamp() WHERE EXISTS (SELECT 1 FROM k) AND o.%s = 3 AND o.%s >"
                  " clock_timestamp() AND ",
                  l->ours, kind, p, l->table, l->column[EF_COL_NEXT_RETRY_AT],
                  l->column[EF_COL_STATUS], l->column[EF_COL_NEXT_RETRY_AT]);
    ef_pg_sql_text(b, s, c->topic ? EF_COL_TOPIC : EF_COL_AGGREGATE_ID);
    ef_buf_printf(b, " = %s::text RETURNING o.%s AS id)", p, l->column[EF_COL_ID]);
    return true;
}

/* One line for each row it is about; else one in all, with what it was told. */
static void put_audit(struct ef_buf *b, const struct ef_pg_store *s, const struct ef_command *c)
{
    const char *verb = ef_command_verb_name(c->verb);
    ef_buf_printf(b, ", a AS (INSERT INTO %s.audit (outbox_id, actor, verb", s->layout.ours);
    if (ef_command_is_about_rows(c))
        ef_buf_printf(b,
                      ", row_id, message_id, topic, payload_sha256, detail) SELECT $1::int,"
                      " $5::text, '%s', t.id, t.message_id, t.topic, t.sum, jsonb_build_object("
                      "'command', $4::bigint, 'reason', $6::text, 'from_status', t.status) FROM t)",
                      verb);
    else
        ef_buf_printf(b,
                      ", detail) SELECT $1::int, $5::text, '%s', jsonb_build_object('command',"
                      " $4::bigint, 'reason', $6::text, 'rows', (SELECT count(*) FROM t), 'args',"
                      " (SELECT c.args FROM %s.command c WHERE c.id = $4::bigint)) FROM k)",
                      verb, s->layout.ours);
}

static void put_end(struct ef_buf *b, const struct ef_pg_store *s, const struct ef_command *c)
{
    ef_buf_printf(
        b, ", c AS (UPDATE %s.command c SET done_at = clock_timestamp(), result =", s->layout.ours);
    if (ef_command_needs_barrier(c))
        ef_buf_puts(b, " json_build_object('rows', (SELECT count(*) FROM t), 'ids', (SELECT"
                       " coalesce(json_agg(t.id ORDER BY t.id), '[]') FROM t))::text");
    else
        ef_buf_puts(b, " json_build_object('rows', (SELECT count(*) FROM t))::text");
    ef_buf_puts(b, " FROM k WHERE c.id = k.id) SELECT EXISTS (SELECT 1 FROM l), (SELECT count(*)"
                   " FROM t)");
}

static bool put_act(struct ef_buf *b, struct ef_pg_store *s, const struct ef_command *c,
                    struct ef_pg_request *req, struct ef_error *err)
{
    if (ef_command_needs_barrier(c))
        put_named_rows(b, s, c, req);
    switch (c->verb) {
    case EF_COMMAND_RETRY:
        put_retry(b, s);
        return true;
    case EF_COMMAND_SKIP:
        put_skip(b, s);
        return true;
    case EF_COMMAND_EDIT:
        return put_edit(b, s, c, req, err);
    case EF_COMMAND_PURGE:
        put_purge(b, s, c, req);
        return true;
    case EF_COMMAND_HOLD:
    case EF_COMMAND_RELEASE:
        return put_hold(b, s, c, req, err);
    case EF_COMMAND_REFUSED:
        break;
    }
    return true;
}

char *ef_pg_carry_out_sql(struct ef_pg_store *s, const struct ef_command *c,
                          struct ef_pg_request *req, struct ef_error *err)
{
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    ef_pg_param_int(req, c->number);
    ef_pg_param_text(req, c->actor);
    if (c->verb == EF_COMMAND_REFUSED) {
        ef_pg_param_owned(req, ef_command_result(c, 0, NULL, 0));
        put_command(&b, s);
        ef_buf_printf(&b,
                      ", c AS (UPDATE %s.command c SET done_at = clock_timestamp(), result ="
                      " $6::text FROM k WHERE c.id = k.id) SELECT EXISTS (SELECT 1 FROM l),"
                      " 0::bigint, $5::text",
                      s->layout.ours);
        return ef_pg_sql_finish(&b);
    }
    ef_pg_param_text(req, c->reason);
    put_command(&b, s);
    if (!put_act(&b, s, c, req, err)) {
        ef_buf_done(&b);
        return NULL;
    }
    put_audit(&b, s, c);
    put_end(&b, s, c);
    return ef_pg_sql_finish(&b);
}
