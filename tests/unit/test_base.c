// SPDX-License-Identifier: MIT
/* The small things everything else stands on: strings, buffers, arena, random numbers, waiting
 * times, clock, errors. */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/str.h"
#include "unit/run_suite.h"

/* --- str --- */

START_TEST(slices_tell_null_from_empty)
{
    struct ef_slice null = ef_slice_of(NULL), empty = ef_slice_of("");
    ck_assert_ptr_null(null.p);
    ck_assert(ef_slice_eq(null, null));
    ck_assert(ef_slice_eq(empty, empty));
    ck_assert(!ef_slice_eq(null, empty));
    ck_assert(ef_slice_eq(ef_slice_of("ab"), (struct ef_slice){"abc", 2}));
    ck_assert(!ef_slice_eq(ef_slice_of("ab"), ef_slice_of("aB")));
    ck_assert(!ef_slice_eq(ef_slice_of("ab"), ef_slice_of("abc")));
    ck_assert(ef_slice_eq((struct ef_slice){"a\0b", 3}, (struct ef_slice){"a\0b", 3}));
    ck_assert(!ef_slice_eq((struct ef_slice){"a\0b", 3}, (struct ef_slice){"a\0c", 3}));
}
END_TEST

START_TEST(buffer_grows_to_its_maximum)
{
    struct ef_buf buf;
    ef_buf_init(&buf, 1000);
    for (int i = 0; i < 1000; i++) {
        ck_assert(ef_buf_add(&buf, &"0123456789"[i % 10], 1));
        ck_assert_uint_eq(strlen(buf.data), (size_t)i + 1);
    }
    ck_assert(!buf.overflow);
    ck_assert(ef_buf_add(&buf, "", 0)); /* nothing always fits */
    ck_assert(!ef_buf_puts(&buf, "x"));
    ck_assert(buf.overflow);
    ck_assert(!ef_buf_add(&buf, "", 0)); /* but an overflow sticks */
    ck_assert_uint_eq(buf.len, 1000);
    ck_assert_int_eq(buf.data[999], '9');
    ef_buf_clear(&buf);
    ck_assert(!buf.overflow);
    ck_assert_str_eq(buf.data, "");
    ck_assert(ef_buf_puts(&buf, "again"));
    ck_assert_str_eq(buf.data, "again");
    ef_buf_done(&buf);
    ck_assert_ptr_null(buf.data);
}
END_TEST

START_TEST(buffer_prints_all_or_nothing)
{
    struct ef_buf buf;
    ef_buf_init(&buf, 10);
    ck_assert(ef_buf_printf(&buf, "%s-%d", "ab", 12));
    ck_assert(ef_buf_printf(&buf, "%05d", 7)); /* exactly full */
    ck_assert_str_eq(buf.data, "ab-1200007");
    ef_buf_clear(&buf);
    ck_assert(!ef_buf_printf(&buf, "%011d", 7));
    ck_assert_str_eq(buf.data, "");
    ck_assert(buf.overflow);
    ef_buf_done(&buf);

    ef_buf_init(&buf, 0);
    ck_assert(!ef_buf_puts(&buf, "x"));
    ef_buf_done(&buf);
}
END_TEST

START_TEST(copies_of_strings)
{
    ck_assert_ptr_null(ef_xstrdup(NULL));
    char *a = ef_xstrdup("text"), *b = ef_xstrndup("text", 2), *c = ef_xstrndup("text", 0);
    ck_assert_str_eq(a, "text");
    ck_assert_str_eq(b, "te");
    ck_assert_str_eq(c, "");
    free(a);
    free(b);
    free(c);
}
END_TEST

