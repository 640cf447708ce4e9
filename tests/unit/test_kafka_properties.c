// SPDX-License-Identifier: MIT
/* From our configuration to librdkafka's: the guarantees stand, and nothing an operator writes
 * removes them unseen. */
#include <check.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/properties.h"
#include "unit/run_suite.h"

static bool check(const char *name, const char *value, char *allowed, struct ef_error *err)
{
    char *items[] = {allowed};
    struct ef_strings allow = {.items = items, .count = allowed ? 1 : 0};
    ef_error_clear(err);
    return ef_kafka_property_check(name, value, &allow, err);
}

static void assert_refused(const char *name, const char *value, char *allowed, const char *words)
{
    struct ef_error err;
    ck_assert_msg(!check(name, value, allowed, &err), "%s=%s was taken", name, value);
    ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
    ck_assert_msg(strstr(err.text, words) != NULL, "%s=%s: %s", name, value, err.text);
    ck_assert_msg(strchr(err.text, '\n') == NULL, "%s: more than a line", name);
}

static void assert_taken(const char *name, const char *value, char *allowed)
{
    struct ef_error err;
    ck_assert_msg(check(name, value, allowed, &err), "%s=%s: %s", name, value, err.text);
}

START_TEST(ordinary_properties_are_taken)
{
    assert_taken("compression.type", "lz4", NULL);
    assert_taken("linger.ms", "2.5", NULL);
    assert_taken("security.protocol", "SASL_SSL", NULL);
    assert_taken("sasl.mechanism", "SCRAM-SHA-512", NULL);
    assert_taken("sasl.username", "relay", NULL);
    assert_taken("ssl.ca.location", "/etc/ssl/certs/ca.pem", NULL);
    assert_taken("batch.num.messages", "1000", NULL);
    assert_taken("request.timeout.ms", "5000", NULL);
    assert_taken("socket.timeout.ms", "10000", NULL);
}
END_TEST

START_TEST(an_unknown_name_is_answered_with_the_nearest)
{
    assert_refused("compresion.type", "lz4", NULL, "\"compression.type\"");
    assert_refused("sasl.user", "x", NULL, "\"sasl.username\"");
    assert_refused("ssl.ca.file", "x", NULL, "not known to librdkafka");
    assert_refused("colour", "blue", NULL, "not known to librdkafka");
    struct ef_error err;
    ck_assert(!check("colour", "blue", NULL, &err));
    ck_assert_ptr_null(strstr(err.text, "nearest"));
}
END_TEST

START_TEST(a_bad_value_is_explained_by_the_library)
{
    assert_refused("compression.type", "brotli", NULL, "\"brotli\"");
    assert_refused("batch.size", "", NULL, "batch.size");
    assert_refused("log_level", "9", NULL, "0..7");
    assert_refused("debug", "brokr", NULL, "brokr");
}
END_TEST

START_TEST(code_commands_and_mocks_are_refused_even_when_allowed)
{
    assert_refused("plugin.library.paths", "x.so", "plugin.library.paths", "loads code");
    assert_refused("ssl.engine.location", "x.so", "ssl.engine.location", "loads code");
    assert_refused("sasl.kerberos.kinit.cmd", "true", "sasl.kerberos.kinit.cmd", "shell command");
    assert_refused("test.mock.num.brokers", "1", "test.mock.num.brokers", "brokers: embedded");
    assert_refused("test.mock.broker.rtt", "1", NULL, "brokers: embedded");
    assert_refused("transactional.id", "x", "transactional.id", "transactions");
    assert_refused("bootstrap.servers", "a:1", NULL, "kafka.brokers");
    assert_refused("metadata.broker.list", "a:1", NULL, "kafka.brokers");
    assert_refused("client.id", "x", NULL, "kafka.client_id");
    assert_refused("log.queue", "false", NULL, "log");
    assert_refused("delivery.report.only.error", "true", NULL, "report");
}
END_TEST

