// SPDX-License-Identifier: MIT
#include "unit/store_relay.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"

enum { RELAYS_MAX = 4, DEADLINE_S = 20 };

const struct store_fixture *fixture;
struct store_setup setup;
void *world;

static struct relay *relays[RELAYS_MAX];
static int relay_count;

/* --- waiting --- */

static bool late;

static void on_deadline(void *arg)
{
    late = true;
    ef_loop_stop(arg);
}

static void heard(void)
{
    ef_loop_stop(fixture->loop(world));
}

void until(const int *counter, int target)
{
    const char *scale = getenv("EF_TEST_TIMEOUT_SCALE");
    struct ef_loop *loop = fixture->loop(world);
    struct ef_timer deadline;
    ef_timer_init(&deadline, loop, "test", on_deadline, loop);
    ef_timer_start(&deadline, (int64_t)(DEADLINE_S * (scale ? atof(scale) : 1) * EF_S_US));
    late = false;
    while (*counter < target && !late)
        ef_loop_run(loop);
    ef_timer_stop(&deadline);
    ck_assert_msg(*counter >= target, "waited in vain");
}

void turn_for(int64_t us)
{
    struct ef_loop *loop = fixture->loop(world);
    struct ef_timer timer;
    ef_timer_init(&timer, loop, "test", on_deadline, loop);
    ef_timer_start(&timer, us);
    while (ef_timer_active(&timer))
        ef_loop_run(loop);
}

/* --- upcalls --- */

static void on_up(void *arg, const char *server)
{
    struct relay *r = arg;
    r->up++;
    snprintf(r->server, sizeof(r->server), "%s", server);
    heard();
}

static void on_down(void *arg, const struct ef_error *err)
{
    struct relay *r = arg;
    r->down++;
    ck_assert_ptr_nonnull(err);
    r->down_err = *err;
    heard();
}

static void on_wakeup(void *arg)
{
    ((struct relay *)arg)->wakeup++;
    heard();
}

static void on_arming_lost(void *arg)
{
    ((struct relay *)arg)->arming_lost++;
    heard();
}

static void on_closed(void *arg)
{
    ((struct relay *)arg)->closed++;
    heard();
}

static void done(struct relay *r, enum ef_store_verb verb, const struct ef_error *err)
{
    r->done[verb]++;
    ef_error_clear(&r->err[verb]);
    if (err) {
        ck_assert_int_ne(err->class, EF_CLASS_NONE);
        ck_assert_str_ne(err->text, "");
        r->err[verb] = *err;
    }
    heard();
}

static void on_checked(void *arg, const struct ef_store_info *info, const struct ef_error *err)
{
    struct relay *r = arg;
    ck_assert((info != NULL) == (err == NULL));
    if (info)
        r->info = *info;
    done(r, EF_VERB_CHECK, err);
}

static void on_acquired(void *arg, const struct ef_lease *lease, const struct ef_error *err)
{
    struct relay *r = arg;
    ck_assert((lease != NULL) == (err == NULL));
    if (lease)
        r->lease = *lease;
    done(r, EF_VERB_ACQUIRE, err);
}

static void on_renewed(void *arg, const struct ef_renewal *renewal, const struct ef_error *err)
{
    struct relay *r = arg;
    ck_assert((renewal != NULL) == (err == NULL));
    if (renewal)
        r->renewal = *renewal;
    done(r, EF_VERB_RENEW, err);
}

static void on_released(void *arg, const struct ef_error *err)
{
    done(arg, EF_VERB_RELEASE, err);
}

static void on_rows(void *arg, struct ef_batch *batch, bool paused)
{
    struct relay *r = arg;
    ck_assert_int_lt(r->chunk_count, SEEN_CHUNKS_MAX);
    ck_assert_int_gt(batch->count, 0);
    ck_assert_int_ge(batch->refs, 1);
    r->batches[r->chunk_count++] = batch;
    for (int i = 0; i < batch->count; i++) {
        const struct ef_row *row = &batch->rows[i];
        ck_assert_int_lt(r->seen_count + r->held_count, SEEN_ROWS_MAX);
        if (row->held_back)
            r->held[r->held_count++] = row;
        else
            r->seen[r->seen_count++] = row;
    }
    r->paused = paused;
    heard();
}

