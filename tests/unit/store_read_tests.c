// SPDX-License-Identifier: MIT
/* What a read shows: committed rows in id order, gaps first, in chunks, from one snapshot. */
#include "unit/store_relay.h"

#include <stdio.h>

static void equals(struct ef_slice a, const char *b)
{
    ck_assert_msg(ef_slice_eq(a, ef_slice_of(b)), "%.*s", (int)a.len, a.p);
}

START_TEST(rows_come_as_they_were_written)
{
    struct relay *r = start_owner();
    struct ef_row row = plain_row("order-9");
    row.message_id = ef_slice_of("5f3c9a52-1111-4222-8333-444455556666");
    row.key = ef_slice_of("customer \"3\" \xc3\xa9");
    row.headers = ef_slice_of("{\"tenant\": \"acme\"}");
    row.trace_id = ef_slice_of("4bf9");
    row.partition = 7;
    row.created_at_us = INT64_C(1772366400123456);
    void *tx = fixture->begin(world);
    fixture->insert(world, tx, &row);
    row = plain_row("");
    row.payload = (struct ef_slice){NULL, 0};
    fixture->insert(world, tx, &row);
    fixture->commit(world, tx);
    fetch(r, 0);
    SHOWS(r, 1, 2);

    const struct ef_row *full = r->seen[0], *least = r->seen[1];
    equals(full->message_id, "5f3c9a52-1111-4222-8333-444455556666");
    equals(full->aggregate_type, "order");
    equals(full->aggregate_id, "order-9");
    equals(full->topic, "orders");
    equals(full->key, "customer \"3\" \xc3\xa9");
    equals(full->payload, "{\"n\": 1}");
    equals(full->headers, "{\"tenant\": \"acme\"}");
    equals(full->trace_id, "4bf9");
    ck_assert_int_eq(full->created_at_us, INT64_C(1772366400123456));
    ck_assert_int_eq(full->partition, 7);
    ck_assert_int_eq(full->payload_bytes, 0);
    ck_assert_int_eq(full->status, EF_STATUS_PENDING);
    ck_assert_int_eq(full->attempts, 0);
    ck_assert_int_eq(full->payload_kind, EF_PAYLOAD_JSON);

    ck_assert_ptr_null(least->key.p);
    ck_assert_ptr_null(least->trace_id.p);
    ck_assert_ptr_null(least->payload.p);
    ck_assert_int_eq(least->payload_bytes, 0);
    ck_assert_int_eq(least->partition, -1);
    ck_assert_ptr_nonnull(least->aggregate_id.p);
    ck_assert_uint_eq(least->aggregate_id.len, 0);
    ck_assert_int_gt(least->created_at_us, ef_clock_wall().us - 600 * EF_S_US);
    ck_assert_int_lt(least->created_at_us, ef_clock_wall().us + 600 * EF_S_US);
}
END_TEST

START_TEST(limits)
{
    struct relay *r = start_owner();
    add_rows(5);
    fetch_more(r, INT64_MIN, NULL, 0, 3);
    SHOWS(r, 1, 2, 3);
    ck_assert(r->fetched.full);
    fetch_more(r, 3, NULL, 0, 3);
    SHOWS(r, 4, 5);
    ck_assert(!r->fetched.full);
    fetch_more(r, 3, NULL, 0, 2); /* exactly: there may be more */
    SHOWS(r, 4, 5);
    ck_assert(r->fetched.full);
    fetch_more(r, 5, NULL, 0, 2);
    SHOWS(r);
    ck_assert(!r->fetched.full);
    ck_assert(!r->fetched.gaps_full);
    fetch_more(r, INT64_MAX, NULL, 0, 2);
    SHOWS(r);
}
END_TEST

