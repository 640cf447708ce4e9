// SPDX-License-Identifier: MIT
/*
 * Pieces of the statements of claim-and-order, built once from the layout, and what several
 * statements share: the fence, literals, times.
 *
 * "Due" and the hold-back of rows behind an earlier row of status 1 or 3 of their aggregate are
 * evaluated in the reading statement's own snapshot. Aggregates are compared as bytes: collations
 * fold case and trailing spaces. No read locks anything.
 */
#include "store/my_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "outbox/headers.h"

enum { PIECE_MAX = 65536 };

static char *finish(struct ef_buf *b)
{
    if (b->overflow)
        abort(); /* names are bounded; only a bug makes a piece this long */
    char *text = ef_xstrdup(b->data ? b->data : "");
    ef_buf_done(b);
    return text;
}

void ef_my_sql_literal(struct ef_buf *out, const char *text)
{
    if (!text) {
        ef_buf_puts(out, "NULL");
        return;
    }
    ef_buf_puts(out, "'");
    for (; *text; text++) {
        if (*text == '\'')
            ef_buf_puts(out, "'");
        ef_buf_add(out, text, 1);
    }
    ef_buf_puts(out, "'");
}

void ef_my_sql_lease(const struct ef_my_store *s, int64_t epoch, struct ef_buf *out)
{
    ef_buf_printf(out, "outbox_id = %d AND epoch = %" PRId64 " AND server = %s",
                  s->layout.outbox_id, epoch, s->sql.server);
}

/*
 * The fence's row is locked, not the lease's, so that renewals go on meanwhile; a takeover changes
 * both. LOCK IN SHARE MODE is FOR SHARE in the words that both MySQL and MariaDB know; it does not
 * reach into the subquery.
 */
void ef_my_sql_fence(const struct ef_my_store *s, int64_t epoch, struct ef_buf *out)
{
    const char *database = s->layout.database;
    ef_buf_printf(
        out,
        "ROLLBACK;START TRANSACTION;SET @ef_owner = 0;"
        "SELECT 1 INTO @ef_owner FROM %s.eventferry_fence WHERE outbox_id = %d AND epoch = "
        "%" PRId64 " AND EXISTS (SELECT 1 FROM %s.eventferry_lease WHERE ",
        database, s->layout.outbox_id, epoch, database);
    ef_my_sql_lease(s, epoch, out);
    ef_buf_puts(out, ") LOCK IN SHARE MODE;");
}

/* --- times --- */

/* Columns of type TIMESTAMP hold an instant, and the session's zone is UTC. */
static bool is_local(const struct ef_my_store *s, enum ef_column col)
{
    return s->zone[0] && strcmp(s->layout.type[col], "timestamp") != 0;
}

/* A zone like '+05:00', the same all year. */
static bool is_offset(const struct ef_my_store *s)
{
    return s->zone[0] == '+' || s->zone[0] == '-';
}

/*
 * Each value by its own date, for summer time adds an hour to some. Of the hour that comes twice
 * the server takes one; the hour that is left out counts as its end. What the server does not
 * convert (the zero time, years its TIMESTAMP does not reach) stays as it is. While a server runs
 * the same value always gives the same instant, so rows are found again by it.
 */
void ef_my_sql_instant(const struct ef_my_store *s, enum ef_column col, const char *of,
                       struct ef_buf *out)
{
    const char *column = s->layout.column[col];
    int hours = 0, minutes = 0;
    if (!is_local(s, col)) {
        ef_buf_printf(out, "%s.%s", of, column);
        return;
    }
    ef_buf_puts(out, "COALESCE(");
    if (is_offset(s) && sscanf(s->zone + 1, "%d:%d", &hours, &minutes) == 2) {
        ef_buf_printf(out, "%s.%s %c INTERVAL %d MINUTE", of, column, s->zone[0] == '+' ? '-' : '+',
                      hours * 60 + minutes);
    } else {
        ef_buf_printf(out, "CONVERT_TZ(%s.%s, ", of, column);
        ef_my_sql_literal(out, s->zone);
        ef_buf_puts(out, ", '+00:00')");
    }
    ef_buf_printf(out, ", %s.%s)", of, column);
}

