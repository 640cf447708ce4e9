// SPDX-License-Identifier: MIT
#define EF_LOG_ROOM "store"
#include "store/my_conn.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "store/my_errors.h"

enum {
    STATEMENT_GRACE_MS = 5000, /* longer than the server's own limit for a statement */
    ROWS_PER_TURN = 1000,      /* then others on the loop have their turn */
    ABORT_STEPS_MAX = 1000
};

static void on_io(void *arg, int events);
static void on_timer(void *arg);
static void on_go_on(void *arg);
static void begin_connect(struct ef_my_conn *conn);
static void run_head(struct ef_my_conn *conn);
static void drive(struct ef_my_conn *conn, int ready);

/* --- requests --- */

struct ef_my_request *ef_my_request_new(struct ef_buf *sql,
                                        void (*done)(void *arg, const struct ef_my_answer *answer,
                                                     const struct ef_error *err),
                                        void *arg)
{
    struct ef_my_request *req = ef_xcalloc(1, sizeof(*req));
    if (sql->overflow)
        abort(); /* bounded by the window's rows: a bug */
    req->sql = sql->data;
    req->sql_len = sql->len;
    req->done = done;
    req->arg = arg;
    *sql = (struct ef_buf){0};
    return req;
}

void ef_my_request_free(struct ef_my_request *req)
{
    free(req->sql);
    free(req);
}

static void queue_failed(struct ef_my_conn *conn, struct ef_my_request *req)
{
    req->next = NULL;
    *conn->failed_tail = req;
    conn->failed_tail = &req->next;
    ef_defer(&conn->fail_later);
}

static void run_failed(void *arg)
{
    struct ef_my_conn *conn = arg;
    while (conn->failed_head) {
        struct ef_my_request *req = conn->failed_head;
        conn->failed_head = req->next;
        if (!conn->failed_head)
            conn->failed_tail = &conn->failed_head;
        struct ef_error err = conn->last_error;
        if (req->uncertain)
            err.class = EF_CLASS_UNCERTAIN;
        else
            ef_error_set(&err, EF_CLASS_OUTAGE, "no connection to database \"%s\"%s%s",
                         conn->database->name, conn->last_error.text[0] ? ": " : "",
                         conn->last_error.text);
        if (req->done)
            req->done(req->arg, NULL, &err);
        ef_my_request_free(req);
    }
}

void ef_my_conn_submit(struct ef_my_conn *conn, struct ef_my_request *req)
{
    if (conn->state != EF_MY_READY) {
        queue_failed(conn, req);
        return;
    }
    req->next = NULL;
    *conn->tail = req;
    conn->tail = &req->next;
    if (conn->head == req && !conn->running)
        run_head(conn);
}

/* --- answers --- */

static void clear_values(struct ef_my_conn *conn)
{
    struct ef_my_answer *a = &conn->answer;
    for (int i = 0; i < a->rows * a->cols; i++)
        free(a->values[i]);
    a->rows = a->cols = 0;
}

static void keep_row(struct ef_my_conn *conn, const unsigned long *lengths)
{
    struct ef_my_answer *a = &conn->answer;
    int used = a->rows * a->cols;
    if (used + a->cols > conn->values_size) {
        conn->values_size = 2 * (used + a->cols);
        a->values = ef_xrealloc(a->values, (size_t)conn->values_size * sizeof(*a->values));
    }
    for (int i = 0; i < a->cols; i++)
        a->values[used + i] = conn->row[i] ? ef_xstrndup(conn->row[i], lengths[i]) : NULL;
    a->rows++;
}

const char *ef_my_text(const struct ef_my_answer *answer, int row, int col)
{
    const char *value =
        row < answer->rows && col < answer->cols ? answer->values[row * answer->cols + col] : NULL;
    return value ? value : "";
}

int64_t ef_my_int(const struct ef_my_answer *answer, int row, int col, int64_t otherwise)
{
    const char *text = ef_my_text(answer, row, col);
    return text[0] ? strtoll(text, NULL, 10) : otherwise;
}

/* --- going down --- */

static void error_of(struct ef_my_conn *conn, struct ef_error *err)
{
    unsigned code = mysql_errno(conn->my);
    ef_error_set(err, ef_my_errno_class(code), "%s",
                 code ? mysql_error(conn->my) : "server closed the connection");
    ef_error_code(err, (int)code, mysql_sqlstate(conn->my));
}

/* The library's call that is under way runs on a stack of its own: it has to come to its end, which
 * it does at once when the socket is dead. */
