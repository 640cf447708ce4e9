// SPDX-License-Identifier: MIT
#include "sim/link.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/str.h"
#include "sim/choice.h"
#include "sim/cover.h"
#include "sim/link_private.h"
#include "sim/tell.h"
#include "sim/world.h"

struct sim_links sim_links;

static const char *const conn_names[CONNS] = {"reading", "settling", "lease"};

void sim_links_mend(void)
{
    sim_links.mended = true;
}

/* --- requests and trips --- */

static void on_arrival(void *arg);
static void on_answer(void *arg);

static struct trip *trip_new(struct request *r)
{
    struct trip *t = sim_links.spare_trips;
    if (t)
        sim_links.spare_trips = t->next;
    else
        t = ef_xcalloc(1, sizeof(*t));
    struct sim_stmt *q = &t->stmt;
    q->kind = r->kind;
    q->relay = r->store->relay;
    q->serial = r->store->serial;
    q->err.class = EF_CLASS_NONE;
    q->fenced = q->began = q->share_lock = q->flag = q->look = false;
    q->rows = 0;
    q->old_token[0] = '\0';
    t->request = r;
    t->state = TRIP_NEW;
    sim_event_init(&t->arrival, NULL, on_arrival, t);
    return t;
}

static void trip_free(struct trip *t)
{
    if (t->state == TRIP_AWAY)
        DL_DELETE(sim_links.away, t);
    sim_event_stop(&t->arrival);
    t->next = sim_links.spare_trips;
    sim_links.spare_trips = t;
}

void sim_links_reset(const struct sim_link_config *config)
{
    while (sim_links.away) /* of processes that are gone */
        trip_free(sim_links.away);
    sim_links.config = *config;
    sim_links.reachable = true;
    sim_links.mended = false;
}

struct request *sim_request_new(struct sim_store *s, enum sim_stmt_kind kind)
{
    struct request *r = sim_links.spare_requests;
    if (r)
        sim_links.spare_requests = r->next;
    else
        r = ef_xcalloc(1, sizeof(*r));
    r->store = s;
    r->kind = kind;
    r->uncertain = r->part = false;
    sim_event_init(&r->answer, s->loop, on_answer, r);
    r->trip = trip_new(r);
    return r;
}

void sim_request_free(struct request *r)
{
    sim_event_stop(&r->answer);
    if (r->trip)
        trip_free(r->trip);
    r->next = sim_links.spare_requests;
    sim_links.spare_requests = r;
}

/* Nobody waits for its statement any more; one that was sent may still happen. */
static void let_go(struct request *r)
{
    struct trip *t = r->trip;
    r->trip = NULL;
    sim_event_stop(&r->answer);
    t->request = NULL;
    if (t->state != TRIP_AWAY)
        trip_free(t);
}

static void no_answer(struct trip *t)
{
    if (t->state == TRIP_AWAY)
        DL_DELETE(sim_links.away, t);
    sim_event_stop(&t->arrival);
    t->state = TRIP_NOWHERE;
}

/* --- one connection: one statement after another --- */

static void answer_later(struct request *r)
{
    sim_event_start(&r->answer, sim_delay(SITE_LINK_BACK, sim_for(r->store->relay, r->kind), 50,
                                          sim_links.config.back_max_us));
}

/* Its connection breaks; perhaps its process stands still too, and another owner comes first. */
static void happen_late(struct conn *c, int relay, enum sim_stmt_kind kind)
{
    int what = sim_for(relay, kind);
    sim_conn_break(c, sim_delay(SITE_LINK_LATE_BY, what, EF_S_US, 30 * EF_S_US),
                   sim_delay(SITE_LINK_NOTICE, relay, 500, 2000000));
    if (sim_choose(SITE_LINK_LATE_FROZEN, what, 2))
        sim_relay_freeze(relay, sim_delay(SITE_LINK_LATE_FREEZE, what, EF_S_US, 20 * EF_S_US),
                         true);
}

static void send_head(struct conn *c)
{
    struct request *r = c->queue;
    if (!r || c->sent)
        return;
    c->sent = true;
    ef_timer_start(&c->limit, sim_links.config.statement_timeout_ms * EF_MS_US);
    int64_t delay = sim_delay(SITE_LINK_FORTH, sim_for(c->store->relay, r->kind), 50,
                              sim_links.config.forth_max_us);
    if (c->broken) { /* not noticed yet */
        r->trip->state = TRIP_NOWHERE;
        return;
    }
    r->trip->state = TRIP_AWAY;
    DL_APPEND(sim_links.away, r->trip);
    sim_event_start(&r->trip->arrival, delay);
    int relay = c->store->relay;
    if (!sim_links.mended &&
        sim_happens(SITE_LINK_LATE, sim_for(relay, r->kind), sim_links.config.late_permille))
        happen_late(c, relay, r->kind);
}

void sim_submit(struct sim_store *s, int conn, struct request *r)
{
    struct conn *c = &s->conns[conn];
    r->conn = conn;
    if (c->state != CONN_READY) {
        let_go(r);
        DL_APPEND(s->failed, r);
        ef_defer(&s->fail_later);
        return;
    }
    DL_APPEND(c->queue, r);
    send_head(c);
}

