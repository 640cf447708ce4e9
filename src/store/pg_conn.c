// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "store"
#include "store/pg_conn.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "store/pg_errors.h"
#include "store/pg_session.h"

/* A statement that the server does not end by its own statement_timeout is given this much longer.
 */
enum { STATEMENT_GRACE_MS = 5000 };

static void on_io(void *arg, int events);
static void on_timer(void *arg);
static void begin_connect(struct ef_pg_conn *conn);
static void run_head(struct ef_pg_conn *conn);

/* --- requests --- */

struct ef_pg_request *ef_pg_request_new(const char *name, const char *sql,
                                        void (*done)(void *arg, PGresult *res,
                                                     const struct ef_error *err),
                                        void *arg)
{
    struct ef_pg_request *req = ef_xcalloc(1, sizeof(*req));
    req->name = name;
    req->sql = sql;
    req->done = done;
    req->arg = arg;
    return req;
}

void ef_pg_request_free(struct ef_pg_request *req)
{
    for (int i = 0; i < req->param_count; i++)
        free(req->params[i]);
    free(req);
}

void ef_pg_param_owned(struct ef_pg_request *req, char *s)
{
    if (req->param_count == EF_PG_PARAMS_MAX)
        abort(); /* a statement of ours with too many parameters: a bug */
    req->params[req->param_count++] = s;
}

void ef_pg_param_text(struct ef_pg_request *req, const char *s)
{
    ef_pg_param_owned(req, ef_xstrdup(s));
}

void ef_pg_param_int(struct ef_pg_request *req, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    ef_pg_param_text(req, text);
}

static void queue_failed(struct ef_pg_conn *conn, struct ef_pg_request *req)
{
    req->next = NULL;
    *conn->failed_tail = req;
    conn->failed_tail = &req->next;
    ef_defer(&conn->fail_later);
}

static void run_failed(void *arg)
{
    struct ef_pg_conn *conn = arg;
    while (conn->failed) {
        struct ef_pg_request *req = conn->failed;
        conn->failed = req->next;
        if (!conn->failed)
            conn->failed_tail = &conn->failed;
        struct ef_error err = conn->last_error;
        if (req->uncertain)
            err.class = EF_CLASS_UNCERTAIN;
        else
            ef_error_set(&err, EF_CLASS_OUTAGE, "no connection to database \"%s\"%s%s",
                         conn->database->name, conn->last_error.text[0] ? ": " : "",
                         conn->last_error.text);
        req->done(req->arg, NULL, &err);
        ef_pg_request_free(req);
    }
}

void ef_pg_conn_submit(struct ef_pg_conn *conn, struct ef_pg_request *req)
{
    if (conn->state != EF_PG_READY) {
        queue_failed(conn, req);
        return;
    }
    req->next = NULL;
    *conn->tail = req;
    conn->tail = &req->next;
    if (conn->head == req)
        run_head(conn);
}

/* --- errors --- */

void ef_pg_error_from_result(struct ef_error *err, const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
    enum ef_class class = state ? ef_pg_sqlstate_class(state) : EF_CLASS_OUTAGE;
    ef_error_set(err, class, "%s%s%s", message ? message : "connection lost",
                 detail ? "; hint: " : "", detail ? detail : "");
    ef_error_code(err, 0, state);
}

static void error_from_conn(struct ef_error *err, PGconn *pg)
{
    char line[512];
    snprintf(line, sizeof(line), "%s", PQerrorMessage(pg));
    /* libpq's text may have several lines; the first says it, the others repeat or explain */
    line[strcspn(line, "\n")] = '\0';
    ef_error_set(err, EF_CLASS_OUTAGE, "%s", line[0] ? line : "server closed the connection");
}

/* --- going down --- */

static void close_pg(struct ef_pg_conn *conn)
{
    ef_io_stop(&conn->io);
    ef_timer_stop(&conn->timer);
    if (conn->resolving) {
        ef_resolve_cancel(conn->resolving);
        conn->resolving = NULL;
    }
    PQclear(conn->last);
    conn->last = NULL;
    PQfinish(conn->pg);
    conn->pg = NULL;
    conn->prepared_count = 0;
    conn->paused = conn->sent = conn->preparing = false;
}