START_TEST(callbacks_and_consumer_properties_are_refused)
{
    assert_refused("dr_msg_cb", "x", NULL, "dr_msg_cb");
    assert_refused("opaque", "x", NULL, "opaque");
    assert_refused("group.id", "g", NULL, "consumer");
    assert_refused("auto.offset.reset", "earliest", NULL, "consumer");
    assert_refused("enable.auto.commit", "true", NULL, "consumer");
}
END_TEST

static const struct {
    const char *name, *alias, *unsafe, *harmless;
} unsafe[] = {
    {"acks", "request.required.acks", "1", "all"},
    {"request.required.acks", "acks", "0", "-1"},
    {"enable.idempotence", "enable.idempotence", "false", "true"},
    {"enable.gapless.guarantee", "enable.gapless.guarantee", "false", "true"},
    {"message.timeout.ms", "delivery.timeout.ms", "60000", "0"},
    {"delivery.timeout.ms", "message.timeout.ms", "60000", "0"},
    {"retries", "message.send.max.retries", "3", "2147483647"},
    {"max.in.flight", "max.in.flight.requests.per.connection", "6", "5"},
    {"max.in.flight.requests.per.connection", "max.in.flight", "100", "1"},
    {"queuing.strategy", "queuing.strategy", "lifo", "fifo"},
    {"partitioner", "partitioner", "consistent", "murmur2_random"},
};

START_TEST(a_guarantee_falls_only_by_permission)
{
    assert_refused(unsafe[_i].name, unsafe[_i].unsafe, NULL, "allow_unsafe");
    assert_refused(unsafe[_i].name, unsafe[_i].unsafe, "linger.ms", "allow_unsafe");
    assert_taken(unsafe[_i].name, unsafe[_i].unsafe, (char *)unsafe[_i].name);
    assert_taken(unsafe[_i].name, unsafe[_i].unsafe, (char *)unsafe[_i].alias);
    assert_taken(unsafe[_i].name, unsafe[_i].harmless, NULL);
    struct ef_error err;
    ck_assert(ef_kafka_allow_unsafe_check(unsafe[_i].name, &err));
}
END_TEST

START_TEST(a_permission_must_be_for_something)
{
    struct ef_error err;
    ck_assert(!ef_kafka_allow_unsafe_check("ackz", &err));
    ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
    ck_assert(!ef_kafka_allow_unsafe_check("linger.ms", &err));
    ck_assert(!ef_kafka_allow_unsafe_check("plugin.library.paths", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "loads code"));
}
END_TEST

static struct ef_property props[8];
static struct ef_config_kafka config;

static void setup(void)
{
    memset(&config, 0, sizeof(config));
    memset(props, 0, sizeof(props));
    config.brokers = "a:9092,b:9092";
    config.client_id = "eventferryd-test";
    config.properties.items = props;
}

static void property(char *name, char *value)
{
    props[config.properties.count++] = (struct ef_property){.name = name, .value = value};
}

static void assert_value(const rd_kafka_conf_t *conf, const char *name, const char *want)
{
    char value[256];
    size_t size = sizeof(value);
    ck_assert_msg(rd_kafka_conf_get(conf, name, value, &size) == RD_KAFKA_CONF_OK, "%s", name);
    ck_assert_msg(strcmp(value, want) == 0, "%s=%s, not %s", name, value, want);
}

static rd_kafka_conf_t *build(const struct ef_kafka_params *params)
{
    struct ef_error err;
    rd_kafka_conf_t *conf = NULL;
    ck_assert_msg(ef_kafka_conf_new(params, &conf, &err), "%s", err.text);
    return conf;
}

static void assert_starts(rd_kafka_conf_t *conf)
{
    char reason[512] = "";
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    ck_assert_msg(rk != NULL, "%s", reason);
    rd_kafka_destroy(rk);
}

