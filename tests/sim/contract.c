// SPDX-License-Identifier: MIT
/*
 * The store contract on the simulated database, by PostgreSQL's rules and by MySQL's: what the
 * relay is simulated with must be what the real drivers are. A small world of its own: no relays,
 * no brokers, no checker, and nothing goes wrong but what a test asks for.
 *
 * usage: contract [--seed N]    N: how long everything takes is drawn from it, and rows are locked
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "sim/checker.h"
#include "sim/choice.h"
#include "sim/cover.h"
#include "sim/db_private.h"
#include "sim/link.h"
#include "sim/names.h"
#include "sim/world.h"
#include "unit/run_suite.h"
#include "unit/store_suite.h"

enum { ROWS_MAX = 4096, LANES_MAX = 4096 };

struct sim_world sim_world;
static uint64_t drawn; /* 0: everything is as quick as can be */
static const char *const topics[SIM_TOPICS] = {"orders", "x", "y"};

struct lane {
    struct ef_slice id;
    int type;
};

static struct {
    struct ef_loop *loop;
    const struct store_setup *setup;
    int store_count;
    struct lane lanes[LANES_MAX];
    int lane_count;
} w;

/* --- what the rest of a world would say --- */

const char *const *sim_topic_names(void)
{
    return topics;
}

const char *sim_aggregate_id(const struct sim_row *row)
{
    return w.lanes[row->lane].id.p;
}

void sim_relay_freeze(int relay, int64_t us, bool threads_too)
{
    (void)relay;
    (void)us;
    (void)threads_too;
}

void sim_violated(enum sim_violation violation, const char *fmt, ...)
{
    ck_abort_msg("%s: %s", sim_violation_name(violation), fmt);
}

void sim_check_inserted(const struct sim_row *row)
{
    (void)row;
}

void sim_check_committed(const struct sim_row *row)
{
    (void)row;
}

void sim_check_settled(const struct sim_row *row, const struct sim_stmt *stmt)
{
    (void)row;
    (void)stmt;
}

void sim_check_marked(const struct sim_row *row, const struct ef_decision *d,
                      const struct sim_stmt *stmt)
{
    (void)row;
    (void)d;
    (void)stmt;
}

void sim_check_undone(const struct sim_row *now, const struct sim_row_state *then, bool born,
                      bool failover)
{
    (void)now;
    (void)then;
    (void)born;
    (void)failover;
}

void sim_check_asked_again(const struct sim_row *row)
{
    (void)row;
}

void sim_check_skipped(const struct sim_row *row)
{
    (void)row;
}

void sim_check_truncated(const struct sim_row *row)
{
    (void)row;
}

void sim_check_ids_begin_again(void)
{
}

void sim_check_granted(int relay, uint32_t serial)
{
    (void)relay;
    (void)serial;
}

void sim_cover_statement(const struct sim_stmt *stmt)
{
    (void)stmt;
}

void sim_cover_answer(enum sim_stmt_kind kind, const struct ef_error *err)
{
    (void)kind;
    (void)err;
}

void sim_cover_notable(enum sim_notable what)
{
    (void)what;
}

const char *sim_statement_name(int kind)
{
    (void)kind;
    return NULL;
}

const char *sim_partition_name(int label)
{
    (void)label;
    return NULL;
}

const char *sim_fault_name(int kind)
{
    (void)kind;
    return NULL;
}

/* --- the loop --- */

static bool stopped;

void ef_loop_run(struct ef_loop *loop)
{
    stopped = false;
    sim_enter(loop); /* what was deferred from outside */
    sim_leave(loop);
    while (!stopped)
        ck_assert_msg(sim_step(INT64_MAX), "nothing is left that could happen");
}

void ef_loop_stop(struct ef_loop *loop)
{
    (void)loop;
    stopped = true;
}

/* --- life --- */

