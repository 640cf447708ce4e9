// SPDX-License-Identifier: MIT
/* The store contract on the memory driver, and what only that driver can do: lose and delay on
 * demand. */
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "store/memory.h"
#include "unit/run_suite.h"
#include "unit/store_relay.h"

struct memory_world {
    struct ef_loop *loop;
    struct ef_memory *db;
    struct ef_memory_server *server;
    struct ef_store *stores[8];
    int store_count;
    bool stalled;
};

static void *memory_open(const struct store_setup *s)
{
    struct memory_world *w = ef_xcalloc(1, sizeof(*w));
    w->loop = ef_loop_new();
    w->db = ef_memory_new(&(struct ef_memory_settings){
        .on_delivered = s->on_delivered,
        .order_by = s->order_by,
        .claim_timeout_ms = s->claim_timeout_ms,
        .retention_ms = s->retention_ms,
        .max_payload_bytes = s->max_payload_bytes,
    });
    w->server = ef_memory_server_new(w->loop, w->db);
    return w;
}

static void memory_close(void *f)
{
    struct memory_world *w = f;
    ef_memory_server_free(w->server);
    ef_memory_free(w->db);
    ef_loop_free(w->loop);
    free(w);
}

static struct ef_loop *memory_loop(void *f)
{
    return ((struct memory_world *)f)->loop;
}

static int64_t hang(void *arg, enum ef_store_verb verb, bool back)
{
    const struct memory_world *w = arg;
    (void)verb;
    return w->stalled && !back ? 3600 * EF_S_US : 0;
}

static struct ef_store *memory_make_store(void *f, const struct ef_store_user *user, void *arg)
{
    struct memory_world *w = f;
    struct ef_store *store = ef_memory_store_new(w->loop, w->server, "orders", user, arg);
    ef_memory_store_delays(store, hang, w);
    w->stores[w->store_count++] = store;
    return store;
}

static int64_t memory_next_id(void *f)
{
    return ef_memory_next_id(((struct memory_world *)f)->db);
}

static void *memory_begin(void *f)
{
    return ef_memory_begin(((struct memory_world *)f)->db);
}

static int64_t memory_insert(void *f, void *tx, const struct ef_row *row)
{
    (void)f;
    return ef_memory_insert(tx, row);
}

static void memory_commit(void *f, void *tx)
{
    (void)f;
    ck_assert(ef_memory_commit(tx));
}

static void memory_rollback(void *f, void *tx)
{
    (void)f;
    ef_memory_rollback(tx);
}

static bool memory_look(void *f, int64_t id, struct store_row *ret)
{
    struct ef_memory *db = ((struct memory_world *)f)->db;
    const struct ef_memory_row *row = ef_memory_find(db, id);
    if (!row)
        return false;
    *ret = (struct store_row){
        .status = row->row.status,
        .attempts = row->row.attempts,
        .has_retry = row->next_retry_us != 0,
        .has_claim = row->claimed_us != 0,
        .has_processed = row->processed_us != 0,
        .retry_in_ms = (row->next_retry_us - ef_memory_now_us(db)) / EF_MS_US,
        .has_error = row->last_error != NULL,
    };
    snprintf(ret->last_error, sizeof(ret->last_error), "%s",
             row->last_error ? row->last_error : "");
    return true;
}

static int memory_archived(void *f, int64_t id)
{
    return ef_memory_archived(((struct memory_world *)f)->db, id);
}

static void memory_set_status(void *f, int64_t id, int status, int64_t at_ms)
{
    struct ef_memory *db = ((struct memory_world *)f)->db;
    struct ef_memory_row *row = ef_memory_find(db, id);
    int64_t at_us = ef_memory_now_us(db) + at_ms * EF_MS_US;
    ck_assert_ptr_nonnull(row);
    row->row.status = (int16_t)status;
    row->next_retry_us = status == EF_STATUS_FAILED ? at_us : 0;
    row->claimed_us = status == EF_STATUS_PROCESSING ? at_us : 0;
    row->processed_us = status == EF_STATUS_DONE ? at_us : 0;
}

static void memory_truncate(void *f)
{
    ef_memory_truncate(((struct memory_world *)f)->db, true);
}

static void memory_age_relays(void *f)
{
    ef_memory_skew(((struct memory_world *)f)->db, EF_STANDBY_SEEN_S * EF_S_US);
}

static void memory_move_server(void *f)
{
    ef_memory_fail_over(((struct memory_world *)f)->db);
}

static void memory_stall(void *f, bool stalled)
{
    ((struct memory_world *)f)->stalled = stalled;
}

static void memory_cut(void *f)
{
    struct memory_world *w = f;
    for (int i = 0; i < w->store_count; i++)
        ef_memory_store_break(w->stores[i], EF_MEMORY_NEVER_ARRIVES, 0);
}

static void memory_mend(void *f)
{
    struct memory_world *w = f;
    for (int i = 0; i < w->store_count; i++)
        ef_memory_store_connect(w->stores[i]);
}

static const struct store_fixture memory_fixture = {
    .name = "store contract: memory",
    .open = memory_open,
    .close = memory_close,
    .loop = memory_loop,
    .make_store = memory_make_store,
    .next_id = memory_next_id,
    .begin = memory_begin,
    .insert = memory_insert,
    .commit = memory_commit,
    .rollback = memory_rollback,
    .look = memory_look,
    .archived = memory_archived,
    .set_status = memory_set_status,
    .truncate = memory_truncate,
    .move_server = memory_move_server,
    .age_relays = memory_age_relays,
    .stall = memory_stall,
    .cut = memory_cut,
    .mend = memory_mend,
};

/* --- the memory driver's own faults --- */

static struct ef_memory *memory_db(void)
{
    return ((struct memory_world *)world)->db;
}