START_TEST(edit_distance)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},           {"a", "", 1},         {"kitten", "sitting", 3},
        {"batch", "btach", 2}, {"topic", "topc", 1}, {"retention", "retention", 0},
        {"abc", "xyz", 3},     {"ab", "ba", 2},      {"poll_interval", "pol_intervall", 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ck_assert_uint_eq(ef_edit_distance(cases[i].a, cases[i].b), cases[i].distance);
        ck_assert_uint_eq(ef_edit_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
    char name[65] = "";
    memset(name, 'n', 63);
    ck_assert_uint_eq(ef_edit_distance(name, name), 0);
    ck_assert_uint_eq(ef_edit_distance(name, ""), 63);
    name[63] = 'n'; /* longer names are never near */
    ck_assert_uint_gt(ef_edit_distance(name, name), 64);
}
END_TEST

START_TEST(hash_is_fnv_1a)
{
    /* test vectors of the FNV authors' site */
    ck_assert_uint_eq(ef_hash64("", 0), UINT64_C(0xcbf29ce484222325));
    ck_assert_uint_eq(ef_hash64("a", 1), UINT64_C(0xaf63dc4c8601ec8c));
    ck_assert_uint_eq(ef_hash64("foobar", 6), UINT64_C(0x85944171f73967e8));
}
END_TEST

/* --- arena --- */

/* Pieces of random sizes: aligned, and none reaches into another. */
START_TEST(arena_pieces_are_apart)
{
    enum { PIECES = 2000 };
    static struct {
        unsigned char *p;
        size_t size;
    } pieces[PIECES];
    struct ef_arena arena;
    struct ef_rng rng;
    ef_rng_seed(&rng, (uint64_t)_i);
    ef_arena_init(&arena, 1024);
    for (int i = 0; i < PIECES; i++) {
        size_t size = (size_t)ef_rng_below(&rng, ef_rng_below(&rng, 20) ? 60 : 3000);
        pieces[i].size = size;
        pieces[i].p = ef_arena_alloc(&arena, size);
        ck_assert_ptr_nonnull(pieces[i].p);
        ck_assert_uint_eq((uintptr_t)pieces[i].p % 8, 0);
        memset(pieces[i].p, i & 0xff, size);
    }
    size_t held = 0;
    for (int i = 0; i < PIECES; i++) {
        held += pieces[i].size;
        for (size_t k = 0; k < pieces[i].size; k++)
            ck_assert_int_eq(pieces[i].p[k], i & 0xff);
    }
    ck_assert_uint_ge(arena.total_bytes, held);
    ck_assert_uint_le(arena.total_bytes, held * 2 + 100000);
    ef_arena_done(&arena);
    ck_assert_uint_eq(arena.total_bytes, 0);
}
END_TEST

START_TEST(arena_gives_a_place_to_nothing)
{
    struct ef_arena arena;
    ef_arena_init(&arena, 1024);
    char *a = ef_arena_alloc(&arena, 0), *b = ef_arena_alloc(&arena, 0);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_ne(a, b);
    ck_assert_str_eq(ef_arena_copy(&arena, NULL, 0), "");
    ck_assert_str_eq(ef_arena_copy(&arena, "text!", 4), "text");
    ef_arena_done(&arena);
}
END_TEST

START_TEST(arena_large_piece_leaves_the_chunk_in_use)
{
    struct ef_arena arena;
    ef_arena_init(&arena, 1024);
    char *a = ef_arena_alloc(&arena, 16);
    ef_arena_alloc(&arena, 5000);
    ck_assert_ptr_eq((char *)ef_arena_alloc(&arena, 16), a + 16);
    ef_arena_done(&arena);
}
END_TEST

START_TEST(arena_reset_keeps_one_chunk)
{
    struct ef_arena arena;
    ef_arena_init(&arena, 1024);
    ef_arena_reset(&arena); /* of an empty one */
    ck_assert_uint_eq(arena.total_bytes, 0);
    for (int i = 0; i < 100; i++)
        ef_arena_alloc(&arena, i % 10 ? 100 : 3000);
    ef_arena_reset(&arena);
    size_t kept = arena.total_bytes;
    ck_assert_uint_ge(kept, 1024);
    ck_assert_uint_lt(kept, 1200);
    char *a = ef_arena_alloc(&arena, 1000);
    ck_assert_uint_eq(arena.total_bytes, kept); /* no new memory */
    ef_arena_reset(&arena);
    ck_assert_ptr_eq((char *)ef_arena_alloc(&arena, 8), a);
    ef_arena_done(&arena);

    ef_arena_init(&arena, 1024);
    ef_arena_alloc(&arena, 5000); /* only a chunk of an odd size: nothing to keep */
    ef_arena_reset(&arena);
    ck_assert_uint_eq(arena.total_bytes, 0);
    ef_arena_done(&arena);
}
END_TEST

/* --- rng --- */

START_TEST(rng_is_xoshiro256_starstar)
{
    /* the sequence of the authors' code from the state 1, 2, 3, 4 */
    static const uint64_t expected[] = {UINT64_C(11520), UINT64_C(0), UINT64_C(1509978240),
                                        UINT64_C(1215971899390074240)};
    struct ef_rng rng = {{1, 2, 3, 4}};
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(ef_rng_next(&rng), expected[i]);
    ef_rng_seed(&rng, 0); /* splitmix64's first output for seed 0 */
    ck_assert_uint_eq(rng.s[0], UINT64_C(0xe220a8397b1dcdaf));
}
END_TEST

START_TEST(rng_same_seed_same_numbers)
{
    struct ef_rng a, b, c;
    ef_rng_seed(&a, 42);
    ef_rng_seed(&b, 42);
    ef_rng_seed(&c, 43);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t n = ef_rng_next(&a);
        ck_assert_uint_eq(n, ef_rng_next(&b));
        same += n == ef_rng_next(&c);
    }
    ck_assert_int_eq(same, 0);
    ef_rng_seed_os(&a);
    ef_rng_seed_os(&b);
    ck_assert_uint_ne(ef_rng_next(&a), ef_rng_next(&b));
}
END_TEST

