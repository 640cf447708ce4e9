// SPDX-License-Identifier: MIT
/* What operators ask: lists and requests over a connection of their own, commands over the settling
 * one, in the order of the settles. */
#define EF_LOG_ROOM "store"
#include "store/my_store.h"

#include <inttypes.h>
#include <stdlib.h>

/* --- the connection --- */

static void start(void *conn)
{
    ef_my_conn_start(conn);
}

static void stop(void *conn)
{
    ef_my_conn_stop(conn);
}

static void submit(void *conn, void *request)
{
    ef_my_conn_submit(conn, request);
}

static void fail(void *request, const struct ef_error *err)
{
    struct ef_my_request *req = request;
    req->done(req->arg, NULL, err);
    ef_my_request_free(req);
}

static const struct ef_operate_ops line_ops = {
    .start = start, .stop = stop, .submit = submit, .fail = fail};

static void on_up(void *arg)
{
    ef_operating_up(&((struct ef_my_store *)arg)->operate.line);
}

static void on_down(void *arg, const struct ef_error *err)
{
    ef_operating_down(&((struct ef_my_store *)arg)->operate.line, err);
}

void ef_my_operate_init(struct ef_my_store *s)
{
    s->operate.conn.up = on_up;
    s->operate.conn.down = on_down;
    ef_operating_init(&s->operate.line, &line_ops, &s->store, &s->operate.conn, s->loop);
}

void ef_my_operate_stop(struct ef_my_store *s)
{
    ef_operating_stop(&s->operate.line);
}

/* --- questions --- */

static const char *row_of(const void *arg, int i)
{
    return ef_my_text(arg, i, 0);
}

static void got_rows(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    if (err)
        ef_store_did_operate(&s->store, NULL, err);
    else
        ef_operating_listed(&s->operate.line, a->rows, row_of, a);
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
        filter = ef_operating_list(&s->operate.line, operate->filter, s->outbox->max_payload_bytes);
        ef_my_rows_sql(s, &filter, &sql);
        ef_operating_submit(&s->operate.line, ef_my_request_new(&sql, got_rows, s));
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
        ef_operating_submit(&s->operate.line, ef_my_request_new(&sql, got_answer, s));
        break;
    case EF_OPERATE_RESULT:
        ef_buf_printf(&sql,
                      "SELECT CONCAT('{\"done\":', IF(done_at IS NULL, 'false', 'true'),"
                      " ',\"result\":', COALESCE(JSON_QUOTE(result), 'null'), '}')"
                      " FROM %s.eventferry_command WHERE id = %" PRId64,
                      database, operate->command);
        ef_operating_submit(&s->operate.line, ef_my_request_new(&sql, got_answer, s));
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

/* ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR (MySQL's server error reference) */
static bool is_denial(const struct ef_error *err)
{
    return err->code == 1142 || err->code == 1143;
}

static void got_carried_out(void *arg, const struct ef_my_answer *a, const struct ef_error *err)
{
    struct ef_my_store *s = arg;
    struct ef_error own;
    const struct ef_operating *line = &s->operate.line;
    if (!err && line->refusal.class)
        err = &line->refusal;
    if (err && is_denial(err))
        err = ef_operating_denied(line, err, s->layout.table, "the relay's account", &own);
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
    ef_operating_command(&s->operate.line);
    ef_buf_init(&sql, EF_MY_SQL_MAX);
    if (!ef_my_carry_out_sql(s, epoch, command, &sql, &s->operate.line.refusal)) {
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