void ef_my_sql_created(const struct ef_my_store *s, struct ef_buf *out)
{
    if (s->layout.created_nullable)
        ef_buf_puts(out, "COALESCE(");
    ef_my_sql_instant(s, EF_COL_CREATED_AT, "o", out);
    if (s->layout.created_nullable)
        ef_buf_puts(out, ", TIMESTAMP'1970-01-01 00:00:00')");
}

/* A claim of the hour that comes twice may be an hour younger than its instant says, so the clocks
 * on the wall must agree: then it is waited for up to an hour longer, and never taken from a living
 * relay. */
void ef_my_sql_claim_is_old(const struct ef_my_store *s, struct ef_buf *out)
{
    const char *claimed = s->layout.column[EF_COL_CLAIMED_AT];
    int64_t timeout_us = s->outbox->claim_timeout_ms * 1000;
    ef_buf_printf(out, "(o.%s IS NULL OR (", claimed);
    ef_my_sql_instant(s, EF_COL_CLAIMED_AT, "o", out);
    ef_buf_printf(out, " <= NOW(6) - INTERVAL %" PRId64 " MICROSECOND", timeout_us);
    if (is_local(s, EF_COL_CLAIMED_AT) && !is_offset(s)) {
        ef_buf_printf(out, " AND o.%s <= COALESCE(CONVERT_TZ(NOW(6), '+00:00', ", claimed);
        ef_my_sql_literal(out, s->zone);
        ef_buf_printf(out, "), NOW(6)) - INTERVAL %" PRId64 " MICROSECOND", timeout_us);
    }
    ef_buf_puts(out, "))");
}

/* '0000-00-00 00:00:00', which MySQL takes for a time where its strict modes are off. */
#define ZERO_TIME INT64_MIN

int64_t ef_my_time_of(const char *text)
{
    struct tm tm = {0};
    int us = 0, digits = 0;
    if (sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec) != 6 ||
        tm.tm_mon == 0 || tm.tm_mday == 0)
        return ZERO_TIME;
    const char *point = strchr(text, '.');
    for (; point && digits < 6; digits++)
        us = us * 10 + (point[1] >= '0' && point[1] <= '9' ? *++point - '0' : 0);
    tm.tm_year -= 1900;
    tm.tm_mon--;
    return (int64_t)timegm(&tm) * EF_S_US + us;
}

void ef_my_sql_time(int64_t us, struct ef_buf *out)
{
    if (us == ZERO_TIME) {
        ef_buf_puts(out, "'0000-00-00 00:00:00'");
        return;
    }
    int64_t second = us / EF_S_US, rest = us % EF_S_US;
    if (rest < 0) {
        rest += EF_S_US;
        second--;
    }
    struct tm tm;
    gmtime_r(&(time_t){second}, &tm);
    ef_buf_printf(out, "'%04d-%02d-%02d %02d:%02d:%02d.%06d'", tm.tm_year + 1900, tm.tm_mon + 1,
                  tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)rest);
}

/* --- rows --- */

/* A constant, in which a topic's pattern may speak of the row's aggregate type. */
static void put_constant(const struct ef_my_store *s, const char *text, struct ef_buf *out)
{
    enum { WORD_BYTES = sizeof(EF_AGGREGATE_TYPE_WORD) - 1 };
    const char *word = text ? strstr(text, EF_AGGREGATE_TYPE_WORD) : NULL;
    if (!word) {
        ef_my_sql_literal(out, text);
        return;
    }
    ef_buf_puts(out, "CONCAT(");
    for (; word; word = strstr(text, EF_AGGREGATE_TYPE_WORD)) {
        char *before = ef_xstrndup(text, (size_t)(word - text));
        ef_my_sql_literal(out, before);
        free(before);
        ef_buf_puts(out, ", ");
        ef_my_sql_text(s, EF_COL_AGGREGATE_TYPE, out);
        ef_buf_puts(out, ", ");
        text = word + WORD_BYTES;
    }
    ef_my_sql_literal(out, text);
    ef_buf_puts(out, ")");
}