START_TEST(rng_below_is_even)
{
    struct ef_rng rng;
    int seen[10] = {0};
    ef_rng_seed(&rng, 7);
    for (int i = 0; i < 100000; i++) {
        uint64_t n = ef_rng_below(&rng, 10);
        ck_assert_uint_lt(n, 10);
        seen[n]++;
    }
    for (int i = 0; i < 10; i++) { /* 5 standard deviations of 95 */
        ck_assert_int_gt(seen[i], 9525);
        ck_assert_int_lt(seen[i], 10475);
    }
    ck_assert_uint_eq(ef_rng_below(&rng, 1), 0);
}
END_TEST

START_TEST(uuids)
{
    char uuid[37], before[37] = "";
    for (int i = 0; i < 100; i++) {
        ef_uuid_v4(uuid);
        ck_assert_uint_eq(strlen(uuid), 36);
        for (int k = 0; k < 36; k++) {
            bool dash = k == 8 || k == 13 || k == 18 || k == 23;
            ck_assert(dash ? uuid[k] == '-' : strchr("0123456789abcdef", uuid[k]) != NULL);
        }
        ck_assert_int_eq(uuid[14], '4');
        ck_assert_ptr_nonnull(strchr("89ab", uuid[19]));
        ck_assert_str_ne(uuid, before);
        strcpy(before, uuid);
    }
}
END_TEST

/* --- backoff --- */

static int64_t delay_of(enum ef_backoff_strategy strategy, int attempt)
{
    struct ef_backoff b = {.strategy = strategy, .base_ms = 200, .max_ms = 30000};
    return ef_backoff_ms(&b, attempt, NULL);
}