/* Requests that wait end with OUTAGE, the one that was sent with UNCERTAIN. */
static void fail_requests(struct ef_pg_conn *conn, bool head_was_sent)
{
    struct ef_pg_request *req = conn->head;
    conn->head = NULL;
    conn->tail = &conn->head;
    /* never completed here: a send may fail inside the call that submitted it */
    if (req)
        req->uncertain = head_was_sent;
    while (req) {
        struct ef_pg_request *next = req->next;
        queue_failed(conn, req);
        req = next;
    }
}

static void log_trouble(struct ef_pg_conn *conn, const struct ef_error *err, int64_t delay_ms)
{
    uint64_t suppressed;
    if (!ef_log_allow(&conn->log_limit, 3, 60 * EF_S_US, &suppressed))
        return;
    ef_warn(conn->was_up ? "database connection lost" : "could not connect to the database",
            EF_STR("database", conn->database->name), EF_STR("connection", conn->purpose),
            EF_INT("retry_ms", delay_ms), EF_INT("suppressed", suppressed), EF_ERR(err));
}

static void go_down(struct ef_pg_conn *conn, const struct ef_error *why)
{
    bool sent = conn->sent || conn->preparing;
    bool was_ready = conn->state == EF_PG_READY;
    conn->last_error = *why;
    close_pg(conn);
    conn->state = EF_PG_BACKOFF;
    if (!was_ready) /* the server that was good so far is asked first */
        conn->turn++;
    int64_t delay_ms = ef_backoff_ms(&conn->backoff, ++conn->attempts, &conn->rng);
    log_trouble(conn, why, delay_ms);
    ef_timer_start(&conn->timer, delay_ms * EF_MS_US);
    fail_requests(conn, sent);
    if (was_ready)
        conn->reconnects++;
    conn->was_up = false;
    if (conn->state == EF_PG_BACKOFF) /* a request's completion may have stopped us */
        conn->down(conn->arg, why);
}

void ef_pg_conn_reset(struct ef_pg_conn *conn, const struct ef_error *why)
{
    if (conn->state != EF_PG_STOPPED && conn->state != EF_PG_BACKOFF)
        go_down(conn, why);
}

static void lost(struct ef_pg_conn *conn)
{
    struct ef_error err;
    error_from_conn(&err, conn->pg);
    go_down(conn, &err);
}

