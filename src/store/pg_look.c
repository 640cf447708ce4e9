// SPDX-License-Identifier: MIT
/*
 * Looking around and upkeep: waiting rows, lag, archive and purge, the doorbell. What may take its
 * time goes over the settling connection: never over the lease's, where a renewal would wait behind
 * it, nor over the reading one, where every event would.
 */
#define EF_LOG_ROOM "store"
#include "store/pg_store.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "store/pg_names.h"

static int64_t number(const PGresult *res, int col)
{
    return PQgetisnull(res, 0, col) ? 0 : strtoll(PQgetvalue(res, 0, col), NULL, 10);
}

/* A bigint[] as text: {1,2,3}. One more than there is room for says that there are more. */
static void take_due(struct ef_waiting *ret, const char *text)
{
    while (*text && *text != '}' && !ret->due_more) {
        char *end;
        int64_t id = strtoll(text + 1, &end, 10);
        if (end == text + 1)
            return;
        if (ret->due_count == EF_WAITING_DUE_MAX)
            ret->due_more = true;
        else
            ret->due[ret->due_count++] = id;
        text = end;
    }
}

static void got_waiting(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    if (!err && !ef_pg_answer_fits(res, 1, 4, &own))
        err = &own;
    if (err) {
        ef_store_did_waiting(&s->store, NULL, err);
        return;
    }
    struct ef_waiting waiting = {.next_retry_ms = number(res, 0),
                                 .waiting_rows = number(res, 1),
                                 .foreign_rows = number(res, 2)};
    take_due(&waiting, PQgetvalue(res, 0, 3));
    if (waiting.waiting_rows > 0 && waiting.next_retry_ms < 0)
        waiting.next_retry_ms = 0;
    ef_store_did_waiting(&s->store, &waiting, NULL);
}

void ef_pg_waiting(struct ef_store *store)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_request *req = ef_pg_request_new("ef_waiting", s->sql.waiting, got_waiting, s);
    req->text = true;
    ef_pg_conn_submit(&s->settle, req);
}

static void got_lag(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    if (!err && !ef_pg_answer_fits(res, 1, 7, &own))
        err = &own;
    if (err) {
        ef_store_did_lag(&s->store, NULL, err);
        return;
    }
    struct ef_lag lag = {.backlog_rows = number(res, 0),
                         .waiting_rows = number(res, 1),
                         .dead_rows = number(res, 2),
                         .blocked_aggregates = number(res, 3),
                         .oldest_unfinished_age_s = strtod(PQgetvalue(res, 0, 4), NULL),
                         .archive_partitions = number(res, 5),
                         .archive_bytes = number(res, 6),
                         .archive_default_rows = s->archive_default_rows};
    lag.backlog_saturated = lag.backlog_rows > 100000;
    if (lag.dead_rows < 0)
        lag.dead_rows = s->dead_rows;
    s->dead_rows = lag.dead_rows;
    ef_store_did_lag(&s->store, &lag, NULL);
}

/* Dead rows have no index: they are counted once a minute, on tables that keep done rows every ten
 * minutes. */
static bool dead_count_due(struct ef_pg_store *s)
{
    int64_t every_us = (s->outbox->on_delivered == EF_ON_DELIVERED_MARK ? 600 : 60) * EF_S_US;
    int64_t now = ef_clock_mono().us;
    if (s->dead_counted_us && now - s->dead_counted_us < every_us)
        return false;
    s->dead_counted_us = now;
    return true;
}

void ef_pg_lag(struct ef_store *store)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_request *req = ef_pg_request_new("ef_lag", s->sql.lag, got_lag, s);
    req->text = true;
    ef_pg_param_text(req, dead_count_due(s) ? "t" : "f");
    ef_pg_conn_submit(&s->settle, req);
}

static void got_maintained(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    bool purge = s->outbox->on_delivered == EF_ON_DELIVERED_MARK;
    if (!err && !purge && PQntuples(res) > 0)
        s->archive_default_rows = number(res, 0);
    ef_store_did_maintain(&s->store, !err && purge ? strtoll(PQcmdTuples(res), NULL, 10) : 0, err);
}

enum { PURGE_ROWS = 1000 };