static void on_fetched(void *arg, const struct ef_fetched *fetched, const struct ef_error *err)
{
    struct relay *r = arg;
    ck_assert((fetched != NULL) == (err == NULL));
    if (fetched) {
        r->fetched = *fetched;
        ck_assert_int_eq(fetched->rows, r->seen_count + r->held_count);
    }
    done(r, EF_VERB_FETCH, err);
}

static void counted(void *arg, enum ef_store_verb verb, int64_t rows, const struct ef_error *err)
{
    struct relay *r = arg;
    r->rows[verb] = rows;
    done(r, verb, err);
}

static void on_settled(void *arg, int64_t rows, const struct ef_error *err)
{
    counted(arg, EF_VERB_SETTLE, rows, err);
}

static void on_decided(void *arg, int64_t rows, const struct ef_error *err)
{
    counted(arg, EF_VERB_DECIDE, rows, err);
}

static void on_topic_released(void *arg, int64_t rows, const struct ef_error *err)
{
    counted(arg, EF_VERB_RELEASE_TOPIC, rows, err);
}

static void on_maintained(void *arg, int64_t rows, const struct ef_error *err)
{
    counted(arg, EF_VERB_MAINTAIN, rows, err);
}

static void on_waiting(void *arg, const struct ef_waiting *waiting, const struct ef_error *err)
{
    struct relay *r = arg;
    ck_assert((waiting != NULL) == (err == NULL));
    if (waiting)
        r->waiting = *waiting;
    done(r, EF_VERB_WAITING, err);
}

static void on_lag(void *arg, const struct ef_lag *lag, const struct ef_error *err)
{
    struct relay *r = arg;
    ck_assert((lag != NULL) == (err == NULL));
    if (lag)
        r->lag = *lag;
    done(r, EF_VERB_LAG, err);
}

static void on_paused(void *arg, const struct ef_error *err)
{
    done(arg, EF_VERB_PAUSE, err);
}

static void on_operated(void *arg, const char *json, const struct ef_error *err)
{
    struct relay *r = arg;
    ck_assert((json != NULL) == (err == NULL));
    snprintf(r->json, sizeof(r->json), "%s", json ? json : "");
    done(r, EF_VERB_OPERATE, err);
}

static void on_next_command(void *arg, const struct ef_command_row *row, const struct ef_error *err)
{
    struct relay *r = arg;
    ck_assert(!row || !err);
    r->has_command = row != NULL;
    if (r->parsed)
        ef_command_done(&r->command);
    r->parsed = row != NULL;
    struct ef_error why;
    if (row && !ef_command_parse(row->number, row->verb, row->args, row->actor, &r->command, &why))
        ck_abort_msg("%s", why.text);
    done(r, EF_VERB_NEXT_COMMAND, err);
}

static void on_carried_out(void *arg, int64_t rows, const struct ef_error *err)
{
    counted(arg, EF_VERB_CARRY_OUT, rows, err);
}

static void on_holds(void *arg, const struct ef_hold *holds, int count, const struct ef_error *err)
{
    struct relay *r = arg;
    if (!err)
        ef_holds_set(&r->holds, holds, count);
    done(r, EF_VERB_HOLDS, err);
}

static void on_examined(void *arg, const struct ef_report *report, const struct ef_error *err)
{
    ck_assert((report != NULL) == (err == NULL));
    done(arg, EF_VERB_EXAMINE, err);
}