static void *open_world(const struct store_setup *setup, bool mysql)
{
    static const struct sim_choices none;
    int longest_us = drawn ? 30000 : 100;
    const struct sim_link_config link = {.connect_max_ms = 20,
                                         .forth_max_us = longest_us,
                                         .back_max_us = longest_us,
                                         .statement_timeout_ms = 35000};
    sim_clock_reset();
    if (drawn)
        sim_choices_seed(drawn, NULL);
    else
        sim_choices_replay(1, &none);
    sim_world = (struct sim_world){.mysql = mysql,
                                   .by_type = setup->order_by == EF_ORDER_AGGREGATE_TYPE_AND_ID};
    sim_db_reset(&(struct sim_db_config){.mysql = mysql,
                                         .on_delivered = setup->on_delivered,
                                         .claim_timeout_ms = setup->claim_timeout_ms,
                                         .max_payload_bytes = setup->max_payload_bytes,
                                         .retention_ms = setup->retention_ms,
                                         .locked_permille = drawn ? 300 : 0,
                                         .rows_max = ROWS_MAX,
                                         .lanes_max = LANES_MAX,
                                         .due_max = EF_WAITING_DUE_MAX});
    sim_links_reset(&link);
    w.loop = sim_loop_new(0, 0, 0);
    w.setup = setup;
    w.store_count = w.lane_count = 0;
    return &w;
}

static void *pg_open(const struct store_setup *setup)
{
    return open_world(setup, false);
}

static void *my_open(const struct store_setup *setup)
{
    return open_world(setup, true);
}

static void close_world(void *f)
{
    (void)f;
    for (int i = 0; i < w.lane_count; i++)
        free((char *)w.lanes[i].id.p);
    sim_loop_free(w.loop);
}

static struct ef_loop *loop_of(void *f)
{
    (void)f;
    return w.loop;
}

static struct ef_store *make_store(void *f, const struct ef_store_user *user, void *arg)
{
    (void)f;
    ck_assert_int_lt(w.store_count, SIM_RELAYS);
    return sim_store_new(w.loop, w.store_count++, "orders", topics, user, arg);
}

/* --- the application --- */

static int64_t next_id(void *f)
{
    (void)f;
    return sim_db_next_id();
}

static void *begin(void *f)
{
    static int numbers[TX_MAX];
    int tx = sim_db_begin();
    (void)f;
    ck_assert_int_ge(tx, 0);
    numbers[tx] = tx;
    return &numbers[tx];
}

/* As writers.c has them: with order by type and id each of both has a lane of its own. */
static int lane_of(const struct ef_row *row, int type)
{
    int lane = 0;
    if (!row->aggregate_id.p)
        return SIM_LANES - 1;
    for (; lane < w.lane_count; lane++)
        if (ef_slice_eq(w.lanes[lane].id, row->aggregate_id) &&
            (!sim_world.by_type || w.lanes[lane].type == type))
            return lane;
    if (lane == SIM_LANES - 1) /* not an aggregate's */
        w.lanes[lane++] = (struct lane){{NULL, 0}, -1};
    ck_assert_int_lt(lane, LANES_MAX);
    w.lanes[lane] = (struct lane){
        {ef_xstrndup(row->aggregate_id.p, row->aggregate_id.len), row->aggregate_id.len}, type};
    w.lane_count = lane + 1;
    return lane;
}

static int64_t insert(void *f, void *tx, const struct ef_row *row)
{
    int64_t id = row->id ? row->id : sim_db_next_id();
    int type = !ef_slice_eq(row->aggregate_type, ef_slice_of("order"));
    bool large = row->payload.len > (size_t)w.setup->max_payload_bytes;
    struct sim_row new = {.created_us = row->created_at_us,
                          .lane = lane_of(row, type),
                          .type = type,
                          .topic = sim_db_topic(row->topic),
                          .key = -1,
                          .partition = row->partition,
                          .kind = large ? SIM_ROW_LARGE : SIM_ROW_GOOD,
                          .size_bytes = (int)row->payload.len};
    (void)f;
    ck_assert_int_lt(new.topic, SIM_TOPICS);
    ck_assert_int_ge(sim_db_insert(*(int *)tx, id, &new), 0);
    return id;
}

static void commit(void *f, void *tx)
{
    (void)f;
    ck_assert(sim_db_commit(*(int *)tx));
}

static void rollback(void *f, void *tx)
{
    (void)f;
    sim_db_rollback(*(int *)tx);
}

/* --- behind the store's back --- */

static struct sim_row *find(int64_t id)
{
    int i = sim_db_lower_bound(id);
    struct sim_row *row = i < db.index_count ? &db.rows[db.index[i]] : NULL;
    return row && row->id == id && row->s.there ? row : NULL;
}