void ef_my_sql_text(const struct ef_my_store *s, enum ef_column col, struct ef_buf *out)
{
    if (s->layout.has[col])
        ef_buf_printf(out, "o.%s", s->layout.column[col]);
    else
        put_constant(s, s->outbox->columns[col].value, out);
}

/*
 * The payload if it is not larger than max_payload, else NULL and its size. MySQL stores JSON in a
 * binary form that may be smaller than its text, at most some fourfold (a number of three bytes
 * with its comma): only what could be too large is printed to be measured.
 */
static void put_payload(const struct ef_my_store *s, const char *held, struct ef_buf *b)
{
    const char *p = s->layout.column[EF_COL_PAYLOAD];
    long long max = (long long)s->outbox->max_payload_bytes;
    bool binary = strcmp(s->layout.type[EF_COL_PAYLOAD], "json") == 0;
    ef_buf_printf(b, "CASE WHEN %s THEN NULL WHEN ", held);
    if (binary)
        ef_buf_printf(b, "JSON_STORAGE_SIZE(o.%s) <= %lld OR ", p, max / 16);
    ef_buf_printf(b, "LENGTH(o.%s) <= %lld THEN o.%s END, CASE WHEN %s THEN NULL WHEN ", p, max, p,
                  held);
    if (binary)
        ef_buf_printf(b, "JSON_STORAGE_SIZE(o.%s) > %lld AND ", p, max / 16);
    ef_buf_printf(b, "LENGTH(o.%s) > %lld THEN LENGTH(o.%s) END", p, max, p);
}

/* header_columns as a JSON object in their order, which JSON_OBJECT of MySQL does not keep. */
static void put_header_columns(const struct ef_my_store *s, struct ef_buf *b)
{
    const struct ef_strings *list = &s->outbox->header_columns;
    enum { MAX = 8 * EF_ROW_HEADERS_MAX_BYTES };
    ef_buf_puts(b, "LEFT(CONCAT('{'");
    for (size_t i = 0; i < list->count; i++) {
        char quoted[EF_MY_IDENT_MAX];
        const char *header;
        char *column = ef_config_header_column(list->items[i], &header);
        ef_my_quote_ident(quoted, column);
        free(column);
        ef_buf_puts(b, i ? ", ',', JSON_QUOTE(" : ", JSON_QUOTE(");
        ef_my_sql_literal(b, header);
        ef_buf_printf(b,
                      "), ':', COALESCE(JSON_QUOTE(CAST(o.%s AS CHAR CHARACTER SET utf8mb4)), "
                      "'null')",
                      quoted);
    }
    ef_buf_printf(b, ", '}'), %d)", MAX + 1);
}

/* Headers of more than 64 KiB are refused (headers.h), and JSON writes a byte with six at most: of
 * a longer text only what shows that is loaded. */
static void put_headers(const struct ef_my_store *s, struct ef_buf *b)
{
    enum { MAX = 8 * EF_ROW_HEADERS_MAX_BYTES };
    if (s->outbox->header_columns.count) {
        put_header_columns(s, b);
        return;
    }
    if (!s->layout.has[EF_COL_HEADERS]) {
        ef_my_sql_text(s, EF_COL_HEADERS, b);
        return;
    }
    ef_buf_printf(b, "LEFT(o.%s, %d)", s->layout.column[EF_COL_HEADERS], MAX + 1);
}

static bool has_order(const struct ef_my_store *s)
{
    return s->layout.has[EF_COL_AGGREGATE_ID] || s->outbox->columns[EF_COL_AGGREGATE_ID].value;
}

