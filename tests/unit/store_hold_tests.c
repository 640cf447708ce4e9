// SPDX-License-Identifier: MIT
/* Which rows a read only tells of: waiting ones that are not due, and those behind a waiting row of
 * their aggregate; and which it leaves out: those of another relay, and those behind them. */
#include "unit/store_relay.h"

#include <stdio.h>

/* 1 a, 2 b, 3 a, 4 c, 5 a, 6 b */
static struct relay *six_rows(void)
{
    static const char *const aggregates[] = {"a", "b", "a", "c", "a", "b"};
    struct relay *r = start_owner();
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(add(aggregates[i]), i + 1);
    return r;
}

START_TEST(a_waiting_row_holds_its_aggregate_back)
{
    struct relay *r = six_rows();
    fixture->set_status(world, 3, EF_STATUS_FAILED, 60000);
    fetch(r, 0);
    SHOWS(r, 1, 2, 4, 6); /* what lies before it goes on, and every other aggregate */
    HOLDS_BACK(r, 3, 5);
    fetch(r, 4);
    SHOWS(r, 6); /* also where the waiting row is not part of the read */
    HOLDS_BACK(r, 5);
    fetch_more(r, 6, &(struct ef_run){5, 5}, 1, 10);
    SHOWS(r);
    HOLDS_BACK(r, 5);
}
END_TEST

START_TEST(a_row_that_is_due_still_holds_back_the_others)
{
    struct relay *r = six_rows();
    fixture->set_status(world, 1, EF_STATUS_FAILED, -1000);
    fetch(r, 0);
    SHOWS(r, 1, 2, 4, 6);
    HOLDS_BACK(r, 3, 5);
    ck_assert_int_eq(r->seen[0]->status, EF_STATUS_FAILED);
    fixture->set_status(world, 3, EF_STATUS_FAILED, -1000); /* of two, only the first */
    fetch(r, 0);
    SHOWS(r, 1, 2, 4, 6);
    HOLDS_BACK(r, 3, 5);
}
END_TEST

START_TEST(a_row_becomes_due_by_the_databases_clock)
{
    struct relay *r = six_rows();
    fixture->set_status(world, 2, EF_STATUS_FAILED, 300);
    ef_mono began = ef_clock_mono();
    do {
        fetch(r, 1);
        ck_assert_int_lt(ef_clock_mono().us - began.us, 20 * EF_S_US);
    } while (r->seen[0]->id != 2);
    ck_assert_int_ge(ef_clock_mono().us - began.us, 200000);
    SHOWS(r, 2, 3, 4, 5);
    HOLDS_BACK(r, 6);
}
END_TEST

START_TEST(rows_of_another_relay)
{
    setup.claim_timeout_ms = 5000;
    start_again();
    struct relay *r = six_rows();
    fixture->set_status(world, 1, EF_STATUS_PROCESSING, -1000);
    fetch(r, 0);
    SHOWS(r, 2, 4, 6); /* it may still be working on 1 */
    HOLDS_BACK(r);
    fixture->set_status(world, 1, EF_STATUS_PROCESSING, -6000);
    fetch(r, 0);
    SHOWS(r, 1, 2, 4, 6); /* given up; those behind follow when it is settled */
    HOLDS_BACK(r);
    ck_assert_int_eq(r->seen[0]->status, EF_STATUS_PROCESSING);
    fixture->set_status(world, 1, EF_STATUS_FAILED, 60000);
    fixture->set_status(world, 4, EF_STATUS_PROCESSING, -1000);
    fetch(r, 0);
    SHOWS(r, 2, 6);
    HOLDS_BACK(r, 1, 3, 5);
}
END_TEST

START_TEST(a_read_tells_of_rows_of_another_relay_if_it_is_asked)
{
    struct relay *r = six_rows();
    fixture->set_status(world, 1, EF_STATUS_FAILED, 60000);
    fetch(r, 0);
    ck_assert(!r->fetched.foreign);
    fixture->set_status(world, 6, EF_STATUS_PROCESSING, 0);
    fetch(r, 0);
    ck_assert(r->fetched.foreign);
    ck_assert_int_gt(r->chunk_count, 0);
    ck_assert(r->batches[0]->foreign);
    fetch(r, 6); /* wherever they are */
    ck_assert(r->fetched.foreign);
    ef_store_fetch(r->store,
                   &(struct ef_fetch){.epoch = r->epoch, .max_rows = 9, .max_bytes = 99999});
    completes(r, EF_VERB_FETCH);
    ck_assert(!r->fetched.foreign);
    fixture->set_status(world, 6, EF_STATUS_DONE, 0);
    fetch(r, 0);
    ck_assert(!r->fetched.foreign);
}
END_TEST

