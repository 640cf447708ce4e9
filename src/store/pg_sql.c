// SPDX-License-Identifier: MIT
/*
 * The statements of claim-and-order: one text each, built once from the layout.
 *
 * Common parts: the fence `l` (lease row of this epoch on this server, locked FOR KEY SHARE where
 * rows change), the "due" condition, and the hold-back of rows behind an earlier row of status 1 or
 * 3 of their aggregate, evaluated in the statement's own snapshot.
 */
#include "store/pg_store.h"

#include <stdlib.h>

#include "base/str.h"
#include "outbox/headers.h"
#include "store/pg_session.h"

char *ef_pg_sql_finish(struct ef_buf *b)
{
    if (b->overflow)
        abort(); /* names are bounded; only a bug makes a statement this long */
    char *text = ef_xstrdup(b->data);
    ef_buf_done(b);
    return text;
}

static void put_literal(struct ef_buf *b, const char *s)
{
    ef_buf_puts(b, strchr(s, '\\') ? " E'" : "'");
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\')
            ef_buf_add(b, s, 1);
        ef_buf_add(b, s, 1);
    }
    ef_buf_puts(b, "'");
}

/* A constant, in which a topic's pattern may speak of the row's aggregate type. */
static void put_constant(struct ef_buf *b, const struct ef_pg_store *s, const char *text)
{
    enum { WORD_BYTES = sizeof(EF_AGGREGATE_TYPE_WORD) - 1 };
    const char *word = strstr(text, EF_AGGREGATE_TYPE_WORD);
    char *before = ef_xstrndup(text, word ? (size_t)(word - text) : strlen(text));
    ef_buf_puts(b, word ? "(" : "");
    put_literal(b, before);
    ef_buf_puts(b, "::text");
    free(before);
    if (!word)
        return;
    ef_buf_puts(b, " || ");
    ef_pg_sql_text(b, s, EF_COL_AGGREGATE_TYPE);
    ef_buf_puts(b, " || ");
    put_constant(b, s, word + WORD_BYTES);
    ef_buf_puts(b, ")");
}

void ef_pg_sql_text(struct ef_buf *b, const struct ef_pg_store *s, enum ef_column col)
{
    if (s->layout.has[col])
        ef_buf_printf(b, "o.%s::text", s->layout.column[col]);
    else if (s->outbox->columns[col].value)
        put_constant(b, s, s->outbox->columns[col].value);
    else
        ef_buf_puts(b, "NULL::text");
}

static bool is_json(const struct ef_pg_store *s)
{
    return strncmp(s->layout.payload_type, "json", 4) == 0;
}

/*
 * The payload if it is not larger than max_payload, else NULL and its size. pg_column_size is what
 * is stored, cheap but compressed (at most 255:1, lz4's bound), so only values that could be too
 * large are measured.
 */
static void put_payload(struct ef_buf *b, const struct ef_pg_store *s, const char *unless)
{
    const char *p = s->layout.column[EF_COL_PAYLOAD];
    const char *cast = is_json(s) ? "::text" : "";
    long long max = (long long)s->outbox->max_payload_bytes;
    ef_buf_printf(
        b,
        "CASE %sWHEN pg_column_size(o.%s) <= %lld OR octet_length(o.%s%s) <= %lld THEN o.%s END, "
        "CASE %sWHEN pg_column_size(o.%s) > %lld AND octet_length(o.%s%s) > %lld"
        " THEN octet_length(o.%s%s)::bigint END",
        unless, p, max / 256, p, cast, max, p, unless, p, max / 256, p, cast, max, p, cast);
}

/* header_columns as a JSON object, in their order. */
static void put_header_columns(struct ef_buf *b, const struct ef_pg_store *s)
{
    const struct ef_strings *list = &s->outbox->header_columns;
    enum { MAX = 8 * EF_ROW_HEADERS_MAX_BYTES };
    ef_buf_puts(b, "left(json_build_object(");
    for (size_t i = 0; i < list->count; i++) {
        char quoted[EF_PG_IDENT_MAX];
        const char *header;
        char *column = ef_config_header_column(list->items[i], &header);
        ef_pg_quote_ident(quoted, sizeof(quoted), column);
        free(column);
        ef_buf_puts(b, i ? ", " : "");
        put_literal(b, header);
        ef_buf_printf(b, "::text, o.%s::text", quoted);
    }
    ef_buf_printf(b, ")::text, %d)", MAX + 1);
}

