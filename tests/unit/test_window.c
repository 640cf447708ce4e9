// SPDX-License-Identifier: MIT
/* The window: order within aggregates, the fate barrier, settling by runs; examples, then random
 * schedules. */
#include "outbox/window.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "unit/run_suite.h"

static struct ef_window *w;
static const ef_mono now = {1000};

static void setup(void)
{
    w = ef_window_new(false);
}

/* Reports of what is still in flight come after the window has forgotten it. */
static void clear_and_report(void)
{
    enum { MAX = 4096 };
    static struct ef_entry *orphans[MAX];
    int count = 0;
    for (struct ef_entry *e = ef_window_first(w, EF_ENTRY_IN_FLIGHT); e && count < MAX; e = e->next)
        orphans[count++] = e;
    ef_window_clear(w);
    for (int i = 0; i < count; i++) {
        ck_assert(orphans[i]->orphan);
        ef_window_release(w, orphans[i]);
    }
    ck_assert_int_eq(ef_window_stats(w)->orphans, 0);
    ck_assert_int_eq(ef_window_stats(w)->bytes, 0);
}

static void teardown(void)
{
    clear_and_report();
    ef_window_free(w);
}

struct spec {
    int64_t id;
    const char *aggregate, *topic, *key;
    int status;
    int version; /* another row under the same id */
};

static enum ef_admitted admit_spec(struct spec s, struct ef_entry **ret)
{
    struct ef_batch *batch = ef_batch_new(1);
    struct ef_row *row = &batch->rows[batch->count++];
    char id[32];
    int len = snprintf(id, sizeof(id), "m-%lld-%d", (long long)s.id, s.version);
    *row = (struct ef_row){.id = s.id,
                           .created_at_us = s.id * 10 + s.version,
                           .topic = ef_slice_of(s.topic ? s.topic : "t"),
                           .key = ef_slice_of(s.key),
                           .aggregate_id = ef_slice_of(s.aggregate),
                           .partition = -1,
                           .status = (int16_t)s.status};
    row->message_id = (struct ef_slice){ef_arena_copy(&batch->arena, id, (size_t)len), (size_t)len};
    *ret = NULL;
    enum ef_admitted got = ef_window_admit(w, batch, row, now, ret);
    ef_batch_unref(batch);
    return got;
}

static struct ef_entry *put_as(struct spec s, enum ef_admitted expected)
{
    struct ef_entry *e;
    ck_assert_int_eq(admit_spec(s, &e), expected);
    return e;
}

static struct ef_entry *put(int64_t id, const char *aggregate)
{
    return put_as((struct spec){.id = id, .aggregate = aggregate}, EF_ADMITTED);
}

static struct ef_entry *send_next(void)
{
    struct ef_entry *e = ef_window_next(w);
    if (e)
        ef_window_sent(w, e, now);
    return e;
}

static void stand_still(struct ef_entry *e, enum ef_entry_fate fate)
{
    struct ef_error err;
    ef_error_set(&err, EF_CLASS_TRANSIENT, "refused");
    ef_window_failed(w, e, &err);
    ef_window_fated(w, e, fate, 1, 100);
}

START_TEST(rows_of_one_route_are_pipelined)
{
    put(1, "a");
    put(2, "a");
    ck_assert_int_eq(send_next()->id, 1);
    ck_assert_int_eq(send_next()->id, 2);
    ck_assert_ptr_null(ef_window_next(w));
}
END_TEST

START_TEST(another_topic_waits_for_the_acknowledgement)
{
    struct ef_entry *first = put(1, "a");
    put_as((struct spec){.id = 2, .aggregate = "a", .topic = "other"}, EF_ADMITTED);
    put(3, "b");
    ck_assert_int_eq(send_next()->id, 1);
    ck_assert_int_eq(send_next()->id, 3);
    ck_assert_ptr_null(ef_window_next(w));
    ef_window_delivered(w, first, now);
    ck_assert_int_eq(send_next()->id, 2);
}
END_TEST

START_TEST(another_key_waits_too)
{
    put_as((struct spec){.id = 1, .aggregate = "a", .key = "k1"}, EF_ADMITTED);
    put_as((struct spec){.id = 2, .aggregate = "a", .key = "k2"}, EF_ADMITTED);
    ck_assert_int_eq(send_next()->id, 1);
    ck_assert_ptr_null(ef_window_next(w));
}
END_TEST

START_TEST(rows_without_aggregate_have_no_order)
{
    struct ef_entry *a = put(1, NULL);
    put_as((struct spec){.id = 2, .topic = "other"}, EF_ADMITTED);
    ck_assert_ptr_eq(send_next(), a);
    ck_assert_int_eq(send_next()->id, 2);
}
END_TEST

