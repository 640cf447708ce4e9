// SPDX-License-Identifier: MIT
/* What the status page is made of: escaping, drawings, the last 15 minutes, recent happenings, the
 * parts and their order. */
#include <check.h>
#include <stdlib.h>

#include "admin/chart.h"
#include "admin/happenings.h"
#include "admin/history.h"
#include "admin/html.h"
#include "admin/page.h"
#include "admin_fake.h"
#include "unit/run_suite.h"

static struct ef_buf out;

static void setup(void)
{
    fake_setup();
    ef_buf_init(&out, 1 << 24);
    ef_log_setup(EF_LOG_INFO, EF_LOG_LOGFMT, false);
}

static void teardown(void)
{
    ef_buf_done(&out);
    fake_teardown();
}

static int occurrences(const char *text, const char *word)
{
    int count = 0;
    for (; (text = strstr(text, word)); text++)
        count++;
    return count;
}

START_TEST(html_of_any_bytes)
{
    ef_html_text(&out, "<a href=\"x\" onclick='y'>&amp;\xff\n");
    ck_assert_str_eq(out.data, "&lt;a href=&quot;x&quot; onclick=&#39;y&#39;&gt;&amp;amp;"
                               "\xef\xbf\xbd\n");
    ef_buf_clear(&out);
    char *text = ef_xmalloc(10001);
    memset(text, 'a', 10000);
    text[10000] = '\0';
    ef_html_text(&out, text);
    ck_assert_uint_eq(out.len, 4096);
    free(text);
}
END_TEST

START_TEST(a_line_reaches_the_top_and_breaks_at_gaps)
{
    const double values[] = {0, 5, -1, 10, -1};
    ef_chart_line(&out, values, 5, "a < b");
    ck_assert_ptr_nonnull(strstr(out.data, "aria-label=\"a &lt; b\""));
    ck_assert_int_eq(occurrences(out.data, "class=line"), 2);
    ck_assert_ptr_nonnull(strstr(out.data, "d=\"M0 31L4 16\""));
    ck_assert_ptr_nonnull(strstr(out.data, "d=\"M12 1L12 1\""));
    ck_assert_ptr_null(strstr(out.data, "style"));
    ef_buf_clear(&out);
    const double nothing[] = {-1, -1, 0};
    ef_chart_line(&out, nothing, 3, "");
    ck_assert_ptr_nonnull(strstr(out.data, "M8 31L8 31"));
}
END_TEST

START_TEST(a_bar_stays_within_its_rail)
{
    ef_chart_bar(&out, 50, 100, "");
    ck_assert_ptr_nonnull(strstr(out.data, "<rect class=used width=50 "));
    ef_chart_bar(&out, 500, 100, "");
    ck_assert_ptr_nonnull(strstr(out.data, "<rect class=used width=100 "));
    ef_chart_bar(&out, 1, 0, "");
    ck_assert_ptr_nonnull(strstr(out.data, "<rect class=used width=0 "));
}
END_TEST

START_TEST(quantiles)
{
    uint64_t counts[EF_METRIC_BUCKETS] = {0};
    ck_assert(ef_history_quantile(counts, 0.5) < 0);
    counts[1] = 100; /* 1 to 2.5 ms */
    ck_assert_double_eq_tol(ef_history_quantile(counts, 0.5), 0.00175, 1e-9);
    counts[EF_METRIC_BUCKETS - 1] = 100;
    ck_assert_double_eq_tol(ef_history_quantile(counts, 0.5), 0.0025, 1e-9);
    ck_assert_double_eq(ef_history_quantile(counts, 0.99), 60);
}
END_TEST

static struct ef_metric *acked(void)
{
    return ef_metrics_get(fake.metrics, EF_HISTOGRAM, "seen_to_acked_seconds", "x", "outbox",
                          "orders", NULL);
}

START_TEST(history_tells_what_passed_between_two_looks)
{
    static struct ef_history history;
    memset(&history, 0, sizeof(history));
    ef_metric_observe(acked(), 30); /* before the first look: of another time */
    ef_history_look(&history, fake.metrics, "orders", 0, 0);
    ck_assert_ptr_null(ef_history_at(&history, 0));
    ef_metric_observe(acked(), 0.004);
    ef_history_look(&history, fake.metrics, "orders", 12.5, 7);
    ef_history_look(&history, fake.metrics, "orders", 0, -1);
    const struct ef_sample *sample = ef_history_at(&history, 0);
    ck_assert_double_eq(sample->delivered, 12.5);
    ck_assert_int_eq(sample->backlog, 7);
    ck_assert(sample->stages[EF_STAGE_ACKED].p99 > 0.0025f &&
              sample->stages[EF_STAGE_ACKED].p99 <= 0.005f);
    ck_assert(sample->stages[EF_STAGE_WHOLE].p99 < 0);
    sample = ef_history_at(&history, 1);
    ck_assert_int_eq(sample->backlog, -1);
    ck_assert(sample->stages[EF_STAGE_ACKED].p99 < 0);
    ck_assert_ptr_null(ef_history_at(&history, 2));
}
END_TEST