START_TEST(the_main_producer_has_the_guarantees)
{
    struct ef_kafka_params params = {.config = &config,
                                     .queue_messages = 20000,
                                     .queue_bytes = 16 << 20,
                                     .message_max_bytes = 1100000,
                                     .linger_us = 1500,
                                     .statistics_ms = 15000};
    rd_kafka_conf_t *conf = build(&params);
    assert_value(conf, "enable.idempotence", "true");
    assert_value(conf, "enable.gapless.guarantee", "true");
    assert_value(conf, "acks", "-1");
    assert_value(conf, "message.timeout.ms", "0");
    assert_value(conf, "max.in.flight", "5");
    assert_value(conf, "queuing.strategy", "fifo");
    assert_value(conf, "sticky.partitioning.linger.ms", "0");
    assert_value(conf, "bootstrap.servers", "a:9092,b:9092");
    assert_value(conf, "client.id", "eventferryd-test");
    assert_value(conf, "client.software.name", "eventferryd");
    assert_value(conf, "queue.buffering.max.messages", "20000");
    assert_value(conf, "queue.buffering.max.kbytes", "16384");
    assert_value(conf, "message.max.bytes", "1100000");
    assert_value(conf, "batch.size", "262144");
    assert_value(conf, "linger.ms", "1.5");
    assert_value(conf, "statistics.interval.ms", "15000");
    assert_value(conf, "reconnect.backoff.max.ms", "1000");
    assert_value(conf, "socket.nagle.disable", "true");
    assert_value(conf, "socket.keepalive.enable", "true");
    assert_value(conf, "topic.metadata.propagation.max.ms", "5000");
    assert_value(conf, "log.queue", "true");
    assert_starts(conf);
}
END_TEST

START_TEST(the_aside_producer_gives_up_after_half_a_minute)
{
    property("compression.type", "lz4");
    property("message.timeout.ms", "900000");
    char *allowed[] = {"message.timeout.ms"};
    config.allow_unsafe = (struct ef_strings){.items = allowed, .count = 1};
    struct ef_kafka_params params = {.config = &config, .bootstrap = "127.0.0.1:1", .aside = true};
    rd_kafka_conf_t *conf = build(&params);
    assert_value(conf, "enable.idempotence", "true");
    assert_value(conf, "acks", "-1");
    assert_value(conf, "enable.gapless.guarantee", "false");
    assert_value(conf, "message.timeout.ms", "30000");
    assert_value(conf, "compression.type", "lz4");
    assert_value(conf, "bootstrap.servers", "127.0.0.1:1");
    assert_starts(conf);
}
END_TEST

START_TEST(the_operators_properties_come_last)
{
    property("socket.timeout.ms", "12000");
    property("linger.ms", "7");
    property("max.in.flight", "2");
    struct ef_kafka_params params = {.config = &config};
    rd_kafka_conf_t *conf = build(&params);
    assert_value(conf, "socket.timeout.ms", "12000");
    assert_value(conf, "linger.ms", "7");
    assert_value(conf, "max.in.flight", "2");
    rd_kafka_conf_destroy(conf);
}
END_TEST

START_TEST(limits_of_the_library_are_kept)
{
    struct ef_kafka_params params = {.config = &config,
                                     .queue_messages = INT64_MAX,
                                     .queue_bytes = INT64_MAX,
                                     .message_max_bytes = 10,
                                     .linger_us = -5,
                                     .statistics_ms = INT64_MAX};
    rd_kafka_conf_t *conf = build(&params);
    assert_value(conf, "queue.buffering.max.messages", "10000000");
    assert_value(conf, "queue.buffering.max.kbytes", "2097151");
    assert_value(conf, "message.max.bytes", "1000");
    assert_value(conf, "linger.ms", "0");
    rd_kafka_conf_destroy(conf);
}
END_TEST

START_TEST(a_config_that_was_never_checked_is_refused_all_the_same)
{
    property("acks", "1");
    struct ef_kafka_params params = {.config = &config};
    struct ef_error err;
    rd_kafka_conf_t *conf = NULL;
    ck_assert(!ef_kafka_conf_new(&params, &conf, &err));
    ck_assert_ptr_null(conf);
    ck_assert_ptr_nonnull(strstr(err.text, "allow_unsafe"));
}
END_TEST

