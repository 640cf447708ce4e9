// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/str.h"
#include "store/memory_driver.h"

int64_t ef_memory_delay(const struct ef_memory_store *s, enum ef_store_verb verb, bool back)
{
    return s->delay_us ? s->delay_us(s->delay_arg, verb, back) : 0;
}

static bool is_read(enum ef_store_verb verb)
{
    return verb == EF_VERB_CHECK || verb == EF_VERB_FETCH || verb == EF_VERB_WAITING ||
           verb == EF_VERB_LAG || verb == EF_VERB_NEXT_COMMAND || verb == EF_VERB_HOLDS ||
           verb == EF_VERB_EXAMINE;
}

/* --- statements --- */

static void free_question(struct ef_memory_question *q)
{
    for (int i = 0; q->decisions && i < q->count; i++)
        free((char *)q->decisions[i].error);
    free(q->gaps);
    free(q->runs);
    free(q->decisions);
    free(q->a);
    free(q->b);
    free(q->c);
    free(q->d);
    free(q->ids);
    ef_command_done(&q->command);
}

static void free_answer(struct ef_memory_answer *a)
{
    free(a->json);
    free((char *)a->command.verb);
    free((char *)a->command.args);
    free((char *)a->command.actor);
    ef_memory_hold_list_free(&a->holds);
    a->json = NULL;
    a->command = (struct ef_command_row){0};
}

static char *operate(struct ef_memory *db, const struct ef_memory_question *q)
{
    switch (q->operate) {
    case EF_OPERATE_ROWS:
        return ef_memory_rows(db, &q->filter);
    case EF_OPERATE_REQUEST:
        return ef_xprintf("{\"command\": %lld}",
                          (long long)ef_memory_request(db, q->a, q->b, q->c));
    case EF_OPERATE_RESULT:
        break;
    }
    return ef_memory_result(db, q->number);
}

void ef_memory_statement_free(struct ef_memory_statement *statement)
{
    ef_timer_stop(&statement->arrival);
    DL_DELETE(statement->server->statements, statement);
    free_question(&statement->question);
    free(statement);
}

void ef_memory_read_free(struct ef_memory_read *read, int from)
{
    for (int i = from; i < read->count; i++)
        ef_batch_unref(read->batches[i]);
    free(read->batches);
    free(read->full);
    *read = (struct ef_memory_read){0};
}

/* What the statement does, and what it would answer. */
static void perform(struct ef_memory *db, enum ef_store_verb verb,
                    const struct ef_memory_question *q, struct ef_memory_answer *ret)
{
    bool ours = true;
    switch (verb) {
    case EF_VERB_ACQUIRE:
        ef_memory_acquire(db,
                          &(struct ef_memory_lease_request){.ttl_ms = q->ttl_ms,
                                                            .owner = q->a,
                                                            .incarnation = q->d,
                                                            .token = q->b,
                                                            .old_token = q->c,
                                                            .passing = q->flag},
                          &ret->lease);
        break;
    case EF_VERB_RENEW:
        ours = ef_memory_renew(db, q->epoch, q->ttl_ms, &ret->renewal);
        break;
    case EF_VERB_RELEASE:
        ef_memory_release(db, q->epoch);
        break;
    case EF_VERB_FETCH:
        ours = ef_memory_fetch(db, &q->fetch, &ret->read);
        break;
    case EF_VERB_SETTLE: /* as PostgreSQL's, a fenced statement that writes finds no rows */
        ef_memory_settle(db, q->epoch, q->runs, q->count, &ret->rows);
        break;
    case EF_VERB_DECIDE:
        ef_memory_decide(db, q->epoch, q->decisions, q->count, &ret->rows);
        break;
    case EF_VERB_RELEASE_TOPIC:
        ef_memory_release_topic(db, q->epoch, (struct ef_slice){q->a, q->a_len}, q->count,
                                &ret->rows);
        break;
    case EF_VERB_WAITING:
        ef_memory_waiting(db, &ret->waiting);
        break;
    case EF_VERB_LAG:
        ef_memory_lag(db, &ret->lag);
        break;
    case EF_VERB_MAINTAIN:
        ef_memory_maintain(db, q->epoch, &ret->rows);
        break;
    case EF_VERB_PAUSE:
        ef_memory_pause(db, q->flag, q->a, q->b);
        break;
    case EF_VERB_OPERATE:
        ret->json = operate(db, q);
        break;
    case EF_VERB_NEXT_COMMAND:
        ef_memory_next_command(db, &ret->command);
        break;
    case EF_VERB_CARRY_OUT:
        ours = ef_memory_carry_out(db, q->epoch, &q->command, &ret->rows);
        break;
    case EF_VERB_HOLDS:
        ef_memory_holds(db, &ret->holds);
        break;
    case EF_VERB_CHECK:
    case EF_VERB_EXAMINE:
    case EF_VERB_COUNT:
        break;
    }
    ret->fenced = !ours;
}