/* No statement of ours begins a COPY, and libpq would say for ever that one is under way. */
static bool is_copy(const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

static void copying(struct ef_pg_conn *conn, PGresult *res)
{
    struct ef_error err;
    PQclear(res);
    ef_error_set(
        &err, EF_CLASS_OUTAGE,
        "the server answered a statement with COPY: something between changes one of them");
    go_down(conn, &err);
}

/* --- running requests --- */

static bool is_prepared(const struct ef_pg_conn *conn, const char *name)
{
    for (int i = 0; i < conn->prepared_count; i++)
        if (strcmp(conn->prepared[i], name) == 0)
            return true;
    return false;
}

/* Statements prepared on a pooled connection would stay on a server connection that others get. */
static bool wrapped(const struct ef_pg_conn *conn)
{
    return conn->database->pooler == EF_POOLER_TRANSACTION && conn->state == EF_PG_READY;
}

/* Where the statement itself stands among the results of BEGIN, set_config, statement, COMMIT. */
enum { WRAP_STATEMENT = 2, WRAP_COMMIT = 3 };

static bool send_wrapped(struct ef_pg_conn *conn, const struct ef_pg_request *req)
{
    PGconn *pg = conn->pg;
    char set[1024];
    ef_pg_session_set_sql(conn->database, true, set, sizeof(set));
    conn->result_index = 0;
    return PQenterPipelineMode(pg) &&
           PQsendQueryParams(pg, "BEGIN", 0, NULL, NULL, NULL, NULL, 0) &&
           PQsendQueryParams(pg, set, 0, NULL, NULL, NULL, NULL, 0) &&
           PQsendQueryParams(pg, req->sql, req->param_count, NULL, (const char *const *)req->params,
                             NULL, NULL, !req->text) &&
           PQsendQueryParams(pg, "COMMIT", 0, NULL, NULL, NULL, NULL, 0) && PQpipelineSync(pg);
}

static bool send_head(struct ef_pg_conn *conn)
{
    struct ef_pg_request *req = conn->head;
    if (wrapped(conn))
        return send_wrapped(conn, req);
    if (!req->name)
        return PQsendQueryParams(conn->pg, req->sql, req->param_count, NULL,
                                 (const char *const *)req->params, NULL, NULL, !req->text);
    if (!is_prepared(conn, req->name)) {
        conn->preparing = true;
        return PQsendPrepare(conn->pg, req->name, req->sql, 0, NULL);
    }
    return PQsendQueryPrepared(conn->pg, req->name, req->param_count,
                               (const char *const *)req->params, NULL, NULL, !req->text);
}

static void watch(struct ef_pg_conn *conn)
{
    int flush = PQflush(conn->pg);
    if (flush < 0) {
        lost(conn);
        return;
    }
    int events = (conn->paused ? 0 : EF_IO_READ) | (flush > 0 ? EF_IO_WRITE : 0);
    if (events)
        ef_io_start(&conn->io, PQsocket(conn->pg), events);
    else
        ef_io_stop(&conn->io);
}

static void run_head(struct ef_pg_conn *conn)
{
    struct ef_pg_request *req = conn->head;
    if (!req)
        return;
    conn->preparing = false;
    bool ok = send_head(conn);
    conn->sent = !conn->preparing;
    if (!ok) {
        lost(conn);
        return;
    }
    if (conn->sent && req->single_row && !wrapped(conn))
        PQsetSingleRowMode(conn->pg);
    ef_timer_start(&conn->timer,
                   (conn->database->statement_timeout_ms + STATEMENT_GRACE_MS) * EF_MS_US);
    watch(conn);
}

static void head_finished(struct ef_pg_conn *conn)
{
    struct ef_pg_request *req = conn->head;
    PGresult *res = conn->last;
    conn->last = NULL;
    ExecStatusType status = PQresultStatus(res);
    bool ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    ef_timer_stop(&conn->timer);
    bool pooled = wrapped(conn);
    if (conn->preparing && ok) {
        if (conn->prepared_count < EF_PG_PREPARED_MAX)
            conn->prepared[conn->prepared_count++] = req->name;
        PQclear(res);
        run_head(conn);
        return;
    }
    conn->sent = conn->preparing = conn->paused = false;
    conn->head = req->next;
    if (!conn->head)
        conn->tail = &conn->head;
    struct ef_error err;
    if (!ok)
        ef_pg_error_from_result(&err, res);
    req->done(req->arg, ok ? res : NULL, ok ? NULL : &err);
    ef_pg_request_free(req);
    PQclear(res);
    /* after an error a wrapped statement's transaction is left aborted: nobody may get that session
     */
    bool unusable = !ok && (pooled || ef_pg_sqlstate_ends_session(err.name));
    if (unusable && conn->state == EF_PG_READY && !conn->sent) {
        go_down(conn, &err);
        return;
    }
    /* the callback may have submitted (and so started) the next one, or stopped us */
    if (conn->state == EF_PG_READY && conn->head && !conn->sent && !conn->preparing)
        run_head(conn);
}

/* Keep the statement's own result, or the first error of a wrapped statement. */
static void keep_result(struct ef_pg_conn *conn, PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);
    bool failed = status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
    bool have_error = conn->last && PQresultStatus(conn->last) == PGRES_FATAL_ERROR;
    bool wanted = !wrapped(conn) || conn->result_index == WRAP_STATEMENT || failed;
    if (!wanted || (have_error && conn->last)) {
        PQclear(res);
        return;
    }
    PQclear(conn->last);
    conn->last = res;
}

/* True while more may be taken now. */
static bool take_result(struct ef_pg_conn *conn)
{
    struct ef_pg_request *req = conn->head;
    PGresult *res = PQgetResult(conn->pg);
    if (!res) {
        if (!wrapped(conn) || !conn->sent) {
            head_finished(conn);
            return false;
        }
        /* pipeline: NULL ends one statement's results; single-row mode is asked for per statement
         */
        if (++conn->result_index == WRAP_STATEMENT && req->single_row)
            PQsetSingleRowMode(conn->pg);
        return true;
    }
    if (is_copy(res)) {
        copying(conn, res);
        return false;
    }
    switch (PQresultStatus(res)) {
    case PGRES_SINGLE_TUPLE:
        req->row(req->arg, res);
        PQclear(res);
        return !conn->paused && conn->state == EF_PG_READY;
    case PGRES_PIPELINE_SYNC:
        PQclear(res);
        PQexitPipelineMode(conn->pg);
        head_finished(conn);
        return false;
    default:
        keep_result(conn, res);
        return true;
    }
}