START_TEST(done_and_dead_rows_hold_nothing_back)
{
    struct relay *r = six_rows();
    fixture->set_status(world, 1, EF_STATUS_DONE, 0);
    fixture->set_status(world, 2, EF_STATUS_DEAD, 0);
    fetch(r, 0);
    SHOWS(r, 3, 4, 5, 6);
    fetch_more(r, 6, &(struct ef_run){1, 2}, 1, 10);
    SHOWS(r);
    HOLDS_BACK(r);
}
END_TEST

START_TEST(rows_without_an_aggregate_have_no_order)
{
    struct relay *r = start_owner();
    struct ef_row row = plain_row(NULL);
    void *tx = fixture->begin(world);
    for (int i = 0; i < 3; i++)
        fixture->insert(world, tx, &row);
    fixture->commit(world, tx);
    fixture->set_status(world, 1, EF_STATUS_FAILED, 60000);
    fetch(r, 0);
    SHOWS(r, 2, 3);
    HOLDS_BACK(r, 1);
    ck_assert_ptr_null(r->seen[0]->aggregate_id.p);
}
END_TEST

START_TEST(aggregates_are_compared_by_their_bytes)
{
    static const char *const aggregates[] = {"a", "A", "a ", "\xc3\xa9", "e\xcc\x81", ""};
    struct relay *r = start_owner();
    for (int i = 0; i < 6; i++)
        add(aggregates[i]);
    for (int i = 0; i < 6; i++)
        add(aggregates[i]);
    fixture->set_status(world, 1, EF_STATUS_FAILED, 60000);
    fixture->set_status(world, 4, EF_STATUS_FAILED, 60000);
    fixture->set_status(world, 6, EF_STATUS_FAILED, 60000);
    fetch(r, 0);
    SHOWS(r, 2, 3, 5, 8, 9, 11);
    HOLDS_BACK(r, 1, 4, 6, 7, 10, 12);
}
END_TEST

/* 1 and 3 are of type order, 2 and 4 of type invoice; all have the same aggregate id. */
static struct relay *two_types(enum ef_order_by order_by)
{
    setup.order_by = order_by;
    start_again();
    struct relay *r = start_owner();
    for (int i = 0; i < 4; i++) {
        struct ef_row row = plain_row("17");
        if (i % 2)
            row.aggregate_type = ef_slice_of("invoice");
        void *tx = fixture->begin(world);
        fixture->insert(world, tx, &row);
        fixture->commit(world, tx);
    }
    fixture->set_status(world, 1, EF_STATUS_FAILED, 60000);
    fetch(r, 0);
    return r;
}

START_TEST(types_share_their_ids_order)
{
    struct relay *r = two_types(EF_ORDER_AGGREGATE_ID);
    SHOWS(r);
    HOLDS_BACK(r, 1, 2, 3, 4);
}
END_TEST

START_TEST(types_have_orders_of_their_own)
{
    struct relay *r = two_types(EF_ORDER_AGGREGATE_TYPE_AND_ID);
    SHOWS(r, 2, 4);
    HOLDS_BACK(r, 1, 3);
}
END_TEST

START_TEST(a_blocked_aggregate_is_passed_in_steps)
{
    struct relay *r = start_owner();
    void *tx = fixture->begin(world);
    struct ef_row row = plain_row("blocked");
    for (int i = 0; i < 50; i++)
        fixture->insert(world, tx, &row);
    row = plain_row("free");
    fixture->insert(world, tx, &row);
    fixture->commit(world, tx);
    fixture->set_status(world, 1, EF_STATUS_FAILED, 60000);
    fetch_more(r, 0, NULL, 0, 20); /* no read goes through all of them: they may be millions */
    SHOWS(r);
    ck_assert_int_eq(r->held_count, 20);
    ck_assert(r->fetched.full);
    ck_assert_int_eq(r->held[19]->id, 20);
    fetch_more(r, 40, NULL, 0, 20);
    SHOWS(r, 51);
    ck_assert_int_eq(r->held_count, 10);
    ck_assert(!r->fetched.full);
}
END_TEST

/* --- releasing --- */

static int64_t release(struct relay *r, const char *topic, int limit)
{
    ef_store_release_topic(r->store, r->epoch, ef_slice_of(topic), limit);
    completes(r, EF_VERB_RELEASE_TOPIC);
    return r->rows[EF_VERB_RELEASE_TOPIC];
}