/* Headers of more than 64 KiB are refused (headers.h), and JSON writes a byte with six at most: of
 * a longer text only what shows that is loaded. */
static void put_headers(struct ef_buf *b, const struct ef_pg_store *s)
{
    const char *h = s->layout.column[EF_COL_HEADERS];
    enum { MAX = 8 * EF_ROW_HEADERS_MAX_BYTES };
    if (s->outbox->header_columns.count) {
        put_header_columns(b, s);
        return;
    }
    if (!s->layout.has[EF_COL_HEADERS]) {
        ef_pg_sql_text(b, s, EF_COL_HEADERS);
        return;
    }
    ef_buf_printf(b,
                  "CASE WHEN pg_column_size(o.%s) > %d AND octet_length(o.%s::text) > %d"
                  " THEN left(o.%s::text, %d) ELSE o.%s::text END",
                  h, MAX / 256, h, MAX, h, MAX + 1, h);
}

/* The columns that pg_fetch.c decodes, in its order, after `meta`. held: an expression that says
 * that the row is held back, which its status tells then, or NULL. */
static void put_row(struct ef_buf *b, const struct ef_pg_store *s, const char *held)
{
    const struct ef_pg_layout *l = &s->layout;
    ef_buf_printf(b, "NULL::text, o.%s::bigint, o.%s::timestamptz, ", l->column[EF_COL_ID],
                  l->column[EF_COL_CREATED_AT]);
    if (l->message_id_is_uuid)
        ef_buf_printf(b, "o.%s", l->column[EF_COL_MESSAGE_ID]);
    else
        ef_pg_sql_text(b, s, EF_COL_MESSAGE_ID);
    static const enum ef_column texts[] = {EF_COL_AGGREGATE_TYPE, EF_COL_AGGREGATE_ID, EF_COL_TOPIC,
                                           EF_COL_KEY};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ef_buf_puts(b, ", ");
        ef_pg_sql_text(b, s, texts[i]);
    }
    ef_buf_puts(b, ", ");
    char *unless = held ? ef_xprintf("WHEN %s THEN NULL ", held) : ef_xstrdup("");
    put_payload(b, s, unless);
    free(unless);
    if (held)
        ef_buf_printf(b, ", CASE WHEN NOT (%s) IS TRUE THEN ", held);
    else
        ef_buf_puts(b, ", ");
    put_headers(b, s);
    ef_buf_puts(b, held ? " END, " : ", ");
    ef_pg_sql_text(b, s, EF_COL_TRACE_ID);
    if (l->has[EF_COL_PARTITION])
        ef_buf_printf(b, ", o.%s::int", l->column[EF_COL_PARTITION]);
    else
        ef_buf_puts(b, ", NULL::int");
    if (held)
        ef_buf_printf(b, ", CASE WHEN %s THEN -1 ELSE o.%s END::smallint", held,
                      l->column[EF_COL_STATUS]);
    else
        ef_buf_printf(b, ", o.%s::smallint", l->column[EF_COL_STATUS]);
    ef_buf_printf(b, ", o.%s::int", l->column[EF_COL_ATTEMPTS]);
}

void ef_pg_sql_same_aggregate(struct ef_buf *b, const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    if (l->has[EF_COL_AGGREGATE_ID])
        ef_buf_printf(b, "e.%s = o.%s", l->column[EF_COL_AGGREGATE_ID],
                      l->column[EF_COL_AGGREGATE_ID]);
    else
        ef_buf_puts(b, "true"); /* a constant: every row is of one aggregate */
    if (s->outbox->order_by == EF_ORDER_AGGREGATE_TYPE_AND_ID && l->has[EF_COL_AGGREGATE_TYPE])
        ef_buf_printf(b, " AND e.%s IS NOT DISTINCT FROM o.%s", l->column[EF_COL_AGGREGATE_TYPE],
                      l->column[EF_COL_AGGREGATE_TYPE]);
}

