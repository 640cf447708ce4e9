// SPDX-License-Identifier: MIT
/*
 * Statements that change a row's fate: all fenced, all idempotent, one transaction each.
 *
 * None may wait for a row that an application has inserted and not yet committed. InnoDB locks the
 * record behind a range to see that the range has ended, so a run a..b is written as "BETWEEN a AND
 * b-1 OR = b": its end is a row of its own. A list of ids in the text would be read as a scan of
 * the whole table where the table is small. So short runs, and runs whose rows may be gone already,
 * are looked up one by one through JSON_TABLE.
 */
#define EF_LOG_ROOM "store"
#include "store/my_store.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/utf8.h"

enum {
    LONG_RUN = 16,         /* ids */
    RUNS_A_STATEMENT = 32, /* each row is compared with each of them */
    DECISIONS_A_REQUEST = 1000
};

/* --- which rows --- */

/* A set of rows: FROM what, WHERE what. */
struct target {
    const struct ef_my_store *s;
    const struct ef_settle_run *runs;
    int count;
    bool by_lookup;
};

static void put_created_in(const struct ef_my_store *s, const struct ef_settle_run *run,
                           struct ef_buf *b)
{
    ef_my_sql_created(s, b);
    ef_buf_puts(b, " BETWEEN ");
    ef_my_sql_time(run->created_min_us, b);
    ef_buf_puts(b, " AND ");
    ef_my_sql_time(run->created_max_us, b);
}

/* In JSON a time is a text, and in SQL a text is in quotes: only digits and marks are in it. */
static void put_json_time(int64_t us, struct ef_buf *b)
{
    struct ef_buf text;
    ef_buf_init(&text, 64);
    ef_my_sql_time(us, &text);
    ef_buf_printf(b, ",\"%.*s\"", (int)text.len - 2, text.data + 1);
    ef_buf_done(&text);
}

static void put_ids(const struct target *t, struct ef_buf *b)
{
    const char *separator = "";
    ef_buf_puts(b, "JSON_TABLE('[");
    for (int i = 0; i < t->count; i++)
        for (int64_t id = t->runs[i].first; id <= t->runs[i].last; id++) {
            ef_buf_printf(b, "%s[%" PRId64, separator, id);
            put_json_time(t->runs[i].created_min_us, b);
            put_json_time(t->runs[i].created_max_us, b);
            ef_buf_puts(b, "]");
            separator = ",";
        }
    ef_buf_puts(b, "]', '$[*]' COLUMNS (ef_id BIGINT PATH '$[0]', ef_lo DATETIME(6) PATH '$[1]',"
                   " ef_hi DATETIME(6) PATH '$[2]')) v STRAIGHT_JOIN ");
}

static void put_tables(const struct target *t, struct ef_buf *b)
{
    const struct ef_my_layout *l = &t->s->layout;
    if (t->by_lookup)
        put_ids(t, b);
    ef_buf_printf(b, "%s o FORCE INDEX (%s)", l->table, l->id_index);
    if (t->by_lookup)
        ef_buf_printf(b, " ON o.%s = v.ef_id", l->column[EF_COL_ID]);
}

static void put_where(const struct target *t, struct ef_buf *b)
{
    const char *id = t->s->layout.column[EF_COL_ID];
    ef_buf_puts(b, " WHERE @ef_owner = 1 AND ");
    if (t->by_lookup) {
        ef_my_sql_created(t->s, b);
        ef_buf_puts(b, " BETWEEN v.ef_lo AND v.ef_hi");
        return;
    }
    ef_buf_puts(b, "(");
    for (int i = 0; i < t->count; i++) {
        const struct ef_settle_run *run = &t->runs[i];
        ef_buf_printf(b, "%s((o.%s BETWEEN %" PRId64 " AND %" PRId64 " OR o.%s = %" PRId64 ") AND ",
                      i ? " OR " : "", id, run->first, run->last - 1, id, run->last);
        put_created_in(t->s, run, b);
        ef_buf_puts(b, ")");
    }
    ef_buf_puts(b, ")");
}

/* --- what happens to delivered rows --- */

static void put_settle(const struct target *t, struct ef_buf *b)
{
    const struct ef_my_layout *l = &t->s->layout;
    if (t->s->outbox->on_delivered == EF_ON_DELIVERED_MARK) {
        ef_buf_puts(b, "UPDATE ");
        put_tables(t, b);
        ef_buf_printf(b, " SET o.%s = 2", l->column[EF_COL_STATUS]);
        if (l->has[EF_COL_PROCESSED_AT])
            ef_buf_printf(b, ", o.%s = NOW(6)", l->column[EF_COL_PROCESSED_AT]);
        put_where(t, b);
        ef_buf_printf(b, " AND o.%s <> 2;", l->column[EF_COL_STATUS]);
        return;
    }
    if (t->s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE) {
        /* locked from here on: what is copied is what is deleted */
        ef_buf_printf(b, "INSERT INTO %s (%s, archived_at) SELECT %s, NOW(6) FROM ", l->archive,
                      l->archive_columns, l->archive_columns);
        put_tables(t, b);
        put_where(t, b);
        /* MySQL cannot lock the JSON_TABLE, MariaDB does not try and knows no OF */
        ef_buf_puts(b, t->s->settle.session.mariadb ? " FOR UPDATE;" : " FOR UPDATE OF o;");
    }
    ef_buf_puts(b, "DELETE o FROM ");
    put_tables(t, b);
    put_where(t, b);
    ef_buf_puts(b, ";");
}

