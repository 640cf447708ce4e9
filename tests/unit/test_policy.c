// SPDX-License-Identifier: MIT
/* What becomes of a row, by error class and attempts; and paused topics. */
#include "outbox/destinations.h"
#include "outbox/policy.h"
#include "unit/run_suite.h"

#include <check.h>
#include <stdlib.h>

static const struct ef_retry retry = {.max_attempts = 3,
                                      .backoff = {.strategy = EF_BACKOFF_EXPONENTIAL,
                                                  .base_ms = 100,
                                                  .max_ms = 1000,
                                                  .jitter = false},
                                      .quota_multiplier = 5};

static struct ef_verdict judge(enum ef_class class, int attempts, bool alone, bool quota)
{
    struct ef_rng rng;
    struct ef_error err;
    ef_rng_seed(&rng, 1);
    ef_error_set(&err, class, "x");
    return ef_policy_judge(&retry, class == EF_CLASS_NONE ? NULL : &err, attempts, alone, quota,
                           &rng);
}

/* Every class has a fate; only those that speak of the row itself change it. */
START_TEST(each_class_has_its_fate)
{
    static const enum ef_fate fates[EF_CLASS_COUNT] = {
        [EF_CLASS_NONE] = EF_FATE_DELIVERED, [EF_CLASS_TRANSIENT] = EF_FATE_RETRY,
        [EF_CLASS_BUSY] = EF_FATE_AGAIN,     [EF_CLASS_UNCERTAIN] = EF_FATE_AGAIN,
        [EF_CLASS_RECORD] = EF_FATE_DEAD,    [EF_CLASS_DESTINATION] = EF_FATE_PAUSE_TOPIC,
        [EF_CLASS_OUTAGE] = EF_FATE_AGAIN,   [EF_CLASS_FENCED] = EF_FATE_STEP_DOWN,
        [EF_CLASS_CONFIG] = EF_FATE_AGAIN,   [EF_CLASS_FATAL] = EF_FATE_AGAIN,
    };
    ck_assert_int_eq(judge((enum ef_class)_i, 0, true, false).fate, fates[_i]);
}
END_TEST

/* An outage may last for ever: it never counts an attempt, so it never kills a row. */
START_TEST(only_transient_and_record_count_attempts)
{
    int counted = judge((enum ef_class)_i, 7, true, false).attempts;
    bool counts = _i == EF_CLASS_TRANSIENT || _i == EF_CLASS_RECORD;
    ck_assert_int_eq(counted, counts ? 8 : 7);
}
END_TEST

START_TEST(a_row_is_dead_after_max_attempts)
{
    ck_assert_int_eq(judge(EF_CLASS_TRANSIENT, 0, true, false).fate, EF_FATE_RETRY);
    ck_assert_int_eq(judge(EF_CLASS_TRANSIENT, 1, true, false).fate, EF_FATE_RETRY);
    ck_assert_int_eq(judge(EF_CLASS_TRANSIENT, 2, true, false).fate, EF_FATE_DEAD);
}
END_TEST

START_TEST(a_refusal_in_company_is_tried_alone_first)
{
    struct ef_verdict v = judge(EF_CLASS_RECORD, 0, false, false);
    ck_assert_int_eq(v.fate, EF_FATE_ALONE);
    ck_assert_int_eq(v.attempts, 0);
}
END_TEST

START_TEST(quota_waits_longer_within_bounds)
{
    ck_assert_int_eq(judge(EF_CLASS_TRANSIENT, 0, true, false).delay_ms, 100);
    ck_assert_int_eq(judge(EF_CLASS_TRANSIENT, 0, true, true).delay_ms, 500);
}
END_TEST

/* --- paused topics --- */

static struct ef_destinations topics;
static ef_mono now;

static void setup(void)
{
    ef_destinations_init(&topics);
    now.us = 1000 * EF_S_US;
}

static void teardown(void)
{
    ef_destinations_clear(&topics);
}

static enum ef_topic_answer ask(const char *topic)
{
    int64_t delay_ms = 0;
    enum ef_topic_answer answer = ef_destinations_ask(&topics, ef_slice_of(topic), now, &delay_ms);
    ck_assert(answer != EF_TOPIC_WAIT || delay_ms > 0);
    return answer;
}

static bool refuse(const char *topic)
{
    int64_t delay_ms;
    return ef_destinations_failed(&topics, ef_slice_of(topic), "not there", now, &delay_ms);
}

START_TEST(a_refused_topic_waits_and_others_do_not)
{
    ck_assert_int_eq(ask("a"), EF_TOPIC_OPEN);
    ck_assert(refuse("a"));
    ck_assert(!refuse("a"));
    ck_assert_int_eq(ask("a"), EF_TOPIC_WAIT);
    ck_assert_int_eq(ask("b"), EF_TOPIC_OPEN);
}
END_TEST