/* Rows 1 to 6, aggregates of their own; odd ones for topic x, even ones for y; all waiting. */
static struct relay *six_waiting(void)
{
    struct relay *r = start_owner();
    for (int i = 1; i <= 6; i++) {
        char aggregate[8];
        snprintf(aggregate, sizeof(aggregate), "%d", i);
        struct ef_row row = plain_row(aggregate);
        row.topic = ef_slice_of(i % 2 ? "x" : "y");
        void *tx = fixture->begin(world);
        fixture->insert(world, tx, &row);
        fixture->commit(world, tx);
        fixture->set_status(world, i, EF_STATUS_FAILED, 60000);
    }
    fetch(r, 0);
    SHOWS(r);
    return r;
}

START_TEST(release_one_then_all_of_a_topic)
{
    struct relay *r = six_waiting();
    ck_assert_int_eq(release(r, "x", 1), 1);
    fetch(r, 0);
    SHOWS(r, 1);
    ck_assert_int_eq(look(1).status, EF_STATUS_FAILED); /* only its time has changed */
    ck_assert_int_eq(release(r, "x", 1), 1);            /* the next one: the first is due already */
    fetch(r, 0);
    SHOWS(r, 1, 3);
    ck_assert_int_eq(release(r, "x", 0), 1);
    fetch(r, 0);
    SHOWS(r, 1, 3, 5);
    ck_assert_int_eq(release(r, "x", 0), 0);
    ck_assert_int_eq(release(r, "z", 0), 0);
}
END_TEST

START_TEST(release_of_every_topic)
{
    struct relay *r = six_waiting();
    fixture->set_status(world, 2, EF_STATUS_DEAD, 0);
    fixture->set_status(world, 4, EF_STATUS_PROCESSING, 0);
    ck_assert_int_eq(release(r, NULL, 0), 4);
    fetch(r, 0);
    SHOWS(r, 1, 3, 5, 6);
}
END_TEST

/* --- what waits --- */

static void ask_waiting(struct relay *r)
{
    ef_store_waiting(r->store);
    completes(r, EF_VERB_WAITING);
}

START_TEST(waiting_rows_are_counted)
{
    setup.claim_timeout_ms = 60000;
    start_again();
    struct relay *r = six_rows();
    ask_waiting(r);
    ck_assert_int_eq(r->waiting.waiting_rows, 0);
    ck_assert_int_eq(r->waiting.foreign_rows, 0);
    ck_assert_int_eq(r->waiting.next_retry_ms, -1);
    ck_assert_int_eq(r->waiting.due_count, 0);
    fixture->set_status(world, 4, EF_STATUS_FAILED, 50000);
    fixture->set_status(world, 5, EF_STATUS_FAILED, 30000);
    fixture->set_status(world, 6, EF_STATUS_DEAD, 0);
    ask_waiting(r);
    ck_assert_int_eq(r->waiting.waiting_rows, 2);
    ck_assert_int_eq(r->waiting.foreign_rows, 0);
    ck_assert_int_gt(r->waiting.next_retry_ms, 5000);
    ck_assert_int_le(r->waiting.next_retry_ms, 30000);
    ck_assert_int_eq(r->waiting.due_count, 0);
    fixture->set_status(world, 5, EF_STATUS_FAILED, -1000);
    fixture->set_status(world, 2, EF_STATUS_PROCESSING, -1000);
    fixture->set_status(world, 3, EF_STATUS_PROCESSING, -70000); /* no longer anybody's */
    ask_waiting(r);
    ck_assert_int_eq(r->waiting.waiting_rows, 2);
    ck_assert_int_eq(r->waiting.foreign_rows, 1);
    ck_assert_int_eq(r->waiting.next_retry_ms, 0);
    ck_assert_int_eq(r->waiting.due_count, 1);
    ck_assert_int_eq(r->waiting.due[0], 5);
}
END_TEST