START_TEST(max_id)
{
    struct relay *r = start_owner();
    fetch(r, 0);
    ck_assert_int_eq(r->fetched.max_id, INT64_MIN);
    add_rows(3);
    fixture->set_status(world, 3, EF_STATUS_DEAD, 0); /* whatever its status */
    fetch(r, 2);
    SHOWS(r);
    ck_assert_int_eq(r->fetched.max_id, 3);
    ef_store_fetch(r->store,
                   &(struct ef_fetch){.epoch = r->epoch, .max_rows = 9, .max_bytes = 99999});
    completes(r, EF_VERB_FETCH);
    ck_assert_int_eq(r->fetched.max_id, INT64_MIN);
}
END_TEST

/* Ids 1 to 5; 3 is in a transaction that the caller ends. */
static void *five_with_three_open(void)
{
    void *tx = fixture->begin(world);
    struct ef_row row = plain_row("late");
    add_rows(2);
    ck_assert_int_eq(fixture->insert(world, tx, &row), 3);
    add_rows(2);
    return tx;
}

START_TEST(a_late_commit_shows_in_its_gap)
{
    static const struct ef_run gap = {3, 3};
    struct relay *r = start_owner();
    void *tx = five_with_three_open();
    fetch(r, 0);
    SHOWS(r, 1, 2, 4, 5);
    fetch_more(r, 5, &gap, 1, 10);
    SHOWS(r);
    fixture->commit(world, tx);
    fetch(r, 5);
    SHOWS(r);
    add_rows(1);
    fetch_more(r, 5, &gap, 1, 10);
    SHOWS(r, 3, 6);
    fetch(r, 0);
    SHOWS(r, 1, 2, 3, 4, 5, 6);
}
END_TEST

START_TEST(what_is_rolled_back_never_shows)
{
    struct relay *r = start_owner();
    void *tx = five_with_three_open();
    fixture->rollback(world, tx);
    fetch(r, 0);
    SHOWS(r, 1, 2, 4, 5);
    ck_assert(!exists(3));
}
END_TEST

START_TEST(an_id_drawn_long_before_its_row)
{
    struct relay *r = start_owner();
    int64_t id = fixture->next_id(world);
    add_rows(2);
    fetch(r, 0);
    SHOWS(r, 2, 3);
    struct ef_row row = plain_row("pooled");
    row.id = id;
    void *tx = fixture->begin(world);
    ck_assert_int_eq(fixture->insert(world, tx, &row), id);
    fixture->commit(world, tx);
    fetch_more(r, 3, &(struct ef_run){1, 1}, 1, 10);
    SHOWS(r, 1);
}
END_TEST

START_TEST(gaps_come_first_and_may_cut_the_rest_off)
{
    static const struct ef_run gaps[] = {{1, 2}, {4, 4}, {6, 7}};
    struct relay *r = start_owner();
    add_rows(10);
    fetch_more(r, 8, gaps, 3, 10);
    SHOWS(r, 1, 2, 4, 6, 7, 9, 10);
    ck_assert(!r->fetched.gaps_full);
    ck_assert(!r->fetched.full);
    fetch_more(r, 8, gaps, 3, 6);
    SHOWS(r, 1, 2, 4, 6, 7, 9, 10);
    fetch_more(r, 8, gaps, 3, 5); /* as many as allowed: an earlier row may have been cut off */
    SHOWS(r, 1, 2, 4, 6, 7);
    ck_assert(r->fetched.gaps_full);
    fetch_more(r, 8, gaps, 3, 3);
    SHOWS(r, 1, 2, 4);
    ck_assert(r->fetched.gaps_full);
    fetch_more(r, 1, gaps, 1, 1); /* both parts full */
    ck_assert(r->fetched.gaps_full);
    SHOWS(r, 1);
}
END_TEST

START_TEST(many_gaps)
{
    enum { RUNS = 1000 };
    static struct ef_run gaps[RUNS];
    struct relay *r = start_owner();
    add_rows(2 * RUNS);
    for (int i = 0; i < RUNS; i++)
        gaps[i] = (struct ef_run){2 * i + 1, 2 * i + 1};
    fetch_more(r, 2 * RUNS - 2, gaps, RUNS - 1, 2 * RUNS);
    ck_assert_int_eq(r->seen_count, RUNS - 1 + 2);
    for (int i = 0; i < RUNS - 1; i++)
        ck_assert_int_eq(r->seen[i]->id, 2 * i + 1);
    ck_assert_int_eq(r->seen[RUNS]->id, 2 * RUNS);
}
END_TEST