START_TEST(a_late_row_goes_before_unsent_ones_of_its_aggregate)
{
    put(5, "a");
    put(3, "a");
    ck_assert_int_eq(send_next()->id, 3);
    ck_assert_int_eq(send_next()->id, 5);
    ck_assert_uint_eq(ef_window_stats(w)->regressions, 0);
}
END_TEST

START_TEST(a_row_below_one_already_sent_is_counted)
{
    put(5, "a");
    send_next();
    put(3, "a");
    ck_assert_uint_eq(ef_window_stats(w)->regressions, 1);
    ck_assert_int_eq(send_next()->id, 3);
}
END_TEST

START_TEST(known_ids_are_not_taken_twice)
{
    struct ef_entry *e = put(1, "a");
    put_as((struct spec){.id = 1, .aggregate = "a"}, EF_ADMIT_KNOWN);
    send_next();
    put_as((struct spec){.id = 1, .aggregate = "a"}, EF_ADMIT_KNOWN);
    ef_window_delivered(w, e, now);
    put_as((struct spec){.id = 1, .aggregate = "a"}, EF_ADMIT_KNOWN);
}
END_TEST

START_TEST(a_settled_id_is_known_until_the_open_read_has_ended)
{
    const struct ef_window_run *runs;
    int rows;
    ef_window_delivered(w, (put(1, "a"), send_next()), now);
    ck_assert_int_eq(ef_window_settle(w, INT64_MAX, 10, &runs, &rows), 1);
    ef_window_settled(w, true, true);
    ck_assert_int_eq(ef_window_stats(w)->rows, 0);
    put_as((struct spec){.id = 1, .aggregate = "a"}, EF_ADMIT_KNOWN);
    ef_window_read_ended(w);
    put_as((struct spec){.id = 1, .aggregate = "a"}, EF_ADMITTED);
}
END_TEST

START_TEST(an_id_that_came_back_is_another_row_and_the_old_one_is_never_settled)
{
    const struct ef_window_run *runs;
    int rows;
    put(1, "a");
    struct ef_entry *old = send_next();
    struct ef_entry *fresh =
        put_as((struct spec){.id = 1, .aggregate = "a", .version = 1}, EF_ADMIT_REPLACED);
    ef_window_delivered(w, old, now);
    ck_assert_int_eq(ef_window_settle(w, INT64_MAX, 10, &runs, &rows), 0);
    ck_assert_ptr_eq(send_next(), fresh);
    ef_window_delivered(w, fresh, now);
    ck_assert_int_eq(ef_window_settle(w, INT64_MAX, 10, &runs, &rows), 1);
    ck_assert_int_eq(runs[0].created_min_us, 11);
}
END_TEST

START_TEST(runs_are_maximal_and_hold_nothing_else)
{
    const struct ef_window_run *runs;
    static const int64_t ids[] = {9, 3, 4, 2, 7, 12, 8};
    int rows;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        put(ids[i], NULL);
    while (ef_window_next(w))
        ef_window_delivered(w, send_next(), now);
    ck_assert_int_eq(ef_window_settle(w, INT64_MAX, 100, &runs, &rows), 3);
    ck_assert_int_eq(rows, 7);
    ck_assert_int_eq(runs[0].first, 2);
    ck_assert_int_eq(runs[0].last, 4);
    ck_assert_int_eq(runs[1].first, 7);
    ck_assert_int_eq(runs[1].last, 9);
    ck_assert_int_eq(runs[2].first, 12);
    ck_assert_int_eq(runs[0].created_min_us, 20);
    ck_assert_int_eq(runs[0].created_max_us, 40);
}
END_TEST

START_TEST(only_rows_below_the_bound_are_settled)
{
    const struct ef_window_run *runs;
    int rows;
    for (int64_t id = 1; id <= 6; id++)
        put(id, NULL);
    while (ef_window_next(w))
        ef_window_delivered(w, send_next(), now);
    ck_assert_int_eq(ef_window_settle(w, 4, 100, &runs, &rows), 1);
    ck_assert_int_eq(rows, 3);
    ck_assert_int_eq(runs[0].last, 3);
    ck_assert_int_eq(ef_window_settle(w, 4, 100, &runs, &rows), 0);
    ck_assert_int_eq(ef_window_settle(w, INT64_MAX, 100, &runs, &rows), 1);
    ck_assert_int_eq(runs[0].first, 4);
}
END_TEST

START_TEST(a_late_row_with_none_before_it_goes_at_once)
{
    put(5, "a");
    put(6, "a");
    put(3, "a");
    ck_assert_int_eq(send_next()->id, 3);
    ck_assert_int_eq(send_next()->id, 5);
    ck_assert_int_eq(send_next()->id, 6);
}
END_TEST

