// SPDX-License-Identifier: MIT
/*
 * Reading: one snapshot, row by row into a batch's arena. The statements of a read go in one
 * packet: a consistent snapshot, a header that says whether the lease is still ours, the gaps'
 * rows, and the rows beyond. (One statement with UNION would go through a temporary table in
 * MariaDB: measured, thirty times the cost.) When a chunk is full it is handed over and the socket
 * is not read until the relay asks for more.
 *
 * InnoDB shows no transaction numbers, so what may still come in a gap is looked at: an uncommitted
 * row is seen at READ UNCOMMITTED. A look goes before the read, in the same packet, and the read
 * counts the same ids in its own snapshot. If both find the same, no row of the gaps was open: the
 * gaps that were old enough before can go (cursor.h).
 *
 * Polling a table in which nothing happens costs the server little: where the last read found
 * nothing, one small statement looks whether there is any unfinished row before the read is sent.
 */
#define EF_LOG_ROOM "store"
#include "store/my_store.h"

#include <inttypes.h>
#include <stdlib.h>

#define LOOK_EVERY_US EF_S_US
/* Without peeking, after one that saw rows which the read did not give: they wait, say. */
#define NO_PEEK_US (10 * EF_S_US)

enum { /* result columns, as my_sql.c's row piece has them */
       C_ID,
       C_CREATED,
       C_MESSAGE_ID,
       C_AGGREGATE_TYPE,
       C_AGGREGATE_ID,
       C_TOPIC,
       C_KEY,
       C_PAYLOAD,
       C_PAYLOAD_BYTES,
       C_HEADERS,
       C_TRACE_ID,
       C_PARTITION,
       C_STATUS,
       C_ATTEMPTS,
       C_COUNT,
};

/* --- rows --- */

static int64_t int_at(char **values, int col, int64_t otherwise)
{
    return values[col] ? strtoll(values[col], NULL, 10) : otherwise;
}

static struct ef_slice bytes_at(struct ef_arena *arena, char **values, const unsigned long *lengths,
                                int col)
{
    if (!values[col])
        return (struct ef_slice){NULL, 0};
    return (struct ef_slice){ef_arena_copy(arena, values[col], lengths[col]), lengths[col]};
}

/* BINARY(16), as UUID_TO_BIN writes it, is shown as people write UUIDs. */
static struct ef_slice message_id_at(const struct ef_my_store *s, struct ef_arena *arena,
                                     char **values, const unsigned long *lengths)
{
    static const char hex[] = "0123456789abcdef";
    if (!values[C_MESSAGE_ID] || lengths[C_MESSAGE_ID] != 16 ||
        strcmp(s->layout.type[EF_COL_MESSAGE_ID], "binary") != 0)
        return bytes_at(arena, values, lengths, C_MESSAGE_ID);
    char *out = ef_arena_alloc(arena, 37), *p = out;
    for (int i = 0; i < 16; i++) {
        unsigned char byte = (unsigned char)values[C_MESSAGE_ID][i];
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[byte >> 4];
        *p++ = hex[byte & 15];
    }
    *p = '\0';
    return (struct ef_slice){out, 36};
}

static enum ef_payload_kind kind_of(const struct ef_my_layout *l)
{
    const char *type = l->type[EF_COL_PAYLOAD];
    if (l->payload_is_json)
        return EF_PAYLOAD_JSON;
    return strstr(type, "blob") || strstr(type, "binary") ? EF_PAYLOAD_BYTES : EF_PAYLOAD_TEXT;
}

static void decode(const struct ef_my_store *s, struct ef_arena *arena, char **values,
                   const unsigned long *lengths, struct ef_row *row)
{
    row->id = int_at(values, C_ID, 0);
    row->created_at_us = values[C_CREATED] ? ef_my_time_of(values[C_CREATED]) : 0;
    row->message_id = message_id_at(s, arena, values, lengths);
    row->aggregate_type = bytes_at(arena, values, lengths, C_AGGREGATE_TYPE);
    row->aggregate_id = bytes_at(arena, values, lengths, C_AGGREGATE_ID);
    row->topic = bytes_at(arena, values, lengths, C_TOPIC);
    row->key = bytes_at(arena, values, lengths, C_KEY);
    row->payload = bytes_at(arena, values, lengths, C_PAYLOAD);
    row->payload_bytes = int_at(values, C_PAYLOAD_BYTES, 0);
    row->headers = bytes_at(arena, values, lengths, C_HEADERS);
    row->trace_id = bytes_at(arena, values, lengths, C_TRACE_ID);
    row->partition = (int32_t)int_at(values, C_PARTITION, -1);
    row->status = (int16_t)int_at(values, C_STATUS, 0);
    row->held_back = row->status < 0;
    row->attempts = (int32_t)int_at(values, C_ATTEMPTS, 0);
    row->payload_kind = kind_of(&s->layout);
}

