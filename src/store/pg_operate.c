// SPDX-License-Identifier: MIT
/* What operators ask: lists and requests over a connection of their own, commands over the settling
 * one, in the order of the settles. */
#define EF_LOG_ROOM "store"
#include "store/pg_store.h"

#include <stdlib.h>

#include "base/str.h"

/* --- the connection --- */

static void start(void *conn)
{
    ef_pg_conn_start(conn);
}

static void stop(void *conn)
{
    ef_pg_conn_stop(conn);
}

static void submit(void *conn, void *request)
{
    ef_pg_conn_submit(conn, request);
}

static void fail(void *request, const struct ef_error *err)
{
    struct ef_pg_request *req = request;
    req->done(req->arg, NULL, err);
    ef_pg_request_free(req);
}

static const struct ef_operate_ops line_ops = {
    .start = start, .stop = stop, .submit = submit, .fail = fail};

static void on_up(void *arg)
{
    ef_operating_up(&((struct ef_pg_store *)arg)->operate.line);
}

static void on_down(void *arg, const struct ef_error *err)
{
    ef_operating_down(&((struct ef_pg_store *)arg)->operate.line, err);
}

void ef_pg_operate_init(struct ef_pg_store *s)
{
    s->operate.conn.up = on_up;
    s->operate.conn.down = on_down;
    ef_operating_init(&s->operate.line, &line_ops, &s->store, &s->operate.conn, s->loop);
}

void ef_pg_operate_stop(struct ef_pg_store *s)
{
    ef_operating_stop(&s->operate.line);
    free(s->operate.sql);
    s->operate.sql = NULL;
}

/* --- questions --- */

/* The text is kept until the next question: the request borrows it. */
static void ask(struct ef_pg_store *s, struct ef_pg_request *req, char *sql)
{
    free(s->operate.sql);
    s->operate.sql = sql;
    req->sql = sql;
    req->text = true;
    ef_operating_submit(&s->operate.line, req);
}

static const char *row_of(const void *arg, int i)
{
    return PQgetvalue(arg, i, 0);
}

static void got_rows(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    if (!err && !ef_pg_answer_fits(res, 0, 1, &own))
        err = &own;
    if (err)
        ef_store_did_operate(&s->store, NULL, err);
    else
        ef_operating_listed(&s->operate.line, PQntuples(res), row_of, res);
}

static void got_answer(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    if (!err && !ef_pg_answer_fits(res, 0, 1, &own)) {
        err = &own;
    } else if (!err && PQntuples(res) == 0) {
        ef_error_set(&own, EF_CLASS_CONFIG, "the command was removed from the command table");
        err = &own;
    }
    ef_store_did_operate(&s->store, err ? NULL : PQgetvalue(res, 0, 0), err);
}

void ef_pg_operate(struct ef_store *store, const struct ef_operate *operate)
{
    struct ef_pg_store *s = ef_pg_store_of(store);
    struct ef_pg_request *req;
    struct ef_row_filter filter;
    switch (operate->kind) {
    case EF_OPERATE_ROWS:
        req = ef_pg_request_new(NULL, "", got_rows, s);
        filter = ef_operating_list(&s->operate.line, operate->filter, s->outbox->max_payload_bytes);
        ask(s, req, ef_pg_rows_sql(s, &filter, req));
        break;
    case EF_OPERATE_REQUEST:
        req = ef_pg_request_new(NULL, "", got_answer, s);
        ef_pg_param_int(req, s->layout.outbox_id);
        ef_pg_param_text(req, operate->verb);
        ef_pg_param_text(req, operate->args);
        ef_pg_param_text(req, operate->actor);
        ask(s, req,
            ef_xprintf("INSERT INTO %s.command (outbox_id, verb, args, actor) VALUES ($1::int,"
                       " $2::text, $3::jsonb, $4::text) RETURNING"
                       " json_build_object('command', id)::text",
                       s->layout.ours));
        break;
    case EF_OPERATE_RESULT:
        req = ef_pg_request_new(NULL, "", got_answer, s);
        ef_pg_param_int(req, operate->command);
        ask(s, req,
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
    struct ef_error own;
    if (!err && !ef_pg_answer_fits(res, 0, 4, &own))
        err = &own;
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

static void got_carried_out(void *arg, PGresult *res, const struct ef_error *err)
{
    struct ef_pg_store *s = arg;
    struct ef_error own;
    const struct ef_operating *line = &s->operate.line;
    if (!err && line->refusal.class)
        err = &line->refusal;
    if (err && strcmp(err->name, "42501") == 0) /* insufficient_privilege (PostgreSQL, app. A) */
        err = ef_operating_denied(line, err, s->layout.table, "the relay's role", &own);
    if (!err && !ef_pg_answer_fits(res, 1, 2, &own)) {
        own.class = EF_CLASS_UNCERTAIN; /* it may have been carried out */
        err = &own;
    } else if (!err && PQgetvalue(res, 0, 0)[0] != 't') {
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
    ef_operating_command(&s->operate.line);
    ef_pg_param_fence(s, req, epoch);
    s->operate.carry_out_sql = ef_pg_carry_out_sql(s, command, req, &s->operate.line.refusal);
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
    struct ef_error own;
    if (!err && !ef_pg_answer_fits(res, 0, 5, &own))
        err = &own;
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