static bool look_at(void *f, int64_t id, struct store_row *ret)
{
    const struct sim_row *row = find(id);
    (void)f;
    if (!row)
        return false;
    *ret = (struct store_row){.status = row->s.status,
                              .attempts = row->s.attempts,
                              .has_retry = row->s.next_retry_us != 0,
                              .has_claim = row->s.claimed_us != 0,
                              .has_processed = row->s.processed_us != 0,
                              .retry_in_ms = (row->s.next_retry_us - sim_db_now_us()) / EF_MS_US,
                              .has_error = row->s.last_error != NULL};
    snprintf(ret->last_error, sizeof(ret->last_error), "%s",
             row->s.last_error ? row->s.last_error : "");
    return true;
}

static int archived(void *f, int64_t id)
{
    int count = 0;
    (void)f;
    for (int uid = 0; uid < db.row_count; uid++)
        count += db.rows[uid].id == id && db.rows[uid].s.archived;
    return count;
}

static void set_status(void *f, int64_t id, int status, int64_t at_ms)
{
    struct sim_row *row = find(id);
    int64_t at_us = sim_db_now_us() + at_ms * EF_MS_US;
    (void)f;
    ck_assert_ptr_nonnull(row);
    sim_db_save_row(row->uid);
    db.next_xid++;
    row->s.status = (int8_t)status;
    row->s.next_retry_us = status == EF_STATUS_FAILED ? at_us : 0;
    row->s.claimed_us = status == EF_STATUS_PROCESSING ? at_us : 0;
    row->s.processed_us = status == EF_STATUS_DONE ? at_us : 0;
    sim_db_log_commit(true);
}

static void truncate_table(void *f)
{
    (void)f;
    ck_assert(sim_db_truncate(0));
}

static void move_server(void *f)
{
    (void)f;
    db.lease.server = db.timeline + 1;
}

static void age_relays(void *f) /* who stands by is not kept */
{
    (void)f;
}

static void stall(void *f, bool stalled)
{
    (void)f;
    sim_db_stall(stalled);
}

static void cut(void *f)
{
    (void)f;
    sim_server_reachable(false);
    sim_server_gone();
}

static void mend(void *f)
{
    (void)f;
    sim_server_reachable(true);
}

/* --- what is not simulated --- */

static const char no_texts[] = "a simulated row has the payload and message id of its number";
static const char no_lists[] = "lists are for people: no relay asks for one";
static const char no_standbys[] = "who stands by is told to people: no relay goes by it";

static const struct store_gap gaps[] = {
    /* this one only where everything is drawn (main) */
    {"a_chunk_at_a_time", "rows come in pieces that are drawn"},
    {"rows_come_as_they_were_written", no_texts},
    {"a_payload_that_is_too_large_is_not_loaded", no_texts},
    {"rows_are_listed_by_what_they_are", no_lists},
    {"archived_rows_are_listed_with_their_time", no_lists},
    {"finished_rows_are_counted_by_age", no_lists},
    {"a_list_says_whether_there_is_more", no_lists},
    {"a_listed_row_tells_of_itself", no_lists},
    {"a_list_needs_no_lease", no_lists},
    {"who_looks_stands_by", no_standbys},
    {"who_is_passing_does_not_stand_by", no_standbys},
    {"the_former_owner_does_not_stand_by", no_standbys},
    {NULL, NULL},
};

static const struct store_fixture pg_fixture = {
    .name = "store contract: simulated, PostgreSQL's rules",
    .gaps = gaps + 1,
    .open = pg_open,
    .close = close_world,
    .loop = loop_of,
    .make_store = make_store,
    .next_id = next_id,
    .begin = begin,
    .insert = insert,
    .commit = commit,
    .rollback = rollback,
    .look = look_at,
    .archived = archived,
    .set_status = set_status,
    .truncate = truncate_table,
    .move_server = move_server,
    .age_relays = age_relays,
    .stall = stall,
    .cut = cut,
    .mend = mend,
};

static int run(const struct store_fixture *which)
{
    return run_suite(store_suite(which));
}

int main(int argc, char **argv)
{
    struct store_fixture pg = pg_fixture;
    if (argc == 3 && strcmp(argv[1], "--seed") == 0)
        drawn = strtoull(argv[2], NULL, 10);
    if (drawn)
        pg.gaps = gaps;
    struct store_fixture my = pg;
    my.name = "store contract: simulated, MySQL's rules";
    my.open = my_open;
    /* simulated seconds cost nothing, and a row may be locked for as many as a test waits */
    setenv("EF_TEST_TIMEOUT_SCALE", "10", true);
    int failed = run(&pg) + run(&my);
    return failed == 0 ? 0 : 1;
}