START_TEST(delays_without_jitter)
{
    static const int64_t exponential[] = {200,  400,   800,   1600,  3200,
                                          6400, 12800, 25600, 30000, 30000};
    for (int attempt = 1; attempt <= 10; attempt++) {
        ck_assert_int_eq(delay_of(EF_BACKOFF_EXPONENTIAL, attempt), exponential[attempt - 1]);
        ck_assert_int_eq(delay_of(EF_BACKOFF_LINEAR, attempt), 200 * attempt);
        ck_assert_int_eq(delay_of(EF_BACKOFF_FIXED, attempt), 200);
    }
    ck_assert_int_eq(delay_of(EF_BACKOFF_LINEAR, 150), 30000);
    ck_assert_int_eq(delay_of(EF_BACKOFF_LINEAR, 151), 30000);
    ck_assert_int_eq(delay_of(EF_BACKOFF_EXPONENTIAL, 0), 200);
    ck_assert_int_eq(delay_of(EF_BACKOFF_EXPONENTIAL, -3), 200);
}
END_TEST

static int64_t extreme(struct ef_rng *rng)
{
    static const int64_t values[] = {
        INT64_MIN, -1, 0, 1, 2, 9, 10, 11, 200, 30000, INT64_MAX / 2, INT64_MAX - 1, INT64_MAX};
    if (ef_rng_below(rng, 2))
        return (int64_t)ef_rng_below(rng, 100000);
    return values[ef_rng_below(rng, sizeof(values) / sizeof(*values))];
}

/* Any configuration, any attempt: within [1, max], with jitter within [delay/10, delay], never
 * shrinking. */
START_TEST(delays_stay_in_bounds)
{
    static const int attempts[] = {INT_MIN, -1, 0, 1, 2, 3, 5, 30, 63, 64, 65, 1000, INT_MAX};
    struct ef_rng rng;
    ef_rng_seed(&rng, (uint64_t)_i + 100);
    for (int round = 0; round < 20000; round++) {
        struct ef_backoff b = {.strategy = (enum ef_backoff_strategy)ef_rng_below(&rng, 3),
                               .base_ms = extreme(&rng),
                               .max_ms = extreme(&rng)};
        int64_t max = b.max_ms > 0 ? b.max_ms : 1, previous = 0;
        for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
            b.jitter = false;
            int64_t whole = ef_backoff_ms(&b, attempts[i], NULL);
            b.jitter = true;
            int64_t some = ef_backoff_ms(&b, attempts[i], &rng);
            int64_t least = whole / 10 > 1 ? whole / 10 : 1;
            /* Check writes a file at each assertion, which a million times takes minutes. */
            if (whole < 1 || whole > max || whole < previous || some > whole || some < least)
                ck_abort_msg("strategy %d, base %" PRId64 ", max %" PRId64 ", attempt %d: %" PRId64
                             ", with jitter %" PRId64,
                             (int)b.strategy, b.base_ms, b.max_ms, attempts[i], whole, some);
            previous = whole;
        }
    }
}
END_TEST

START_TEST(jitter_uses_its_whole_range)
{
    struct ef_backoff b = {
        .strategy = EF_BACKOFF_FIXED, .base_ms = 100, .max_ms = 1000, .jitter = true};
    struct ef_rng rng;
    ef_rng_seed(&rng, 3);
    int64_t low = INT64_MAX, high = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t ms = ef_backoff_ms(&b, 1, &rng);
        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
    }
    ck_assert_int_eq(low, 10);
    ck_assert_int_eq(high, 100);
}
END_TEST

/* --- clock --- */

START_TEST(iso_8601)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999, "1970-01-01T00:00:00.000Z"},
        {1000, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59.999Z"},
        {-1001, "1969-12-31T23:59:59.998Z"},
        {-1000000, "1969-12-31T23:59:59.000Z"},
        {INT64_C(951782399999999), "2000-02-28T23:59:59.999Z"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(1772366400500000), "2026-03-01T12:00:00.500Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999Z"},
        {INT64_C(-62135596800000000), "0001-01-01T00:00:00.000Z"},
    };
    char text[32];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ef_wall_iso8601((ef_wall){cases[i].us}, text, sizeof(text));
        ck_assert_str_eq(text, cases[i].text);
    }
    /* beyond what a calendar knows: whatever it is, it is a string within its place */
    ef_wall_iso8601((ef_wall){INT64_MAX}, text, sizeof(text));
    ck_assert_uint_lt(strlen(text), sizeof(text));
    ef_wall_iso8601((ef_wall){INT64_MIN}, text, sizeof(text));
    ck_assert_uint_lt(strlen(text), sizeof(text));
}
END_TEST

