// SPDX-License-Identifier: MIT
/* The registry's promises (one series for one set of labels, stable handles) and the text form
 * 0.0.4. */
#include "base/metrics.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "unit/run_suite.h"

static struct ef_metrics *metrics;
static struct ef_buf page;

static void setup(void)
{
    metrics = ef_metrics_new();
    ef_buf_init(&page, 1 << 20);
}

static void teardown(void)
{
    ef_metrics_free(metrics);
    ef_buf_done(&page);
}

static const char *render(void)
{
    ef_buf_clear(&page);
    ef_metrics_render(metrics, &page);
    ck_assert(!page.overflow);
    return page.len ? page.data : "";
}

START_TEST(empty_registry_renders_nothing)
{
    ck_assert_str_eq(render(), "");
}
END_TEST

START_TEST(counter_and_gauge)
{
    struct ef_metric *rows =
        ef_metrics_get(metrics, EF_COUNTER, "rows_total", "Rows.", "outbox", "orders", NULL);
    struct ef_metric *up = ef_metrics_get(metrics, EF_GAUGE, "up", "Up.", NULL);
    ef_metric_add(rows, 2);
    ef_metric_add(rows, 40);
    ef_metric_set(up, 0.25);
    ck_assert_str_eq(render(), "# HELP eventferry_rows_total Rows.\n"
                               "# TYPE eventferry_rows_total counter\n"
                               "eventferry_rows_total{outbox=\"orders\"} 42\n"
                               "# HELP eventferry_up Up.\n"
                               "# TYPE eventferry_up gauge\n"
                               "eventferry_up 0.25\n");
}
END_TEST

START_TEST(process_metrics_have_no_prefix)
{
    ef_metrics_get(metrics, EF_GAUGE, "process_open_fds", "Open.", NULL);
    ck_assert_ptr_nonnull(strstr(render(), "\nprocess_open_fds 0\n"));
    ck_assert_ptr_null(strstr(page.data, "eventferry_"));
}
END_TEST

START_TEST(same_labels_same_series)
{
    struct ef_metric *a = ef_metrics_get(metrics, EF_COUNTER, "n_total", "N.", "o", "a", NULL);
    struct ef_metric *b = ef_metrics_get(metrics, EF_COUNTER, "n_total", "N.", "o", "b", NULL);
    ck_assert_ptr_ne(a, b);
    ck_assert_ptr_eq(a, ef_metrics_get(metrics, EF_COUNTER, "n_total", "N.", "o", "a", NULL));
    ck_assert_ptr_ne(a, ef_metrics_get(metrics, EF_COUNTER, "m_total", "M.", "o", "a", NULL));
}
END_TEST

/* Series stay grouped under one HELP and TYPE, however the calls were mixed. */
START_TEST(families_are_grouped)
{
    ef_metrics_get(metrics, EF_GAUGE, "a", "A.", "o", "1", NULL);
    ef_metrics_get(metrics, EF_GAUGE, "b", "B.", "o", "1", NULL);
    ef_metrics_get(metrics, EF_GAUGE, "a", "A.", "o", "2", NULL);
    ck_assert_str_eq(render(), "# HELP eventferry_a A.\n"
                               "# TYPE eventferry_a gauge\n"
                               "eventferry_a{o=\"1\"} 0\n"
                               "eventferry_a{o=\"2\"} 0\n"
                               "# HELP eventferry_b B.\n"
                               "# TYPE eventferry_b gauge\n"
                               "eventferry_b{o=\"1\"} 0\n");
}
END_TEST

START_TEST(handles_stay_valid_while_the_registry_grows)
{
    struct ef_metric *handles[2000];
    char label[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(label, sizeof(label), "t%d", i);
        handles[i] = ef_metrics_get(metrics, EF_COUNTER, "n_total", "N.", "topic", label, NULL);
        ef_metric_set(handles[i], i);
    }
    for (int i = 0; i < 2000; i++) {
        snprintf(label, sizeof(label), "t%d", i);
        ck_assert_ptr_eq(
            handles[i], ef_metrics_get(metrics, EF_COUNTER, "n_total", "N.", "topic", label, NULL));
        ck_assert_double_eq(handles[i]->value, i);
    }
}
END_TEST