static int step(struct ef_my_conn *conn, int ready)
{
    switch (conn->op) {
    case EF_MY_OP_CONNECT:
        return conn->suspended ? mysql_real_connect_cont(&conn->connected, conn->my, ready)
                               : ef_my_session_connect(&conn->connected, conn->my, &conn->target,
                                                       conn->default_database);
    case EF_MY_OP_QUERY:
        return conn->suspended ? mysql_real_query_cont(&conn->failed, conn->my, ready)
                               : mysql_real_query_start(&conn->failed, conn->my, conn->head->sql,
                                                        conn->head->sql_len);
    case EF_MY_OP_FETCH:
        return conn->suspended ? mysql_fetch_row_cont(&conn->row, conn->res, ready)
                               : mysql_fetch_row_start(&conn->row, conn->res);
    case EF_MY_OP_NEXT:
        return conn->suspended ? mysql_next_result_cont(&conn->failed, conn->my, ready)
                               : mysql_next_result_start(&conn->failed, conn->my);
    default:
        return 0;
    }
}

static void end_operation(struct ef_my_conn *conn)
{
    if (conn->suspended) {
        shutdown(mysql_get_socket(conn->my), SHUT_RDWR);
        for (int i = 0; conn->suspended && i < ABORT_STEPS_MAX; i++)
            conn->suspended = step(conn, MYSQL_WAIT_READ | MYSQL_WAIT_WRITE) != 0;
    }
    conn->suspended = false;
    conn->op = EF_MY_OP_NONE;
}

static void close_my(struct ef_my_conn *conn)
{
    ef_io_stop(&conn->io);
    ef_timer_stop(&conn->timer);
    ef_deferred_cancel(&conn->go_on);
    if (conn->resolving) {
        ef_resolve_cancel(conn->resolving);
        conn->resolving = NULL;
    }
    if (conn->dial)
        ef_my_dial_leave(conn->dial);
    conn->dial = NULL;
    if (conn->my) {
        if (conn->running) /* it has more to say: nobody waits for that */
            shutdown(mysql_get_socket(conn->my), SHUT_RDWR);
        end_operation(conn);
        if (conn->res)
            mysql_free_result(conn->res);
        mysql_close(conn->my);
    }
    conn->res = NULL;
    conn->my = NULL;
    conn->generation++;
    clear_values(conn);
    conn->running = conn->paused = false;
}

/* Requests that wait end with OUTAGE, the one that was sent with UNCERTAIN. */
static void fail_requests(struct ef_my_conn *conn, bool head_was_sent)
{
    struct ef_my_request *req = conn->head;
    conn->head = NULL;
    conn->tail = &conn->head;
    if (req)
        req->uncertain = head_was_sent;
    while (req) {
        struct ef_my_request *next = req->next;
        queue_failed(conn, req);
        req = next;
    }
}

static void log_trouble(struct ef_my_conn *conn, const struct ef_error *err, int64_t delay_ms)
{
    uint64_t suppressed;
    if (!ef_log_allow(&conn->log_limit, 3, 60 * EF_S_US, &suppressed))
        return;
    ef_warn(conn->was_up ? "database connection lost" : "could not connect to the database",
            EF_STR("database", conn->database->name), EF_STR("connection", conn->purpose),
            EF_INT("retry_ms", delay_ms), EF_INT("suppressed", suppressed), EF_ERR(err));
}

static void go_down(struct ef_my_conn *conn, const struct ef_error *why)
{
    bool sent = conn->running;
    bool was_ready = conn->state == EF_MY_READY;
    conn->last_error = *why;
    close_my(conn);
    conn->state = EF_MY_BACKOFF;
    if (!was_ready) /* the server that was good so far is asked first */
        conn->turn++;
    int64_t delay_ms = ef_backoff_ms(&conn->backoff, ++conn->attempts, &conn->rng);
    log_trouble(conn, why, delay_ms);
    ef_timer_start(&conn->timer, delay_ms * EF_MS_US);
    fail_requests(conn, sent);
    if (was_ready)
        conn->reconnects++;
    conn->was_up = false;
    conn->down(conn->arg, why);
}

void ef_my_conn_reset(struct ef_my_conn *conn, const struct ef_error *why)
{
    if (conn->state != EF_MY_STOPPED && conn->state != EF_MY_BACKOFF)
        go_down(conn, why);
}

/* --- running requests --- */

static void start_op(struct ef_my_conn *conn, enum ef_my_op op)
{
    conn->op = op;
    conn->suspended = false;
}

static void limit_statement(struct ef_my_conn *conn)
{
    ef_timer_start(&conn->timer,
                   (conn->database->statement_timeout_ms + STATEMENT_GRACE_MS) * EF_MS_US);
}

