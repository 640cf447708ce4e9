// SPDX-License-Identifier: MIT
/* Reading again what was read before: single rows that are due, and all of it by sweeps. */
#include "outbox/cursor.h"

#include <check.h>

#include "unit/run_suite.h"

static struct ef_cursor cursor;
static struct ef_fetch asked; /* by the last read */
static int64_t now_us;

static void setup(void)
{
    ef_cursor_init(&cursor);
    now_us = 100 * EF_S_US;
}

static void teardown(void)
{
    ef_cursor_done(&cursor);
}

/* A read of this length that shows these ids (0 ends the list). */
static void read_for(int64_t spent_us, bool full, const int64_t *ids)
{
    struct ef_fetched fetched = {.full = full, .xmin = 40, .xmax = 50, .max_id = INT64_MIN};
    asked = (struct ef_fetch){.max_rows = 100};
    ef_cursor_begin(&cursor, (ef_mono){now_us}, &asked);
    for (; *ids; ids++)
        ef_cursor_saw(&cursor, *ids);
    now_us += spent_us;
    ef_cursor_end(&cursor, (ef_mono){now_us}, &fetched);
}

#define READ(FULL, ...) read_for(EF_MS_US, FULL, (const int64_t[]){__VA_ARGS__ __VA_OPT__(, ) 0})

/* All are seen, and the ids between them are not waited for. */
static void begin_with_five(void)
{
    READ(false, 1, 2, 3, 4, 5);
    cursor.gap_count = 0;
    now_us += 2 * EF_S_US;
}

START_TEST(the_first_sweep_goes_before_everything_else)
{
    READ(true, 1, 2, 3);
    ck_assert_int_eq(asked.after, INT64_MIN);
    ck_assert(asked.want_max_id);
    READ(true, 4, 5, 6);
    ck_assert_int_eq(asked.after, 3);
    READ(false, 7);
    ck_assert_int_eq(asked.after, 6);
    ck_assert_uint_eq(cursor.sweeps, 1);
    READ(false);
    ck_assert_uint_eq(cursor.sweeps, 1);
}
END_TEST

START_TEST(a_later_one_goes_beside_the_cursor)
{
    begin_with_five();
    READ(true, 1, 2);
    ck_assert_int_eq(asked.after, INT64_MIN);
    READ(false, 6); /* every other read is of new rows */
    ck_assert_int_eq(asked.after, 5);
    READ(true, 3, 4);
    ck_assert_int_eq(asked.after, 2);
    READ(false, 7, 8);
    ck_assert_int_eq(asked.after, 6);
    ck_assert_uint_eq(cursor.sweeps, 2);
    READ(false, 5, 6, 7, 8, 9); /* the last one comes to the table's end */
    ck_assert_int_eq(asked.after, 4);
    ck_assert_int_eq(cursor.after, 9);
    READ(false);
    ck_assert_int_eq(asked.after, 9);
    READ(false);
    ck_assert_int_eq(asked.after, 9);
    ck_assert_uint_eq(cursor.sweeps, 2);
}
END_TEST

START_TEST(its_pauses_follow_the_time_it_takes)
{
    begin_with_five();
    read_for(EF_S_US, true, (int64_t[]){1, 2, 0});
    read_for(9 * EF_S_US, false, (int64_t[]){0}); /* not its own */
    read_for(EF_S_US, false, (int64_t[]){3, 4, 5, 0});
    ck_assert_int_eq(cursor.sweep_next_us - now_us, 40 * EF_S_US);
}
END_TEST

START_TEST(it_drops_no_gap_that_it_has_not_come_to)
{
    struct ef_fetched ended = {.max_id = INT64_MIN, .xmin = 50, .xmax = 50};
    begin_with_five();
    READ(false, 9); /* to the table's end: 6 to 8 are missing */
    now_us += 30 * EF_S_US;
    READ(true, 1); /* a piece of the next sweep, which notes the next transaction's number */
    READ(false);
    ck_assert_int_eq(cursor.gap_count, 1);
    now_us += 2 * EF_S_US;
    ended.full = true;
    ef_cursor_begin(&cursor, (ef_mono){now_us}, &asked);
    ck_assert_int_eq(asked.after, 1);
    ck_assert(asked.want_foreign);
    ef_cursor_saw(&cursor, 2);
    ef_cursor_end(&cursor, (ef_mono){now_us}, &ended);
    ck_assert_int_eq(cursor.gap_count, 1);
    now_us += 2 * EF_S_US;
    ended.full = false;
    ef_cursor_begin(&cursor, (ef_mono){now_us}, &asked);
    ck_assert_int_eq(asked.gap_count, 1);
    ef_cursor_end(&cursor, (ef_mono){now_us}, &ended);
    ck_assert_int_eq(cursor.gap_count, 0);
}
END_TEST