START_TEST(labels_and_help_are_escaped)
{
    ef_metrics_get(metrics, EF_GAUGE, "a", "say \"hi\" \\ and\nbye", "o", "q\"b\\n\nend", NULL);
    ck_assert_str_eq(render(), "# HELP eventferry_a say \"hi\" \\\\ and\\nbye\n"
                               "# TYPE eventferry_a gauge\n"
                               "eventferry_a{o=\"q\\\"b\\\\n\\nend\"} 0\n");
}
END_TEST

/* One bad byte would make Prometheus refuse the whole page. */
START_TEST(labels_are_always_utf8)
{
    ef_metrics_get(metrics, EF_GAUGE, "a", "A.", "o",
                   "gr\xc3\xbc\xc3\x9f"
                   "e\xff\xc3",
                   NULL);
    ck_assert_ptr_nonnull(strstr(render(), "{o=\"gr\xc3\xbc\xc3\x9f"
                                           "e\xef\xbf\xbd\xef\xbf\xbd\"}"));
}
END_TEST

START_TEST(long_label_values_are_cut)
{
    char value[5000];
    memset(value, '"', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    ef_metrics_get(metrics, EF_GAUGE, "a", "A.", "x", value, "y", value, NULL);
    render();
    ck_assert_uint_lt(page.len, 3000);
    ck_assert_str_eq(page.data + page.len - 8, "\"\\\"\"} 0\n");
}
END_TEST

START_TEST(numbers)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "0"},
        {-7, "-7"},
        {9007199254740992.0, "9007199254740992"},
        {1e20, "1e+20"},
        {0.1, "0.1"},
        {1.0 / 3, "0.33333333333333331"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
        {NAN, "NaN"},
    };
    struct ef_metric *m = ef_metrics_get(metrics, EF_GAUGE, "a", "A.", NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char want[64];
        ef_metric_set(m, cases[i].value);
        snprintf(want, sizeof(want), "\neventferry_a %s\n", cases[i].text);
        ck_assert_msg(strstr(render(), want) != NULL, "wanted %s in %s", want, page.data);
    }
}
END_TEST