static void take_notifications(struct ef_pg_conn *conn)
{
    bool any = false;
    PGnotify *n;
    while ((n = PQnotifies(conn->pg))) {
        any = true;
        PQfreemem(n);
    }
    if (any && conn->notified)
        conn->notified(conn->arg);
}

static void read_ready(struct ef_pg_conn *conn)
{
    while (conn->state == EF_PG_READY && conn->head && (conn->sent || conn->preparing) &&
           !conn->paused && !PQisBusy(conn->pg))
        if (!take_result(conn))
            break;
    if (conn->state == EF_PG_READY)
        take_notifications(conn);
    if (conn->state == EF_PG_READY)
        watch(conn);
}

static void forgotten(void *arg, PGresult *res, const struct ef_error *err)
{
    (void)arg;
    (void)res;
    (void)err; /* the connection went: then nothing is prepared either */
}

void ef_pg_conn_forget_prepared(struct ef_pg_conn *conn)
{
    if (conn->prepared_count == 0)
        return;
    conn->prepared_count = 0;
    ef_pg_conn_submit(conn, ef_pg_request_new(NULL, "DEALLOCATE ALL", forgotten, NULL));
}

void ef_pg_conn_pause(struct ef_pg_conn *conn)
{
    conn->paused = true;
    ef_timer_stop(&conn->timer);
    watch(conn);
}

void ef_pg_conn_continue(struct ef_pg_conn *conn)
{
    if (!conn->paused)
        return;
    conn->paused = false;
    ef_timer_start(&conn->timer,
                   (conn->database->statement_timeout_ms + STATEMENT_GRACE_MS) * EF_MS_US);
    /* rows may wait in libpq's buffer, where no readiness tells of them */
    ef_io_start(&conn->io, PQsocket(conn->pg), EF_IO_READ | EF_IO_WRITE);
}

/* --- connecting --- */

static void setup_done(struct ef_pg_conn *conn, PGresult *res)
{
    struct ef_error err;
    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        ef_pg_error_from_result(&err, res);
        ef_error_prefix(&err, "could not set up the session");
        go_down(conn, &err);
        return;
    }
    if (!ef_pg_session_take(res, &conn->session, &err)) {
        go_down(conn, &err);
        return;
    }
    conn->state = EF_PG_READY;
    conn->attempts = 0;
    conn->was_up = true;
    ef_timer_stop(&conn->timer);
    watch(conn);
    if (conn->state == EF_PG_READY)
        conn->up(conn->arg);
}

static void setup_ready(struct ef_pg_conn *conn)
{
    while (!PQisBusy(conn->pg)) {
        PGresult *res = PQgetResult(conn->pg);
        if (is_copy(res)) {
            copying(conn, res);
            return;
        }
        if (res) {
            PQclear(conn->last);
            conn->last = res;
            continue;
        }
        res = conn->last;
        conn->last = NULL;
        setup_done(conn, res);
        PQclear(res);
        return;
    }
    watch(conn);
}

static void connected(struct ef_pg_conn *conn)
{
    char sql[1600];
    PQsetnonblocking(conn->pg, 1);
    conn->state = EF_PG_SETUP;
    ef_pg_session_setup_sql(conn->database, sql, sizeof(sql));
    if (!PQsendQueryParams(conn->pg, sql, 0, NULL, NULL, NULL, NULL, 0)) {
        lost(conn);
        return;
    }
    watch(conn);
}

static void connect_step(struct ef_pg_conn *conn)
{
    switch (PQconnectPoll(conn->pg)) {
    case PGRES_POLLING_OK:
        connected(conn);
        break;
    case PGRES_POLLING_READING: /* the socket may be another one after each step */
        ef_io_stop(&conn->io);
        ef_io_start(&conn->io, PQsocket(conn->pg), EF_IO_READ);
        break;
    case PGRES_POLLING_WRITING:
        ef_io_stop(&conn->io);
        ef_io_start(&conn->io, PQsocket(conn->pg), EF_IO_WRITE);
        break;
    default:
        lost(conn);
    }
}