START_TEST(ids_that_began_again_are_read_from_the_first)
{
    struct ef_fetched ended = {.max_id = 3, .xmin = 50, .xmax = 50};
    begin_with_five();
    READ(true, 1, 2);
    READ(false); /* emptied meanwhile: 1 to 3 are others, of which the sweep has passed two */
    ef_cursor_begin(&cursor, (ef_mono){now_us}, &asked);
    ck_assert_int_eq(asked.after, 2);
    ef_cursor_saw(&cursor, 3);
    ef_cursor_end(&cursor, (ef_mono){now_us}, &ended);
    ck_assert_uint_eq(cursor.regressed, 1);
    READ(false, 1, 2, 3);
    ck_assert_int_eq(asked.after, INT64_MIN);
}
END_TEST

START_TEST(it_waits_while_rows_are_read_again)
{
    begin_with_five();
    ef_cursor_back(&cursor, 2);
    READ(true, 3);
    ck_assert_int_eq(asked.after, 2);
    READ(true, 4);
    ck_assert_int_eq(asked.after, 3);
    READ(false, 5);
    READ(true, 1);
    ck_assert_int_eq(asked.after, INT64_MIN);
}
END_TEST

START_TEST(after_trouble_it_goes_before_everything_else)
{
    begin_with_five();
    READ(true, 1, 2);
    ef_cursor_sweep(&cursor);
    READ(true, 1);
    ck_assert_int_eq(asked.after, INT64_MIN);
    READ(true, 2);
    ck_assert_int_eq(asked.after, 1);
    READ(true, 3);
    ck_assert_int_eq(asked.after, 2);
}
END_TEST

/* --- single rows --- */

START_TEST(a_row_that_is_due_is_asked_for)
{
    begin_with_five();
    cursor.sweep_next_us = INT64_MAX;
    ef_cursor_ask(&cursor, (ef_mono){now_us}, 4);
    ef_cursor_ask(&cursor, (ef_mono){now_us}, 2);
    ef_cursor_ask(&cursor, (ef_mono){now_us}, 4); /* once is enough */
    ef_cursor_ask(&cursor, (ef_mono){now_us}, 6); /* never seen: read anyway */
    READ(false, 2, 4, 6);
    ck_assert_int_eq(asked.after, 5);
    ck_assert_int_eq(asked.gap_count, 2);
    ck_assert_int_eq(asked.gaps[0].first, 2);
    ck_assert_int_eq(asked.gaps[0].last, 2);
    ck_assert_int_eq(asked.gaps[1].first, 4);
    ck_assert_int_eq(cursor.gap_count, 0);
}
END_TEST

START_TEST(one_that_has_no_room_among_the_gaps_is_read_with_all_above_it)
{
    enum { STEPS = EF_CURSOR_GAPS_MAX + 1 };
    READ(false, 1, 2);
    cursor.gap_count = 0;
    cursor.sweep_next_us = INT64_MAX;
    for (int i = 1; i <= STEPS; i++)
        ef_cursor_saw(&cursor, 2 + 2 * i);
    ck_assert_int_eq(cursor.gap_count, EF_CURSOR_GAPS_MAX);
    ef_cursor_ask(&cursor, (ef_mono){now_us}, 2);
    ck_assert_int_eq(cursor.gap_count, EF_CURSOR_GAPS_MAX);
    READ(false, 2);
    ck_assert_int_eq(asked.after, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cursor sweeps");
    TCase *tc = tcase_create("sweeps");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_first_sweep_goes_before_everything_else);
    tcase_add_test(tc, a_later_one_goes_beside_the_cursor);
    tcase_add_test(tc, its_pauses_follow_the_time_it_takes);
    tcase_add_test(tc, it_drops_no_gap_that_it_has_not_come_to);
    tcase_add_test(tc, ids_that_began_again_are_read_from_the_first);
    tcase_add_test(tc, it_waits_while_rows_are_read_again);
    tcase_add_test(tc, after_trouble_it_goes_before_everything_else);
    tcase_add_test(tc, a_row_that_is_due_is_asked_for);
    tcase_add_test(tc, one_that_has_no_room_among_the_gaps_is_read_with_all_above_it);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