START_TEST(history_keeps_15_minutes)
{
    static struct ef_history history;
    memset(&history, 0, sizeof(history));
    for (int i = 0; i <= EF_HISTORY_SAMPLES + 10; i++)
        ef_history_look(&history, fake.metrics, "orders", i, i);
    ck_assert_ptr_null(ef_history_at(&history, 9));
    ck_assert_int_eq(ef_history_at(&history, 10)->backlog, 11);
    ck_assert_int_eq(ef_history_at(&history, EF_HISTORY_SAMPLES + 9)->backlog,
                     EF_HISTORY_SAMPLES + 10);
    ck_assert_ptr_null(ef_history_at(&history, -1));
}
END_TEST

START_TEST(history_survives_counters_that_begin_anew)
{
    static struct ef_history history;
    memset(&history, 0, sizeof(history));
    for (int i = 0; i < 5; i++)
        ef_metric_observe(acked(), 0.004);
    ef_history_look(&history, fake.metrics, "orders", 0, 0);
    ef_metrics_remove(fake.metrics, "outbox", "orders");
    ef_metric_observe(acked(), 0.004);
    ef_history_look(&history, fake.metrics, "orders", 0, 0);
    ck_assert(ef_history_at(&history, 0)->stages[EF_STAGE_ACKED].median > 0);
}
END_TEST

/* --- recent happenings --- */

static struct ef_happenings *happenings;
static struct ef_happening got[EF_HAPPENINGS_MAX];

static void setup_happenings(void)
{
    setup();
    happenings = ef_happenings_new();
}

static void teardown_happenings(void)
{
    ef_happenings_free(happenings);
    ef_info("nobody looks any more");
    teardown();
}

START_TEST(happenings_are_the_log_in_words)
{
    struct ef_error err = {.class = EF_CLASS_RECORD};
    snprintf(err.text, sizeof(err.text), "too large");
    ef_log_setup(EF_LOG_DEBUG, EF_LOG_LOGFMT, true);
    ef_debug("not worth a word");
    ef_info("lease acquired", EF_STR("outbox", "orders"), EF_INT("epoch", 7));
    ef_warn("row is dead", EF_STR("outbox", "orders"), EF_INT("id", 4711), EF_STR("topic", "o"),
            EF_STR("aggregate_id", "secret-aggregate"), EF_ERR(&err));
    ck_assert_int_eq(ef_happenings_copy(happenings, got), 2);
    ck_assert_str_eq(got[0].text, "row is dead, id 4711, topic o: too large");
    ck_assert_str_eq(got[0].outbox, "orders");
    ck_assert_int_eq(got[0].level, EF_LOG_WARN);
    ck_assert_str_eq(got[1].text, "lease acquired, epoch 7");
}
END_TEST

START_TEST(happenings_that_repeat_are_counted)
{
    for (int i = 0; i < 5; i++)
        ef_warn("could not connect", EF_STR("outbox", "orders"), EF_STR("why", "refused"));
    ef_warn("could not connect", EF_STR("outbox", "mails"), EF_STR("why", "refused"));
    ck_assert_int_eq(ef_happenings_copy(happenings, got), 2);
    ck_assert_uint_eq(got[0].count, 1);
    ck_assert_uint_eq(got[1].count, 5);
    ck_assert_str_eq(got[1].text, "could not connect: refused");
}
END_TEST

/* Two lines that come in turn, every few seconds, while something else is looked for. */
START_TEST(happenings_that_alternate_drive_nothing_out)
{
    ef_err("worth keeping");
    for (int i = 0; i < 100; i++) {
        ef_info("looking", EF_STR("outbox", "orders"));
        ef_warn("not good", EF_STR("outbox", "orders"));
    }
    ck_assert_int_eq(ef_happenings_copy(happenings, got), 3);
    ck_assert_str_eq(got[0].text, "not good");
    ck_assert_uint_eq(got[0].count, 100);
    ck_assert_str_eq(got[1].text, "looking");
    ck_assert_str_eq(got[2].text, "worth keeping");
}
END_TEST

