// SPDX-License-Identifier: MIT
/* What is judged of a topic, for the doctor and for `topics validate`: each fault by itself. That
 * brokers answer so is tested against real ones. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/topics.h"
#include "unit/run_suite.h"

static struct ef_config config;
static struct ef_config_outbox outbox;
static struct ef_topic_name name;
static struct ef_topic_facts facts;
static struct ef_topic_place place;
static struct ef_report report;

/* Well in every respect; each test changes one thing. */
static void set_up(void)
{
    config = (struct ef_config){.path = "/etc/ef.yaml", .kafka = {.brokers = "k1:9092"}};
    outbox = (struct ef_config_outbox){.name = "orders", .max_payload_bytes = 1000000};
    name = (struct ef_topic_name){.name = "t", .outbox = &outbox, .largest_bytes = 500};
    facts = (struct ef_topic_facts){.topic = &name,
                                    .look = {.exists = true,
                                             .partitions = 12,
                                             .replicas = 3,
                                             .in_sync = 3,
                                             .may_write_known = true,
                                             .may_write = true},
                                    .min_in_sync = 2,
                                    .max_message_bytes = 1048588,
                                    .retention_ms = -1,
                                    .cleanup = "delete"};
    place = (struct ef_topic_place){&config, NULL, 3};
    ef_report_init(&report);
}

static void tear_down(void)
{
    ef_report_done(&report);
}

/* The only finding that is not OK. */
static const struct ef_finding *the_bad_one(void)
{
    const struct ef_finding *found = NULL;
    ef_topic_judge(&facts, &place, &report);
    for (size_t i = 0; i < report.count; i++) {
        if (report.items[i].level == EF_LEVEL_OK)
            continue;
        ck_assert_msg(!found, "%s beside it", report.items[i].text);
        found = &report.items[i];
    }
    ck_assert_msg(found, "all is well");
    return found;
}

static void expect(enum ef_level level, const char *id, const char *mend)
{
    const struct ef_finding *found = the_bad_one();
    ck_assert_str_eq(found->id, id);
    ck_assert_int_eq(found->level, level);
    ck_assert_msg(strstr(found->text, "\"t"), "no topic in: %s", found->text);
    if (!mend)
        return;
    ck_assert_uint_eq(found->mends.count, 1);
    ck_assert_msg(strstr(found->mends.items[0], mend), "not %s: %s", mend, found->mends.items[0]);
}

static void expect_well(size_t count)
{
    ef_topic_judge(&facts, &place, &report);
    ck_assert_int_eq(ef_report_worst(&report), EF_LEVEL_OK);
    ck_assert_uint_eq(report.count, count);
}

START_TEST(well)
{
    expect_well(4); /* there, writable, copies, size */
}
END_TEST

/* DescribeConfigs is a right that a relay need not have. */
START_TEST(settings_not_known)
{
    facts.min_in_sync = -1;
    facts.max_message_bytes = INT64_MIN;
    facts.cleanup = "";
    ef_error_set(&facts.settings.err, EF_CLASS_CONFIG, "not for you");
    expect_well(3);
    ck_assert(strstr(report.items[2].text, "not for you"));
}
END_TEST

START_TEST(name_that_cannot_be)
{
    name.name = "t b";
    expect(EF_LEVEL_FAIL, "kafka.topic", NULL);
}
END_TEST

START_TEST(not_asked)
{
    facts.look = (struct ef_kafka_admin_topic){0};
    ef_error_set(&facts.err, EF_CLASS_DESTINATION, "no answer");
    expect(EF_LEVEL_FAIL, "kafka.topic", NULL);
    ck_assert_uint_eq(report.count, 1);
}
END_TEST

/* As many copies as a cluster can have, up to three; how many it has may not be known. */
START_TEST(missing)
{
    static const char *const mends[] = {
        "eventferryctl --config /etc/ef.yaml topics ensure --topic t --partitions 12 --yes",
        "--replication-factor 1 --yes", "--replication-factor 2 --yes",
        "--replication-factor 3 --yes", "--replication-factor 3 --yes"};
    facts.look = (struct ef_kafka_admin_topic){0};
    place.broker_count = (size_t)_i;
    expect(EF_LEVEL_FAIL, "kafka.topic", mends[_i]);
    ck_assert(strstr(report.items[0].text, "orders"));
}
END_TEST

/* Commands go to the brokers that were asked. */
START_TEST(other_brokers)
{
    facts.look = (struct ef_kafka_admin_topic){0};
    place.brokers = "other:1";
    expect(EF_LEVEL_FAIL, "kafka.topic", " --brokers other:1 --yes");
}
END_TEST

START_TEST(not_to_be_seen)
{
    facts.look = (struct ef_kafka_admin_topic){.denied = true};
    expect(EF_LEVEL_FAIL, "kafka.rights",
           "kafka-acls.sh --bootstrap-server k1:9092 --add --allow-principal User:USER --operation "
           "Describe --operation Write --topic t");
}
END_TEST

START_TEST(not_to_be_written)
{
    facts.look.may_write = false;
    expect(EF_LEVEL_FAIL, "kafka.rights", "User:USER --operation Write --topic t");
}
END_TEST

START_TEST(may_write_unknown)
{
    facts.look.may_write = facts.look.may_write_known = false;
    expect_well(4);
    ck_assert(strstr(report.items[1].text, "not told"));
}
END_TEST

START_TEST(without_leader)
{
    facts.look.leaderless = 1;
    expect(EF_LEVEL_FAIL, "kafka.topic", "--unavailable-partitions");
}
END_TEST

