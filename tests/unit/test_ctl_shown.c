// SPDX-License-Identifier: MIT
/* What eventferryctl reads from a command line, and what it shows: tables, top's frames. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/args.h"
#include "ctl/histogram.h"
#include "ctl/table.h"
#include "ctl/top_frame.h"
#include "unit/run_suite.h"

static struct ef_buf out;

static void setup(void)
{
    ef_buf_init(&out, 1 << 20);
}

static void teardown(void)
{
    ef_buf_done(&out);
}

/* --- arguments --- */

START_TEST(times)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"1970-01-01", 0},
        {"1970-01-02T00:00", INT64_C(86400000000)},
        {"1970-01-01 00:00:01.25Z", 1250000},
        {"1970-01-01T02:00+02:00", 0},
        {"1970-01-01T00:00-01", INT64_C(3600000000)},
        {"2h", INT64_C(1000000000000) - INT64_C(7200000000)},
    };
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "2026-13-01",
                                      "2026-11-24T",
                                      "2026-11-24T25:00",
                                      "2026-11-24T06:14x",
                                      "24.11.2026",
                                      "2026-11-24T06"};
    int64_t us;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(ef_args_time(good[i].text, INT64_C(1000000000000), &us), "%s", good[i].text);
        ck_assert_msg(us == good[i].us, "%s is %lld", good[i].text, (long long)us);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!ef_args_time(bad[i], 0, &us), "%s", bad[i]);
}
END_TEST

START_TEST(lists_of_ids)
{
    const char *items[] = {"7,3", "20-22", "3"};
    struct ef_words words = {items, 3};
    int64_t *ids;
    int count;
    ck_assert(ef_args_ids(&words, 1000, &ids, &count));
    ck_assert_int_eq(count, 5);
    ck_assert(ids[0] == 3 && ids[1] == 7 && ids[2] == 20 && ids[4] == 22);
    free(ids);
    static const char *const bad[] = {"", "x", "1,", "5-3", "1-5000", "1;2"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *one[] = {bad[i]};
        ck_assert_msg(!ef_args_ids(&(struct ef_words){one, 1}, 1000, &ids, &count), "%s", bad[i]);
    }
}
END_TEST

START_TEST(options_of_every_kind)
{
    struct ef_ctl ctl = {0};
    bool flag = false;
    const char *text = NULL;
    struct ef_words words = {0};
    int64_t ms = 0, number = 0;
    int code;
    const struct ef_arg options[] = {
        {"flag", EF_ARG_FLAG, &flag},       {"text", EF_ARG_TEXT, &text},
        {"word", EF_ARG_WORDS, &words},     {"span", EF_ARG_DURATION, &ms},
        {"number", EF_ARG_NUMBER, &number}, {.kind = EF_ARG_END}};
    struct ef_args args = {.verb = "v", .usage = "", .options = options, .words_max = 2};
    const char *argv[] = {"v",        "one", "--flag",   "--text",   "t",
                          "--word",   "a",   "two",      "--word=b", "--span=2s",
                          "--number", "12",  "--socket", "s",        NULL};
    ck_assert(ef_args_read(&ctl, &args, 14, (char **)argv, &code));
    ck_assert(flag && strcmp(text, "t") == 0 && words.count == 2 && ms == 2000 && number == 12);
    ck_assert(args.word_count == 2 && strcmp(args.words[1], "two") == 0);
    ck_assert_str_eq(args.socket, "s");
    ef_words_done(&words);
    const char *wrong[] = {"v", "--number", "-1", NULL};
    ck_assert(!ef_args_read(&ctl, &args, 3, (char **)wrong, &code));
    ck_assert_int_eq(code, EF_CTL_USAGE);
}
END_TEST

/* --- tables --- */

START_TEST(cells_are_cut_between_characters)
{
    const char *const titles[] = {"A", "B"};
    char text[400];
    struct ef_table table;
    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xbc", 2);
    text[sizeof(text) - 2] = '\0';
    ef_table_init(&table, titles, 2, 1u << 1);
    ef_table_row(&table);
    ef_table_set(&table, 0, text);
    ef_table_setf(&table, 1, "%d\n%s", 3, "\033[2J");
    ef_table_render(&table, false, &out);
    ef_table_done(&table);
    json_t *json = json_stringn(out.data, out.len); /* NULL where it is no UTF-8 */
    ck_assert_ptr_nonnull(json);
    json_decref(json);
    ck_assert_ptr_nonnull(strstr(out.data, "3 ?[2J\n"));
}
END_TEST

/* --- top --- */