static ef_mono fake_mono(void *ctx)
{
    return (ef_mono){*(int64_t *)ctx};
}

static ef_wall fake_wall(void *ctx)
{
    return (ef_wall){*(int64_t *)ctx + 1};
}

START_TEST(clock_can_be_replaced)
{
    int64_t now = 41;
    struct ef_clock_source source = {fake_mono, fake_wall, &now};
    int64_t before = ef_clock_mono().us;
    ef_clock_use(&source);
    ck_assert_int_eq(ef_clock_mono().us, 41);
    now = 50;
    ck_assert_int_eq(ef_clock_mono().us, 50);
    ck_assert_int_eq(ef_clock_wall().us, 51);
    ef_clock_use(NULL);
    ck_assert_int_ge(ef_clock_mono().us, before);
    ck_assert_int_gt(ef_clock_wall().us, INT64_C(1700000000000000));
}
END_TEST

/* --- error --- */

START_TEST(classes_have_names)
{
    for (int class = 0; class < EF_CLASS_COUNT; class ++) {
        const char *name = ef_class_name((enum ef_class) class);
        ck_assert_ptr_nonnull(name);
        ck_assert_str_ne(name, "unknown");
        for (int other = 0; other < class; other++)
            ck_assert_str_ne(name, ef_class_name((enum ef_class)other));
    }
    ck_assert_str_eq(ef_class_name(EF_CLASS_COUNT), "unknown");
    ck_assert_str_eq(ef_class_name((enum ef_class) - 1), "unknown");
}
END_TEST

START_TEST(errors_are_set)
{
    struct ef_error err;
    memset(&err, 'x', sizeof(err));
    ck_assert(!ef_error_set(&err, EF_CLASS_RECORD, "cannot send '%s'", "it"));
    ck_assert_int_eq(err.class, EF_CLASS_RECORD);
    ck_assert_int_eq(err.code, 0);
    ck_assert_str_eq(err.name, "");
    ck_assert_str_eq(err.text, "cannot send 'it'");
    ef_error_code(&err, 10, "MSG_SIZE_TOO_LARGE");
    ck_assert_int_eq(err.code, 10);
    ck_assert_str_eq(err.name, "MSG_SIZE_TOO_LARGE");
    ck_assert_str_eq(err.text, "cannot send 'it'");
    ef_error_code(&err, 0, NULL);
    ck_assert_str_eq(err.name, "");
    ck_assert(!ef_error_errno(&err, EF_CLASS_CONFIG, ENOENT, "could not open '%s'", "x"));
    ck_assert_int_eq(err.code, ENOENT);
    ck_assert_str_eq(err.text, "could not open 'x': No such file or directory");
    ef_error_clear(&err);
    ck_assert_int_eq(err.class, EF_CLASS_NONE);
    ck_assert_str_eq(err.text, "");
}
END_TEST

START_TEST(errors_may_be_unwanted)
{
    ck_assert(!ef_error_set(NULL, EF_CLASS_RECORD, "x"));
    ck_assert(!ef_error_errno(NULL, EF_CLASS_RECORD, ENOENT, "x"));
    ck_assert(!ef_error_prefix(NULL, "x"));
    ef_error_code(NULL, 1, "x");
    ef_error_clear(NULL);
}
END_TEST