/* The row is behind one of status 3 of its aggregate, or is one itself and not due. */
static char *held_back(const struct ef_my_store *s)
{
    const struct ef_my_layout *l = &s->layout;
    struct ef_buf b;
    ef_buf_init(&b, PIECE_MAX);
    ef_buf_puts(&b, "(");
    if (has_order(s))
        ef_buf_printf(&b, "h.waits < o.%s OR ", l->column[EF_COL_ID]);
    ef_buf_printf(&b, "(o.%s = 3 AND o.%s > NOW(6)))", l->column[EF_COL_STATUS],
                  l->column[EF_COL_NEXT_RETRY_AT]);
    return finish(&b);
}

/* id, created_at, message_id, aggregate_type, aggregate_id, topic, key, payload,
 * payload's size, headers, trace_id, partition, status, attempts. A row that is held back has no
 * payload, size and headers, and -1 as its status. */
static char *row_piece(const struct ef_my_store *s)
{
    static const enum ef_column texts[] = {EF_COL_MESSAGE_ID, EF_COL_AGGREGATE_TYPE,
                                           EF_COL_AGGREGATE_ID, EF_COL_TOPIC, EF_COL_KEY};
    const struct ef_my_layout *l = &s->layout;
    char *held = held_back(s);
    struct ef_buf b;
    ef_buf_init(&b, PIECE_MAX);
    ef_buf_printf(&b, "SELECT o.%s, CAST(", l->column[EF_COL_ID]);
    ef_my_sql_created(s, &b);
    ef_buf_puts(&b, " AS CHAR)");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ef_buf_puts(&b, ", ");
        ef_my_sql_text(s, texts[i], &b);
    }
    ef_buf_puts(&b, ", ");
    put_payload(s, held, &b);
    ef_buf_printf(&b, ", CASE WHEN %s THEN NULL ELSE ", held);
    put_headers(s, &b);
    ef_buf_puts(&b, " END, ");
    ef_my_sql_text(s, EF_COL_TRACE_ID, &b);
    if (l->has[EF_COL_PARTITION])
        ef_buf_printf(&b, ", o.%s", l->column[EF_COL_PARTITION]);
    else
        ef_buf_puts(&b, ", NULL");
    ef_buf_printf(&b, ", CASE WHEN %s THEN -1 ELSE o.%s END, o.%s", held, l->column[EF_COL_STATUS],
                  l->column[EF_COL_ATTEMPTS]);
    free(held);
    return finish(&b);
}

static bool by_type(const struct ef_my_store *s)
{
    return s->outbox->order_by == EF_ORDER_AGGREGATE_TYPE_AND_ID;
}

/*
 * What tells aggregates apart, of table `of`: a hash of its bytes. Of a fixed size it can be the
 * key of a temporary table, which a VARCHAR(255) of four-byte characters cannot; MySQL has no MD5
 * any more (9.6). NULL, which equals nothing, where there is no aggregate.
 */
static void put_aggregate(const struct ef_my_store *s, struct ef_buf *b, const char *of)
{
    const struct ef_my_layout *l = &s->layout;
    ef_buf_puts(b, "UNHEX(SHA2(");
    if (by_type(s) && l->has[EF_COL_AGGREGATE_TYPE] && l->has[EF_COL_AGGREGATE_ID])
        ef_buf_printf(b,
                      "CONCAT(LENGTH(%s.%s), ':', CAST(%s.%s AS BINARY), COALESCE(CONCAT('=', "
                      "CAST(%s.%s AS BINARY)), ''))",
                      of, l->column[EF_COL_AGGREGATE_ID], of, l->column[EF_COL_AGGREGATE_ID], of,
                      l->column[EF_COL_AGGREGATE_TYPE]);
    else if (l->has[EF_COL_AGGREGATE_ID])
        ef_buf_printf(b, "%s.%s", of, l->column[EF_COL_AGGREGATE_ID]);
    else if (by_type(s) && l->has[EF_COL_AGGREGATE_TYPE])
        ef_buf_printf(b, "COALESCE(CONCAT('=', CAST(%s.%s AS BINARY)), '')", of,
                      l->column[EF_COL_AGGREGATE_TYPE]);
    else
        ef_buf_puts(b, "''"); /* a constant: all are alike */
    ef_buf_puts(b, ", 256))");
}

