// SPDX-License-Identifier: MIT
/* What the producer tells of topics while it lives: of whom, and for how long. That brokers answer
 * so, and that partitions are counted, is tested with real ones. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/producer_private.h"
#include "unit/run_suite.h"

static struct ef_loop *loop;
static struct ef_producer *p;
static struct ef_topic topic;
static struct user ours, others;
static struct ef_report seen;
static int64_t our_max_payload;

static int64_t max_payload(void *arg, const char *outbox)
{
    (void)arg;
    return strcmp(outbox, "orders") == 0 ? our_max_payload : 0;
}

static void found(void *arg, const struct ef_report *report)
{
    (void)arg;
    ef_report_done(&seen);
    ef_report_copy_bad(report, &seen);
    ef_loop_stop(loop);
}

static void set_up(void)
{
    loop = ef_loop_new();
    ef_report_init(&seen);
    our_max_payload = 1000;
    p = ef_xcalloc(1, sizeof(*p));
    p->loop = loop;
    p->params.examiner =
        (struct ef_producer_examiner){max_payload, found, NULL, "/etc/eventferry.yaml"};
    topic = (struct ef_topic){.name = "t"};
    HASH_ADD_KEYPTR(hh, p->topics, topic.name, strlen(topic.name), &topic);
    ours = (struct user){.name = "orders", .next = &others};
    others = (struct user){.name = "bills", .prev = &ours};
    p->users = &ours;
    ef_examine_init(p);
    ef_examine_use(&topic, &others);
    ef_examine_use(&topic, &ours);
}

static void tear_down(void)
{
    ef_examine_done(p);
    ef_examine_forget_topic(&topic);
    HASH_DEL(p->topics, &topic);
    ef_report_done(&seen);
    free(p);
    ef_loop_free(loop);
}

/* No broker is asked: there is no connection. */
static void examine(size_t findings)
{
    ef_producer_examine(p);
    ef_loop_run(loop);
    ck_assert_uint_eq(seen.count, findings);
}

START_TEST(limit)
{
    examine(0); /* not known */
    topic.limit_bytes = 1000;
    examine(0);
    topic.limit_bytes = 999;
    examine(1);
    ck_assert_str_eq(seen.items[0].id, "kafka.message_size");
    ck_assert_str_eq(seen.items[0].subject, "kafka");
    ck_assert_str_eq(seen.items[0].key, "topic t, outbox orders");
    ck_assert_str_eq(seen.items[0].mends.items[0],
                     "eventferryctl --config /etc/eventferry.yaml topics ensure --topic t "
                     "--setting max.message.bytes=5096 --yes");
}
END_TEST

/* Neither an outbox that another relay owns, nor one that has left. */
START_TEST(whose)
{
    topic.limit_bytes = 10;
    topic.former_count = 2;
    topic.known_count = 3;
    topic.changed_us = ef_clock_mono().us;
    examine(2);
    our_max_payload = 0;
    examine(0);
    our_max_payload = 1000;
    ours.gone = true;
    examine(0);
    ours.gone = false;
    ef_examine_forget_user(p, &ours);
    ck_assert_int_eq(topic.user_count, 1);
    examine(0);
    ef_examine_use(&topic, &ours);
    examine(2);
}
END_TEST

START_TEST(users_are_noted_once)
{
    for (int i = 0; i < 3; i++) {
        ef_examine_use(&topic, &others);
        ef_examine_use(&topic, &ours);
    }
    ck_assert_int_eq(topic.user_count, 2);
}
END_TEST

/* The first count is no change, nor is the same one after the producer was replaced. */
START_TEST(counted)
{
    ck_assert(!ef_examine_counted(p, &topic, 3));
    ck_assert(!ef_examine_counted(p, &topic, 3));
    examine(0);
    ck_assert(ef_examine_counted(p, &topic, 6));
    ef_loop_run(loop); /* told without being asked */
    ck_assert_uint_eq(seen.count, 1);
    ck_assert_str_eq(seen.items[0].id, "kafka.partitions");
    ck_assert(strstr(seen.items[0].text, "has 6 partitions and had 3"));
    ck_assert_int_eq(seen.items[0].level, EF_LEVEL_WARN);
    examine(1);
}
END_TEST

START_TEST(change_is_told_for_an_hour)
{
    int64_t hour_us = 3600 * EF_S_US;
    ef_examine_counted(p, &topic, 3);
    ef_examine_counted(p, &topic, 6);
    topic.changed_us = ef_clock_mono().us - hour_us + 60 * EF_S_US;
    examine(1);
    topic.changed_us = ef_clock_mono().us - hour_us - 60 * EF_S_US;
    examine(0);
    ck_assert_int_eq(topic.former_count, 0);
}
END_TEST

START_TEST(change_is_told_until_it_was_seen)
{
    ef_examine_counted(p, &topic, 3);
    ef_examine_counted(p, &topic, 6);
    examine(1);
    ef_producer_forget_changes(p);
    ef_loop_run(loop);
    ck_assert_uint_eq(seen.count, 0);
    ck_assert(ef_examine_counted(p, &topic, 7));
    examine(1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_examine");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, limit);
    tcase_add_test(all, whose);
    tcase_add_test(all, users_are_noted_once);
    tcase_add_test(all, counted);
    tcase_add_test(all, change_is_told_for_an_hour);
    tcase_add_test(all, change_is_told_until_it_was_seen);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