START_TEST(texts_are_cut_not_overrun)
{
    struct {
        struct ef_error err;
        char guard[16];
    } box;
    char text[2000];
    memset(text, 't', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memset(box.guard, 'g', sizeof(box.guard));
    ef_error_set(&box.err, EF_CLASS_RECORD, "%s", text);
    ck_assert_uint_eq(strlen(box.err.text), sizeof(box.err.text) - 1);
    ef_error_errno(&box.err, EF_CLASS_RECORD, ENOENT, "%s", text);
    ck_assert_uint_eq(strlen(box.err.text), sizeof(box.err.text) - 1);
    ef_error_code(&box.err, 1, text);
    ck_assert_uint_eq(strlen(box.err.name), sizeof(box.err.name) - 1);
    for (size_t i = 0; i < sizeof(box.guard); i++)
        ck_assert_int_eq(box.guard[i], 'g');
}
END_TEST

/* Every pair of lengths around the limits: both parts in order, cut at the end only. */
START_TEST(prefix_keeps_both_parts)
{
    enum { SIZE = sizeof(((struct ef_error *)0)->text) };
    static const int lengths[] = {0,        1,        2,        100,      SIZE / 2, SIZE - 6,
                                  SIZE - 5, SIZE - 4, SIZE - 3, SIZE - 2, SIZE - 1};
    enum { COUNT = sizeof(lengths) / sizeof(*lengths) };
    char head[SIZE], tail[SIZE], whole[2 * SIZE + 4];
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < COUNT; k++) {
            struct ef_error err;
            memset(head, 'h', SIZE);
            memset(tail, 't', SIZE);
            head[lengths[i]] = tail[lengths[k]] = '\0';
            ef_error_set(&err, EF_CLASS_OUTAGE, "%s", tail);
            ef_error_code(&err, 5, "NAME");
            ck_assert(!ef_error_prefix(&err, "%s", head));
            snprintf(whole, sizeof(whole), "%s: %s", head, tail);
            ck_assert_uint_ge(strlen(err.text), (size_t)lengths[i]);
            ck_assert_int_eq(strncmp(err.text, whole, strlen(err.text)), 0);
            if (lengths[k] > 0 && strlen(whole) < SIZE)
                ck_assert_str_eq(err.text, whole);
            ck_assert_int_eq(err.class, EF_CLASS_OUTAGE);
            ck_assert_str_eq(err.name, "NAME");
        }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, slices_tell_null_from_empty);
    tcase_add_test(tc, buffer_grows_to_its_maximum);
    tcase_add_test(tc, buffer_prints_all_or_nothing);
    tcase_add_test(tc, copies_of_strings);
    tcase_add_test(tc, edit_distance);
    tcase_add_test(tc, hash_is_fnv_1a);
    tcase_add_loop_test(tc, arena_pieces_are_apart, 0, 5);
    tcase_add_test(tc, arena_gives_a_place_to_nothing);
    tcase_add_test(tc, arena_large_piece_leaves_the_chunk_in_use);
    tcase_add_test(tc, arena_reset_keeps_one_chunk);
    tcase_add_test(tc, rng_is_xoshiro256_starstar);
    tcase_add_test(tc, rng_same_seed_same_numbers);
    tcase_add_test(tc, rng_below_is_even);
    tcase_add_test(tc, uuids);
    tcase_add_test(tc, delays_without_jitter);
    tcase_add_loop_test(tc, delays_stay_in_bounds, 0, 3);
    tcase_add_test(tc, jitter_uses_its_whole_range);
    tcase_add_test(tc, iso_8601);
    tcase_add_test(tc, clock_can_be_replaced);
    tcase_add_test(tc, classes_have_names);
    tcase_add_test(tc, errors_are_set);
    tcase_add_test(tc, errors_may_be_unwanted);
    tcase_add_test(tc, texts_are_cut_not_overrun);
    tcase_add_test(tc, prefix_keeps_both_parts);
}

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tc = tcase_create("base");
    tcase_set_timeout(tc, 60);
    add_tests(tc);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