static const struct ef_store_user user = {
    .up = on_up,
    .down = on_down,
    .wakeup = on_wakeup,
    .arming_lost = on_arming_lost,
    .checked = on_checked,
    .acquired = on_acquired,
    .renewed = on_renewed,
    .released = on_released,
    .rows = on_rows,
    .fetched = on_fetched,
    .settled = on_settled,
    .decided = on_decided,
    .topic_released = on_topic_released,
    .waiting = on_waiting,
    .lag = on_lag,
    .maintained = on_maintained,
    .paused = on_paused,
    .operated = on_operated,
    .next_command = on_next_command,
    .carried_out = on_carried_out,
    .holds = on_holds,
    .examined = on_examined,
    .closed = on_closed,
};

/* --- life --- */

void start_world(void)
{
    setup = (struct store_setup){
        .on_delivered = EF_ON_DELIVERED_DELETE,
        .order_by = EF_ORDER_AGGREGATE_ID,
        .claim_timeout_ms = 60000,
        .max_payload_bytes = 1000,
    };
    world = fixture->open(&setup);
}

void start_again(void)
{
    stop_world();
    world = fixture->open(&setup);
}

static struct relay *new_relay(void)
{
    ck_assert_int_lt(relay_count, RELAYS_MAX);
    struct relay *r = ef_xcalloc(1, sizeof(*r));
    relays[relay_count++] = r;
    ef_uuid_v4(r->token);
    r->store = fixture->make_store(world, &user, r);
    return r;
}

struct relay *start_relay(void)
{
    struct relay *r = new_relay();
    ef_store_open(r->store);
    ck_assert_int_eq(r->up + r->down, 0); /* not from inside the call */
    until(&r->up, 1);
    ef_store_check(r->store);
    completes(r, EF_VERB_CHECK);
    return r;
}

struct relay *start_owner_for(int64_t ttl_ms)
{
    struct relay *r = start_relay();
    acquire(r, ttl_ms, NULL);
    ck_assert_int_eq(r->lease.outcome, EF_LEASE_GRANTED);
    return r;
}

struct relay *start_owner(void)
{
    return start_owner_for(60000);
}

static void forget_rows(struct relay *r)
{
    for (int i = 0; i < r->chunk_count; i++)
        ef_batch_unref(r->batches[i]);
    r->chunk_count = r->seen_count = r->held_count = 0;
    r->paused = false;
}

void stop_world(void)
{
    for (int i = 0; i < relay_count; i++) {
        struct relay *r = relays[i];
        if (!r->closed) {
            ef_store_close(r->store);
            until(&r->closed, 1);
        }
        ck_assert_int_eq(r->closed, 1);
        ef_store_free(r->store);
        forget_rows(r);
        ef_command_done(&r->command);
        ef_holds_clear(&r->holds);
        free(r);
    }
    relay_count = 0;
    fixture->close(world);
}

TCase *contract_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, start_world, stop_world);
    suite_add_tcase(suite, tc);
    return tc;
}

/* --- verbs --- */

void completes(struct relay *r, enum ef_store_verb verb)
{
    until(&r->done[verb], r->done[verb] + 1);
    ck_assert_msg(r->err[verb].class == EF_CLASS_NONE, "verb %d: %s", (int)verb, r->err[verb].text);
}

void fails(struct relay *r, enum ef_store_verb verb, enum ef_class class)
{
    until(&r->done[verb], r->done[verb] + 1);
    ck_assert_msg(r->err[verb].class == class, "verb %d: %s: %s", (int)verb,
                  ef_class_name(r->err[verb].class), r->err[verb].text);
}

void acquire(struct relay *r, int64_t ttl_ms, const char *old_token)
{
    char owner[16];
    snprintf(owner, sizeof(owner), "relay-%.4s", r->token);
    ef_store_acquire(r->store, &(struct ef_acquire){.ttl_ms = ttl_ms,
                                                    .owner = owner,
                                                    .incarnation = r->token,
                                                    .token = r->token,
                                                    .old_token = old_token});
    completes(r, EF_VERB_ACQUIRE);
    if (r->lease.outcome == EF_LEASE_GRANTED)
        r->epoch = r->lease.epoch;
}