/* --- transaction numbers --- */

/* A renewal (which may be where the number comes from), then a read that asks for the gap. */
static void look_at_numbers(struct relay *r)
{
    static const struct ef_run gap = {3, 3};
    ef_store_renew(r->store, r->epoch, 60000);
    completes(r, EF_VERB_RENEW);
    fetch_more(r, 5, &gap, 1, 1000);
}

START_TEST(xmin_stays_below_the_number_while_a_transaction_is_open)
{
    struct relay *r = start_owner();
    void *tx = five_with_three_open();
    look_at_numbers(r);
    uint64_t xmax = r->fetched.xmax;
    ck_assert_uint_ne(xmax, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_lt(r->fetched.xmin, xmax);
        add_rows(1);
        look_at_numbers(r);
    }
    turn_for(1100000); /* a driver without numbers looks for open rows once a second */
    look_at_numbers(r);
    ck_assert_uint_lt(r->fetched.xmin, xmax);
    /* also when the open transaction is the youngest that has a number */
    void *young = fixture->begin(world);
    struct ef_row row = plain_row("young");
    fixture->insert(world, young, &row);
    fixture->commit(world, tx);
    look_at_numbers(r);
    ck_assert_uint_gt(r->fetched.xmax, xmax);
    uint64_t with_young = r->fetched.xmax;
    ck_assert_uint_lt(r->fetched.xmin, with_young);
    fixture->rollback(world, young);
    ef_mono began = ef_clock_mono();
    while (r->fetched.xmin < with_young) { /* the server's own work may have numbers too */
        ck_assert_int_lt(ef_clock_mono().us - began.us, 20 * EF_S_US);
        look_at_numbers(r);
    }
}
END_TEST

/* --- chunks --- */

static void start_fetch(struct relay *r, int64_t max_bytes)
{
    ef_store_fetch(r->store,
                   &(struct ef_fetch){.epoch = r->epoch, .max_rows = 2000, .max_bytes = max_bytes});
}

/* Another verb there and back: what the fetch would say by itself has been said. */
static void round_trip(struct relay *r)
{
    ef_store_waiting(r->store);
    completes(r, EF_VERB_WAITING);
    ef_store_settle(r->store, r->epoch, &(struct ef_settle_run){900000, 900000, 0, 0}, 1);
    completes(r, EF_VERB_SETTLE);
}

START_TEST(a_chunk_at_a_time)
{
    enum { CHUNK_BYTES = 400 };
    struct relay *r = start_owner();
    size_t bytes = 0;
    add_rows(20);
    start_fetch(r, CHUNK_BYTES);
    until(&r->chunk_count, 1);
    ck_assert(r->paused);
    int first = r->seen_count;
    for (int i = 0; i < first; i++)
        bytes += ef_row_bytes(r->seen[i]);
    ck_assert_uint_ge(bytes, CHUNK_BYTES); /* with its last row, not before */
    ck_assert_uint_lt(bytes - ef_row_bytes(r->seen[first - 1]), CHUNK_BYTES);
    round_trip(r);
    ck_assert_int_eq(r->seen_count, first); /* it waits to be asked */
    ck_assert_int_eq(r->done[EF_VERB_FETCH], 0);
    while (r->done[EF_VERB_FETCH] == 0) {
        int chunks = r->chunk_count;
        if (r->paused)
            ef_store_fetch_continue(r->store);
        ck_assert_int_eq(r->chunk_count, chunks);
        r->paused = false;
        while (!r->paused && r->done[EF_VERB_FETCH] == 0)
            ef_loop_run(fixture->loop(world));
        ck_assert_int_le(r->chunk_count, chunks + 1);
    }
    ck_assert_int_eq(r->err[EF_VERB_FETCH].class, EF_CLASS_NONE);
    ck_assert_int_eq(r->seen_count, 20);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(r->seen[i]->id, i + 1);
}
END_TEST