START_TEST(an_unconfirmed_settle_is_repeated)
{
    const struct ef_window_run *runs;
    int rows;
    ef_window_delivered(w, (put(1, "a"), send_next()), now);
    ck_assert_int_eq(ef_window_settle(w, INT64_MAX, 10, &runs, &rows), 1);
    ef_window_settled(w, false, false);
    ck_assert_int_eq(ef_window_settle(w, INT64_MAX, 10, &runs, &rows), 1);
}
END_TEST

START_TEST(a_failed_row_stops_its_aggregate_and_nobody_else)
{
    put(1, "a");
    put(2, "b");
    put(3, "a");
    struct ef_entry *failed = send_next();
    stand_still(failed, EF_ENTRY_RETRY);
    ck_assert_int_eq(send_next()->id, 2);
    ck_assert_ptr_null(ef_window_next(w));
}
END_TEST

START_TEST(the_barrier_waits_for_later_rows_in_flight_and_drops_unsent_ones)
{
    struct ef_entry *taken[4];
    put(1, "a");
    put(2, "a");
    struct ef_entry *first = send_next(), *second = send_next();
    put_as((struct spec){.id = 3, .aggregate = "a", .topic = "other"}, EF_ADMITTED);
    stand_still(first, EF_ENTRY_RETRY);
    ck_assert(!ef_window_barrier_wanted(w));
    ef_window_delivered(w, second, now);
    ck_assert(ef_window_barrier_wanted(w));
    ck_assert_int_eq(ef_window_decide(w, taken, 4, true), 1);
    ck_assert_ptr_eq(taken[0], first);
    ck_assert_int_eq(ef_window_stats(w)->count[EF_ENTRY_HELD], 0);
    ck_assert_int_eq(ef_window_decided(w, true, true, false),
                     INT64_MAX); /* the table holds 3 back */
    /* row 3 is as if it had never been read */
    put_as((struct spec){.id = 3, .aggregate = "a", .topic = "other"}, EF_ADMITTED);
}
END_TEST

/* Row 2 of three has waited and gets this fate, and leaves with what is behind it. */
static int64_t read_again_after(enum ef_entry_fate fate, bool all_there)
{
    struct ef_entry *taken[4];
    put_as((struct spec){.id = 2, .aggregate = "a", .status = EF_STATUS_FAILED}, EF_ADMITTED);
    put(3, "a");
    stand_still(send_next(), fate);
    ck_assert_int_eq(ef_window_decide(w, taken, 4, true), 1);
    return ef_window_decided(w, true, all_there, false);
}

START_TEST(what_a_decision_lets_go_is_read_again)
{
    ck_assert_int_eq(read_again_after(EF_ENTRY_DEAD, true), 2);
    ck_assert_int_eq(read_again_after(EF_ENTRY_DELIVERED_DURABLY, true), 2);
    ck_assert_int_eq(read_again_after(EF_ENTRY_RETRY, true), INT64_MAX);
    ck_assert_int_eq(read_again_after(EF_ENTRY_RETRY, false), 2); /* it may not be there any more */
}
END_TEST

START_TEST(a_late_row_that_stood_behind_one_put_to_wait_is_read_again)
{
    struct ef_entry *taken[4];
    put(5, "a");
    put(6, "a");
    struct ef_entry *failed = send_next();
    put(3, "a");
    stand_still(failed, EF_ENTRY_RETRY);
    ck_assert_int_eq(ef_window_decide(w, taken, 4, true), 1);
    ck_assert_int_eq(ef_window_decided(w, true, true, false),
                     3); /* 5 holds only higher ones back */
}
END_TEST

START_TEST(an_earlier_row_that_came_back_goes_before_the_decision_on_a_later_one)
{
    put(1, "a");
    put(2, "a");
    struct ef_entry *first = send_next(), *second = send_next();
    stand_still(second, EF_ENTRY_RETRY);
    ef_window_returned(w, first, false);
    ck_assert(!ef_window_barrier_wanted(w));
    ck_assert_ptr_eq(send_next(), first);
    ck_assert(!ef_window_barrier_wanted(w));
    ef_window_delivered(w, first, now);
    ck_assert(ef_window_barrier_wanted(w));
}
END_TEST

