// SPDX-License-Identifier: MIT
/* How long an unseen id is asked for: until no transaction can bring it any more, and no longer. */
#include "outbox/cursor.h"

#include <check.h>

#include "unit/run_suite.h"

static struct ef_cursor cursor;
static int64_t now_us;
static bool foreign; /* what reads say, if they are asked */

static void setup(void)
{
    ef_cursor_init(&cursor);
    now_us = 100 * EF_S_US;
    foreign = false;
}

static void teardown(void)
{
    ef_cursor_done(&cursor);
}

/* A read with this snapshot that shows these ids (0 ends the list). */
static void read_ids(uint64_t xmin, uint64_t xmax, const int64_t *ids)
{
    struct ef_fetch fetch = {.max_rows = 100};
    ef_cursor_begin(&cursor, (ef_mono){now_us}, &fetch);
    int rows = 0;
    for (; ids[rows]; rows++)
        ef_cursor_saw(&cursor, ids[rows]);
    struct ef_fetched fetched = {.rows = rows, .xmin = xmin, .xmax = xmax, .max_id = INT64_MIN};
    fetched.foreign = fetch.want_foreign && foreign;
    ef_cursor_end(&cursor, (ef_mono){now_us + 1000}, &fetched);
}

/* The cursor stands at 10, all before it settled and dropped. */
static void begin_at_10(void)
{
    read_ids(50, 50, (int64_t[]){10, 0});
    now_us += 20 * EF_S_US;
    read_ids(60, 60, (int64_t[]){0});
    now_us += EF_S_US;
    read_ids(60, 60, (int64_t[]){0});
    ck_assert_int_eq(cursor.gap_count, 0);
    ck_assert_int_eq(cursor.after, 10);
}

static bool asks_for_11(void)
{
    return cursor.gap_count == 1 && cursor.gaps[0].first == 11 && cursor.gaps[0].last == 11;
}

START_TEST(kept_while_its_transaction_is_the_oldest)
{
    begin_at_10();
    /* 70 has drawn 11 and is open; 69, which has ended, has drawn 12 */
    read_ids(70, 71, (int64_t[]){12, 0});
    for (int i = 0; i < 100; i++) {
        now_us += EF_S_US;
        read_ids(70, 71 + (uint64_t)i, (int64_t[]){0});
        ck_assert(asks_for_11());
    }
    read_ids(200, 200, (int64_t[]){11, 0});
    ck_assert_int_eq(cursor.gap_count, 0);
    ck_assert_uint_eq(cursor.dropped, 1); /* the ids below 10 */
}
END_TEST

START_TEST(kept_for_a_transaction_that_got_its_number_late)
{
    begin_at_10();
    read_ids(70, 70, (int64_t[]){12, 0}); /* 11 is drawn; its transaction has no number yet */
    now_us += 9 * EF_S_US;
    read_ids(75, 76, (int64_t[]){0}); /* now it has 75 */
    for (int i = 0; i < 20; i++) {
        now_us += EF_S_US;
        read_ids(75, 80, (int64_t[]){0});
        ck_assert(asks_for_11());
    }
}
END_TEST

START_TEST(dropped_once_nobody_can_bring_it)
{
    begin_at_10();
    read_ids(70, 71, (int64_t[]){12, 0});
    int64_t noted_us = now_us;
    while (now_us - noted_us < EF_CURSOR_GRACE_US) { /* the grace, whatever the snapshots say */
        ck_assert(asks_for_11());
        now_us += EF_S_US;
        read_ids(90, 90, (int64_t[]){0});
    }
    ck_assert(asks_for_11()); /* the number is noted only now */
    now_us += EF_S_US;
    read_ids(89, 95, (int64_t[]){0});
    ck_assert(asks_for_11());
    now_us += EF_S_US;
    read_ids(90, 95, (int64_t[]){0});
    ck_assert_int_eq(cursor.gap_count, 0);
    read_ids(95, 95, (int64_t[]){0});
}
END_TEST