static void break_connection(struct ef_memory_store *s, enum ef_memory_loss loss, int64_t late_us);

static void on_arrival(void *arg)
{
    struct ef_memory_statement *statement = arg;
    struct ef_memory_request *r = statement->request;
    struct ef_memory_store *s = r ? r->store : NULL;
    struct ef_memory_answer unheard = {0};
    enum ef_store_verb verb = statement->verb;
    if (s && s->fail[verb].class != EF_CLASS_NONE) {
        r->err = s->fail[verb];
        ef_error_clear(&s->fail[verb]);
    } else {
        perform(statement->server->db, verb, &statement->question, r ? &r->answer : &unheard);
        ef_memory_read_free(&unheard.read, 0);
        free_answer(&unheard);
    }
    ef_memory_statement_free(statement);
    if (!r)
        return;
    r->statement = NULL;
    if (s->lose[verb]) {
        s->lose[verb] = false;
        break_connection(s, EF_MEMORY_NEVER_ARRIVES, 0);
    } else {
        ef_timer_start(&r->back, ef_memory_delay(s, verb, true));
    }
}

struct ef_memory_question *ef_memory_ask(struct ef_store *store, enum ef_store_verb verb)
{
    struct ef_memory_store *s = ef_memory_store_of(store);
    struct ef_memory_request *r = &s->requests[verb];
    r->active = true;
    r->lost = r->waits = false;
    r->next_batch = 0;
    r->answer = (struct ef_memory_answer){0};
    ef_error_clear(&r->err);
    if (!s->connected) {
        ef_error_set(&r->err, EF_CLASS_OUTAGE, "the database cannot be reached");
        ef_timer_start(&r->back, 0);
        return NULL;
    }
    struct ef_memory_statement *statement = ef_xcalloc(1, sizeof(*statement));
    statement->server = s->server;
    statement->request = r;
    statement->verb = verb;
    r->statement = statement;
    DL_APPEND(s->server->statements, statement);
    ef_timer_init(&statement->arrival, s->server->loop, "store", on_arrival, statement);
    ef_timer_start(&statement->arrival, ef_memory_delay(s, verb, false));
    return &statement->question;
}

/* --- answers --- */

static void deliver(struct ef_memory_request *r)
{
    struct ef_store *store = &r->store->store;
    const struct ef_memory_answer *a = &r->answer;
    struct ef_error fenced, *err = r->err.class == EF_CLASS_NONE ? NULL : &r->err;
    r->active = false;
    if (!err && a->fenced) {
        ef_error_set(&fenced, EF_CLASS_FENCED, "the lease is not ours any more");
        err = &fenced;
    }
    switch (r->verb) {
    case EF_VERB_CHECK: {
        struct ef_store_info info = {
            .version = "memory", .has_last_error = true, .has_partition = true};
        snprintf(info.server, sizeof(info.server), "%s", ef_memory_server(r->store->server->db));
        ef_store_did_check(store, err ? NULL : &info, err);
        break;
    }
    case EF_VERB_ACQUIRE:
        ef_store_did_acquire(store, err ? NULL : &a->lease, err);
        break;
    case EF_VERB_RENEW:
        ef_store_did_renew(store, err ? NULL : &a->renewal, err);
        break;
    case EF_VERB_RELEASE:
        ef_store_did_release(store, err);
        break;
    case EF_VERB_FETCH:
        ef_store_did_fetch(store, err ? NULL : &a->read.fetched, err);
        break;
    case EF_VERB_SETTLE:
        ef_store_did_settle(store, err ? 0 : a->rows, err);
        break;
    case EF_VERB_DECIDE:
        ef_store_did_decide(store, err ? 0 : a->rows, err);
        break;
    case EF_VERB_RELEASE_TOPIC:
        ef_store_did_release_topic(store, err ? 0 : a->rows, err);
        break;
    case EF_VERB_WAITING:
        ef_store_did_waiting(store, err ? NULL : &a->waiting, err);
        break;
    case EF_VERB_LAG:
        ef_store_did_lag(store, err ? NULL : &a->lag, err);
        break;
    case EF_VERB_MAINTAIN:
        ef_store_did_maintain(store, err ? 0 : a->rows, err);
        break;
    case EF_VERB_PAUSE:
        ef_store_did_pause(store, err);
        break;
    case EF_VERB_OPERATE:
        ef_store_did_operate(store, err ? NULL : a->json, err);
        break;
    case EF_VERB_NEXT_COMMAND:
        ef_store_did_next_command(store, err || !a->command.number ? NULL : &a->command, err);
        break;
    case EF_VERB_CARRY_OUT:
        ef_store_did_carry_out(store, err ? 0 : a->rows, err);
        break;
    case EF_VERB_HOLDS:
        ef_store_did_holds(store, a->holds.items, err ? 0 : a->holds.count, err);
        break;
    case EF_VERB_EXAMINE:
        ef_store_did_examine(store, err ? NULL : &(struct ef_report){0}, err);
        break;
    case EF_VERB_COUNT:
        break;
    }
}