static const char page[] =
    "# TYPE eventferry_created_to_seen_seconds histogram\n"
    "eventferry_created_to_seen_seconds_bucket{outbox=\"mails\",le=\"0.001\"} 9\n"
    "eventferry_created_to_seen_seconds_bucket{outbox=\"orders\",le=\"0.001\"} 10\n"
    "eventferry_created_to_seen_seconds_bucket{outbox=\"orders\",le=\"0.01\"} 20\n"
    "eventferry_created_to_seen_seconds_bucket{outbox=\"orders\",le=\"+Inf\"} 20\n"
    "eventferry_created_to_seen_seconds_sum{outbox=\"orders\"} 1\n";

START_TEST(quantiles_of_a_page)
{
    struct ef_histogram all, none;
    ck_assert(ef_histogram_read(page, "eventferry_created_to_seen_seconds", "orders", &all));
    ck_assert_int_eq(all.count, 3);
    ck_assert_double_eq_tol(ef_histogram_quantile(&all, NULL, 0.5), 0.001, 1e-9);
    ck_assert_double_eq_tol(ef_histogram_quantile(&all, NULL, 0.75), 0.0055, 1e-9);
    ck_assert(ef_histogram_quantile(&all, &all, 0.5) < 0);
    ck_assert(!ef_histogram_read(page, "eventferry_created_to_seen_seconds", "order", &none));
    ck_assert(ef_histogram_quantile(&none, NULL, 0.5) < 0);
}
END_TEST

START_TEST(bars)
{
    const double values[] = {0, 50, 100};
    ef_top_sparkline(values, 3, false, &out);
    ck_assert_str_eq(out.data, "_=#");
    ef_buf_clear(&out);
    ef_top_sparkline(values, 3, true, &out);
    ck_assert_str_eq(out.data, "▁▅█");
    ef_buf_clear(&out);
    ef_top_sparkline((double[]){0, 0}, 2, false, &out);
    ck_assert_str_eq(out.data, "__");
}
END_TEST

static json_t *status_of(int delivered)
{
    return json_pack(
        "{s:s, s:b, s:[{s:s, s:s, s:b, s:s, s:{s:i}, s:{s:i, s:i}, s:{s:b, s:[{s:s, s:s}]}, "
        "s:{s:i, s:i, s:i, s:f}}]}",
        "instance", "relay-1", "ready", 1, "outboxes", "name", "orders", "state", "running",
        "ready", 1, "reason", "why", "totals", "delivered", delivered, "window", "in_flight_rows",
        5, "oldest_in_flight_ms", 2500, "lease", "held", 1, "standbys", "instance", "relay-2",
        "host", "host-b", "lag", "backlog_rows", 1200, "blocked_aggregates", 2, "dead_rows", 3,
        "oldest_unfinished_age_seconds", 4.5);
}

START_TEST(a_frame_has_rates_between_two_looks)
{
    struct ef_top *top = ef_top_new();
    json_t *first = status_of(1000), *second = status_of(3000);
    ef_top_take(top, first, page, EF_S_US);
    ef_top_take(top, second, page, 3 * EF_S_US);
    ef_top_frame(top, second, false, false, &out);
    ck_assert_msg(strstr(out.data, "1 000/s") != NULL, "%s", out.data);
    ck_assert_ptr_nonnull(strstr(out.data, "_#"));
    ck_assert_ptr_nonnull(strstr(out.data, "1 200"));
    ck_assert_ptr_nonnull(strstr(out.data, "    oldest in flight for 2.5 s\n"
                                           "    standing by: relay-2 on host-b\n    why\n"));
    ck_assert_ptr_null(strstr(out.data, "half")); /* no row came between the looks */
    ef_buf_clear(&out);
    ef_top_take(top, first, page, 5 * EF_S_US); /* a new daemon */
    ef_top_frame(top, first, false, false, &out);
    ck_assert_ptr_nonnull(strstr(out.data, " 0/s"));
    json_decref(first);
    json_decref(second);
    ef_top_free(top);
}
END_TEST

START_TEST(the_first_frame_has_all_there_was)
{
    struct ef_top *top = ef_top_new();
    json_t *status = status_of(1);
    ef_top_take(top, status, page, EF_S_US);
    ef_top_frame(top, status, true, true, &out);
    ck_assert_msg(strstr(out.data, "read 1.0 ms / 9.8 ms") != NULL, "%s", out.data);
    ck_assert_ptr_nonnull(strstr(out.data, "\033[32mrunning\033[0m"));
    json_decref(status);
    ef_top_free(top);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_shown");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, times);
    tcase_add_test(tc, lists_of_ids);
    tcase_add_test(tc, options_of_every_kind);
    tcase_add_test(tc, cells_are_cut_between_characters);
    tcase_add_test(tc, quantiles_of_a_page);
    tcase_add_test(tc, bars);
    tcase_add_test(tc, a_frame_has_rates_between_two_looks);
    tcase_add_test(tc, the_first_frame_has_all_there_was);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
