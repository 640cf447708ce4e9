// SPDX-License-Identifier: MIT
/*
 * Looking around and upkeep: waiting rows, lag, archive and purge. What may take its time goes over
 * the settling connection: never over the lease's, where a renewal would wait behind it, nor over
 * the reading one, where every event would.
 */
#define EF_LOG_ROOM "store"
#include "store/my_store.h"

#include <inttypes.h>
#include <stdlib.h>

#include "store/my_judge.h"
#include "store/warnings.h"

enum { LOOK_SQL_MAX = 16384, COUNT_MAX = 100001, PURGE_ROWS = 1000 };

static void put_by_status(const struct ef_my_layout *l, struct ef_buf *b)
{
    if (l->status_index[0])
        ef_buf_printf(b, " FORCE INDEX (%s)", l->status_index);
}

/* --- waiting rows --- */

static void got_waiting(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    if (err) {
        ef_store_did_waiting(&s->store, NULL, err);
        return;
    }
    struct ef_waiting waiting = {.next_retry_ms = ef_my_int(a, 0, 0, 0),
                                 .waiting_rows = ef_my_int(a, 0, 1, 0),
                                 .foreign_rows = ef_my_int(a, 0, 2, 0)};
    for (int row = 1; row < a->rows && waiting.due_count < EF_WAITING_DUE_MAX; row++)
        waiting.due[waiting.due_count++] = ef_my_int(a, row, 0, 0);
    waiting.due_more = a->rows > 1 + EF_WAITING_DUE_MAX;
    if (waiting.waiting_rows == 0)
        waiting.next_retry_ms = -1;
    else if (waiting.next_retry_ms < 0)
        waiting.next_retry_ms = 0;
    ef_store_did_waiting(&s->store, &waiting, NULL);
}

void ef_my_waiting(struct ef_store *store)
{
    struct ef_my_store *s = ef_my_store_of(store);
    const struct ef_my_layout *l = &s->layout;
    const char *status = l->column[EF_COL_STATUS], *id = l->column[EF_COL_ID];
    const char *retry = l->column[EF_COL_NEXT_RETRY_AT];
    struct ef_buf sql;
    ef_buf_init(&sql, LOOK_SQL_MAX);
    ef_buf_printf(
        &sql,
        "(SELECT CEIL(TIMESTAMPDIFF(MICROSECOND, NOW(6), MIN(CASE WHEN o.%s = 3 THEN o.%s "
        "END)) / 1000), COUNT(CASE WHEN o.%s = 3 THEN 1 END), ",
        status, retry, status);
    if (l->has[EF_COL_CLAIMED_AT]) {
        ef_buf_printf(&sql, "COUNT(CASE WHEN o.%s = 1 AND NOT ", status);
        ef_my_sql_claim_is_old(s, &sql);
        ef_buf_puts(&sql, " THEN 1 END)");
    } else {
        ef_buf_puts(&sql, "0");
    }
    ef_buf_printf(&sql, " FROM %s o", l->table);
    put_by_status(l, &sql);
    ef_buf_printf(&sql, " WHERE o.%s IN (1,3)) UNION ALL (SELECT o.%s, NULL, NULL FROM %s o",
                  status, id, l->table);
    put_by_status(l, &sql);
    ef_buf_printf(&sql,
                  " WHERE o.%s = 3 AND (o.%s IS NULL OR o.%s <= NOW(6)) ORDER BY o.%s LIMIT %d)",
                  status, retry, retry, id, EF_WAITING_DUE_MAX + 1);
    ef_my_conn_submit(&s->settle, ef_my_request_new(&sql, got_waiting, s));
}

/* --- lag --- */