/* "1 <highest id or -> <1 if there are rows of status 1> <count of the gaps' rows, if there was a
 * look>" */
static void take_header(struct ef_my_store *s, const char *meta)
{
    struct ef_intake *f = &s->intake;
    char max[24] = "-", look[sizeof(s->look)] = "";
    int ours = 0, foreign = 0;
    f->header_seen = true;
    if (sscanf(meta, "%d %23s %d %95[^\n]", &ours, max, &foreign, look) < 3) {
        f->misshapen = f->discard = true;
        return;
    }
    f->result.foreign = foreign;
    f->fenced = !ours;
    f->discard = f->discard || f->fenced;
    f->result.max_id = max[0] == '-' && !max[1] ? INT64_MIN : strtoll(max, NULL, 10);
    if (s->look[0] && strcmp(look, s->look) == 0)
        s->clean_read = s->reads;
    f->result.xmin = s->clean_read;
    f->result.xmax = s->reads + 1;
}

static void pause_reading(struct ef_store *store)
{
    ef_my_conn_pause(&ef_my_store_of(store)->read);
}

static void on_row(void *arg, int set, char **values, const unsigned long *lengths, int cols)
{
    struct ef_my_store *s = arg;
    struct ef_arena *arena;
    if (set < s->sets_before) {
        snprintf(s->look, sizeof(s->look), "%s", values[0] ? values[0] : "");
        return;
    }
    if (set == s->sets_before) {
        take_header(s, values[0] ? values[0] : "");
        return;
    }
    if (cols != C_COUNT || !values[C_ID] || !values[C_STATUS]) {
        s->intake.misshapen = s->intake.discard = true;
        return;
    }
    struct ef_row *row = ef_intake_row(&s->intake, int_at(values, C_ID, 0), &arena);
    if (!row)
        return;
    decode(s, arena, values, lengths, row);
    ef_intake_took(&s->intake, &s->store, row, pause_reading);
}

static void on_done(void *arg, const struct ef_my_answer *answer, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    (void)answer;
    s->quiet = !err && s->intake.result.rows == 0;
    if (s->quiet && s->peeked)
        s->no_peek_until_us = ef_clock_mono().us + NO_PEEK_US;
    s->peeked = false;
    ef_intake_end(&s->intake, &s->store, err);
}

/* --- the statement --- */

static void put_gaps(const struct ef_my_store *s, const struct ef_fetch *fetch, struct ef_buf *b)
{
    const char *id = s->layout.column[EF_COL_ID];
    bool any = false;
    ef_buf_puts(b, "(");
    for (int i = 0; i < fetch->gap_count; i++) {
        const struct ef_run *run = &fetch->gaps[i];
        if (run->first == run->last)
            continue;
        ef_buf_printf(b, "%so.%s BETWEEN %" PRId64 " AND %" PRId64, any ? " OR " : "", id,
                      run->first > INT64_MIN ? run->first : INT64_MIN + 1, run->last);
        any = true;
    }
    bool single = false;
    for (int i = 0; i < fetch->gap_count; i++) {
        if (fetch->gaps[i].first != fetch->gaps[i].last)
            continue;
        if (!single)
            ef_buf_printf(b, "%so.%s IN (", any ? " OR " : "", id);
        ef_buf_printf(b, "%s%" PRId64, single ? "," : "", fetch->gaps[i].first);
        single = true;
    }
    ef_buf_puts(b, single ? "))" : ")");
}

/* How many unfinished rows the gaps have, and which: one text. */
static void put_look(const struct ef_my_store *s, const struct ef_buf *gaps, struct ef_buf *b)
{
    const struct ef_my_layout *l = &s->layout;
    const char *id = l->column[EF_COL_ID];
    ef_buf_printf(b,
                  "SELECT CONCAT(COUNT(*), ' ', COALESCE(SUM(o.%s), 0), ' ', "
                  "COALESCE(BIT_XOR(CRC32(o.%s)), 0)) FROM %s o FORCE INDEX (%s) WHERE ",
                  id, id, l->table, l->id_index);
    ef_buf_add(b, gaps->data, gaps->len);
    ef_buf_printf(b, " AND o.%s IN (0,1,3)", l->column[EF_COL_STATUS]);
}

