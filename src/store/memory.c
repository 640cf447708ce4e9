// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/str.h"
#include "store/memory_driver.h"

/* The doorbell rings: from a commit, so inside an application's call. */
static void on_ring(void *arg)
{
    struct ef_memory_store *s = arg;
    if (s->connected && s->opened)
        ef_timer_start(&s->bell, 0);
}

static void on_bell(void *arg)
{
    struct ef_memory_store *s = arg;
    ef_store_did_wakeup(&s->store);
}

/* --- verbs --- */

static void memory_open(struct ef_store *store)
{
    struct ef_memory_store *s = ef_memory_store_of(store);
    s->opened = true;
    ef_defer(&s->changed_later);
}

static void memory_check(struct ef_store *store)
{
    ef_memory_ask(store, EF_VERB_CHECK);
}

static void memory_acquire(struct ef_store *store, const struct ef_acquire *acquire)
{
    struct ef_memory_question *q = ef_memory_ask(store, EF_VERB_ACQUIRE);
    if (!q)
        return;
    q->ttl_ms = acquire->ttl_ms;
    q->a = ef_xstrdup(acquire->owner);
    q->b = ef_xstrdup(acquire->token);
    q->c = ef_xstrdup(acquire->old_token);
    q->d = ef_xstrdup(acquire->incarnation);
    q->flag = acquire->passing;
}

static void memory_renew(struct ef_store *store, int64_t epoch, int64_t ttl_ms)
{
    struct ef_memory_question *q = ef_memory_ask(store, EF_VERB_RENEW);
    if (!q)
        return;
    q->epoch = epoch;
    q->ttl_ms = ttl_ms;
}

static void ask_with_epoch(struct ef_store *store, enum ef_store_verb verb, int64_t epoch)
{
    struct ef_memory_question *q = ef_memory_ask(store, verb);
    if (q)
        q->epoch = epoch;
}

static void memory_release(struct ef_store *store, int64_t epoch)
{
    ask_with_epoch(store, EF_VERB_RELEASE, epoch);
}

static void memory_fetch(struct ef_store *store, const struct ef_fetch *fetch)
{
    struct ef_memory_question *q = ef_memory_ask(store, EF_VERB_FETCH);
    if (!q)
        return;
    q->fetch = *fetch;
    q->gaps = ef_xcalloc((size_t)fetch->gap_count, sizeof(*q->gaps));
    for (int i = 0; i < fetch->gap_count; i++)
        q->gaps[i] = fetch->gaps[i];
    q->fetch.gaps = q->gaps;
}

static void memory_fetch_continue(struct ef_store *store)
{
    struct ef_memory_request *r = &ef_memory_store_of(store)->requests[EF_VERB_FETCH];
    if (!r->waits)
        return;
    r->waits = false;
    ef_timer_start(&r->back, ef_memory_delay(r->store, r->verb, true));
}

static void memory_fetch_cancel(struct ef_store *store)
{
    struct ef_memory_request *r = &ef_memory_store_of(store)->requests[EF_VERB_FETCH];
    if (!r->active || r->lost)
        return;
    ef_memory_detach(r);
    r->waits = false;
    ef_error_set(&r->err, EF_CLASS_BUSY, "read given up");
    ef_timer_start(&r->back, 0);
}

static void memory_settle(struct ef_store *store, int64_t epoch, const struct ef_settle_run *runs,
                          int count)
{
    struct ef_memory_question *q = ef_memory_ask(store, EF_VERB_SETTLE);
    if (!q)
        return;
    q->epoch = epoch;
    q->count = count;
    q->runs = ef_xcalloc((size_t)count, sizeof(*q->runs));
    for (int i = 0; i < count; i++)
        q->runs[i] = runs[i];
}

static void memory_decide(struct ef_store *store, int64_t epoch,
                          const struct ef_decision *decisions, int count)
{
    struct ef_memory_question *q = ef_memory_ask(store, EF_VERB_DECIDE);
    if (!q)
        return;
    q->epoch = epoch;
    q->count = count;
    q->decisions = ef_xcalloc((size_t)count, sizeof(*q->decisions));
    for (int i = 0; i < count; i++) {
        q->decisions[i] = decisions[i];
        q->decisions[i].error = ef_xstrdup(decisions[i].error);
    }
}

static void memory_release_topic(struct ef_store *store, int64_t epoch, struct ef_slice topic,
                                 int limit)
{
    struct ef_memory_question *q = ef_memory_ask(store, EF_VERB_RELEASE_TOPIC);
    if (!q)
        return;
    q->epoch = epoch;
    q->count = limit;
    q->a = topic.p ? ef_xstrndup(topic.p, topic.len) : NULL;
    q->a_len = topic.len;
}

static void memory_waiting(struct ef_store *store)
{
    ef_memory_ask(store, EF_VERB_WAITING);
}

static void memory_lag(struct ef_store *store)
{
    ef_memory_ask(store, EF_VERB_LAG);
}

static void memory_maintain(struct ef_store *store, int64_t epoch)
{
    ask_with_epoch(store, EF_VERB_MAINTAIN, epoch);
}

static void memory_pause(struct ef_store *store, bool pause, const char *actor, const char *reason)
{
    struct ef_memory_question *q = ef_memory_ask(store, EF_VERB_PAUSE);
    if (!q)
        return;
    q->flag = pause;
    q->a = ef_xstrdup(actor);
    q->b = ef_xstrdup(reason);
}