START_TEST(a_pending_row_becomes_dead_beside_a_read)
{
    struct ef_entry *taken[4];
    put(1, "a");
    stand_still(send_next(), EF_ENTRY_DEAD);
    put(2, "a");
    ck_assert_ptr_null(ef_window_next(w));
    ck_assert(!ef_window_barrier_wanted(w));
    ck_assert_int_eq(ef_window_decide(w, taken, 4, false), 1);
    ck_assert_ptr_null(ef_window_next(w)); /* not before it is written */
    ck_assert_int_eq(ef_window_decided(w, true, true, true), INT64_MAX);
    ck_assert_int_eq(send_next()->id, 2);
    put_as((struct spec){.id = 1, .aggregate = "a"}, EF_ADMIT_KNOWN); /* the read is from before */
    ef_window_read_ended(w);
    put_as((struct spec){.id = 1, .aggregate = "a"}, EF_ADMITTED);
}
END_TEST

START_TEST(a_row_that_waited_does_not_become_dead_beside_a_read)
{
    struct ef_entry *taken[4];
    put_as((struct spec){.id = 1, .aggregate = "a", .status = EF_STATUS_FAILED}, EF_ADMITTED);
    stand_still(send_next(), EF_ENTRY_DEAD);
    ck_assert(ef_window_barrier_wanted(w));
    ck_assert_int_eq(ef_window_decide(w, taken, 4, false), 0);
    ck_assert_int_eq(ef_window_decide(w, taken, 4, true), 1);
    ck_assert_int_eq(ef_window_decided(w, true, true, false), 1);
}
END_TEST

START_TEST(nothing_goes_on_behind_a_dead_row_that_was_not_found)
{
    struct ef_entry *taken[4];
    put(1, "a");
    put(2, "a");
    stand_still(send_next(), EF_ENTRY_DEAD);
    ck_assert_int_eq(ef_window_decide(w, taken, 4, false), 1);
    ck_assert_int_eq(ef_window_decided(w, true, false, true), 1); /* another owner may have it */
    ck_assert_ptr_null(ef_window_next(w));
    put(2, "a");
    ck_assert_int_eq(send_next()->id, 2);
}
END_TEST

START_TEST(a_row_that_has_to_go_alone_waits_for_those_before_it_and_holds_back_those_behind)
{
    put(1, "a");
    put(2, "a");
    put(3, "a");
    struct ef_entry *first = send_next(), *second = ef_window_next(w);
    ck_assert_int_eq(second->id, 2);
    ef_window_alone(w, second);
    ck_assert_ptr_null(ef_window_next(w));
    ef_window_delivered(w, first, now);
    ck_assert_ptr_eq(send_next(), second);
    ck_assert(second->alone);
    ck_assert_ptr_null(ef_window_next(w));
    ef_window_delivered(w, second, now);
    ck_assert_int_eq(send_next()->id, 3);
}
END_TEST

START_TEST(a_decision_not_written_is_taken_again)
{
    struct ef_entry *taken[4];
    stand_still((put(1, "a"), send_next()), EF_ENTRY_RETRY);
    ck_assert_int_eq(ef_window_decide(w, taken, 4, true), 1);
    ef_window_decided(w, false, true, false);
    ck_assert(ef_window_barrier_wanted(w));
    ck_assert_int_eq(ef_window_decide(w, taken, 4, true), 1);
    ef_window_decided(w, true, true, false);
    ck_assert_int_eq(ef_window_stats(w)->rows, 0);
}
END_TEST

START_TEST(a_row_that_waited_leaves_through_the_barrier)
{
    struct ef_entry *taken[4];
    put_as((struct spec){.id = 1, .aggregate = "a", .status = EF_STATUS_FAILED}, EF_ADMITTED);
    put(2, "a");
    struct ef_entry *e = send_next();
    ef_window_sent(w, ef_window_next(w), now);
    ef_window_delivered(w, e, now);
    ck_assert_int_eq(ef_window_stats(w)->count[EF_ENTRY_DELIVERED], 0);
    ck_assert(!ef_window_barrier_wanted(w)); /* 2 is in flight */
    ef_window_delivered(w, ef_window_first(w, EF_ENTRY_IN_FLIGHT), now);
    ck_assert_int_eq(ef_window_decide(w, taken, 4, true), 1);
    ck_assert_int_eq(taken[0]->fate, EF_ENTRY_DELIVERED_DURABLY);
}
END_TEST

START_TEST(a_message_that_must_be_alone_has_no_company)
{
    put(1, "a");
    put(2, "a");
    struct ef_entry *first = send_next();
    struct ef_entry *second = send_next();
    ef_window_returned(w, first, true);
    ef_window_returned(w, second, true);
    ck_assert_ptr_eq(send_next(), first);
    ck_assert_ptr_null(ef_window_next(w));
    ef_window_delivered(w, first, now);
    ck_assert_ptr_eq(send_next(), second);
}
END_TEST