static void put_header(const struct ef_my_store *s, const struct ef_fetch *fetch,
                       const struct ef_buf *gaps, bool look, struct ef_buf *b)
{
    const struct ef_my_layout *l = &s->layout;
    ef_buf_printf(b, "SELECT CONCAT((SELECT COUNT(*) FROM %s.eventferry_lease WHERE ", l->database);
    ef_my_sql_lease(s, fetch->epoch, b);
    ef_buf_puts(b, "), ' ', ");
    if (fetch->want_max_id)
        ef_buf_printf(b, "COALESCE((SELECT MAX(%s) FROM %s), '-')", l->column[EF_COL_ID], l->table);
    else
        ef_buf_puts(b, "'-'");
    if (fetch->want_foreign)
        ef_buf_printf(b, ", ' ', EXISTS (SELECT 1 FROM %s WHERE %s = 1)", l->table,
                      l->column[EF_COL_STATUS]);
    else
        ef_buf_puts(b, ", ' 0'");
    ef_buf_puts(b, ", ' '");
    if (look) {
        ef_buf_puts(b, ", (");
        put_look(s, gaps, b);
        ef_buf_puts(b, ")");
    }
    ef_buf_puts(b, ");");
}

static void put_after(const struct ef_my_store *s, const struct ef_fetch *fetch, struct ef_buf *b)
{
    ef_buf_printf(b, "o.%s > %" PRId64, s->layout.column[EF_COL_ID],
                  fetch->after > INT64_MIN ? fetch->after : INT64_MIN + 1);
}

static void put_from(const struct ef_my_store *s, struct ef_buf *b)
{
    ef_buf_printf(b, " FROM %s o FORCE INDEX (%s)%s WHERE ", s->layout.table, s->layout.id_index,
                  s->sql.joined);
}

/*
 * Where done rows stay in the table, a sweep would pass them all: so each unfinished status is read
 * by the index on status and id, and the rows are looked up by what that gives.
 */
static void put_by_status(const struct ef_my_store *s, const struct ef_fetch *fetch,
                          struct ef_buf *b)
{
    static const int unfinished[] = {0, 1, 3};
    const struct ef_my_layout *l = &s->layout;
    const char *id = l->column[EF_COL_ID];
    ef_buf_printf(b, "%s FROM (", s->sql.row);
    for (int i = 0; i < 3; i++) {
        ef_buf_printf(b, "%s(SELECT o.%s AS k FROM %s o FORCE INDEX (%s)%s WHERE o.%s = %d AND ",
                      i ? " UNION ALL " : "", id, l->table, l->status_index, s->sql.joined,
                      l->column[EF_COL_STATUS], unfinished[i]);
        put_after(s, fetch, b);
        ef_buf_printf(b, "%s ORDER BY o.%s LIMIT %d)", s->sql.shown, id, fetch->max_rows);
    }
    ef_buf_printf(b,
                  ") u STRAIGHT_JOIN %s o FORCE INDEX (%s) ON o.%s = u.k%s ORDER BY o.%s LIMIT %d;",
                  l->table, l->id_index, id, s->sql.joined, id, fetch->max_rows);
}

static void put_order(const struct ef_my_store *s, const struct ef_fetch *fetch, struct ef_buf *b)
{
    ef_buf_printf(b, "%s ORDER BY o.%s LIMIT %d;", s->sql.shown, s->layout.column[EF_COL_ID],
                  fetch->max_rows);
}

static void put_rows(const struct ef_my_store *s, const struct ef_fetch *fetch,
                     const struct ef_buf *gaps, struct ef_buf *b)
{
    if (fetch->gap_count > 0) {
        ef_buf_printf(b, "%s%s", s->sql.held, s->sql.row);
        put_from(s, b);
        ef_buf_add(b, gaps->data, gaps->len);
        put_order(s, fetch, b);
    }
    ef_buf_puts(b, s->sql.held);
    if (s->outbox->on_delivered == EF_ON_DELIVERED_MARK && s->layout.status_index[0] &&
        (fetch->want_max_id || !fetch->all_gaps || fetch->after == INT64_MIN)) {
        put_by_status(s, fetch, b);
        return;
    }
    ef_buf_puts(b, s->sql.row);
    put_from(s, b);
    put_after(s, fetch, b);
    put_order(s, fetch, b);
}

/* --- peeking --- */