static void put_index(struct ef_buf *b, const char *index)
{
    if (index[0])
        ef_buf_printf(b, " FORCE INDEX (%s)", index);
}

static char *held_piece(const struct ef_my_store *s)
{
    const struct ef_my_layout *l = &s->layout;
    struct ef_buf b;
    ef_buf_init(&b, PIECE_MAX);
    if (has_order(s)) {
        ef_buf_puts(&b, "WITH h AS (SELECT CAST(");
        put_aggregate(s, &b, "e");
        ef_buf_printf(&b,
                      " AS BINARY(32)) AS a, MIN(e.%s) AS first,"
                      " MIN(CASE WHEN e.%s = 3 THEN e.%s END) AS waits FROM %s e",
                      l->column[EF_COL_ID], l->column[EF_COL_STATUS], l->column[EF_COL_ID],
                      l->table);
        put_index(&b, l->status_index);
        ef_buf_printf(&b, " WHERE e.%s IN (1,3) GROUP BY 1) ", l->column[EF_COL_STATUS]);
    }
    return finish(&b);
}

/* Nothing is hashed while nothing waits. */
static char *joined_piece(const struct ef_my_store *s)
{
    struct ef_buf b;
    ef_buf_init(&b, PIECE_MAX);
    if (has_order(s)) {
        ef_buf_puts(&b, " LEFT JOIN h ON h.a = CAST(IF(@ef_waiting, ");
        put_aggregate(s, &b, "o");
        ef_buf_puts(&b, ", NULL) AS BINARY(32))");
    }
    return finish(&b);
}

static char *waiting_piece(const struct ef_my_store *s)
{
    const struct ef_my_layout *l = &s->layout;
    struct ef_buf b;
    ef_buf_init(&b, PIECE_MAX);
    if (has_order(s)) {
        ef_buf_printf(&b, "SELECT EXISTS (SELECT 1 FROM %s o", l->table);
        put_index(&b, l->status_index);
        ef_buf_printf(&b, " WHERE o.%s IN (1,3)) INTO @ef_waiting;", l->column[EF_COL_STATUS]);
    }
    return finish(&b);
}

/* Not claimed by another kind of relay, or so long ago that it is taken for dead; nor behind such a
 * row, unless one of status 3 is before it too: then it is shown as held back. */
static char *shown_piece(const struct ef_my_store *s)
{
    const struct ef_my_layout *l = &s->layout;
    const char *status = l->column[EF_COL_STATUS], *id = l->column[EF_COL_ID];
    struct ef_buf b;
    ef_buf_init(&b, PIECE_MAX);
    ef_buf_printf(&b, " AND (o.%s IN (0,3)", status);
    if (l->has[EF_COL_CLAIMED_AT]) {
        ef_buf_printf(&b, " OR (o.%s = 1 AND ", status);
        ef_my_sql_claim_is_old(s, &b);
        ef_buf_puts(&b, ")");
    }
    ef_buf_puts(&b, ")");
    if (has_order(s))
        ef_buf_printf(&b, " AND (h.first IS NULL OR h.first >= o.%s OR h.waits < o.%s)", id, id);
    return finish(&b);
}

void ef_my_sql_build(struct ef_my_store *s)
{
    ef_my_sql_free(&s->sql);
    s->sql.server =
        ef_xstrdup(s->lease.session.mariadb ? EF_MY_SERVER_MARIADB : EF_MY_SERVER_MYSQL);
    s->sql.waiting = waiting_piece(s);
    s->sql.held = held_piece(s);
    s->sql.row = row_piece(s);
    s->sql.joined = joined_piece(s);
    s->sql.shown = shown_piece(s);
}

void ef_my_sql_free(struct ef_my_sql *sql)
{
    free(sql->server);
    free(sql->waiting);
    free(sql->held);
    free(sql->row);
    free(sql->joined);
    free(sql->shown);
    *sql = (struct ef_my_sql){0};
}