START_TEST(a_pause_keeps_rows_before_others_in_flight)
{
    put(1, "a");
    put(2, "a");
    struct ef_entry *first = send_next();
    struct ef_entry *second = send_next();
    ef_window_returned(w, first, false);
    ck_assert_int_eq(ef_window_drop_unsent(w), INT64_MAX);
    ck_assert_int_eq(ef_window_stats(w)->rows, 2);
    ef_window_returned(w, second, false);
    ck_assert_int_eq(ef_window_drop_unsent(w), 1);
    ck_assert_int_eq(ef_window_stats(w)->rows, 0);
}
END_TEST

START_TEST(runs_do_not_span_two_lives_of_the_table)
{
    const struct ef_window_run *runs;
    int rows;
    put(7, "a");
    ef_window_delivered(w, send_next(), now);
    ef_window_rewritten(w);
    put(6, "b");
    ef_window_delivered(w, send_next(), now);
    ck_assert_int_eq(ef_window_settle(w, INT64_MAX, 100, &runs, &rows), 2);
    ck_assert_int_eq(rows, 2);
    ck_assert_int_eq(runs[0].last, 6);
    ck_assert_int_eq(runs[1].first, 7);
    ef_window_settled(w, true, false);
}
END_TEST

START_TEST(orphans_are_counted_until_released)
{
    put(1, "a");
    put(2, "b");
    struct ef_entry *e = send_next();
    ef_window_clear(w);
    ck_assert_int_eq(ef_window_stats(w)->rows, 0);
    ck_assert_int_eq(ef_window_stats(w)->orphans, 1);
    ck_assert_int_gt(ef_window_stats(w)->bytes, 0);
    ck_assert(e->orphan);
    ck_assert_int_eq(e->row->id, 1);
    ef_window_release(w, e);
    ck_assert_int_eq(ef_window_stats(w)->orphans, 0);
    ck_assert_int_eq(ef_window_stats(w)->bytes, 0);
}
END_TEST

/* --- a share of the window --- */

enum { WINDOW_ROWS = 100, CROWD_ROWS = 3000 };

static int64_t crowd_sent[4];           /* the last id sent, by lane */
static bool crowd_gone[CROWD_ROWS + 1]; /* settled: not in the table any more */

/* Row id of a table in which "a" has most rows, each on another way than the one before. */
static struct spec crowd(int64_t id)
{
    static const char *const lanes[] = {"a", "b", "c", "d"};
    static const char *const topics[] = {"t", "other"};
    int lane = id % 10 < 7 ? 0 : 1 + (int)(id % 3);
    return (struct spec){
        .id = id, .aggregate = lanes[lane], .topic = topics[id / 10 % 2 ^ (id % 2)]};
}

static void send_all_ready(void)
{
    struct ef_entry *e;
    while ((e = ef_window_next(w))) {
        int lane = e->row->aggregate_id.p[0] - 'a';
        ck_assert_int_gt(e->id, crowd_sent[lane]);
        crowd_sent[lane] = e->id;
        ef_window_sent(w, e, now);
    }
}

static void settle_all(void)
{
    const struct ef_window_run *runs;
    int rows;
    int count = ef_window_settle(w, INT64_MAX, WINDOW_ROWS, &runs, &rows);
    for (int i = 0; i < count; i++)
        for (int64_t id = runs[i].first; id <= runs[i].last; id++)
            crowd_gone[id] = true;
    ef_window_settled(w, true, false);
}

START_TEST(a_late_row_of_a_closed_aggregate_has_its_place)
{
    struct ef_entry *e;
    ef_window_set_limits(w, WINDOW_ROWS, INT64_MAX);
    int64_t id = 10;
    while (admit_spec((struct spec){.id = id, .aggregate = "a", .topic = id % 4 ? "t" : "other"},
                      &e) == EF_ADMITTED)
        id += 2;
    ck_assert_int_eq(admit_spec((struct spec){.id = 15, .aggregate = "a"}, &e), EF_ADMITTED);
    int64_t last = 0;
    while ((e = send_next())) {
        ck_assert_int_gt(e->id, last);
        last = e->id;
        ef_window_delivered(w, e, now);
    }
    ck_assert_int_lt(last, id);
    ck_assert_int_eq(ef_window_reopen(w), id);
}
END_TEST

START_TEST(a_closed_aggregate_is_open_again_once_it_is_empty)
{
    struct ef_entry *e, *taken[1];
    ef_window_set_limits(w, WINDOW_ROWS, INT64_MAX);
    int64_t id = 1;
    while (admit_spec((struct spec){.id = id, .aggregate = "a", .topic = id % 2 ? "t" : "other"},
                      &e) == EF_ADMITTED)
        id++;
    stand_still(send_next(), EF_ENTRY_RETRY);
    ck_assert_int_eq(ef_window_decide(w, taken, 1, true), 1);
    ck_assert_int_eq(ef_window_decided(w, true, false, false), 1);
    ck_assert_int_eq(admit_spec((struct spec){.id = 2, .aggregate = "a"}, &e), EF_ADMITTED);
}
END_TEST