static void got_lag(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    if (err) {
        ef_store_did_lag(&s->store, NULL, err);
        return;
    }
    struct ef_lag lag = {.backlog_rows = ef_my_int(a, 0, 0, 0),
                         .waiting_rows = ef_my_int(a, 0, 1, 0),
                         .dead_rows = ef_my_int(a, 0, 2, s->dead_rows),
                         .blocked_aggregates = ef_my_int(a, 0, 3, 0),
                         .oldest_unfinished_age_s = strtod(ef_my_text(a, 0, 4), NULL) / 1e6,
                         .archive_partitions = ef_my_int(a, 0, 5, -1),
                         .archive_bytes = ef_my_int(a, 0, 6, -1),
                         .archive_default_rows = s->archive_default_rows};
    lag.backlog_saturated = lag.backlog_rows >= COUNT_MAX;
    s->dead_rows = lag.dead_rows;
    ef_store_did_lag(&s->store, &lag, NULL);
}

/* With the index on status it is cheap; without one it is a scan of the table. */
static bool dead_count_due(struct ef_my_store *s)
{
    int64_t every_us = (s->layout.status_index[0] ? 10 : 600) * EF_S_US;
    int64_t now = ef_clock_mono().us;
    if (s->dead_counted_us && now - s->dead_counted_us < every_us)
        return false;
    s->dead_counted_us = now;
    return true;
}

static void put_count(const struct ef_my_store *s, const char *statuses, struct ef_buf *b)
{
    const struct ef_my_layout *l = &s->layout;
    ef_buf_printf(b, "(SELECT COUNT(*) FROM (SELECT 1 FROM %s o", l->table);
    put_by_status(l, b);
    ef_buf_printf(b, " WHERE o.%s IN (%s) LIMIT %d) u), ", l->column[EF_COL_STATUS], statuses,
                  COUNT_MAX);
}

static void put_oldest(const struct ef_my_store *s, struct ef_buf *b)
{
    const struct ef_my_layout *l = &s->layout;
    ef_buf_puts(b, "COALESCE((SELECT TIMESTAMPDIFF(MICROSECOND, MIN(u.t), NOW(6)) FROM (");
    for (int status = 0; status <= 3; status++) {
        if (status == EF_STATUS_DONE)
            continue;
        ef_buf_puts(b, status ? " UNION ALL (SELECT " : "(SELECT ");
        ef_my_sql_instant(s, EF_COL_CREATED_AT, "o", b);
        ef_buf_printf(b, " AS t FROM %s o", l->table);
        put_by_status(l, b);
        ef_buf_printf(b, " WHERE o.%s = %d ORDER BY o.%s LIMIT 1)", l->column[EF_COL_STATUS],
                      status, l->column[EF_COL_ID]);
    }
    ef_buf_puts(b, ") u), 0)");
}

void ef_my_lag(struct ef_store *store)
{
    struct ef_my_store *s = ef_my_store_of(store);
    const struct ef_my_layout *l = &s->layout;
    struct ef_buf sql;
    ef_buf_init(&sql, LOOK_SQL_MAX);
    ef_buf_puts(&sql, "SELECT ");
    put_count(s, "0,1,3", &sql);
    put_count(s, "3", &sql);
    if (dead_count_due(s))
        put_count(s, "4", &sql);
    else
        ef_buf_puts(&sql, "NULL, ");
    if (l->has[EF_COL_AGGREGATE_ID]) {
        ef_buf_printf(&sql, "(SELECT COUNT(DISTINCT CAST(o.%s AS BINARY)) FROM %s o",
                      l->column[EF_COL_AGGREGATE_ID], l->table);
        put_by_status(l, &sql);
        ef_buf_printf(&sql, " WHERE o.%s IN (1,3)), ", l->column[EF_COL_STATUS]);
    } else {
        ef_buf_puts(&sql, "0, ");
    }
    put_oldest(s, &sql);
    if (s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE) {
        static const char partitions[] = " FROM information_schema.partitions WHERE partition_name"
                                         " IS NOT NULL AND partition_name <> 'pmax' AND "
                                         "table_schema = ";
        static const char *const what[] = {"COUNT(*)", "COALESCE(SUM(data_length + index_length), "
                                                       "0)"};
        for (int i = 0; i < 2; i++) {
            ef_buf_printf(&sql, ", (SELECT %s%s", what[i], partitions);
            ef_my_sql_literal(&sql, l->database_name);
            ef_buf_puts(&sql, " AND table_name = ");
            ef_my_sql_literal(&sql, l->archive_name);
            ef_buf_puts(&sql, ")");
        }
    }
    ef_my_conn_submit(&s->settle, ef_my_request_new(&sql, got_lag, s));
}