static void memory_operate(struct ef_store *store, const struct ef_operate *operate)
{
    struct ef_memory_question *q = ef_memory_ask(store, EF_VERB_OPERATE);
    if (!q)
        return;
    q->operate = operate->kind;
    q->number = operate->command;
    q->a = ef_xstrdup(operate->verb);
    q->b = ef_xstrdup(operate->args);
    q->c = ef_xstrdup(operate->actor);
    if (operate->kind != EF_OPERATE_ROWS)
        return;
    q->filter = *operate->filter;
    if (!q->filter.ids)
        return;
    q->ids = ef_xcalloc((size_t)q->filter.id_count, sizeof(*q->ids));
    for (int i = 0; i < q->filter.id_count; i++)
        q->ids[i] = q->filter.ids[i];
    q->filter.ids = q->ids;
}

static void memory_next_command(struct ef_store *store)
{
    ef_memory_ask(store, EF_VERB_NEXT_COMMAND);
}

static void memory_carry_out(struct ef_store *store, int64_t epoch,
                             const struct ef_command *command)
{
    struct ef_memory_question *q = ef_memory_ask(store, EF_VERB_CARRY_OUT);
    if (!q)
        return;
    q->epoch = epoch;
    ef_command_copy(command, &q->command);
}

static void memory_holds(struct ef_store *store)
{
    ef_memory_ask(store, EF_VERB_HOLDS);
}

static void memory_examine(struct ef_store *store, const struct ef_examine *examine)
{
    (void)examine; /* nothing goes wrong there slowly */
    ef_memory_ask(store, EF_VERB_EXAMINE);
}

static void memory_arm_wakeup(struct ef_store *store, bool armed)
{
    struct ef_memory_store *s = ef_memory_store_of(store);
    if (s->connected)
        ef_memory_arm(s->server->db, armed);
    else
        ef_store_did_lose_arming(store);
}

/* --- life --- */

static void on_close(void *arg)
{
    struct ef_memory_store *s = arg;
    ef_deferred_cancel(&s->changed_later);
    for (int verb = 0; verb < EF_VERB_COUNT; verb++) {
        struct ef_memory_request *r = &s->requests[verb];
        if (!r->active)
            continue;
        ef_memory_detach(r);
        ef_error_set(&r->err, EF_CLASS_BUSY, "the store is being closed");
        ef_memory_finish(r);
    }
    ef_store_did_close(&s->store);
}

static void memory_close(struct ef_store *store)
{
    ef_defer(&ef_memory_store_of(store)->closed_later);
}

static void memory_free(struct ef_store *store)
{
    struct ef_memory_store *s = ef_memory_store_of(store);
    for (int verb = 0; verb < EF_VERB_COUNT; verb++) {
        ef_memory_detach(&s->requests[verb]);
        ef_memory_read_free(&s->requests[verb].answer.read, s->requests[verb].next_batch);
    }
    ef_deferred_cancel(&s->changed_later);
    ef_deferred_cancel(&s->closed_later);
    ef_timer_stop(&s->bell);
    ef_memory_unlisten(s->server->db, s);
    free(s);
}

static const struct ef_store_ops ops = {
    .driver = "memory",
    .caps = EF_STORE_WAKEUP | EF_STORE_LEASES | EF_STORE_REWRITES | EF_STORE_EXAMINES,
    .open = memory_open,
    .check = memory_check,
    .acquire = memory_acquire,
    .renew = memory_renew,
    .release = memory_release,
    .fetch = memory_fetch,
    .fetch_continue = memory_fetch_continue,
    .fetch_cancel = memory_fetch_cancel,
    .settle = memory_settle,
    .decide = memory_decide,
    .release_topic = memory_release_topic,
    .waiting = memory_waiting,
    .lag = memory_lag,
    .maintain = memory_maintain,
    .pause = memory_pause,
    .operate = memory_operate,
    .next_command = memory_next_command,
    .carry_out = memory_carry_out,
    .holds = memory_holds,
    .examine = memory_examine,
    .arm_wakeup = memory_arm_wakeup,
    .close = memory_close,
    .free = memory_free,
};

struct ef_store *ef_memory_store_new(struct ef_loop *loop, struct ef_memory_server *server,
                                     const char *name, const struct ef_store_user *user,
                                     void *user_arg)
{
    struct ef_memory_store *s = ef_xcalloc(1, sizeof(*s));
    ef_store_init(&s->store, &ops, name, user, user_arg);
    s->loop = loop;
    s->server = server;
    s->connected = true;
    for (int verb = 0; verb < EF_VERB_COUNT; verb++) {
        struct ef_memory_request *r = &s->requests[verb];
        r->store = s;
        r->verb = (enum ef_store_verb)verb;
        ef_timer_init(&r->back, loop, "store", ef_memory_back, r);
    }
    ef_deferred_init(&s->changed_later, loop, "store", ef_memory_changed, s);
    ef_deferred_init(&s->closed_later, loop, "store", on_close, s);
    ef_timer_init(&s->bell, loop, "store", on_bell, s);
    ef_memory_listen(server->db, on_ring, s);
    return &s->store;
}

struct ef_memory_server *ef_memory_server_new(struct ef_loop *loop, struct ef_memory *db)
{
    struct ef_memory_server *server = ef_xcalloc(1, sizeof(*server));
    server->loop = loop;
    server->db = db;
    return server;
}

void ef_memory_server_free(struct ef_memory_server *server)
{
    if (!server)
        return;
    while (server->statements) {
        if (server->statements->request)
            server->statements->request->statement = NULL;
        ef_memory_statement_free(server->statements);
    }
    free(server);
}