START_TEST(a_crowded_aggregate_leaves_room_and_keeps_its_order)
{
    int64_t next = 1, others_first = 0;
    int turns = 0, refused = 0;
    memset(crowd_sent, 0, sizeof(crowd_sent));
    memset(crowd_gone, 0, sizeof(crowd_gone));
    ef_window_set_limits(w, WINDOW_ROWS, INT64_MAX);
    while (next <= CROWD_ROWS || ef_window_stats(w)->rows > 0) {
        ck_assert_int_lt(turns++, 2 * CROWD_ROWS);
        while (next <= CROWD_ROWS && ef_window_stats(w)->rows < WINDOW_ROWS) {
            struct ef_entry *e;
            struct spec s = crowd(next++);
            if (!crowd_gone[s.id])
                refused += admit_spec(s, &e) == EF_ADMIT_REFUSED;
        }
        send_all_ready();
        ck_assert_int_lt(ef_window_stats(w)->count[EF_ENTRY_HELD], WINDOW_ROWS);
        if (others_first == 0 && crowd_sent[1] > CROWD_ROWS * 9 / 10)
            others_first = crowd_sent[0];
        if (ef_window_first(w, EF_ENTRY_IN_FLIGHT))
            ef_window_delivered(w, ef_window_first(w, EF_ENTRY_IN_FLIGHT), now);
        settle_all();
        int64_t lowest = ef_window_reopen(w);
        next = lowest < next ? lowest : next;
    }
    ck_assert_int_gt(refused, 0);
    for (int64_t id = CROWD_ROWS; id > CROWD_ROWS - 10; id--)
        ck_assert_int_ge(crowd_sent[crowd(id).aggregate[0] - 'a'], id);
    ck_assert_int_gt(others_first, 0);
    ck_assert_int_lt(others_first, CROWD_ROWS / 2); /* the others did not wait for it */
}
END_TEST

START_TEST(a_refused_row_is_asked_for_once_there_is_room)
{
    struct ef_entry *e;
    ef_window_set_limits(w, WINDOW_ROWS, INT64_MAX);
    int64_t id = 1;
    while (admit_spec((struct spec){.id = id, .aggregate = "a", .topic = id % 2 ? "t" : "other"},
                      &e) == EF_ADMITTED)
        id++;
    ck_assert_int_le(id, WINDOW_ROWS / 4 + 2);
    ck_assert_int_eq(ef_window_reopen(w), INT64_MAX);
    ck_assert_int_eq(admit_spec((struct spec){.id = id + 5, .aggregate = "a"}, &e),
                     EF_ADMIT_REFUSED);
    ck_assert_int_eq(admit_spec((struct spec){.id = id + 6, .aggregate = "b"}, &e), EF_ADMITTED);
    int64_t again = INT64_MAX;
    while (again == INT64_MAX && ef_window_next(w)) {
        ef_window_delivered(w, send_next(), now);
        again = ef_window_reopen(w);
    }
    ck_assert_int_eq(again, id);
}
END_TEST

/* --- random schedules --- */

enum { LANES = 5, STEPS = 4000 };

struct model { /* what has happened, by id */
    int lane;
    int state; /* 0 not in the window, 1 unsent, 2 in flight, 3 acknowledged, 4 stands still */
    const char *topic;
    int64_t too_late_for; /* rows of its aggregate up to here had been sent when it came */
};

static struct model *model;
static int64_t next_id, late_id;

/* Called right before a row is sent. */
static void check_may_be_sent(const struct ef_entry *e)
{
    const struct model *m = &model[e->id];
    for (int64_t id = 1; id < e->id; id++) {
        const struct model *before = &model[id];
        if (before->lane != m->lane || before->state == 0 || before->state == 3)
            continue;
        if (e->id <= before->too_late_for)
            continue;
        ck_assert_msg(before->state == 2,
                      "row %lld sent while %lld of its aggregate stands before it",
                      (long long)e->id, (long long)id);
        ck_assert_str_eq(before->topic, m->topic);
    }
}

