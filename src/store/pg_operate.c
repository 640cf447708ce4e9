// SPDX-License-Identifier: MIT
/* What operators ask: lists and requests over a connection of their own, commands over the settling
 * one, in the order of the settles. */
#define EF_LOG_ROOM "store"
#include "store/pg_store.h"

#include <stdlib.h>

#include "base/str.h"

/* The connection is given back this long after the last question. */
#define IDLE_US (30 * EF_S_US)
/* A listing with payloads ends when it holds this much; one row always fits. */
enum { LISTING_BYTES = 4 << 20, LISTING_MAX_BYTES = 1 << 30 };

/* --- the connection --- */

static void on_up(void *arg)
{
    struct ef_pg_operate *o = &((struct ef_pg_store *)arg)->operate;
    struct ef_pg_request *req = o->waiting;
    o->up = true;
    o->waiting = NULL;
    if (req)
        ef_pg_conn_submit(&o->conn, req);
}

static void fail_waiting(struct ef_pg_store *s, const struct ef_error *err)
{
    struct ef_pg_request *req = s->operate.waiting;
    struct ef_error own = *err;
    s->operate.waiting = NULL;
    if (!req)
        return;
    own.class = EF_CLASS_OUTAGE; /* whatever keeps the connection from coming up */
    req->done(req->arg, NULL, &own);
    ef_pg_request_free(req);
}

static void on_down(void *arg, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    s->operate.up = false;
    fail_waiting(s, err);
}

static void stop_conn(struct ef_pg_store *s)
{
    if (s->operate.started)
        ef_pg_conn_stop(&s->operate.conn);
    s->operate.started = s->operate.up = false;
}

static void on_idle(void *arg)
{
    struct ef_pg_store *s = arg;
    if (s->store.busy[EF_VERB_OPERATE])
        ef_timer_start(&s->operate.idle, IDLE_US);
    else
        stop_conn(s);
}

void ef_pg_operate_init(struct ef_pg_store *s)
{
    s->operate.conn.up = on_up;
    s->operate.conn.down = on_down;
    ef_timer_init(&s->operate.idle, s->loop, "store", on_idle, s);
}

void ef_pg_operate_stop(struct ef_pg_store *s)
{
    struct ef_error err;
    ef_timer_stop(&s->operate.idle);
    ef_error_set(&err, EF_CLASS_OUTAGE, "the store is being closed");
    fail_waiting(s, &err);
    stop_conn(s);
    free(s->operate.sql);
    s->operate.sql = NULL;
}

/* The text is kept until the next question: the request borrows it. */
static void submit(struct ef_pg_store *s, struct ef_pg_request *req, char *sql)
{
    struct ef_pg_operate *o = &s->operate;
    free(o->sql);
    o->sql = sql;
    req->sql = sql;
    req->text = true;
    ef_timer_start(&o->idle, IDLE_US);
    if (o->up) {
        ef_pg_conn_submit(&o->conn, req);
        return;
    }
    o->waiting = req;
    if (o->started)
        return;
    o->started = true;
    ef_pg_conn_start(&o->conn);
}

/* --- questions --- */

/* With payloads, no more rows than may be in memory at once; the first may be of any size. */
static int limit_of(const struct ef_pg_store *s, const struct ef_row_filter *f)
{
    int64_t payloads = 1 + LISTING_BYTES / (s->outbox->max_payload_bytes + 1);
    return f->payload && f->limit > payloads ? (int)payloads : f->limit;
}

/* Rows came first to last, or last to first where the newest were asked for. */
static void got_rows(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    const struct ef_row_filter *f = &s->operate.filter;
    struct ef_buf b;
    if (err) {
        ef_store_did_operate(&s->store, NULL, err);
        return;
    }
    int count = PQntuples(res), taken = 0;
    size_t bytes = 0;
    while (taken < count && taken < f->limit && (taken == 0 || bytes < LISTING_BYTES))
        bytes += (size_t)PQgetlength(res, taken++, 0);
    ef_buf_init(&b, LISTING_MAX_BYTES);
    ef_buf_puts(&b, "{\"rows\":[");
    for (int i = 0; i < taken; i++) {
        int row = f->newest ? taken - 1 - i : i;
        ef_buf_puts(&b, i ? "," : "");
        ef_buf_add(&b, PQgetvalue(res, row, 0), (size_t)PQgetlength(res, row, 0));
    }
    ef_buf_printf(&b, "],\"more\":%s}", taken < count ? "true" : "false");
    ef_store_did_operate(&s->store, b.data, NULL);
    ef_buf_done(&b);
}

static void got_number(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    char json[64] = "";
    if (!err)
        snprintf(json, sizeof(json), "{\"command\":%s}", PQgetvalue(res, 0, 0));
    ef_store_did_operate(&s->store, err ? NULL : json, err);
}

static void got_result(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error gone;
    if (!err && PQntuples(res) == 0) {
        ef_error_set(&gone, EF_CLASS_CONFIG, "the command was removed from the command table");
        err = &gone;
    }
    ef_store_did_operate(&s->store, err ? NULL : PQgetvalue(res, 0, 0), err);
}