START_TEST(a_read_that_was_given_up_proves_nothing)
{
    struct ef_fetch fetch = {.max_rows = 100};
    begin_at_10();
    read_ids(70, 71, (int64_t[]){12, 0});
    now_us += 2 * EF_CURSOR_GRACE_US;
    for (int i = 0; i < 5; i++) {
        ef_cursor_begin(&cursor, (ef_mono){now_us}, &fetch);
        ef_cursor_abort(&cursor);
        ck_assert(asks_for_11());
    }
}
END_TEST

START_TEST(a_read_that_was_cut_before_it_proves_nothing)
{
    begin_at_10();
    read_ids(70, 70, (int64_t[]){12, 0});
    now_us += 11 * EF_S_US;
    read_ids(75, 76, (int64_t[]){0});
    now_us += EF_S_US;
    struct ef_fetch fetch = {.max_rows = 100};
    struct ef_fetched cut = {.xmin = 80, .xmax = 80, .max_id = INT64_MIN, .gaps_full = true};
    ef_cursor_begin(&cursor, (ef_mono){now_us}, &fetch);
    ef_cursor_end(&cursor, (ef_mono){now_us}, &cut);
    ck_assert(asks_for_11());
    now_us += EF_S_US;
    read_ids(80, 80, (int64_t[]){0});
    ck_assert_int_eq(cursor.gap_count, 0);
}
END_TEST

START_TEST(what_is_left_of_a_run_keeps_its_age)
{
    begin_at_10();
    read_ids(70, 71, (int64_t[]){16, 0}); /* 11 to 15 */
    now_us += EF_CURSOR_GRACE_US;
    read_ids(70, 80, (int64_t[]){13, 0});
    ck_assert_int_eq(cursor.gap_count, 2);
    ck_assert_int_eq(cursor.gaps[0].last, 12);
    ck_assert_int_eq(cursor.gaps[1].first, 14);
    read_ids(80, 80, (int64_t[]){0});
    ck_assert_int_eq(cursor.gap_count, 0);
}
END_TEST

START_TEST(kept_while_a_row_behind_anothers_may_have_it)
{
    begin_at_10();
    foreign = true; /* a row that another kind of relay works on hides 11 */
    read_ids(70, 70, (int64_t[]){12, 0});
    for (int i = 0; i < 40; i++) {
        now_us += EF_S_US;
        read_ids(80, 80, (int64_t[]){0});
        ck_assert(asks_for_11());
    }
    foreign = false;
    now_us += EF_S_US;
    read_ids(80, 80, (int64_t[]){0});
    ck_assert_int_eq(cursor.gap_count, 0);
}
END_TEST

START_TEST(rows_are_looked_through_for_gaps_once_a_second_at_most)
{
    int asked = 0;
    begin_at_10();
    foreign = true;
    read_ids(70, 70, (int64_t[]){12, 0});
    now_us += EF_CURSOR_GRACE_US;
    for (int i = 0; i < 100; i++) {
        struct ef_fetch fetch = {.max_rows = 100};
        now_us += EF_S_US / 10;
        ef_cursor_begin(&cursor, (ef_mono){now_us}, &fetch);
        struct ef_fetched fetched = {.xmin = 80, .xmax = 80, .max_id = INT64_MIN, .foreign = true};
        asked += fetch.want_foreign;
        ef_cursor_end(&cursor, (ef_mono){now_us}, &fetched);
    }
    ck_assert_int_ge(asked, 9);
    ck_assert_int_le(asked, 11);
}
END_TEST

/* 11 to 15 were seen and left the window; the next read shows 13 and what `more` says. */
static void read_again(bool another, bool cut, int64_t more)
{
    begin_at_10();
    foreign = another;
    read_ids(70, 70, (int64_t[]){11, 12, 13, 14, 15, 0});
    ef_cursor_back(&cursor, 10);
    struct ef_fetch fetch = {.max_rows = 100};
    ef_cursor_begin(&cursor, (ef_mono){now_us}, &fetch);
    ck_assert_int_eq(fetch.after, 10);
    ck_assert(fetch.want_foreign);
    if (foreign)
        ef_cursor_foreign(&cursor);
    ef_cursor_saw(&cursor, 13);
    if (more)
        ef_cursor_saw(&cursor, more);
    struct ef_fetched fetched = {.xmin = 70, .xmax = 70, .max_id = INT64_MIN, .foreign = foreign};
    if (cut)
        ef_cursor_abort(&cursor);
    else
        ef_cursor_end(&cursor, (ef_mono){now_us}, &fetched);
}