START_TEST(one_row_probes_at_growing_intervals)
{
    int64_t last = 0;
    refuse("a");
    for (int i = 0; i < 10; i++) {
        int64_t wait = ef_destinations_next_us(&topics, now);
        ck_assert_int_ge(wait, last);
        ck_assert_int_le(wait, 60 * EF_S_US);
        last = wait;
        now.us += wait;
        ck_assert_int_eq(ask("a"), EF_TOPIC_PROBE);
        ck_assert_int_eq(ask("a"), EF_TOPIC_WAIT);
        refuse("a");
    }
    ck_assert_int_eq(last, 60 * EF_S_US);
}
END_TEST

START_TEST(the_row_released_for_the_probe_may_come_late)
{
    struct ef_slice topic;
    refuse("a");
    now.us += ef_destinations_next_us(&topics, now);
    ck_assert(ef_destinations_due(&topics, now, &topic));
    ck_assert(!ef_destinations_due(&topics, now, &topic));
    ck_assert_int_eq(ask("a"), EF_TOPIC_PROBE);
}
END_TEST

START_TEST(success_opens_the_topic_once)
{
    refuse("a");
    ck_assert(ef_destinations_worked(&topics, ef_slice_of("a")));
    ck_assert(!ef_destinations_worked(&topics, ef_slice_of("a")));
    ck_assert_int_eq(ask("a"), EF_TOPIC_OPEN);
    ck_assert_int_eq(ef_destinations_next_us(&topics, now), -1);
}
END_TEST

START_TEST(a_probe_that_says_nothing_is_repeated)
{
    refuse("a");
    now.us += ef_destinations_next_us(&topics, now);
    ck_assert_int_eq(ask("a"), EF_TOPIC_PROBE);
    ef_destinations_undecided(&topics, ef_slice_of("a"), now);
    ck_assert_int_eq(ask("a"), EF_TOPIC_WAIT);
    now.us += ef_destinations_next_us(&topics, now);
    ck_assert_int_eq(ask("a"), EF_TOPIC_PROBE);
}
END_TEST

/* --- by topic --- */

START_TEST(topics_override_what_they_name)
{
    struct ef_topic_override overrides[] = {
        {.pattern = (char *)"pay.*", .max_attempts = 20},
        {.pattern = (char *)"pay.slow", .max_attempts = 7, .base_ms = 5000, .max_ms = 9000},
        {.pattern = (char *)"*.slow", .max_ms = 60},
    };
    struct ef_config_outbox outbox = {
        .retry = retry, .topic_overrides = overrides, .topic_override_count = 3};
    struct ef_retry plain = ef_policy_retry(&outbox, ef_slice_of("orders"));
    ck_assert_int_eq(plain.max_attempts, 3);
    ck_assert_int_eq(plain.backoff.base_ms, 100);
    ck_assert_int_eq(plain.backoff.max_ms, 1000);
    /* the first that fits and names it, value by value */
    struct ef_retry slow = ef_policy_retry(&outbox, ef_slice_of("pay.slow"));
    ck_assert_int_eq(slow.max_attempts, 20);
    ck_assert_int_eq(slow.backoff.base_ms, 5000);
    ck_assert_int_eq(slow.backoff.max_ms, 9000);
    ck_assert_int_eq(slow.quota_multiplier, 5);
    /* the longest pause is never shorter than the first */
    ck_assert_int_eq(ef_policy_retry(&outbox, ef_slice_of("x.slow")).backoff.max_ms, 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("policy");
    TCase *fates = tcase_create("fates");
    tcase_add_loop_test(fates, each_class_has_its_fate, 0, EF_CLASS_COUNT);
    tcase_add_loop_test(fates, only_transient_and_record_count_attempts, 0, EF_CLASS_COUNT);
    tcase_add_test(fates, a_row_is_dead_after_max_attempts);
    tcase_add_test(fates, a_refusal_in_company_is_tried_alone_first);
    tcase_add_test(fates, quota_waits_longer_within_bounds);
    tcase_add_test(fates, topics_override_what_they_name);
    suite_add_tcase(suite, fates);
    TCase *paused = tcase_create("paused topics");
    tcase_add_checked_fixture(paused, setup, teardown);
    tcase_add_test(paused, a_refused_topic_waits_and_others_do_not);
    tcase_add_test(paused, one_row_probes_at_growing_intervals);
    tcase_add_test(paused, the_row_released_for_the_probe_may_come_late);
    tcase_add_test(paused, success_opens_the_topic_once);
    tcase_add_test(paused, a_probe_that_says_nothing_is_repeated);
    suite_add_tcase(suite, paused);
    return run_suite(suite);
}