void fetch_more(struct relay *r, int64_t after, const struct ef_run *gaps, int gap_count,
                int max_rows)
{
    forget_rows(r);
    ef_store_fetch(r->store, &(struct ef_fetch){.epoch = r->epoch,
                                                .after = after,
                                                .gaps = gaps,
                                                .gap_count = gap_count,
                                                .all_gaps = true,
                                                .max_rows = max_rows,
                                                .max_bytes = 1 << 20,
                                                .want_max_id = true,
                                                .want_foreign = true});
    ck_assert_int_eq(r->chunk_count, 0);
    completes(r, EF_VERB_FETCH);
}

void fetch(struct relay *r, int64_t after)
{
    fetch_more(r, after, NULL, 0, 1000);
}

int64_t settle(struct relay *r, const struct ef_settle_run *runs, int count)
{
    ef_store_settle(r->store, r->epoch, runs, count);
    completes(r, EF_VERB_SETTLE);
    return r->rows[EF_VERB_SETTLE];
}

int64_t decide(struct relay *r, const struct ef_decision *decisions, int count)
{
    ef_store_decide(r->store, r->epoch, decisions, count);
    completes(r, EF_VERB_DECIDE);
    return r->rows[EF_VERB_DECIDE];
}

/* --- looks --- */

static void are(const struct ef_row *const *rows, int row_count, const int64_t *ids)
{
    int count = 0;
    while (ids[count])
        count++;
    for (int i = 0; i < row_count && i < count; i++)
        ck_assert_msg(rows[i]->id == ids[i], "row %d is %lld, not %lld", i, (long long)rows[i]->id,
                      (long long)ids[i]);
    ck_assert_int_eq(row_count, count);
}

void shows(const struct relay *r, const int64_t *ids)
{
    are(r->seen, r->seen_count, ids);
}

void holds_back(const struct relay *r, const int64_t *ids)
{
    are(r->held, r->held_count, ids);
    for (int i = 0; i < r->held_count; i++) {
        ck_assert_ptr_null(r->held[i]->payload.p);
        ck_assert_ptr_null(r->held[i]->headers.p);
    }
}

int64_t created_of(const struct relay *r, int64_t id)
{
    for (int i = 0; i < r->seen_count; i++)
        if (r->seen[i]->id == id)
            return r->seen[i]->created_at_us;
    ck_abort_msg("id %lld was not fetched", (long long)id);
}

struct ef_settle_run run_of(const struct relay *r, int64_t first, int64_t last)
{
    struct ef_settle_run run = {first, last, INT64_MAX, INT64_MIN};
    for (int64_t id = first; id <= last; id++) {
        int64_t us = created_of(r, id);
        run.created_min_us = us < run.created_min_us ? us : run.created_min_us;
        run.created_max_us = us > run.created_max_us ? us : run.created_max_us;
    }
    return run;
}

struct ef_row plain_row(const char *aggregate)
{
    return (struct ef_row){.aggregate_type = ef_slice_of("order"),
                           .aggregate_id = ef_slice_of(aggregate),
                           .topic = ef_slice_of("orders"),
                           .payload = ef_slice_of("{\"n\": 1}"),
                           .headers = ef_slice_of("{}"),
                           .partition = -1};
}

int64_t add(const char *aggregate)
{
    struct ef_row row = plain_row(aggregate);
    void *tx = fixture->begin(world);
    int64_t id = fixture->insert(world, tx, &row);
    fixture->commit(world, tx);
    return id;
}

void add_rows(int count)
{
    void *tx = fixture->begin(world);
    for (int i = 0; i < count; i++) {
        char aggregate[32];
        snprintf(aggregate, sizeof(aggregate), "of-its-own-%d", i);
        struct ef_row row = plain_row(aggregate);
        fixture->insert(world, tx, &row);
    }
    fixture->commit(world, tx);
}

struct store_row look(int64_t id)
{
    struct store_row row;
    ck_assert_msg(fixture->look(world, id, &row), "no row %lld", (long long)id);
    return row;
}

bool exists(int64_t id)
{
    struct store_row row;
    return fixture->look(world, id, &row);
}