/* Rows are held back only where there are aggregates. */
static bool has_order(const struct ef_pg_store *s)
{
    return s->layout.has[EF_COL_AGGREGATE_ID] || s->outbox->columns[EF_COL_AGGREGATE_ID].value;
}

/* Not claimed by another kind of relay, or so long ago that it is taken for dead. */
static void put_unclaimed(struct ef_buf *b, const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *status = l->column[EF_COL_STATUS];
    ef_buf_printf(b, "(o.%s <> 1", status);
    if (l->has[EF_COL_CLAIMED_AT])
        ef_buf_printf(b, " OR o.%s IS NULL OR o.%s <= now() - %lld * interval '1 millisecond'",
                      l->column[EF_COL_CLAIMED_AT], l->column[EF_COL_CLAIMED_AT],
                      (long long)s->outbox->claim_timeout_ms);
    ef_buf_puts(b, ")");
}

/* While no row of the table waits: the pending ones. The list lets the planner use a partial index
 * on the unfinished rows. */
static void put_pending(struct ef_buf *b, const struct ef_pg_store *s, const char *range)
{
    const struct ef_pg_layout *l = &s->layout;
    ef_buf_puts(b, "SELECT ");
    put_row(b, s, NULL);
    ef_buf_printf(b,
                  " FROM %s o WHERE EXISTS (SELECT 1 FROM l) AND NOT (SELECT w.some FROM w)"
                  " AND %s AND o.%s IN (0,1,3) AND o.%s = 0",
                  l->table, range, l->column[EF_COL_STATUS], l->column[EF_COL_STATUS]);
}

/*
 * While rows wait: a row behind one of status 3 of its aggregate, or of status 3 itself and not
 * due, only tells that it is there; one behind a row of status 1 is not shown. The lateral's LIMIT
 * keeps the planner from asking what is before a row once for each column.
 */
static void put_beside_waiting(struct ef_buf *b, const struct ef_pg_store *s, const char *range)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *status = l->column[EF_COL_STATUS], *id = l->column[EF_COL_ID];
    struct ef_buf held;
    ef_buf_init(&held, EF_PG_SQL_MAX);
    ef_buf_printf(&held, "(%so.%s = 3 AND o.%s > now())", has_order(s) ? "p.status = 3 OR " : "",
                  status, l->column[EF_COL_NEXT_RETRY_AT]);
    ef_buf_puts(b, "SELECT ");
    put_row(b, s, held.data);
    ef_buf_done(&held);
    ef_buf_printf(b, " FROM %s o", l->table);
    if (has_order(s)) {
        ef_buf_printf(b, " LEFT JOIN LATERAL (SELECT e.%s AS status FROM %s e WHERE ", status,
                      l->table);
        ef_pg_sql_same_aggregate(b, s);
        ef_buf_printf(b, " AND e.%s < o.%s AND e.%s IN (1,3) LIMIT 1) p ON true", id, id, status);
    }
    ef_buf_printf(b,
                  " WHERE EXISTS (SELECT 1 FROM l) AND (SELECT w.some FROM w) AND %s"
                  " AND o.%s IN (0,1,3) AND ",
                  range, status);
    put_unclaimed(b, s);
    if (has_order(s))
        ef_buf_puts(b, " AND p.status IS DISTINCT FROM 1");
}

/* Both, of which one gives nothing. */
static void put_part(struct ef_buf *b, const struct ef_pg_store *s, const char *range, int limit)
{
    const char *id = s->layout.column[EF_COL_ID];
    ef_buf_puts(b, "(");
    put_pending(b, s, range);
    ef_buf_printf(b, " ORDER BY o.%s LIMIT $%d::int) UNION ALL (", id, limit);
    put_beside_waiting(b, s, range);
    ef_buf_printf(b, " ORDER BY o.%s LIMIT $%d::int)", id, limit);
}