START_TEST(secrets_are_never_shown)
{
    struct ef_error err;
    /* the library repeats a bad value of this one; the file said that it came from a secret */
    property("debug", "s3cr3t-value");
    props[0].secret = true;
    struct ef_kafka_params params = {.config = &config};
    rd_kafka_conf_t *conf = NULL;
    ck_assert(!ef_kafka_conf_new(&params, &conf, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "debug"));
    ck_assert_ptr_null(strstr(err.text, "s3cr3t"));
}
END_TEST

START_TEST(a_good_config_passes_the_trial)
{
    struct ef_error err;
    ck_assert_msg(ef_kafka_config_try(&config, &err), "%s", err.text);
    property("security.protocol", "SASL_PLAINTEXT"); /* Kerberos is not tried: it would run kinit */
    ck_assert_msg(ef_kafka_config_try(&config, &err), "%s", err.text);
}
END_TEST

START_TEST(the_trial_finds_contradictions)
{
    property("acks", "1");
    char *allowed[] = {"acks"};
    config.allow_unsafe = (struct ef_strings){.items = allowed, .count = 1};
    struct ef_error err;
    ck_assert(!ef_kafka_config_try(&config, &err));
    ck_assert_int_eq(err.class, EF_CLASS_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.text, "enable.idempotence"));
}
END_TEST

START_TEST(the_trial_finds_files_that_cannot_be_read)
{
    property("security.protocol", "SSL");
    property("ssl.ca.location", "/nonexistent/ca.pem");
    struct ef_error err;
    ck_assert(!ef_kafka_config_try(&config, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "ssl.ca.location"));
    ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
}
END_TEST

START_TEST(the_trial_finds_missing_credentials)
{
    property("security.protocol", "SASL_PLAINTEXT");
    property("sasl.mechanism", "PLAIN");
    struct ef_error err;
    ck_assert(!ef_kafka_config_try(&config, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "sasl.username"));
}
END_TEST

START_TEST(only_another_partitioner_is_the_operators_own)
{
    ck_assert_ptr_null(ef_kafka_own_partitioner(&config));
    property("partitioner", "murmur2_random");
    ck_assert_ptr_null(ef_kafka_own_partitioner(&config));
    property("partitioner", "fnv1a");
    ck_assert_str_eq(ef_kafka_own_partitioner(&config), "fnv1a");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kafka_properties");
    TCase *one = tcase_create("one property");
    tcase_add_test(one, ordinary_properties_are_taken);
    tcase_add_test(one, an_unknown_name_is_answered_with_the_nearest);
    tcase_add_test(one, a_bad_value_is_explained_by_the_library);
    tcase_add_test(one, code_commands_and_mocks_are_refused_even_when_allowed);
    tcase_add_test(one, callbacks_and_consumer_properties_are_refused);
    tcase_add_loop_test(one, a_guarantee_falls_only_by_permission, 0,
                        sizeof(unsafe) / sizeof(unsafe[0]));
    tcase_add_test(one, a_permission_must_be_for_something);
    suite_add_tcase(suite, one);
    TCase *all = tcase_create("all together");
    tcase_add_checked_fixture(all, setup, NULL);
    tcase_add_test(all, the_main_producer_has_the_guarantees);
    tcase_add_test(all, the_aside_producer_gives_up_after_half_a_minute);
    tcase_add_test(all, the_operators_properties_come_last);
    tcase_add_test(all, limits_of_the_library_are_kept);
    tcase_add_test(all, a_config_that_was_never_checked_is_refused_all_the_same);
    tcase_add_test(all, secrets_are_never_shown);
    tcase_add_test(all, a_good_config_passes_the_trial);
    tcase_add_test(all, the_trial_finds_contradictions);
    tcase_add_test(all, the_trial_finds_files_that_cannot_be_read);
    tcase_add_test(all, the_trial_finds_missing_credentials);
    tcase_add_test(all, only_another_partitioner_is_the_operators_own);
    suite_add_tcase(suite, all);
    return run_suite(suite);
}
