// SPDX-License-Identifier: MIT
/* Findings of several sources as one list: each once, the worst first, since when, counted. */
#include <check.h>
#include <stdlib.h>

#include "admin/warnings.h"
#include "unit/run_suite.h"

static struct ef_metrics *metrics;
static struct ef_warnings *warnings;
static struct ef_report report;
static const int orders, mails; /* sources */

static void setup(void)
{
    metrics = ef_metrics_new();
    warnings = ef_warnings_new(metrics);
    ef_report_init(&report);
}

static void teardown(void)
{
    ef_report_done(&report);
    ef_warnings_free(warnings);
    ef_metrics_free(metrics);
}

static void add(const char *subject, const char *id, const char *key, enum ef_level level)
{
    ef_report_subject(&report, "%s", subject);
    ef_report_add(&report, id, level, "a sentence");
    ef_report_key(&report, "%s", key);
    ef_report_mend(&report, "a command");
}

static void take(const void *source)
{
    ef_warnings_take(warnings, source, &report);
    ef_report_done(&report);
}

static size_t count(void)
{
    size_t count;
    const struct ef_warning *all = ef_warnings_all(warnings, &count);
    ck_assert((all != NULL) == (count > 0));
    return count;
}

static const struct ef_warning *nth(size_t n)
{
    size_t count;
    const struct ef_warning *all = ef_warnings_all(warnings, &count);
    ck_assert_uint_lt(n, count);
    return &all[n];
}

static double told(const char *check, const char *subject)
{
    const struct ef_metric *metric =
        ef_metrics_find(metrics, "warnings", "check", check, "subject", subject, NULL);
    return metric ? metric->value : -1;
}

START_TEST(none)
{
    size_t unasked = 7;
    ck_assert_ptr_null(ef_warnings_all(NULL, &unasked));
    ck_assert_uint_eq(unasked, 0);
    add("host", "host.certificate", "a.pem", EF_LEVEL_OK);
    take(&orders);
    ck_assert_uint_eq(count(), 0);
    ck_assert_double_eq(told("host.certificate", "host"), 0); /* from the start */
    ck_assert(told("pg.notify", "outbox orders") < 0);
}
END_TEST

/* Two outboxes of one database see the same transaction: it goes when neither sees it. */
START_TEST(shared)
{
    add("database shop", "db.transactions", "process 7", EF_LEVEL_WARN);
    take(&orders);
    add("database shop", "db.transactions", "process 7", EF_LEVEL_WARN);
    add("database shop", "db.transactions", "process 8", EF_LEVEL_WARN);
    take(&mails);
    ck_assert_uint_eq(count(), 2);
    ck_assert_double_eq(told("db.transactions", "database shop"), 2);
    take(&orders);
    ck_assert_uint_eq(count(), 2);
    ef_warnings_take(warnings, &mails, NULL);
    ck_assert_uint_eq(count(), 0);
    ck_assert_double_eq(told("db.transactions", "database shop"), 0);
}
END_TEST

START_TEST(worst_first_and_since)
{
    add("outbox orders", "pg.notify", "", EF_LEVEL_WARN);
    take(&orders);
    int64_t since = nth(0)->since.us;
    ck_assert_int_gt(since, 0);
    add("host", "host.certificate", "a.pem", EF_LEVEL_FAIL);
    take(&mails);
    ck_assert_str_eq(nth(0)->finding.id, "host.certificate");
    ck_assert_str_eq(nth(0)->finding.mends.items[0], "a command");
    ck_assert_str_eq(nth(1)->finding.id, "pg.notify");
    ck_assert_int_eq(nth(1)->since.us, since);
    /* what gets worse is the same finding still */
    since = nth(0)->since.us;
    add("host", "host.certificate", "a.pem", EF_LEVEL_WARN);
    take(&mails);
    ck_assert_int_eq(nth(1)->since.us, since);
    ck_assert_double_eq(told("host.certificate", "host"), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_warnings");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, none);
    tcase_add_test(all, shared);
    tcase_add_test(all, worst_first_and_since);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
