// SPDX-License-Identifier: MIT
/* What operators ask: lists and requests over a connection of their own, commands over the settling
 * one, in the order of the settles. */
#define EF_LOG_ROOM "store"
#include "store/my_store.h"

#include <inttypes.h>
#include <stdlib.h>

/* The connection is given back this long after the last question. */
#define IDLE_US (30 * EF_S_US)
/* A listing with payloads ends when it holds this much; one row always fits. */
enum { LISTING_BYTES = 4 << 20, LISTING_MAX_BYTES = 1 << 30 };

/* --- the connection --- */

static void on_up(void *arg)
{
    struct ef_my_operate *o = &((struct ef_my_store *)arg)->operate;
    struct ef_my_request *req = o->waiting;
    o->up = true;
    o->waiting = NULL;
    if (req)
        ef_my_conn_submit(&o->conn, req);
}

static void fail_waiting(struct ef_my_store *s, const struct ef_error *err)
{
    struct ef_my_request *req = s->operate.waiting;
    struct ef_error own = *err;
    s->operate.waiting = NULL;
    if (!req)
        return;
    own.class = EF_CLASS_OUTAGE; /* whatever keeps the connection from coming up */
    req->done(req->arg, NULL, &own);
    ef_my_request_free(req);
}

static void on_down(void *arg, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    s->operate.up = false;
    fail_waiting(s, err);
}

static void stop_conn(struct ef_my_store *s)
{
    if (s->operate.started)
        ef_my_conn_stop(&s->operate.conn);
    s->operate.started = s->operate.up = false;
}

static void on_idle(void *arg)
{
    struct ef_my_store *s = arg;
    if (s->store.busy[EF_VERB_OPERATE])
        ef_timer_start(&s->operate.idle, IDLE_US);
    else
        stop_conn(s);
}

void ef_my_operate_init(struct ef_my_store *s)
{
    s->operate.conn.up = on_up;
    s->operate.conn.down = on_down;
    ef_timer_init(&s->operate.idle, s->loop, "store", on_idle, s);
}

void ef_my_operate_stop(struct ef_my_store *s)
{
    struct ef_error err;
    ef_timer_stop(&s->operate.idle);
    ef_error_set(&err, EF_CLASS_OUTAGE, "the store is being closed");
    fail_waiting(s, &err);
    stop_conn(s);
}

static void submit(struct ef_my_store *s, struct ef_my_request *req)
{
    struct ef_my_operate *o = &s->operate;
    ef_timer_start(&o->idle, IDLE_US);
    if (o->up) {
        ef_my_conn_submit(&o->conn, req);
        return;
    }
    o->waiting = req;
    if (o->started)
        return;
    o->started = true;
    ef_my_conn_start(&o->conn);
}

/* --- questions --- */

/* With payloads, no more rows than may be in memory at once; the first may be of any size. */
static int limit_of(const struct ef_my_store *s, const struct ef_row_filter *f)
{
    int64_t payloads = 1 + LISTING_BYTES / (s->outbox->max_payload_bytes + 1);
    return f->payload && f->limit > payloads ? (int)payloads : f->limit;
}

/* Rows came first to last, or last to first where the newest were asked for. */
static void got_rows(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    struct ef_buf b;
    if (err) {
        ef_store_did_operate(&s->store, NULL, err);
        return;
    }
    int taken = 0;
    size_t bytes = 0;
    while (taken < a->rows && taken < s->operate.limit && (taken == 0 || bytes < LISTING_BYTES))
        bytes += strlen(ef_my_text(a, taken++, 0));
    ef_buf_init(&b, LISTING_MAX_BYTES);
    ef_buf_puts(&b, "{\"rows\":[");
    for (int i = 0; i < taken; i++) {
        ef_buf_puts(&b, i ? "," : "");
        ef_buf_puts(&b, ef_my_text(a, s->operate.newest ? taken - 1 - i : i, 0));
    }
    ef_buf_printf(&b, "],\"more\":%s}", taken < a->rows ? "true" : "false");
    ef_store_did_operate(&s->store, b.data, NULL);
    ef_buf_done(&b);
}

static void got_answer(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    struct ef_error gone;
    if (!err && a->rows == 0) {
        ef_error_set(&gone, EF_CLASS_CONFIG, "the command was removed from the command table");
        err = &gone;
    }
    ef_store_did_operate(&s->store, err ? NULL : ef_my_text(a, 0, 0), err);
}