static bool is_long(const struct ef_my_store *s, const struct ef_settle_run *run)
{
    return !s->settle_by_lookup && run->last - run->first + 1 >= LONG_RUN;
}

/* Stretches of runs of one kind, each a statement (two where rows are archived). */
static void put_settles(const struct ef_my_store *s, const struct ef_settle_run *runs, int count,
                        struct ef_buf *b)
{
    for (int i = 0; i < count;) {
        bool wide = is_long(s, &runs[i]);
        int n = 1;
        while (i + n < count && is_long(s, &runs[i + n]) == wide && (!wide || n < RUNS_A_STATEMENT))
            n++;
        struct target t = {.s = s, .runs = &runs[i], .count = n, .by_lookup = !wide};
        put_settle(&t, b);
        i += n;
    }
}

/* Behind the fence's; an archived row was counted twice. */
static int64_t settled_rows(const struct ef_my_store *s, const struct ef_my_answer *a)
{
    int64_t rows = a->affected_total;
    for (int i = 0; i < EF_MY_FENCE_STATEMENTS; i++)
        rows -= a->affected[i];
    return s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE ? rows / 2 : rows;
}

static void got_settled(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    s->settle_by_lookup = err != NULL;
    ef_store_did_settle(&s->store, err ? 0 : settled_rows(s, a), err);
}

static struct ef_my_request *settle_request(struct ef_my_store *s, int64_t epoch,
                                            const struct ef_settle_run *runs, int count,
                                            void (*done)(void *arg, const struct ef_my_answer *a,
                                                         const struct ef_error *err))
{
    struct ef_buf sql;
    ef_buf_init(&sql, EF_MY_SQL_MAX);
    ef_my_sql_fence(s, epoch, &sql);
    put_settles(s, runs, count, &sql);
    ef_buf_puts(&sql, "COMMIT");
    return ef_my_request_new(&sql, done, s);
}

void ef_my_settle(struct ef_store *store, int64_t epoch, const struct ef_settle_run *runs,
                  int count)
{
    struct ef_my_store *s = ef_my_store_of(store);
    ef_my_conn_submit(&s->settle, settle_request(s, epoch, runs, count, got_settled));
}

/* --- fates --- */

static void one_decided(struct ef_my_store *s, int64_t rows, const struct ef_error *err)
{
    if (err && !s->decide_failed) {
        s->decide_failed = true;
        s->decide_error = *err;
    }
    s->decide_rows += rows;
    if (--s->decide_pending > 0)
        return;
    ef_store_did_decide(&s->store, s->decide_failed ? 0 : s->decide_rows,
                        s->decide_failed ? &s->decide_error : NULL);
}

static void got_marked(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    int64_t rows = err ? 0 : a->affected_total;
    for (int i = 0; !err && i < EF_MY_FENCE_STATEMENTS; i++)
        rows -= a->affected[i];
    one_decided(arg, rows, err);
}

static void got_delivered(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    one_decided(arg, err ? 0 : settled_rows(arg, a), err);
}

static void put_error(const char *error, struct ef_buf *b)
{
    struct ef_buf valid;
    if (!error) {
        ef_buf_puts(b, "NULL");
        return;
    }
    /* an error's text may have been cut within a character, which the server would refuse */
    ef_buf_init(&valid, 8192);
    ef_utf8_add(&valid, error, strlen(error));
    ef_my_sql_literal(b, valid.data ? valid.data : "");
    ef_buf_done(&valid);
}

/* A row that has come to its end stays there: a decision whose connection broke may still happen
 * after it was repeated and the row delivered or given up. */