START_TEST(histogram)
{
    struct ef_metric *h =
        ef_metrics_get(metrics, EF_HISTOGRAM, "d_seconds", "D.", "outbox", "o", NULL);
    ef_metric_observe(h, 0.0005);
    ef_metric_observe(h, 0.001); /* bounds belong to their bucket */
    ef_metric_observe(h, 0.0011);
    ef_metric_observe(h, 61);
    const char *text = render();
    ck_assert_ptr_nonnull(strstr(text, "# TYPE eventferry_d_seconds histogram\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "eventferry_d_seconds_bucket{outbox=\"o\",le=\"0.001\"} 2\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "eventferry_d_seconds_bucket{outbox=\"o\",le=\"0.0025\"} 3\n"));
    ck_assert_ptr_nonnull(strstr(text, "eventferry_d_seconds_bucket{outbox=\"o\",le=\"60\"} 3\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "eventferry_d_seconds_bucket{outbox=\"o\",le=\"+Inf\"} 4\n"));
    ck_assert_ptr_nonnull(strstr(text, "eventferry_d_seconds_count{outbox=\"o\"} 4\n"));
    ck_assert_ptr_nonnull(strstr(text, "eventferry_d_seconds_sum{outbox=\"o\"} 61.0026\n"));
}
END_TEST

START_TEST(histogram_without_labels)
{
    ef_metric_observe(ef_metrics_get(metrics, EF_HISTOGRAM, "d_seconds", "D.", NULL), 2);
    ck_assert_ptr_nonnull(strstr(render(), "\neventferry_d_seconds_bucket{le=\"2.5\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(page.data, "\neventferry_d_seconds_sum 2\n"));
}
END_TEST

START_TEST(removed_series_leave_the_page)
{
    struct ef_metric *gone =
        ef_metrics_get(metrics, EF_COUNTER, "n_total", "N.", "topic", "t", "outbox", "old", NULL);
    ef_metrics_get(metrics, EF_COUNTER, "n_total", "N.", "topic", "old", "outbox", "new", NULL);
    /* looks like the label, but is part of another one's value */
    ef_metrics_get(metrics, EF_COUNTER, "n_total", "N.", "topic", ",outbox=\"old\"", NULL);
    ef_metrics_get(metrics, EF_COUNTER, "n_total", "N.", "myoutbox", "old", NULL);
    ef_metrics_get(metrics, EF_GAUGE, "only", "O.", "outbox", "old", NULL);
    ef_metric_set(gone, 5);
    ef_metrics_remove(metrics, "outbox", "old");
    ck_assert_str_eq(render(), "# HELP eventferry_n_total N.\n"
                               "# TYPE eventferry_n_total counter\n"
                               "eventferry_n_total{topic=\"old\",outbox=\"new\"} 0\n"
                               "eventferry_n_total{topic=\",outbox=\\\"old\\\"\"} 0\n"
                               "eventferry_n_total{myoutbox=\"old\"} 0\n");
    ef_metric_add(gone, 1); /* a late writer does no harm */
    ef_metrics_get(metrics, EF_COUNTER, "n_total", "N.", "topic", "t", "outbox", "old", NULL);
    ck_assert_ptr_nonnull(strstr(render(), "{topic=\"t\",outbox=\"old\"} 0\n"));
}
END_TEST

START_TEST(removed_histogram_starts_again)
{
    ef_metric_observe(ef_metrics_get(metrics, EF_HISTOGRAM, "d_seconds", "D.", "o", "a", NULL), 3);
    ef_metrics_remove(metrics, "o", "a");
    ck_assert_str_eq(render(), "");
    ef_metrics_get(metrics, EF_HISTOGRAM, "d_seconds", "D.", "o", "a", NULL);
    ck_assert_ptr_nonnull(strstr(render(), "_count{o=\"a\"} 0\n"));
    ck_assert_ptr_nonnull(strstr(page.data, "_sum{o=\"a\"} 0\n"));
}
END_TEST

START_TEST(utf8_characters)
{
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {
        {"a", 1},
        {"\xc3\xa9", 2},
        {"\xe2\x82\xac", 3},
        {"\xf0\x9f\x9a\xa2", 4},
        {"\xf4\x8f\xbf\xbf", 4}, /* U+10FFFF */
        {"\xf4\x90\x80\x80", 0}, /* beyond */
        {"\xed\xa0\x80", 0},     /* surrogate */
        {"\xc0\xaf", 0},         /* overlong */
        {"\xe0\x80\xaf", 0},     /* overlong */
        {"\xf0\x80\x80\xaf", 0}, /* overlong */
        {"\x80", 0},
        {"\xff", 0},
        {"\xe2\x82", 0}, /* cut */
        {"\xc3(", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_msg(ef_utf8_length(cases[i].bytes, strlen(cases[i].bytes)) == cases[i].length,
                      "case %zu", i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tc = tcase_create("metrics");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, empty_registry_renders_nothing);
    tcase_add_test(tc, counter_and_gauge);
    tcase_add_test(tc, process_metrics_have_no_prefix);
    tcase_add_test(tc, same_labels_same_series);
    tcase_add_test(tc, families_are_grouped);
    tcase_add_test(tc, handles_stay_valid_while_the_registry_grows);
    tcase_add_test(tc, labels_and_help_are_escaped);
    tcase_add_test(tc, labels_are_always_utf8);
    tcase_add_test(tc, long_label_values_are_cut);
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, histogram);
    tcase_add_test(tc, histogram_without_labels);
    tcase_add_test(tc, removed_series_leave_the_page);
    tcase_add_test(tc, removed_histogram_starts_again);
    tcase_add_test(tc, utf8_characters);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