START_TEST(a_lost_answer_means_it_happened)
{
    struct relay *r = start_owner();
    add_rows(3);
    fetch(r, 0);
    struct ef_settle_run run = run_of(r, 1, 2);
    ef_memory_store_lose_answer(r->store, EF_VERB_SETTLE);
    ef_store_settle(r->store, r->epoch, &run, 1);
    fails(r, EF_VERB_SETTLE, EF_CLASS_UNCERTAIN);
    until(&r->down, 1);
    ck_assert(!exists(1));
    ck_assert(!exists(2));
    ef_memory_store_connect(r->store);
    until(&r->up, 2);
    ck_assert_int_eq(settle(r, &run, 1), 0);
    fetch(r, 0);
    SHOWS(r, 3);
}
END_TEST

/* Sends a settle of row 1 that will arrive only after its connection has broken. */
static void settle_late(struct relay *r, int64_t late_us)
{
    struct memory_world *w = world;
    struct ef_settle_run run = run_of(r, 1, 1);
    w->stalled = true;
    ef_store_settle(r->store, r->epoch, &run, 1);
    w->stalled = false;
    ef_memory_store_break(r->store, EF_MEMORY_ARRIVES_LATE, late_us);
    fails(r, EF_VERB_SETTLE, EF_CLASS_UNCERTAIN);
}

START_TEST(a_late_statement_happens_after_all)
{
    struct relay *a = start_owner();
    add_rows(2);
    fetch(a, 0);
    settle_late(a, 50000);
    ck_assert(exists(1));
    turn_for(100000);
    ck_assert(!exists(1));
    ck_assert(exists(2));
}
END_TEST

START_TEST(a_late_statement_meets_the_fence)
{
    struct relay *a = start_owner(), *b = start_relay();
    add_rows(2);
    fetch(a, 0);
    settle_late(a, 50000);
    acquire(b, 60000, a->token);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_GRANTED);
    turn_for(100000);
    ck_assert(exists(1));
}
END_TEST

START_TEST(an_injected_error_changes_nothing)
{
    struct relay *r = start_owner();
    struct ef_error err;
    add_rows(1);
    fetch(r, 0);
    struct ef_settle_run run = run_of(r, 1, 1);
    ef_error_set(&err, EF_CLASS_CONFIG, "permission denied for table outbox");
    ef_memory_store_fail(r->store, EF_VERB_SETTLE, &err);
    ef_store_settle(r->store, r->epoch, &run, 1);
    fails(r, EF_VERB_SETTLE, EF_CLASS_CONFIG);
    ck_assert_str_eq(r->err[EF_VERB_SETTLE].text, err.text);
    ck_assert(exists(1));
    ck_assert_int_eq(settle(r, &run, 1), 1); /* once */
}
END_TEST

START_TEST(a_failover_may_lose_what_came_last)
{
    struct relay *r = start_owner();
    int64_t epoch = r->epoch;
    add_rows(2);
    ef_memory_save(memory_db());
    add_rows(2);
    struct ef_memory_tx *open = ef_memory_begin(memory_db());
    struct ef_row row = plain_row("open");
    ef_memory_insert(open, &row);
    fetch(r, 0);
    SHOWS(r, 1, 2, 3, 4);
    ef_memory_fail_over(memory_db());
    ck_assert(!ef_memory_commit(open));
    ck_assert(exists(2));
    ck_assert(!exists(3));
    ck_assert_int_eq(add("again"), 3); /* the id comes back */
    ef_store_renew(r->store, epoch, 60000);
    fails(r, EF_VERB_RENEW, EF_CLASS_FENCED);
}
END_TEST

START_TEST(freed_without_being_closed)
{
    struct memory_world *w = world;
    struct relay *r = start_owner();
    add_rows(300);
    fetch(r, 0);
    struct ef_settle_run run = run_of(r, 1, 1);
    struct ef_store *other = ef_memory_store_new(w->loop, w->server, "other", r->store->user, r);
    ef_store_open(other);
    int up = r->up;
    until(&r->up, up + 1);
    ef_store_settle(other, r->epoch, &run, 1);
    ef_store_fetch(other, &(struct ef_fetch){.epoch = r->epoch, .max_rows = 300, .max_bytes = 1});
    ef_store_free(other); /* a process that was killed: what it has sent happens */
    ef_mono began = ef_clock_mono();
    while (exists(1)) {
        ck_assert_int_lt(ef_clock_mono().us - began.us, 20 * EF_S_US);
        ef_store_waiting(r->store);
        completes(r, EF_VERB_WAITING);
    }
}
END_TEST

START_TEST(the_databases_clock_may_run_ahead)
{
    struct relay *a = start_owner_for(60000), *b = start_relay();
    ef_memory_skew(memory_db(), 3600 * EF_S_US);
    acquire(b, 60000, NULL);
    ck_assert_int_eq(b->lease.outcome, EF_LEASE_GRANTED);
    ck_assert_int_gt(b->epoch, a->epoch);
}
END_TEST

static void add_fault_tests(Suite *suite)
{
    TCase *tc = contract_case(suite, "faults");
    tcase_add_test(tc, a_lost_answer_means_it_happened);
    tcase_add_test(tc, a_late_statement_happens_after_all);
    tcase_add_test(tc, a_late_statement_meets_the_fence);
    tcase_add_test(tc, an_injected_error_changes_nothing);
    tcase_add_test(tc, a_failover_may_lose_what_came_last);
    tcase_add_test(tc, freed_without_being_closed);
    tcase_add_test(tc, the_databases_clock_may_run_ahead);
}

int main(void)
{
    Suite *suite = store_suite(&memory_fixture);
    add_fault_tests(suite);
    return run_suite(suite);
}