/* $4, $5 gap runs (fetch_gaps only); then after, limit, want max id, want foreign */
static char *fetch_sql(const struct ef_pg_store *s, bool gaps)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *id = l->column[EF_COL_ID];
    int after = gaps ? 6 : 4;
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    ef_buf_printf(
        &b,
        "WITH l AS MATERIALIZED (SELECT 1 FROM %s.lease WHERE " EF_PG_LEASE_MATCH "),"
        " w AS MATERIALIZED (SELECT EXISTS (SELECT 1 FROM %s WHERE %s IN (1,3)) AS some) ",
        l->ours, l->table, l->column[EF_COL_STATUS]);
    ef_buf_printf(
        &b,
        "SELECT (CASE WHEN EXISTS (SELECT 1 FROM l) THEN '1' ELSE '0' END)"
        " || ' ' || pg_snapshot_xmin(pg_current_snapshot())::text"
        " || ' ' || coalesce(pg_relation_filenode(%u), 0)::text"
        /* rows of status 3 may be many, and are looked through */
        " || CASE WHEN $%d::boolean AND (SELECT w.some FROM w)"
        " AND EXISTS (SELECT 1 FROM %s WHERE %s = 1) THEN ' 1' ELSE ' 0' END"
        " || CASE WHEN $%d::boolean THEN coalesce(' ' || (SELECT max(%s) FROM %s)::text, '') ELSE "
        "'' END,"
        " NULL::bigint, NULL::timestamptz, NULL::%s, NULL::text, NULL::text, NULL::text, "
        "NULL::text,"
        " NULL::%s, NULL::bigint, NULL::text, NULL::text, NULL::int, NULL::smallint, NULL::int",
        l->table_oid, after + 3, l->table, l->column[EF_COL_STATUS], after + 2, id, l->table,
        l->message_id_is_uuid ? "uuid" : "text", l->payload_type);
    char range[EF_PG_IDENT_MAX + 32];
    if (gaps) {
        /* a run at a time by the index: as a join the planner would read all unfinished rows */
        snprintf(range, sizeof(range), "o.%s BETWEEN g.a AND g.b", id);
        ef_buf_puts(&b, " UNION ALL (SELECT q.* FROM unnest($4::bigint[], $5::bigint[]) AS g(a, b)"
                        " CROSS JOIN LATERAL (");
        put_part(&b, s, range, after + 1);
        ef_buf_printf(&b, ") q ORDER BY 2 LIMIT $%d::int)", after + 1);
    }
    snprintf(range, sizeof(range), "o.%s > $%d::bigint", id, after);
    ef_buf_puts(&b, " UNION ALL ");
    put_part(&b, s, range, after + 1);
    return ef_pg_sql_finish(&b);
}

/* A row without created_at is read as one of the epoch: its bounds must match it too. */
#define CREATED_OF(ROW) "coalesce(" ROW ".%s, timestamptz 'epoch')"

static void put_in_runs(struct ef_buf *b, const struct ef_pg_layout *l)
{
    ef_buf_printf(b,
                  "EXISTS (SELECT 1 FROM l) AND o.%s BETWEEN r.a AND r.b AND " CREATED_OF(
                      "o") " BETWEEN r.lo AND r.hi",
                  l->column[EF_COL_ID], l->column[EF_COL_CREATED_AT]);
}

/* $4, $5 runs, $6, $7 their created_at bounds */
static char *settle_sql(const struct ef_pg_store *s, bool durable)
{
    const struct ef_pg_layout *l = &s->layout;
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    ef_buf_printf(&b,
                  "WITH l AS MATERIALIZED (SELECT %s FROM %s.lease WHERE " EF_PG_LEASE_MATCH
                  " FOR KEY SHARE)",
                  durable ? EF_PG_RAISE_SYNC : "set_config('synchronous_commit','off',true)",
                  l->ours);
    static const char runs[] =
        "unnest($4::bigint[], $5::bigint[], $6::timestamptz[], $7::timestamptz[])"
        " AS r(a, b, lo, hi)";
    if (s->outbox->on_delivered == EF_ON_DELIVERED_MARK) {
        ef_buf_printf(&b, " UPDATE %s o SET %s = 2", l->table, l->column[EF_COL_STATUS]);
        if (l->has[EF_COL_PROCESSED_AT])
            ef_buf_printf(&b, ", %s = clock_timestamp()", l->column[EF_COL_PROCESSED_AT]);
        ef_buf_printf(&b, " FROM %s WHERE o.%s <> 2 AND ", runs, l->column[EF_COL_STATUS]);
        put_in_runs(&b, l);
        return ef_pg_sql_finish(&b);
    }
    bool archive = s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE;
    ef_buf_printf(&b, "%s DELETE FROM %s o USING %s WHERE ", archive ? ", d AS (" : "", l->table,
                  runs);
    put_in_runs(&b, l);
    if (archive)
        ef_buf_printf(
            &b,
            " RETURNING o.*) INSERT INTO %s (%s, archived_at) SELECT %s, clock_timestamp() FROM d",
            l->archive, l->archive_columns, l->archive_columns);
    return ef_pg_sql_finish(&b);
}