/* --- upkeep --- */

enum { DEFAULT_ROWS = 6 }; /* column of what eventferry_archive_maintain answers */

static void got_upkeep(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    if (!err && a->rows > 0)
        s->archive_default_rows = ef_my_int(a, 0, DEFAULT_ROWS, -1);
    ef_store_did_maintain(&s->store, 0, err);
}

static void got_purged(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    ef_store_did_maintain(&s->store, err ? 0 : a->affected[EF_MY_FENCE_STATEMENTS], err);
}

/* One small batch of done rows that are older than the retention: of those with the lowest ids,
 * which the index on status and id finds at once. A thousand that were finished late hide older
 * ones until their own time. */
static void put_purge(const struct ef_my_store *s, struct ef_buf *b)
{
    const struct ef_my_layout *l = &s->layout;
    const char *id = l->column[EF_COL_ID];
    ef_buf_printf(b, "DELETE o FROM (SELECT x.%s AS k, ", id);
    if (l->has[EF_COL_PROCESSED_AT])
        ef_buf_printf(b, "x.%s", l->column[EF_COL_PROCESSED_AT]);
    else
        ef_my_sql_instant(s, EF_COL_CREATED_AT, "x", b);
    ef_buf_printf(b, " AS at FROM %s x", l->table);
    put_by_status(l, b);
    ef_buf_printf(b,
                  " WHERE x.%s = 2 ORDER BY x.%s LIMIT %d) p STRAIGHT_JOIN %s o FORCE INDEX (%s)"
                  " ON o.%s = p.k WHERE @ef_owner = 1 AND o.%s = 2 AND p.at < NOW(6) - INTERVAL "
                  "%" PRId64 " MICROSECOND;COMMIT",
                  l->column[EF_COL_STATUS], id, PURGE_ROWS, l->table, l->id_index, id,
                  l->column[EF_COL_STATUS], s->outbox->retention_ms * 1000);
}

void ef_my_maintain(struct ef_store *store, int64_t epoch)
{
    struct ef_my_store *s = ef_my_store_of(store);
    struct ef_buf sql;
    ef_buf_init(&sql, LOOK_SQL_MAX);
    if (s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE) {
        ef_buf_printf(&sql, "CALL %s.eventferry_archive_maintain(%d, %" PRId64 ", %" PRId64 ")",
                      s->layout.database, s->layout.outbox_id, s->outbox->retention_ms,
                      s->outbox->archive_max_bytes);
        ef_my_conn_submit(&s->settle, ef_my_request_new(&sql, got_upkeep, s));
        return;
    }
    ef_my_sql_fence(s, epoch, &sql);
    put_purge(s, &sql);
    ef_my_conn_submit(&s->settle, ef_my_request_new(&sql, got_purged, s));
}

/* --- what the doctor would say --- */

static void got_transactions(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    struct ef_report report = s->examined;
    s->examined = (struct ef_report){0};
    ef_report_subject(&report, "database %s", s->database->name);
    for (int row = 0; !err && a->cols >= 3 && row < a->rows; row++)
        ef_my_judge_transaction(&a->values[row * a->cols], &report);
    /* an account without PROCESS is not told, which nothing is wrong with */
    if (err && err->class == EF_CLASS_CONFIG)
        err = NULL;
    ef_store_did_examine(&s->store, err ? NULL : &report, err);
    ef_report_done(&report);
}

void ef_my_examine(struct ef_store *store, const struct ef_examine *examine)
{
    struct ef_my_store *s = ef_my_store_of(store);
    char *text = ef_my_judge_transactions_sql(examine->old_ms);
    struct ef_buf sql;
    ef_report_subject(&s->examined, "outbox %s", s->outbox->name);
    ef_store_warnings_judge(s->info.warnings, &s->examined);
    ef_buf_init(&sql, LOOK_SQL_MAX);
    ef_buf_puts(&sql, text);
    free(text);
    ef_my_conn_submit(&s->settle, ef_my_request_new(&sql, got_transactions, s));
}
