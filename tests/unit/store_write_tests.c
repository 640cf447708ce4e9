// SPDX-License-Identifier: MIT
/* What settling and deciding do to rows: exactly what was meant, once or repeated, and to no other
 * row. */
#include "unit/store_relay.h"

#include <stdlib.h>

static const struct {
    enum ef_on_delivered on_delivered;
    const char *name;
} ways[] = {
    {EF_ON_DELIVERED_DELETE, "delete"},
    {EF_ON_DELIVERED_ARCHIVE, "archive"},
    {EF_ON_DELIVERED_MARK, "mark"},
};
enum { WAYS = sizeof(ways) / sizeof(*ways) };

/* A world that settles this way, and its owner. */
static struct relay *owner_that(int way)
{
    setup.on_delivered = ways[way].on_delivered;
    start_again();
    return start_owner();
}

/* Has left, in the way of this setup, and once. */
static void is_settled(int64_t id)
{
    if (setup.on_delivered == EF_ON_DELIVERED_MARK) {
        struct store_row row = look(id);
        ck_assert_int_eq(row.status, EF_STATUS_DONE);
        ck_assert(row.has_processed);
    } else {
        ck_assert_msg(!exists(id), "row %lld is still there", (long long)id);
    }
    ck_assert_int_eq(fixture->archived(world, id), setup.on_delivered == EF_ON_DELIVERED_ARCHIVE);
}

static void is_pending(int64_t id)
{
    ck_assert_int_eq(look(id).status, EF_STATUS_PENDING);
    ck_assert_int_eq(fixture->archived(world, id), 0);
}

START_TEST(runs_settle_exactly_their_rows)
{
    struct relay *r = owner_that(_i);
    add_rows(10);
    fetch(r, 0);
    struct ef_settle_run runs[] = {run_of(r, 2, 4), run_of(r, 7, 7), run_of(r, 9, 10)};
    ck_assert_int_eq(settle(r, runs, 3), 6);
    for (int64_t id = 1; id <= 10; id++) {
        if (id == 1 || id == 5 || id == 6 || id == 8)
            is_pending(id);
        else
            is_settled(id);
    }
    fetch(r, 0);
    SHOWS(r, 1, 5, 6, 8);
}
END_TEST

START_TEST(a_repeated_settle_changes_nothing_more)
{
    struct relay *r = owner_that(_i);
    add_rows(5);
    fetch(r, 0);
    struct ef_settle_run run = run_of(r, 1, 3);
    ck_assert_int_eq(settle(r, &run, 1), 3);
    ck_assert_int_eq(settle(r, &run, 1), 0);
    for (int64_t id = 1; id <= 3; id++)
        is_settled(id);
    is_pending(4);
    is_pending(5);
}
END_TEST

START_TEST(an_id_that_came_back_is_another_row)
{
    struct relay *r = owner_that(_i);
    add_rows(3);
    fetch(r, 0);
    struct ef_settle_run run = run_of(r, 1, 3);
    struct ef_decision decision = {.id = 2,
                                   .created_us = created_of(r, 2),
                                   .kind = EF_DECIDE_DEAD,
                                   .attempts = 5,
                                   .error = "of the former row"};
    fixture->truncate(world);
    add_rows(3);
    ck_assert_int_eq(settle(r, &run, 1), 0);
    ck_assert_int_eq(decide(r, &decision, 1), 0);
    decision.kind = EF_DECIDE_RETRY;
    ck_assert_int_eq(decide(r, &decision, 1), 0);
    decision.kind = EF_DECIDE_DELIVERED;
    ck_assert_int_eq(decide(r, &decision, 1), 0);
    for (int64_t id = 1; id <= 3; id++)
        is_pending(id);
    if (ef_store_caps(r->store) & EF_STORE_REWRITES) {
        ef_store_fetch(r->store,
                       &(struct ef_fetch){.epoch = r->epoch, .max_rows = 9, .max_bytes = 999});
        fails(r, EF_VERB_FETCH, EF_CLASS_BUSY); /* the table is not the one it was */
    }
    fetch(r, 0);
    SHOWS(r, 1, 2, 3);
    run = run_of(r, 1, 3);
    ck_assert_int_eq(settle(r, &run, 1), 3);
}
END_TEST