START_TEST(due_rows_are_named_as_far_as_there_is_room)
{
    enum { ROWS = EF_WAITING_DUE_MAX + 3 };
    struct relay *r = start_owner();
    void *tx = fixture->begin(world);
    struct ef_row row = plain_row("a");
    for (int i = 0; i < ROWS; i++)
        fixture->insert(world, tx, &row);
    fixture->commit(world, tx);
    for (int id = 2; id <= ROWS; id++)
        fixture->set_status(world, id, EF_STATUS_FAILED, -1000);
    ask_waiting(r);
    ck_assert_int_eq(r->waiting.waiting_rows, ROWS - 1);
    ck_assert_int_eq(r->waiting.due_count, EF_WAITING_DUE_MAX);
    ck_assert(r->waiting.due_more);
    for (int i = 0; i < EF_WAITING_DUE_MAX; i++)
        ck_assert_int_eq(r->waiting.due[i], i + 2);
    for (int id = 2; id <= 3; id++)
        fixture->set_status(world, id, EF_STATUS_DONE, 0);
    ask_waiting(r);
    ck_assert_int_eq(r->waiting.due_count, EF_WAITING_DUE_MAX);
    ck_assert(!r->waiting.due_more);
    ck_assert_int_eq(r->waiting.due[EF_WAITING_DUE_MAX - 1], ROWS);
}
END_TEST

START_TEST(lag)
{
    struct relay *r = six_rows();
    ef_store_lag(r->store);
    completes(r, EF_VERB_LAG);
    ck_assert_int_eq(r->lag.backlog_rows, 6);
    ck_assert(!r->lag.backlog_saturated);
    ck_assert_int_eq(r->lag.waiting_rows, 0);
    ck_assert_int_eq(r->lag.blocked_aggregates, 0);
    ck_assert_int_eq(r->lag.archive_partitions, -1);
    ck_assert(r->lag.oldest_unfinished_age_s >= 0 && r->lag.oldest_unfinished_age_s < 600);
    fixture->set_status(world, 1, EF_STATUS_FAILED, 60000); /* a */
    fixture->set_status(world, 3, EF_STATUS_FAILED, 60000); /* a */
    fixture->set_status(world, 2, EF_STATUS_PROCESSING, 0); /* b */
    fixture->set_status(world, 4, EF_STATUS_DONE, 0);
    fixture->set_status(world, 5, EF_STATUS_DEAD, 0);
    ef_store_lag(r->store);
    completes(r, EF_VERB_LAG);
    ck_assert_int_eq(r->lag.backlog_rows, 4);
    ck_assert_int_eq(r->lag.waiting_rows, 2);
    ck_assert_int_eq(r->lag.blocked_aggregates, 2);
}
END_TEST

START_TEST(dead_rows_are_counted)
{
    struct relay *r = six_rows();
    fixture->set_status(world, 5, EF_STATUS_DEAD, 0);
    fixture->set_status(world, 6, EF_STATUS_DEAD, 0);
    ef_store_lag(r->store);
    completes(r, EF_VERB_LAG);
    ck_assert_int_eq(r->lag.dead_rows, 2);
}
END_TEST

START_TEST(an_empty_table_has_no_lag)
{
    struct relay *r = start_owner();
    ef_store_lag(r->store);
    completes(r, EF_VERB_LAG);
    ck_assert_int_eq(r->lag.backlog_rows, 0);
    ck_assert_int_eq(r->lag.dead_rows, 0);
    ck_assert(r->lag.oldest_unfinished_age_s == 0);
}
END_TEST

void add_hold_tests(Suite *suite)
{
    TCase *tc = contract_case(suite, "hold");
    tcase_add_test(tc, a_waiting_row_holds_its_aggregate_back);
    tcase_add_test(tc, a_row_that_is_due_still_holds_back_the_others);
    tcase_add_test(tc, a_row_becomes_due_by_the_databases_clock);
    tcase_add_test(tc, rows_of_another_relay);
    tcase_add_test(tc, a_read_tells_of_rows_of_another_relay_if_it_is_asked);
    tcase_add_test(tc, done_and_dead_rows_hold_nothing_back);
    tcase_add_test(tc, rows_without_an_aggregate_have_no_order);
    tcase_add_test(tc, aggregates_are_compared_by_their_bytes);
    tcase_add_test(tc, types_share_their_ids_order);
    tcase_add_test(tc, types_have_orders_of_their_own);
    tcase_add_test(tc, a_blocked_aggregate_is_passed_in_steps);
    tcase_add_test(tc, release_one_then_all_of_a_topic);
    tcase_add_test(tc, release_of_every_topic);
    tcase_add_test(tc, waiting_rows_are_counted);
    tcase_add_test(tc, due_rows_are_named_as_far_as_there_is_room);
    tcase_add_test(tc, lag);
    tcase_add_test(tc, dead_rows_are_counted);
    tcase_add_test(tc, an_empty_table_has_no_lag);
}