static void random_admit(struct ef_rng *rng)
{
    static const char *const lanes[LANES] = {"a", "b", "c", "d", "e"};
    static const char *const topics[] = {"t", "t", "t", "other"};
    int64_t id = next_id++;
    if (late_id == 0 && ef_rng_below(rng, 8) == 0)
        late_id = next_id < STEPS ? next_id++ : 0; /* its transaction commits later */
    if (late_id != 0 && late_id != id + 1 && ef_rng_below(rng, 4) == 0) {
        next_id--;
        id = late_id;
        late_id = 0;
    }
    model[id] = (struct model){
        .lane = (int)ef_rng_below(rng, LANES), .state = 1, .topic = topics[ef_rng_below(rng, 4)]};
    for (int64_t later = id + 1; later < next_id; later++)
        if (model[later].lane == model[id].lane && model[later].state >= 2)
            model[id].too_late_for = later;
    put_as((struct spec){.id = id, .aggregate = lanes[model[id].lane], .topic = model[id].topic},
           EF_ADMITTED);
}

static struct ef_entry *random_of(struct ef_rng *rng, enum ef_entry_state state)
{
    int64_t n = ef_window_stats(w)->count[state];
    struct ef_entry *e = ef_window_first(w, state);
    for (int64_t i = n ? (int64_t)ef_rng_below(rng, (uint64_t)n) : 0; i > 0; i--)
        e = e->next;
    return e;
}

static void random_report(struct ef_rng *rng)
{
    struct ef_entry *e = random_of(rng, EF_ENTRY_IN_FLIGHT);
    if (!e)
        return;
    uint64_t dice = ef_rng_below(rng, 10);
    if (dice < 7) {
        /* acks of one partition come in order: only the lane's first in flight may be acknowledged
         */
        for (int64_t id = 1; id < e->id; id++)
            if (model[id].lane == model[e->id].lane && model[id].state == 2)
                return;
        model[e->id].state = 3;
        ef_window_delivered(w, e, now);
    } else if (dice < 9) {
        model[e->id].state = 1;
        ef_window_returned(w, e, dice == 8);
    } else {
        model[e->id].state = 4;
        stand_still(e, ef_rng_below(rng, 2) ? EF_ENTRY_RETRY : EF_ENTRY_DEAD);
    }
}

/* A row decided as dead, or waiting in the table, or dropped with it, is out of the window. */
static void random_decisions(struct ef_rng *rng)
{
    struct ef_entry *taken[8];
    bool wanted = ef_window_barrier_wanted(w), barrier = wanted && ef_rng_below(rng, 2);
    int n = ef_window_decide(w, taken, 8, barrier);
    ck_assert(!barrier || n > 0);
    for (int i = 0; i < n; i++) {
        ck_assert(barrier || taken[i]->fate == EF_ENTRY_DEAD);
        if (taken[i]->fate == EF_ENTRY_DEAD)
            continue; /* those behind it stay */
        for (int64_t id = 1; id < next_id; id++)
            if (model[id].lane == model[taken[i]->id].lane && id != taken[i]->id) {
                ck_assert_int_ne(model[id].state, 2);
                if (model[id].state == 1)
                    model[id].state = 0;
            }
    }
    bool confirmed = ef_rng_below(rng, 4) > 0;
    for (int i = 0; i < n && confirmed; i++)
        model[taken[i]->id].state = 0;
    ef_window_decided(w, confirmed, true, !barrier && ef_rng_below(rng, 2));
    ef_window_read_ended(w);
}

static void random_settle(struct ef_rng *rng)
{
    const struct ef_window_run *runs;
    int rows, counted = 0;
    int n = ef_window_settle(w, INT64_MAX, 20, &runs, &rows);
    for (int i = 0; i < n; i++)
        for (int64_t id = runs[i].first; id <= runs[i].last; id++, counted++)
            ck_assert_msg(model[id].state == 3, "run holds %lld, which was not delivered",
                          (long long)id);
    ck_assert_int_eq(counted, rows);
    bool confirmed = ef_rng_below(rng, 4) > 0;
    if (confirmed)
        for (int i = 0; i < n; i++)
            for (int64_t id = runs[i].first; id <= runs[i].last; id++)
                model[id].state = 0;
    ef_window_settled(w, confirmed, ef_rng_below(rng, 2));
    ef_window_read_ended(w);
}

static void check_counts(void)
{
    const struct ef_window_stats *s = ef_window_stats(w);
    int64_t rows = 0, here = 0;
    for (int state = 0; state < EF_ENTRY_STATES; state++)
        if (state != EF_ENTRY_SETTLED)
            rows += s->count[state];
    for (int64_t id = 1; id < next_id; id++)
        here += model[id].state != 0;
    ck_assert_int_eq(rows, s->rows);
    ck_assert_int_eq(rows, here);
}