START_TEST(created_at_is_compared_to_the_microsecond)
{
    struct relay *r = start_owner();
    static const int64_t times[] = {INT64_C(1772366400123456), INT64_C(-1000001), INT64_C(999999),
                                    INT64_C(4102444800000001)};
    for (int i = 0; i < 4; i++) {
        struct ef_row row = plain_row("a");
        row.created_at_us = times[i];
        void *tx = fixture->begin(world);
        fixture->insert(world, tx, &row);
        fixture->commit(world, tx);
    }
    for (int i = 0; i < 4; i++) {
        struct ef_settle_run run = {i + 1, i + 1, times[i] - 2, times[i] - 1};
        ck_assert_int_eq(settle(r, &run, 1), 0);
        run.created_min_us = times[i] + 1;
        run.created_max_us = times[i] + 2;
        ck_assert_int_eq(settle(r, &run, 1), 0);
        run.created_min_us = run.created_max_us = times[i];
        ck_assert_int_eq(settle(r, &run, 1), 1);
    }
}
END_TEST

START_TEST(many_runs)
{
    enum { ROWS = 3000 };
    static struct ef_settle_run runs[ROWS / 3];
    struct relay *r = owner_that(_i);
    add_rows(ROWS);
    fetch_more(r, 0, NULL, 0, ROWS);
    ck_assert_int_eq(r->seen_count, ROWS);
    for (int i = 0; i < ROWS / 3; i++) /* two of three */
        runs[i] = (struct ef_settle_run){3 * i + 1, 3 * i + 2, r->seen[0]->created_at_us,
                                         r->seen[ROWS - 1]->created_at_us};
    ck_assert_int_eq(settle(r, runs, ROWS / 3), ROWS / 3 * 2);
    fetch_more(r, 0, NULL, 0, ROWS);
    ck_assert_int_eq(r->seen_count, ROWS / 3);
    for (int i = 0; i < ROWS / 3; i++)
        ck_assert_int_eq(r->seen[i]->id, 3 * i + 3);
}
END_TEST

START_TEST(waiting_and_foreign_rows_can_be_settled)
{
    struct relay *r = owner_that(_i);
    add_rows(3);
    fetch(r, 0);
    struct ef_settle_run run = run_of(r, 1, 3);
    fixture->set_status(world, 1, EF_STATUS_FAILED, -1);
    fixture->set_status(world, 2, EF_STATUS_PROCESSING, -1);
    fixture->set_status(world, 3, EF_STATUS_DONE, 0); /* another kind of relay finished it */
    bool stays = setup.on_delivered == EF_ON_DELIVERED_MARK;
    ck_assert_int_eq(settle(r, &run, 1), stays ? 2 : 3);
    for (int64_t id = 1; id <= 3; id++)
        is_settled(id);
}
END_TEST

/* --- fates --- */

START_TEST(retry)
{
    struct relay *r = start_owner();
    add_rows(2);
    fetch(r, 0);
    struct ef_decision d = {
        .id = 1,
        .created_us = created_of(r, 1),
        .kind = EF_DECIDE_RETRY,
        .attempts = 3,
        .delay_ms = 50000,
        .error = "it's a \"quoted\" \\ back\\slash, {brace}, caf\xc3\xa9\nnext line"};
    ck_assert_int_eq(decide(r, &d, 1), 1);
    struct store_row row = look(1);
    ck_assert_int_eq(row.status, EF_STATUS_FAILED);
    ck_assert_int_eq(row.attempts, 3);
    ck_assert(row.has_retry);
    ck_assert_int_le(row.retry_in_ms, 50000);
    ck_assert_int_gt(row.retry_in_ms, 20000);
    ck_assert_str_eq(row.last_error, d.error);
    is_pending(2);
    fetch(r, 0);
    SHOWS(r, 2);

    ck_assert_int_eq(decide(r, &d, 1), 1); /* repeated: the same value, not one more */
    ck_assert_int_eq(look(1).attempts, 3);
    d.delay_ms = 0;
    d.attempts = 4;
    d.error = NULL;
    ck_assert_int_eq(decide(r, &d, 1), 1);
    ck_assert(!look(1).has_error);
    fetch(r, 0); /* due at once */
    SHOWS(r, 1, 2);
    ck_assert_int_eq(r->seen[0]->status, EF_STATUS_FAILED);
    ck_assert_int_eq(r->seen[0]->attempts, 4);
}
END_TEST