static void watch_idle(struct ef_my_conn *conn)
{
    ef_io_start(&conn->io, mysql_get_socket(conn->my), EF_IO_READ);
}

static void run_head(struct ef_my_conn *conn)
{
    if (!conn->head) {
        watch_idle(conn);
        return;
    }
    conn->running = true;
    conn->set = -1;
    conn->answer.affected_total = conn->answer.statements = 0;
    clear_values(conn);
    limit_statement(conn);
    start_op(conn, EF_MY_OP_QUERY);
    /* not from inside a submit: what is ready at once would be completed there */
    ef_defer(&conn->go_on);
}

static void set_up(struct ef_my_conn *conn)
{
    struct ef_error err;
    if (!ef_my_session_take(conn->my, &conn->answer, &conn->session, &err)) {
        go_down(conn, &err);
        return;
    }
    conn->state = EF_MY_READY;
    conn->attempts = 0;
    conn->was_up = true;
    run_head(conn);
    conn->up(conn->arg);
}

static void put_first(struct ef_my_conn *conn, const char *text)
{
    struct ef_buf sql;
    ef_buf_init(&sql, 4096);
    ef_buf_puts(&sql, text);
    struct ef_my_request *req = ef_my_request_new(&sql, NULL, NULL);
    req->next = conn->head;
    conn->head = req;
    if (!req->next)
        conn->tail = &req->next;
}

/* err NULL: well. Frees the request. */
static void head_finished(struct ef_my_conn *conn, const struct ef_error *err)
{
    struct ef_my_request *req = conn->head;
    uint64_t generation = conn->generation;
    ef_timer_stop(&conn->timer);
    start_op(conn, EF_MY_OP_NONE);
    conn->running = conn->paused = false;
    conn->head = req->next;
    if (!conn->head)
        conn->tail = &conn->head;
    if (conn->state == EF_MY_SETUP) {
        ef_my_request_free(req);
        if (err)
            go_down(conn, err);
        else
            set_up(conn);
        return;
    }
    if (err)
        put_first(conn, "ROLLBACK");
    conn->running = true; /* what `done` submits waits its turn */
    if (req->done)
        req->done(req->arg, err ? NULL : &conn->answer, err);
    ef_my_request_free(req);
    if (conn->generation != generation)
        return;
    conn->running = false;
    run_head(conn);
}

static void statement_failed(struct ef_my_conn *conn)
{
    struct ef_error err;
    unsigned code = mysql_errno(conn->my);
    error_of(conn, &err);
    if (ef_my_errno_ends_session(code)) {
        go_down(conn, &err);
        return;
    }
    if (conn->res)
        mysql_free_result(conn->res);
    conn->res = NULL;
    head_finished(conn, &err);
}

static void next_statement(struct ef_my_conn *conn)
{
    conn->answer.statements++;
    if (mysql_more_results(conn->my))
        start_op(conn, EF_MY_OP_NEXT);
    else
        head_finished(conn, NULL);
}

static void take_result(struct ef_my_conn *conn)
{
    struct ef_my_answer *a = &conn->answer;
    int n = a->statements;
    if (mysql_field_count(conn->my) == 0) {
        int64_t affected = (int64_t)mysql_affected_rows(conn->my);
        if (n < EF_MY_COUNTS_MAX)
            a->affected[n] = affected;
        a->affected_total += affected;
        next_statement(conn);
        return;
    }
    if (n < EF_MY_COUNTS_MAX)
        a->affected[n] = 0;
    clear_values(conn);
    conn->res = mysql_use_result(conn->my);
    if (!conn->res) {
        statement_failed(conn);
        return;
    }
    a->cols = (int)mysql_num_fields(conn->res);
    conn->set++;
    start_op(conn, EF_MY_OP_FETCH);
}

static void take_row(struct ef_my_conn *conn)
{
    struct ef_my_request *req = conn->head;
    if (!conn->row) {
        if (mysql_errno(conn->my)) {
            statement_failed(conn);
            return;
        }
        mysql_free_result(conn->res);
        conn->res = NULL;
        next_statement(conn);
        return;
    }
    const unsigned long *lengths = mysql_fetch_lengths(conn->res);
    start_op(conn, EF_MY_OP_FETCH); /* first: the callback may end it all */
    if (req->row)
        req->row(req->arg, conn->set, conn->row, lengths, conn->answer.cols);
    else
        keep_row(conn, lengths);
}