static void on_peeked(void *arg, const struct ef_my_answer *answer, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    struct ef_my_request *read = s->read_later;
    bool ours = !err && ef_my_int(answer, 0, 0, 0) > 0;
    s->read_later = NULL;
    if (ours && !s->intake.discard && ef_my_int(answer, 0, 1, 1) > 0) {
        s->peeked = true;
        ef_my_conn_submit(&s->read, read);
        return;
    }
    ef_my_request_free(read);
    if (!err)
        take_header(s, ours ? "1 - 0" : "0 - 0");
    ef_intake_end(&s->intake, &s->store, err);
}

static void put_exists(const struct ef_my_store *s, struct ef_buf *b)
{
    const struct ef_my_layout *l = &s->layout;
    ef_buf_printf(b, "EXISTS (SELECT 1 FROM %s o FORCE INDEX (%s) WHERE o.%s IN (0,1,3) AND ",
                  l->table, l->id_index, l->column[EF_COL_STATUS]);
}

/* In one statement, so one snapshot: is the lease ours, and is there any row for this read? */
static void peek(struct ef_my_store *s, const struct ef_fetch *fetch, const struct ef_buf *gaps,
                 struct ef_my_request *read)
{
    struct ef_buf sql;
    ef_buf_init(&sql, EF_MY_SQL_MAX);
    ef_buf_printf(&sql, "SELECT (SELECT COUNT(*) FROM %s.eventferry_lease WHERE ",
                  s->layout.database);
    ef_my_sql_lease(s, fetch->epoch, &sql);
    ef_buf_puts(&sql, "), ");
    put_exists(s, &sql);
    put_after(s, fetch, &sql);
    if (fetch->gap_count > 0) {
        ef_buf_puts(&sql, ") OR ");
        put_exists(s, &sql);
        ef_buf_add(&sql, gaps->data, gaps->len);
    }
    ef_buf_puts(&sql, ")");
    s->read_later = read;
    ef_my_conn_submit(&s->read, ef_my_request_new(&sql, on_peeked, s));
}

/* Nothing in it begins at the table's first row: done rows may lie there in any number. */
static bool is_narrow(const struct ef_fetch *fetch)
{
    return fetch->after > INT64_MIN &&
           (fetch->gap_count == 0 || fetch->gaps[0].first > INT64_MIN + 1);
}

void ef_my_fetch(struct ef_store *store, const struct ef_fetch *fetch)
{
    struct ef_my_store *s = ef_my_store_of(store);
    int64_t now_us = ef_clock_mono().us;
    bool look = fetch->gap_count > 0 && fetch->all_gaps &&
                (s->looked_us == 0 || now_us - s->looked_us >= LOOK_EVERY_US);
    ef_intake_begin(&s->intake, fetch);
    s->sets_before = look;
    s->look[0] = '\0';
    s->reads++;
    struct ef_buf sql, gaps;
    ef_buf_init(&sql, EF_MY_SQL_MAX);
    ef_buf_init(&gaps, EF_MY_SQL_MAX);
    if (fetch->gap_count > 0)
        put_gaps(s, fetch, &gaps);
    if (look) {
        s->looked_us = now_us;
        ef_buf_puts(&sql, "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;");
        put_look(s, &gaps, &sql);
        ef_buf_puts(&sql, ";");
    }
    ef_buf_puts(&sql, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
                      "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;");
    ef_buf_puts(&sql, s->sql.waiting);
    put_header(s, fetch, &gaps, look, &sql);
    put_rows(s, fetch, &gaps, &sql);
    ef_buf_puts(&sql, "COMMIT");
    struct ef_my_request *req = ef_my_request_new(&sql, on_done, s);
    req->row = on_row;
    if (s->quiet && !look && fetch->all_gaps && is_narrow(fetch) && !fetch->want_max_id &&
        !fetch->want_foreign && now_us >= s->no_peek_until_us)
        peek(s, fetch, &gaps, req);
    else
        ef_my_conn_submit(&s->read, req);
    ef_buf_done(&gaps);
}

void ef_my_fetch_continue(struct ef_store *store)
{
    struct ef_my_store *s = ef_my_store_of(store);
    s->intake.paused = false;
    ef_my_conn_continue(&s->read);
}

void ef_my_fetch_cancel(struct ef_store *store)
{
    struct ef_my_store *s = ef_my_store_of(store);
    /* what still comes (at most max_rows) is read and thrown away: cheaper than a new connection */
    s->intake.discard = true;
    if (s->intake.paused)
        ef_my_fetch_continue(store);
}