void ef_memory_finish(struct ef_memory_request *r)
{
    /* the upcall may start the verb again: what belongs to this one goes first */
    struct ef_fetched fetched = r->answer.read.fetched;
    ef_memory_read_free(&r->answer.read, r->next_batch);
    r->answer.read.fetched = fetched;
    struct ef_memory_answer texts = r->answer;
    deliver(r);
    free_answer(&texts);
}

/* The first a store hears of a read's answer. */
static void notice_filenode(struct ef_memory_request *r)
{
    struct ef_memory_store *s = r->store;
    unsigned before = s->filenode;
    s->filenode = r->answer.read.filenode;
    if (before == 0 || before == s->filenode)
        return;
    ef_error_set(&r->err, EF_CLASS_BUSY, "the table was emptied; reading it from the beginning");
    ef_error_code(&r->err, 0, EF_STORE_REWRITTEN);
}

void ef_memory_back(void *arg)
{
    struct ef_memory_request *r = arg;
    struct ef_memory_read *read = &r->answer.read;
    if (r->verb == EF_VERB_FETCH && r->err.class == EF_CLASS_NONE && !r->answer.fenced &&
        r->next_batch == 0)
        notice_filenode(r);
    if (r->err.class != EF_CLASS_NONE || r->next_batch == read->count) {
        ef_memory_finish(r);
        return;
    }
    int i = r->next_batch++;
    r->waits = read->full[i];
    if (!r->waits)
        ef_timer_start(&r->back, ef_memory_delay(r->store, r->verb, true));
    ef_store_did_rows(&r->store->store, read->batches[i], r->waits);
}

/* --- the connection --- */

void ef_memory_changed(void *arg)
{
    struct ef_memory_store *s = arg;
    struct ef_error err;
    for (int verb = 0; verb < EF_VERB_COUNT; verb++)
        if (s->requests[verb].active && s->requests[verb].lost)
            ef_memory_finish(&s->requests[verb]);
    if (s->broke) {
        s->broke = false;
        ef_error_set(&err, EF_CLASS_OUTAGE, "the connection to the database is lost");
        ef_store_did_down(&s->store, &err);
    }
    s->store.wakeup_works = s->connected;
    if (s->connected && !s->store.up)
        ef_store_did_up(&s->store, ef_memory_server(s->server->db));
}

void ef_memory_detach(struct ef_memory_request *r)
{
    if (r->statement)
        r->statement->request = NULL;
    r->statement = NULL;
    ef_timer_stop(&r->back);
}

static void lose_request(struct ef_memory_request *r, enum ef_memory_loss loss, int64_t late_us)
{
    struct ef_memory_statement *statement = r->statement;
    ef_memory_detach(r);
    if (statement && loss == EF_MEMORY_NEVER_ARRIVES)
        ef_memory_statement_free(statement);
    else if (statement)
        ef_timer_start(&statement->arrival, late_us);
    r->lost = true;
    if (r->err.class != EF_CLASS_NONE)
        return; /* it was given up, or was never sent */
    ef_error_set(&r->err, is_read(r->verb) ? EF_CLASS_OUTAGE : EF_CLASS_UNCERTAIN,
                 "the connection to the database was lost before the answer came");
}

static void break_connection(struct ef_memory_store *s, enum ef_memory_loss loss, int64_t late_us)
{
    if (!s->connected)
        return;
    s->connected = false;
    s->broke = true;
    ef_timer_stop(&s->bell);
    for (int verb = 0; verb < EF_VERB_COUNT; verb++)
        if (s->requests[verb].active)
            lose_request(&s->requests[verb], loss, late_us);
    if (s->opened)
        ef_defer(&s->changed_later);
}

void ef_memory_store_break(struct ef_store *store, enum ef_memory_loss loss, int64_t late_us)
{
    break_connection(ef_memory_store_of(store), loss, late_us);
}

void ef_memory_store_connect(struct ef_store *store)
{
    struct ef_memory_store *s = ef_memory_store_of(store);
    s->connected = true;
    if (s->opened)
        ef_defer(&s->changed_later);
}

void ef_memory_store_delays(struct ef_store *store,
                            int64_t (*delay_us)(void *arg, enum ef_store_verb verb, bool back),
                            void *arg)
{
    ef_memory_store_of(store)->delay_us = delay_us;
    ef_memory_store_of(store)->delay_arg = arg;
}

void ef_memory_store_lose_answer(struct ef_store *store, enum ef_store_verb verb)
{
    ef_memory_store_of(store)->lose[verb] = true;
}

void ef_memory_store_fail(struct ef_store *store, enum ef_store_verb verb,
                          const struct ef_error *err)
{
    ef_memory_store_of(store)->fail[verb] = *err;
}