static void connected(struct ef_my_conn *conn)
{
    struct ef_error err;
    if (!conn->connected) {
        error_of(conn, &err);
        go_down(conn, &err);
        return;
    }
    if (!ef_my_session_encrypted_as_asked(conn->database, &conn->target, conn->my, &err)) {
        go_down(conn, &err);
        return;
    }
    struct ef_buf sql;
    ef_buf_init(&sql, 4096);
    ef_my_session_setup_sql(conn->database, conn->my, &sql);
    struct ef_my_request *req = ef_my_request_new(&sql, NULL, NULL);
    conn->state = EF_MY_SETUP;
    *conn->tail = req;
    conn->tail = &req->next;
    run_head(conn);
}

static void op_done(struct ef_my_conn *conn)
{
    switch (conn->op) {
    case EF_MY_OP_CONNECT:
        start_op(conn, EF_MY_OP_NONE);
        connected(conn);
        break;
    case EF_MY_OP_QUERY:
        if (conn->failed)
            statement_failed(conn);
        else
            take_result(conn);
        break;
    case EF_MY_OP_NEXT:
        if (conn->failed > 0)
            statement_failed(conn);
        else
            take_result(conn);
        break;
    default:
        take_row(conn);
    }
}

static void watch(struct ef_my_conn *conn, int wait)
{
    int events = (wait & (MYSQL_WAIT_READ | MYSQL_WAIT_EXCEPT) ? EF_IO_READ : 0) |
                 (wait & MYSQL_WAIT_WRITE ? EF_IO_WRITE : 0);
    ef_io_start(&conn->io, mysql_get_socket(conn->my), events);
}

/* The library asks each recv() not to wait, but OpenSSL reads and writes the socket as it is: in a
 * blocking one a TLS connection would stop the loop until the server answers. While it connects
 * the library sets the mode itself, so it is looked at until that has ended. */