static void on_io(void *arg, int events)
{
    struct ef_pg_conn *conn = arg;
    (void)events;
    if (conn->state == EF_PG_CONNECTING) {
        connect_step(conn);
        return;
    }
    if (!PQconsumeInput(conn->pg)) {
        lost(conn);
        return;
    }
    if (conn->state == EF_PG_SETUP)
        setup_ready(conn);
    else if (conn->state == EF_PG_READY)
        read_ready(conn);
}

static void start_libpq(struct ef_pg_conn *conn)
{
    struct ef_error err;
    conn->pg = ef_pg_session_connect(conn->database, conn->url, conn->application_name,
                                     &conn->target, &err);
    if (!conn->pg) {
        go_down(conn, &err);
        return;
    }
    if (PQstatus(conn->pg) == CONNECTION_BAD) {
        lost(conn);
        return;
    }
    conn->state = EF_PG_CONNECTING;
    ef_timer_start(&conn->timer, conn->database->connect_timeout_ms * EF_MS_US);
    ef_io_start(&conn->io, PQsocket(conn->pg), EF_IO_WRITE); /* as PQconnectStart's manual says */
}

static void on_resolved(void *arg, const char *const *addresses, int count,
                        const struct ef_error *err)
{
    struct ef_pg_conn *conn = arg;
    conn->resolving = NULL;
    if (err) {
        go_down(conn, err);
        return;
    }
    int round = conn->turn / conn->target.hosts;
    conn->target.hostaddr = ef_xstrdup(count > 0 ? addresses[round % count] : NULL);
    start_libpq(conn);
}

static void begin_connect(struct ef_pg_conn *conn)
{
    struct ef_error err;
    ef_pg_target_done(&conn->target);
    if (!ef_pg_target_of(conn->url, conn->turn, &conn->target, &err)) {
        go_down(conn, &err);
        return;
    }
    if (!conn->target.lookup) {
        start_libpq(conn);
        return;
    }
    conn->state = EF_PG_RESOLVING;
    ef_timer_start(&conn->timer, conn->database->connect_timeout_ms * EF_MS_US);
    conn->resolving = ef_resolve(conn->resolver, conn->target.host, on_resolved, conn);
}

static void on_timer(void *arg)
{
    struct ef_pg_conn *conn = arg;
    struct ef_error err;
    switch (conn->state) {
    case EF_PG_BACKOFF:
        begin_connect(conn);
        return;
    case EF_PG_READY:
        ef_error_set(&err, EF_CLASS_OUTAGE, "statement got no answer within %lld ms",
                     (long long)conn->database->statement_timeout_ms + STATEMENT_GRACE_MS);
        break;
    default:
        ef_error_set(&err, EF_CLASS_OUTAGE, "could not connect within %lld ms",
                     (long long)conn->database->connect_timeout_ms);
    }
    go_down(conn, &err);
}

/* --- life --- */

void ef_pg_conn_init(struct ef_pg_conn *conn)
{
    conn->state = EF_PG_STOPPED;
    conn->tail = &conn->head;
    conn->failed_tail = &conn->failed;
    conn->backoff = (struct ef_backoff){
        .strategy = EF_BACKOFF_EXPONENTIAL, .base_ms = 100, .max_ms = 10000, .jitter = true};
    ef_rng_seed_os(&conn->rng);
    ef_io_init(&conn->io, conn->loop, "store", on_io, conn);
    ef_timer_init(&conn->timer, conn->loop, "store", on_timer, conn);
    ef_deferred_init(&conn->fail_later, conn->loop, "store", run_failed, conn);
}

void ef_pg_conn_start(struct ef_pg_conn *conn)
{
    conn->state = EF_PG_BACKOFF;
    ef_timer_start(&conn->timer, 0);
}

void ef_pg_conn_stop(struct ef_pg_conn *conn)
{
    bool sent = conn->sent || conn->preparing;
    close_pg(conn);
    conn->state = EF_PG_STOPPED;
    ef_error_set(&conn->last_error, EF_CLASS_OUTAGE, "connection closed");
    fail_requests(conn, sent);
    ef_deferred_cancel(&conn->fail_later);
    run_failed(conn);
    ef_pg_target_done(&conn->target);
}

bool ef_pg_conn_ready(const struct ef_pg_conn *conn)
{
    return conn->state == EF_PG_READY;
}