/* --- at the database --- */

static bool spoilt(struct trip *t)
{
    struct sim_stmt *q = &t->stmt;
    if (q->began || sim_links.mended ||
        !sim_happens(SITE_LINK_ERROR, sim_for(q->relay, q->kind), sim_links.config.error_permille))
        return false;
    bool lock = sim_choose(SITE_LINK_ERROR_KIND, sim_for(q->relay, q->kind), 2) != 0;
    ef_error_set(&q->err, EF_CLASS_TRANSIENT, "canceling statement due to %s timeout",
                 lock ? "lock" : "statement");
    ef_error_code(&q->err, 0, lock ? "55P03" : "57014");
    return true;
}

static void answer(struct trip *t)
{
    struct request *r = t->request;
    if (!r) {
        trip_free(t);
        return;
    }
    struct conn *c = &r->store->conns[r->conn];
    DL_DELETE(sim_links.away, t);
    if (c->broken) {
        t->state = TRIP_NOWHERE;
        return;
    }
    t->state = TRIP_DONE;
    int relay = r->store->relay;
    if (sim_links.mended ||
        !sim_happens(SITE_LINK_LOST, sim_for(relay, r->kind), sim_links.config.lost_permille)) {
        answer_later(r);
        return;
    }
    TELL("relay %d: its %s connection breaks before the answer", relay, conn_names[r->conn]);
    sim_conn_break(c, 0, sim_delay(SITE_LINK_NOTICE, relay, 500, 2000000));
}

static void on_arrival(void *arg)
{
    struct trip *t = arg;
    t->stmt.late = !t->request;
    if (!spoilt(t)) {
        int64_t wait_us = sim_db_execute(&t->stmt);
        if (wait_us > 0) {
            sim_event_start(&t->arrival, wait_us);
            return;
        }
    }
    answer(t);
}

/* --- answers --- */

/* Rows come in chunks, each later than the one before. True: this is not the end yet. */
static bool hand_over_rows(struct request *r)
{
    struct sim_store *s = r->store;
    struct sim_stmt *q = &r->trip->stmt;
    sim_fetch_begins(s, q);
    if (s->fetch.discard || q->fenced || q->err.class != EF_CLASS_NONE ||
        s->fetch.given == q->seen_count)
        return false;
    bool paused = sim_fetch_chunk(s, q);
    if (s->fetch.given == q->seen_count && !paused)
        return false;
    if (paused)
        s->fetch.waits = r;
    else
        answer_later(r);
    return true;
}

static void on_answer(void *arg)
{
    struct request *r = arg;
    struct conn *c = &r->store->conns[r->conn];
    struct sim_stmt *q = &r->trip->stmt;
    if (r->kind == SIM_FETCH && hand_over_rows(r))
        return;
    DL_DELETE(c->queue, r);
    c->sent = false;
    ef_timer_stop(&c->limit);
    const struct ef_error *err = q->err.class == EF_CLASS_NONE ? NULL : &q->err;
    if (err)
        r->store->unbroken = false;
    sim_cover_answer(r->kind, err);
    sim_complete(r, err);
    sim_request_free(r);
    if (c->state == CONN_READY)
        send_head(c);
}

void sim_link_continue(struct sim_store *s)
{
    struct request *r = s->fetch.waits;
    if (!r)
        return;
    s->fetch.waits = NULL;
    answer_later(r);
}

/* --- going down and coming back --- */

/* Completions never run inside the call that started them. */
static void on_fail_later(void *arg)
{
    struct sim_store *s = arg;
    while (s->failed) {
        struct request *r = s->failed;
        struct ef_error err;
        DL_DELETE(s->failed, r);
        ef_error_set(&err, r->uncertain ? EF_CLASS_UNCERTAIN : EF_CLASS_OUTAGE,
                     "no connection to the database");
        sim_cover_answer(r->kind, &err);
        sim_complete(r, &err);
        sim_request_free(r);
    }
}

static void fail_requests(struct conn *c)
{
    struct sim_store *s = c->store;
    struct request *r, *next;
    DL_FOREACH_SAFE (c->queue, r, next) {
        DL_DELETE(c->queue, r);
        r->uncertain = r->trip->state != TRIP_NEW;
        let_go(r);
        DL_APPEND(s->failed, r);
    }
    if (c == &s->conns[CONN_READ])
        s->fetch.waits = NULL;
    c->sent = false;
    ef_defer(&s->fail_later);
}

static void now_down(struct sim_store *s)
{
    struct ef_error err;
    bool was = s->up;
    s->up = false;
    if (!s->conns[CONN_LEASE].state)
        s->store.wakeup_works = false;
    if (!was && s->was_up)
        return;
    s->was_up = true;
    ef_error_set(&err, EF_CLASS_OUTAGE, "the connection to the database is lost");
    ef_store_did_down(&s->store, &err);
}