/* Once everything is acknowledged and decided, nothing is left waiting. */
static void run_dry(struct ef_rng *rng)
{
    struct ef_entry *e;
    for (int turn = 0; turn < 4 * STEPS && ef_window_stats(w)->rows > 0; turn++) {
        while ((e = ef_window_next(w))) {
            check_may_be_sent(e);
            model[e->id].state = 2;
            ef_window_sent(w, e, now);
        }
        while ((e = ef_window_first(w, EF_ENTRY_IN_FLIGHT))) {
            model[e->id].state = 3;
            ef_window_delivered(w, e, now);
        }
        random_decisions(rng);
        random_settle(rng);
    }
    ck_assert_int_eq(ef_window_stats(w)->rows, 0);
}

START_TEST(random_schedules_keep_the_order)
{
    struct ef_rng rng;
    ef_rng_seed(&rng, (uint64_t)_i + 1);
    model = calloc(STEPS + 2, sizeof(*model));
    next_id = 1;
    late_id = 0;
    for (int step = 0; step < STEPS; step++) {
        uint64_t dice = ef_rng_below(&rng, 12);
        struct ef_entry *e;
        if (dice < 3)
            random_admit(&rng);
        else if (dice < 7 && (e = ef_window_next(w))) {
            check_may_be_sent(e);
            model[e->id].state = 2;
            ef_window_sent(w, e, now);
        } else if (dice < 10)
            random_report(&rng);
        else if (dice == 10)
            random_decisions(&rng);
        else
            random_settle(&rng);
        if (step % 64 == 0)
            check_counts();
    }
    if (_i % 2)
        run_dry(&rng);
    clear_and_report();
    ck_assert_int_eq(ef_window_stats(w)->bytes, 0);
    free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("window");
    TCase *examples = tcase_create("examples");
    tcase_add_checked_fixture(examples, setup, teardown);
    tcase_add_test(examples, rows_of_one_route_are_pipelined);
    tcase_add_test(examples, another_topic_waits_for_the_acknowledgement);
    tcase_add_test(examples, another_key_waits_too);
    tcase_add_test(examples, rows_without_aggregate_have_no_order);
    tcase_add_test(examples, a_late_row_goes_before_unsent_ones_of_its_aggregate);
    tcase_add_test(examples, a_row_below_one_already_sent_is_counted);
    tcase_add_test(examples, known_ids_are_not_taken_twice);
    tcase_add_test(examples, a_settled_id_is_known_until_the_open_read_has_ended);
    tcase_add_test(examples, an_id_that_came_back_is_another_row_and_the_old_one_is_never_settled);
    tcase_add_test(examples, runs_are_maximal_and_hold_nothing_else);
    tcase_add_test(examples, only_rows_below_the_bound_are_settled);
    tcase_add_test(examples, a_late_row_with_none_before_it_goes_at_once);
    tcase_add_test(examples, an_unconfirmed_settle_is_repeated);
    tcase_add_test(examples, a_failed_row_stops_its_aggregate_and_nobody_else);
    tcase_add_test(examples, the_barrier_waits_for_later_rows_in_flight_and_drops_unsent_ones);
    tcase_add_test(examples, an_earlier_row_that_came_back_goes_before_the_decision_on_a_later_one);
    tcase_add_test(examples, what_a_decision_lets_go_is_read_again);
    tcase_add_test(examples, a_late_row_that_stood_behind_one_put_to_wait_is_read_again);
    tcase_add_test(examples, a_decision_not_written_is_taken_again);
    tcase_add_test(examples, a_row_that_waited_leaves_through_the_barrier);
    tcase_add_test(examples, a_message_that_must_be_alone_has_no_company);
    tcase_add_test(
        examples, a_row_that_has_to_go_alone_waits_for_those_before_it_and_holds_back_those_behind);
    tcase_add_test(examples, a_pending_row_becomes_dead_beside_a_read);
    tcase_add_test(examples, a_row_that_waited_does_not_become_dead_beside_a_read);
    tcase_add_test(examples, nothing_goes_on_behind_a_dead_row_that_was_not_found);
    tcase_add_test(examples, a_pause_keeps_rows_before_others_in_flight);
    tcase_add_test(examples, runs_do_not_span_two_lives_of_the_table);
    tcase_add_test(examples, orphans_are_counted_until_released);
    tcase_add_test(examples, a_refused_row_is_asked_for_once_there_is_room);
    tcase_add_test(examples, a_late_row_of_a_closed_aggregate_has_its_place);
    tcase_add_test(examples, a_closed_aggregate_is_open_again_once_it_is_empty);
    tcase_add_test(examples, a_crowded_aggregate_leaves_room_and_keeps_its_order);
    suite_add_tcase(suite, examples);
    TCase *random = tcase_create("random schedules");
    tcase_add_checked_fixture(random, setup, teardown);
    tcase_set_timeout(random, 60);
    tcase_add_loop_test(random, random_schedules_keep_the_order, 0, 40);
    suite_add_tcase(suite, random);
    return run_suite(suite);
}