/*
 * $4 id, $5 created_at, $6 status, $7 attempts, $8 delay ms, $9 last_error, $10 pending: arrays. A
 * row that has come to its end stays there: a decision whose connection broke may still happen
 * after it was repeated and the row delivered or given up. A pending one that is to be dead may
 * wait by then, since somebody has set it so: it is left as it is.
 */
static char *decide_sql(const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    ef_buf_printf(&b,
                  "WITH l AS MATERIALIZED (SELECT " EF_PG_RAISE_SYNC
                  " FROM %s.lease WHERE " EF_PG_LEASE_MATCH " FOR KEY SHARE)"
                  " UPDATE %s o SET %s = v.status, %s = v.attempts,"
                  " %s = CASE WHEN v.status = 3 THEN clock_timestamp() + v.delay * interval '1 "
                  "millisecond' END",
                  l->ours, l->table, l->column[EF_COL_STATUS], l->column[EF_COL_ATTEMPTS],
                  l->column[EF_COL_NEXT_RETRY_AT]);
    if (l->has[EF_COL_CLAIMED_AT])
        ef_buf_printf(&b, ", %s = NULL", l->column[EF_COL_CLAIMED_AT]);
    if (l->has[EF_COL_PROCESSED_AT])
        ef_buf_printf(&b, ", %s = CASE WHEN v.status = 4 THEN clock_timestamp() END",
                      l->column[EF_COL_PROCESSED_AT]);
    if (l->has[EF_COL_LAST_ERROR])
        ef_buf_printf(&b, ", %s = v.error", l->column[EF_COL_LAST_ERROR]);
    ef_buf_printf(&b,
                  " FROM unnest($4::bigint[], $5::timestamptz[], $6::smallint[], $7::int[], "
                  "$8::bigint[], $9::text[], $10::boolean[])"
                  " AS v(id, created, status, attempts, delay, error, pending)"
                  " WHERE EXISTS (SELECT 1 FROM l) AND o.%s = v.id AND " CREATED_OF(
                      "o") " = v.created"
                           " AND (o.%s = 0 OR o.%s = v.status"
                           " OR (o.%s IN (1,3) AND NOT v.pending))",
                  l->column[EF_COL_ID], l->column[EF_COL_CREATED_AT], l->column[EF_COL_STATUS],
                  l->column[EF_COL_STATUS], l->column[EF_COL_STATUS]);
    return ef_pg_sql_finish(&b);
}

/* $4 topic (NULL: every topic), $5 limit (0: all) */
static char *release_topic_sql(const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *id = l->column[EF_COL_ID];
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    ef_buf_printf(
        &b,
        "WITH l AS MATERIALIZED (SELECT 1 FROM %s.lease WHERE " EF_PG_LEASE_MATCH " FOR KEY SHARE)"
        " UPDATE %s t SET %s = clock_timestamp() WHERE EXISTS (SELECT 1 FROM l) AND t.%s IN"
        " (SELECT o.%s FROM %s o WHERE o.%s = 3 AND o.%s > clock_timestamp() AND ",
        l->ours, l->table, l->column[EF_COL_NEXT_RETRY_AT], id, id, l->table,
        l->column[EF_COL_STATUS], l->column[EF_COL_NEXT_RETRY_AT]);
    ef_buf_puts(&b, "($4::text IS NULL OR ");
    ef_pg_sql_text(&b, s, EF_COL_TOPIC);
    ef_buf_printf(&b, " = $4::text) ORDER BY o.%s LIMIT nullif($5::bigint, 0))", id);
    return ef_pg_sql_finish(&b);
}