static const struct {
    int replicas, in_sync, wanted, brokers;
    enum ef_level level;
    const char *mend;
} copies[] = {
    {3, 3, 4, 3, EF_LEVEL_FAIL, "--setting min.insync.replicas=2"},
    {1, 1, 2, 3, EF_LEVEL_FAIL, "--setting min.insync.replicas=1"},
    {1, 1, 2, 1, EF_LEVEL_FAIL, "--setting min.insync.replicas=1"},
    {3, 1, 2, 3, EF_LEVEL_FAIL, "--under-min-isr-partitions"},
    {3, 2, 2, 3, EF_LEVEL_WARN, "--under-replicated-partitions"},
    {3, 3, 3, 3, EF_LEVEL_WARN, "--setting min.insync.replicas=2"},
    {3, 3, 1, 3, EF_LEVEL_WARN, "--setting min.insync.replicas=2"},
    {1, 1, 1, 3, EF_LEVEL_WARN, "kafka-reassign-partitions"},
    {1, 1, 1, 0, EF_LEVEL_WARN, "kafka-reassign-partitions"}, /* how many brokers: not known */
    {1, 1, -1, 3, EF_LEVEL_WARN, "kafka-reassign-partitions"},
    {1, 1, 1, 1, EF_LEVEL_OK, NULL}, /* one broker can do no better */
    {2, 2, -1, 3, EF_LEVEL_OK, NULL},
};

START_TEST(number_of_copies)
{
    facts.look.replicas = copies[_i].replicas;
    facts.look.in_sync = copies[_i].in_sync;
    facts.min_in_sync = copies[_i].wanted;
    place.broker_count = (size_t)copies[_i].brokers;
    if (copies[_i].level == EF_LEVEL_OK)
        expect_well(4);
    else
        expect(copies[_i].level, "kafka.replicas", copies[_i].mend);
}
END_TEST

/* What is set wrong is told beside what is away now. */
START_TEST(two_faults_of_copies)
{
    facts.look.in_sync = 2;
    facts.min_in_sync = 1;
    ef_topic_judge(&facts, &place, &report);
    int warned = 0;
    for (size_t i = 0; i < report.count; i++)
        warned += report.items[i].level == EF_LEVEL_WARN;
    ck_assert_int_eq(warned, 2);
}
END_TEST

/* A row that is there fails; one that may come is a warning. Headers count, too. */
static const struct {
    int64_t largest, limit;
    enum ef_level level;
    const char *mend;
} sizes[] = {
    {500, 999999, EF_LEVEL_WARN, "max.message.bytes=1004096"},
    {0, 1000, EF_LEVEL_WARN, "max.message.bytes=1004096"},
    {500, 1000, EF_LEVEL_FAIL, "max.message.bytes=1004096"},
    {2000000, 1048588, EF_LEVEL_FAIL, "max.message.bytes=2004096"},
    {995904, 1000000, EF_LEVEL_OK, NULL},
    {995905, 1000000, EF_LEVEL_FAIL, "max.message.bytes=1004096"},
};

START_TEST(size)
{
    name.largest_bytes = sizes[_i].largest;
    facts.max_message_bytes = sizes[_i].limit;
    if (sizes[_i].level == EF_LEVEL_OK)
        expect_well(4);
    else
        expect(sizes[_i].level, "kafka.message_size", sizes[_i].mend);
}
END_TEST

START_TEST(compacted)
{
    facts.cleanup = "compact,delete";
    expect(EF_LEVEL_WARN, "kafka.cleanup", "cleanup.policy=delete");
}
END_TEST

/* A topic that nobody's configuration names, but --topic: no limits to compare with. */
START_TEST(without_outbox)
{
    name = (struct ef_topic_name){.name = "t"};
    facts.max_message_bytes = 1000;
    expect_well(4);
}
END_TEST

/* A row's topic brings where its dead letters go; of the largest row its size is kept. */
START_TEST(topics_of_rows)
{
    struct ef_topic_names names = {0};
    outbox.dead_letter_topic = "${topic}.dlq";
    ef_topic_names_add_row(&names, &outbox, "t", 300);
    ef_topic_names_add_row(&names, &outbox, "t", 700);
    ef_topic_names_add_row(&names, &outbox, "t", 10);
    ck_assert_uint_eq(names.count, 2);
    ck_assert_str_eq(names.items[0].name, "t");
    ck_assert_int_eq(names.items[0].largest_bytes, 700);
    ck_assert_str_eq(names.items[1].name, "t.dlq");
    ck_assert(names.items[1].dead_letters);
    ck_assert_int_eq(names.items[1].largest_bytes, 0);
    ef_topic_names_done(&names);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_topics");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, well);
    tcase_add_test(all, settings_not_known);
    tcase_add_test(all, name_that_cannot_be);
    tcase_add_test(all, not_asked);
    tcase_add_loop_test(all, missing, 0, 5);
    tcase_add_test(all, other_brokers);
    tcase_add_test(all, not_to_be_seen);
    tcase_add_test(all, not_to_be_written);
    tcase_add_test(all, may_write_unknown);
    tcase_add_test(all, without_leader);
    tcase_add_loop_test(all, number_of_copies, 0, sizeof(copies) / sizeof(copies[0]));
    tcase_add_test(all, two_faults_of_copies);
    tcase_add_loop_test(all, size, 0, sizeof(sizes) / sizeof(sizes[0]));
    tcase_add_test(all, compacted);
    tcase_add_test(all, without_outbox);
    tcase_add_test(all, topics_of_rows);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
