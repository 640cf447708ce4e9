// SPDX-License-Identifier: MIT
/*
 * One PostgreSQL connection on the loop: connects, sets the session up, runs requests one after the
 * other, reconnects with backoff (one attempt at a time), and never blocks.
 *
 * Owns: the PGconn and the queued requests. A request is owned by the connection once submitted;
 * its `done` is called exactly once, never from inside ef_pg_conn_submit. Thread: the loop's. Life:
 * _init -> _start -> up/down... -> _stop (no upcalls after it; queued requests are completed
 * first).
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/log.h"
#include "config/config.h"
#include "loop/loop.h"
#include "loop/resolver.h"

enum { EF_PG_PARAMS_MAX = 16, EF_PG_PREPARED_MAX = 24 };

struct ef_pg_request {
    struct ef_pg_request *next;
    const char *name; /* prepared under this name (a string constant); NULL: not prepared */
    const char *sql;  /* borrowed until done */
    int param_count;
    char *params[EF_PG_PARAMS_MAX]; /* text form, owned; NULL is SQL NULL */
    bool uncertain;                 /* private: it was sent when the connection went */
    bool single_row;                /* each row goes to `row` as it comes */
    bool text;                      /* results in text form; else binary */
    void (*row)(void *arg, const PGresult *res);
    /* res: the last result, borrowed; NULL on error */
    void (*done)(void *arg, PGresult *res, const struct ef_error *err);
    void *arg;
};

enum ef_pg_state {
    EF_PG_STOPPED,
    EF_PG_BACKOFF,
    EF_PG_RESOLVING,
    EF_PG_CONNECTING,
    EF_PG_SETUP,
    EF_PG_READY
};

struct ef_pg_session { /* what the session's set-up found */
    char server[80];   /* system identifier '/' timeline */
    char system[32];   /* system identifier alone */
    int version;       /* 150020 */
    int backend_pid;
};

/*
 * Where one attempt goes. Of several hosts in a URL (host=a,b) each attempt takes the next one:
 * libpq would look them up itself, and its look-up blocks.
 */
struct ef_pg_target {
    char *host, *port; /* owned; NULL: as the URL says */
    int hosts;         /* in the URL */
    bool lookup;       /* host is a name */
    char *hostaddr;    /* owned; its address, once looked up */
};

struct ef_pg_conn {
    struct ef_loop *loop;
    struct ef_resolver *resolver;
    const struct ef_config_database *database;
    char application_name[64];
    const char *purpose; /* "read", "settle", "lease", "listen" */
    const char *url;     /* database->url or listen_url */
    void (*up)(void *arg);
    void (*down)(void *arg, const struct ef_error *err);
    void (*notified)(void *arg); /* may be NULL */
    void *arg;

    /* the rest is private */
    enum ef_pg_state state;
    struct ef_pg_session session;
    PGconn *pg;
    struct ef_io io;
    struct ef_timer timer; /* backoff, connect timeout, or the running statement's limit */
    struct ef_deferred fail_later;
    struct ef_backoff backoff;
    int attempts;
    struct ef_rng rng;
    struct ef_pg_request *head, **tail; /* head runs when READY */
    struct ef_pg_request *failed, **failed_tail;
    bool sent, preparing, paused, was_up;
    int result_index; /* which result of a wrapped (pooled) statement comes now */
    PGresult *last;
    struct ef_error last_error;
    const char *prepared[EF_PG_PREPARED_MAX];
    int prepared_count;
    struct ef_resolve *resolving;
    struct ef_pg_target target; /* of this attempt */
    int turn;                   /* which host, which address */
    struct ef_log_limit log_limit;
    uint64_t reconnects;
};

void ef_pg_conn_init(struct ef_pg_conn *conn);
void ef_pg_conn_start(struct ef_pg_conn *conn);
void ef_pg_conn_stop(struct ef_pg_conn *conn);
bool ef_pg_conn_ready(const struct ef_pg_conn *conn);

struct ef_pg_request *ef_pg_request_new(const char *name, const char *sql,
                                        void (*done)(void *arg, PGresult *res,
                                                     const struct ef_error *err),
                                        void *arg);
/* One that was not submitted. */
void ef_pg_request_free(struct ef_pg_request *req);
void ef_pg_param_int(struct ef_pg_request *req, int64_t value);
void ef_pg_param_text(struct ef_pg_request *req, const char *s); /* NULL allowed; copied */
void ef_pg_param_owned(struct ef_pg_request *req, char *s);      /* takes it */
void ef_pg_conn_submit(struct ef_pg_conn *conn, struct ef_pg_request *req);

/* Statements of these names get new texts: what the server has prepared is forgotten, in its turn.
 */
void ef_pg_conn_forget_prepared(struct ef_pg_conn *conn);

/* Stop and go on taking rows of the running single-row request. */
void ef_pg_conn_pause(struct ef_pg_conn *conn);
void ef_pg_conn_continue(struct ef_pg_conn *conn);
/* Throw the connection away (a statement that hangs) and connect again. */
void ef_pg_conn_reset(struct ef_pg_conn *conn, const struct ef_error *why);

/* Fill err from a failed result or connection; secrets do not get in. */
void ef_pg_error_from_result(struct ef_error *err, const PGresult *res);