START_TEST(happenings_keep_the_last_fifty)
{
    for (int i = 0; i < 60; i++)
        ef_info("again", EF_INT("count", i));
    ck_assert_int_eq(ef_happenings_copy(happenings, got), EF_HAPPENINGS_MAX);
    ck_assert_str_eq(got[0].text, "again, count 59");
    ck_assert_str_eq(got[EF_HAPPENINGS_MAX - 1].text, "again, count 10");
}
END_TEST

START_TEST(a_long_line_is_cut)
{
    char text[2000];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    ef_warn("long", EF_STR("why", text), EF_STR("outbox", text));
    ck_assert_int_eq(ef_happenings_copy(happenings, got), 1);
    ck_assert_uint_eq(strlen(got[0].text), sizeof(got[0].text) - 1);
    ck_assert_uint_eq(strlen(got[0].outbox), sizeof(got[0].outbox) - 1);
}
END_TEST

/* --- parts --- */

static struct ef_snapshot snapshot;

static const char *render(void)
{
    ef_snapshot_take(&snapshot, &fake.view, NULL);
    ef_buf_clear(&out);
    ef_page_render(&snapshot, "nonce", &out);
    ck_assert(!out.overflow);
    return out.data;
}

START_TEST(every_part_stands_in_the_page_once)
{
    struct ef_page_parts parts;
    char id[64];
    const char *page = render();
    ef_page_parts_make(&snapshot, &parts);
    ck_assert_int_eq(parts.count, 6 + 2 * 4);
    for (int i = 0; i < parts.count; i++) {
        bool single = parts.items[i].id[0] != 'o';
        snprintf(id, sizeof(id), single ? "id=\"%s\"" : "id=%s>", parts.items[i].id);
        ck_assert_msg(occurrences(page, id) == 1, "%s", id);
        ck_assert_msg(strstr(page, parts.items[i].html.data) != NULL, "%s", parts.items[i].id);
        ck_assert(!parts.items[i].html.overflow);
    }
    ck_assert_ptr_null(strstr(page, "{{"));
    ef_page_parts_done(&parts);
    ef_snapshot_done(&snapshot);
}
END_TEST

START_TEST(trouble_comes_first)
{
    struct ef_relay_status *s = &fake.relays[2].status;
    fake.count = 3;
    fake.relays[0].status.lag = (struct ef_lag){0}; /* well */
    s->ready = false;
    s->state = EF_RELAY_MISCONFIGURED;
    snprintf(s->reason, sizeof(s->reason), "no column <id>");
    const char *page = render();
    const char *late = strstr(page, "<article id=o2 class=\"card bad\">");
    const char *mails = strstr(page, "<article id=o1 class=\"card warn\">");
    const char *orders = strstr(page, "<article id=o0 class=\"card ok\">");
    ck_assert(late && mails && orders && late < mails && mails < orders);
    ck_assert_ptr_nonnull(strstr(page, "2 of 3 outboxes need a look"));
    ck_assert_ptr_nonnull(strstr(page, "late</a> <span class=bad>misconfigured</span>: "
                                       "no column &lt;id&gt;; 1 dead row; 2 blocked aggregates"));
    ef_buf_clear(&out);
    ef_page_layout(&snapshot, &out);
    ck_assert_str_eq(out.data, "o2 bad,o1 warn,o0 ok");
    ef_snapshot_done(&snapshot);
}
END_TEST

START_TEST(failures_are_told_by_class)
{
    ef_metric_add(ef_metrics_get(fake.metrics, EF_COUNTER, "rows_dead_total", "x", "outbox",
                                 "orders", "class", "record", NULL),
                  3);
    const char *page = render();
    ck_assert_ptr_nonnull(strstr(page, "3 record: can never be sent as it is"));
    ck_assert_ptr_null(strstr(page, "Retried since start"));
    ef_snapshot_done(&snapshot);
}
END_TEST

