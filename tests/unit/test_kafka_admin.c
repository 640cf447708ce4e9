// SPDX-License-Identifier: MIT
/* Asking brokers: here against the one in the process, in tests/integration against real ones. */
#include <check.h>
#include <stdlib.h>

#include "base/clock.h"
#include "kafka/admin.h"
#include "kafka/embedded.h"
#include "unit/run_suite.h"

enum { ASK_MS = 10000, PARTITIONS = 3 };

static struct ef_embedded *embedded;
static struct ef_kafka_admin *admin;

static void start(void)
{
    struct ef_config_kafka config = {.client_id = "test"};
    struct ef_error err;
    embedded = ef_embedded_new(PARTITIONS, &err);
    ck_assert_msg(embedded != NULL, "%s", err.text);
    admin = ef_kafka_admin_new(&config, ef_embedded_bootstrap(embedded), &err);
    ck_assert_msg(admin != NULL, "%s", err.text);
}

static void stop(void)
{
    ef_kafka_admin_free(admin);
    ef_embedded_free(embedded);
}

START_TEST(brokers)
{
    struct ef_kafka_admin_cluster cluster;
    struct ef_error err;
    ck_assert_msg(ef_kafka_admin_cluster(admin, ASK_MS, &cluster, &err), "%s", err.text);
    ck_assert_uint_eq(cluster.broker_count, 1);
    ck_assert_str_eq(cluster.brokers[0].host, "127.0.0.1");
    ck_assert_int_gt(cluster.brokers[0].port, 0);
    ef_kafka_admin_cluster_done(&cluster);
    ck_assert(!ef_kafka_admin_fatal(admin, &err));
}
END_TEST

START_TEST(topics)
{
    struct ef_kafka_admin_topic topic;
    struct ef_error err;
    ck_assert_msg(ef_embedded_topic(embedded, "there", &err), "%s", err.text);
    ck_assert_msg(ef_kafka_admin_topic(admin, "there", ASK_MS, &topic, &err), "%s", err.text);
    ck_assert(topic.exists && !topic.denied && !topic.leaderless);
    ck_assert_int_eq(topic.partitions, PARTITIONS);
    ck_assert_int_ge(topic.in_sync, 1);
}
END_TEST

START_TEST(nobody_there)
{
    /* port 1 of loopback refuses; the answer comes with the timeout and names the cause */
    struct ef_config_kafka config = {.client_id = "test"};
    struct ef_kafka_admin_cluster cluster;
    struct ef_error err;
    struct ef_kafka_admin *other = ef_kafka_admin_new(&config, "127.0.0.1:1", &err);
    ck_assert_msg(other != NULL, "%s", err.text);
    int64_t began_us = ef_clock_mono().us;
    ck_assert(!ef_kafka_admin_cluster(other, 500, &cluster, &err));
    ck_assert_int_ge(ef_clock_mono().us - began_us, 400000);
    ck_assert_int_eq(err.class, EF_CLASS_OUTAGE);
    ck_assert_msg(strstr(err.text, "refused") != NULL, "%s", err.text);
    ef_kafka_admin_free(other);
}
END_TEST

START_TEST(bad_property)
{
    struct ef_property property = {.name = "socket.nagel", .value = "1"};
    struct ef_config_kafka config = {.client_id = "test", .properties = {&property, 1}};
    struct ef_error err;
    ck_assert_ptr_null(ef_kafka_admin_new(&config, "127.0.0.1:1", &err));
    ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_admin");
    TCase *with = tcase_create("brokers");
    TCase *without = tcase_create("no brokers");
    tcase_add_checked_fixture(with, start, stop);
    tcase_add_test(with, brokers);
    tcase_add_test(with, topics);
    tcase_add_test(without, nobody_there);
    tcase_add_test(without, bad_property);
    suite_add_tcase(suite, with);
    suite_add_tcase(suite, without);
    return run_suite(suite);
}