START_TEST(dead)
{
    struct relay *r = start_owner();
    add("a");
    add("a");
    fetch(r, 0);
    struct ef_decision d = {.id = 1,
                            .created_us = created_of(r, 1),
                            .kind = EF_DECIDE_RETRY,
                            .attempts = 1,
                            .delay_ms = 60000,
                            .error = "once"};
    ck_assert_int_eq(decide(r, &d, 1), 1);
    fetch(r, 0);
    SHOWS(r);
    d.kind = EF_DECIDE_DEAD;
    d.attempts = 2;
    d.error = "never";
    ck_assert_int_eq(decide(r, &d, 1), 1);
    struct store_row row = look(1);
    ck_assert_int_eq(row.status, EF_STATUS_DEAD);
    ck_assert_int_eq(row.attempts, 2);
    ck_assert(!row.has_retry);
    ck_assert_str_eq(row.last_error, "never");
    fetch(r, 0); /* it holds nothing back any more */
    SHOWS(r, 2);
    ck_assert_int_eq(decide(r, &d, 1), 1);
    ck_assert_int_eq(look(1).attempts, 2);
}
END_TEST

START_TEST(what_has_ended_stays_so)
{
    struct relay *r = start_owner();
    add("a");
    add("b");
    fetch(r, 0);
    struct ef_decision late[] = {
        {.id = 1, .created_us = created_of(r, 1), .kind = EF_DECIDE_RETRY, .attempts = 1},
        {.id = 2, .created_us = created_of(r, 2), .kind = EF_DECIDE_RETRY, .attempts = 1}};
    struct ef_decision d = late[0];
    d.kind = EF_DECIDE_DEAD;
    ck_assert_int_eq(decide(r, &d, 1), 1);
    fixture->set_status(world, 2, EF_STATUS_DONE, 0);
    ck_assert_int_eq(decide(r, late, 2), 0); /* of a connection that broke, say */
    ck_assert_int_eq(look(1).status, EF_STATUS_DEAD);
    ck_assert_int_eq(look(2).status, EF_STATUS_DONE);
}
END_TEST

START_TEST(a_pending_rows_death_leaves_one_that_waits)
{
    struct relay *r = start_owner();
    add("a");
    add("b");
    fetch(r, 0);
    struct ef_decision d[] = {{.id = 1, .created_us = created_of(r, 1), .kind = EF_DECIDE_DEAD},
                              {.id = 2, .created_us = created_of(r, 2), .kind = EF_DECIDE_DEAD}};
    d[0].pending = d[1].pending = true;
    fixture->set_status(world, 1, EF_STATUS_FAILED, 60000); /* somebody has it tried again */
    ck_assert_int_eq(decide(r, d, 2), 1);
    ck_assert_int_eq(look(1).status, EF_STATUS_FAILED);
    ck_assert_int_eq(look(2).status, EF_STATUS_DEAD);
    ck_assert_int_eq(decide(r, d, 2), 1); /* said once more: dead is dead */
    d[0].pending = false;
    ck_assert_int_eq(decide(r, d, 1), 1);
    ck_assert_int_eq(look(1).status, EF_STATUS_DEAD);
}
END_TEST

START_TEST(delivered_after_waiting)
{
    struct relay *r = owner_that(_i);
    add("a");
    add("a");
    fixture->set_status(world, 1, EF_STATUS_FAILED, -1000);
    fetch(r, 0);
    SHOWS(r, 1);
    struct ef_decision d = {
        .id = 1, .created_us = created_of(r, 1), .kind = EF_DECIDE_DELIVERED, .attempts = 1};
    ck_assert_int_eq(decide(r, &d, 1), 1);
    is_settled(1);
    fetch(r, 0);
    SHOWS(r, 2);
    ck_assert_int_eq(decide(r, &d, 1), 0);
    is_settled(1);
}
END_TEST

START_TEST(a_claim_of_another_relay_ends_with_the_decision)
{
    struct relay *r = start_owner();
    add("a");
    fetch(r, 0);
    struct ef_decision d = {.id = 1,
                            .created_us = created_of(r, 1),
                            .kind = EF_DECIDE_RETRY,
                            .pending = true, /* when it was read */
                            .attempts = 1,
                            .delay_ms = 60000};
    fixture->set_status(world, 1, EF_STATUS_PROCESSING, -70000);
    ck_assert(look(1).has_claim);
    ck_assert_int_eq(decide(r, &d, 1), 1);
    ck_assert(!look(1).has_claim);
    ck_assert_int_eq(look(1).status, EF_STATUS_FAILED);
}
END_TEST