static void has_gap(int i, int64_t first, int64_t last)
{
    ck_assert_int_lt(i, cursor.gap_count);
    ck_assert_int_eq(cursor.gaps[i].first, first);
    ck_assert_int_eq(cursor.gaps[i].last, last);
}

START_TEST(passed_over_when_read_again_behind_anothers_row)
{
    read_again(true, false, 17);
    ck_assert_int_eq(cursor.gap_count, 3);
    has_gap(0, 11, 12);
    has_gap(1, 14, 15);
    has_gap(2, 16, 16);
}
END_TEST

START_TEST(passed_over_before_the_read_was_given_up)
{
    read_again(true, true, 0);
    ck_assert_int_eq(cursor.gap_count, 1);
    has_gap(0, 11, 12);
    ck_assert_int_eq(cursor.after, 13);
    struct ef_fetch fetch = {.max_rows = 100};
    ef_cursor_begin(&cursor, (ef_mono){now_us}, &fetch);
    ck_assert(fetch.want_foreign); /* 14 and 15 are still to be read again */
    ef_cursor_saw(&cursor, 15);
    struct ef_fetched fetched = {.xmin = 70, .xmax = 70, .max_id = INT64_MIN, .foreign = true};
    ef_cursor_end(&cursor, (ef_mono){now_us}, &fetched);
    ck_assert_int_eq(cursor.gap_count, 2);
    has_gap(1, 14, 14);
}
END_TEST

START_TEST(rows_that_left_are_no_gaps)
{
    read_again(false, false, 0); /* nobody else works here: the others were settled */
    ck_assert_int_eq(cursor.gap_count, 0);
    ck_assert_int_eq(cursor.after, 15);
}
END_TEST

START_TEST(a_sweep_asked_for_during_a_sweep_begins_anew)
{
    struct ef_fetch fetch = {.max_rows = 1};
    ef_cursor_begin(&cursor, (ef_mono){now_us}, &fetch);
    ck_assert_int_eq(fetch.after, INT64_MIN);
    ef_cursor_saw(&cursor, 5);
    struct ef_fetched full = {.xmin = 70, .xmax = 70, .max_id = 9, .full = true};
    ef_cursor_end(&cursor, (ef_mono){now_us}, &full);
    ef_cursor_sweep(&cursor); /* the server came back, and ids up to 5 may have, too */
    ef_cursor_begin(&cursor, (ef_mono){now_us}, &fetch);
    ck_assert_int_eq(fetch.after, INT64_MIN);
    ef_cursor_abort(&cursor);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cursor gaps");
    TCase *tc = tcase_create("cursor gaps");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, kept_while_its_transaction_is_the_oldest);
    tcase_add_test(tc, kept_for_a_transaction_that_got_its_number_late);
    tcase_add_test(tc, dropped_once_nobody_can_bring_it);
    tcase_add_test(tc, a_read_that_was_given_up_proves_nothing);
    tcase_add_test(tc, a_read_that_was_cut_before_it_proves_nothing);
    tcase_add_test(tc, what_is_left_of_a_run_keeps_its_age);
    tcase_add_test(tc, kept_while_a_row_behind_anothers_may_have_it);
    tcase_add_test(tc, rows_are_looked_through_for_gaps_once_a_second_at_most);
    tcase_add_test(tc, passed_over_when_read_again_behind_anothers_row);
    tcase_add_test(tc, passed_over_before_the_read_was_given_up);
    tcase_add_test(tc, rows_that_left_are_no_gaps);
    tcase_add_test(tc, a_sweep_asked_for_during_a_sweep_begins_anew);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