void ef_my_operate(struct ef_store *store, const struct ef_operate *operate)
{
    struct ef_my_store *s = ef_my_store_of(store);
    const char *database = s->layout.database;
    struct ef_row_filter filter;
    struct ef_buf sql;
    ef_buf_init(&sql, EF_MY_SQL_MAX);
    switch (operate->kind) {
    case EF_OPERATE_ROWS:
        filter = *operate->filter;
        filter.limit = s->operate.limit = limit_of(s, operate->filter);
        s->operate.newest = filter.newest;
        ef_my_rows_sql(s, &filter, &sql);
        submit(s, ef_my_request_new(&sql, got_rows, s));
        break;
    case EF_OPERATE_REQUEST:
        ef_buf_printf(&sql,
                      "INSERT INTO %s.eventferry_command (outbox_id, verb, args, actor) VALUES"
                      " (%d, ",
                      database, s->layout.outbox_id);
        ef_my_sql_literal(&sql, operate->verb);
        ef_buf_puts(&sql, ", ");
        ef_my_sql_literal(&sql, operate->args);
        ef_buf_puts(&sql, ", ");
        ef_my_sql_literal(&sql, operate->actor);
        ef_buf_puts(&sql, ");SELECT JSON_OBJECT('command', LAST_INSERT_ID())");
        submit(s, ef_my_request_new(&sql, got_answer, s));
        break;
    case EF_OPERATE_RESULT:
        ef_buf_printf(&sql,
                      "SELECT CONCAT('{\"done\":', IF(done_at IS NULL, 'false', 'true'),"
                      " ',\"result\":', COALESCE(JSON_QUOTE(result), 'null'), '}')"
                      " FROM %s.eventferry_command WHERE id = %" PRId64,
                      database, operate->command);
        submit(s, ef_my_request_new(&sql, got_answer, s));
        break;
    }
}

/* --- the owner --- */

static void got_command(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    if (err || a->rows == 0) {
        ef_store_did_next_command(&s->store, NULL, err);
        return;
    }
    struct ef_command_row row = {.number = ef_my_int(a, 0, 0, 0),
                                 .verb = ef_my_text(a, 0, 1),
                                 .args = ef_my_text(a, 0, 2),
                                 .actor = ef_my_text(a, 0, 3)};
    ef_store_did_next_command(&s->store, &row, NULL);
}

void ef_my_next_command(struct ef_store *store)
{
    struct ef_my_store *s = ef_my_store_of(store);
    struct ef_buf sql;
    ef_buf_init(&sql, EF_MY_SQL_MAX);
    ef_buf_printf(&sql,
                  "SELECT id, verb, args, actor FROM %s.eventferry_command WHERE outbox_id = %d"
                  " AND done_at IS NULL ORDER BY id LIMIT 1",
                  s->layout.database, s->layout.outbox_id);
    ef_my_conn_submit(&s->settle, ef_my_request_new(&sql, got_command, s));
}

/* Rows may be edited only where somebody has allowed it: the error says how. */
static const struct ef_error *with_grant(const struct ef_my_store *s, const struct ef_error *err,
                                         struct ef_error *own)
{
    /* ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR */
    if (!err || !s->operate.columns[0] || (err->code != 1142 && err->code != 1143))
        return err;
    *own = *err;
    ef_error_set(own, EF_CLASS_CONFIG, "%s; run GRANT UPDATE (%s) ON %s TO the relay's account",
                 err->text, s->operate.columns, s->layout.table);
    return own;
}

static void got_carried_out(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    struct ef_error own;
    err = with_grant(s, err, &own);
    if (!err && s->operate.refusal.class)
        err = &s->operate.refusal;
    if (!err && !ef_my_int(a, 0, 0, 0)) {
        ef_error_set(&own, EF_CLASS_FENCED, "the lease is not ours any more");
        err = &own;
    }
    ef_store_did_carry_out(&s->store, err ? 0 : ef_my_int(a, 0, 1, 0), err);
}

void ef_my_carry_out(struct ef_store *store, int64_t epoch, const struct ef_command *command)
{
    struct ef_my_store *s = ef_my_store_of(store);
    struct ef_buf sql;
    ef_error_clear(&s->operate.refusal);
    s->operate.columns[0] = '\0';
    ef_buf_init(&sql, EF_MY_SQL_MAX);
    if (!ef_my_carry_out_sql(s, epoch, command, &sql, &s->operate.refusal)) {
        ef_buf_clear(&sql);
        ef_buf_puts(&sql, "SELECT 1"); /* answered in its turn all the same */
    }
    ef_my_conn_submit(&s->settle, ef_my_request_new(&sql, got_carried_out, s));
}

static void got_holds(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    if (err) {
        ef_store_did_holds(&s->store, NULL, 0, err);
        return;
    }
    struct ef_hold *holds = ef_xcalloc((size_t)a->rows, sizeof(*holds));
    for (int i = 0; i < a->rows; i++)
        holds[i] = (struct ef_hold){.topic = ef_my_text(a, i, 0)[0] == 't',
                                    .name = ef_slice_of(ef_my_text(a, i, 1)),
                                    .actor = ef_my_text(a, i, 2),
                                    .reason = ef_my_text(a, i, 3),
                                    .at_us = ef_my_int(a, i, 4, 0)};
    ef_store_did_holds(&s->store, holds, a->rows, NULL);
    free(holds);
}

void ef_my_holds(struct ef_store *store)
{
    struct ef_my_store *s = ef_my_store_of(store);
    struct ef_buf sql;
    ef_buf_init(&sql, EF_MY_SQL_MAX);
    if (s->layout.has_hold)
        ef_buf_printf(&sql,
                      "SELECT kind, name, actor, reason, TIMESTAMPDIFF(MICROSECOND, '1970-01-01',"
                      " at) FROM %s.eventferry_hold WHERE outbox_id = %d ORDER BY at, kind, name"
                      " LIMIT 1000",
                      s->layout.database, s->layout.outbox_id);
    else
        ef_buf_puts(&sql, "SELECT 1 FROM DUAL WHERE FALSE"); /* made before there were holds */
    ef_my_conn_submit(&s->settle, ef_my_request_new(&sql, got_holds, s));
}