static char *waiting_sql(const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    /* infinity is a time that cannot be subtracted: anybody's one row would end every look */
    const char *retry = l->column[EF_COL_NEXT_RETRY_AT], *status = l->column[EF_COL_STATUS];
    ef_buf_printf(
        &b,
        "SELECT coalesce(ceil(extract(epoch FROM min(least(greatest(o.%s, timestamptz "
        "'epoch'), timestamptz '9999-01-01')) FILTER (WHERE o.%s = 3 AND o.%s IS NOT NULL)"
        " - clock_timestamp()) * 1000)::bigint, CASE WHEN count(*) FILTER (WHERE o.%s = "
        "3) > 0 THEN 0"
        " ELSE -1 END), count(*) FILTER (WHERE o.%s = 3), ",
        retry, status, retry, status, status);
    if (l->has[EF_COL_CLAIMED_AT])
        ef_buf_printf(
            &b,
            "count(*) FILTER (WHERE o.%s = 1 AND o.%s > now() - %lld * interval '1 millisecond')",
            l->column[EF_COL_STATUS], l->column[EF_COL_CLAIMED_AT],
            (long long)s->outbox->claim_timeout_ms);
    else
        ef_buf_puts(&b, "0::bigint");
    /* cut here: a LIMIT would tempt the planner to look for them along the ids */
    ef_buf_printf(&b,
                  ", (array_agg(o.%s::bigint ORDER BY o.%s) FILTER (WHERE o.%s = 3 AND"
                  " (o.%s IS NULL OR o.%s <= clock_timestamp())))[1:%d]"
                  " FROM %s o WHERE o.%s IN (1,3)",
                  l->column[EF_COL_ID], l->column[EF_COL_ID], l->column[EF_COL_STATUS],
                  l->column[EF_COL_NEXT_RETRY_AT], l->column[EF_COL_NEXT_RETRY_AT],
                  EF_WAITING_DUE_MAX + 1, l->table, l->column[EF_COL_STATUS]);
    return ef_pg_sql_finish(&b);
}

enum { BACKLOG_COUNT_MAX = 100001 };

/* $1: count the dead rows too (no index serves it) */
static char *lag_sql(const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *status = l->column[EF_COL_STATUS];
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    ef_buf_printf(&b,
                  "SELECT (SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s IN (0,1,3) LIMIT %d) u),"
                  " (SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s = 3 LIMIT %d) u),"
                  " CASE WHEN $1::boolean THEN (SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s = "
                  "4 LIMIT %d) u)"
                  " ELSE -1 END,",
                  l->table, status, BACKLOG_COUNT_MAX, l->table, status, BACKLOG_COUNT_MAX,
                  l->table, status, BACKLOG_COUNT_MAX);
    if (l->has[EF_COL_AGGREGATE_ID])
        ef_buf_printf(&b, " (SELECT count(DISTINCT %s) FROM %s WHERE %s IN (1,3)),",
                      l->column[EF_COL_AGGREGATE_ID], l->table, status);
    else
        ef_buf_puts(&b, " 0::bigint,");
    ef_buf_printf(&b,
                  " coalesce((SELECT CASE WHEN isfinite(%s) THEN"
                  " extract(epoch FROM clock_timestamp() - %s)::float8 END FROM %s"
                  " WHERE %s IN (0,1,3) ORDER BY %s LIMIT 1), 0)",
                  l->column[EF_COL_CREATED_AT], l->column[EF_COL_CREATED_AT], l->table, status,
                  l->column[EF_COL_ID]);
    if (s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE)
        ef_buf_printf(
            &b,
            ", (SELECT count(*) FROM pg_inherits WHERE inhparent = '%s'::regclass),"
            " (SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint FROM pg_inherits"
            " WHERE inhparent = '%s'::regclass)",
            l->archive, l->archive);
    else
        ef_buf_puts(&b, ", -1::bigint, -1::bigint");
    return ef_pg_sql_finish(&b);
}

