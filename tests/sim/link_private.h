// SPDX-License-Identifier: MIT
/* The driver's inside, shared by link.c (connections) and store.c (verbs, rows, answers). */
#pragma once

#include "sim/link.h"

enum { CONN_READ, CONN_SETTLE, CONN_LEASE, CONNS };
enum conn_state { CONN_DOWN, CONN_READY };

/* A statement as the database's side has it: once sent, it no longer needs who asked. */
enum trip_state {
    TRIP_NEW,     /* waits for its turn */
    TRIP_AWAY,    /* on its way there, or at work: in the list of trips */
    TRIP_DONE,    /* its answer is on its way back, or being taken */
    TRIP_NOWHERE, /* lost, or its answer is */
};

struct trip {
    struct trip *prev, *next;
    enum trip_state state;
    struct request *request; /* NULL: nobody waits for it any more */
    struct sim_event arrival;
    struct sim_stmt stmt;
};

struct request {
    struct request *prev, *next; /* in a connection's queue, or the failed list */
    struct sim_store *store;
    int conn;
    enum sim_stmt_kind kind;
    bool uncertain;    /* was sent when its connection went */
    bool part;         /* of a decide */
    struct trip *trip; /* NULL: it has failed */
    struct sim_event answer;
};

struct conn {
    struct sim_store *store;
    enum conn_state state;
    bool broken; /* and perhaps not noticed yet */
    bool sent;   /* the head of the queue is on its way, there or back */
    int server;  /* timeline it is connected to */
    struct request *queue;
    struct ef_timer retry, limit;
    struct sim_event notice;
};

struct sim_fetch {
    bool active, discard, began, rewritten;
    int given;
    int64_t max_bytes, bytes_since_pause;
    struct request *waits; /* paused */
};

struct sim_store {
    struct ef_store store; /* first */
    struct sim_store *prev, *next;
    struct ef_loop *loop;
    int relay;
    const char *const *topics;
    struct conn conns[CONNS];
    bool up, was_up, unbroken, gone;
    struct request *failed;
    struct ef_deferred fail_later, closed_later;
    struct sim_fetch fetch;
    unsigned filenode;
    uint32_t serial; /* of the grant that was heard of last */
    /* on MySQL: reads counted, the last that found no open row in its gaps, when it looked */
    uint64_t reads, clean_read;
    int64_t looked_us;
    uint64_t xid_ceiling;
    int64_t xid_ceiling_us, renew_sent_us;
    int decide_pending;
    bool decide_failed;
    int64_t decide_rows;
    struct ef_error decide_error;
    struct sim_event bell;
};

struct sim_links {
    struct sim_link_config config;
    bool reachable, mended;
    struct sim_store *stores;
    struct trip *away;
    struct trip *spare_trips;
    struct request *spare_requests;
};

extern struct sim_links sim_links;

static inline struct sim_store *sim_store_of(struct ef_store *store)
{
    return (struct sim_store *)store;
}

void sim_server_name(char *out, size_t size, int timeline);

/* link.c */
struct request *sim_request_new(struct sim_store *s, enum sim_stmt_kind kind);
void sim_request_free(struct request *r);
void sim_submit(struct sim_store *s, int conn, struct request *r);
void sim_conn_break(struct conn *c, int64_t late_us, int64_t notice_us);
void sim_link_init(struct sim_store *s);
void sim_link_open(struct sim_store *s);
void sim_link_close(struct sim_store *s);
void sim_link_forget(struct sim_store *s);
void sim_link_continue(struct sim_store *s);

/* store.c */
void sim_complete(struct request *r, const struct ef_error *err);
void sim_fetch_begins(struct sim_store *s, const struct sim_stmt *q);
/* True: reading pauses. */
bool sim_fetch_chunk(struct sim_store *s, const struct sim_stmt *q);