static void forbid_blocking(MYSQL *my)
{
    int fd = mysql_get_socket(my);
    int flags = fd >= 0 ? fcntl(fd, F_GETFL) : -1;
    if (flags >= 0 && !(flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/*
 * OpenSSL has one queue of errors for a thread, and takes one that a lost connection has left for
 * another's: a read that only has to wait would end that one too (SSL_get_error(3)). libmariadb
 * empties it when it connects, which is done by another thread. It may be built with another
 * library than OpenSSL: then there is nothing to find.
 */
static void forget_tls_errors(void)
{
    static void (*clear)(void);
    static bool looked_for;
    if (!looked_for)
        *(void **)&clear = dlsym(RTLD_DEFAULT, "ERR_clear_error");
    looked_for = true;
    if (clear)
        clear();
}

static void drive(struct ef_my_conn *conn, int ready)
{
    uint64_t generation = conn->generation;
    int steps = 0;
    while (conn->generation == generation && conn->op != EF_MY_OP_NONE && !conn->paused) {
        forget_tls_errors();
        int wait = step(conn, ready);
        conn->suspended = wait != 0;
        if (conn->op == EF_MY_OP_CONNECT)
            forbid_blocking(conn->my);
        if (wait) {
            watch(conn, wait);
            return;
        }
        op_done(conn);
        if (++steps == ROWS_PER_TURN && conn->generation == generation && !conn->paused &&
            conn->op != EF_MY_OP_NONE) {
            ef_io_stop(&conn->io);
            ef_defer(&conn->go_on);
            return;
        }
    }
}

static void on_go_on(void *arg)
{
    struct ef_my_conn *conn = arg;
    if (!conn->suspended)
        drive(conn, 0);
}

/* A server that ends an idle session closes it, or says so first. */
static void idle_ready(struct ef_my_conn *conn)
{
    char byte;
    ssize_t n = recv(mysql_get_socket(conn->my), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    struct ef_error err;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && mysql_get_ssl_cipher(conn->my)) {
        ef_io_stop(&conn->io); /* TLS may have something of its own; the next statement reads it */
        return;
    }
    ef_error_set(&err, EF_CLASS_OUTAGE, "server closed the connection");
    go_down(conn, &err);
}

static void dial_ended(struct ef_my_conn *conn)
{
    bool is_connected;
    ef_io_stop(&conn->io);
    conn->my = ef_my_dial_take(conn->dial, &is_connected);
    conn->dial = NULL;
    conn->connected = is_connected ? conn->my : NULL;
    if (is_connected)
        forbid_blocking(conn->my);
    connected(conn);
}

static void on_io(void *arg, int events)
{
    struct ef_my_conn *conn = arg;
    if (conn->dial)
        dial_ended(conn);
    else if (conn->suspended)
        drive(conn, (events & EF_IO_READ ? MYSQL_WAIT_READ : 0) |
                        (events & EF_IO_WRITE ? MYSQL_WAIT_WRITE : 0));
    else if (conn->op == EF_MY_OP_NONE && conn->state == EF_MY_READY)
        idle_ready(conn);
}

void ef_my_conn_pause(struct ef_my_conn *conn)
{
    conn->paused = true;
    ef_timer_stop(&conn->timer);
    ef_io_stop(&conn->io);
}

void ef_my_conn_continue(struct ef_my_conn *conn)
{
    if (!conn->paused)
        return;
    conn->paused = false;
    limit_statement(conn);
    ef_defer(&conn->go_on);
}

/* --- connecting --- */

static void dial(struct ef_my_conn *conn)
{
    MYSQL *my = conn->my;
    conn->my = NULL;
    conn->dial = ef_my_dial_start(my, &conn->target, conn->default_database);
    if (conn->dial) {
        ef_io_start(&conn->io, ef_my_dial_fd(conn->dial), EF_IO_READ);
        return;
    }
    struct ef_error err;
    ef_error_set(&err, EF_CLASS_OUTAGE, "could not connect: no thread or descriptor is left");
    go_down(conn, &err);
}

static void start_library(struct ef_my_conn *conn)
{
    struct ef_error err;
    conn->my = ef_my_session_new(conn->database, conn->program_name, &conn->target, &err);
    if (!conn->my) {
        go_down(conn, &err);
        return;
    }
    conn->state = EF_MY_CONNECTING;
    ef_timer_start(&conn->timer, conn->database->connect_timeout_ms * EF_MS_US);
    if (ef_my_session_asks_for_tls(conn->database, &conn->target)) {
        dial(conn);
        return;
    }
    start_op(conn, EF_MY_OP_CONNECT);
    drive(conn, 0);
}

static void on_resolved(void *arg, const char *const *addresses, int count,
                        const struct ef_error *err)
{
    struct ef_my_conn *conn = arg;
    conn->resolving = NULL;
    if (err) {
        go_down(conn, err);
        return;
    }
    int round = conn->turn / conn->target.hosts;
    conn->target.address = ef_xstrdup(addresses[round % count]);
    start_library(conn);
}

static void begin_connect(struct ef_my_conn *conn)
{
    struct ef_error err;
    ef_my_target_done(&conn->target);
    if (!ef_my_target_of(conn->database, conn->turn, &conn->target, &err)) {
        go_down(conn, &err);
        return;
    }
    if (!conn->target.lookup) {
        start_library(conn);
        return;
    }
    conn->state = EF_MY_RESOLVING;
    ef_timer_start(&conn->timer, conn->database->connect_timeout_ms * EF_MS_US);
    conn->resolving = ef_resolve(conn->resolver, conn->target.host, on_resolved, conn);
}

static void on_timer(void *arg)
{
    struct ef_my_conn *conn = arg;
    struct ef_error err;
    switch (conn->state) {
    case EF_MY_BACKOFF:
        begin_connect(conn);
        return;
    case EF_MY_READY:
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

void ef_my_conn_init(struct ef_my_conn *conn)
{
    conn->state = EF_MY_STOPPED;
    conn->tail = &conn->head;
    conn->failed_tail = &conn->failed_head;
    conn->backoff = (struct ef_backoff){
        .strategy = EF_BACKOFF_EXPONENTIAL, .base_ms = 100, .max_ms = 10000, .jitter = true};
    ef_rng_seed_os(&conn->rng);
    ef_io_init(&conn->io, conn->loop, "store", on_io, conn);
    ef_timer_init(&conn->timer, conn->loop, "store", on_timer, conn);
    ef_deferred_init(&conn->fail_later, conn->loop, "store", run_failed, conn);
    ef_deferred_init(&conn->go_on, conn->loop, "store", on_go_on, conn);
}

void ef_my_conn_start(struct ef_my_conn *conn)
{
    conn->state = EF_MY_BACKOFF;
    ef_timer_start(&conn->timer, 0);
}

void ef_my_conn_stop(struct ef_my_conn *conn)
{
    bool sent = conn->running;
    close_my(conn);
    conn->state = EF_MY_STOPPED;
    ef_error_set(&conn->last_error, EF_CLASS_OUTAGE, "connection closed");
    fail_requests(conn, sent);
    ef_deferred_cancel(&conn->fail_later);
    run_failed(conn);
    ef_my_target_done(&conn->target);
    free(conn->answer.values);
    conn->answer.values = NULL;
    conn->values_size = 0;
}

bool ef_my_conn_ready(const struct ef_my_conn *conn)
{
    return conn->state == EF_MY_READY;
}