static void put_mark(const struct ef_my_store *s, const struct ef_decision *d, struct ef_buf *b)
{
    const struct ef_my_layout *l = &s->layout;
    const char *status = l->column[EF_COL_STATUS];
    int value = d->kind == EF_DECIDE_RETRY ? EF_STATUS_FAILED : EF_STATUS_DEAD;
    ef_buf_printf(b, "UPDATE %s o FORCE INDEX (%s) SET o.%s = %d, o.%s = %d, o.%s = ", l->table,
                  l->id_index, status, value, l->column[EF_COL_ATTEMPTS], d->attempts,
                  l->column[EF_COL_NEXT_RETRY_AT]);
    if (value == EF_STATUS_FAILED)
        ef_buf_printf(b, "NOW(6) + INTERVAL %" PRId64 " MICROSECOND", d->delay_ms * 1000);
    else
        ef_buf_puts(b, "NULL");
    if (l->has[EF_COL_CLAIMED_AT])
        ef_buf_printf(b, ", o.%s = NULL", l->column[EF_COL_CLAIMED_AT]);
    if (l->has[EF_COL_PROCESSED_AT])
        ef_buf_printf(b, ", o.%s = %s", l->column[EF_COL_PROCESSED_AT],
                      value == EF_STATUS_DEAD ? "NOW(6)" : "NULL");
    if (l->has[EF_COL_LAST_ERROR]) {
        ef_buf_printf(b, ", o.%s = ", l->column[EF_COL_LAST_ERROR]);
        put_error(d->error, b);
    }
    ef_buf_printf(b, " WHERE @ef_owner = 1 AND o.%s = %" PRId64 " AND ", l->column[EF_COL_ID],
                  d->id);
    ef_my_sql_created(s, b);
    ef_buf_puts(b, " = ");
    ef_my_sql_time(d->created_us, b);
    const char *from = d->pending && d->kind == EF_DECIDE_DEAD ? "0" : "0,1,3";
    ef_buf_printf(b, " AND (o.%s IN (%s) OR o.%s = %d);", status, from, status, value);
}

static void submit_marks(struct ef_my_store *s, int64_t epoch, const struct ef_decision *d,
                         int count)
{
    struct ef_buf sql;
    ef_buf_init(&sql, EF_MY_SQL_MAX);
    ef_my_sql_fence(s, epoch, &sql);
    for (int i = 0; i < count; i++)
        if (d[i].kind != EF_DECIDE_DELIVERED)
            put_mark(s, &d[i], &sql);
    ef_buf_puts(&sql, "COMMIT");
    s->decide_pending++;
    ef_my_conn_submit(&s->settle, ef_my_request_new(&sql, got_marked, s));
}

static void submit_delivered(struct ef_my_store *s, int64_t epoch, const struct ef_decision *d,
                             int count)
{
    struct ef_settle_run *runs = ef_xcalloc((size_t)count, sizeof(*runs));
    int n = 0;
    for (int i = 0; i < count; i++)
        if (d[i].kind == EF_DECIDE_DELIVERED)
            runs[n++] = (struct ef_settle_run){d[i].id, d[i].id, d[i].created_us, d[i].created_us};
    if (n > 0) {
        s->decide_pending++;
        ef_my_conn_submit(&s->settle, settle_request(s, epoch, runs, n, got_delivered));
    }
    free(runs);
}

void ef_my_decide(struct ef_store *store, int64_t epoch, const struct ef_decision *decisions,
                  int count)
{
    struct ef_my_store *s = ef_my_store_of(store);
    s->decide_rows = 0;
    s->decide_failed = false;
    s->decide_pending = 0;
    for (int i = 0; i < count; i += DECISIONS_A_REQUEST) {
        int n = count - i < DECISIONS_A_REQUEST ? count - i : DECISIONS_A_REQUEST;
        submit_marks(s, epoch, decisions + i, n);
    }
    submit_delivered(s, epoch, decisions, count);
}

/* --- releasing --- */

static void got_released(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    ef_store_did_release_topic(&s->store, err ? 0 : a->affected[EF_MY_FENCE_STATEMENTS], err);
}

void ef_my_release_topic(struct ef_store *store, int64_t epoch, struct ef_slice topic, int limit)
{
    struct ef_my_store *s = ef_my_store_of(store);
    const struct ef_my_layout *l = &s->layout;
    const char *retry = l->column[EF_COL_NEXT_RETRY_AT];
    struct ef_buf sql;
    ef_buf_init(&sql, EF_MY_SQL_MAX);
    ef_my_sql_fence(s, epoch, &sql);
    ef_buf_printf(&sql,
                  "UPDATE %s o%s%s%s SET o.%s = NOW(6) WHERE @ef_owner = 1 AND o.%s = 3 AND o.%s > "
                  "NOW(6)",
                  l->table, l->status_index[0] ? " FORCE INDEX (" : "", l->status_index,
                  l->status_index[0] ? ")" : "", retry, l->column[EF_COL_STATUS], retry);
    if (topic.p) {
        char *text = ef_xstrndup(topic.p, topic.len);
        ef_buf_puts(&sql, " AND CAST(");
        ef_my_sql_text(s, EF_COL_TOPIC, &sql);
        ef_buf_puts(&sql, " AS BINARY) = CAST(");
        ef_my_sql_literal(&sql, text);
        ef_buf_puts(&sql, " AS BINARY)");
        free(text);
    }
    ef_buf_printf(&sql, " ORDER BY o.%s", l->column[EF_COL_ID]);
    if (limit > 0)
        ef_buf_printf(&sql, " LIMIT %d", limit);
    ef_buf_puts(&sql, ";COMMIT");
    ef_my_conn_submit(&s->settle, ef_my_request_new(&sql, got_released, s));
}
