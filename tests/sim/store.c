// SPDX-License-Identifier: MIT
/* The verbs of store/store.h as statements of the simulated database (answers.c: what comes back).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/str.h"
#include "sim/choice.h"
#include "sim/link_private.h"
#include "sim/world.h"

#define LOOK_EVERY_US EF_S_US /* as my_fetch.c */

void sim_server_name(char *out, size_t size, int timeline)
{
    snprintf(out, size, "7000000000000000001/%08X", (unsigned)timeline);
}

/* --- verbs --- */

static void open_store(struct ef_store *store)
{
    sim_link_open(sim_store_of(store));
}

static void simple(struct ef_store *store, int conn, enum sim_stmt_kind kind)
{
    struct sim_store *s = sim_store_of(store);
    sim_submit(s, conn, sim_request_new(s, kind));
}

static void check(struct ef_store *store)
{
    simple(store, CONN_READ, SIM_CHECK);
}

static void acquire(struct ef_store *store, const struct ef_acquire *a)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_ACQUIRE);
    struct sim_stmt *q = &r->trip->stmt;
    q->ttl_ms = a->ttl_ms;
    snprintf(q->label, sizeof(q->label), "%s", a->owner);
    snprintf(q->token, sizeof(q->token), "%s", a->token);
    snprintf(q->old_token, sizeof(q->old_token), "%s", a->old_token ? a->old_token : "");
    sim_submit(s, CONN_LEASE, r);
}

static void renew(struct ef_store *store, int64_t epoch, int64_t ttl_ms)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_RENEW);
    r->trip->stmt.epoch = epoch;
    r->trip->stmt.ttl_ms = ttl_ms;
    s->renew_sent_us = ef_clock_mono().us;
    sim_submit(s, CONN_LEASE, r);
}

static void release(struct ef_store *store, int64_t epoch)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_RELEASE);
    r->trip->stmt.epoch = epoch;
    sim_submit(s, CONN_LEASE, r);
}

static void fetch(struct ef_store *store, const struct ef_fetch *f)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_FETCH);
    struct sim_stmt *q = &r->trip->stmt;
    q->epoch = f->epoch;
    q->fetch = *f;
    if (q->gaps_size < f->gap_count) {
        q->gaps_size = f->gap_count;
        q->gaps = ef_xrealloc(q->gaps, (size_t)q->gaps_size * sizeof(*q->gaps));
    }
    for (int i = 0; i < f->gap_count; i++)
        q->gaps[i] = f->gaps[i];
    q->fetch.gaps = q->gaps;
    q->seen_count = 0;
    s->reads++;
    int64_t now_us = ef_clock_mono().us;
    q->look = sim_world.mysql && f->gap_count > 0 && f->all_gaps &&
              (s->looked_us == 0 || now_us - s->looked_us >= LOOK_EVERY_US);
    if (q->look)
        s->looked_us = now_us;
    s->fetch = (struct sim_fetch){.active = true, .max_bytes = f->max_bytes};
    sim_submit(s, CONN_READ, r);
}

static void fetch_continue(struct ef_store *store)
{
    sim_link_continue(sim_store_of(store));
}

static void fetch_cancel(struct ef_store *store)
{
    struct sim_store *s = sim_store_of(store);
    s->fetch.discard = true;
    sim_link_continue(s);
}

static void settle(struct ef_store *store, int64_t epoch, const struct ef_settle_run *runs,
                   int count)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_SETTLE);
    struct sim_stmt *q = &r->trip->stmt;
    q->epoch = epoch;
    q->count = count;
    if (q->runs_size < count) {
        q->runs_size = count;
        q->runs = ef_xrealloc(q->runs, (size_t)count * sizeof(*q->runs));
    }
    memcpy(q->runs, runs, (size_t)count * sizeof(*runs));
    sim_submit(s, CONN_SETTLE, r);
}

