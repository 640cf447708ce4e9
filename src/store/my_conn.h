// SPDX-License-Identifier: MIT
/*
 * One MySQL or MariaDB connection on the loop: connects, sets the session up, runs requests one
 * after the other, reconnects with backoff (one attempt at a time), and never blocks.
 *
 * A request is one text of several statements, sent in one packet; their results come one after the
 * other. After an error the session is rolled back before anything else runs.
 *
 * Owns: the MYSQL and the queued requests. A request is owned by the connection once submitted; its
 * `done` is called exactly once, never from inside ef_my_conn_submit. Thread: the loop's. Life:
 * _init -> _start -> up/down... -> _stop (no upcalls after it; queued requests are completed
 * first).
 */
#pragma once

#include <mysql.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/str.h"
#include "config/config.h"
#include "loop/loop.h"
#include "loop/resolver.h"
#include "store/my_dial.h"
#include "store/my_session.h"

enum { EF_MY_COUNTS_MAX = 8 };

/* What a request's statements gave, until `done` returns. */
struct ef_my_answer {
    char **values; /* of the last result set: rows x cols texts; NULL is SQL NULL */
    int rows, cols;
    int64_t affected[EF_MY_COUNTS_MAX]; /* by statement, in their order; 0 for a result set */
    int64_t affected_total;
    int statements;
};

struct ef_my_request {
    struct ef_my_request *next;
    char *sql; /* owned */
    size_t sql_len;
    bool uncertain; /* private: it was sent when the connection went */
    /* Each row as it comes, set: number of its result set from 0; or NULL: into the answer. */
    void (*row)(void *arg, int set, char **values, const unsigned long *lengths, int cols);
    /* answer is NULL on error; NULL done: nobody waits for it */
    void (*done)(void *arg, const struct ef_my_answer *answer, const struct ef_error *err);
    void *arg;
};

enum ef_my_state {
    EF_MY_STOPPED,
    EF_MY_BACKOFF,
    EF_MY_RESOLVING,
    EF_MY_CONNECTING,
    EF_MY_SETUP,
    EF_MY_READY
};

/* libmariadb's call that is under way */
enum ef_my_op { EF_MY_OP_NONE, EF_MY_OP_CONNECT, EF_MY_OP_QUERY, EF_MY_OP_FETCH, EF_MY_OP_NEXT };

struct ef_my_conn {
    struct ef_loop *loop;
    struct ef_resolver *resolver;
    const struct ef_config_database *database;
    char program_name[64];
    const char *default_database; /* borrowed; NULL: none (MariaDB has no JSON_TABLE then) */
    const char *purpose;          /* "read", "settle", "lease" */
    void (*up)(void *arg);
    void (*down)(void *arg, const struct ef_error *err);
    void *arg;

    /* the rest is private */
    enum ef_my_state state;
    struct ef_my_session session;
    struct ef_my_target target; /* of this attempt */
    MYSQL *my;
    struct ef_my_dial *dial; /* has the MYSQL while it connects with TLS */
    MYSQL_RES *res;
    enum ef_my_op op;
    bool suspended; /* op was started and waits for the socket */
    MYSQL *connected;
    MYSQL_ROW row;
    int failed; /* result of the call */
    int set;    /* of the running request */
    struct ef_my_answer answer;
    int values_size;
    uint64_t generation; /* counts connections: a callback may have ended this one */
    struct ef_io io;
    struct ef_timer timer; /* backoff, connect timeout, or the running request's limit */
    struct ef_deferred fail_later, go_on;
    struct ef_backoff backoff;
    int attempts;
    struct ef_rng rng;
    struct ef_my_request *head, **tail; /* head runs when READY */
    struct ef_my_request *failed_head, **failed_tail;
    bool running, paused, was_up;
    struct ef_error last_error;
    struct ef_resolve *resolving;
    int turn; /* which host, which address */
    struct ef_log_limit log_limit;
    uint64_t reconnects;
};

void ef_my_conn_init(struct ef_my_conn *conn);
void ef_my_conn_start(struct ef_my_conn *conn);
void ef_my_conn_stop(struct ef_my_conn *conn);
bool ef_my_conn_ready(const struct ef_my_conn *conn);

/* sql is taken over, and empty afterwards. */
struct ef_my_request *ef_my_request_new(struct ef_buf *sql,
                                        void (*done)(void *arg, const struct ef_my_answer *answer,
                                                     const struct ef_error *err),
                                        void *arg);
/* One that was not submitted. */
void ef_my_request_free(struct ef_my_request *req);
void ef_my_conn_submit(struct ef_my_conn *conn, struct ef_my_request *req);

/* Stop and go on taking rows of the running request. */
void ef_my_conn_pause(struct ef_my_conn *conn);
void ef_my_conn_continue(struct ef_my_conn *conn);
/* Throw the connection away and connect again. */
void ef_my_conn_reset(struct ef_my_conn *conn, const struct ef_error *why);

/* A value of the answer; "" for NULL. */
const char *ef_my_text(const struct ef_my_answer *answer, int row, int col);
int64_t ef_my_int(const struct ef_my_answer *answer, int row, int col, int64_t otherwise);