START_TEST(holds_are_shown_without_aggregates)
{
    struct ef_relay_status *s = &fake.relays[0].status;
    s->hold_count = 2;
    s->holds[0] = (struct ef_relay_hold){
        .topic = true, .name = "<t>", .by = "ann", .reason = "consumer <broken>"};
    s->holds[1] = (struct ef_relay_hold){.name = "secret-aggregate", .by = "bob"};
    const char *page = render();
    ck_assert_ptr_nonnull(strstr(page, "2 holds by operators"));
    ck_assert_ptr_nonnull(
        strstr(page, "topic <strong>&lt;t&gt;</strong> by ann: consumer &lt;broken&gt;"));
    ck_assert_ptr_nonnull(strstr(page, "<li>1 of single aggregates, shown by"));
    ck_assert_ptr_null(strstr(page, "secret-aggregate"));
    ck_assert_ptr_nonnull(strstr(page, "</span>: 2 holds; 1 dead row"));
    ef_snapshot_done(&snapshot);
}
END_TEST

START_TEST(warnings_are_escaped)
{
    struct ef_warnings *warnings = ef_warnings_new(fake.metrics);
    struct ef_report report;
    ef_report_init(&report);
    ef_report_subject(&report, "database <shop>");
    ef_report_add(&report, "db.transactions", EF_LEVEL_WARN, "process 7 of role \"<b>\"");
    ef_warnings_take(warnings, &report, &report);
    ef_report_done(&report);
    fake.view.warnings = warnings;
    const char *page = render();
    ck_assert_ptr_nonnull(strstr(page, "<li class=warn><strong>database &lt;shop&gt;</strong> "
                                       "process 7 of role &quot;&lt;b&gt;&quot;</li>"));
    ef_snapshot_done(&snapshot);
    ef_warnings_free(warnings);
}
END_TEST

START_TEST(happenings_are_escaped)
{
    struct ef_happening *happening = ef_xcalloc(1, sizeof(*happening));
    *happening = (struct ef_happening){.level = EF_LOG_WARN,
                                       .count = 3,
                                       .outbox = "<orders>",
                                       .text = "<script>alert(1)</script>"};
    ef_snapshot_take(&snapshot, &fake.view, NULL);
    snapshot.happenings = happening;
    snapshot.happening_count = 1;
    ef_page_render(&snapshot, "nonce", &out);
    ck_assert_ptr_nonnull(strstr(out.data, "1970-01-01 00:00:00"));
    ck_assert_ptr_nonnull(strstr(out.data, "<strong>&lt;orders&gt;</strong> "
                                           "&lt;script&gt;alert(1)&lt;/script&gt; <em>3 times"));
    ef_snapshot_done(&snapshot);
}
END_TEST

START_TEST(the_last_15_minutes_are_drawn)
{
    static struct ef_history history;
    memset(&history, 0, sizeof(history));
    ef_snapshot_take(&snapshot, &fake.view, NULL);
    snapshot.outboxes[0].history = &history;
    ef_page_render(&snapshot, "nonce", &out);
    ck_assert_ptr_null(strstr(out.data, "<svg class=spark"));
    for (int i = 0; i < 8; i++)
        ef_history_look(&history, fake.metrics, "orders", 100 * i, i);
    ef_buf_clear(&out);
    ef_page_render(&snapshot, "nonce", &out);
    ck_assert_int_eq(occurrences(out.data, "<svg class=spark"), 6);
    ck_assert_ptr_nonnull(strstr(out.data, "<td>700/s</td><td>700/s</td>"));
    ef_snapshot_done(&snapshot);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_page");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, html_of_any_bytes);
    tcase_add_test(tc, a_line_reaches_the_top_and_breaks_at_gaps);
    tcase_add_test(tc, a_bar_stays_within_its_rail);
    tcase_add_test(tc, quantiles);
    tcase_add_test(tc, history_tells_what_passed_between_two_looks);
    tcase_add_test(tc, history_keeps_15_minutes);
    tcase_add_test(tc, history_survives_counters_that_begin_anew);
    tcase_add_test(tc, every_part_stands_in_the_page_once);
    tcase_add_test(tc, trouble_comes_first);
    tcase_add_test(tc, failures_are_told_by_class);
    tcase_add_test(tc, holds_are_shown_without_aggregates);
    tcase_add_test(tc, warnings_are_escaped);
    tcase_add_test(tc, happenings_are_escaped);
    tcase_add_test(tc, the_last_15_minutes_are_drawn);
    suite_add_tcase(suite, tc);
    tc = tcase_create("happenings");
    tcase_add_checked_fixture(tc, setup_happenings, teardown_happenings);
    tcase_add_test(tc, happenings_are_the_log_in_words);
    tcase_add_test(tc, happenings_that_repeat_are_counted);
    tcase_add_test(tc, happenings_that_alternate_drive_nothing_out);
    tcase_add_test(tc, happenings_keep_the_last_fifty);
    tcase_add_test(tc, a_long_line_is_cut);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