static void submit_marks(struct sim_store *s, int64_t epoch, const struct ef_decision *d, int count)
{
    struct request *r = sim_request_new(s, SIM_MARK);
    struct sim_stmt *q = &r->trip->stmt;
    q->epoch = epoch;
    q->count = count;
    if (q->decisions_size < count) {
        q->decisions_size = count;
        q->decisions = ef_xrealloc(q->decisions, (size_t)count * sizeof(*d));
    }
    memcpy(q->decisions, d, (size_t)count * sizeof(*d));
    for (int i = 0; i < count; i++) /* the texts go when this returns */
        q->decisions[i].error = sim_db_text(d[i].error);
    sim_submit(s, CONN_SETTLE, r);
}

static void submit_delivered(struct sim_store *s, int64_t epoch, const struct ef_decision *d,
                             int count)
{
    struct request *r = sim_request_new(s, SIM_SETTLE_DURABLY);
    struct sim_stmt *q = &r->trip->stmt;
    q->epoch = epoch;
    q->count = 0;
    if (q->runs_size < count) {
        q->runs_size = count;
        q->runs = ef_xrealloc(q->runs, (size_t)count * sizeof(*q->runs));
    }
    for (int i = 0; i < count; i++)
        if (d[i].kind == EF_DECIDE_DELIVERED)
            q->runs[q->count++] =
                (struct ef_settle_run){d[i].id, d[i].id, d[i].created_us, d[i].created_us};
    sim_submit(s, CONN_SETTLE, r);
}

static void decide(struct ef_store *store, int64_t epoch, const struct ef_decision *d, int count)
{
    struct sim_store *s = sim_store_of(store);
    int delivered = 0;
    for (int i = 0; i < count; i++)
        delivered += d[i].kind == EF_DECIDE_DELIVERED;
    s->decide_rows = 0;
    s->decide_failed = false;
    s->decide_pending = (delivered > 0) + (delivered < count);
    if (delivered < count)
        submit_marks(s, epoch, d, count);
    if (delivered > 0)
        submit_delivered(s, epoch, d, count);
}

static void release_topic(struct ef_store *store, int64_t epoch, struct ef_slice topic, int limit)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_RELEASE_TOPIC);
    struct sim_stmt *q = &r->trip->stmt;
    q->epoch = epoch;
    q->limit = limit;
    q->topic = topic.p ? sim_db_topic(topic) : -1;
    sim_submit(s, CONN_SETTLE, r);
}

static void waiting(struct ef_store *store)
{
    simple(store, CONN_SETTLE, SIM_WAITING);
}

static void lag(struct ef_store *store)
{
    simple(store, CONN_SETTLE, SIM_LAG);
}

static void maintain(struct ef_store *store, int64_t epoch)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_MAINTAIN);
    r->trip->stmt.epoch = epoch;
    sim_submit(s, CONN_SETTLE, r);
}

static void pause_verb(struct ef_store *store, bool pause, const char *actor, const char *reason)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_PAUSE);
    r->trip->stmt.flag = pause;
    r->trip->stmt.actor = sim_db_text(actor);
    r->trip->stmt.why = sim_db_text(reason);
    sim_submit(s, CONN_LEASE, r);
}

static void operate(struct ef_store *store, const struct ef_operate *question)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_OPERATE);
    struct sim_stmt *q = &r->trip->stmt;
    q->asked = question->kind;
    q->command = (int)question->command;
    q->verb = sim_db_text(question->verb);
    q->args = sim_db_text(question->args);
    q->actor = sim_db_text(question->actor);
    sim_submit(s, CONN_LEASE, r);
}

static void next_command(struct ef_store *store)
{
    simple(store, CONN_SETTLE, SIM_NEXT_COMMAND);
}

static void carry_out(struct ef_store *store, int64_t epoch, const struct ef_command *command)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_CARRY_OUT);
    r->trip->stmt.epoch = epoch;
    ef_command_done(&r->trip->stmt.order);
    ef_command_copy(command, &r->trip->stmt.order);
    sim_submit(s, CONN_SETTLE, r);
}

static void holds(struct ef_store *store)
{
    simple(store, CONN_SETTLE, SIM_HOLDS);
}