void ef_pg_maintain(struct ef_store *store, int64_t epoch)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    if (s->outbox->on_delivered == EF_ON_DELIVERED_ARCHIVE) {
        struct ef_pg_request *req =
            ef_pg_request_new("ef_maintain", s->sql.maintain, got_maintained, s);
        req->text = true;
        ef_pg_param_int(req, s->layout.outbox_id);
        ef_pg_param_int(req, s->outbox->retention_ms);
        ef_pg_param_int(req, s->outbox->archive_max_bytes);
        ef_pg_conn_submit(&s->settle, req);
        return;
    }
    struct ef_pg_request *req = ef_pg_request_new("ef_purge", s->sql.purge, got_maintained, s);
    ef_pg_param_int(req, s->layout.outbox_id);
    ef_pg_param_int(req, epoch);
    ef_pg_param_text(req, s->settle.session.system);
    ef_pg_param_int(req, PURGE_ROWS);
    ef_pg_conn_submit(&s->settle, req);
}

static void got_nothing(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    (void)res;
    if (err)
        ef_debug("doorbell statement failed; polling goes on", EF_STR("outbox", s->outbox->name),
                 EF_ERR(err));
}

static void got_armed(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    got_nothing(arg, res, err);
    if (err)
        ef_store_did_lose_arming(&s->store);
}

void ef_pg_arm_wakeup(struct ef_store *store, bool armed)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    if (!s->layout_known || !s->layout.bell[0])
        return;
    struct ef_pg_request *req =
        ef_pg_request_new("ef_bell", "SELECT setval($1::text::regclass, $2::bigint)", got_armed, s);
    ef_pg_param_text(req, s->layout.bell);
    ef_pg_param_int(req, armed ? 2 : 1);
    ef_pg_conn_submit(&s->lease, req);
}

/* The time begins once it was sent: it may have waited behind a long statement. */
static void got_probe(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    got_nothing(arg, res, err);
    if (s->probing && !s->store.closing)
        ef_timer_start(&s->probe_timer, EF_PG_PROBE_US);
}

/* Poolers accept LISTEN and keep the notifications: only what is heard counts. */
void ef_pg_probe(struct ef_pg_store *s)
{
    struct ef_pg_request *req =
        ef_pg_request_new(NULL, "SELECT pg_notify($1::text, '')", got_probe, s);
    ef_pg_param_text(req, s->channel);
    s->probing = true; /* until it was heard, or for too long not */
    ef_pg_conn_submit(&s->settle, req);
}

void ef_pg_probe_unheard(void *arg)
{
    struct ef_pg_store *s = arg;
    s->probing = false;
    s->store.wakeup_works = false; /* it may have worked until now */
    ef_pg_examine_heard(s);
    if (s->unheard_told)
        return;
    s->unheard_told = true;
    ef_warn("no notification arrives (a pooler in between? then give listen_url a direct "
            "connection); polling goes on",
            EF_STR("outbox", s->outbox->name), EF_STR("channel", s->channel));
}

static void got_listening(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    (void)res;
    s->listening = !err;
    if (!err)
        ef_pg_probe(s);
    else
        ef_warn("could not LISTEN; polling goes on", EF_STR("outbox", s->outbox->name),
                EF_ERR(err));
}

void ef_pg_listen(struct ef_pg_store *s)
{
    struct ef_pg_conn *conn = s->use_listen_conn ? &s->listen : &s->lease;
    struct ef_pg_table table;
    struct ef_error ignored;
    if (s->outbox->wake != EF_WAKE_NOTIFY || !ef_pg_conn_ready(conn))
        return;
    if (!s->use_listen_conn && s->database->pooler == EF_POOLER_TRANSACTION)
        return; /* LISTEN would stay on a server connection that is not ours (PgBouncer) */
    if (!ef_pg_table_parse(s->outbox->table, &table, &ignored))
        return;
    char channel[EF_PG_IDENT_MAX];
    snprintf(s->channel, sizeof(s->channel), "%s",
             s->outbox->channel ? s->outbox->channel : table.table);
    ef_pg_quote_ident(channel, sizeof(channel), s->channel);
    snprintf(s->listen_sql, sizeof(s->listen_sql), "LISTEN %s", channel);
    ef_pg_conn_submit(conn, ef_pg_request_new(NULL, s->listen_sql, got_listening, s));
}