START_TEST(several_fates_at_once)
{
    struct relay *r = owner_that(_i);
    add_rows(8);
    fetch(r, 0);
    struct ef_decision d[6];
    for (int i = 0; i < 6; i++)
        d[i] = (struct ef_decision){.id = i + 1,
                                    .created_us = created_of(r, i + 1),
                                    .kind = i % 3 == 0   ? EF_DECIDE_RETRY
                                            : i % 3 == 1 ? EF_DECIDE_DEAD
                                                         : EF_DECIDE_DELIVERED,
                                    .attempts = i + 1,
                                    .delay_ms = 60000,
                                    .error = i % 2 ? "odd" : "even"};
    ck_assert_int_eq(decide(r, d, 6), 6);
    for (int i = 0; i < 6; i++) {
        if (i % 3 == 2) {
            is_settled(i + 1);
            continue;
        }
        struct store_row row = look(i + 1);
        ck_assert_int_eq(row.status, i % 3 == 0 ? EF_STATUS_FAILED : EF_STATUS_DEAD);
        ck_assert_int_eq(row.attempts, i + 1);
        ck_assert_str_eq(row.last_error, i % 2 ? "odd" : "even");
    }
    is_pending(7);
    fetch(r, 0);
    SHOWS(r, 7, 8);
}
END_TEST

/* --- upkeep --- */

START_TEST(purging_marked_rows)
{
    setup.on_delivered = EF_ON_DELIVERED_MARK;
    setup.retention_ms = 5000;
    start_again();
    struct relay *r = start_owner();
    add_rows(6);
    fixture->set_status(world, 1, EF_STATUS_DONE, -60000);
    fixture->set_status(world, 2, EF_STATUS_DONE, -60000);
    fixture->set_status(world, 3, EF_STATUS_DONE, 0);
    fixture->set_status(world, 4, EF_STATUS_DEAD, -60000);
    fixture->set_status(world, 5, EF_STATUS_FAILED, -60000);
    ef_store_maintain(r->store, r->epoch);
    completes(r, EF_VERB_MAINTAIN);
    ck_assert_int_eq(r->rows[EF_VERB_MAINTAIN], 2);
    for (int64_t id = 1; id <= 6; id++)
        ck_assert_int_eq(exists(id), id > 2);
}
END_TEST

START_TEST(upkeep_of_the_archive_keeps_what_is_young)
{
    setup.on_delivered = EF_ON_DELIVERED_ARCHIVE;
    setup.retention_ms = 24 * 3600 * INT64_C(1000);
    start_again();
    struct relay *r = start_owner();
    add_rows(2);
    fetch(r, 0);
    struct ef_settle_run run = run_of(r, 1, 2);
    ck_assert_int_eq(settle(r, &run, 1), 2);
    ef_store_maintain(r->store, r->epoch);
    completes(r, EF_VERB_MAINTAIN);
    is_settled(1);
    is_settled(2);
    ef_store_lag(r->store);
    completes(r, EF_VERB_LAG);
    ck_assert_int_ge(r->lag.archive_partitions, 1);
    ck_assert_int_ge(r->lag.archive_bytes, 0);
}
END_TEST

void add_write_tests(Suite *suite)
{
    TCase *tc = contract_case(suite, "write");
    tcase_add_loop_test(tc, runs_settle_exactly_their_rows, 0, WAYS);
    tcase_add_loop_test(tc, a_repeated_settle_changes_nothing_more, 0, WAYS);
    tcase_add_loop_test(tc, an_id_that_came_back_is_another_row, 0, WAYS);
    tcase_add_test(tc, created_at_is_compared_to_the_microsecond);
    tcase_add_loop_test(tc, many_runs, 0, WAYS);
    tcase_add_loop_test(tc, waiting_and_foreign_rows_can_be_settled, 0, WAYS);
    tcase_add_test(tc, retry);
    tcase_add_test(tc, dead);
    tcase_add_test(tc, what_has_ended_stays_so);
    tcase_add_test(tc, a_pending_rows_death_leaves_one_that_waits);
    tcase_add_loop_test(tc, delivered_after_waiting, 0, WAYS);
    tcase_add_test(tc, a_claim_of_another_relay_ends_with_the_decision);
    tcase_add_loop_test(tc, several_fates_at_once, 0, WAYS);
    tcase_add_test(tc, purging_marked_rows);
    tcase_add_test(tc, upkeep_of_the_archive_keeps_what_is_young);
}