static void examine(struct ef_store *store, const struct ef_examine *question)
{
    (void)question;
    simple(store, CONN_SETTLE, SIM_EXAMINE);
}

static void arm_wakeup(struct ef_store *store, bool armed)
{
    struct sim_store *s = sim_store_of(store);
    struct request *r = sim_request_new(s, SIM_BELL);
    r->trip->stmt.flag = armed;
    sim_submit(s, CONN_LEASE, r);
}

static void arm_nothing(struct ef_store *store, bool armed)
{
    (void)store;
    (void)armed;
}

/* --- the doorbell --- */

static void on_bell(void *arg)
{
    struct sim_store *s = arg;
    ef_store_did_wakeup(&s->store);
}

static void ring(void)
{
    struct sim_store *s;
    DL_FOREACH (sim_links.stores, s)
        if (s->up && !s->conns[CONN_LEASE].broken)
            sim_event_start(&s->bell,
                            sim_delay(SITE_LINK_BELL, s->relay, 50, sim_links.config.back_max_us));
}

/* --- life --- */

static void on_closed(void *arg)
{
    struct sim_store *s = arg;
    sim_link_close(s);
    sim_event_stop(&s->bell);
    ef_store_did_close(&s->store);
}

static void close_store(struct ef_store *store)
{
    struct sim_store *s = sim_store_of(store);
    s->fetch.discard = true;
    ef_defer(&s->closed_later);
}

static void free_store(struct ef_store *store)
{
    struct sim_store *s = sim_store_of(store);
    sim_link_forget(s);
    sim_event_stop(&s->bell);
    free(s);
}

static const struct ef_store_ops ops = {
    .driver = "simulated",
    .caps = EF_STORE_WAKEUP | EF_STORE_LEASES | EF_STORE_REWRITES,
    .open = open_store,
    .check = check,
    .acquire = acquire,
    .renew = renew,
    .release = release,
    .fetch = fetch,
    .fetch_continue = fetch_continue,
    .fetch_cancel = fetch_cancel,
    .settle = settle,
    .decide = decide,
    .release_topic = release_topic,
    .waiting = waiting,
    .lag = lag,
    .maintain = maintain,
    .pause = pause_verb,
    .operate = operate,
    .next_command = next_command,
    .carry_out = carry_out,
    .holds = holds,
    .examine = examine,
    .arm_wakeup = arm_wakeup,
    .close = close_store,
    .free = free_store,
};

/* MySQL's driver can do less. */
static const struct ef_store_ops *ops_now(void)
{
    static struct ef_store_ops my_ops;
    my_ops = ops;
    my_ops.caps = EF_STORE_LEASES;
    my_ops.arm_wakeup = arm_nothing;
    return sim_world.mysql ? &my_ops : &ops;
}

struct ef_store *sim_store_new(struct ef_loop *loop, int relay, const char *name,
                               const char *const *topics, const struct ef_store_user *user,
                               void *arg)
{
    struct sim_store *s = ef_xcalloc(1, sizeof(*s));
    ef_store_init(&s->store, ops_now(), name, user, arg);
    s->loop = loop;
    s->relay = relay;
    s->topics = topics;
    sim_link_init(s);
    ef_deferred_init(&s->closed_later, loop, "sim", on_closed, s);
    sim_event_init(&s->bell, loop, on_bell, s);
    sim_db_on_bell(ring);
    return &s->store;
}

void sim_store_break(struct ef_store *store, int conn, int64_t late_us, int64_t notice_us)
{
    sim_conn_break(&sim_store_of(store)->conns[conn], late_us, notice_us);
}

void sim_store_watch(struct ef_store *store)
{
    struct sim_store *s = sim_store_of(store);
    s->unbroken = s->up;
    for (int i = 0; i < CONNS; i++)
        if (s->conns[i].broken)
            s->unbroken = false;
}

bool sim_store_unbroken(const struct ef_store *store)
{
    return ((const struct sim_store *)store)->unbroken;
}