static void go_down(struct conn *c)
{
    struct sim_store *s = c->store;
    c->state = CONN_DOWN;
    c->broken = true;
    ef_timer_stop(&c->limit);
    sim_event_stop(&c->notice);
    fail_requests(c);
    ef_timer_start(&c->retry, sim_delay(SITE_LINK_CONNECT, s->relay, 5 * EF_MS_US,
                                        sim_links.config.connect_max_ms * EF_MS_US));
    TELL("relay %d: its %s connection is lost", s->relay, conn_names[c - s->conns]);
    now_down(s);
}

static void on_notice(void *arg)
{
    struct conn *c = arg;
    if (c->state == CONN_READY)
        go_down(c);
}

static void on_limit(void *arg)
{
    struct conn *c = arg;
    TELL("relay %d: a statement got no answer", c->store->relay);
    if (c->state == CONN_READY)
        go_down(c);
}

void sim_conn_break(struct conn *c, int64_t late_us, int64_t notice_us)
{
    if (c->state != CONN_READY || c->broken)
        return;
    c->broken = true;
    c->store->unbroken = false;
    struct request *head = c->sent ? c->queue : NULL;
    struct trip *t = head ? head->trip : NULL;
    if (t && t->state == TRIP_DONE) {
        sim_event_stop(&head->answer);
        c->store->fetch.waits = NULL;
        t->state = TRIP_NOWHERE;
    } else if (t && t->state == TRIP_AWAY && !t->stmt.began) {
        if (late_us > 0)
            sim_event_start(&t->arrival, late_us);
        else
            no_answer(t);
    }
    sim_event_start(&c->notice, notice_us);
}

static void all_ready(struct sim_store *s)
{
    char server[80];
    for (int i = 0; i < CONNS; i++)
        if (s->conns[i].state != CONN_READY)
            return;
    for (int i = 0; i < CONNS; i++)
        if (s->conns[i].server != s->conns[CONN_LEASE].server) {
            for (int k = 0; k < CONNS; k++)
                go_down(&s->conns[k]);
            return;
        }
    if (s->up)
        return;
    s->up = s->was_up = true;
    s->store.wakeup_works = !sim_world.mysql;
    sim_server_name(server, sizeof(server), s->conns[CONN_LEASE].server);
    TELL("relay %d: connected to %s", s->relay, server);
    ef_store_did_up(&s->store, server);
}

static void on_retry(void *arg)
{
    struct conn *c = arg;
    struct sim_store *s = c->store;
    if (!sim_links.reachable) {
        ef_timer_start(&c->retry, sim_delay(SITE_LINK_CONNECT, s->relay, 100 * EF_MS_US,
                                            sim_links.config.connect_max_ms * EF_MS_US));
        now_down(s);
        return;
    }
    c->state = CONN_READY;
    c->broken = false;
    c->server = sim_db_timeline();
    all_ready(s);
}

/* --- life --- */

void sim_link_open(struct sim_store *s)
{
    for (int i = 0; i < CONNS; i++)
        ef_timer_start(&s->conns[i].retry,
                       sim_delay(SITE_LINK_CONNECT, s->relay, 5 * EF_MS_US, 50 * EF_MS_US));
}

void sim_link_init(struct sim_store *s)
{
    for (int i = 0; i < CONNS; i++) {
        struct conn *c = &s->conns[i];
        c->store = s;
        ef_timer_init(&c->retry, s->loop, "sim", on_retry, c);
        ef_timer_init(&c->limit, s->loop, "sim", on_limit, c);
        sim_event_init(&c->notice, s->loop, on_notice, c);
    }
    ef_deferred_init(&s->fail_later, s->loop, "sim", on_fail_later, s);
    DL_APPEND(sim_links.stores, s);
}

static void close_connections(struct sim_store *s)
{
    for (int i = 0; i < CONNS; i++) {
        struct conn *c = &s->conns[i];
        ef_timer_stop(&c->retry);
        ef_timer_stop(&c->limit);
        sim_event_stop(&c->notice);
        fail_requests(c);
        c->state = CONN_DOWN;
    }
    ef_deferred_cancel(&s->fail_later);
}

/* Its connections close; statements under way go on without it. */
void sim_link_close(struct sim_store *s)
{
    close_connections(s);
    on_fail_later(s);
}

void sim_link_forget(struct sim_store *s)
{
    struct request *r, *next;
    close_connections(s);
    DL_FOREACH_SAFE (s->failed, r, next) {
        DL_DELETE(s->failed, r);
        sim_request_free(r);
    }
    DL_DELETE(sim_links.stores, s);
}

/* --- the server --- */

void sim_server_gone(void)
{
    struct sim_store *s;
    DL_FOREACH (sim_links.stores, s)
        for (int i = 0; i < CONNS; i++)
            sim_conn_break(&s->conns[i], 0, sim_delay(SITE_LINK_NOTICE, s->relay, 500, 3000000));
    while (sim_links.away) {
        struct trip *t = sim_links.away;
        if (t->request)
            no_answer(t);
        else
            trip_free(t);
    }
}

void sim_server_reachable(bool reachable)
{
    sim_links.reachable = reachable;
}