START_TEST(rows_of_a_paused_read_are_those_of_its_snapshot)
{
    struct relay *r = start_owner();
    add_rows(20);
    start_fetch(r, 40);
    until(&r->chunk_count, 1);
    add_rows(5);
    while (r->done[EF_VERB_FETCH] == 0) {
        if (r->paused)
            ef_store_fetch_continue(r->store);
        r->paused = false;
        ef_loop_run(fixture->loop(world));
    }
    ck_assert_int_eq(r->seen_count, 20);
}
END_TEST

START_TEST(many_rows_in_several_batches)
{
    struct relay *r = start_owner();
    add_rows(1500);
    fetch_more(r, 0, NULL, 0, 2000);
    ck_assert_int_eq(r->seen_count, 1500);
    for (int i = 0; i < 1500; i++)
        ck_assert_int_eq(r->seen[i]->id, i + 1);
}
END_TEST

START_TEST(cancelled_while_paused)
{
    struct relay *r = start_owner();
    add_rows(20);
    start_fetch(r, 40);
    until(&r->chunk_count, 1);
    ef_store_fetch_cancel(r->store);
    ck_assert_int_eq(r->done[EF_VERB_FETCH], 0);
    fails(r, EF_VERB_FETCH, EF_CLASS_BUSY);
    ck_assert_int_eq(r->chunk_count, 1);
    fetch(r, 0); /* the next one is whole */
    ck_assert_int_eq(r->seen_count, 20);
    ck_assert_int_eq(r->done[EF_VERB_FETCH], 2);
}
END_TEST

START_TEST(cancelled_at_once)
{
    struct relay *r = start_owner();
    add_rows(20);
    start_fetch(r, 1 << 20);
    ef_store_fetch_cancel(r->store);
    fails(r, EF_VERB_FETCH, EF_CLASS_BUSY);
    ck_assert_int_eq(r->chunk_count, 0);
    ef_store_fetch_cancel(r->store); /* nothing is open: nothing happens */
    round_trip(r);
    ck_assert_int_eq(r->done[EF_VERB_FETCH], 1);
}
END_TEST

START_TEST(a_payload_that_is_too_large_is_not_loaded)
{
    struct relay *r = start_owner();
    static char large[4096];
    size_t len = (size_t)snprintf(large, sizeof(large), "{\"text\": \"");
    for (int i = 0; len < 2000; i++) /* nothing a compressor makes small */
        len += (size_t)snprintf(large + len, sizeof(large) - len, "%08x",
                                (unsigned)i * 2654435761u ^ (unsigned)i * 40503u << 16);
    len += (size_t)snprintf(large + len, sizeof(large) - len, "\"}");
    void *tx = fixture->begin(world);
    struct ef_row row = plain_row("a");
    fixture->insert(world, tx, &row);
    row.payload = (struct ef_slice){large, len};
    fixture->insert(world, tx, &row);
    memset(large + 10, 'x', len - 12); /* and something it does */
    fixture->insert(world, tx, &row);
    row.payload = ef_slice_of("{\"n\": 2}");
    fixture->insert(world, tx, &row);
    fixture->commit(world, tx);
    fetch(r, 0);
    SHOWS(r, 1, 2, 3, 4);
    for (int i = 1; i <= 2; i++) {
        ck_assert_ptr_null(r->seen[i]->payload.p);
        ck_assert_int_eq(r->seen[i]->payload_bytes, (int64_t)len);
        equals(r->seen[i]->topic, "orders");
    }
    equals(r->seen[3]->payload, "{\"n\": 2}");
}
END_TEST