/* One small batch of done rows that are older than the retention. Those that were there before seq
 * was added share the number 0 and are not ours. $4 limit */
static char *purge_sql(const struct ef_pg_store *s)
{
    const struct ef_pg_layout *l = &s->layout;
    const char *when =
        l->has[EF_COL_PROCESSED_AT] ? l->column[EF_COL_PROCESSED_AT] : l->column[EF_COL_CREATED_AT];
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
    ef_buf_printf(
        &b,
        "WITH l AS MATERIALIZED (SELECT set_config('synchronous_commit','off',true) FROM %s.lease"
        " WHERE " EF_PG_LEASE_MATCH " FOR KEY SHARE)"
        " DELETE FROM %s t WHERE EXISTS (SELECT 1 FROM l) AND t.%s IN (SELECT o.%s FROM %s o"
        " WHERE o.%s > 0 AND o.%s = 2 AND o.%s < now() - %lld * interval '1 millisecond' ORDER BY "
        "o.%s LIMIT "
        "$4::int)",
        l->ours, l->table, l->column[EF_COL_ID], l->column[EF_COL_ID], l->table,
        l->column[EF_COL_ID], l->column[EF_COL_STATUS], when, (long long)s->outbox->retention_ms,
        l->column[EF_COL_ID]);
    return ef_pg_sql_finish(&b);
}

char *ef_pg_sql_simple(const char *fmt, const char *ours)
{
    struct ef_buf b;
    ef_buf_init(&b, EF_PG_SQL_MAX);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    ef_buf_printf(&b, fmt, ours);
#pragma GCC diagnostic pop
    return ef_pg_sql_finish(&b);
}

void ef_pg_sql_build(struct ef_pg_store *s)
{
    struct ef_pg_sql *sql = &s->sql;
    ef_pg_sql_free(&s->former_sql);
    s->former_sql = *sql;
    *sql = (struct ef_pg_sql){0};
    ef_pg_sql_build_lease(s);
    sql->fetch = fetch_sql(s, false);
    sql->fetch_gaps = fetch_sql(s, true);
    sql->settle = settle_sql(s, false);
    sql->settle_durably = settle_sql(s, true);
    sql->decide = decide_sql(s);
    sql->release_topic = release_topic_sql(s);
    sql->waiting = waiting_sql(s);
    sql->lag = lag_sql(s);
    sql->purge = purge_sql(s);
    sql->next_command = ef_pg_sql_simple(
        "SELECT id, verb, args::text, actor FROM %s.command WHERE outbox_id = $1::int"
        " AND done_at IS NULL ORDER BY id LIMIT 1",
        s->layout.ours);
    /* a schema made before there were holds has none */
    sql->holds = ef_pg_sql_simple(
        s->layout.has_hold
            ? "SELECT kind, name, actor, reason, round(extract(epoch FROM at) * 1000000)::bigint"
              " FROM %s.hold WHERE outbox_id = $1::int ORDER BY at, kind, name LIMIT 1000"
            : "SELECT 1 FROM %s.outbox WHERE outbox_id = $1::int AND false",
        s->layout.ours);
    sql->maintain =
        ef_pg_sql_simple("SELECT default_rows FROM %s.archive_maintain($1::int, $2::bigint * "
                         "interval '1 millisecond',"
                         " nullif($3::bigint, 0))",
                         s->layout.ours);
}

void ef_pg_sql_free(struct ef_pg_sql *sql)
{
    free(sql->fetch);
    free(sql->fetch_gaps);
    free(sql->settle);
    free(sql->settle_durably);
    free(sql->decide);
    free(sql->release_topic);
    free(sql->waiting);
    free(sql->lag);
    free(sql->purge);
    free(sql->maintain);
    free(sql->acquire);
    free(sql->renew);
    free(sql->release);
    free(sql->pause);
    free(sql->next_command);
    free(sql->holds);
    *sql = (struct ef_pg_sql){0};
}