void ef_pg_operate(struct ef_store *store, const struct ef_operate *operate)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_request *req;
    switch (operate->kind) {
    case EF_OPERATE_ROWS:
        req = ef_pg_request_new(NULL, "", got_rows, s);
        s->operate.filter = *operate->filter;
        s->operate.filter.limit = limit_of(s, operate->filter);
        submit(s, req, ef_pg_rows_sql(s, &s->operate.filter, req));
        break;
    case EF_OPERATE_REQUEST:
        req = ef_pg_request_new(NULL, "", got_number, s);
        ef_pg_param_int(req, s->layout.outbox_id);
        ef_pg_param_text(req, operate->verb);
        ef_pg_param_text(req, operate->args);
        ef_pg_param_text(req, operate->actor);
        submit(s, req,
               ef_xprintf("INSERT INTO %s.command (outbox_id, verb, args, actor) VALUES"
                          " ($1::int, $2::text, $3::jsonb, $4::text) RETURNING id",
                          s->layout.ours));
        break;
    case EF_OPERATE_RESULT:
        req = ef_pg_request_new(NULL, "", got_result, s);
        ef_pg_param_int(req, operate->command);
        submit(s, req,
               ef_xprintf("SELECT json_build_object('done', done_at IS NOT NULL, 'result',"
                          " result)::text FROM %s.command WHERE id = $1::bigint",
                          s->layout.ours));
        break;
    }
}

/* --- the owner --- */

static void got_command(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    if (err || PQntuples(res) == 0) {
        ef_store_did_next_command(&s->store, NULL, err);
        return;
    }
    struct ef_command_row row = {.number = strtoll(PQgetvalue(res, 0, 0), NULL, 10),
                                 .verb = PQgetvalue(res, 0, 1),
                                 .args = PQgetvalue(res, 0, 2),
                                 .actor = PQgetvalue(res, 0, 3)};
    ef_store_did_next_command(&s->store, &row, NULL);
}

void ef_pg_next_command(struct ef_store *store)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_request *req = ef_pg_request_new(NULL, s->sql.next_command, got_command, s);
    req->text = true;
    ef_pg_param_int(req, s->layout.outbox_id);
    ef_pg_conn_submit(&s->settle, req);
}

/* Rows may be edited only where somebody has allowed it: the error says how. */
static const struct ef_error *with_grant(const struct ef_pg_store *s, const struct ef_error *err,
                                         struct ef_error *own)
{
    /* insufficient_privilege (PostgreSQL, appendix A) */
    if (!err || !s->operate.columns[0] || strcmp(err->name, "42501") != 0)
        return err;
    *own = *err;
    ef_error_set(own, EF_CLASS_CONFIG, "%s; run GRANT UPDATE (%s) ON %s TO the relay's role",
                 err->text, s->operate.columns, s->layout.table);
    return own;
}

static void got_carried_out(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    err = with_grant(s, err, &own);
    if (!err && s->operate.refusal.class)
        err = &s->operate.refusal;
    if (!err && PQgetvalue(res, 0, 0)[0] != 't') {
        ef_error_set(&own, EF_CLASS_FENCED, "the lease is not ours any more");
        err = &own;
    }
    int64_t rows = err ? 0 : strtoll(PQgetvalue(res, 0, 1), NULL, 10);
    free(s->operate.carry_out_sql);
    s->operate.carry_out_sql = NULL;
    ef_store_did_carry_out(&s->store, rows, err);
}

void ef_pg_carry_out(struct ef_store *store, int64_t epoch, const struct ef_command *command)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_request *req = ef_pg_request_new(NULL, "", got_carried_out, s);
    ef_error_clear(&s->operate.refusal);
    s->operate.columns[0] = '\0';
    ef_pg_param_int(req, s->layout.outbox_id);
    ef_pg_param_int(req, epoch);
    ef_pg_param_text(req, s->settle.session.system);
    s->operate.carry_out_sql = ef_pg_carry_out_sql(s, command, req, &s->operate.refusal);
    if (!s->operate.carry_out_sql) { /* answered in its turn all the same */
        ef_pg_request_free(req);
        req = ef_pg_request_new(NULL, "SELECT 1", got_carried_out, s);
    } else {
        req->sql = s->operate.carry_out_sql;
    }
    req->text = true;
    ef_pg_conn_submit(&s->settle, req);
}

static void got_holds(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    if (err) {
        ef_store_did_holds(&s->store, NULL, 0, err);
        return;
    }
    int count = PQntuples(res);
    struct ef_hold *holds = ef_xcalloc((size_t)count, sizeof(*holds));
    for (int i = 0; i < count; i++)
        holds[i] = (struct ef_hold){.topic = PQgetvalue(res, i, 0)[0] == 't',
                                    .name = {PQgetvalue(res, i, 1), (size_t)PQgetlength(res, i, 1)},
                                    .actor = PQgetvalue(res, i, 2),
                                    .reason = PQgetvalue(res, i, 3),
                                    .at_us = strtoll(PQgetvalue(res, i, 4), NULL, 10)};
    ef_store_did_holds(&s->store, holds, count, NULL);
    free(holds);
}

void ef_pg_holds(struct ef_store *store)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_request *req = ef_pg_request_new(NULL, s->sql.holds, got_holds, s);
    req->text = true;
    ef_pg_param_int(req, s->layout.outbox_id);
    ef_pg_conn_submit(&s->settle, req);
}