START_TEST(an_emptied_table_is_told_once)
{
    struct relay *r = start_owner();
    add_rows(3);
    fetch(r, 0);
    fixture->truncate(world);
    add_rows(2);
    if (ef_store_caps(r->store) & EF_STORE_REWRITES) {
        start_fetch(r, 1 << 20);
        int chunks = r->chunk_count;
        fails(r, EF_VERB_FETCH, EF_CLASS_BUSY);
        ck_assert_str_eq(r->err[EF_VERB_FETCH].name, EF_STORE_REWRITTEN);
        ck_assert_int_eq(r->chunk_count, chunks);
    }
    fetch(r, 0);
    SHOWS(r, 1, 2);
    fetch(r, 0);
    SHOWS(r, 1, 2);
}
END_TEST

/* --- doorbell --- */

START_TEST(the_bell_rings_when_it_is_armed)
{
    struct relay *r = start_owner();
    if (!(ef_store_caps(r->store) & EF_STORE_WAKEUP))
        return;
    ef_mono began = ef_clock_mono();
    while (!ef_store_wakeup_works(r->store)) { /* the driver may try it out first */
        ck_assert_int_lt(ef_clock_mono().us - began.us, 20 * EF_S_US);
        round_trip(r);
    }
    int before = r->wakeup;
    add("a");
    round_trip(r);
    ck_assert_int_eq(r->wakeup, before);
    ef_store_arm_wakeup(r->store, true);
    ef_store_renew(r->store, r->epoch, 60000); /* on the connection that arms: it is armed then */
    completes(r, EF_VERB_RENEW);
    void *tx = fixture->begin(world);
    struct ef_row row = plain_row("a");
    fixture->insert(world, tx, &row);
    round_trip(r);
    ck_assert_int_eq(r->wakeup, before); /* not before the commit */
    fixture->commit(world, tx);
    until(&r->wakeup, before + 1);
    ef_store_arm_wakeup(r->store, false);
    ef_store_renew(r->store, r->epoch, 60000);
    completes(r, EF_VERB_RENEW);
    before = r->wakeup;
    add("a");
    round_trip(r);
    ck_assert_int_eq(r->wakeup, before);
}
END_TEST

START_TEST(an_arming_that_is_lost_is_told)
{
    struct relay *r = start_owner();
    if (!(ef_store_caps(r->store) & EF_STORE_WAKEUP))
        return;
    ef_store_arm_wakeup(r->store, true);
    ef_store_renew(r->store, r->epoch, 60000);
    completes(r, EF_VERB_RENEW);
    ck_assert_int_eq(r->arming_lost, 0);
    fixture->cut(world);
    until(&r->down, 1);
    ef_store_arm_wakeup(r->store, true);
    until(&r->arming_lost, 1);
}
END_TEST

void add_read_tests(Suite *suite)
{
    TCase *tc = contract_case(suite, "read");
    tcase_add_test(tc, rows_come_as_they_were_written);
    tcase_add_test(tc, limits);
    tcase_add_test(tc, max_id);
    tcase_add_test(tc, a_late_commit_shows_in_its_gap);
    tcase_add_test(tc, what_is_rolled_back_never_shows);
    tcase_add_test(tc, an_id_drawn_long_before_its_row);
    tcase_add_test(tc, gaps_come_first_and_may_cut_the_rest_off);
    tcase_add_test(tc, many_gaps);
    tcase_add_test(tc, xmin_stays_below_the_number_while_a_transaction_is_open);
    tcase_add_test(tc, a_chunk_at_a_time);
    tcase_add_test(tc, rows_of_a_paused_read_are_those_of_its_snapshot);
    tcase_add_test(tc, many_rows_in_several_batches);
    tcase_add_test(tc, cancelled_while_paused);
    tcase_add_test(tc, cancelled_at_once);
    tcase_add_test(tc, a_payload_that_is_too_large_is_not_loaded);
    tcase_add_test(tc, an_emptied_table_is_told_once);
    tcase_add_test(tc, the_bell_rings_when_it_is_armed);
    tcase_add_test(tc, an_arming_that_is_lost_is_told);
}
